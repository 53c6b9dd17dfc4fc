"""Every flow, ended at random moments by Ctrl-C, by a polite end and by a kill: run again, it ends as if nobody had.

``LEADSIEVE_KILLS=100`` (with ``--timeout=0``) tries as many moments of each flow instead of a few.
"""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.kills import FORGETS, champions, drafts_in, registry_in, state_of, with_names_alike

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("LEADSIEVE_KILLS", "2"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
FLOWS = {
    "score": ("score", "--as-of", "2024-12-01"),
    "forget": FORGETS,
    "promote": ("promote", "2", "--force", "--why", "to try it"),
    "rollback": ("rollback", "1", "--why", "it was better"),
    "alignment": ("alignment", "--as-of", "2024-12-20"),
}
if KILLS > 2:  # takes minutes
    FLOWS |= {"monitor": ("monitor", "--as-of", "2024-12-20"), "train": ("train",)}


def looked_at(home: Path, flow: str) -> dict[str, object]:
    """What a flow leaves; a version may be registered already."""
    found = with_names_alike(state_of(home))
    newest = max(found["aliases"], key=int)
    aliases = (champions(found), found["aliases"][newest]) if flow == "train" else found["aliases"]
    return found | {"aliases": aliases}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_that_was_ended_at_any_moment_ends_as_one_that_was_not(flow, killed_market, forked, tmp_path):
    begun = killed_market.two
    if flow == "rollback":
        begun = Path(shutil.copytree(killed_market.two, tmp_path / "begun" / "home"))
        forked.told(*FLOWS["promote"], home=begun)

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(begun, tmp_path / name / "home"))

    told = [*FLOWS[flow], "--config", killed_market.config]
    clean = fresh("clean")
    done = forked.run(told, home=clean)[0]
    assert done[0] in (0, 4), done
    expected, touches = looked_at(clean, flow), forked.touches()
    draw = random.Random(len(flow))
    ended = 0
    for number in range(KILLS):
        by, at = SIGNALS[number % len(SIGNALS)], draw.randint(1, touches)
        home = fresh(f"ended {number}")  # MLflow keeps what it once opened under a name
        code, _, err = forked.run(told, home=home, kill_at=at, by=by)[0]
        where = f"{by.name} at touch {at} of {touches}: {err}"
        assert code in (done[0], 130, -by), where
        assert "Traceback" not in err, where
        ended += code != done[0]
        if flow != "train":
            reigning = [each.number for each in registry_in(home).versions() if "champion" in each.aliases]
            assert len(reigning) == 1, where
        assert list(forked.system.iterdir()) == [], where  # what leads say is left in no folder of others
        again = forked.run(told, home=home)[0]
        assert again[0] in (done[0], *((2,) if flow == "forget" else ())), (where, again)
        assert looked_at(home, flow) == expected, where
        assert drafts_in(home.parent) == [], where
        shutil.rmtree(home.parent)
    print(f"{flow}: tried {KILLS}, ended {ended}, lost 0")

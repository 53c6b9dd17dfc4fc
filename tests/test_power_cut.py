"""The power goes at any moment: what is left is whole, or the next run makes it so, and nothing that was said to
be kept is lost.

``LEADSIEVE_CUTS=5`` (with ``--timeout=0``) tries as many moments of each kind and flow, and each way of what may be left.
"""

import os
import shutil
import signal
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.desk import Desk
from pipelines.settings import load_settings
from pipelines.store.database import Store
from pipelines.store.schema import answers_table
from tests.forks import Forks
from tests.kills import FORGETS, drafts_in, moments, state_of, with_names_alike
from tests.power import CUTS, after_cut, before

pytestmark = pytest.mark.slow
KINDS = ("write", "sync", "rename", "open")
MOMENTS = int(os.environ.get("LEADSIEVE_CUTS", "1"))  # of each kind; more by hand
FLOWS = {
    "score": ("score", "--json"),
    "promote": ("promote", "2", "--force", "--why", "it", "--json"),
    "forget": FORGETS,
}
NEVER = 10**9
WAYS = 1 if MOMENTS == 1 else len(CUTS)  # of what a file system may have kept


def left_after(runs: Forks, told, home: Path, scratch: Path, kind: str, at: int):
    """Run until the power goes; gives how it ended and what can be left."""
    record = scratch / "record"
    shutil.rmtree(record, ignore_errors=True)
    record.mkdir()
    left = [home.parent / f"left {number}" / "home" for number in range(len(CUTS))]
    with before(home) as was:
        code, _, err = runs.run(told, home=home, fails=(kind, at, 0, False), record=record)[0]
        for place, (names, contents) in zip(left, CUTS, strict=True):
            place.parent.mkdir()
            after_cut(was, record, place, names=names, contents=contents)
    return code, err, left


def looked_at(home: Path) -> dict[str, object]:
    return with_names_alike(state_of(home))


@pytest.mark.parametrize("flow", FLOWS)
def test_after_a_power_cut_the_next_run_ends_as_if_there_had_been_none(flow, killed_market, forked, tmp_path):
    def fresh(name: str) -> Path:
        home = Path(shutil.copytree(killed_market.two, tmp_path / name / "home"))
        if flow == "score":
            shutil.rmtree(home / "snapshots")
        return home

    told = [*FLOWS[flow], "--config", killed_market.config]
    clean = fresh("clean")
    code, err, kept = left_after(forked, told, clean, tmp_path, "write", NEVER)
    assert code == 0, err
    expected, counts = looked_at(clean), forked.counted()
    for left in kept:  # and when the power goes right after the end
        assert looked_at(left)["decisions"] == expected["decisions"]
    tried = 0
    for kind in KINDS:
        for at in moments(counts[kind], MOMENTS + 1)[1:]:
            home = fresh(f"{kind} {at}")
            code, err, kept = left_after(forked, told, home, tmp_path, kind, at)
            assert code in (0, -signal.SIGKILL), err
            for (names, contents), left in zip(CUTS[:WAYS], kept, strict=False):
                cut = f"at {kind} {at} of {counts[kind]}, names {names}, contents {contents}"
                again, _, err = forked.run(told, home=left)[0]
                assert again in ((0, 2) if flow == "forget" else (0,)), (cut, err)
                assert (looked_at(left), drafts_in(left)) == (expected, []), cut
                tried += 1
            shutil.rmtree(home.parent)
    print(f"{flow}: power cuts {tried}, lost 0")


ANSWERS = """
from datetime import datetime
from pathlib import Path
from pipelines.store.answers import give
from pipelines.store.database import Store
store = Store("sqlite:///{home}/store.db")
leads = store.decisions().query("action == 'hand off'").lead_id.head(5)
for lead in leads:
    give(store, lead, "accepted", turn=0, who="ann", at=datetime(2024, 11, 16))
    print(lead, flush=True)
"""


def test_no_answer_that_was_acknowledged_is_lost_by_a_power_cut(killed_market, forked, tmp_path):
    filled = Path(shutil.copytree(killed_market.two, tmp_path / "filled" / "home"))
    desk = Desk(load_settings(killed_market.config, environ={}), filled, lambda: datetime(2024, 11, 16))
    desk.refresh()
    desk.dossiers.close()

    def given(home: Path) -> set[str]:
        with Store(f"sqlite:///{home / 'store.db'}").reading() as connection:
            return set(connection.scalars(sa.select(answers_table.c.lead_id)))

    def cut(kind: str, at: int) -> tuple[set[str], list[set[str]]]:
        home = Path(shutil.copytree(filled, tmp_path / f"{kind} {at}" / "home"))
        program = ("-c", ANSWERS.format(home=home))
        _, _, left = left_after(forked, program, home, tmp_path, kind, at)
        return set((forked.scratch / "0.out").read_text().split()), [given(each) for each in left]

    all_of_them, _ = cut("write", NEVER)
    counts = forked.counted()
    assert len(all_of_them) == 5
    acknowledged = []
    for kind in ("write", "sync"):
        for at in moments(counts[kind], MOMENTS + 2)[1:]:
            told, lefts = cut(kind, at)
            assert all(told <= left <= all_of_them for left in lefts), (kind, at)
            acknowledged.append(len(told))
    assert max(acknowledged) > 0
    assert min(acknowledged) < 5

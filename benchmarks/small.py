"""A small look at speed: 30,000 leads, each step as a ratio against a straight-line script in the same process, beside the
ratios that were kept.

    python -m benchmarks.small [--bench ../shared/bench] [--keep]

Counted are the processors' seconds, the least of two rounds in which the script and the steps take turns, so that other
programs on the machine say little. Ends with 1 where a ratio is more than 1.3 times the one kept last; ``--keep`` adds
this run's to the file, with the commit.
"""

import argparse
import contextlib
import csv
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before the libraries that it is about

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.online.ledger import Histories
from features.online.prepared import Prepared, PreparedMatrix
from models.policy.arms import Arms
from models.policy.decisions import decide_all, decide_each
from models.policy.policy import Policy
from models.policy.risk_control import Promise
from models.scoring.scorer import Scorer, Target, fit_scorer
from models.survival.hazard import HazardParameters
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull

HERE = Path(__file__).resolve().parent
KEPT = HERE / "kept_ratios.csv"
LEADS, ROUNDS, MOST = 30_000, 2, 1.3
ALONE = 100  # leads that are asked about one by one
FAR = datetime(2100, 1, 1)
NOBODY = Promise("p_both", 0.05, 0.95, 0, None, None, certified=False, why="none was asked for")
POLICY = Policy(
    cut=None, basis="none", held_share=0.0, promise=NOBODY, arms=Arms(pass_through=0.0, forced=0.0, salt="s")
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--bench", type=Path, default=HERE.parent.parent / "shared" / "bench")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    found = measured(given.bench)
    before = kept()
    print(f"{'':12}{'ratio':>8}{'kept':>8}")
    for name, ratio in found.items():
        print(f"{name:12}{ratio:8.3f}{before.get(name, np.nan):8.3f}")
    if given.keep:
        keep(found)
    elif slower := {name: ratio for name, ratio in found.items() if ratio > MOST * before.get(name, np.inf)}:
        told = ", ".join(f"{name} {ratio / before[name]:.2f} times" for name, ratio in slower.items())
        sys.exit(
            f"slower than kept: {told}. Find out why; where it must be so, python -m benchmarks.small --keep."
        )


def measured(bench: Path) -> dict[str, float]:
    """Each step's processor seconds over those of the script."""
    script = module(bench / "straight_line.py")
    least: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        done = work()
        least[name] = min(least.get(name, np.inf), time.process_time() - begun)
        return done

    with tempfile.TemporaryDirectory() as scratch:
        world = Path(scratch) / "world"
        subprocess.run(
            [sys.executable, str(bench / "make_world.py"), str(world), "--leads", str(LEADS)],
            check=True,
            capture_output=True,
        )
        for number in range(ROUNDS):
            with contextlib.redirect_stdout(io.StringIO()), arguments(str(world)):
                timed("script", script.main)
            rounds(world, Path(scratch) / f"home-{number}", timed)
    return {name: spent / least["script"] for name, spent in least.items() if name != "script"}


def rounds(world: Path, home: Path, timed: Callable[[str, Callable[[], Any]], Any]) -> None:
    """One round of all steps: from a source to the scores of all leads, and of some one by one."""
    settings = load_settings(HERE / "world.toml", environ={})
    source = settings.source.model_copy(update={"url": f"files:{world}"})
    snapshot = timed("pull", lambda: pull(source, settings.label, home=home, until=FAR))
    try:
        learning = timed("features", lambda: learning_set(snapshot.tables, settings))
        targets = {name: Target(learning.labels(name)) for name in learning.names}
        fit = {"recipe": learning.recipe, "parameters": HazardParameters(rounds=20), **targets}
        scorer = timed("fit", lambda: fit_scorer(learning.frame, **fit))
        timed("score", lambda: decide_all(scorer, POLICY, learning.frame, version="1", with_reasons=0))
        made = timed(
            "load",
            lambda: PreparedMatrix(
                Prepared.of(snapshot.tables, scorer.recipe), Histories.of(snapshot.tables, scorer.recipe), {}
            ),
        )
        leads = snapshot.tables.leads.limit(ALONE).to_pyarrow()
        events = snapshot.tables.events.semi_join(snapshot.tables.leads.limit(ALONE), "lead_id").to_pyarrow()
        of_lead = [events.filter(pc.equal(events["lead_id"], lead_id)) for lead_id in leads["lead_id"]]
        timed(
            "one by one",
            lambda: [alone(made, scorer, leads.slice(row, 1), of_lead[row]) for row in range(ALONE)],
        )
    finally:
        snapshot.close()


def alone(made: PreparedMatrix, scorer: Scorer, lead: pa.Table, events: pa.Table) -> dict[str, Any]:
    """One lead as the API scores it, with reasons."""
    rows = made.of(lead, events, pa.array([FAR], pa.timestamp("us")))
    return decide_each(scorer, POLICY, rows, version="1", with_reasons=1)


def module(file: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@contextlib.contextmanager
def arguments(*words: str) -> Any:
    """What a script finds on its command line."""
    before, sys.argv = sys.argv, ["script", *words]
    try:
        yield
    finally:
        sys.argv = before


def kept() -> dict[str, float]:
    """The ratios kept last; none where none were."""
    if not KEPT.is_file():
        return {}
    *_, last = csv.DictReader(KEPT.read_text(encoding="utf-8").splitlines())
    return {name: float(value) for name, value in last.items() if name != "commit" and value}


def keep(found: dict[str, float]) -> None:
    """Add this run's ratios to those kept."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()
    new = not KEPT.is_file()
    with KEPT.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(["commit", *found])
        writer.writerow([commit, *(f"{ratio:.4f}" for ratio in found.values())])


if __name__ == "__main__":
    main()

"""Train and score a million leads, as a ratio against a straight-line script on the same machine in the same run.

    python benchmarks/main_job.py [--bench ../shared/bench] [--world FOLDER] [--leads 1000000]

The made-up world is written on first use. Times are whole-process wall clock where a limit speaks of a whole command, and the
phases that the commands report themselves where it speaks of a phase; peak memory is the operating system's, of the largest process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = [sys.executable, "-m", "app.cli"]


@dataclass(frozen=True)
class Run:
    """One finished process: what it printed, seconds of wall clock, GiB at its peak."""

    printed: str
    seconds: float
    peak: float


def run(command: list[str]) -> Run:
    """Run a command to its end and account for it alone."""
    with tempfile.TemporaryFile("w+") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, cwd=HERE.parent)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        out.seek(0)
        printed = out.read()
    if status:
        sys.exit(f"{' '.join(command)} failed: {printed}")
    return Run(printed, seconds, usage.ru_maxrss / 2**20)


def straight_line(bench: Path, world: Path) -> tuple[dict[str, float], Run]:
    """The script that all is measured against, with its own phases in seconds."""
    done = run([sys.executable, str(bench / "straight_line.py"), str(world)])
    phases = {words[0]: float(words[-2]) for words in (line.split() for line in done.printed.splitlines()) if words[-1] == "s"}
    return phases, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, default=HERE.parent.parent / "shared" / "bench")
    parser.add_argument("--world", type=Path, default=Path(tempfile.gettempdir()) / "leadsieve-world")
    parser.add_argument("--leads", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if not (arguments.world / "outcomes.parquet").exists():
        run([sys.executable, str(arguments.bench / "make_world.py"), str(arguments.world), "--leads", str(arguments.leads)])

    script, script_run = straight_line(arguments.bench, arguments.world)
    with tempfile.TemporaryDirectory() as home:
        common = ["--config", str(HERE / "world.toml"), "--source", f"files:{arguments.world}", "--home", home, "--json"]
        trained = run([*COMMAND, "train", *common])
        run([*COMMAND, "promote", "--config", str(HERE / "world.toml"), "--home", home, "--json"])
        scored = run([*COMMAND, "score", "--all", "--output", f"{home}/decisions.parquet", *common])
    train, score = (json.loads(done.printed)["seconds"] for done in (trained, scored))

    lines = [
        ("features", train["features"], script["features"], 1.1),
        ("train, the whole command", trained.seconds, script["features"] + script["train"], 3.0),
        ("score, the whole command", scored.seconds, script["features"] + script["score"], 2.0),
        ("peak memory of train, GiB", trained.peak, script_run.peak, 1.5),
        ("peak memory of score, GiB", scored.peak, script_run.peak, 1.5),
    ]
    print(f"{'':28}{'leadsieve':>10}{'script':>10}{'ratio':>8}{'limit':>8}")
    for name, ours, theirs, limit in lines:
        print(f"{name:28}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}{limit:8.1f}")
    print(f"{'train by phase, s':28}{train}\n{'score by phase, s':28}{score}")


if __name__ == "__main__":
    main()

"""Check, train on and score a million leads, as a ratio against a straight-line script on the same machine in
the same run.

    python benchmarks/main_job.py [--bench ../shared/bench] [--world FOLDER] [--leads 1000000]

The made-up world is written on first use. Times are whole-process wall clock where a limit speaks of a whole
command, and the phases that the commands report themselves where it speaks of a phase; peak memory is the
operating system's, of the largest process.

Where other programs run beside, the processor seconds of a process and its children say more. Set
OMP_WAIT_POLICY=PASSIVE then: while the script's threads wait, they would otherwise spin.
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
COMMAND = [sys.executable, "-m", "benchmarks.deciding"]


@dataclass(frozen=True)
class Run:
    """One finished process: what it printed, seconds of wall clock and of processors, GiB at its peak."""

    printed: str
    seconds: float
    processor: float
    peak: float

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of each phase, as a command with ``--json`` tells them."""
        return json.loads(self.printed.splitlines()[0])["seconds"]

    @property
    def deciding(self) -> float:
        """Share of the command that was spent on certifying, arms and values."""
        return json.loads(self.printed.splitlines()[-1])["deciding"] / self.seconds


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
    return Run(printed, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def straight_line(bench: Path, world: Path) -> tuple[dict[str, float], Run]:
    """The script that all is measured against, with its own phases in seconds."""
    done = run([sys.executable, str(bench / "straight_line.py"), str(world)])
    phases = {
        words[0]: float(words[-2])
        for words in (line.split() for line in done.printed.splitlines())
        if words[-1] == "s"
    }
    return phases, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, default=HERE.parent.parent / "shared" / "bench")
    parser.add_argument("--world", type=Path, default=Path(tempfile.gettempdir()) / "leadsieve-world")
    parser.add_argument("--leads", type=int, default=1_000_000)
    arguments = parser.parse_args()
    if not (arguments.world / "outcomes.parquet").exists():
        run(
            [
                sys.executable,
                str(arguments.bench / "make_world.py"),
                str(arguments.world),
                "--leads",
                str(arguments.leads),
            ]
        )

    script, script_run = straight_line(arguments.bench, arguments.world)
    with tempfile.TemporaryDirectory() as scratch:
        config = ["--config", str(HERE / "world.toml"), "--json"]
        common = [*config, "--source", f"files:{arguments.world}", "--home", scratch]
        checked = run(
            [*COMMAND, "check", *common[:-1], f"{scratch}/checked"]
        )  # a home of its own: train finds nothing pulled yet
        trained = run([*COMMAND, "train", *common])
        run([*COMMAND, "promote", *config, "--home", scratch])
        scored = run([*COMMAND, "score", "--all", "--output", f"{scratch}/decisions.parquet", *common])

    learned, known = script["features"] + script["train"], script["features"] + script["score"]
    lines = [
        ("features", trained.phases["features"], script["features"], 1.1),
        ("check, the whole command", checked.seconds, learned, 1.0),
        ("train, the whole command", trained.seconds, learned, 3.0),
        ("score, the whole command", scored.seconds, known, 2.0),
        ("peak memory of train, GiB", trained.peak, script_run.peak, 1.5),
        ("peak memory of score, GiB", scored.peak, script_run.peak, 1.5),
    ]
    print(f"{'':28}{'leadsieve':>10}{'script':>10}{'ratio':>8}{'limit':>8}")
    for name, ours, theirs, limit in lines:
        print(f"{name:28}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}{limit:8.1f}")
    commands = {"check": checked, "train": trained, "score": scored}
    for name, done in commands.items():
        share = "" if name == "check" else f", certifying, arms and values {done.deciding:.1%} (limit 10%)"
        print(
            f"{name}: {done.seconds:.1f} s{share}, of processors {done.processor:.1f} s; by phase, s: {done.phases}"
        )
    print(f"script: of processors {script_run.processor:.1f} s; by phase, s: {script}")


if __name__ == "__main__":
    main()

"""How fast the steps of the job are, beside what they were: against a script in the same process."""

import subprocess
import sys

import pytest

from benchmarks import small
from tests.conftest import REPOSITORY, absent

BENCH = REPOSITORY.parent / "shared" / "bench"


@pytest.mark.outside
@pytest.mark.slow
def test_no_step_has_become_slower_than_it_was_kept():
    if not (BENCH / "straight_line.py").is_file():
        absent("the straight-line script (shared/bench)")
    look = [sys.executable, "-m", "benchmarks.small"]
    for _ in range(2):  # once more where something else took the processors' caches
        done = subprocess.run(look, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    pytest.fail(done.stdout + done.stderr)


def test_a_step_that_is_slower_than_kept_ends_the_look_with_1_and_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(small, "KEPT", tmp_path / "kept.csv")
    monkeypatch.setattr(sys, "argv", ["small"])
    for ratio, keeps in ((1.0, True), (1.29, False), (0.5, False)):
        monkeypatch.setattr(small, "measured", lambda bench, ratio=ratio: {"fit": ratio, "pull": 0.2})
        monkeypatch.setattr(sys, "argv", ["small", *(["--keep"] if keeps else [])])
        small.main()
    monkeypatch.setattr(small, "measured", lambda bench: {"fit": 1.31, "pull": 0.2})
    with pytest.raises(SystemExit, match=r"slower than kept: fit 1\.31 times\. Find out why"):
        small.main()
    assert small.kept() == {"fit": 1.0, "pull": 0.2}

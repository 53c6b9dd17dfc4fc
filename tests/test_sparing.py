"""What a process that only scores does without: libraries that take seconds to import and more memory than
all else.
"""

import json
import socket
import subprocess
import sys

import pytest

from pipelines.store.database import Store
from tests.conftest import REPOSITORY

HEAVY = ("mlflow", "prefect", "sklearn", "scipy.stats", "matplotlib", "alembic")


@pytest.mark.slow
def test_the_desk_imports_nothing_that_only_training_needs(tmp_path):
    code = f"""
import json, sys
from unittest.mock import patch
import uvicorn
from app.cli import run
with patch.object(uvicorn.Server, "run"):
    sys.argv = ["leadsieve", "desk", "--port", "0", "--home", sys.argv[1]]
    try:
        run()
    except SystemExit:
        pass
from app.web import create_app
print(json.dumps([name for name in {HEAVY!r} if sys.modules.get(name) is not None]))
"""
    Store(f"sqlite:///{tmp_path / 'store.db'}").decided()  # one that is brought up to date imports alembic
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    address, found = said.stdout.splitlines()
    assert address.startswith("The desk is at http://127.0.0.1:")
    assert json.loads(found) == []


@pytest.mark.slow
def test_a_desk_that_cannot_be_served_says_why_in_a_sentence(tmp_path):
    down = "[store]\nurl = 'postgresql://tester:hunter2@127.0.0.1:1/none'\n"
    (tmp_path / "down.toml").write_text(down)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = desk("--port", str(taken.getsockname()[1]), "--home", str(tmp_path))
    assert (said.returncode, "Take another one with --port" in said.stderr, said.stderr.count("\n")) == (
        2,
        True,
        1,
    )
    said = desk("--config", str(tmp_path / "down.toml"), "--home", str(tmp_path))
    assert (said.returncode, "does not answer" in said.stderr, said.stderr.count("\n")) == (5, True, 1)
    assert "hunter2" not in said.stderr


def desk(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "desk", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

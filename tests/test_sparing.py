"""What a process that only scores does without: libraries that take seconds to import and more memory than all else."""

import json
import subprocess
import sys

from tests.conftest import REPOSITORY

HEAVY = ("mlflow", "prefect", "sklearn", "scipy.stats", "matplotlib", "alembic")


def test_the_desk_imports_nothing_that_only_training_needs(tmp_path):
    code = f"""
import json, sys
from unittest.mock import patch
import uvicorn
from app.cli import run
with patch.object(uvicorn, "run"):
    sys.argv = ["leadsieve", "desk", "--home", sys.argv[1]]
    try:
        run()
    except SystemExit:
        pass
from app.web import create_app
print(json.dumps([name for name in {HEAVY!r} if sys.modules.get(name) is not None]))
"""
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []

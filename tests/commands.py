"""Driving the command line in this process, as its user would."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.cli import main
from tests.conftest import REPOSITORY

SIMULATED = "simulated:?leads=3000&months=12"
QUICK = """
[evaluation]
blocks = 3
resamples = 40
[model]
rounds = 30
"""


@dataclass(frozen=True)
class Said:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its standard output, which has to be one JSON object and nothing else."""
        return json.loads(self.out)


def leadsieve(*words: object, home: Path, pictures: bool | None = None, **environ: str) -> Said:
    """Run one command with its own home; what it does to the environment ends with it.

    A training is `brief` unless a test looks at its ``pictures``.
    """
    out, err = io.StringIO(), io.StringIO()
    names = [name for name in os.environ if name.startswith("LEADSIEVE_")]
    if pictures is None:
        pictures = words[0] != "train"
    with (
        contextlib.nullcontext() if pictures else brief(),
        patch.dict(os.environ, environ),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in set(names) - set(environ):
            del os.environ[name]
        code = main([*map(str, words), "--home", str(home)])
    return Said(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def brief() -> Iterator[None]:
    """A training takes three fifths of its time: what nobody looks at is not drawn, and a new database of
    MLflow's is a copy of the first one.
    """
    from matplotlib.figure import Figure

    from models.registry import registry

    with (
        patch.object(Figure, "savefig", _blank),
        patch.object(registry, "lay_out", _laid_out(registry.lay_out)),
    ):
        yield


def _blank(figure: object, file: Path | io.BytesIO, **_: object) -> None:
    file.write_bytes(b"blank") if isinstance(file, Path) else file.write(b"blank")


_DATABASE: list[bytes] = []  # of MLflow, without anything in it


def _laid_out(lay_out: Callable[..., None]) -> Callable[..., None]:
    """MLflow goes through years of migrations for each new database: once is enough."""

    def laid_out(database: Path, make: Callable[[str], object]) -> None:
        if not _DATABASE:
            lay_out(database, make)
            _DATABASE.append(database.read_bytes())
        elif not database.exists():
            database.parent.mkdir(parents=True, exist_ok=True)
            database.write_bytes(_DATABASE[0])

    return laid_out


def command(*words: object, home: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own; ``before`` is Python to run first."""
    program = f"{before}\nimport runpy, sys\nsys.argv[0] = 'leadsieve'\nrunpy.run_module('app.cli', run_name='__main__')"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LEADSIEVE_")}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words), "--home", str(home)],
        env={**environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def written(folder: Path, tables: dict[str, str | bytes]) -> Path:
    """Files of text in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def flat_leads(*, rows: int, signal: float, seed: int = 1) -> str:
    """A table of leads with an outcome column; ``signal`` is how far ``visits`` tells the winners."""
    draw = random.Random(seed)
    lines = ["lead_id,visits,team,won"]
    for row in range(rows):
        visits = draw.random()
        won = draw.random() < 0.4 + signal * (visits - 0.5)
        lines.append(f"{row},{visits:.3f},{draw.choice('abc')},{'yes' if won else 'no'}")
    return "\n".join(lines) + "\n"


FLAT = """
[source]
url = "files:."
[source.leads]
order = "rows"
lead_id = "lead_id"
[source.outcome]
column = "won"
won = ["yes"]
lost = ["no"]
"""

"""A Tryton server on loopback, with a year of leads that its own client made; each test has a database of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import REPOSITORY, absent

COPIES = 16
PROGRAM = REPOSITORY / "tests" / "tryton_program.py"


def make(folder: Path) -> None:
    """The year of leads: most of a minute, once."""
    if find_spec("trytond") is None:
        absent("Tryton (the extra tryton)")
    folder.mkdir(parents=True)
    made = subprocess.run(
        [sys.executable, str(PROGRAM), "make", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@dataclass(frozen=True)
class Tryton:
    """A running server."""

    folder: Path
    port: int
    client: subprocess.Popen[str]
    database: str = "crm"

    @property
    def url(self) -> str:
        """Its address as a source."""
        return f"tryton:http://127.0.0.1:{self.port}/{self.database}"

    @property
    def key(self) -> str:
        return (self.folder / "key").read_text()

    @property
    def file(self) -> Path:
        return self.folder / f"{self.database}.sqlite"

    def fresh(self) -> "Tryton":
        """The same server with another database as it was made: it looks for databases as it starts alone."""
        unused = sorted(self.folder.glob("crm_*.sqlite.unused"))
        unused[0].unlink()
        return replace(self, database=unused[0].name.partition(".")[0])

    def act(self, *actions: tuple[str, int | None, Any]) -> dict[str, dict[str, Any]]:
        """What a person does at the client; how every opportunity stands then."""
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        print(json.dumps([self.database, actions]), file=self.client.stdin, flush=True)
        told = self.client.stdout.readline()
        assert told, (self.folder / "log").read_text()
        return json.loads(told)


@contextmanager
def serving(made: Path, folder: Path) -> Iterator[Tryton]:
    """A server over a copy of what was made."""
    shutil.copytree(made, folder)
    for number in range(COPIES):
        shutil.copy(folder / "crm.sqlite", folder / f"crm_{number:02}.sqlite")
        (folder / f"crm_{number:02}.sqlite.unused").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "serve", str(folder), str(port)],
            stdout=log,
            stderr=log,
            env=dict(os.environ),
        )
        # It starts at once with the server, and once for all tests.
        client = subprocess.Popen(
            [sys.executable, str(PROGRAM), "act", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/crm/rest/model/ir.note", timeout=30)
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield Tryton(folder, port, client)
    finally:
        for each in (process, client):
            each.kill()
            each.communicate()

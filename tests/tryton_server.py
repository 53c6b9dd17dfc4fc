"""A Tryton server on loopback, with a year of leads that its own client made; each test finds its database as it was made."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import REPOSITORY, absent

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

    @property
    def url(self) -> str:
        """Its address as a source."""
        return f"tryton:http://127.0.0.1:{self.port}/crm"

    @property
    def key(self) -> str:
        return (self.folder / "key").read_text()

    @property
    def file(self) -> Path:
        return self.folder / "crm.sqlite"

    def restored(self) -> "Tryton":
        """The same server, its database as it was made."""
        copied(self.folder / "made.sqlite", self.file)
        return self

    def act(self, *actions: tuple[str, int | None, Any]) -> dict[str, dict[str, Any]]:
        """What a person does at the client; how every opportunity stands then."""
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        print(json.dumps(actions), file=self.client.stdin, flush=True)
        told = self.client.stdout.readline()
        assert told, (self.folder / "log").read_text()
        return json.loads(told)


def copied(one: Path, other: Path) -> None:
    """A database over another one, which a server may have open."""
    with closing(sqlite3.connect(one)) as made, closing(sqlite3.connect(other)) as there:
        made.backup(there)


@contextmanager
def serving(made: Path, folder: Path) -> Iterator[Tryton]:
    """A server over a copy of what was made."""
    shutil.copytree(made, folder)
    copied(folder / "crm.sqlite", folder / "made.sqlite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "serve", str(folder), str(port)],
            stdout=log,
            stderr=log,
            env=dict(os.environ),
        )
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/crm/rest/model/ir.note", timeout=30)
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        with acting(folder) as client:
            yield Tryton(folder, port, client)
    finally:
        process.kill()
        process.wait()


@contextmanager
def acting(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A client that does what tests say, in a process that begins once for all of them."""
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen(
            [sys.executable, str(PROGRAM), "act", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as client,
    ):
        try:
            yield client
        finally:
            client.kill()

"""A throw-away PostgreSQL server for tests; LEADSIEVE_TEST_POSTGRES names one to use instead."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis

from tests.conftest import absent


@contextmanager
def postgres() -> Iterator[ibis.BaseBackend]:
    """A connection to an empty database, in UTC; skips the test where there is no server to be had."""
    url = os.environ.get("LEADSIEVE_TEST_POSTGRES")
    if url:
        yield ibis.connect(url)
        return
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None or not (programs / "initdb").exists():
        absent("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="leadsieve-postgres-"))
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(
            [*user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )

    try:
        run(f"{programs}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "tester")
        options = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
        run(f"{programs}/pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            connection = ibis.postgres.connect(
                host="127.0.0.1", port=port, user="tester", database="postgres"
            )
            yield connection
            connection.disconnect()
        finally:
            run(f"{programs}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Prefect's own server beside ``leadsieve serve``: it asks for the home's secret, and ends when we end.

Its address is noted in the home, under a lock that is held as long as it runs; so single commands on this home show up
there as runs, and a note that a killed server left behind misleads nobody. Kept free of heavy imports.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from features.errors import UnreachableError, UsageError
from pipelines.files import kept_secret, replaced

FOLDER, NOTE, LOCK, SECRET = "prefect", "server.json", "server.lock", "server.secret"
GRACE = 5.0  # seconds to shut down in
PATIENCE = 180.0  # seconds: in a new home it goes through all of Prefect's migrations first


def address_of(home: Path) -> str | None:
    """The API of the server that runs beside this home, if one does."""
    note = home / FOLDER / NOTE
    if not note.exists():
        return None
    from filelock import FileLock, Timeout

    try:
        with FileLock(home / FOLDER / LOCK, timeout=0):
            return None  # nobody holds it: the note is a killed server's
    except Timeout:
        return json.loads(note.read_text())["address"]


def secret_file(home: Path) -> Path:
    """Where the server's secret stands."""
    return home / FOLDER / SECRET


def secret_of(home: Path) -> str:
    """What the server of this home asks for, as ``user:password``; made on first use, for the owner's eyes alone."""
    return f"leadsieve:{kept_secret(secret_file(home))}"


def protected(port: int, secret: str) -> dict[str, str]:
    """A server's environment: whoever asks has the secret, and pages of other origins get nothing."""
    return {
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",
    }


@contextmanager
def prefect_server(home: Path, port: int, environment: Mapping[str, str]) -> Iterator[str]:
    """A server with its pages on this machine's loopback; gives the address of its API once it answers.

    Raises
    ------
    UsageError
        If this home is served already.
    UnreachableError
        If the server ends before it answers, as where the port is taken.
    """
    from filelock import FileLock, Timeout

    secret, folder = secret_of(home), home / FOLDER
    lock = FileLock(folder / LOCK, timeout=GRACE)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(f"{home} is served already; nothing was started. End the other one first.") from None
    with lock:
        address = f"http://127.0.0.1:{port}/api"
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelines.prefect_server", str(port)],
            env={**environment, **protected(port, secret)},
            stdin=subprocess.PIPE,  # which closes when we end, however we end
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            umask=0o077,
            start_new_session=True,  # a Ctrl-C is ours to answer
        )
        with child:
            try:
                _wait(child, address)
                with replaced(folder / NOTE) as draft:
                    draft.write_text(json.dumps({"address": address}))
                yield address
            finally:
                (folder / NOTE).unlink(missing_ok=True)
                child.stdin.close()


def _wait(child: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and child.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
        except urllib.error.HTTPError as error:
            if error.code == 401 and child.poll() is None:
                raise UnreachableError(_taken(address)) from None
        except OSError:
            pass
        else:
            if child.poll() is None:
                return
        time.sleep(0.25)
    raise UnreachableError(_taken(address))


def _taken(address: str) -> str:
    return (
        f"Prefect's server cannot be started at {address.removesuffix('/api')}; nothing is served. "
        "Where something else listens there, take another port with --port."
    )


def _end_with_parent() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", sys.argv[1]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)

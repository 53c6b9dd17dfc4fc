"""Prefect's server for one command: a process beside ours that comes up while this one still imports, and
ends when it ends.

Prefect would start one itself, but only at the first flow, and would keep us waiting: some ten seconds,
twenty-five in a new home.
"""

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

GRACE = 5.0  # seconds to shut down in


@contextmanager
def orchestrator(port: int | None = None) -> Iterator[str]:
    """Serve Prefect's API inside, from the home that Prefect's own settings name; gives its address at once.

    With a ``port`` it is the whole server, with its pages and all that follows schedules and sends alerts.
    The socket listens before the server does: whoever calls early waits in line until it takes over.
    """
    with socket.create_server(("127.0.0.1", port or 0)) as line:
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, str(line.fileno()), *(["whole"] if port else [])],
            pass_fds=[line.fileno()],
            stdin=subprocess.PIPE,  # which closes when we end, however we end
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is ours to answer
        )
        address = f"http://127.0.0.1:{line.getsockname()[1]}/api"
    with server:
        try:
            yield address
        finally:
            if worker := sys.modules.get("prefect.events.worker"):
                logging.getLogger("EventsWorker").setLevel(
                    logging.ERROR
                )  # it would count aloud what is left to send
                worker.EventsWorker.drain_all(timeout=GRACE)  # what happened to tasks is still on its way


def serve(line: socket.socket, *, whole: bool) -> None:
    """Run Prefect's server on a listening socket until whoever started this process ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # all that imports make stays: looking for garbage in it would take a sixth of the time

    import prefect.settings
    import uvicorn
    from prefect.server.api.server import create_app
    from sqlalchemy import make_url

    url = make_url(prefect.settings.PREFECT_API_DATABASE_CONNECTION_URL.value())
    if url.get_backend_name() == "sqlite" and not Path(url.database).exists():
        lay_out(Path(url.database), template_of(prefect.__version__))
    pages = {prefect.settings.PREFECT_UI_API_URL: f"http://127.0.0.1:{line.getsockname()[1]}/api"}
    with prefect.settings.temporary_settings(pages):
        app = create_app(ephemeral=not whole, final=True)
        gc.enable()
        uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="error")).run(sockets=[line])


def lay_out(database: Path, template: Path) -> None:
    """Begin a new database as a copy of one that has been through Prefect's migrations, which take ten
    seconds to go through all its past.

    Where there is no such copy, or another process was faster, the migrations do what is left to do.
    """
    with (
        suppress(FileNotFoundError, FileExistsError),
        tempfile.TemporaryDirectory(dir=database.parent) as scratch,
    ):
        draft = Path(scratch) / database.name
        shutil.copyfile(template, draft)
        os.link(draft, database)


def template_of(version: str) -> Path:
    """Where an environment keeps the empty database of its version of Prefect."""
    return Path(sys.prefix) / "share" / "leadsieve" / f"prefect-{version}.db"


def prepare() -> None:
    """Make this environment's empty database, by Prefect's own migrations."""
    import prefect
    from prefect.server.database import provide_database_interface
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    template = template_of(prefect.__version__)
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent) as scratch:
        with temporary_settings(
            {PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{scratch}/made.db"}
        ):
            asyncio.run(provide_database_interface().create_db())
        with closing(sqlite3.connect(f"{scratch}/made.db")) as made:
            made.execute("VACUUM INTO ?", (f"{scratch}/whole.db",))
        os.replace(f"{scratch}/whole.db", template)


def _end_with_parent() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), whole="whole" in sys.argv) if sys.argv[1:] else prepare()

"""Where versions are kept: a file of the home or a server, whether it answers, and whose turn it is to change it."""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from features.errors import UnreachableError, UsageError, refused_by_the_system

ARTIFACTS = "artifacts"  # the folder beside the file
CHANGING = "champion.lock"  # the file of a home that whoever changes its champion holds
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
PATIENCE = 5.0  # seconds
LOCK_PATIENCE = 60.0  # seconds
OUT_OF_REACH = (
    "TEMPORARILY_UNAVAILABLE",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
)
SQLITE = b"SQLite format 3\0"  # what such a file begins with


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    return (
        Path(uri.partition("?")[0].removeprefix("sqlite:///")).absolute()
        if uri.startswith("sqlite:///")
        else None
    )


def artifacts_of(database: Path) -> str:
    """The address of the folder with a file's artifacts."""
    return (database.parent / ARTIFACTS).as_uri()


def path_of(address: str, *, within: str, moved_to: Path) -> Path | None:
    """Where an artifact is now that had its address while its folder was ``within``; None where it was
    elsewhere.
    """
    if not address.startswith(f"{within}/"):
        return None
    return moved_to / unquote(urlsplit(address.removeprefix(f"{within}/")).path)


def lay_out(database: Path, make: Callable[[str], object]) -> None:
    """Have an empty store made under another name and give it its own at the end; to be called by one process
    at a time.

    MLflow goes through years of migrations for that. A process that is killed amid them must not leave a
    store that nobody can open.
    """
    if database.exists():
        return  # somebody else was faster
    database.parent.mkdir(parents=True, exist_ok=True)
    draft = database.with_name(f".{database.name}.draft")
    for left in database.parent.glob(f"{draft.name}*"):
        left.unlink()
    make(f"sqlite:///{draft}")
    os.replace(draft, database)


def reach(uri: str) -> None:
    """Knock before MLflow does, which would try again for minutes. Raises UnreachableError."""
    if (database := sqlite_file(uri)) and database.is_file():
        with database.open("rb") as file:
            begins = file.read(len(SQLITE))
        if begins != SQLITE:
            raise UnreachableError(
                f"the model registry at {database} cannot be read: it is no database; nothing was changed. "
                "Put it back from a backup."
            )
        return
    parts = urlsplit(uri)
    if not parts.hostname or parts.scheme.startswith(("sqlite", "file", "databricks")):
        return
    try:
        if parts.scheme in ("http", "https"):
            import requests

            requests.get(f"{uri.rstrip('/')}/health", timeout=PATIENCE)
        else:
            port = parts.port or PORTS.get(parts.scheme.partition("+")[0], 5432)
            socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()
    except OSError as error:  # requests' own errors are OSErrors
        raise UnreachableError(
            f"the model registry at {shown(uri)} does not answer; nothing was changed there."
        ) from error


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """While MLflow is spoken to: its failures to reach a store become ours, and its chatter stays away."""
    reach(uri)
    with warnings.catch_warnings():
        # MLflow warns about its own insides and its libraries' future: nothing that a user could act on.
        warnings.simplefilter("ignore")
        import mlflow
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import OperationalError

        logger = logging.getLogger("mlflow")  # which importing MLflow sets up
        level = logger.level
        logger.setLevel(logging.CRITICAL)  # failures become ours
        # Some of MLflow's functions know no other way; the registry's follows it.
        mlflow.set_tracking_uri(uri)
        try:
            # It prints addresses, and our standard output is read by programs.
            with redirect_stdout(sys.stderr):
                yield
        except (MlflowException, RequestException, OperationalError) as error:
            _refuse_another_schema(uri, error)
            if refusal := refused_by_the_system(error):
                raise refusal from error
            if (
                isinstance(error, MlflowException)
                and error.error_code not in OUT_OF_REACH
                and "API request to" not in str(error)
            ):
                raise
            # The cause's own words may hold an address with its password.
            raise UnreachableError(
                f"the model registry at {shown(uri)} failed ({type(error).__name__})."
            ) from error
        finally:
            logger.setLevel(level)


def _refuse_another_schema(uri: str, error: Exception) -> None:
    """Raise UsageError where MLflow says that an older or newer one laid the store out."""
    if "out-of-date database schema" in str(error) or "Can't locate revision" in str(error):
        raise UsageError(
            f"the model registry at {shown(uri)} was laid out by another version of MLflow than this one; nothing was "
            f"changed. Make a copy of it, then bring it up to date: mlflow db upgrade {shown(uri)}"
        ) from error


def shown(uri: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(uri)
    if not parts.hostname:
        return uri.partition("?")[0]
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


@contextmanager
def my_turn(file: Path) -> Iterator[None]:
    """Hold a file that one process and one thread can hold at a time; a killed one lets go of it.

    Raises
    ------
    UnreachableError
        If another one holds it for over a minute.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=LOCK_PATIENCE)
    except Timeout as error:
        raise UnreachableError(
            f"another run has been holding '{file}' for {LOCK_PATIENCE:.0f} seconds; nothing was changed."
        ) from error
    try:
        yield
    finally:
        lock.release()

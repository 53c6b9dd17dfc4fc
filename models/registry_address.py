"""The registry's address: whether anybody answers there, and how it may be shown."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from features.errors import UnreachableError

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
PATIENCE = 5.0  # seconds


def reach(uri: str) -> None:
    """Knock before MLflow does, which would try again for minutes. Raises UnreachableError."""
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
        raise UnreachableError(f"the model registry at {shown(uri)} does not answer; nothing was changed there.") from error


def shown(uri: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(uri)
    if not parts.hostname:
        return uri.partition("?")[0]
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    return Path(uri.partition("?")[0].removeprefix("sqlite:///")).absolute() if uri.startswith("sqlite:///") else None

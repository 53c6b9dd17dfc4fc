"""Stand-ins of CRMs on loopback, and what is read from them and written to them."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from pipelines.crm.connector import Answer, Line, open_crm
from pipelines.crm.mirror import pulled


class Account(Protocol):
    """What a stand-in knows; ``port`` is where it is served."""

    port: int

    @property
    def url(self) -> str: ...

    def answer(self, method: str, path: str, asked: Any, token: str) -> tuple[int, Any, dict[str, str]]:
        """Code, body and headers; ``asked`` is what a query says, or a body, of JSON or as text."""


Served = TypeVar("Served", bound=Account)


@contextmanager
def served(account: Served) -> Iterator[Served]:
    """A stand-in that answers, one request at a time."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
            asked: Any = {name: values[-1] for name, values in query.items()}
            if length := int(self.headers.get("content-length") or 0):
                asked = self.rfile.read(length).decode()
                asked = json.loads(asked) if "json" in self.headers["content-type"] else asked
            with lock:
                code, body, headers = account.answer(
                    self.command, parts.path, asked, self.headers.get("authorization", "")
                )
            text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
            content = text.encode()
            self.send_response(code)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = _answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    account.port = server.server_port
    try:
        yield account
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rows_of(crm: Account, file: Path | None = None, options: str = "") -> dict[str, list[dict]]:
    """What a pull brings, table by table."""
    with closing(open_crm(crm.url + options)) as door:
        return {name: table.to_pylist() for name, table in pulled(door, file).items()}


def written(crm: Account, *lines: Line) -> dict[int, Answer]:
    """What becomes of lines that are written back, by their entries."""
    with closing(open_crm(crm.url)) as door:
        return {answer.entry: answer for answer in door.write(lines)}


def decided(home: Path) -> list[tuple[str, float, str, list[str]]]:
    """Lead, score, grade and reasons of what stands in a home."""
    with closing(sqlite3.connect(home / "store.db")) as store:
        rows = store.execute("SELECT lead_id, score, grade, reasons FROM current_decisions").fetchall()
    return [(lead_id, score, grade, json.loads(reasons)) for lead_id, score, grade, reasons in rows]

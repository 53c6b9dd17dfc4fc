"""What is out of reach, or takes nothing more, is one sentence and an exit code; who stops reading stops no work."""

import errno
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import duckdb
import pytest

from app.scoring.uploads import Upload
from features.errors import refused_by_the_system
from pipelines.cli import main as command_line
from tests.commands import leadsieve
from tests.conftest import REPOSITORY
from tests.desks import make_desk


def raised_from(cause: Exception) -> Exception:
    """As libraries do: an error of their own from another."""
    try:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("the draft is lost") from error
    except RuntimeError as error:
        return error


FULL = "No space left on device"
REFUSED = {
    "a full disk": (OSError(errno.ENOSPC, FULL, "log.db"), f"'log.db' cannot be read or written: {FULL}; "),
    "a disk that only reads": (OSError(errno.EROFS, "x", "home"), "Read-only file system; nothing half-done"),
    "a folder that is another's": (PermissionError(errno.EACCES, "x", "home"), "Let yourself in, or name"),
    "a library that hands on the text": (
        duckdb.IOException(f'Could not write file "a b.parquet": {FULL}'),
        f"'a b.parquet' cannot be read or written: {FULL}",
    ),
    "a library that quotes the text": (
        duckdb.IOException(f'{{"message":"Could not write file \\"a.parquet\\": {FULL}"}}'),
        "'a.parquet' cannot",
    ),
    "SQLite": (sqlite3.OperationalError("database or disk is full"), f"a file cannot be read or written: {FULL}"),
    "a cause below": (raised_from(OSError(errno.EIO, "x", "a")), "Look after the disk, and try again."),
    "several at once": (ExceptionGroup("two", [ValueError(), OSError(errno.EDQUOT, "x")]), "Make room there"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_system_refuses_is_a_sentence_whatever_a_library_made_of_it(case, monkeypatch, capsys):
    error, words = REFUSED[case]
    assert words in str(refused_by_the_system(error))

    def broken(*_words, **_more):
        raise error

    monkeypatch.setattr(command_line, "app", broken)
    assert command_line.main(["score"]) == 5
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


@pytest.mark.parametrize(
    "error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "x", "a"), ValueError(FULL[:5])]
)
def test_a_bug_stays_a_bug(error, monkeypatch, capsys):
    def broken(*_words, **_more):
        raise error

    monkeypatch.setattr(command_line, "app", broken)
    assert command_line.main(["score"]) == 1
    assert "Traceback" in capsys.readouterr().err


def full() -> None:
    raise OSError(errno.ENOSPC, FULL, "log.db")


def absent() -> None:
    raise FileNotFoundError(errno.ENOENT, "x", "a.html")


def test_a_desk_whose_disk_takes_nothing_answers_503_and_says_when_to_ask_again(tmp_path):
    browser = make_desk(tmp_path).browser()
    api = next(route.app for route in browser.client.app.routes if getattr(route, "path", "") == "/api")
    for app, before in ((browser.client.app, ""), (api, "/api")):
        for broken in (full, absent):
            app.add_api_route(f"/{broken.__name__}", broken)
        said = browser.get(f"{before}/full")
        assert (said.status_code, said.headers["Retry-After"]) == (503, "10"), said.text
        assert FULL in said.text
        assert browser.get(f"{before}/absent").status_code == 500


def test_an_upload_that_the_disk_refused_is_no_bug_of_ours():
    future: Future = Future()
    future.set_exception(OSError(errno.ENOSPC, FULL, "leads.csv"))
    assert FULL in Upload("key", "a.csv", "ann", None, future=future).trouble


def run(*words: object, home: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    """The installed command."""
    program = "import app.cli; app.cli.run()"
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), **more.pop("environ", {})}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words), "--home", str(home)],
        env=environ, stderr=subprocess.PIPE, check=False, **{"stdout": subprocess.PIPE, **more},
    )  # fmt: skip


@pytest.mark.slow
def test_who_stops_reading_or_reads_few_letters_keeps_no_command_from_its_work(tmp_path):
    home = tmp_path / "home"
    reads, writes = os.pipe()
    os.close(reads)
    for words in (["user", "add", "ann", "--role", "rep"], ["user", "list"]):
        done = run(*words, home=home, stdout=writes)
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writes)
    done = run("user", "add", "Žofie–", "--role", "rep", home=home, environ={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Zofie-")
    with open("/dev/full", "wb") as full:
        done = run("user", "list", home=home, stdout=full)
    assert (done.returncode, done.stderr.count(b"\n")) == (5, 1)
    assert b"What the command does is done." in done.stderr


def test_a_registry_that_another_mlflow_laid_out_is_a_sentence_with_the_way_on(home):
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    for words in (["versions"], ["promote", "1", "--force", "--why", "to try it"]):
        said = leadsieve(*words, home=home)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert f"mlflow db upgrade sqlite:///{home / 'mlflow.db'}" in said.err

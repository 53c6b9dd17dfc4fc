"""Prefect's server of one command: there when it is needed, gone when the command ends, and everything of a
run kept in the home.
"""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from pipelines import environment, prefect_server
from tests.conftest import REPOSITORY

FLOW = """
from pathlib import Path
from pipelines.environment import libraries_at

with libraries_at(Path("home")):
    from prefect import flow, task
    from prefect.artifacts import create_table_artifact
    from prefect.settings import PREFECT_API_URL

    @task
    def pull():
        return 1

    @flow(name="a-flow")
    def run():
        create_table_artifact(key="a-table", table=[{"leads": pull()}])

    run()
    print(PREFECT_API_URL.value())
"""


def python(code: str, folder: Path, **options: object) -> subprocess.Popen[str]:
    """A process of its own that knows of no Prefect server."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environ |= {"PYTHONPATH": str(REPOSITORY), "HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, **options
    )


def answers(address: str) -> bool:
    host, port = re.fullmatch(r"http://(.+):(\d+)/api", address).groups()
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def rows(database: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_a_run_in_a_new_home_is_kept_there_and_its_server_is_gone_with_it(tmp_path):
    with python(FLOW, tmp_path, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=200)
    assert (process.returncode, err) == (0, "")
    assert not answers(out.strip())
    database = tmp_path / "home" / "prefect" / "prefect.db"
    assert rows(database, "SELECT flow.name, state_type FROM flow_run JOIN flow ON flow.id = flow_id") == [
        ("a-flow", "COMPLETED")
    ]
    assert rows(database, "SELECT name LIKE 'pull-%', state_type FROM task_run") == [(1, "COMPLETED")]
    assert rows(database, "SELECT key, data FROM artifact WHERE key IS NOT NULL") == [
        ("a-table", '"[{\\"leads\\": 1}]"')
    ]


def test_a_command_that_is_killed_takes_its_server_along(tmp_path):
    code = """
import time
from pipelines.prefect_server import orchestrator

with orchestrator() as address:
    print(address, flush=True)
    time.sleep(60)
"""
    with python(code, tmp_path) as process:
        address = process.stdout.readline().strip()
        assert answers(address), "whoever calls early waits in line"
        process.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not answers(address):
            return
        time.sleep(0.1)
    pytest.fail("the server still listens")


def test_a_server_that_users_name_is_used_and_none_is_started(tmp_path):
    named = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_HOME": str(tmp_path)}
    with (
        patch.dict(os.environ, named),
        patch.object(environment, "orchestrator", side_effect=AssertionError),
        environment.libraries_at(tmp_path),
    ):
        pass


@pytest.mark.usefixtures("prefect_server")
def test_a_server_that_a_profile_names_wins_over_ours(tmp_path):
    from prefect.settings import PREFECT_API_URL

    named = PREFECT_API_URL.value()
    with patch.dict(os.environ), environment.libraries_at(tmp_path):
        assert PREFECT_API_URL.value() == named


@pytest.mark.slow
def test_a_new_home_begins_as_a_copy_of_what_prefects_migrations_made(tmp_path, monkeypatch):
    monkeypatch.setattr(prefect_server.sys, "prefix", str(tmp_path))
    prefect_server.prepare()
    (template,) = (tmp_path / "share" / "leadsieve").iterdir()
    prefect_server.lay_out(tmp_path / "new.db", template)
    names = rows(tmp_path / "new.db", "SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {("flow_run",), ("artifact",), ("alembic_version",)} <= set(names)
    assert len(rows(tmp_path / "new.db", "SELECT * FROM alembic_version")) == 1
    assert rows(tmp_path / "new.db", "SELECT * FROM flow_run") == []


def test_without_a_copy_the_migrations_are_left_to_make_the_tables(tmp_path):
    prefect_server.lay_out(tmp_path / "new.db", tmp_path / "nothing.db")
    assert not (tmp_path / "new.db").exists()


def test_tables_that_another_process_made_meanwhile_stay_as_they_are(tmp_path):
    (tmp_path / "new.db").write_text("theirs")
    (tmp_path / "template.db").write_text("ours")
    prefect_server.lay_out(tmp_path / "new.db", tmp_path / "template.db")
    assert (tmp_path / "new.db").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 2

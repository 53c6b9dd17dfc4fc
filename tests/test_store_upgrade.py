"""The store's steps, on SQLite and on PostgreSQL: an older store is brought up to date once and whole, a
newer one is left alone.
"""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from features.errors import UsageError
from pipelines.store import database
from pipelines.store.database import Store
from pipelines.store.schema import metadata
from tests.conftest import REPOSITORY

OPEN = """
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
import pandas as pd
from datetime import datetime
from pipelines.store.database import Store

store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
table = pd.DataFrame({"lead_id": ["same", sys.argv[2]], "as_of": datetime(2026, 1, 1), "action": "hold", "version": "1"})
print(*store.record(table)["lead_id"], flush=True)
"""
ONE_MORE = '''
"""Where a decision is explained."""

import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = "{before:04}"


def upgrade() -> None:
    op.add_column("decisions", sa.Column("page", sa.Text))
    op.create_table("pages", sa.Column("page", sa.Text, primary_key=True))
    {last}
'''


def decided(*lead_ids: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"lead_id": lead_ids, "as_of": datetime(2026, 1, 1), "action": "hold", "version": "1"}
    )


def columns_of(url: str, table: str = "decisions") -> set[str]:
    with Store(url)._engine.connect() as connection:
        found = sa.inspect(connection)
        return {column["name"] for column in found.get_columns(table)} if found.has_table(table) else set()


def step_of(url: str) -> str | None:
    with Store(url)._engine.connect() as connection:
        return connection.scalar(database.last_step)


@pytest.fixture
def one_step_more(tmp_path, monkeypatch):
    """As if the next leadsieve had one step more, which ends with a line of Python."""
    real, number = database.STEPS, int(database.steps()[-1])

    def begin(last: str = "") -> None:
        folder = tmp_path / "steps"
        folder.mkdir(exist_ok=True)
        for file in real.glob("[0-9]*.py"):
            (folder / file.name).write_text(file.read_text())
        (folder / f"{number + 1:04}_pages.py").write_text(
            ONE_MORE.format(before=number, number=number + 1, last=last)
        )
        monkeypatch.setattr(database, "STEPS", folder)
        database.steps.cache_clear()

    yield begin
    database.steps.cache_clear()


def test_the_steps_lead_to_the_tables_that_the_code_knows(store_url):
    Store(store_url).decided()
    with Store(store_url)._engine.connect() as connection:
        mine = {"version_table": database.TABLE}
        assert compare_metadata(MigrationContext.configure(connection, opts=mine), metadata) == []


def test_a_store_of_an_older_step_keeps_its_decisions_and_gets_what_it_lacks(store_url, one_step_more):
    Store(store_url).record(decided("a"))
    one_step_more()
    assert Store(store_url).decided() == {"a"}
    assert step_of(store_url) == database.steps()[-1]
    assert "page" in columns_of(store_url)
    assert columns_of(store_url, "pages") == {"page"}


def test_a_step_that_fails_changes_nothing_and_is_gone_through_the_next_time(store_url, one_step_more):
    Store(store_url).record(decided("a"))
    before = step_of(store_url)
    one_step_more("raise RuntimeError('killed')")
    with pytest.raises(RuntimeError, match="killed"):
        Store(store_url).decided()
    assert step_of(store_url) == before
    assert "page" not in columns_of(store_url)
    assert columns_of(store_url, "pages") == set()

    one_step_more()
    assert Store(store_url).decided() == {"a"}
    assert "page" in columns_of(store_url)


def test_a_store_that_a_newer_leadsieve_has_changed_is_left_alone(store_url):
    Store(store_url).record(decided("a"))
    with Store(store_url)._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE store_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(
        UsageError,
        match=r"has gone through step 9999, and this leadsieve knows those up to \d{4}; nothing was",
    ) as raised:
        Store(store_url).record(decided("b"))
    assert "hunter2" not in str(raised.value)
    assert step_of(store_url) == "9999"


def test_a_store_from_before_the_first_release_is_refused_in_a_sentence(store_url):
    store = Store(store_url)
    if store.dialect == "sqlite":
        store.own.engine(store.url)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE decisions (lead_id TEXT PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE store_step (version_num TEXT)")
        connection.exec_driver_sql("INSERT INTO store_step VALUES ('0003')")
        connection.commit()
    with pytest.raises(
        UsageError, match=r"was made before leadsieve's first release and cannot be read; nothing was read"
    ):
        Store(store_url).record(decided("b"))
    assert columns_of(store_url) == {"lead_id"}


def test_opening_a_store_that_is_up_to_date_loads_no_alembic_and_asks_one_query(store_url):
    Store(store_url).decided()
    asked = []
    store = Store(store_url)
    sa.event.listen(store._engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    store.decided(["a"])
    assert len(asked) == 2, asked

    loads = f"import sys; from pipelines.store.database import Store; Store({store_url!r}).decided(); print('alembic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loads], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_processes_that_open_a_new_store_at_once_make_it_once_and_decide_no_lead_twice(store_url):
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, store_url, f"own {number}"],
            env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(3)
    ]  # fmt: skip
    for run in runs:
        assert run.stdout.readline() == "ready\n", run.stderr.read()
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    said = [run.communicate(timeout=100) for run in runs]
    assert [run.returncode for run in runs] == [0] * 3, said
    assert sorted(" ".join(out for out, _ in said).split()) == sorted(
        ["same", *(word for number in range(3) for word in ("own", str(number)))]
    )
    assert Store(store_url).decided() == {"same", *(f"own {number}" for number in range(3))}


@pytest.mark.slow
def test_many_that_lay_out_one_new_store_at_once_are_all_let_in(tmp_path):
    def open_it(number: int) -> set[str]:
        start.wait()
        return Store(f"sqlite:///{tmp_path / 'home' / 'store.db'}").decided()

    with ThreadPoolExecutor(8) as threads:
        for _ in range(20):
            start = threading.Barrier(8)
            assert list(threads.map(open_it, range(8))) == [set()] * 8
            assert {file.name for file in (tmp_path / "home").iterdir()} <= {
                "store.db",
                "store.db-wal",
                "store.db-shm",
            }
            shutil.rmtree(tmp_path / "home")

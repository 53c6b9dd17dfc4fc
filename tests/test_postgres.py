"""PostgreSQL, really run: as a source, as the engine, and when it does not let us in."""

import os
import shutil
import socket
import subprocess
import tempfile
import traceback
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from features.contracts import breaches
from features.errors import ContractError, UnreachableError, UsageError
from features.labels import Horizons
from pipelines.sources import snapshots
from pipelines.sources.connections import open_source
from pipelines.sources.mapping import EventsSource, LeadsSource, OutcomesSource, SourceSettings
from pipelines.sources.resolve import resolve
from pipelines.sources.snapshots import pull
from tests.conftest import absent

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words
NOW = datetime(2026, 6, 1)
PASSWORD = "s3cr:t/wort"
TABLES = """
CREATE TYPE size_class AS ENUM ('small', 'large');
CREATE TABLE leads (
    lead_id integer, account_id text, created_at timestamptz, channel text, size numeric(12, 2), member boolean, since date, score real,
    class size_class, tags text[]
);
INSERT INTO leads VALUES
    (1, 'A', '2026-01-01 10:00+02', 'web', 10.5, true, '2020-01-01', 1.5, 'small', '{x}'),
    (2, 'A', '2026-01-02 00:00+00', '', NULL, false, NULL, 'NaN', 'large', NULL),
    (3, NULL, '2026-01-03 00:00:00.123456+00', 'fair', 3, NULL, '2021-05-05', NULL, NULL, '{}');
CREATE TABLE touches (lead bigint, what text, happened timestamp, booked timestamp);
INSERT INTO touches VALUES (1, 'visit', '2026-01-01 09:00', '2026-01-01 09:30'), (2, 'WON', '2026-02-02', '2026-02-03'),
    (2, 'OK', '2026-01-10', '2026-01-10'), (3, 'call', '2026-01-05', '2026-01-05');
CREATE TABLE undated (lead_id integer, created_at text);
INSERT INTO undated VALUES (1, '2026-01-01');
"""


def _programs() -> Path | None:
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent]
        if found
        else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _run(*command: object) -> None:
    """A server's program, as the user it insists on."""
    as_user = ["su", "postgres", "-s", "/bin/sh", "-c", 'exec "$0" "$@"', "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*as_user, *map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )


@pytest.fixture(scope="module")
def server():
    """The address of a PostgreSQL with our tables, a throw-away one unless LEADSIEVE_TEST_POSTGRES names
    another.
    """
    if given := os.environ.get("LEADSIEVE_TEST_POSTGRES"):
        yield from _with_tables(given)
        return
    programs = _programs()
    if programs is None:
        absent("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="leadsieve-postgres-"))
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    try:
        _run(
            programs / "initdb",
            "-D",
            data,
            "-U",
            "ann",
            "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}",
            "--no-sync",
            "-E",
            "UTF8",
        )
        options = (
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=America/New_York"
        )
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield from _with_tables(f"postgresql://ann:s3cr%3At%2Fwort@127.0.0.1:{port}/postgres")
        finally:
            _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_tables(url: str):
    schema = f"leadsieve_test_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path = {schema}")
        for statement in TABLES.split(";"):
            if statement.strip():
                connection.execute(statement)
    try:
        yield f"{url}?schema={schema}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


def mapping(url: str, **changes) -> SourceSettings:
    stages = {"accepted": ["OK"], "won": ["WON"]}
    both = {"table": "touches", "lead_id": "lead", "occurred_at": "happened", "recorded_at": "booked"}
    settings = {
        "url": url,
        "events": EventsSource(**both, kind="what"),
        "outcomes": OutcomesSource(**both, stage="what", stages=stages),
        "timezone": "Europe/Amsterdam",
    }
    return SourceSettings(**settings | changes)


def rows(table) -> list[dict]:
    found = table.to_pyarrow().to_pylist()
    return sorted(found, key=lambda row: [str(value) for value in row.values()])


def test_tables_of_a_server_become_canonical_ones_in_utc(server, tmp_path):
    tables = pull(mapping(server), Horizons(), home=tmp_path, until=NOW).tables
    first, second, third = rows(tables.leads)
    assert first == {
        "lead_id": "1",
        "account_id": "A",
        "created_at": datetime(2026, 1, 1, 8),
        "channel": "web",
        "size": 10.5,
        "member": 1.0,
        "since": datetime(2019, 12, 31, 23),
        "score": 1.5,
        "class": "small",
    }
    assert (second["channel"], second["score"], third["account_id"]) == (None, None, "3")
    assert rows(tables.events.select("lead_id", "kind", "occurred_at")) == [
        {"lead_id": "1", "kind": "visit", "occurred_at": datetime(2026, 1, 1, 8)},
        {"lead_id": "3", "kind": "call", "occurred_at": datetime(2026, 1, 4, 23)},
    ]
    assert [row["stage"] for row in rows(tables.outcomes.select("stage"))] == ["accepted", "won"]
    assert tables.end == datetime(2026, 2, 2, 23, 0, 0, 1)


def test_the_server_as_engine_hands_out_the_very_rows_of_the_snapshot(server, tmp_path):
    local = pull(mapping(server), Horizons(), home=tmp_path, until=NOW)
    remote = pull(mapping(server, engine="source"), Horizons(), home=tmp_path, until=NOW)
    assert remote.tables.leads.get_backend().name == "postgres"
    assert (remote.fingerprint, remote.stored) == (local.fingerprint, False)
    for name in ("leads", "events", "outcomes"):
        here, there = getattr(local.tables, name), getattr(remote.tables, name)
        assert list(here.schema().items()) == list(there.schema().items()), name
        assert rows(here) == rows(there), name
    assert breaches(remote.tables) == []
    remote.close()


def test_an_unchanged_server_stores_nothing_new_and_a_changed_one_does(server, tmp_path):
    first = pull(mapping(server), Horizons(), home=tmp_path, until=NOW)
    again = pull(mapping(server), Horizons(), home=tmp_path, until=NOW)
    assert (first.stored, again.stored, again.fingerprint) == (True, False, first.fingerprint)
    url, _, schema = server.partition("?schema=")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"INSERT INTO {schema}.touches VALUES (3, 'mail', '2026-01-06', '2026-01-06')")
        changed = pull(mapping(server), Horizons(), home=tmp_path, until=NOW)
        connection.execute(f"DELETE FROM {schema}.touches WHERE what = 'mail'")
    assert changed.stored
    assert changed.counts["events"] == first.counts["events"] + 1
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == sorted(
        {first.fingerprint, changed.fingerprint}
    )


@pytest.mark.parametrize("engine", ["snapshot", "source"])
def test_a_breach_on_a_server_is_named_and_nothing_is_written(server, tmp_path, engine):
    url, _, schema = server.partition("?schema=")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"INSERT INTO {schema}.touches VALUES (99, 'visit', '2026-01-06', NULL)")
        try:
            with pytest.raises(ContractError) as raised:
                pull(mapping(server, engine=engine), Horizons(), home=tmp_path, until=NOW)
        finally:
            connection.execute(f"DELETE FROM {schema}.touches WHERE lead = 99")
    assert str(raised.value) == (
        "table 'events' breaks its contract in 2 places; nothing was stored.\n"
        "  recorded_at: 1 row is empty, such as for lead '99'. Fill them at the source, or drop them with "
        "[source.events] drop_incomplete = true.\n"
        "  lead_id: 1 row is of a lead that table leads does not have, such as '99'. Add those leads at the source, or drop the rows with "
        "[source.events] drop_unknown_leads = true."
    )
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_times_as_text_are_read_into_a_snapshot_but_refused_on_the_server(server, tmp_path):
    undated = {"leads": LeadsSource(table="undated"), "events": None, "outcomes": None}
    tables = pull(mapping(server, **undated), Horizons(), home=tmp_path, until=NOW).tables
    assert rows(tables.leads)[0]["created_at"] == datetime(2025, 12, 31, 23)
    with pytest.raises(
        ContractError,
        match=r"created_at: column 'created_at' holds times as text\. Cast it to a timestamp in a view\.",
    ):
        pull(mapping(server, engine="source", **undated), Horizons(), home=tmp_path, until=NOW)


def test_new_leads_of_a_file_join_those_on_the_server(server, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("lead_id,account_id,channel,size,member\n7,B,web,4.5,true\n")
    snapshot = pull(mapping(server, engine="source"), Horizons(), home=tmp_path, until=NOW, leads_file=file)
    assert rows(snapshot.new_leads) == [{"lead_id": "7"}]
    new = rows(snapshot.tables.leads.filter(snapshot.tables.leads.lead_id == "7"))[0]
    assert (new["channel"], new["size"], new["member"]) == ("web", 4.5, 1.0)
    assert snapshot.tables.leads.count().to_pyarrow().as_py() == 4
    snapshot.close()


def test_an_absent_table_of_a_server_is_named_with_those_there_are(server, tmp_path):
    with pytest.raises(
        ContractError,
        match=r"no such table in postgresql://ann:\*\*\*@.*; it has leads, touches, undated\. Did you mean 'leads'\.",
    ):
        pull(mapping(server, leads=LeadsSource(table="lead")), Horizons(), home=tmp_path, until=NOW)


def test_row_order_of_a_server_is_no_time(server, tmp_path):
    settings = SourceSettings(url=server, leads=LeadsSource(order="rows"))
    with pytest.raises(UsageError, match="a database keeps no order of rows"):
        pull(settings, Horizons(), home=tmp_path, until=NOW)


def whole_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


def test_a_wrong_password_is_out_of_reach_and_never_shown(server):
    url = server.replace("s3cr%3At%2Fwort", "ge%21heim")
    with pytest.raises(UnreachableError, match="does not let us in") as raised:
        open_source(url)
    for secret in ("ge%21heim", "ge!heim"):
        assert secret not in whole_text(raised.value).replace(
            'server.replace("s3cr%3At%2Fwort", "ge%21heim")', ""
        )


def test_a_server_that_is_down_is_out_of_reach_and_its_password_never_shown():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = "postgresql://ann:{}@127.0.0.1:{}/crm".format("geheim", port)
    with pytest.raises(UnreachableError, match="does not let us in") as raised:
        open_source(url)
    assert "geheim" not in whole_text(raised.value).replace('.format("geheim", port)', "")
    assert raised.value.exit_code == 5
    assert "ann:***@127.0.0.1" in str(raised.value)


def test_sessions_are_in_utc_whatever_the_server_says(server):
    source = open_source(server)
    with closing(source):
        assert source.connection.con.execute("SHOW timezone").fetchone() == ("UTC",)


def test_a_server_that_goes_away_while_it_is_read_is_out_of_reach(server, tmp_path, monkeypatch):
    def cut_off(resolved_from, settings):
        with psycopg.connect(server.partition("?")[0], autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [resolved_from.connection.con.info.backend_pid])
        return resolve(resolved_from, settings)

    monkeypatch.setattr(snapshots, "resolve", cut_off)
    with pytest.raises(UnreachableError, match="stopped answering") as raised:
        pull(mapping(server), Horizons(), home=tmp_path, until=NOW)
    assert raised.value.exit_code == 5
    assert "s3cr" not in str(raised.value)


def test_a_table_that_may_not_be_read_is_not_there(server, tmp_path):
    url, _, schema = server.partition("?schema=")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA {schema} TO guest")
        try:
            as_guest = server.replace("ann:s3cr%3At%2Fwort@", "guest:guest@")
            with pytest.raises(ContractError, match=r"table 'leads' .*\n.*it has none that we may read"):
                pull(mapping(as_guest), Horizons(), home=tmp_path, until=NOW)
        finally:
            owner.execute("DROP OWNED BY guest; DROP ROLE guest")

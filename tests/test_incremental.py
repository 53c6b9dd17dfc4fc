"""Only what has changed is copied from a server, and what comes of it is what a whole pull gives."""

import os
import random
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.labels import Horizons
from pipelines.sources import landing
from pipelines.sources.erased import Forgotten
from pipelines.sources.manifest import notes, read_note
from pipelines.sources.mapping import EventsSource, LeadsSource, OutcomesSource, SourceSettings
from pipelines.sources.snapshots import Snapshot, pull
from tests.pulling import rows

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
START = datetime(2026, 1, 10)
LEADS = 40
TABLES = f"""
CREATE TABLE leads (lead_id integer, created_at timestamptz, size double precision, channel text, updated_at timestamptz);
CREATE TABLE events (lead_id integer, kind text, occurred_at timestamp, updated_at timestamp);
CREATE TABLE outcomes (lead_id integer, stage text, occurred_at timestamp, updated_at date);
INSERT INTO leads SELECT n, '2026-01-01Z'::timestamptz + n * interval '1 hour', n % 7, 'web', '2026-01-09Z' FROM generate_series(1, {LEADS}) n;
INSERT INTO events SELECT n % {LEADS} + 1, 'visit', timestamp '2026-01-04' + n * interval '7 minutes', '2026-01-09' FROM generate_series(1, 120) n;
INSERT INTO outcomes SELECT n, 'accepted', '2026-01-08', '2026-01-09' FROM generate_series(1, 10) n;
"""


class Crm:
    """A schema of a server with three tables, pulled into a home."""

    def __init__(self, url: str, home: Path, schema: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        self.connection.execute(f"SET search_path = {schema}; SET TIME ZONE 'UTC'")
        self.connection.execute(TABLES)
        self.home, self.at, self.gone = home, START, Forgotten()
        self.settings = SourceSettings(
            url=f"{url}?schema={schema}",
            leads=LeadsSource(updated_at="updated_at"),
            events=EventsSource(updated_at="updated_at"),
            outcomes=OutcomesSource(updated_at="updated_at"),
        )

    def run(self, sql: str, *values) -> None:
        self.connection.execute(sql, values or None)

    def pulled(self, *, whole: bool = False, home: Path | None = None) -> Snapshot:
        return pull(
            self.settings,
            Horizons(convert_days=30),
            home=home or self.home,
            until=self.at,
            forgotten=lambda: self.gone,
            whole_tables=whole,
        )


@pytest.fixture
def crm(postgres, tmp_path):
    crm = Crm(postgres, tmp_path / "home", "crm")
    crm.pulled(whole=True).close()
    yield crm
    crm.run("DROP SCHEMA crm CASCADE")
    crm.connection.close()


@pytest.fixture
def travelled(monkeypatch):
    """How many rows were copied from the server, by table."""
    counts = {}
    write = landing._written

    def counting(table, file):
        write(table, file)
        name = file.stem.removeprefix("fresh-").removeprefix("raw-")
        counts[name] = counts.get(name, 0) + pq.read_metadata(file).num_rows

    monkeypatch.setattr(landing, "_written", counting)
    return counts


def same_as_whole(crm: Crm, tmp_path: Path) -> Snapshot:
    """An incremental pull, held against a whole one in a home of its own."""
    ours = crm.pulled()
    theirs = crm.pulled(whole=True, home=tmp_path / f"twin-{random.getrandbits(64):x}")
    for name in ("leads", "events", "outcomes"):
        assert rows(getattr(ours.tables, name)) == rows(getattr(theirs.tables, name)), name
    assert ours.fingerprint == theirs.fingerprint
    theirs.close()
    return ours


def test_a_pull_of_nothing_new_copies_only_what_may_have_come_late_and_stores_nothing(crm, travelled):
    crm.at += timedelta(days=1)
    crm.run("UPDATE leads SET updated_at = '2026-01-09 23:00Z' WHERE lead_id = 7")
    found = crm.pulled()
    assert not found.stored
    found = crm.pulled()
    assert not found.stored
    assert travelled["leads"] == LEADS + 1  # at first all were as new as the newest, then one alone was


CHANGES = {
    "a new lead": "INSERT INTO leads VALUES (99, '2026-01-10', 3, 'fair', '2026-01-10 01:00Z')",
    "a changed one": "UPDATE leads SET size = 99, updated_at = '2026-01-10 02:00Z' WHERE lead_id = 3",
    "a lead removed": "DELETE FROM leads WHERE lead_id = 40; DELETE FROM events WHERE lead_id = 40",
    "an event removed, another come": "DELETE FROM events WHERE lead_id = 5;"
    "INSERT INTO events VALUES (6, 'call', '2026-01-10', '2026-01-10')",
    "an event that goes to another lead": "UPDATE events SET lead_id = 8, updated_at = '2026-01-10' WHERE lead_id = 9",
    "a new row of long ago": "INSERT INTO events VALUES (6, 'call', '2026-01-05', '2025-01-01')",
    "a row of no time": "INSERT INTO events VALUES (6, 'call', '2026-01-05', NULL)",
    "an outcome of today": "INSERT INTO outcomes VALUES (20, 'accepted', '2026-01-09', '2026-01-09')",
    "a row from the future": "UPDATE leads SET updated_at = '2099-01-01Z' WHERE lead_id = 3",
    "a column changed": "ALTER TABLE leads ALTER size TYPE text USING size::text",
    "a new column": "ALTER TABLE leads ADD country text; UPDATE leads SET country = 'NL'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_an_incremental_pull_is_the_whole_one(crm, tmp_path, change):
    crm.at += timedelta(days=1)
    crm.run(change)
    same_as_whole(crm, tmp_path).close()


def test_a_row_dated_in_the_future_hides_nothing_that_changes_after_it(crm, tmp_path):
    crm.at += timedelta(days=1)
    crm.run("UPDATE leads SET updated_at = '2099-01-01Z' WHERE lead_id = 3")
    crm.pulled().close()
    crm.run("UPDATE leads SET size = 77, updated_at = '2026-01-11 02:00Z' WHERE lead_id = 4")
    crm.at += timedelta(days=1)
    same_as_whole(crm, tmp_path).close()


def test_only_the_rows_of_changed_leads_travel(crm, travelled):
    crm.at += timedelta(days=1)
    crm.run("UPDATE leads SET updated_at = '2026-01-10Z' WHERE lead_id = 1")
    crm.pulled().close()
    travelled.clear()
    crm.run("INSERT INTO leads VALUES (99, '2026-01-10', 3, 'fair', '2026-01-10 01:00Z')")
    found = crm.pulled()
    assert travelled["leads"] == 2
    assert rows(found.tables.leads.filter(found.tables.leads.lead_id == "99"), "size") == [(3.0,)]


def test_what_a_count_cannot_tell_comes_with_the_next_whole_pull(crm, tmp_path):
    crm.at += timedelta(days=1)
    crm.run("UPDATE leads SET updated_at = '2026-01-10Z' WHERE lead_id = 1")
    crm.pulled().close()
    crm.run("UPDATE leads SET size = 55 WHERE lead_id = 9")  # and nothing says that it was changed
    assert rows(crm.pulled().tables.leads.filter(ibis_id("9")), "size") == [(2.0,)]
    assert rows(crm.pulled(whole=True).tables.leads.filter(ibis_id("9")), "size") == [(55.0,)]
    same_as_whole(crm, tmp_path).close()


def ibis_id(lead_id: str):
    import ibis

    return ibis._.lead_id == lead_id


def test_who_was_forgotten_is_in_no_copy_and_makes_no_pull_a_whole_one(crm, travelled):
    crm.gone = Forgotten(key="k")
    crm.gone = Forgotten(key="k", digests=(crm.gone.digest("4"),))
    crm.at += timedelta(days=1)
    crm.run("UPDATE leads SET updated_at = '2026-01-10Z' WHERE lead_id IN (1, 4)")
    crm.pulled().close()
    travelled.clear()
    crm.pulled().close()
    assert travelled["leads"] == 1
    for file in (crm.home / landing.FOLDER).rglob("*.parquet"):
        assert 4 not in pq.read_table(file)["lead_id"].to_pylist(), file


def test_passing_snapshots_go_and_what_a_whole_pull_has_found_stays(crm):
    stayed = notes(crm.home / "snapshots")
    for minute in range(1, 4):
        crm.at += timedelta(minutes=20)
        crm.run(
            "UPDATE leads SET size = %s, updated_at = %s WHERE lead_id = 2",
            minute + 10,
            crm.at - timedelta(minutes=1),
        )
        last = crm.pulled()
        last.close()
    there = notes(crm.home / "snapshots")
    assert set(stayed) < set(there)
    assert len(there) == len(stayed) + 1, "the one that passing pulls left"
    assert read_note(last.folder).passing
    crm.pulled(whole=True).close()
    assert not read_note(last.folder).passing, "somebody may learn from it"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("LEADSIEVE_SOURCES", "1"))))  # by hand 3
def test_pulls_of_a_source_that_lives_are_the_whole_ones(crm, tmp_path, seed):
    drawn = random.Random(seed)
    for _ in range(33):
        crm.at += timedelta(minutes=drawn.choice([1, 30, 600]))
        now = crm.at - timedelta(seconds=drawn.randint(0, 50))
        for _ in range(drawn.randint(0, 4)):
            lead, late = drawn.randint(1, 60), now - timedelta(minutes=drawn.randint(0, 50))
            kind = drawn.randint(0, 4)
            if kind == 0:
                crm.run(
                    "INSERT INTO leads SELECT %s, %s, 1, 'web', %s WHERE NOT EXISTS (SELECT 1 FROM leads WHERE lead_id = %s)",
                    lead,
                    "2026-01-05Z",
                    late,
                    lead,
                )
            elif kind == 1:
                crm.run(
                    "UPDATE leads SET size = %s, updated_at = %s WHERE lead_id = %s",
                    drawn.random(),
                    late,
                    lead,
                )
            elif kind == 2:
                crm.run(
                    "INSERT INTO events SELECT lead_id, 'call', created_at + interval '1 hour', %s FROM leads WHERE lead_id = %s",
                    late,
                    lead,
                )
            elif kind == 3:
                crm.run("DELETE FROM events WHERE lead_id = %s", lead)
            else:
                crm.run("UPDATE events SET kind = 'form', updated_at = %s WHERE lead_id = %s", late, lead)
        same_as_whole(crm, tmp_path).close()

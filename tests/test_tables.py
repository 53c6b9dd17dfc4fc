"""What tables hand out as known at a moment."""

from dataclasses import replace
from datetime import datetime

import ibis
import pyarrow as pa
import pytest

from features.tables import Tables, came_before, row_of, row_time

LEADS = [("old", "03-01"), ("new", "03-09")]
EVENTS = [("old", "03-02"), ("old", "03-06"), ("new", "03-03")]  # a visit may come before its lead does


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}")


@pytest.fixture
def tables() -> Tables:
    leads = ibis.memtable(
        pa.table(
            {"lead_id": [lead for lead, _ in LEADS], "created_at": [day(created) for _, created in LEADS]}
        )
    )
    recorded = [day(recorded) for _, recorded in EVENTS]
    events = ibis.memtable(pa.table({"lead_id": [lead for lead, _ in EVENTS], "recorded_at": recorded}))
    return Tables(
        leads, events, None, clock="time", outcome_times=True, stages=(), end=day("03-10"), has_accounts=False
    )


def known(tables: Tables) -> tuple[list[str], list[str]]:
    leads, events = (table.to_pyarrow().to_pylist() for table in (tables.leads, tables.events))
    return sorted(row["lead_id"] for row in leads), sorted(
        f"{row['lead_id']} {row['recorded_at']:%m-%d}" for row in events
    )


def test_at_a_moment_only_what_was_recorded_before_it_of_leads_that_were_there_is_known(tables):
    assert known(tables.until(day("03-06"))) == (["old"], ["old 03-02"])


def test_from_the_end_on_everything_is_known_and_the_end_stays(tables):
    later = tables.until(day("12-01"))
    assert (known(later), later.end) == (
        (["new", "old"], ["new 03-03", "old 03-02", "old 03-06"]),
        day("03-10"),
    )


def test_a_made_up_time_says_how_many_rows_lie_before_it():
    assert [row_of(row_time(row)) for row in (0, 1, 41188)] == [0, 1, 41188]


def test_leads_that_had_been_there_for_long_are_counted(tables):
    assert came_before(tables, tables.leads, day("03-09")) == 1
    assert came_before(tables, tables.leads, day("03-10")) == 2
    without_times = replace(tables, clock="rows")
    assert came_before(without_times, tables.leads, day("03-10")) == 0, "the order of rows is no age"

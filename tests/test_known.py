"""What counts as known, on tables small enough to read."""

from datetime import datetime
from io import StringIO

import ibis
import pandas as pd
import pytest

from features.matrix import matrix
from features.recipe import FeatureSettings, recipe_for
from features.tables import Tables, scoring_cohort
from tests.matrices import HORIZONS
from tests.worlds import arrow

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def small(engine, **texts) -> Tables:
    """Canonical tables from texts such as ``lead_id created_at`` and rows; times are day and hour of March
    2024, empty is ``-``.
    """
    tables = {}
    for name, text in texts.items():
        rows = pd.read_csv(StringIO(text), sep=r"\s+", na_values="-", dtype={"lead_id": str})
        for column in rows.columns[rows.columns.str.endswith("_at")]:
            rows[column] = pd.to_datetime("2024-03-" + rows[column], format="%Y-%m-%dT%H").astype(
                "datetime64[us]"
            )
        tables[name] = rows
    leads = tables["leads"]
    if "account_id" not in leads:
        leads["account_id"] = leads["lead_id"]
    if "events" in tables and "occurred_at" not in tables["events"]:
        tables["events"]["occurred_at"] = tables["events"]["recorded_at"]
    memory = {name: ibis.memtable(arrow(table)) for name, table in tables.items()}
    return Tables(
        leads=memory["leads"], events=memory.get("events"), outcomes=memory.get("outcomes"), clock="time", outcome_times=True,
        stages=("accepted", "rejected", "won", "lost"), end=datetime(2024, 5, 1), has_accounts="account_id" in texts["leads"],
    )  # fmt: skip


def value_of(tables, column, lead_id="1", as_of=datetime(2024, 3, 10), horizons=HORIZONS):
    recipe = recipe_for(tables, FeatureSettings(), horizons)
    found = matrix(tables, scoring_cohort(tables, as_of), recipe).to_pandas().set_index("lead_id")
    value = found.loc[lead_id, column]
    return None if pd.isna(value) else value


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param("09T00", 1.0, id="recorded the day before: counts"),
        pytest.param("10T00", None, id="recorded at the very moment: not yet known"),
        pytest.param("12T00", None, id="synced two days late: invisible, though it had happened"),
    ],
)
def test_an_event_counts_from_when_it_was_recorded(engine, recorded, expected):
    tables = small(
        engine,
        leads="lead_id created_at\n1 01T00\n2 01T00",
        events=f"lead_id kind occurred_at recorded_at\n1 visit 09T00 {recorded}\n2 visit 02T00 02T00",
    )
    assert value_of(tables, "visit_days_since") == expected


def test_no_event_counts_as_zero_and_its_recency_as_empty(engine):
    tables = small(
        engine, leads="lead_id created_at\n1 01T00\n2 01T00", events="lead_id kind recorded_at\n2 visit 02T00"
    )
    assert value_of(tables, "visit_7d") == 0
    assert value_of(tables, "events_ever") == 0
    assert value_of(tables, "visit_days_since") is None
    assert value_of(tables, "trend") is None


def test_a_window_is_open_at_its_far_end(engine):
    tables = small(
        engine,
        leads="lead_id created_at\n1 01T00",
        events="lead_id kind recorded_at\n1 visit 03T00\n1 visit 03T01",
    )
    assert value_of(tables, "visit_7d") == 1


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param("2 accepted 02T00\n2 won 05T00", 1, id="accepted and won: settled"),
        pytest.param("2 accepted 02T00\n2 lost 05T00", 1, id="accepted and lost: settled"),
        pytest.param("2 lost 05T00", 0, id="lost without ever being accepted: no conversion outcome"),
        pytest.param("2 won 05T00", 1, id="won without an acceptance on record: accepted at the win"),
        pytest.param("2 accepted 02T00\n2 won 10T00", 0, id="won at the very moment: not yet known"),
        pytest.param("2 accepted 02T00\n2 won 09T23", 1, id="won an hour before midnight: known at midnight"),
        pytest.param("1 accepted 02T00\n1 won 05T00", 0, id="the lead's own outcome never counts"),
    ],
)
def test_a_lead_is_settled_once_its_outcome_is_known(engine, outcomes, expected):
    leads = "lead_id created_at channel\n1 01T00 ads\n2 01T00 ads\n3 01T00 event"
    tables = small(
        engine,
        leads=leads,
        outcomes=f"lead_id stage occurred_at\n{outcomes}".replace("occurred_at", "recorded_at"),
    )
    assert value_of(tables, "channel_settled") == expected


def test_a_rate_is_drawn_towards_the_overall_rate(engine):
    leads = "lead_id created_at channel\n" + "\n".join(
        f"{i} 01T00 {'ads' if i < 3 else 'event'}" for i in range(1, 8)
    )
    outcomes = "lead_id stage recorded_at\n2 accepted 02T00\n2 won 03T00\n" + "\n".join(
        f"{i} accepted 02T00\n{i} lost 03T00" for i in (3, 4, 5)
    )
    tables = small(engine, leads=leads, outcomes=outcomes)
    assert value_of(tables, "channel_win_rate") == pytest.approx((1 + 20 * 1 / 4) / (1 + 20))

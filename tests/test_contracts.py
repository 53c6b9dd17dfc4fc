"""The contract of the canonical tables: every breach is found, counted, shown by an example and worded as in
the style guide.
"""

from dataclasses import replace
from datetime import datetime

import ibis
import pyarrow as pa
import pytest

from features.contracts import Breach, breaches, check, merged
from features.errors import ContractError
from features.tables import Tables

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words

TIMES = {"created_at", "occurred_at", "recorded_at"}


def table(text: str) -> ibis.Table:
    """A table from its text: first line names, "-" is an empty cell."""
    names, *lines = [line.split() for line in text.strip().splitlines()]
    columns = {}
    for name, *cells in zip(names, *lines, strict=True):
        values = [None if cell == "-" else cell for cell in cells]
        if name in TIMES:
            columns[name] = pa.array(
                [value and datetime.fromisoformat(value) for value in values], pa.timestamp("us")
            )
        elif name in ("value", "amount"):
            columns[name] = pa.array([value and float(value) for value in values], pa.float64())
        else:
            columns[name] = pa.array(values, pa.string())
    return ibis.memtable(pa.table(columns))


LEADS = """
lead_id  account_id  created_at
1        A           2026-01-01
2        A           2026-01-02
"""
EVENTS = """
lead_id  kind   occurred_at  recorded_at
1        visit  2025-12-01   2025-12-02
"""
OUTCOMES = """
lead_id  stage     occurred_at  recorded_at
1        accepted  2026-01-03   2026-01-03
1        won       2026-01-04   2026-01-04
2        lost      2026-01-02   2026-01-02
"""


def tables(leads: str = LEADS, events: str | None = EVENTS, outcomes: str | None = OUTCOMES) -> Tables:
    return Tables(
        leads=table(leads),
        events=None if events is None else table(events),
        outcomes=None if outcomes is None else table(outcomes),
        clock="time",
        outcome_times=True,
        stages=("accepted", "won", "lost"),
        end=datetime(2027, 1, 1),
        has_accounts=True,
    )


def test_tables_that_keep_the_contract_have_no_breach():
    assert breaches(tables()) == []
    check(tables(events=None, outcomes=None))


def test_all_breaches_of_all_tables_come_at_once_in_the_words_of_the_style_guide():
    broken = tables(
        leads="""
        lead_id  account_id  created_at
        1        A           2026-01-01
        1        A           2026-01-02
        2        A           -
        3        B           -
        """,
        events="""
        lead_id  kind   occurred_at  recorded_at
        9        visit  2025-12-01   2025-12-02
        """,
    )
    with pytest.raises(ContractError) as raised:
        check(broken)
    assert str(raised.value) == (
        "table 'leads' breaks its contract in 2 places; no lead was scored.\n"
        "  created_at: 2 rows are empty, such as for lead '2'. Fill them at the source, or drop them with "
        "[source.leads] drop_incomplete = true.\n"
        "  lead_id: 1 row repeats an id, such as '1'. Keep one row per lead at the source.\n"
        "table 'events' breaks its contract in 1 place; no lead was scored.\n"
        "  lead_id: 1 row is of a lead that table leads does not have, such as '9'. Add those leads at the source, or drop the rows with "
        "[source.events] drop_unknown_leads = true."
    )
    assert raised.value.exit_code == 3


def test_where_hardly_any_id_is_a_leads_nobody_is_told_to_drop_the_rows():
    visits = "".join(f"{lead}.0  visit  2026-01-05  2026-01-05\n" for lead in range(1, 31))
    (found,) = breaches(tables(events=f"lead_id  kind  occurred_at  recorded_at\n{visits}"))
    assert found.rows == 30
    assert found.mend.startswith("Ids of leads are such as '1': write them alike in both tables")
    assert "drop" not in found.mend


def test_rows_are_numbered_where_their_order_means_something():
    broken = tables("lead_id account_id created_at\n1 A 2026-01-01\n2 A -\n3 B -", events=None, outcomes=None)
    assert breaches(broken, numbered=True)[0].text == "2 rows are empty, first at row 2"


@pytest.mark.parametrize(
    ("changed", "column", "rows", "words"),
    [
        pytest.param({"leads": "lead_id account_id created_at"}, "rows", 0, "there are none", id="no leads"),
        pytest.param(
            {"events": "lead_id kind occurred_at recorded_at"}, "rows", 0, "there are none", id="no events"
        ),
        pytest.param(
            {"events": "lead_id occurred_at recorded_at\n1 2026-01-01 2026-01-01"},
            "kind",
            0,
            "no such column",
            id="absent column",
        ),
        pytest.param(
            {"events": EVENTS.replace("visit", "-    ")}, "kind", 1, "1 row is empty", id="empty kind"
        ),
        pytest.param({"leads": LEADS.replace("\n2 ", "\n- ")}, "lead_id", 1, "1 row is empty", id="empty id"),
        pytest.param(
            {"outcomes": OUTCOMES.replace("accepted", "Accepted")},
            "stage",
            1,
            "such as 'Accepted'",
            id="foreign word",
        ),
        pytest.param(
            {"outcomes": OUTCOMES.replace("\n2 ", "\n7 ")},
            "lead_id",
            1,
            "such as '7'",
            id="outcome of an unknown lead",
        ),
        pytest.param(
            {"outcomes": OUTCOMES.replace("2026-01-02   2026-01-02", "2026-01-01   2026-01-02")},
            "occurred_at",
            1,
            "dated before the lead was created, such as for lead '2'",
            id="happened before its lead",
        ),
        pytest.param(
            {"outcomes": OUTCOMES.replace("2026-01-02   2026-01-02", "2026-01-02   2026-01-01")},
            "occurred_at",
            1,
            "dated before the lead was created",
            id="recorded before its lead",
        ),
        pytest.param(
            {"outcomes": OUTCOMES.replace("2026-01-03   2026-01-03", "2026-01-05   2026-01-05")},
            "stage",
            1,
            "before its acceptance was recorded, such as for lead '1'",
            id="won before accepted",
        ),
    ],
)
def test_each_kind_of_breach_is_found_and_counted(changed, column, rows, words):
    found = [breach for breach in breaches(tables(**changed)) if breach.column == column]
    assert [breach.rows for breach in found][:1] == [rows]
    assert words in found[0].text


def test_columns_of_another_type_are_named():
    wrong = replace(tables(), events=tables().events.mutate(kind=ibis.literal(1), value=ibis.literal("x")))
    assert [(breach.column, breach.text) for breach in breaches(wrong)] == [
        ("kind", "it holds int8, not text"),
        ("value", "it holds string, not number"),
    ]


def test_events_before_their_lead_and_outcomes_at_the_same_moment_keep_the_contract():
    same = OUTCOMES.replace("2026-01-04   2026-01-04", "2026-01-03   2026-01-03").replace(
        "2026-01-03", "2026-01-01"
    )
    assert breaches(tables(outcomes=same)) == []


def test_a_value_that_cannot_be_read_is_not_counted_as_empty_again():
    unreadable = Breach(
        "leads",
        "created_at",
        2,
        "soon",
        "2 rows hold no time, such as 'soon'",
        "Write times",
        cells="unreadable",
    )
    empty = Breach("leads", "created_at", 5, "4", "5 rows are empty", "Fill them", cells="empty")
    other = Breach("leads", "lead_id", 2, "1", "2 rows repeat an id", "Keep one")
    assert [breach.text for breach in merged([unreadable], [empty, other])] == [
        unreadable.text,
        "3 rows are empty",
        other.text,
    ]
    assert merged([unreadable], [replace(empty, rows=2)]) == [unreadable]


def test_examples_do_not_depend_on_the_order_of_rows():
    leads = "lead_id account_id created_at\n{} A -\n{} A -\n{} A 2026-01-01"
    first, second = (
        breaches(tables(leads.format(*order), events=None, outcomes=None)) for order in ("123", "213")
    )
    assert first == second

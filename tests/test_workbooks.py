"""Excel workbooks are read like the CSV files they would have been, or refused in a sentence."""

from datetime import date, datetime, timedelta

import pytest
from openpyxl import Workbook

from pipelines.sources.mapping import LeadsSource, OutcomesSource
from tests.pulling import pulled, refused, rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words
LEADS = [
    (
        4711 + at,
        datetime(2026, 1, 1, 8, 30) + timedelta(days=at),
        "Łódź",
        1181.84 + at,
        date(2020, 1, 2),
        at > 3,
    )
    for at in range(6)
]
NAMES = ("lead_id", "created_at", "city", "size", "founded", "member")


def workbook(path, *, above=(), below=()):
    """Two sheets, the second with outcomes; around the first what people put there."""
    book = Workbook()
    for row in (*above, NAMES, *LEADS[:3], (), *LEADS[3:], *below):
        book.active.append(row)
    book.active.title = "All leads"
    deals = book.create_sheet("Deals")
    for row in (("lead_id", "stage", "occurred_at"), ("4711", "won", datetime(2026, 1, 9))):
        deals.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("around", [{}, {"above": [("Leads of all teams",), ()], "below": [(), ("Total",)]}])
def test_a_workbook_is_read_with_its_types_whatever_stands_around_its_table(tmp_path, around):
    workbook(tmp_path / "CRM.xlsx", **around)
    found = pulled(
        tmp_path,
        {},
        leads=LeadsSource(table="crm", sheet="All leads"),
        outcomes=OutcomesSource(table="CRM.xlsx", sheet="Deals"),
    )
    truth = [
        (str(lead), made, city, size, datetime(2020, 1, 2), float(member))
        for lead, made, city, size, _, member in LEADS
    ]
    assert rows(found.tables.leads, *NAMES) == truth
    assert rows(found.tables.outcomes, "lead_id", "stage") == [("4711", "won")]
    assert len(found.warnings) == len(around)


def test_the_first_sheet_is_read_where_none_is_named_and_the_others_are_told(tmp_path):
    workbook(tmp_path / "leads.xlsx")
    (said,) = pulled(tmp_path, {}).warnings
    assert "sheet 'All leads' was read, the first of 2; for another one ('Deals') say sheet" in said


def test_a_sheet_that_is_not_there_or_is_empty_is_refused_with_those_that_are(tmp_path):
    content = workbook(tmp_path / "leads.xlsx").read_bytes()
    said = refused(tmp_path, {"leads.xlsx": content}, leads=LeadsSource(sheet="Leads"))
    assert "no sheet 'Leads'; there are 'All leads', 'Deals'" in said
    Workbook().save(tmp_path / "leads.xlsx")
    assert "it is empty" in refused(tmp_path, {})


def test_a_damaged_workbook_is_refused_in_a_sentence(tmp_path):
    content = workbook(tmp_path / "leads.xlsx").read_bytes()
    half = len(content) // 2
    for broken in (
        b"",
        b"no archive",
        content[:half],
        content[: half - 300] + bytes(600) + content[half + 300 :],
    ):
        assert "this workbook cannot be read" in refused(tmp_path, {"leads.xlsx": broken})

"""One market exported in many shapes: each is read as what it says, or refused in a sentence that says which key decides."""

import math

import pytest

from tests.commands import written
from tests.export_shapes import expected, gone_through, market, shapes
from tests.pulling import pulled, refused

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
SHAPES = shapes()
BY_INIT = (
    "one stage and one date",
    "dated stages",
)  # their outcomes stand in columns that no standing name has
OTHER_ROWS = ("few leads", "serial days", "mistyped years", "placeholders", "percent", "commas in a name")


WIDE = ("a thousand columns",)


def named(name: str):
    return pytest.param(name, marks=pytest.mark.slow) if name in WIDE else name


@pytest.mark.parametrize("name", [named(name) for name, shape in SHAPES.items() if not shape.refused])
@pytest.mark.slow
def test_a_shape_is_read_as_the_market_that_it_shows(name, tmp_path):
    snapshot = pulled(tmp_path, SHAPES[name].files)
    leads, outcomes = market()
    if name in OTHER_ROWS:
        many = {"few leads": len(market(90, 8)[0]), "mistyped years": len(leads) - 2}
        assert snapshot.counts["leads"] == many.get(name, len(leads))
        return
    rows = snapshot.tables.leads.select("lead_id", "created_at", "seats").to_pyarrow().to_pylist()
    digits = {row["lead_id"][-5:]: row for row in rows}
    assert len(rows) == len(leads)
    for lead in leads[::37]:
        row = digits[lead["lead_id"][1:]]
        assert math.isclose(row["seats"], float(lead["seats"])), name
        assert f"{row['created_at']}"[:16] == lead["created_at"][:16], name
    if "outcomes" in snapshot.counts:
        assert snapshot.counts["outcomes"] == len(outcomes)


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.refused])
def test_a_shape_that_can_be_read_in_two_ways_or_hides_wins_is_refused(name, tmp_path):
    said = refused(tmp_path, SHAPES[name].files)
    assert "date_format" in said or "Bingo" in said


def test_leads_of_years_to_come_are_told_and_left_out(tmp_path):
    snapshot = pulled(tmp_path, SHAPES["mistyped years"].files)
    assert any(
        "2 leads are created more than a year after all others, such as 'K00091' on 2071-" in each
        for each in snapshot.warnings
    )
    assert snapshot.tables.leads.count().to_pyarrow().as_py() == len(market()[0]) - 2


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """What came of the clean export: others are judged by it."""
    folder = tmp_path_factory.mktemp("clean")
    return gone_through(written(folder / "crm", SHAPES["clean"].files), folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["euro amounts", "twelve hours", "dated stages", "one stage and one date", "a workbook"]
)
def test_a_model_of_a_shape_is_as_good_as_that_of_the_clean_export(name, clean, tmp_path):
    gone = gone_through(written(tmp_path / "crm", SHAPES[name].files), tmp_path)
    assert expected(SHAPES[name], gone, clean), (gone, clean)

"""How a lead's score moved: looked at anew by the version in use at the moments of its story, each by what
was known then.
"""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from app.pages.score_history import BOTTOM, MOST, TICK, TOP, Step, moments, picture, thinned
from pipelines.home import store_of
from pipelines.store.access.users import add_person
from tests.apis import NOW, running_api
from tests.desks import PASSWORD, Browser

CAME = datetime(2026, 1, 1, 9)


def events(*hours: float) -> pa.Table:
    times = pa.array([CAME + timedelta(hours=hour) for hour in hours], pa.timestamp("us"))
    return pa.table({"recorded_at": times, "kind": [f"visit_{place}" for place in range(len(hours))]})


def test_it_is_looked_at_when_it_came_after_what_it_did_when_it_was_decided_and_at_the_end():
    decided, end = CAME + timedelta(hours=3), CAME + timedelta(hours=9)
    found = moments(CAME, events(-5, 1, 1, 4, 20), decided, end)
    assert [why for _, why in found] == ["came", "visit 2", "decision", "visit 3", "latest"]
    assert found[1][0] == CAME + timedelta(hours=1) + TICK  # strictly after, or it would not know of it
    assert [why for _, why in moments(CAME, None, None, CAME - timedelta(days=1))] == ["latest"]
    assert [why for _, why in moments(CAME, None, end, end)] == ["came", "decision"]


def test_of_very_many_moments_some_are_taken_evenly():
    found = moments(CAME, events(*range(1, 100)), None, CAME + timedelta(hours=200))
    assert len(found) == MOST
    assert found[-2][1] == "visit 98"
    assert thinned([CAME] * 3, 5) == [CAME] * 3


def test_the_picture_has_room_for_the_highest_bound_and_marks_the_decision():
    steps = (
        Step(CAME, "came", 0.1, 0.05, 0.2),
        Step(CAME, "decision", 0.3, 0.2, 0.37),
        Step(CAME, "latest", 0.0, None, None),
    )
    drawn = picture(steps)
    assert drawn.top == 0.4
    assert [mark.kind for mark in drawn.marks] == ["step", "decided", "latest"]
    assert drawn.marks[2].y == BOTTOM
    assert all(TOP <= float(point.split(",")[1]) <= BOTTOM for point in drawn.band.split())


@pytest.fixture
def api(home, world):
    with running_api(home, world / "quick.toml") as api:
        yield api


def test_a_leads_page_shows_what_the_version_in_use_says_at_each_moment_and_everything_that_it_counts(api):
    live, desk = api.champions.live, api.client.app.state.desk
    folder = live.snapshot
    answered = pd.read_parquet(folder / "outcomes.parquet", columns=["lead_id"])["lead_id"]
    events = pd.read_parquet(folder / "events.parquet")
    active = (
        events[~events["lead_id"].isin(answered)].groupby("lead_id").size().nlargest(1).index[0]
    )  # its score moves to this day
    lead = pd.read_parquet(folder / "leads.parquet").set_index("lead_id").loc[active]
    as_of = (lead["created_at"] + pd.Timedelta(days=2)).to_pydatetime()
    store = store_of(desk.settings, api.home)
    decision = {
        "lead_id": active,
        "account_id": lead["account_id"],
        "as_of": as_of,
        "p_convert": 0.123,
        "low": 0.1,
        "high": 0.2,
    }
    rest = {"value": 5.0, "grade": "B", "version": "0", "score": 0.123, "cut": 0.01}
    held = pd.read_parquet(folder / "leads.parquet", columns=["lead_id"])["lead_id"][0]
    store.record(
        pd.DataFrame(
            [
                {**decision, **rest, "action": "hand off"},
                {**decision, **rest, "lead_id": held, "action": "hold"},
            ]
        )
    )
    desk.refresh()
    add_person(store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    browser = Browser(api.client)
    browser.sign_in("ann", PASSWORD)

    page = browser.get(f"/leads/{active}").text
    section = page[page.index("How its score moved") :]
    assert "which version 0 made at 12 %" in section
    rows = section[: section.index("</table>")].split("<tr>")[2:]
    assert len(rows) > 3
    assert page.count('class="bar"') > 5  # and not only the five reasons that the log keeps

    # Beside a held lead's score a rep could tell which leads of the queue were drawn to pass.
    assert "How its score moved" not in browser.get(f"/leads/{held}").text

    schemas = live.prepared.schemas
    leads, happened = (
        desk.dossiers.rows(folder, name, active).select(schemas[name].names).cast(schemas[name])
        for name in ("leads", "events")
    )
    one = live.score(leads, happened, pa.array([as_of], pa.timestamp("us")))
    several, _ = live.chances(leads, happened, [as_of - timedelta(days=1), as_of, as_of + timedelta(days=30)])
    assert several["score"][1] == one["score"][0]
    assert several["score"].nunique() > 1

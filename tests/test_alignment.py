"""What marketing and sales read together: counts on small tables, and the whole on a made-up market."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from models.alignment.book import STATES, Asked, Book
from models.alignment.figures import beyond_chance, change, share_of, wait
from models.alignment.funnel import funnel

END = datetime(2026, 3, 1)
DAYS = {"pursue_days": 21.0, "convert_days": 90.0}
COLUMNS = [
    "lead_id",
    "account",
    "created_at",
    "channel",
    "campaign",
    "team",
    "rep",
    "handed",
    "decided_at",
    "grade",
    "arm",
    "p_pursue",
    "p_convert",
    "p_both",
    "accepted_at",
    "rejected_at",
    "won_at",
    "lost_at",
    "reason",
    "margin",
]


def day(text: str | None) -> pd.Timestamp:
    return pd.Timestamp(f"{text[:4]}-{text[4:6]}-{text[6:]}") if text else pd.NaT


def lead(created: str, **more: object) -> dict[str, object]:
    """A lead of channel ``ads`` and team ``north``; times are written like 20260101."""
    given = {name: day(value) if name.endswith("_at") else value for name, value in more.items()}
    return {
        **dict.fromkeys(COLUMNS),
        **{name: pd.NaT for name in COLUMNS if name.endswith("_at")},
        "channel": "ads",
        "campaign": "–",
        "team": "north",
        "handed": "undecided",
        "margin": np.nan,
        "created_at": day(created),
        **given,
    }


def book(*leads: dict[str, object], end: datetime = END) -> Book:
    """A book of leads that each are of an account of their own."""
    rows = [each | {"lead_id": f"L{place}", "account": place} for place, each in enumerate(leads)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    times = {name: found[name].astype("datetime64[us]") for name in COLUMNS if name.endswith("_at")}
    return Book.of(found.assign(**times), end, DAYS, ("accepted", "rejected", "won", "lost"))


EVERY_STATE = [
    ("won", lead("20251001", accepted_at="20251002", won_at="20251101")),
    ("won", lead("20251001", won_at="20251101")),
    ("lost", lead("20251001", accepted_at="20251002", lost_at="20251101")),
    ("in work", lead("20260101", accepted_at="20260102")),
    ("no end", lead("20251001", accepted_at="20251002")),
    ("rejected", lead("20251001", rejected_at="20251002")),
    ("in work", lead("20260201", rejected_at="20260202", accepted_at="20260205")),
    ("held", lead("20251001", handed="held", decided_at="20251001")),
    ("waiting", lead("20260220")),
    ("unanswered", lead("20260101")),
    ("waiting", lead("20260101", handed="handed off", decided_at="20260220")),
]


@pytest.mark.parametrize(("state", "row"), EVERY_STATE)
def test_a_lead_that_still_has_time_is_open_and_never_lost(state, row):
    assert book(row).leads["state"].tolist() == [state]


def test_every_lead_of_a_month_stands_somewhere_and_the_steps_count_what_happened_so_far():
    found = funnel(book(*(row for _, row in EVERY_STATE)), Asked())
    assert [(each.month, each.leads, each.open) for each in found.months] == [
        ("2025-10", 6, 0),
        ("2026-01", 3, 2),
        ("2026-02", 2, 2),
    ]
    assert sum(found.total.states.values()) == found.total.leads == 11
    assert set(found.total.states) == set(STATES)
    counts = {step: (each.count, each.of) for step, each in found.total.steps.items()}
    assert counts == {
        "handed_off": (1, 11),
        "held": (1, 11),
        "answered": (7, 11),
        "accepted": (6, 11),
        "won": (2, 11),
    }


def test_a_year_before_counts_what_was_known_a_year_before():
    before = [
        lead("20250201", accepted_at="20250203", won_at="20250220"),
        lead("20250202", accepted_at="20250203", won_at="20250401"),  # which nobody knew by 1 March 2025
    ]
    found = funnel(book(*before, lead("20260201"), lead("20260202")), Asked(since=datetime(2026, 2, 1)))
    assert (found.total.leads, found.total.steps["won"].count) == (2, 0)
    assert (found.before.leads, found.before.steps["won"].count) == (2, 1)
    assert funnel(book(lead("20260201")), Asked()).before is None


def test_waits_are_of_leads_that_had_the_whole_time_so_that_slow_ones_count_too():
    old = [lead("20251101", accepted_at=f"202511{1 + days:02}") for days in (2, 4, 6, 8, 10)]
    young = [lead("20260227", accepted_at="20260228") for _ in range(5)]  # quick: slow ones are not known yet
    found = funnel(book(*old, *young, lead("20260225"), lead("20251101")), Asked()).times["accepted"]
    assert (found.of, found.median.value, found.waiting) == (5, 6.0, 1)
    assert found.median.low <= 6.0 <= found.median.high


def test_the_interval_of_a_share_and_of_a_wait_holds_the_truth_as_often_as_it_says():
    draw, kept = np.random.default_rng(1), {"share": 0, "median": 0, "p90": 0}
    for _ in range(300):
        account = draw.integers(0, 120, 240)
        likely = np.where(draw.random(120) < 0.5, 0.2, 0.4)[account]  # leads of an account are alike
        share = share_of(draw.random(240) < likely, np.ones(240, dtype=bool), account).share
        days = wait(draw.exponential(size=240), account, waiting=0)
        kept["share"] += share.low <= 0.3 <= share.high
        kept["median"] += days.median.low <= np.log(2) <= days.median.high
        kept["p90"] += days.p90.low <= np.log(10) <= days.p90.high
    assert all(0.9 <= count / 300 <= 0.99 for count in kept.values()), kept


def test_a_change_is_beyond_chance_only_where_its_interval_leaves_nothing_out():
    account, whole = np.arange(400), np.ones(400, dtype=bool)
    few, many = (share_of(account % 10 < tenths, whole, account) for tenths in (2, 4))
    assert beyond_chance(change(many, few))
    assert not beyond_chance(change(few, few))
    assert np.isnan(change(few, share_of(whole, ~whole, account)).value)


@pytest.mark.parametrize(
    ("name", "value", "count"), [("channel", "event", 1), ("team", "north", 2), (None, None, 2)]
)
def test_a_book_holds_only_the_leads_that_are_asked_for(name, value, count):
    asked = Asked(datetime(2026, 1, 1), datetime(2026, 2, 1), **({name: value} if name else {}))
    leads = [lead("20260101", channel="event"), lead("20260131"), lead("20260201"), lead("20251231")]
    assert len(book(*leads).within(asked).leads) == count

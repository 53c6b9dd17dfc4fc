"""What marketing and sales read together: counts on small tables, and the whole on a made-up market."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from models.alignment.book import STATES, Asked, Book
from models.alignment.effort import by_channel, effort
from models.alignment.feedback import feedback
from models.alignment.figures import beyond_chance, change, share_of, wait
from models.alignment.funnel import funnel
from models.alignment.margin import margin
from models.alignment.scored import scored
from models.alignment.talk import findings

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
    "amount",
    "list_amount",
    "own_margin",
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
        **dict.fromkeys(("margin", "amount", "list_amount"), np.nan),
        "own_margin": True,
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


def test_a_source_that_tells_wins_alone_is_not_said_to_have_left_leads_unanswered():
    rows = [lead("20251001", won_at="20251101"), lead("20251001"), lead("20260101")]
    told = book(*rows)
    here = Book.of(told.leads[COLUMNS], END, DAYS, ("won",))
    assert here.leads["state"].tolist() == ["won", "no end", "waiting"]
    found = funnel(here, Asked())
    assert set(found.total.steps) == {"handed_off", "held", "won"}
    assert found.latest is None
    assert (found.times.keys(), found.times["won"].of) == ({"won"}, 1)
    brought = margin(here, quarter_starts=1, last_days=14, resamples=100, seed=1)
    assert findings(found, None, scored(here), brought) == ()


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


# ── answers ──


def test_leads_are_counted_as_unanswered_only_when_their_time_is_over_and_nobody_held_them_back():
    leads = [
        lead("20260101", accepted_at="20260102"),
        lead("20260101", rejected_at="20260108", reason="no budget"),
        lead("20260101"),
        lead("20260220"),
        lead("20260101", handed="held", decided_at="20260101"),
        lead("20260101", team="south"),
    ]
    here = book(*leads)
    found = feedback(here, here, hours=24)
    assert (found.whole.answered.count, found.whole.answered.of, found.whole.unanswered) == (2, 4, 2)
    assert (found.whole.in_time.count, found.whole.in_time.of) == (1, 5)
    assert [(each.team, each.unanswered) for each in found.teams] == [("north", 1), ("south", 1)]


def test_reasons_are_of_the_answered_leads_of_each_group_and_say_what_became_of_them():
    turned_down = [
        lead("20251001", rejected_at="20251003", reason="no budget"),
        lead(
            "20251001", rejected_at="20251003", reason="no budget", accepted_at="20251010", won_at="20251101"
        ),
        lead("20251001", rejected_at="20251003"),
    ]
    here = book(*turned_down, *(lead("20251001", channel="event", accepted_at="20251002") for _ in range(12)))
    here.leads.loc[3, ["account", "won_at"]] = [here.leads["account"][0], pd.Timestamp("2026-01-01")]
    found = feedback(here, here, hours=24)
    whole, *groups = found.reasons
    assert (whole.rejected.count, whole.rejected.of) == (3, 15)
    assert whole.reasons == {"no budget": 2, "no reason given": 1}
    assert {(each.by, each.group) for each in groups} == {
        ("channel", "event"), ("campaign", "–"), ("month", "2025-10"),
    }  # fmt: skip
    after = found.afterwards
    assert (after.rejected, after.accepted.count, after.won.count, after.account_won.count) == (3, 1, 1, 1)


def test_answering_sooner_is_compared_among_leads_that_are_alike():
    """In either channel soon and later win alike; event leads win more and are answered sooner."""

    def some(count: int, wins: int, channel: str, day_taken: str) -> list[dict]:
        return [
            lead(
                "20251001", channel=channel, accepted_at=day_taken, won_at="20251105" if each < wins else None
            )
            for each in range(count)
        ]

    groups = [
        *some(80, 40, "event", "20251002"), *some(20, 10, "event", "20251006"),
        *some(20, 2, "ads", "20251002"), *some(80, 8, "ads", "20251006"),
    ]  # fmt: skip
    here = book(*groups, *some(5, 5, "ads", "20251001"))
    found = feedback(here.rows(np.arange(len(here.leads)) < 200), here, hours=24).sooner
    assert (found.soon.count, found.soon.of, found.later.count, found.later.of) == (42, 100, 18, 100)
    assert beyond_chance(found.difference)
    assert found.alike.value == pytest.approx(0)
    assert not beyond_chance(found.alike)


# ── the score, effort ──


def graded(grade: str, count: int, wins: int, **more: object) -> list[dict[str, object]]:
    """Leads that were handed off, whose time is over; of those taken up some were won."""
    shown = {"p_pursue": 0.4, "p_convert": 0.5, "p_both": 0.2, "arm": "policy"} | more
    won = {"accepted_at": "20251002", "won_at": "20251101", "margin": 100.0}
    return [
        lead(
            "20251001",
            handed="handed off",
            decided_at="20251001",
            grade=grade,
            **shown | (won if each < wins else {}),
        )
        for each in range(count)
    ]


def test_a_grade_is_judged_by_what_was_promised_of_leads_whose_time_is_over():
    young = [each | {"decided_at": day("20260201")} for each in graded("A", 9, 0)]
    held = [each | {"handed": "held"} for each in graded("D", 3, 1)]
    found = scored(book(*graded("A", 100, 22), *graded("B", 100, 5), *graded("C", 100, 60), *young, *held))
    assert (found.decided, found.over) == (312, 300)
    assert [(each.grade, each.won.count, each.says) for each in found.grades] == [
        ("A", 22, "as promised"), ("B", 5, "fewer"), ("C", 60, "more"),
    ]  # fmt: skip
    assert found.ordered is False
    assert (found.held, found.held_accepted, found.held_won) == (3, 1, 1)
    assert scored(book(lead("20251001"))).ordered is None


def effort_of(*leads: dict[str, object]):
    return effort(book(*leads), high=("A",), low=("D",), hours_per_lead=2.0, resamples=200, seed=1)


def test_overlooked_leads_are_good_ones_that_nobody_took_up_worth_no_more_than_those_that_somebody_did():
    missed = [*graded("A", 20, 0), *graded("A", 5, 0, rejected_at="20251003")]
    found = effort_of(*graded("A", 15, 15), *missed, *graded("B", 30, 0), *graded("A", 8, 2, arm="forced"))
    gold = found.overlooked
    assert (gold.leads.count, gold.leads.of, gold.turned_down, gold.unanswered) == (31, 48, 5, 26)
    assert gold.most.value == pytest.approx(31 * 0.5)
    assert gold.most.low < gold.most.value < gold.most.high
    assert gold.most_margin.value == pytest.approx(31 * 0.5 * 100)
    assert gold.hours.value == 62
    assert (gold.by_lot.count, gold.by_lot.of) == (2, 8)
    assert np.isnan(gold.lot_wins.value), "eight leads prove nothing"
    assert len(gold.lead_ids) == 31


def test_leads_worked_by_lot_tell_how_many_customers_were_left_lying():
    """Of 100 leads sales takes up 40 and wins 20. Of leads worked by lot 30 % are won, so of the 60 others 10 are."""
    ours = [*graded("A", 40, 20, accepted_at="20251002"), *graded("A", 60, 0)]
    gold = effort_of(*ours, *graded("A", 50, 15, arm="forced", accepted_at="20251002")).overlooked
    assert gold.leads.count == 60
    assert gold.lot_wins.value == pytest.approx(60 * (0.3 - 0.2) / 0.6)
    assert gold.lot_wins.low < gold.lot_wins.value < gold.lot_wins.high < gold.most.high
    assert gold.lot_margin.value == pytest.approx(10 * 100)


def test_a_channel_is_worth_what_its_leads_that_were_worked_by_lot_bring():
    lot = [*graded("A", 30, 6, arm="forced"), *graded("B", 30, 3, arm="forced", channel="event")]
    found = by_channel(book(*lot, *graded("A", 50, 50), *graded("A", 19, 1, arm="forced", channel="fair")))
    assert {name: (each.count, each.of) for name, each in found.items()} == {"ads": (6, 30), "event": (3, 30)}


def test_wasted_effort_is_poor_leads_that_were_worked_beside_what_the_others_brought():
    worked = [lead | {"accepted_at": day("20251002")} for lead in graded("D", 10, 1)]
    found = effort_of(*worked, *graded("B", 10, 10), *graded("D", 4, 4, arm="forced")).wasted
    assert (found.leads.count, found.leads.of, found.won.count) == (10, 20, 1)
    assert (found.hours.value, found.margin.value) == (20, 100)
    assert (found.own_margin.value, found.other_margin.value) == (5, 50)
    nothing = effort_of(lead("20251001"))
    assert (nothing.wasted.leads.of, nothing.overlooked.leads.of) == (0, 0)


# ── margin ──


def wins(
    day_won: str, count: int, *, channel: str = "ads", size: float = 1000.0, off: float = 0.0, seed: int = 0
):
    """Wins of like deals, sold at about so much off the list; a third of what is paid is margin."""
    paid = size * (1 - np.clip(off + np.random.default_rng(seed).normal(0, 0.02, count), 0, 1))
    return [
        lead(
            "20251001",
            channel=channel,
            accepted_at="20251001",
            won_at=day_won,
            list_amount=size,
            amount=each,
            margin=each - 0.7 * size,
        )
        for each in paid
    ]


def sold(*leads: dict[str, object], quarter_starts: int = 1):
    return margin(book(*leads), quarter_starts=quarter_starts, last_days=14, resamples=200, seed=1)


def test_the_end_of_a_quarter_is_compared_among_deals_of_like_size():
    """Large deals have the larger discount and come late; of like size, the end of the quarter costs 5 points."""
    rest = [
        *wins("20251105", 80, size=500, off=0.05, seed=1),
        *wins("20251106", 40, size=5000, off=0.2, seed=2),
    ]
    late = [
        *wins("20251220", 30, size=500, off=0.1, seed=3),
        *wins("20251231", 90, size=5000, off=0.25, seed=4),
    ]
    found = sold(*rest, *late)
    assert (found.wins, found.last_wins) == (240, 120)
    assert found.measures == ("margin", "margin_share", "discount")
    apart = found.last_days["discount"]
    assert apart.last.value - apart.rest.value > 0.1
    assert apart.difference.value == pytest.approx(0.05, abs=0.01)
    assert apart.difference.low < 0.05 < apart.difference.high
    assert beyond_chance(found.last_days["margin_share"].difference)
    assert [each.wins for each in found.weeks] == [0, 0, 0, 0, 0, 120, 0, 0, 0, 0, 0, 30, 90]
    of_february = sold(*rest, *late, quarter_starts=2)
    assert [place for place, each in enumerate(of_february.weeks, 1) if each.wins] == [1, 8, 9]
    assert of_february.last_wins == 0


def test_a_group_brings_margin_rather_than_deals_where_its_wins_bring_more_than_the_others():
    found = sold(*wins("20251105", 40, size=3000, seed=1), *wins("20251106", 80, channel="event", seed=2))
    by_channel = {each.group: each for each in found.brings if each.by == "channel"}
    assert by_channel["ads"].of_wins == pytest.approx(1 / 3)
    assert by_channel["ads"].of_margin == pytest.approx(0.6, abs=0.02)
    assert {name: each.says for name, each in by_channel.items()} == {
        "ads": "more margin",
        "event": "more deals",
    }


@pytest.mark.parametrize(
    ("change", "measures"),
    [({"list_amount": np.nan}, ("margin", "margin_share")), ({"own_margin": False}, ("margin", "discount"))],
)
def test_only_what_is_known_of_nearly_all_wins_is_told(change, measures):
    assert sold(*(each | change for each in wins("20251105", 30))).measures == measures


def test_without_a_win_that_has_an_amount_nothing_is_told_of_margin():
    found = sold(lead("20251001", won_at="20251105"), lead("20251001"))
    assert (found.wins, found.weeks, found.last_days, found.brings) == (0, (), {}, ())


# ── what to talk about ──


def talked(*leads: dict[str, object], end: datetime = END, **asked: object):
    whole = book(*leads, end=end)
    here = whole.within(Asked(**asked))
    brought = margin(here, quarter_starts=1, last_days=14, resamples=100, seed=1)
    return findings(funnel(whole, Asked(**asked)), feedback(here, here, hours=24), scored(here), brought)


def months_alike(
    share: float, year: int, *, answered: str, reasons: tuple[str, ...], seed: int
) -> list[dict]:
    """Leads of October of a year: some taken up, the others turned down for reasons drawn by chance."""
    draw, taken = np.random.default_rng(seed), f"{year}10{answered}"
    return [
        lead(f"{year}1001", accepted_at=taken)
        if draw.random() < share
        else lead(f"{year}1001", rejected_at=taken, reason=str(draw.choice(reasons)))
        for _ in range(200)
    ]


REASONS = ("no budget", "wrong person", "no need")


def test_what_was_planted_is_found():
    before = months_alike(0.5, 2024, answered="02", reasons=REASONS, seed=1)
    late = months_alike(0.2, 2025, answered="09", reasons=("no budget",), seed=2)
    broken = [each | {"channel": "event"} for each in graded("A", 100, 2)]
    found = talked(*before, *late, *broken, since=datetime(2025, 10, 1))
    assert {(each.kind, each.about, each.detail) for each in found} == {
        ("agreement", "", ""), ("change", "answered", ""), ("change", "accepted", ""),
        ("promise", "A", "fewer"), ("reason", "ads", "no budget"),
    }  # fmt: skip


def test_a_month_and_the_end_of_a_quarter_that_are_unlike_the_others_are_talked_of():
    def of(month: str, taken: int) -> list[dict]:
        return [
            lead(f"2025{month}03", accepted_at=f"2025{month}04")
            if place < taken
            else lead(f"2025{month}03", rejected_at=f"2025{month}04", reason=REASONS[place % 3])
            for place in range(150)
        ]

    months = [each for month in ("08", "09", "10") for each in of(month, 60)]
    found = talked(*months, *of("11", 20), end=datetime(2025, 12, 8))
    assert [(each.kind, each.about, each.detail) for each in found] == [("month", "accepted", "2025-11")]
    assert found[0].figure.value == pytest.approx(20 / 150 - 60 / 150)
    assert talked(*months, *of("11", 20), end=datetime(2025, 12, 7)) == (), (
        "the last leads have not had a week"
    )
    sold_off = [*wins("20251105", 60, off=0.05, seed=1), *wins("20251229", 60, off=0.12, seed=2)]
    assert [(each.kind, each.about) for each in talked(*sold_off)] == [("quarter", "discount")]

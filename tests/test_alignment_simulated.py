"""What both sides read, on made-up markets whose truth is known: what the figures claim holds as often as they say,
what happened is talked of, and nothing is where nothing happened.
"""

import os
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression

from models.alignment.book import Asked, Book
from models.alignment.effort import Effort, Overlooked, effort
from models.alignment.feedback import feedback
from models.alignment.funnel import funnel
from models.alignment.margin import margin
from models.alignment.scored import scored
from models.alignment.talk import Finding, findings
from models.evaluation.uncertainty import Estimate
from pipelines.simulation.market import SimulatorSettings, World, simulate

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("LEADSIEVE_RUNS", "20"))  # 200 by hand
DAYS = {"pursue_days": 21.0, "convert_days": 90.0}
MARKET = SimulatorSettings(leads=3000, months=15)
HOUR_LIMIT = 24 * 7.0
BEST, POOREST = 0.85, 0.3  # of leads by their score: A above, D below


@dataclass(frozen=True)
class Known:
    """The best chances that what can be seen allows, fitted on a market a hundred times as large."""

    taken: IsotonicRegression
    won: IsotonicRegression
    edges: tuple[float, float]

    def chances(self, world: World) -> tuple[np.ndarray, np.ndarray]:
        seen = world.truth["visible_logit"].to_numpy()
        return self.taken.predict(seen), self.won.predict(seen)


@pytest.fixture(scope="module")
def known() -> Known:
    world = simulate(replace(MARKET, leads=300_000, seed=999))
    seen, taken = (world.truth[name].to_numpy() for name in ("visible_logit", "selected"))
    pursue, convert = (IsotonicRegression(out_of_bounds="clip") for _ in range(2))
    pursue.fit(seen, taken)
    convert.fit(seen[taken], would_be_won(world)[taken])
    both = pursue.predict(seen) * convert.predict(seen)
    return Known(pursue, convert, tuple(np.quantile(both, [POOREST, BEST])))


def would_be_won(world: World) -> np.ndarray:
    """Whether each lead would be won in time, were it worked."""
    won, delay = (world.truth[name].to_numpy() for name in ("would_win_if_pursued", "delay_days"))
    return won & (delay <= DAYS["convert_days"])


def book(world: World, known: Known, *, forced: float = 0.0) -> Book:
    """Every lead of a market, graded as it came and handed off; some are drawn by lot and worked."""
    leads, stages = world.leads.to_pandas(), world.outcomes.to_pandas()
    times = stages.pivot(index="lead_id", columns="stage", values="recorded_at").add_suffix("_at")
    worth = stages[stages["stage"] == "won"].set_index("lead_id")[["amount", "margin"]]
    reason = stages[stages["stage"] == "rejected"].set_index("lead_id")["reason"]
    taken, won = known.chances(world)
    both = taken * won
    found = leads.join(times, on="lead_id").join(worth, on="lead_id").join(reason, on="lead_id")
    found = found.assign(
        account=pd.factorize(found["account_id"])[0],
        channel=found["channel"].fillna("–"),
        campaign="–",
        team=found["owner"].fillna("–"),
        rep=found["owner"].fillna("–"),
        handed="handed off",
        decided_at=found["created_at"],
        grade=np.select([both >= known.edges[1], both < known.edges[0]], ["A", "D"], "B"),
        arm="policy",
        p_pursue=taken,
        p_convert=won,
        p_both=both,
        list_amount=np.nan,
        own_margin=True,
    )
    if forced:
        by_lot = np.random.default_rng(1).random(found["account"].max() + 1)[found["account"]] < forced
        taken_at = found["created_at"] + pd.Timedelta(days=3)
        days = pd.to_timedelta(world.truth["delay_days"].to_numpy(), unit="D")
        won_at = (taken_at + days).where(would_be_won(world) & (taken_at + days < world.end))
        for name, at in (("accepted", taken_at), ("won", won_at), ("rejected", pd.NaT), ("lost", pd.NaT)):
            found[f"{name}_at"] = found[f"{name}_at"].where(~by_lot, at)
        found["arm"] = np.where(by_lot, "forced", "policy")
    at = {name: found[name].astype("datetime64[us]") for name in found if name.endswith("_at")}
    return Book.of(found.assign(**at), world.end, DAYS, ("accepted", "rejected", "won", "lost"))


def effort_of(whole: Book) -> Effort:
    return effort(whole, high=("A",), low=("D",), hours_per_lead=1.0, resamples=200, seed=1)


def talked(whole: Book) -> tuple[Finding, ...]:
    asked = Asked(since=datetime(2024, 4, 1))
    here = whole.within(asked)
    brought = margin(here, quarter_starts=1, last_days=14, resamples=200, seed=1)
    return findings(funnel(whole, asked), feedback(here, whole, hours=HOUR_LIMIT), scored(here), brought)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [simulate(replace(MARKET, seed=seed)) for seed in range(1, RUNS + 1)]


@pytest.fixture(scope="module")
def markets(worlds, known) -> list[Book]:
    return [book(world, known) for world in worlds]


def overlooked(whole: Book, world: World) -> tuple[Overlooked, int]:
    """What was overlooked, and how many of these leads would have been won."""
    gold = effort_of(whole).overlooked
    return gold, would_be_won(world)[whole.leads["lead_id"].isin(gold.lead_ids).to_numpy()].sum()


def test_customers_that_were_overlooked_are_no_more_than_is_said(worlds, markets):
    """Sales sees what no column shows, so that what it leaves is worth less than the chance of what it takes."""
    found = [overlooked(whole, world) for world, whole in zip(worlds, markets, strict=True)]
    truth, most = (
        np.array(each) for each in zip(*((won, gold.most.value) for gold, won in found), strict=True)
    )
    kept = sum(won <= gold.most.high for gold, won in found)
    print(f"overlooked: {truth.mean():.1f} customers, at most {most.mean():.1f}; kept in {kept} of {RUNS}")
    assert kept / RUNS >= 0.975
    assert truth.mean() < 0.7 * most.mean(), (
        "as good as those taken up: nothing unseen, and nothing to learn here"
    )


def test_customers_that_were_overlooked_lie_within_the_interval_of_leads_worked_by_lot(worlds, known):
    found = [overlooked(book(world, known, forced=0.2), world) for world in worlds]
    kept = sum(gold.lot_wins.low <= won <= gold.lot_wins.high for gold, won in found)
    told, truth, wide = (
        np.array(each)
        for each in zip(
            *((gold.lot_wins.value, won, gold.lot_wins.high - gold.lot_wins.low) for gold, won in found),
            strict=True,
        )
    )
    print(
        f"by lot: {truth.mean():.1f} customers, told {told.mean():.1f}, {wide.mean():.1f} wide; within in {kept} of {RUNS}"
    )
    assert kept >= binom.ppf(0.01, RUNS, 0.9)
    apart = told - truth
    assert abs(apart.mean()) < 3 * apart.std() / np.sqrt(RUNS)


def test_wasted_effort_lies_within_its_interval_around_what_is_so_of_all_such_markets(markets):
    def of(whole: Book) -> dict[str, Estimate]:
        poor = effort_of(whole).wasted
        return {
            "share": poor.leads.share,
            "hours": poor.hours,
            "won": poor.won.share,
            "own margin": poor.own_margin,
            "other margin": poor.other_margin,
        }

    found = [of(whole) for whole in markets]
    for name in found[0]:
        truth = np.mean([each[name].value for each in found])
        kept = np.mean([each[name].low <= truth <= each[name].high for each in found])
        print(f"{name}: {truth:.3f}; within in {kept:.1%}")
        assert kept * RUNS >= binom.ppf(0.01, RUNS, 0.9)


def test_nothing_is_said_of_markets_in_which_nothing_changed(markets):
    said = [[each.kind for each in talked(whole)] for whole in markets]
    print(pd.Series([kind for kinds in said for kind in kinds]).value_counts().to_dict())
    assert sum(map(bool, said)) <= binom.ppf(0.99, RUNS, 0.05)


def test_a_month_in_which_sales_took_up_half_as_many_is_talked_of(markets):
    found = 0
    for whole in markets:
        month = whole.leads["created_at"].dt.strftime("%Y-%m") == "2025-02"
        lost = month & whole.leads["accepted_at"].notna() & (np.arange(len(month)) % 2 == 0)
        left = {name: whole.leads[name].mask(lost) for name in ("accepted_at", "won_at", "lost_at")}
        changed = Book.of(whole.leads.assign(**left), datetime(2025, 3, 8), DAYS, whole.stages)
        found += any(
            (each.kind, each.detail) == ("month", "2025-02")
            for each in talked(changed.as_known(datetime(2025, 3, 8)))
        )
    print(f"found in {found} of {RUNS}")
    assert found / RUNS >= 0.8

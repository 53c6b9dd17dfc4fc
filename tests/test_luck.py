"""What the luck of who got a lead tells of leads that sales passes over, and when it tells nothing."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import scipy
from scipy.special import ndtr

from features.labels import Labels
from models.policy.selective_labels import worked_by_luck, worked_within_bounds
from models.scoring.selection import Selection, bivariate, fit_selection, if_worked, left_waiting


@dataclass(frozen=True)
class Market:
    """Leads of two columns, dealt to reps, taken up and won by two normal indices of correlation ``r``."""

    columns: np.ndarray
    rep: np.ndarray
    took: np.ndarray
    won: np.ndarray
    p_pursue: np.ndarray
    p_convert: np.ndarray
    p_worked: np.ndarray

    def selection(self, **changes) -> Selection | str:
        at = np.ones(len(self.rep), bool)
        nothing = np.full(len(at), np.nan)

        def labels(at_risk: np.ndarray, outcome: np.ndarray) -> Labels:
            still = np.zeros(len(at), bool)
            return Labels(at_risk, nothing, nothing, nothing, still, outcome.astype(float), at_risk)

        given = {
            "of_rep": [],
            "pursue": labels(at, self.took),
            "convert": labels(self.took, self.won),
            "use": at,
            "chances": lambda rows: (self.p_pursue[rows], self.p_convert[rows]),
            "reps": np.array([f"rep {name}" for name in self.rep], dtype=object),
            "accounts": np.arange(len(at)),
        }
        return fit_selection(pd.DataFrame(self.columns.astype(np.float32)), [], **given | changes)


def market(leads=12_000, *, r=0.5, reps=12, leniency=0.7, dealt=0.0, seed=1) -> Market:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((leads, 2))
    rep = rng.integers(reps, size=leads)
    if dealt:  # who gets a lead goes by its first column
        rep = np.clip((reps * ndtr(dealt * x[:, 0] + rng.standard_normal(leads))).astype(int), 0, reps - 1)
    e, u = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], size=leads).T
    v = -0.4 + 0.5 * x[:, 0] + leniency * rng.standard_normal(reps)[rep]
    f = -1.0 + 0.4 * x[:, 0] + 0.5 * x[:, 1]
    both = bivariate(f, v, r)
    return Market(x, rep, v + e > 0, f + u > 0, ndtr(v), both / ndtr(v), ndtr(f))


@pytest.fixture(scope="module")
def seen():
    return market()


def test_the_chance_of_both_is_that_of_a_bivariate_normal():
    for h, k, r in [(-1.0, 0.5, 0.3), (0.2, -0.7, 0.8), (1.5, 1.0, -0.4), (-2.0, -2.0, 0.0)]:
        oracle = scipy.stats.multivariate_normal(cov=[[1, r], [r, 1]]).cdf([h, k])
        assert bivariate(np.array([h]), np.array([k]), r)[0] == pytest.approx(oracle, abs=1e-6)


@pytest.mark.parametrize("r", [-0.3, 0.2, 0.7])
def test_the_chance_if_worked_follows_from_both_chances_and_the_correlation(r):
    made = market(500, r=r)
    assert if_worked(made.p_pursue, made.p_convert, r) == pytest.approx(made.p_worked, abs=1e-4)


def test_where_nothing_is_unseen_it_is_the_chance_once_taken_up():
    chance = np.array([0.1, 0.5])
    assert if_worked(np.array([0.9, 0.01]), chance, 0.0).tolist() == chance.tolist()


@pytest.mark.parametrize("r", [0.0, 0.3, 0.6])
def test_lenient_and_strict_reps_show_how_far_sales_sees_more_than_the_columns(r):
    found = market(r=r).selection()
    assert found.most.correlation <= r <= found.least.correlation
    assert found.least.correlation - found.most.correlation < 0.4
    assert (found.reps, found.leads) == (12, pytest.approx(4_500, abs=1_000))


def test_its_chances_are_true_of_all_leads_where_those_of_leads_taken_up_promise_too_much(seen):
    value, low, high = seen.selection().worked(seen.p_pursue, seen.p_convert)
    truth = seen.p_worked.mean()
    assert seen.p_convert.mean() / truth > 1.3
    assert value.mean() / truth == pytest.approx(1, abs=0.1)
    assert low.mean() < truth < high.mean()
    assert np.corrcoef(value, seen.p_worked)[0, 1] > 0.97


def test_no_lead_is_worth_more_than_its_like_that_sales_took_up(seen):
    for chance in seen.selection().worked(seen.p_pursue, seen.p_convert):
        assert (chance <= seen.p_convert).all()


def test_a_lead_that_sales_has_taken_up_keeps_its_chance(seen):
    found = seen.selection().worked(np.array([1.0, 0.3]), np.array([0.2, 0.2]))
    assert [chance[0] for chance in found] == [0.2, 0.2, 0.2]
    assert found[0][1] < 0.2


def test_sales_is_never_taken_to_choose_the_worse_of_leads_that_look_alike():
    found = market(r=-0.5).selection()
    assert found.likeliest.correlation == found.most.correlation == 0


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"reps": 5}, "8 reps with 30 leads each are needed, 5 are known"),
        ({"leads": 1_500}, r"1,000 settled leads that sales took up, 50 of them won, are needed; there are \d+"),
        ({"dealt": 2.0}, r"not dealt by turn: who gets a lead can be told from it \(AUC 0\.[6-9]"),
        ({"leniency": 0.0}, "take up their leads too much alike"),
    ],
)  # fmt: skip
def test_it_says_why_it_tells_nothing(made, why):
    found = market(**made).selection()
    assert isinstance(found, str)
    assert re.search(why, found), found


def test_leads_that_nobody_is_said_to_have_got_are_left_out(seen):
    reps = np.full(len(seen.rep), None, dtype=object)
    assert "0 are known" in seen.selection(reps=reps)


def test_the_same_leads_give_the_same_answer(seen):
    assert seen.selection() == seen.selection()


def test_the_report_says_what_it_rests_on_and_what_would_make_it_sharper(seen):
    told = worked_by_luck(seen.p_pursue, seen.p_convert, seen.selection(), leads_a_week=300, horizon_days=111)
    assert told.by == "luck"
    assert told.low < told.value < told.high
    for words in ("of 12 reps the strictest takes up", "by turn .50", "as far as reps win equally well", "[policy] forced = 0.03"):  # fmt: skip
        assert words in told.words()


def test_bounds_say_why_luck_does_not_narrow_them():
    told = worked_within_bounds(
        np.array([0.5]), np.array([0.2]), leads_a_week=300, horizon_days=111, luck="5 are known"
    )
    assert "the luck of who got a lead does not tell it: 5 are known" in told.words()


def test_a_lead_left_waiting_is_of_those_that_sales_takes_up_late_or_never_would(seen):
    worked, taken, won = seen.p_worked, seen.p_pursue, seen.p_convert
    assert left_waiting(worked, taken, won, taken).tolist() == worked.tolist()
    never = left_waiting(worked, taken, won, np.zeros(len(worked)))
    assert never.mean() == pytest.approx(
        seen.won[~seen.took].mean() * (~seen.took).mean() / (1 - taken).mean(), abs=0.01
    )
    late = left_waiting(worked, taken, won, taken / 2)
    assert ((never <= late) & (late <= worked + 1e-9)).all()

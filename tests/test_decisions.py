"""Who is held, by whose cut, who passes by an arm, and who fits into the week."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from features.labels import Horizons
from models.policy import decisions
from models.policy.arms import FORCED, PASS_THROUGH, Arms
from models.policy.arms import POLICY as BY_SCORE
from models.policy.decisions import decide_all, fits_week
from models.policy.economics import Economics
from models.policy.policy import Policy
from models.policy.risk_control import Promise
from models.scoring.reasons import Reason

PROMISE = Promise(
    of="customers",
    max_lost_share=0.05,
    confidence=0.95,
    wins=100,
    start=None,
    end=None,
    certified=True,
    why="",
)
NOBODY = Arms(pass_through=0.0, forced=0.0, salt="s")
CERTIFIED = Policy(cut=0.2, basis="certified", held_share=0.2, promise=PROMISE, arms=NOBODY)
WORTH = Economics(None, 1000.0, 0.0, 100.0, 1.0, None, {})


@dataclass(frozen=True)
class Fixed:
    """A scorer that says what it was told."""

    chance: np.ndarray
    p_pursue: float = 0.5
    score_of: str = "p_convert"
    categories: ClassVar[dict[str, None]] = {}
    worked_by: ClassVar[str] = "bounds"
    recipe: ClassVar[SimpleNamespace] = SimpleNamespace(horizons=Horizons())

    def chances(
        self, encoded: pd.DataFrame, taken_days: np.ndarray | None, waited_days: np.ndarray
    ) -> dict[str, np.ndarray]:
        p_pursue = np.broadcast_to(self.p_pursue, len(self.chance)).astype(float)
        scores = {"p_pursue": p_pursue, "p_convert": self.chance, "p_both": p_pursue * self.chance}
        score = scores[self.score_of]
        grade = np.array(["D", "C", "B", "A"], object)[np.digitize(score, [0.1, 0.2, 0.4])]
        worked = {"p_worked": np.full(len(score), np.nan), "low": scores["p_both"], "high": self.chance}
        return scores | {"score": score, "grade": grade} | worked


@pytest.fixture(autouse=True)
def _no_reasons(monkeypatch):
    monkeypatch.setattr(
        decisions, "reasons", lambda scorer, leads, encoded: [[Reason("visits", 0.4, "because")]] * len(leads)
    )


def decided(
    chance,
    policy: Policy = CERTIFIED,
    *,
    accounts=None,
    owners=None,
    listed=None,
    p_pursue=0.5,
    score_of="p_convert",
) -> pd.DataFrame:
    chance = np.asarray(chance, float)
    ids = [f"L{row}" for row in range(len(chance))]
    leads = pd.DataFrame(
        {
            "lead_id": ids,
            "account_id": ids if accounts is None else accounts,
            "created_at": pd.Timestamp("2026-03-01"),
            "as_of": pd.Timestamp("2026-03-01"),
        }
    )
    found = decide_all(Fixed(chance, p_pursue, score_of), policy, leads, version="7", with_reasons=1)
    found = found.assign(owner=owners)
    return found.assign(this_week=fits_week(policy, found, listed or {}))


def test_a_score_at_the_cut_is_handed_off_and_one_below_is_held():
    found = decided([0.1999, 0.2, 0.3])
    assert list(found["action"]) == ["hold", "hand off", "hand off"]
    assert list(found["cut_by"]) == ["certified"] * 3
    assert set(found["policy"]) == {CERTIFIED.name}


def test_without_a_cut_nobody_is_held():
    found = decided([0.0, 0.5], replace(CERTIFIED, cut=None, basis="none"))
    assert list(found["action"]) == ["hand off", "hand off"]
    assert found["cut"].isna().all()
    assert found["cut_by"].isna().all()


def test_the_smaller_of_the_certified_and_the_economic_cut_is_in_force_and_the_decision_says_which():
    """Working a lead costs 100 and a customer brings 1,000: below a chance of .1 it does not pay."""
    found = decided([0.05, 0.15], replace(CERTIFIED, economics=WORTH))
    assert list(found["action"]) == ["hold", "hand off"]
    assert list(found["cut_by"]) == ["economic", "economic"]
    assert list(found["cut"]) == pytest.approx([0.1, 0.1])
    assert list(found["value"]) == pytest.approx([-50.0, 50.0])
    dear = decided([0.05, 0.15, 0.25], replace(CERTIFIED, economics=replace(WORTH, cost=400.0)))
    assert list(dear["action"]) == ["hold", "hold", "hand off"], "the promise binds, however dear a lead is"
    assert list(dear["cut_by"]) == ["certified"] * 3


def test_value_ranks_leads_where_it_is_known():
    unlike = replace(CERTIFIED, economics=WORTH)
    assert list(decided([0.3, 0.9, 0.5], unlike)["rank"]) == [3, 1, 2]


def test_accounts_drawn_to_pass_are_handed_off_whatever_their_score():
    arms = Arms(pass_through=0.3, forced=0.2, salt="s")
    found = decided(np.full(400, 0.01), replace(CERTIFIED, arms=arms))
    assert set(found["arm"]) == {BY_SCORE, PASS_THROUGH, FORCED}
    assert ((found["action"] == "hold") == (found["arm"] == BY_SCORE)).all()
    assert found.groupby("arm")["propensity"].first().to_dict() == pytest.approx(
        {BY_SCORE: 0.5, PASS_THROUGH: 0.3, FORCED: 0.2}
    )


def test_leads_of_one_account_share_an_arm():
    found = decided(
        np.full(400, 0.01),
        replace(CERTIFIED, arms=Arms(pass_through=0.5, forced=0.0, salt="s")),
        accounts=["a", "b"] * 200,
    )
    assert (found.groupby("account_id")["arm"].nunique() == 1).all()


def test_the_week_takes_the_most_valuable_that_fit_and_those_that_sales_is_asked_to_work_first():
    limited = replace(WORTH, capacity=2.0, cost=None)
    assert list(decided([0.3, 0.9, 0.5, 0.1], replace(CERTIFIED, economics=limited))["this_week"]) == [
        False,
        True,
        True,
        False,
    ]
    everybody = replace(CERTIFIED, economics=limited, arms=Arms(pass_through=0.0, forced=0.5, salt="s"))
    found = decided(np.linspace(0.3, 0.9, 6), everybody)
    assert (found["arm"] == FORCED).sum() >= 2
    assert set(found.loc[found["this_week"], "arm"]) == {FORCED}


def test_leads_on_this_weeks_list_leave_less_room():
    limited = replace(CERTIFIED, economics=replace(WORTH, capacity=2.0))
    assert decided([0.3, 0.9, 0.5], limited, listed={"": 1})["this_week"].sum() == 1
    assert decided([0.3, 0.9, 0.5], limited, listed={"": 5})["this_week"].sum() == 0


def test_every_team_has_its_own_week():
    teams = replace(CERTIFIED, economics=replace(WORTH, team_capacity={"north": 1.0, "south": 2.0}))
    owners = np.array(["north", "north", "south", "south", "south"], dtype=object)
    assert list(decided([0.9, 0.8, 0.5, 0.6, 0.7], teams, owners=owners)["this_week"]) == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_a_capacity_of_nothing_lists_nobody_and_holds_nobody_for_it():
    found = decided(
        [0.3, 0.9], replace(CERTIFIED, economics=replace(WORTH, capacity=0.0, price=float("inf")))
    )
    assert list(found["action"]) == ["hand off", "hand off"]
    assert not found["this_week"].any()


def test_without_a_known_margin_the_week_is_filled_by_score():
    unknown = replace(CERTIFIED, economics=replace(WORTH, margin_per_customer=None, capacity=1.0))
    found = decided([0.3, 0.9], unknown)
    assert list(found["this_week"]) == [False, True]
    assert found["value"].isna().all()


def test_a_lead_unlike_all_that_sales_took_up_is_flagged():
    assert decided([0.4], p_pursue=0.01)["extrapolated"].iloc[0]
    assert not decided([0.4], p_pursue=0.03)["extrapolated"].iloc[0]


@pytest.mark.parametrize("score_of", ["p_both", "p_convert"])
@pytest.mark.parametrize("seed", range(25))
def test_nobody_of_a_better_grade_is_held_while_a_worse_one_is_handed_off_but_for_a_reason_that_stands_there(
    score_of, seed
):
    rng = np.random.default_rng(seed)
    economics = replace(WORTH, cost=rng.choice([None, 50.0, 300.0]), capacity=rng.choice([None, 20.0]))
    policy = Policy(
        cut=rng.choice([None, 0.05, 0.25]),
        basis="certified",
        held_share=0.2,
        promise=PROMISE,
        arms=Arms(pass_through=rng.choice([0.0, 0.1]), forced=rng.choice([0.0, 0.1]), salt=str(seed)),
        economics=rng.choice([None, economics]),
    )
    found = decided(rng.beta(1, 4, 300), policy, p_pursue=rng.random(300), score_of=score_of)
    usual = found[(found["arm"] == BY_SCORE) & (found["cut_by"] != "economic")]
    held, offered = (usual[usual["action"] == action] for action in ("hold", "hand off"))
    assert held["score"].max() < offered["score"].min() or held.empty or offered.empty
    assert (held["grade"] >= offered["grade"].max()).all() or offered.empty, "A is the smallest letter"


def test_no_lead_at_all_is_no_trouble():
    assert len(decided([])) == 0

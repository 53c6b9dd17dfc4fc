"""Rules above the model: they decide whatever score and arm say, until their day, and what they lose is counted."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.errors import UsageError
from features.serialization import dump, load
from models.backtest import Replayed
from models.policy import decisions
from models.policy.arms import PASS_THROUGH, POLICY, Arms
from models.policy.decisions import decide_all
from models.policy.policy import Policy
from models.policy.policy_fit import policy_of
from models.policy.rules import Rule, RuleToll, costs, tolls
from models.policy.settings import PolicySettings
from pipelines.flows.backtest import BacktestReport
from pipelines.reports.summaries import value
from pipelines.settings import load_settings
from tests.test_certifying import aside, times
from tests.test_decisions import CERTIFIED, Fixed

STUDENTS = Rule(column="job", values=("student",), reason="students never buy", handed_off="never")
PARTNERS = Rule(column="channel", values=("partner",), reason="the contract says so", handed_off="always")
SMALL = Rule(column="job", values=("clerk",), reason="no say", at_most="C", until=date(2026, 3, 1))
LEADS = pd.DataFrame(
    {"job": ["student", "clerk", "boss", "student"], "channel": ["web", "web", "partner", "partner"]}
)


def decided(
    *rules: Rule, policy: Policy = CERTIFIED, chance=(0.9, 0.5, 0.1, 0.1), at="2026-02-01"
) -> pd.DataFrame:
    ids = [f"L{row}" for row in range(len(chance))]
    came = {"created_at": pd.Timestamp(at), "as_of": pd.Timestamp(at)}
    leads = pd.DataFrame({"lead_id": ids, "account_id": ids, **came, "job": LEADS["job"]})
    policy = replace(policy, rules=rules)
    said = LEADS[["channel"]]
    return decide_all(Fixed(np.array(chance)), policy, leads, version="7", with_reasons=0, said=said)


@pytest.fixture(autouse=True)
def _no_reasons(monkeypatch):
    monkeypatch.setattr(decisions, "reasons", lambda scorer, leads, encoded: [])


def test_never_and_always_decide_whatever_the_score_the_first_rule_first_and_the_log_says_which():
    assert decided()["action"].tolist() == ["hand off", "hand off", "hold", "hold"]
    found = decided(STUDENTS, PARTNERS)
    assert found["action"].tolist() == ["hold", "hand off", "hand off", "hold"]
    assert found["cut_by"].tolist() == [
        "rule: students never buy",
        "certified",
        "rule: the contract says so",
        "rule: students never buy",
    ]
    assert found["cut"].tolist() == [1.0, 0.2, 0.0, 1.0]


def test_never_is_never_in_any_arm_and_the_log_has_no_draw_of_it():
    everybody = replace(CERTIFIED, arms=Arms(pass_through=1.0, forced=0.0, salt="s"))
    found = decided(STUDENTS, policy=everybody)
    assert found["action"].tolist() == ["hold", "hand off", "hand off", "hold"]
    assert found["arm"].tolist() == [POLICY, PASS_THROUGH, PASS_THROUGH, POLICY]
    assert found["propensity"].tolist() == [1.0] * 4


@pytest.mark.parametrize(("at", "grade"), [("2026-02-28", "C"), ("2026-03-01", "A")])
def test_a_grade_is_capped_until_the_rules_last_day(at, grade):
    assert decided(SMALL, at=at)["grade"].tolist()[1] == grade


def test_a_rule_on_a_column_that_is_not_there_stops_with_its_name():
    with pytest.raises(UsageError, match="the rule 'no say' asks for the column 'size'"):
        decided(Rule(column="size", values=("1",), reason="no say", handed_off="never"))


@pytest.mark.parametrize("given", [{}, {"handed_off": "never", "at_most": "C"}])
def test_a_rule_does_one_thing(given):
    with pytest.raises(ValidationError, match="says either"):
        Rule(column="job", values=("x",), reason="why", **given)


def certified(share_of_wins: float) -> Policy:
    """1,600 wins among 6,400 leads; a rule holds back a share of the wins and as many others."""
    leads, wins = 6400, 1600
    withheld = aside(wins, every=4)
    draw = np.random.default_rng(1).random((2, leads))
    jobs = np.where(draw[1] < share_of_wins, "student", "boss")
    return policy_of(
        withheld,
        lambda rows: draw[0][rows],
        times(leads),
        np.full(leads, np.nan),
        PolicySettings(rules=(STUDENTS,)),
        None,
        forward=draw[0],
        leads=pd.DataFrame({"job": jobs}),
        moment=lambda time: str(time)[:10],
    )


def test_what_a_rule_loses_counts_against_the_promise_and_is_told():
    without, with_rule = certified(0.0), certified(0.02)
    assert with_rule.promise.certified
    assert 0 < with_rule.cut < without.cut, "the rule has spent a part of what may be lost"
    (cost,) = with_rule.rule_costs
    assert cost.leads == pytest.approx(128, abs=35)
    assert 15 <= cost.customers <= 50
    assert with_rule.to_json()["rules"][0]["reason"] == "students never buy"
    assert cost.share["low"] < cost.share["value"] < cost.share["high"] < 0.05
    assert cost.hours is None, "whom nobody works takes no hours"
    assert load(Policy, json.loads(json.dumps(dump(with_rule)))) == with_rule
    assert with_rule.name != without.name


def test_nothing_is_promised_where_the_rules_alone_lose_more_than_the_filter_may():
    policy = certified(0.2)
    assert (policy.promise.certified, policy.cut) == (False, None)
    assert "the rules alone" in policy.promise.why


def test_a_rule_that_hands_everybody_off_costs_the_hours_of_those_that_the_cut_would_hold():
    leads = pd.DataFrame({"channel": ["partner"] * 10 + ["web"] * 10})
    score = np.tile([0.1, 0.9], 10)
    (cost,) = costs((PARTNERS,), leads, np.zeros(20, bool), score, 0.5, hours_per_lead=1.5)
    assert (cost.leads, cost.changed, cost.hours, cost.share) == (10, 5, 7.5, None)


def test_what_a_rule_did_is_counted_by_what_became_of_its_leads():
    decided = pd.DataFrame(
        {
            "cut_by": ["rule: no", "rule: no", "rule: yes", "certified", None],
            "action": ["hold", "hold", "hand off", "hold", "hand off"],
            "p_both": [0.5, 0.5, 0.1, 0.9, 0.9],
        }
    )
    won, taken_up = np.array([1, 0, 1, 1, 0], bool), np.array([0, 0, 1, 0, 1], bool)
    no, yes = tolls(decided, won, taken_up, hours_per_lead=2.0)
    assert (no.reason, no.held, no.handed_off, no.lost, no.hours) == ("no", 2, 0, 1, None)
    assert no.expected["value"] == 1.0
    assert no.expected["high"] == pytest.approx(1 + 1.96 * 0.5**0.5)
    assert (yes.held, yes.handed_off, yes.taken_up, yes.won, yes.hours) == (0, 1, 1, 1, 2.0)
    assert yes.expected is None


def test_a_mistyped_key_of_a_rule_is_named_with_what_was_meant(tmp_path):
    (tmp_path / "a.toml").write_text(
        '[[policy.rules]]\ncolum = "job"\nvalues = ["x"]\nreason = "y"\nhanded_off = "never"\n'
    )
    with pytest.raises(UsageError, match=r"policy\.rules\.colum: no such key; did you mean 'column'"):
        load_settings(tmp_path / "a.toml", environ={})


def test_a_backtest_adds_up_what_each_rule_did_and_says_what_share_of_the_customers_it_lost():
    toll = RuleToll("no", held=10, handed_off=0, lost=2, expected=None, taken_up=0, won=0, hours=None)
    nothing = dict.fromkeys(Replayed.__dataclass_fields__, 0) | {"rivals": {}, "rules": (toll,)}
    spans = tuple(Replayed(**nothing | {"customers": 20, "start": at}) for at in (date(2026, 1, 1),) * 2)
    (rule,) = BacktestReport(spans, "time", 0.05, (), {}).total()["rules"]
    assert (rule["held"], rule["lost"], rule["hours"]) == (20, 4, None)
    assert rule["share"]["value"] == 0.1
    assert rule["share"]["low"] < 0.1 < rule["share"]["high"]


def test_the_value_of_a_filter_names_what_its_rules_did_in_words():
    told = {"reason": "no", "held": 10, "handed_off": 0, "lost": 1, "taken_up": 0, "won": 0, "hours": None}
    told |= {"expected": {"value": 2.34, "low": 0.5, "high": 4.2}}
    gave = {"reason": "yes", "held": 0, "handed_off": 7, "lost": 0, "taken_up": 5, "won": 2, "hours": 10.0}
    words = value(
        {
            "settled": 20,
            "decided": 30,
            "since": "2026-01-01T00:00:00",
            "promise": {"why": "it is kept"},
            "overrides": {"pulled_out": 0},
            "rules": [told, gave | {"expected": None}],
            "worth": {},
            "leniency": None,
            "warnings": [],
        }
    )
    assert "“no” held 10; the version foretold 2.3 customers among them (0.5 – 4.2)" in words
    assert "1 became customers all the same" in words
    assert "“yes” handed off 7: 5 were taken up (10 hours), 2 won." in words

"""Hints and oddities: what is noticed, what is left alone, and which verdict each makes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.monitoring.data_drift import arrivals, lead_shift, oddities, psi, score_shift, stale
from models.monitoring.outcome_drift import Deviation, Segment
from models.monitoring.status import RETRAIN, UNTIL_THEN, health_of
from models.policy.arms import PASS_THROUGH
from models.policy.impact import promise_recheck
from tests.test_registry import tiny_scorer

QUIET = {"alarms": (), "nearly": (), "hints": (), "promise": None, "blind": "", "expected": 100.0}
ALARM = Deviation(
    "convert",
    Segment("channel", "fair"),
    "fewer",
    38.0,
    108.0,
    -5.8,
    np.datetime64("2026-03-30"),
    np.datetime64("2026-05-25"),
)


def test_the_stability_index_is_nothing_for_the_same_scores_and_grows_with_the_shift():
    rng = np.random.default_rng(1)
    before, same = rng.normal(size=(2, 5000))
    assert psi(before, same) < 0.02
    assert 0.02 < psi(before, same + 0.3) < psi(before, same + 0.8)
    assert score_shift(before, same, limit=0.25) is None
    assert "now scores lower" in score_shift(before, same - 0.8, limit=0.25).words


@pytest.mark.parametrize(
    ("weekly", "noticed"),
    [
        pytest.param([100, 110, 95, 105, 98, 102, 30], True, id="two thirds are missing"),
        pytest.param([100, 110, 95, 105, 98, 102, 260], True, id="each comes twice and more"),
        pytest.param([100, 110, 95, 105, 98, 102, 80], False, id="a slow week"),
        pytest.param([3, 2, 4, 3, 2, 3, 0], False, id="too few to say"),
        pytest.param([100, 100, 10], False, id="too short a past"),
    ],
)
def test_an_unusual_number_of_leads_is_noticed(weekly, noticed):
    assert (arrivals(np.array(weekly)) is not None) == noticed


def test_a_table_is_silent_when_it_has_been_so_for_longer_than_ever():
    assert stale("table 'events'", 3.0, 2.5, "2026-01-01") is None
    assert stale("table 'events'", 0.9, 0.1, "2026-01-01") is None
    assert stale("table 'events'", 6.0, 2.5, "2026-01-01").serious


def test_a_classifier_tells_leads_apart_by_what_has_changed_and_not_otherwise():
    rng = np.random.default_rng(2)
    before, now = (
        pd.DataFrame({"size": rng.normal(size=600), "team": rng.choice(["a", "b"], 600)}) for _ in range(2)
    )
    categories = {"size": None, "team": ("a", "b")}
    assert lead_shift(before, now, categories, limit=0.7) is None
    found = lead_shift(before, now.assign(size=now["size"] + 2), categories, limit=0.7)
    assert (found.about, found.serious) == ("size", False)


def test_an_emptied_column_and_unseen_values_are_named_once_and_usual_gaps_are_not():
    scorer, leads = tiny_scorer()
    assert scorer.filled["employees"] == pytest.approx(0.855)
    assert oddities(scorer, leads, max_new=0.1) == ()
    emptied = leads.assign(employees=np.nan)
    (found,) = oddities(scorer, emptied, max_new=0.1)
    assert (found.what, found.column, found.share) == ("emptied", "employees", 0.0)
    assert "is empty in every lead; 86% had one when the model learned" in found.words()
    seldom = replace(scorer, filled={**scorer.filled, "employees": 0.01})
    assert oddities(seldom, emptied, max_new=0.1) == ()
    assert oddities(scorer, emptied.head(5), max_new=0.1) == ()

    podcast = leads["channel"].astype(str).where(np.arange(len(leads)) % 4 > 0, "podcast")
    (unseen,) = oddities(scorer, leads.assign(channel=podcast), max_new=0.1)
    assert (unseen.what, unseen.share, unseen.examples) == ("unseen", 0.25, ("podcast",))
    assert oddities(scorer, leads.assign(channel=podcast), max_new=0.3) == ()


def test_outcomes_make_it_retrain_doubtful_data_watch_and_a_shift_nothing():
    shifted = score_shift(np.arange(1000.0), np.arange(1000.0) + 600, limit=0.25)
    silent = stale("table 'outcomes'", 30.0, 1.0, "2026-01-01")
    assert health_of(**QUIET).word == "steady"
    assert health_of(**QUIET | {"hints": (shifted,)}).word == "steady"
    watch = health_of(**QUIET | {"hints": (shifted, silent)})
    assert (watch.word, watch.reasons) == ("watch", (silent.words,))
    assert health_of(**QUIET | {"nearly": (ALARM,)}).word == "watch"
    retrain = health_of(**QUIET | {"alarms": (ALARM,), "hints": (silent,)})
    assert retrain.word == "retrain"
    assert retrain.reasons[0].startswith(
        "channel fair, decided since 2026-03-30: 38 won so far where 108 were expected"
    )
    assert retrain.steps[0].startswith("First mend the data")
    assert retrain.steps[1] == "Look at channel fair: what changed there around 2026-03-30?"
    assert retrain.steps[2:] == (RETRAIN, UNTIL_THEN)
    assert retrain.trained_anew(promoted=False).steps == (*retrain.steps[:2], UNTIL_THEN)
    assert retrain.trained_anew(promoted=True).steps == retrain.steps[:2]


def test_a_broken_promise_calls_for_training_and_an_open_one_does_not():
    arms, won = np.array([PASS_THROUGH] * 200), np.ones(200, bool)
    options = {
        "cut": 0.5,
        "arm": arms,
        "won": won,
        "pass_through": 0.1,
        "max_lost_share": 0.05,
        "confidence": 0.95,
    }
    broken, open_yet = (
        promise_recheck(score=np.full(200, 0.1), **options),
        promise_recheck(score=np.full(200, 0.9), **options),
    )
    assert broken.kept is False
    assert health_of(**QUIET | {"promise": broken}).word == "retrain"
    assert health_of(**QUIET | {"promise": open_yet}).word == "steady"


def test_too_few_expected_outcomes_are_said_to_be_too_few():
    assert health_of(**QUIET | {"expected": 3.0}).reasons == (
        "too early to tell: only 3 outcomes were to be expected by now",
    )

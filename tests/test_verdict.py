from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from models.evaluation.baselines import BASELINES
from models.evaluation.performance import BaselineFigures, BlockFigures, Figures
from models.evaluation.report import Choice, Verdict, choose, more_wins, verdict_of
from models.evaluation.uncertainty import Estimate


def figures(
    auc: tuple[float, float, float] = (0.70, 0.66, 0.74),
    *,
    rows: int = 1000,
    positives: int = 200,
    blocks: int = 5,
    calibration: float = 1.0,
    log_loss: float = 0.45,
    ahead: dict[str, tuple[float, float, float]] | None = None,
) -> Figures:
    area = Estimate(*auc)
    nothing = Estimate(np.nan)
    rivals = {
        name: BaselineFigures(
            auc=Estimate(area.value + difference[0]),
            average_precision=nothing,
            lift=nothing,
            log_loss=Estimate(0.5) if name == "base_rate" else nothing,
            ahead=Estimate(*difference),
        )
        for name, difference in (dict.fromkeys(BASELINES, (-0.05, -0.08, -0.02)) | (ahead or {})).items()
    }
    day = pd.Timestamp("2026-01-01")
    one = BlockFigures(
        number=1,
        start=day,
        end=day,
        rows=10,
        positives=2,
        auc=area,
        average_precision=0.4,
        calibration_ratio=1.0,
    )
    return Figures(
        rows=rows,
        positives=positives,
        auc=area,
        average_precision=nothing,
        lift=nothing,
        log_loss=Estimate(log_loss),
        brier=nothing,
        calibration_ratio=Estimate(calibration),
        slope=1.0,
        ece=0.01,
        blocks=(one,) * blocks,
        baselines=rivals,
    )


@pytest.mark.parametrize(
    ("judged", "word"),
    [
        pytest.param(figures(), "ready", id="ranks, beats all, well calibrated"),
        pytest.param(None, "too little data", id="never judged"),
        pytest.param(figures(positives=29), "too little data", id="29 with the outcome"),
        pytest.param(figures(positives=30), "ready", id="30 with the outcome"),
        pytest.param(figures(positives=971), "too little data", id="29 without"),
        pytest.param(figures(blocks=1), "too little data", id="a single block"),
        pytest.param(figures((0.53, 0.51, 0.55)), "no better than chance", id="a clear, useless .53"),
        pytest.param(
            figures((0.70, 0.45, 0.90)), "no better than chance", id="a fine AUC that could be luck"
        ),
        pytest.param(figures((np.nan, np.nan, np.nan)), "no better than chance", id="no AUC at all"),
        pytest.param(figures((0.59, 0.56, 0.62)), "weak", id="something, but below .6"),
        pytest.param(figures(calibration=1.26), "weak", id="promises a quarter too much"),
        pytest.param(figures(calibration=0.79), "weak", id="promises a fifth too little"),
        pytest.param(figures(log_loss=0.5), "weak", id="probabilities that lose as much as the base rate"),
        pytest.param(
            figures(ahead={"logistic": (0.02, 0.001, 0.04)}), "weak", id="logistic regression surely better"
        ),
        pytest.param(
            figures(ahead={"logistic": (0.02, -0.001, 0.04)}),
            "ready",
            id="logistic regression perhaps better",
        ),
    ],
)
def test_figures_have_one_verdict(judged, word):
    verdict = verdict_of(judged)
    assert verdict.word == word
    assert verdict.reasons
    assert all(reason.endswith(".") for reason in verdict.reasons)


def test_a_baseline_that_wins_is_named_with_both_figures():
    reasons = verdict_of(figures(ahead={"naive_bayes": (0.031, 0.01, 0.05)})).reasons
    assert reasons == ("The CRM's naive Bayes ranks better: AUC 0.731 against the model's 0.700.",)


def test_every_weakness_is_told():
    assert (
        len(
            verdict_of(
                figures(
                    (0.58, 0.55, 0.61), calibration=2.0, log_loss=0.6, ahead={"logistic": (0.1, 0.05, 0.15)}
                )
            ).reasons
        )
        == 4
    )


def test_a_model_that_shows_its_worth_on_the_newest_leads_alone_is_weak():
    useless, newest = figures((0.52, 0.50, 0.54)), figures((0.68, 0.66, 0.70))
    verdict = verdict_of(useless, newest)
    assert verdict.word == "weak"
    assert (
        verdict.reasons[0]
        == "Over all of the newest leads its AUC is 0.680 (0.660 to 0.700), but within blocks it is no better than chance."
    )
    assert verdict_of(useless, useless).word == "no better than chance"


def found(verdict: Verdict, *, positives: int = 300, area=(0.53, 0.505, 0.555)) -> SimpleNamespace:
    return SimpleNamespace(verdict=verdict, positives=positives, figures=figures(area))


READY_ONE, WEAK_ONE, CHANCE_ONE = (
    found(Verdict(word, ("x.",))) for word in ("ready", "weak", "no better than chance")
)


def test_the_chance_that_is_the_score_decides_the_run():
    reports = {"pursue": READY_ONE, "convert": READY_ONE, "both": WEAK_ONE}
    assert choose(reports, "p_both") == Choice("p_both", WEAK_ONE.verdict)
    assert choose(reports, "p_convert") == Choice("p_convert", READY_ONE.verdict)


def test_the_only_outcome_there_is_decides_alone():
    assert choose({"pursue": None, "convert": WEAK_ONE, "both": None}, "p_both") == Choice(
        "p_convert", WEAK_ONE.verdict
    )
    nothing = choose(dict.fromkeys(("pursue", "convert", "both")), "p_both")
    assert nothing.verdict.word == "too little data"


def test_where_nobody_can_tell_who_is_won_the_score_is_what_can_be_told_and_says_what_is_missing():
    reports = {"pursue": READY_ONE, "convert": CHANCE_ONE, "both": READY_ONE}
    for wanted in ("p_both", "p_convert"):
        choice = choose(reports, wanted)
        assert (choice.score, choice.verdict.word) == ("p_both", "ready")
        assert "no better than chance" in choice.verdict.reasons[0]
        assert "about 1,600 more wins would tell" in choice.verdict.reasons[0]
    choice = choose(reports | {"both": CHANCE_ONE}, "p_both")
    assert (choice.score, choice.verdict.word) == ("p_pursue", "ready")
    choice = choose(dict.fromkeys(reports, CHANCE_ONE), "p_both")
    assert choice == Choice("p_both", CHANCE_ONE.verdict)


def test_no_number_of_wins_is_named_that_nobody_can_foresee():
    assert "about 60 more wins" in more_wins(
        found(CHANCE_ONE.verdict, positives=100, area=(0.58, 0.505, 0.655))
    )
    assert more_wins(found(CHANCE_ONE.verdict, area=(0.51, 0.48, 0.54))) == (
        "nothing says yet that more wins would change that"
    )

"""The version that is delivered is the one that was judged: on leads that came later it ranks as its report says."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from features.tables import row_time
from models.evaluation.evaluate import evaluate
from models.survival.encoding import encode
from models.training import fit_challenger
from pipelines.flows.dataset import learning_set
from pipelines.settings import Settings, load_settings
from pipelines.sources.snapshots import pull
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def judged_and_delivered(
    settings: Settings, home: Path, at: datetime, until: datetime
) -> tuple[tuple[float, float], float, float, int]:
    """The judged AUC's interval as of a moment, the AUC of the version delivered then on the leads that came later and
    its standard error, and how many wins certified its promise.
    """
    with closing(pull(settings.source, settings.label, home=home, until=until)) as snapshot:
        learning = learning_set(snapshot.tables, settings)
    known = learning.until(at)
    evaluation = evaluate(known, settings.evaluation, settings.model)
    challenger = fit_challenger(known, evaluation, settings.model, settings.policy)
    labels = learning.labels("convert")
    later = learning.frame["as_of"].to_numpy("datetime64[us]") >= np.datetime64(at, "us")
    rows = np.flatnonzero(later & labels.at_risk & labels.mature & np.isfinite(labels.outcome))
    encoded = encode(learning.frame.iloc[rows], challenger.scorer.categories)
    chance, won = challenger.scorer.models["convert"].probability(encoded), labels.outcome[rows] == 1
    auc = evaluation.models["convert"].to_json(str)["auc"]
    error = np.sqrt(1 / 12 * (1 / won.sum() + 1 / (~won).sum()))
    return (auc["low"], auc["high"]), roc_auc_score(won, chance), error, len(challenger.withheld.wins)


def test_on_a_market_that_drifts_later_leads_are_ranked_as_the_report_says(tmp_path):
    settings = load_settings(
        None,
        {
            "source": {"url": "simulated:?leads=20000&months=24&start=2024-01-01"},
            "evaluation": {"blocks": 4, "resamples": 100},
        },
    )
    (low, high), delivered, error, wins = judged_and_delivered(
        settings, tmp_path, datetime(2025, 5, 1), datetime(2026, 1, 1)
    )
    assert wins >= 59
    assert low - 2 * error <= delivered <= high + 2 * error


def test_on_a_banks_calls_the_last_fifth_is_ranked_as_the_report_says(shared_data, tmp_path):
    settings = load_settings(REPOSITORY / "examples" / "uci_bank.toml")
    (low, _), delivered, error, _ = judged_and_delivered(
        settings, tmp_path, row_time(32_950), row_time(10**6)
    )
    assert delivered >= 0.735
    assert delivered >= low - 2 * error

"""The interval on every lead holds the chance that can be known of it, for about 9 leads in 10."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evidence_interval import fitted, settled_market
from models.policy.selective_labels import recalibrate
from models.scoring.scorer import Scorer
from models.scoring.selection import Selection
from models.scoring.spread import between
from models.training import luck_of
from pipelines.simulation.market import SimulatorSettings, simulate


def test_more_outcomes_make_it_narrower_and_one_number_is_less_sure_than_two_bounds():
    one = np.array([0.2])
    few, many = (np.subtract(*between(one, one, events)[::-1])[0] for events in (50, 5_000))
    assert few > many > 0
    low, high = between(np.array([0.199]), np.array([0.201]), 5_000, "bounds")
    assert high - low < many


def test_a_level_set_by_few_forced_leads_is_less_sure_than_one_set_by_many():
    one = np.array([0.2])
    few, many = (between(one, one, 400, "forced", level_error=error) for error in (0.3, 0.01))
    assert few[0] < many[0] < 0.2 < many[1] < few[1]


def test_it_holds_the_chance_itself_stays_within_0_and_1_and_is_empty_where_that_is():
    chance = np.array([0.0, 1e-9, 0.5, 1.0, np.nan])
    low, high = between(chance, chance, 0)
    assert np.all(
        (low >= 0) & (low <= chance + 1e-6) & (high >= chance - 1e-6) & (high <= 1) | np.isnan(chance)
    )
    assert np.isnan([low[-1], high[-1]]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "unseen", "seed"), [(0.9, 0.0, 5), (0.0, 1.0, 6), (-0.4, 0.0, 7)])
def test_nine_leads_in_ten_have_their_true_chance_in_it_whether_or_not_sales_sees_more_than_the_columns(
    rho, unseen, seed
):
    made = SimulatorSettings(leads=5_000, seed=seed, gamma=unseen, delta=unseen, rho=rho)
    learning, known = settled_market(made)
    truth = simulate(made).truth.to_pandas().set_index("lead_id").reindex(learning.frame["lead_id"])
    old, newest = learning.frame.iloc[:-1_250], learning.frame.iloc[-1_250:]

    def covered(scorer: Scorer) -> float:
        scores, chance = scorer.score(newest), known[-1_250:]
        return ((scores["low"] <= chance) & (chance <= scores["high"])).mean()

    scorer = fitted(learning)
    luck = luck_of(learning, scorer, np.ones(len(learning.frame), bool))
    assert isinstance(luck, Selection), luck
    for of in (scorer, replace(scorer, selection=luck, worked_by="luck")):
        assert 0.83 <= covered(of) <= 0.97, of.worked_by

    # Some 600 leads that sales was asked to work, and the few of them that have been settled after some weeks.
    rng = np.random.default_rng(seed)
    accounts = rng.permutation(old["account_id"].unique())
    asked = learning.frame["account_id"].isin(accounts[:300]).to_numpy() & (np.arange(len(known)) < len(old))
    scorer = fitted(learning, (~asked).astype(float))
    chances = scorer.score(learning.frame)["p_convert"].to_numpy()
    for leads, draws in ((40, 20), (600, 1)):
        held = []
        for _ in range(draws):
            drawn = rng.permutation(np.flatnonzero(asked))[:leads]
            won = truth["would_win_if_pursued"].to_numpy()[drawn].astype(float)
            right = recalibrate(chances[drawn], won, learning.frame["account_id"].to_numpy()[drawn])
            convert = replace(scorer.convert, platt=scorer.convert.platt.then(right.platt))
            held.append(
                covered(replace(scorer, convert=convert, worked_by="forced", level_error=right.level_error))
            )
        assert 0.8 <= np.mean(held) <= 0.98, f"{leads} leads worked because sales was asked to"

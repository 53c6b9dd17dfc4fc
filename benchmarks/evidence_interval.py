"""Evidence on the interval of a single lead: how often it holds the chance that columns can tell, before any lead was
worked because sales was asked to, and after some were.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.evidence_selection import NODE_WEIGHTS, NODES, RHOS
from models.dataset import LearningSet
from models.policy.selective_labels import recalibrate
from models.scoring.scorer import Scorer, Target, fit_scorer
from models.scoring.selection import Selection
from models.survival.hazard import HazardParameters
from models.training import luck_of
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.simulation.market import SimulatorSettings, simulate
from pipelines.sources.snapshots import pull

NEWEST = 0.2  # share of a market whose chances are foretold
FORCED = (30, 100, 850)
DRAWS = 5  # of the forced leads of a market, but for the largest number


def interval_grid(
    seeds: Sequence[int] = (1, 2, 3, 4), *, leads: int = 6_000, rhos: Sequence[float] = RHOS
) -> pd.DataFrame:
    """The share of a market's newest leads whose interval holds the chance that their columns can tell.

    Returns
    -------
    DataFrame
        One row per ``rho`` and ``unseen``; means over the markets with the luck of who got a lead, and with each
        number of forced leads.
    """
    rows = []
    for unseen, rho in product((0.0, 1.0), rhos):
        markets = [
            _covered(SimulatorSettings(leads=leads, seed=seed, gamma=unseen, delta=unseen, rho=rho))
            for seed in seeds
        ]
        rows.append({"rho": rho, "unseen": bool(unseen), **pd.DataFrame(markets).mean()})
    return pd.DataFrame(rows)


def _covered(made: SimulatorSettings) -> dict[str, float]:
    """One market: the shares by what the chance if worked is known from."""
    learning, chance = settled_market(made)
    newest = round(NEWEST * len(chance))
    account = pd.factorize(learning.frame["account_id"])[0]
    rng = np.random.default_rng(made.seed)

    def share(scorer: Scorer) -> float:
        scores = scorer.score(learning.frame.iloc[-newest:])
        return ((scores["low"] <= chance[-newest:]) & (chance[-newest:] <= scores["high"])).mean()

    scorer = fitted(learning)
    luck = luck_of(learning, scorer, np.ones(len(chance), bool))
    found = {}
    if isinstance(luck, Selection):
        found["luck"] = share(replace(scorer, selection=luck, worked_by="luck"))
    drawn = np.cumsum(np.bincount(account)[order := rng.permutation(account.max() + 1)])
    asked = np.isin(account, order[: np.searchsorted(drawn, 1.3 * max(FORCED))])
    asked[-newest:] = False
    scorer = fitted(learning, (~asked).astype(float))
    chances = scorer.score(learning.frame)["p_convert"].to_numpy()
    won = simulate(made).truth.to_pandas().set_index("lead_id")["would_win_if_pursued"]
    won = won.reindex(learning.frame["lead_id"]).to_numpy(float)
    for forced in FORCED:
        shares = []
        for _ in range(DRAWS if forced < max(FORCED) else 1):
            rows = rng.permutation(np.flatnonzero(asked))[:forced]
            if not won[rows].any():  # of nobody won nothing is learned, and the chance stays between bounds
                continue
            right = recalibrate(chances[rows], won[rows], account[rows])
            convert = replace(scorer.convert, platt=scorer.convert.platt.then(right.platt))
            shares.append(
                share(replace(scorer, convert=convert, worked_by="forced", level_error=right.level_error))
            )
        found[f"{forced} forced"] = float(np.mean(shares))
    return found


def settled_market(made: SimulatorSettings) -> tuple[LearningSet, np.ndarray]:
    """A market's leads, all of them settled, and the chance that their columns can tell."""
    url = "simulated:?" + "&".join(
        f"{name}={getattr(made, name)}" for name in ("leads", "seed", "gamma", "delta", "rho")
    )
    settings = load_settings(None, {"source": {"url": url}}, environ={})
    with (
        tempfile.TemporaryDirectory() as home,
        closing(
            pull(settings.source, settings.label, home=Path(home), until=datetime(2030, 1, 1))
        ) as snapshot,
    ):
        learning = learning_set(snapshot.tables, settings)
    truth = simulate(made).truth.to_pandas().set_index("lead_id")["visible_logit"]
    visible = truth.reindex(learning.frame["lead_id"]).to_numpy()
    return learning, expit(visible[:, None] + made.gamma * NODES) @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())


def fitted(learning: LearningSet, weights: np.ndarray | None = None) -> Scorer:
    """A scorer of a market's leads; those of weight 0 are not learned from."""
    return fit_scorer(
        learning.frame,
        pursue=Target(learning.labels("pursue"), weights=weights),
        convert=Target(learning.labels("convert"), weights=weights),
        recipe=learning.recipe,
        parameters=HazardParameters(),
        data=(learning.categories, learning.encoded, learning.data),
    )

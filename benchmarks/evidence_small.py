"""Small companies: what it brings to believe the company's rate first, then the channel's, then all the rest.

A few hundred leads of a made-up market are learned from, and thousands that came later are foretold.
"""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from models.dataset import LearningSet
from models.evaluation.metrics import auc, log_losses
from models.survival import hazard
from pipelines.flows.dataset import learning_set, outcome_set
from pipelines.settings import Settings, load_settings
from pipelines.simulation.market import SimulatorSettings, World, simulate
from pipelines.sources.snapshots import pull

SIZES = (600, 1_200, 2_400)
LATER = 3_000
MONTHS, NEWEST = (
    24,
    timedelta(days=270),
)  # whom to foretell came after the known ones, and is settled at the end
SETTLED = timedelta(days=120)
BEST = 0.02  # of the leads, of whom the most is promised
NO_PRIOR = 1e-9


def small_markets(seeds: Sequence[int] = tuple(range(1, 27)), *, leads: int = 16_000) -> pd.DataFrame:
    """How well leads that came later are foretold, with these priors against without.

    Returns
    -------
    DataFrame
        One row per model and number of known leads: ``wins``, the outcomes among them; ``log-loss``, ``Brier`` and
        ``AUC`` as differences, of which the first two are better below 0, each with its standard error over
        markets; and for the best 2 % of the later leads the chance shown ``without`` and ``with`` priors, and how
        many came ``true``.
    """
    found = pd.DataFrame(
        [row for seed in seeds for size in SIZES for row in _market(seed, size, leads=leads)]
    )
    rows = []
    for (model, size), each in found.groupby(["model", "leads"], sort=False):
        row = {"model": model, "leads": int(size), "wins": float(each["wins"].mean())}
        for name in ("log-loss", "Brier", "AUC"):
            row |= {name: each[name].mean(), f"se {name}": each[name].sem()}
        rows.append(row | {name: each[name].mean() for name in ("without", "with", "true")})
    return pd.DataFrame(rows)


def _market(seed: int, size: int, *, leads: int) -> list[dict[str, float | int | str]]:
    """One market: half of them with something unseen, in half of them reps choose well."""
    unseen = float(seed // 2 % 2)
    world = simulate(
        SimulatorSettings(
            leads=leads, months=MONTHS, seed=seed, rho=0.9 * (1 - seed % 2), gamma=unseen, delta=unseen
        )
    )
    created = world.leads["created_at"].to_numpy().astype("datetime64[us]")
    until = np.datetime64(world.end, "us")
    old = np.flatnonzero(created < until - np.timedelta64(NEWEST))
    new = np.flatnonzero(
        (created >= until - np.timedelta64(NEWEST)) & (created < until - np.timedelta64(SETTLED))
    )
    draw = np.random.default_rng(seed)
    known = draw.permutation(old)[:size]
    later = draw.choice(new, min(LATER, len(new)), replace=False)
    ids = world.leads["lead_id"]
    with tempfile.TemporaryDirectory() as folder:
        everybody = ids.take(pa.array(np.sort(np.r_[known, later])))
        settings, learning = _learned(world, everybody, ids.take(pa.array(known)), Path(folder) / "known")
        _, became = _learned(world, everybody, everybody, Path(folder) / "all", outcomes_alone=True)
    is_known = learning.frame["lead_id"].isin(ids.take(pa.array(known)).to_pylist()).to_numpy()
    chances: dict[str, dict[str, np.ndarray]] = {}
    wins = {}
    for name in learning.names:
        labels = learning.labels(name)
        rows = np.flatnonzero(is_known & labels.at_risk)
        wins[name] = int(np.nansum(labels.outcome[rows]))
        chances[name] = {}
        for how, weight in (("without", NO_PRIOR), ("with", hazard.PRIOR_EVENTS)):
            with patch.object(hazard, "PRIOR_EVENTS", weight):
                fitted = hazard.fit_hazard(
                    learning.encoded, labels, horizon=learning.horizon(name), parameters=settings.model,
                    rows=rows, data=learning.data,
                )  # fmt: skip
            chances[name][how] = fitted.probability(fitted.raw(learning.encoded))
    chances["both"] = {how: chances["pursue"][how] * chances["convert"][how] for how in ("without", "with")}
    wins["both"] = wins["convert"]
    found = []
    for name in ("pursue", "convert", "both"):
        labels = became.labels(name)
        judged = ~is_known & labels.judged
        outcome = labels.outcome[judged]
        told = {how: each[judged] for how, each in chances[name].items()}
        loss = {how: log_losses(outcome, p).mean() for how, p in told.items()}
        brier = {how: np.mean((p - outcome) ** 2) for how, p in told.items()}
        area = {how: auc(outcome, p) for how, p in told.items()}
        best = {how: p >= np.quantile(p, 1 - BEST) for how, p in told.items()}
        found.append(
            {
                "model": name, "leads": size, "wins": wins[name],
                "log-loss": loss["with"] - loss["without"],
                "Brier": brier["with"] - brier["without"],
                "AUC": area["with"] - area["without"],
                "without": told["without"][best["without"]].mean(),
                "with": told["with"][best["with"]].mean(),
                "true": outcome[best["with"]].mean(),
            }
        )  # fmt: skip
    return found


def _learned(
    world: World,
    leads: pa.ChunkedArray,
    with_outcomes: pa.ChunkedArray,
    folder: Path,
    *,
    outcomes_alone: bool = False,
) -> tuple[Settings, LearningSet]:
    """Some leads of a market, and the outcomes of some of them."""
    folder.mkdir()
    for name, table, kept in (
        ("leads", world.leads, leads),
        ("events", world.events, leads),
        ("outcomes", world.outcomes, with_outcomes),
    ):
        told = table.filter(pc.is_in(table["lead_id"], kept.combine_chunks()))
        pyarrow.parquet.write_table(told, folder / f"{name}.parquet")
    settings = load_settings(None, {"source": {"url": f"files:{folder}"}}, environ={})
    home = folder / "home"
    with closing(pull(settings.source, settings.label, home=home, until=datetime(2030, 1, 1))) as snapshot:
        return settings, (outcome_set if outcomes_alone else learning_set)(snapshot.tables, settings)

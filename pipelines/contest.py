"""Champion and challenger meet: the settled leads of the source, and what each version says of them honestly."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels import Horizons, Labels, convert_labels, fates, pursue_labels
from features.matrix import fetch, frame, matrix
from features.tables import Tables, named, training_cohort
from models.comparison import Honest, comparable, compare, honest, incomparable, newest, worked_share
from models.policy import HOLD
from models.promotion import Comparison
from models.version_record import VersionRecord
from pipelines.network import pull_source
from pipelines.places import store_of
from pipelines.results import moment
from pipelines.settings import Settings
from pipelines.store import Store
from pipelines.wording import short


def compared(champion: VersionRecord, challenger: VersionRecord, settings: Settings, home: Path, as_of: datetime) -> Comparison:
    """Both versions on the newest settled leads that can be had by ``as_of``."""
    obstacle = incomparable(champion, challenger)
    if obstacle:
        return Comparison(0, 0, "", 1.0, obstacle=obstacle)
    snapshot = pull_source(settings, home=home, until=as_of)
    with closing(snapshot):
        tables = snapshot.tables
        fate = fetch(fates(tables, training_cohort(tables, challenger.scorer.recipe.horizons.delay))).to_pandas()
        return met(champion, challenger, fate, tables, settings, store_of(settings, home))


def met(
    champion: VersionRecord, challenger: VersionRecord, fate: pd.DataFrame, tables: Tables, settings: Settings, store: Store
) -> Comparison:
    """The same on tables that are there, where every lead's ``fate`` is known; the two are to be comparable."""
    names = tuple(champion.scorer.models)
    leads = settled(fate, tables, challenger.scorer.recipe.horizons, settings.policy.margin_share, store, names)
    sides = [honest(record, leads) for record in (champion, challenger)]
    rows = newest(leads, comparable(*sides, names), settings.promotion.leads)
    first, second = (_scored(record, side, leads, rows, tables) for record, side in zip((champion, challenger), sides, strict=True))
    chosen = leads[rows]
    times = chosen["as_of"]
    arrivals = leads["as_of"][leads["as_of"].between(times.min(), times.max())].to_numpy() if len(times) else times.to_numpy()
    ends = [moment(time, tables.clock) for time in (times.min(), times.max())] if len(times) else [None]
    return compare(
        chosen,
        first,
        second,
        score=settings.policy.score if len(names) > 1 else f"p_{names[0]}",
        names=names,
        worked=worked_share(arrivals, settings.policy, settings.promotion, dated=tables.clock == "time"),
        settings=settings.promotion,
        span="" if None in ends else f", from {short(ends[0])} to {short(ends[1])}",
    )


def settled(
    fate: pd.DataFrame, tables: Tables, horizons: Horizons, margin_share: float, store: Store, names: tuple[str, ...]
) -> pd.DataFrame:
    """Every lead with what became of it, by ``lead_id``.

    Parameters
    ----------
    fate : DataFrame
        As ``features.labels.fates`` gives it.

    Returns
    -------
    DataFrame
        ``account_id``, ``as_of``; ``pursued``, ``converted`` and ``became`` (a customer) as 0, 1 or NaN where that cannot be judged yet, or
        never; ``margin``. Leads that were held have no fate.
    """
    known = (fate, horizons, tables.end, tables.stages, tables.outcome_times)
    pursue, convert = pursue_labels(*known), convert_labels(*known)
    pursued, converted = _judged(pursue), _judged(convert)
    span = pd.Timedelta(days=horizons.pursue_days + horizons.convert_days)
    over = (fate["as_of"] + span <= tables.end).to_numpy() if tables.outcome_times else np.ones(len(fate), bool)
    became = np.where(pursued == 0, 0.0, converted) if "convert" in names else pursued
    margin = fate["margin"] if fate["margin"].notna().any() else margin_share * fate["amount"]
    leads = pd.DataFrame(
        {
            "account_id": fate["account_id"],
            "as_of": fate["as_of"],
            "pursued": pursued,
            "converted": converted,
            "became": np.where(over, became, np.nan),
            "margin": margin.astype(float),
        }
    ).set_index(pd.Index(fate["lead_id"], name="lead_id"))
    logged = store.beside(fate["lead_id"])
    if logged is not None:
        leads.loc[(logged["action"] == HOLD).to_numpy(), ["pursued", "converted", "became"]] = np.nan
    return leads


def _judged(labels: Labels) -> np.ndarray:
    """Outcomes whose whole horizon was seen."""
    return np.where(labels.at_risk & labels.mature, labels.outcome, np.nan)


def _scored(record: VersionRecord, side: Honest, leads: pd.DataFrame, rows: np.ndarray, tables: Tables) -> pd.DataFrame:
    """A version's honest scores of the chosen leads; its finished model looks up what it needs of the fresh ones."""
    ids = leads.index[rows & side.fresh]
    finished = pd.DataFrame(columns=["p_pursue", "p_convert"], dtype=float)
    if len(ids):
        recipe = record.scorer.recipe
        cohort = training_cohort(tables, recipe.horizons.delay)
        cohort = cohort.semi_join(named(ids), "lead_id")
        found = frame(matrix(tables, cohort, recipe), recipe)
        finished = record.scorer.score(found).set_index(found["lead_id"].to_numpy())
    return side.scores(finished)[rows]

"""Where a monitor looks for hints: what the source has sent lately, and when anything was last heard of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.tables import Tables, training_cohort
from models.hints import Hint, arrivals, lead_shift, score_shift, stale
from models.novelty import oddities
from models.version_record import VersionRecord
from pipelines.lookup import columns_of
from pipelines.settings import Settings

RECENT_DAYS, NEWEST_DAYS, MEMORY_DAYS = 28, 7, 90
MOST = 4_000
GROWING = ("account", "key")  # rates and counts over all that was known before: they move because time passes


def hints_of(decisions: pd.DataFrame, tables: Tables, record: VersionRecord, settings: Settings, *, asked: datetime) -> tuple[Hint, ...]:
    """All hints there are, those about the data themselves first.

    Parameters
    ----------
    decisions : DataFrame
        The champion's, from the log.
    asked : datetime
        The moment that was asked for; the tables may end before it.
    """
    found = [*_silences(decisions, tables, asked=asked)]
    if tables.clock == "time":
        found += [arrivals(_weekly(tables)), *_leads(tables, record, settings)]
    recent = decisions[decisions["decided_at"] > decisions["decided_at"].max() - timedelta(days=RECENT_DAYS)]
    if record.learned is not None:
        forward = record.forward()[[f"p_{name}" for name in record.scorer.models]].prod(axis=1, skipna=False).to_numpy()
        found.append(score_shift(forward, recent["p_both"].to_numpy(float), limit=settings.monitor.max_score_shift))
    return tuple(sorted((hint for hint in found if hint is not None), key=lambda hint: not hint.serious))


def _silences(decisions: pd.DataFrame, tables: Tables, *, asked: datetime) -> Iterator[Hint | None]:
    """Tables that have been silent for longer than is usual, and the scoring itself."""
    if tables.clock != "time":
        return
    tracked = {"leads": (tables.leads, "created_at"), "events": (tables.events, "recorded_at")}
    if tables.outcome_times:
        tracked["outcomes"] = (tables.outcomes, "recorded_at")
    for name, (table, column) in tracked.items():
        if table is not None:
            yield _silence(f"table '{name}'", _heard(table, column), asked)
    yield _silence("the decision log", decisions["decided_at"].drop_duplicates().sort_values().to_numpy("datetime64[us]"), asked)


def _heard(table: ir.Table, column: str) -> np.ndarray:
    """The hours at which anything was recorded in the last weeks before the newest record, and that record."""
    newest = table[column].max().to_pyarrow().as_py()
    if newest is None:
        return np.array([], "datetime64[us]")
    recent = table.filter(table[column] >= ibis.literal(newest - timedelta(days=MEMORY_DAYS)))
    hours = recent.select(hour=recent[column].truncate("h")).distinct().to_pyarrow()["hour"].to_numpy()
    return np.append(np.sort(hours.astype("datetime64[us]")), np.datetime64(newest, "us"))


def _silence(what: str, heard: np.ndarray, asked: datetime) -> Hint | None:
    if len(heard) < 3:
        return None
    day = np.timedelta64(1, "D")
    return stale(what, float((np.datetime64(asked, "us") - heard[-1]) / day), float(np.diff(heard).max() / day), str(heard[-1])[:10])


def _weekly(tables: Tables) -> np.ndarray:
    """Leads in each of the last thirteen whole weeks before the tables end, as far as they go back."""
    start = tables.end - timedelta(weeks=13)
    times = tables.leads.filter(tables.leads.created_at >= ibis.literal(start)).created_at.to_pyarrow().to_numpy().astype("datetime64[us]")
    oldest = tables.leads.created_at.min().to_pyarrow().as_py()
    weeks = ((np.datetime64(tables.end, "us") - times) / np.timedelta64(7, "D")).astype(int)
    counts = np.bincount(np.clip(weeks, 0, 12), minlength=13)[::-1]
    return counts[max(0, 13 - (tables.end - oldest) // timedelta(weeks=1)) :]


def _leads(tables: Tables, record: VersionRecord, settings: Settings) -> Iterator[Hint | None]:
    """The newest leads against those learned from, column by column and all together."""
    scorer = record.scorer
    cohort = training_cohort(tables, scorer.recipe.horizons.delay).select("lead_id", "as_of")
    times = cohort.filter(cohort.as_of >= ibis.literal(tables.end - timedelta(days=RECENT_DAYS))).to_pyarrow().to_pandas()
    recent = columns_of(tables, settings, scorer.recipe, _sample(times["lead_id"]))
    newest = recent[recent["as_of"] >= tables.end - timedelta(days=NEWEST_DAYS)]
    for each in oddities(scorer, newest, max_new=settings.monitor.max_new):
        yield Hint(each.what, each.column, each.share, each.usual, f"leads of the last {NEWEST_DAYS} days: {each.words()}", serious=True)
    if record.learned is not None:
        growing = {column.name for of in GROWING for column in scorer.recipe.columns_of(of)}
        told = {name: values for name, values in scorer.categories.items() if name not in growing}
        before = columns_of(tables, settings, scorer.recipe, _sample(pd.Series(record.learned.index)))
        yield lead_shift(before, recent, told, limit=settings.monitor.max_lead_shift)


def _sample(lead_ids: pd.Series) -> pd.Series:
    """Some of the ids by lot: every tenth would meet those of the same owner where leads are dealt by turn."""
    return lead_ids if len(lead_ids) <= MOST else lead_ids.sample(MOST, random_state=0)

"""What a monitor looks at: the champion's decisions beside what became of them, and what the source sent
lately.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from features.labels import Labels, convert_labels, pursue_labels
from features.matrix import fetch
from features.outcomes import fates
from features.tables import Tables, named, training_cohort
from models.monitoring.data_drift import Hint, arrivals, lead_shift, oddities, score_shift, stale
from models.monitoring.expected_outcomes import Expectation, late_factors, lateness
from models.monitoring.outcome_drift import BAND
from models.policy.arms import FORCED
from models.policy.policy import HAND_OFF, HOLD
from models.promotion.record import VersionRecord
from models.scoring.scorer import Scorer
from pipelines.flows.dataset import columns_of
from pipelines.settings import Settings
from pipelines.store.database import Store

DAY = pd.Timedelta(days=1)
STAGES = ("accepted_at", "rejected_at", "won_at", "lost_at")
RECENT_DAYS, NEWEST_DAYS, MEMORY_DAYS = 28, 7, 90
MOST = 4_000
GROWING = ("account", "key")  # rates and counts over all that was known before: they move because time passes


@dataclass(frozen=True)
class Watched:
    """Of each outcome the decided leads and the reference, as ``models.monitoring.outcome_drift`` takes them;
    ``columns`` are those of the segments.
    """

    leads: dict[str, pd.DataFrame]
    reference: dict[str, pd.DataFrame]
    columns: tuple[str, ...]


def watched(
    decisions: pd.DataFrame, tables: Tables, record: VersionRecord, *, segments: tuple[str, ...], store: Store
) -> Watched:
    """Look up what became of decided leads and of those before the training.

    Held leads are in neither: nobody tried them. A forced lead is worked because sales was asked to: that it
    is taken up says nothing.

    Parameters
    ----------
    decisions : DataFrame
        The log, of the champion alone.
    """
    scorer, horizons = record.scorer, record.scorer.recipe.horizons
    columns = tuple(name for name in segments if name in tables.leads.columns)
    offered = decisions[decisions["action"] == HAND_OFF]
    leads, reference = {}, {}
    decided = _fates(tables, _decided(offered, tables), columns)
    decided = decided.merge(
        offered[["lead_id", "decided_at", "arm", "p_pursue", "p_convert", "grade"]], on="lead_id"
    )
    before = _reference(tables, record, columns, store)
    for name, labels_of in (("pursue", pursue_labels), ("convert", convert_labels)):
        if name not in scorer.models:
            continue
        known = (horizons, tables.end, tables.stages, tables.outcome_times)
        labels, told = labels_of(decided, *known), labels_of(before, *known)
        reference[name] = _judged(before, told, name)
        found = decided.assign(
            start=np.where(labels.at_risk, labels.start, np.datetime64("NaT", "us")),
            entry=0.0,
            delay=labels.delay,
            factor=1.0,
            p=decided[f"p_{name}"],
        )
        if name == "pursue":
            found = _from_creation(found, before, told, scorer, delay=horizons.delay)[
                lambda lead: lead["arm"] != FORCED
            ]
        leads[name] = found[found["p"].notna()].reset_index(drop=True)
    return Watched(leads, reference, columns)


def _decided(decisions: pd.DataFrame, tables: Tables) -> ibis.Table:
    """Decided leads as a cohort, at the moments of their decisions."""
    moments = ibis.memtable(pa.table({name: pa.array(decisions[name]) for name in ("lead_id", "as_of")}))
    return tables.leads.select("lead_id", "account_id", "created_at").join(moments, "lead_id")


def _fates(tables: Tables, cohort: ibis.Table, columns: tuple[str, ...]) -> pd.DataFrame:
    """What became of a cohort, with the segments' columns as texts."""
    fate = fetch(fates(tables, cohort)).to_pandas()
    if not columns:
        return fate
    said = tables.leads.semi_join(cohort, "lead_id").select(
        "lead_id", *(tables.leads[name].cast("string") for name in columns)
    )
    return fate.merge(said.to_pyarrow().to_pandas(), on="lead_id", how="left")


def _reference(tables: Tables, record: VersionRecord, columns: tuple[str, ...], store: Store) -> pd.DataFrame:
    """Leads with a forward score of the champion, as of the moment it learned about; none where the version
    keeps no record.
    """
    forward = (
        pd.DataFrame(columns=["p_pursue", "p_convert"], dtype=float)
        if record.learned is None
        else record.forward()
    )
    names = [f"p_{name}" for name in record.scorer.models]
    forward = forward[forward[names].notna().all(axis=1)]
    cohort = training_cohort(tables, record.scorer.recipe.horizons.delay).semi_join(
        named(forward.index), "lead_id"
    )
    fate = _fates(tables, cohort, columns)
    logged = store.beside(fate["lead_id"])
    if logged is not None:
        fate = fate[(logged["action"] != HOLD).to_numpy()].reset_index(drop=True)
    scores = forward.reindex(fate["lead_id"]).reset_index(drop=True)
    span = None if record.learned is None else record.learned["cutoff"].reindex(fate["lead_id"]).to_numpy()
    return fate.assign(**scores, span=span, **{BAND: record.scorer.grades(record.scorer.score_from(scores))})


def _judged(before: pd.DataFrame, labels: Labels, name: str) -> pd.DataFrame:
    """Reference leads whose whole horizon was seen."""
    return before.assign(outcome=labels.outcome, p=before[f"p_{name}"])[labels.judged].reset_index(drop=True)


def _from_creation(
    leads: pd.DataFrame, before: pd.DataFrame, labels: Labels, scorer: Scorer, *, delay: timedelta
) -> pd.DataFrame:
    """Being taken up, by the clock that the model learned by: a lead decided late enters it late, and is
    another kind of lead.
    """
    start = leads["created_at"] + delay
    entry = ((leads["as_of"] - start) / DAY).clip(lower=0)
    whole = labels.at_risk & labels.mature & before["p_pursue"].notna().to_numpy()
    factors = np.ones(1)
    if whole.any():
        answered = ((before[list(STAGES)].min(axis=1) - before["as_of"]) / DAY).fillna(np.inf)
        expectation = Expectation(scorer.pursue, before.loc[whole, "p_pursue"].to_numpy())
        factors = late_factors(expectation, labels.delay[whole], answered[whole].to_numpy())
    late = np.minimum(lateness(entry.to_numpy()), len(factors) - 1)
    return leads.assign(
        start=start.where(leads["start"].notna()),
        entry=entry,
        delay=leads["delay"] + entry,
        factor=factors[late],
    )


def hints_of(
    decisions: pd.DataFrame, tables: Tables, record: VersionRecord, settings: Settings, *, asked: datetime
) -> tuple[Hint, ...]:
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
        forward = (
            record.forward()[[f"p_{name}" for name in record.scorer.models]]
            .prod(axis=1, skipna=False)
            .to_numpy()
        )
        found.append(
            score_shift(forward, recent["p_both"].to_numpy(float), limit=settings.monitor.max_score_shift)
        )
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
    yield _silence(
        "the decision log",
        decisions["decided_at"].drop_duplicates().sort_values().to_numpy("datetime64[us]"),
        asked,
    )


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
    return stale(
        what,
        float((np.datetime64(asked, "us") - heard[-1]) / day),
        float(np.diff(heard).max() / day),
        str(heard[-1])[:10],
    )


def _weekly(tables: Tables) -> np.ndarray:
    """Leads in each of the last thirteen whole weeks before the tables end, as far as they go back."""
    start = tables.end - timedelta(weeks=13)
    times = (
        tables.leads.filter(tables.leads.created_at >= ibis.literal(start))
        .created_at.to_pyarrow()
        .to_numpy()
        .astype("datetime64[us]")
    )
    oldest = tables.leads.created_at.min().to_pyarrow().as_py()
    weeks = ((np.datetime64(tables.end, "us") - times) / np.timedelta64(7, "D")).astype(int)
    counts = np.bincount(np.clip(weeks, 0, 12), minlength=13)[::-1]
    return counts[max(0, 13 - (tables.end - oldest) // timedelta(weeks=1)) :]


def _leads(tables: Tables, record: VersionRecord, settings: Settings) -> Iterator[Hint | None]:
    """The newest leads against those learned from, column by column and all together."""
    scorer = record.scorer
    cohort = training_cohort(tables, scorer.recipe.horizons.delay).select("lead_id", "as_of")
    times = (
        cohort.filter(cohort.as_of >= ibis.literal(tables.end - timedelta(days=RECENT_DAYS)))
        .to_pyarrow()
        .to_pandas()
    )
    recent = columns_of(tables, settings, scorer.recipe, _sample(times["lead_id"]))
    newest = recent[recent["as_of"] >= tables.end - timedelta(days=NEWEST_DAYS)]
    for each in oddities(scorer, newest, max_new=settings.monitor.max_new):
        yield Hint(
            each.what,
            each.column,
            each.share,
            each.usual,
            f"leads of the last {NEWEST_DAYS} days: {each.words()}",
            serious=True,
        )
    if record.learned is not None:
        growing = {column.name for of in GROWING for column in scorer.recipe.columns_of(of)}
        told = {name: values for name, values in scorer.categories.items() if name not in growing}
        before = columns_of(tables, settings, scorer.recipe, _sample(pd.Series(record.learned.index)))
        yield lead_shift(before, recent, told, limit=settings.monitor.max_lead_shift)


def _sample(lead_ids: pd.Series) -> pd.Series:
    """Some of the ids by lot: every tenth would meet those of the same owner where leads are dealt by turn."""
    return lead_ids if len(lead_ids) <= MOST else lead_ids.sample(MOST, random_state=0)

"""What a monitor looks at: the champion's decisions beside what became of them, and the leads before its training to compare with."""

from dataclasses import dataclass
from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from features.labels import Labels, convert_labels, fates, pursue_labels
from features.matrix import fetch
from features.tables import Tables, named, training_cohort
from models.arms import FORCED
from models.expected import Expectation, late_factors, lateness
from models.policy import HAND_OFF, HOLD
from models.scorer import Scorer
from models.version_record import VersionRecord
from models.watch import BAND
from pipelines.store import Store

DAY = pd.Timedelta(days=1)
STAGES = ("accepted_at", "rejected_at", "won_at", "lost_at")


@dataclass(frozen=True)
class Watched:
    """Of each outcome the decided leads and the reference, as ``models.watch`` takes them; ``columns`` are those of the segments."""

    leads: dict[str, pd.DataFrame]
    reference: dict[str, pd.DataFrame]
    columns: tuple[str, ...]


def watched(decisions: pd.DataFrame, tables: Tables, record: VersionRecord, *, segments: tuple[str, ...], store: Store) -> Watched:
    """Look up what became of decided leads and of those before the training.

    Held leads are in neither: nobody tried them. A forced lead is worked because sales was asked to: that it is taken up says nothing.

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
    decided = decided.merge(offered[["lead_id", "decided_at", "arm", "p_pursue", "p_convert", "grade"]], on="lead_id")
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
            found = _from_creation(found, before, told, scorer, delay=horizons.delay)[lambda lead: lead["arm"] != FORCED]
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
    said = tables.leads.semi_join(cohort, "lead_id").select("lead_id", *(tables.leads[name].cast("string") for name in columns))
    return fate.merge(said.to_pyarrow().to_pandas(), on="lead_id", how="left")


def _reference(tables: Tables, record: VersionRecord, columns: tuple[str, ...], store: Store) -> pd.DataFrame:
    """Leads with a forward score of the champion, as of the moment it learned about; none where the version keeps no record."""
    forward = pd.DataFrame(columns=["p_pursue", "p_convert"], dtype=float) if record.learned is None else record.forward()
    names = [f"p_{name}" for name in record.scorer.models]
    forward = forward[forward[names].notna().all(axis=1)]
    cohort = training_cohort(tables, record.scorer.recipe.horizons.delay).semi_join(named(forward.index), "lead_id")
    fate = _fates(tables, cohort, columns)
    logged = store.beside(fate["lead_id"])
    if logged is not None:
        fate = fate[(logged["action"] != HOLD).to_numpy()].reset_index(drop=True)
    scores = forward.reindex(fate["lead_id"]).reset_index(drop=True)
    span = None if record.learned is None else record.learned["cutoff"].reindex(fate["lead_id"]).to_numpy()
    return fate.assign(**scores, span=span, **{BAND: record.scorer.grades(scores[names].prod(axis=1).to_numpy())})


def _judged(before: pd.DataFrame, labels: Labels, name: str) -> pd.DataFrame:
    """Reference leads whose whole horizon was seen."""
    whole = labels.at_risk & labels.mature & np.isfinite(labels.outcome)
    return before.assign(outcome=labels.outcome, p=before[f"p_{name}"])[whole].reset_index(drop=True)


def _from_creation(leads: pd.DataFrame, before: pd.DataFrame, labels: Labels, scorer: Scorer, *, delay: timedelta) -> pd.DataFrame:
    """Being taken up, by the clock that the model learned by: a lead decided late enters it late, and is another kind of lead."""
    start = leads["created_at"] + delay
    entry = ((leads["as_of"] - start) / DAY).clip(lower=0)
    whole = labels.at_risk & labels.mature & before["p_pursue"].notna().to_numpy()
    factors = np.ones(1)
    if whole.any():
        answered = ((before[list(STAGES)].min(axis=1) - before["as_of"]) / DAY).fillna(np.inf)
        expectation = Expectation(scorer.pursue, before.loc[whole, "p_pursue"].to_numpy())
        factors = late_factors(expectation, labels.delay[whole], answered[whole].to_numpy())
    late = np.minimum(lateness(entry.to_numpy()), len(factors) - 1)
    return leads.assign(start=start.where(leads["start"].notna()), entry=entry, delay=leads["delay"] + entry, factor=factors[late])

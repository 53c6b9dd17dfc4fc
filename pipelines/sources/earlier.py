"""What a column said while leads were young: the leads table of an older pull of the same source."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pandas as pd

from features.labels import Horizons
from features.tables import named
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import Note, notes, read_note
from pipelines.sources.reading.parts import parts
from pipelines.sources.snapshots import Snapshot

YOUNG = timedelta(days=30)


@dataclass(frozen=True)
class EarlierPull:
    """A snapshot's folder, its note, and up to when it knows anything."""

    folder: Path
    note: Note
    time: datetime


def earlier_pull(snapshot: Snapshot, horizons: Horizons) -> EarlierPull | None:
    """The older snapshot to compare with: the newest of those so old that the outcomes of its youngest leads
    are settled by now.

    Where none is that old, the oldest one: the longer ago, the more columns have been filled in since. None
    where there is no older snapshot of the same source under the same mapping, or where leads have no id of
    their own by which to be found again.
    """
    current = _pull(snapshot.folder, read_note(snapshot.folder))
    mapping = current.note.mapping["leads"]
    if mapping["lead_id"] is None:
        return None
    older = [
        each
        for folder, note in notes(snapshot.folder.parent).items()
        if (each := _pull(folder, note)).time < current.time
        and each.note.source == current.note.source
        and each.note.mapping["leads"] == mapping
    ]
    if not older:
        return None
    settled = current.time - horizons.delay - horizons.both
    return max((each for each in older if each.time <= settled), key=_time, default=min(older, key=_time))


def _pull(folder: Path, note: Note) -> EarlierPull:
    """Real times say how new the data are, unless a row is dated in the future; where times are made up, only
    the pull's own is one.
    """
    pulled, newest = datetime.fromisoformat(note.pulled_until), datetime.fromisoformat(note.newest)
    return EarlierPull(folder, note, min(pulled, newest) if note.clock == "time" else pulled)


def _time(pull: EarlierPull) -> datetime:
    return pull.time


def young_leads(pull: EarlierPull, horizons: Horizons, *, most: int) -> pd.DataFrame:
    """The newest leads of a snapshot that had come to their as-of time by then, at most a month before, as
    they were.
    """
    with_leads = local_engine()
    try:
        leads = with_leads.read_parquet(parts(pull.folder, "leads"))
        if pull.note.clock == "time":
            until = pull.time - horizons.delay
            leads = leads.filter(
                (leads.created_at <= ibis.literal(until)) & (leads.created_at > ibis.literal(until - YOUNG))
            )
        return leads.order_by(ibis.desc("created_at"), "lead_id").limit(most).to_pyarrow().to_pandas()
    finally:
        let_go(with_leads)


def leads_today(snapshot: Snapshot, lead_ids: Iterable[str]) -> pd.DataFrame:
    """The leads table of the snapshot for some leads alone: reading a million of them would take longer than
    looking at them.
    """
    with_leads = local_engine()
    try:
        return (
            with_leads.read_parquet(parts(snapshot.folder, "leads"))
            .semi_join(named(lead_ids), "lead_id")
            .to_pyarrow()
            .to_pandas()
        )
    finally:
        let_go(with_leads)

"""Scores for leads at hand, in milliseconds: one version with everything that it looks up, loaded once and
never changed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.matrix import all_there
from features.online.ledger import EPOCH, Histories
from features.online.prepared import Prepared, PreparedMatrix
from features.online.rows import Rows
from features.tables import row_of
from models.policy.decisions import decide_each
from models.policy.policy import HAND_OFF, HOLD
from models.scoring.reasons import Reason, reasons
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import Note, read_note
from pipelines.sources.snapshots import opened
from pipelines.store.decision_queries import SAID
from pipelines.version_files import Champion

ALL, FAINTEST = 50, 0.02  # reasons of one lead, and logits that one of them must move
AT_ONCE = (
    2  # requests that are computed side by side; more would share the same cores and only wait for each other
)


@dataclass(frozen=True)
class LiveScorer:
    """A version, ready to score leads that are handed in.

    Attributes
    ----------
    champion : Champion
    snapshot : Path
        Whose outcomes are the histories that leads are scored with.
    note : Note
        What is noted of that snapshot.
    prepared : Prepared
    histories : Histories
    rows : int
        Leads of the snapshot; where row order is time, the next one comes after them.
    workers : queue of PreparedMatrix
        Those that are free.
    """

    champion: Champion
    snapshot: Path
    note: Note
    prepared: Prepared
    histories: Histories
    rows: int
    workers: "SimpleQueue[PreparedMatrix]"

    @classmethod
    def of(cls, champion: Champion, snapshot: Path) -> "LiveScorer":
        """Compile a version's features for the columns of a snapshot, and look through its past.

        Raises
        ------
        ContractError
            If the snapshot lacks a column that the version reads.
        """
        note, recipe = read_note(snapshot), champion.scorer.recipe
        engine = local_engine(sparing=True)
        try:
            tables = opened(snapshot, note, connection=engine)
            all_there(tables, recipe)
            prepared, histories = Prepared.of(tables, recipe), Histories.of(tables, recipe)
            rows = (
                row_of(tables.leads.created_at.max().to_pyarrow().as_py()) + 1
                if note.clock != "time"
                else note.rows["leads"]
            )
        finally:
            let_go(engine)
            pa.default_memory_pool().release_unused()  # what adding up a past took, tens of megabytes, is not needed again
        workers, texts = SimpleQueue(), {}
        for _ in range(AT_ONCE):
            workers.put(PreparedMatrix(prepared, histories, texts))
        return cls(champion, snapshot, note, prepared, histories, rows, workers)

    def score(
        self, leads: pa.Table, events: pa.Table | None, as_of: pa.Array, *, worded: bool = True
    ) -> dict[str, Any]:
        """What a scoring run would say of each lead, were it one of the source's.

        Parameters
        ----------
        leads, events : table
            As the snapshot's canonical tables; no lead twice.
        as_of : array of timestamp, one for each lead
        worded : bool
            Whether to say why.

        Returns
        -------
        dict
            As ``models.policy.decisions.decide_each`` gives it, but for ``action``: that of the cut and the rules
            alone, whatever arm the lead's account is in.
        """
        known = self.known(leads, events, as_of)
        found = decide_each(
            self.champion.scorer,
            self.champion.policy,
            known,
            version=self.champion.version,
            with_reasons=len(leads) if worded else 0,
            taken_days=self.taken(known),
            said=said_at_hand(leads),
        )
        return found | {"action": np.where(found["score"] < found["cut"], HOLD, HAND_OFF)}

    def known(self, leads: pa.Table, events: pa.Table | None, as_of: pa.Array) -> Rows:
        """What a scoring run would know of each lead: the columns that the version reads; as for ``score``."""
        with self._worker() as worker:
            return worker.of(leads, events, as_of)

    def taken(self, leads: Rows) -> np.ndarray | None:
        """For how many days sales has had each lead by the snapshot; None where it cannot tell."""
        recipe = self.champion.scorer.recipe
        if not (recipe.acceptance and self.note.outcome_times):
            return None
        as_of = leads["as_of"].astype(np.int64)
        return self.histories.days_taken(leads["lead_id"].tolist(), as_of, recipe.horizons.delay)

    def chances(
        self, lead: pa.Table, events: pa.Table | None, moments: Sequence[datetime]
    ) -> tuple[pd.DataFrame, list[Reason]]:
        """One lead at several moments, each by what was known then: ``as_of, score, low, high``; and all
        reasons for the last of them.
        """
        with self._worker() as worker:
            found = worker.of(lead, events, pa.array(moments, pa.timestamp("us")), rows_of=[0] * len(moments))
        champion = self.champion
        decided = decide_each(
            champion.scorer,
            replace(champion.policy, rules=()),  # which change no score
            found,
            version=champion.version,
            with_reasons=0,
            taken_days=self.taken(found),
        )
        latest = found.take(np.array([len(found) - 1]))
        told = reasons(champion.scorer, latest, most=(ALL, ALL), least=FAINTEST)[0]
        return pd.DataFrame({name: decided[name] for name in ("as_of", "score", "low", "high")}), told

    def created_at(self, lead_id: str) -> datetime | None:
        """When the source has a lead created; None for one that it does not have."""
        number = self.histories.leads.number(lead_id)
        return (
            None
            if number is None
            else EPOCH + timedelta(microseconds=int(self.histories.own["created_at"][number]))
        )

    def close(self) -> None:
        """Let go of the connections of workers that are free."""
        while not self.workers.empty():
            self.workers.get().close()

    @contextmanager
    def _worker(self) -> Iterator[PreparedMatrix]:
        """One that nobody else uses meanwhile."""
        worker = self.workers.get()
        try:
            yield worker
        finally:
            self.workers.put(worker)


def said_at_hand(leads: pa.Table) -> dict[str, np.ndarray]:
    """What a scoring run knows of each lead beside its features."""
    there = leads.column_names
    return {
        name: np.array([np.nan if text is None else text for text in leads[name].to_pylist()], dtype=object)
        if name in there
        else np.full(len(leads), np.nan, dtype=object)
        for name in SAID
    }

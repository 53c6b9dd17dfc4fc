"""Leads that wait, scored part by part, wherever they lie.

In the DuckDB of this process they are one part. Of a server's database the matrix comes by a cursor, so many rows at a time,
and each part is let go of once it is scored. On Spark the version goes to the workers, and scored rows come back. What a part
is makes no difference to a decision: arms are drawn by account, a score is a lead's own, and who is best, of whom reasons are
given, is looked up once all are scored.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from features.joined import joined
from features.matrix import frame, matrix, order_of
from features.outcomes import days_taken, taken_up
from features.recipe import Recipe
from features.tables import Tables, named
from models.monitoring.tally import Tally
from models.policy.decisions import best_first, ranks, worded
from models.policy.rules import Rule
from pipelines.deciding.known import TAKEN, Known, Proposed, scored
from pipelines.sources.engine import joining_all_rows
from pipelines.store.decision_queries import SAID, said_of
from pipelines.version_files import Champion

ROWS = 10_000  # that a cursor gives at a time: as Python objects they take many times the room of a matrix


@dataclass(frozen=True)
class WaitingLeads:
    """Leads that wait for a decision.

    Attributes
    ----------
    tables : Tables
    cohort : table
        The leads, no one twice.
    files : sequence of Path
        The team's own files of features.
    rows : int
        How many a cursor gives at a time.
    answering : function
        Gives what turns the loss of a server into a sentence: ``Snapshot.answering``.
    """

    tables: Tables
    cohort: ir.Table
    files: Sequence[Path] = ()
    rows: int = ROWS
    answering: Callable[[], AbstractContextManager] = nullcontext
    _at_hand: dict[str, Known] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def are_here(self) -> bool:
        """Whether they lie in this process."""
        return self.tables.leads.get_backend().name == "duckdb"

    @cached_property
    def _said(self) -> pd.DataFrame:
        return said_of(self.tables, self.cohort)

    def at_hand(self, recipe: Recipe) -> Known:
        """What is known of all of them, looked up once."""
        if recipe.fingerprint not in self._at_hand:
            leads = frame(matrix(self.tables, self.cohort, recipe), recipe)
            self._at_hand[recipe.fingerprint] = Known(
                leads,
                self._said,
                days_taken(self.tables, self.cohort, recipe.horizons.delay, leads["lead_id"]),
            )
        return self._at_hand[recipe.fingerprint]

    def proposed(self, version: Champion, *, with_reasons: int, rules: tuple[Rule, ...]) -> Proposed:
        """What a version would decide of each of them; nothing is on record.

        Parameters
        ----------
        version : Champion
        with_reasons : int
            How many of the best leads get reasons.
        rules : tuple of Rule
            As for ``propose``.

        Raises
        ------
        UnreachableError
            If the server goes away, or a worker of Spark cannot score.
        """
        version = replace(version, policy=replace(version.policy, rules=rules))
        if self.are_here:
            known = self.at_hand(version.scorer.recipe)
            decisions = known.proposed(version, with_reasons=with_reasons)
            return Proposed(decisions, Tally.of(version.scorer, known.leads))
        with self.answering():
            return self._by_parts(version, with_reasons)

    def _by_parts(self, version: Champion, with_reasons: int) -> Proposed:
        parts = [*self._parts(version)]
        decisions = _in_order(pd.concat([part.decisions for part in parts], ignore_index=True))
        best = best_first(decisions["score"].to_numpy(), decisions["value"].to_numpy(), decisions["lead_id"])
        decisions["rank"] = ranks(best)
        decisions = self._worded(version, decisions, best[:with_reasons])
        return Proposed(decisions, sum((part.tally for part in parts), Tally()))

    def _parts(self, version: Champion) -> Iterator[Proposed]:
        """Scored where they lie, or as they come."""
        recipe, backend = version.scorer.recipe, self.tables.leads.get_backend()
        with (
            joining_all_rows(backend),
            joined(self.tables, self.cohort, recipe, self._beside()) as (rows, whole),
        ):
            if backend.name == "pyspark":
                from pipelines.deciding.spark_workers import scored_by_workers

                yield from scored_by_workers(version, rows, whole, self.files)
                return
            empty = True
            for batch in whole.to_pyarrow_batches(chunk_size=self.rows):
                empty = False
                yield scored(version, pa.Table.from_batches([batch]))
            if empty:
                yield scored(version, whole.schema().to_pyarrow().empty_table())

    def _beside(self) -> Iterator[ir.Table]:
        """What is joined to the matrix besides."""
        leads = self.tables.leads
        yield leads.select(
            "lead_id",
            **{f"__{name}": leads[name] if name in leads.columns else ibis.null("string") for name in SAID},
        )
        taken = taken_up(self.tables, self.cohort)
        if taken is not None:
            yield taken.select("lead_id", **{TAKEN: taken.taken_at})

    def _worded(self, version: Champion, decisions: pd.DataFrame, best: np.ndarray) -> pd.DataFrame:
        """With reasons for the best, whose features are looked up once more, and brought here."""
        if not len(best):
            return decisions
        recipe = version.scorer.recipe
        ids = decisions["lead_id"].take(best)
        cohort = self.cohort.semi_join(named(ids), "lead_id")
        leads = frame(matrix(self.tables, cohort, recipe), recipe)
        told = zip(*worded(version.scorer, leads, np.arange(len(leads))), strict=True)
        of = dict(zip(leads["lead_id"], told, strict=True))
        each = [of.get(lead_id, ([], [])) for lead_id in decisions["lead_id"]]
        return decisions.assign(
            reasons=[words for words, _ in each], weights=[weights for _, weights in each]
        )


def _in_order(decisions: pd.DataFrame) -> pd.DataFrame:
    """As ``features.matrix.fetch`` orders leads."""
    keys = pa.table(
        {"as_of": decisions["as_of"].to_numpy(), "lead_id": pa.array(decisions["lead_id"], pa.string())}
    )
    return decisions.take(order_of(keys).to_numpy()).reset_index(drop=True)

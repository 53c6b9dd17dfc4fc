"""Filling the list from the decision log: leads that a run has decided since, with their names from the
newest snapshot.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.labels import Horizons
from models.policy.arms import FORCED
from models.policy.assignment import AssignmentSettings
from models.policy.policy import HOLD
from pipelines.sources.lead_lookup import Dossiers, Painter
from pipelines.store import arrivals
from pipelines.store.answers import rows_after
from pipelines.store.database import Store
from pipelines.store.erasure import NOBODY, forgotten_of
from pipelines.store.schema import decisions_table, worklist_table
from pipelines.store.work.assignment import assign
from pipelines.store.work.notes import next_steps
from pipelines.store.work.rescores import WAITING, not_shown, standing
from pipelines.store.work.skill import TrackRecords
from pipelines.store.worklist import worth_of

AT_ONCE = 10_000
ELSEWHERE = "the source"  # who answered, where it does not say
TAKEN = (
    "lead_id", "account_id", "batch", "decided_at", "channel", "owner", "grade", "score", "low", "high", "p_worked_by", "value", "arm",
    "action", "this_week", "cut_by",
)  # fmt: skip


class Filler:
    """Keeps the list complete.

    Parameters
    ----------
    store : Store
    dossiers : Dossiers
    named : sequence of str
        The columns that make up a lead's name; found by their names if empty.
    country : str, optional
        The column that tells the country; likewise.
    assignment : AssignmentSettings, optional
        Whose desk a lead comes to; nobody's if not given.
    horizons : Horizons, optional
        How long a lead's time is, for assignment by skill.
    clock : function, optional
        The time now; the latest decision's if not given.
    """

    def __init__(
        self,
        store: Store,
        dossiers: Dossiers,
        *,
        named: tuple[str, ...] = (),
        country: str | None = None,
        assignment: AssignmentSettings | None = None,
        horizons: Horizons | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.store, self.dossiers, self.named, self.country = store, dossiers, named, country
        self.assignment, self.clock = assignment or AssignmentSettings(), clock
        self.records = TrackRecords(dossiers, self.assignment, horizons or Horizons())
        self._batch = -1
        self._gone = 0
        self._heeded: Path | None = None

    def fill(self) -> int:
        """Add what the log has and the list has not; gives how many. Costs a look at three indexes where there
        is nothing.
        """
        with self.store.reading() as connection:
            batch = connection.scalar(sa.select(sa.func.max(decisions_table.c.batch))) or 0
            if connection.scalar(sa.select(worklist_table.c.lead_id).limit(1)) is None:
                self._batch = -1  # somebody has emptied the list, and what was on it comes back
        added, last = 0, ""
        while batch != self._batch and (found := self._some(last)):
            added, last = added + len(found), found[-1]
        self._batch = batch
        self._heed_scores()
        self._drop_forgotten()
        newest = self.dossiers.newest()
        if newest != self._heeded and (arrived := arrivals.waiting(self.store)):
            arrivals.let_go(self.store, self.dossiers.known(arrived))
        if added or newest != self._heeded:
            self._heeded = newest
            self._heed_source()
        return added

    def add(
        self,
        connection: sa.Connection,
        lead_ids: Sequence[str],
        leads: Mapping[str, Mapping[str, Any]],
        columns: Sequence[str],
    ) -> None:
        """Put leads on the list in the transaction that decides them or scores them anew, by what is known of them at
        hand: rows by lead id, with the names of their columns.
        """
        log = decisions_table.c
        self._take_off(connection, lead_ids)
        decided = sa.select(*(log[name] for name in TAKEN)).where(self.store.among(log.lead_id, lead_ids))
        rows = connection.execute(decided).mappings().all()
        self._put(connection, self._entries(rows, leads, Painter(columns, named=self.named)), leads)

    def _heed_scores(self) -> None:
        """Put leads that were scored anew on the list again, if they still wait."""
        last = ""
        while True:
            with self.store.reading() as connection:
                ids = not_shown(connection, last, AT_ONCE)
                if not ids:
                    return
                log = decisions_table.c
                decided = sa.select(*(log[name] for name in TAKEN)).where(self.store.among(log.lead_id, ids))
                rows = connection.execute(decided).mappings().all()
            entries, leads = self._known(rows)
            with self.store.writing() as connection:
                self._take_off(connection, ids)
                self._put(connection, entries, leads)
            last = ids[-1]

    def _take_off(self, connection: sa.Connection, lead_ids: Sequence[str]) -> None:
        """Take leads that wait off the list, to be put on it as they stand now."""
        work = worklist_table.c
        waits = work.state.in_(WAITING) & self.store.among(work.lead_id, lead_ids)
        connection.execute(worklist_table.delete().where(waits))

    def _heed_source(self) -> None:
        """Let leads wait no longer that sales has answered elsewhere, as the newest snapshot tells."""
        work, last = worklist_table.c, ""
        waits = (work.state == "open") | (work.state == "snoozed")
        while True:
            with self.store.reading() as connection:
                ids = connection.scalars(
                    sa.select(work.lead_id)
                    .where(waits, work.lead_id > last)
                    .order_by(work.lead_id)
                    .limit(AT_ONCE)
                ).all()
            if not ids:
                return
            if answered := self.dossiers.answered(ids):
                change = worklist_table.update().where(waits, work.lead_id == sa.bindparam("lead"))
                change = change.values(
                    {name: sa.bindparam(f"new_{name}") for name in ("state", "answered_at", "answered_by")}
                )
                values = [
                    {
                        "lead": lead_id,
                        "new_state": state,
                        "new_answered_at": at,
                        "new_answered_by": who or ELSEWHERE,
                    }
                    for lead_id, (state, at, who) in answered.items()
                ]
                with self.store.writing() as connection:
                    connection.execute(change, values)
            last = ids[-1]

    def _drop_forgotten(self) -> None:
        """Take off whom somebody had forgotten while we put them on: their decisions were read before, and
        written down here after.
        """
        gone = forgotten_of(self.store, self.dossiers.home)
        if len(gone.digests) == self._gone:
            return
        with self.store.writing() as connection:
            ids = connection.scalars(sa.select(worklist_table.c.lead_id)).all()
            listed = [lead_id for lead_id, there in zip(ids, gone.are(ids), strict=True) if there]
            if listed:
                connection.execute(worklist_table.delete().where(worklist_table.c.lead_id.in_(listed)))
        self._gone = len(gone.digests)

    def _some(self, last: str) -> list[str]:
        """Add the next few beyond an id, in a transaction: a process that is killed goes on where it stopped."""
        log, work = decisions_table, worklist_table
        absent = sa.select(*(log.c[name] for name in TAKEN)).outerjoin(work, work.c.lead_id == log.c.lead_id)
        absent = (
            absent.where(work.c.lead_id.is_(None), log.c.lead_id > last, ~log.c.lead_id.startswith(NOBODY))
            .order_by(log.c.lead_id)
            .limit(AT_ONCE)
        )
        with self.store.reading() as connection:
            rows = connection.execute(absent).mappings().all()
        if not rows:
            return []
        entries, leads = self._known(rows)
        with self.store.writing() as connection:
            self._put(connection, entries, leads)
        return [row["lead_id"] for row in rows]

    def _known(self, rows: Sequence[sa.RowMapping]) -> tuple[list[dict], Mapping[str, Mapping[str, Any]]]:
        """Entries for rows of the log, and what the newest snapshot knows of their leads."""
        painter = Painter(self.dossiers.columns(), named=self.named)
        wanted = [*painter.columns, *filter(None, [self.country or painter.country, self.assignment.column])]
        leads = self.dossiers.leads([row["lead_id"] for row in rows], wanted)
        return self._entries(rows, leads, painter), leads

    def _put(
        self, connection: sa.Connection, entries: list[dict], leads: Mapping[str, Mapping[str, Any]]
    ) -> None:
        if not entries:
            return
        anew = standing(self.store, connection, [entry["lead_id"] for entry in entries])
        entries = [scored_anew(entry, anew.get(entry["lead_id"])) for entry in entries]
        # of a list that was emptied, leads have been answered already
        answered = rows_after(connection, [entry["lead_id"] for entry in entries])
        steps = next_steps(connection, [entry["lead_id"] for entry in entries])
        fresh = {"answered_by": None, "answered_at": None, "until": None, "step": None, "due": None}
        filled = [
            entry | fresh | answered.get(entry["lead_id"], {}) | steps.get(entry["lead_id"], {})
            for entry in entries
        ]
        on_list = worklist_table.c.lead_id
        among = self.store.among(on_list, [entry["lead_id"] for entry in entries])
        there = set(connection.scalars(sa.select(on_list).where(among)))
        filled = [entry for entry in filled if entry["lead_id"] not in there]
        if not filled:
            return
        at = self.clock() if self.clock else max(entry["decided_at"] for entry in entries)
        column = self.assignment.column
        filled = assign(
            self.store,
            self.assignment,
            connection,
            filled,
            lambda lead_id: leads.get(lead_id, {}).get(column),
            at=at,
            records=self.records.as_of(connection, at),
        )
        connection.execute(worklist_table.insert(), filled)

    def _entries(
        self, rows: Sequence[sa.RowMapping], leads: Mapping[str, Mapping[str, Any]], painter: Painter
    ) -> list[dict]:
        country = self.country or painter.country
        entries = []
        for row in rows:
            lead = leads.get(row["lead_id"], {})
            portrait = painter.paint(row["lead_id"], lead)
            entries.append(
                {
                    name: row[name]
                    for name in (
                        "lead_id",
                        "account_id",
                        "batch",
                        "decided_at",
                        "channel",
                        "owner",
                        "grade",
                        "score",
                        "low",
                        "high",
                        "p_worked_by",
                    )
                }
                | {
                    "name": portrait.name,
                    "about": portrait.about,
                    "sought": portrait.sought,
                    "country": str(lead[country]) if country and lead.get(country) is not None else None,
                    "created_at": lead.get("created_at") or row["decided_at"],
                    "value": row["value"],
                    "worth": worth_of(row["value"], row["score"]),
                    "asked": int(row["arm"] == FORCED),
                    "this_week": row["this_week"] or 0,
                    "held_by": row["cut_by"] if row["action"] == HOLD else None,
                    "state": "held" if row["action"] == HOLD else "open",
                    "turn": 0,
                }
            )
        return entries


def scored_anew(entry: dict[str, Any], score: Mapping[str, Any] | None) -> dict[str, Any]:
    """An entry with the score that stands, if it is not the decision's; what it held back may be handed off by it."""
    if score is None:
        return entry | {"rescored_at": None, "because": None, "was_grade": None, "was_score": None}
    now = {name: score[name] for name in ("grade", "score", "low", "high", "p_worked_by", "value", "because")}
    now |= {"worth": worth_of(score["value"], score["score"]), "rescored_at": score["at"]}
    now |= {"was_grade": entry["grade"], "was_score": entry["score"]}
    if entry["state"] == "held" and score["action"] != HOLD:
        now |= {"state": "open", "held_by": None}
    return entry | now

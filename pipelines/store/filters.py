"""Which decisions somebody wants: of the log, which programs read, and of the list, which sales works."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

FACETS = ("grade", "channel", "country", "owner", "held_by")
EQUAL = ("batch", "action", "version", "state", "answered_by", "assigned_to", *FACETS[1:])
MOST_WORDS = 8  # of a search; each is looked for in every row


def seen(rows: sa.ColumnCollection, names: Collection[str] | None) -> sa.ColumnElement[bool]:
    """Rows of the list that are nobody's, or of one of these people; with None all.

    A lead is of whose desk it is on, else of who has answered it; what was pulled out, or has come back, is
    nobody's again.
    """
    if names is None:
        return sa.true()
    answered = sa.case((rows.state.in_(("accepted", "rejected", "snoozed")), rows.answered_by))
    whose = sa.func.coalesce(rows.assigned_to, answered)
    return whose.is_(None) | whose.in_(sorted(names))


@dataclass(frozen=True)
class DecisionFilter:
    """What is wanted; everything that is None or empty leaves nothing out.

    Attributes
    ----------
    lead_ids : tuple of str
        Only these.
    batch : int, optional
        Of one scoring run.
    since, until : datetime, optional
        Decided at or after, and before.
    action, version : str, optional
        What the log says.
    state, answered_by : str, optional
        What the list says: "open", "accepted", "rejected", "snoozed" or "held", and who gave the latest
        answer.
    assigned_to : str, optional
        On whose desk; the empty text for the pool.
    assigned_among : tuple of str, optional
        On the desk of one of these.
    grades : tuple of str
    channel, country, owner, held_by : str, optional
    least : float, optional
        The lowest score, from 0 to 1.
    created_since : datetime, optional
    due_before : datetime, optional
        With a next step that is due before.
    asked : bool
        Only leads that sales is asked to work.
    search : str
        Words that all have to be found in name, second line, address or id.
    seen_by : frozenset of str, optional
        Only leads that are nobody's, or of one of these.
    """

    lead_ids: tuple[str, ...] = ()
    batch: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    version: str | None = None
    state: str | None = None
    answered_by: str | None = None
    assigned_to: str | None = None
    assigned_among: tuple[str, ...] | None = None
    grades: tuple[str, ...] = ()
    channel: str | None = None
    country: str | None = None
    owner: str | None = None
    held_by: str | None = None
    least: float | None = None
    created_since: datetime | None = None
    due_before: datetime | None = None
    asked: bool = False
    search: str = ""
    seen_by: frozenset[str] | None = None

    def condition(self, table: sa.Table, *, without: Collection[str] = ()) -> sa.ColumnElement[bool]:
        """The wanted rows of the log or the list, as SQL.

        Parameters
        ----------
        table : Table
            It has the columns that are asked for: names and states are on the list alone, actions and
            versions in the log.
        without : collection of str
            Columns whose filters are left out, for `fits` to tell.
        """
        rows = table.c
        asked = {name: getattr(self, name) for name in EQUAL if name not in without}
        parts = [rows[name] == (value or None) for name, value in asked.items() if value is not None]
        if self.assigned_among is not None:
            parts.append(rows.assigned_to.in_(self.assigned_among))
        if self.lead_ids:
            parts.append(rows.lead_id.in_(self.lead_ids))
        if self.since is not None:
            parts.append(rows.decided_at >= self.since)
        if self.until is not None:
            parts.append(rows.decided_at < self.until)
        if self.grades and "grade" not in without:
            parts.append(rows.grade.in_(self.grades))
        if self.least is not None:
            parts.append(rows.score >= self.least)
        if self.created_since is not None:
            parts.append(rows.created_at >= self.created_since)
        if self.due_before is not None:
            parts.append(rows.due < self.due_before)
        if self.asked:
            parts.append(rows.asked == 1)
        words = self.search.lower().split()[:MOST_WORDS]
        parts.append(seen(rows, self.seen_by))
        parts += [rows.sought.contains(word, autoescape=True) for word in words]
        return sa.and_(sa.true(), *parts)

    def fits(self, values: Mapping[str, Any], *, without: str | None = None) -> bool:
        """Whether a row with these values of some ``FACETS`` is wanted; ``without`` leaves one filter out."""
        return all(
            not wanted or values[name] in wanted
            for name in FACETS
            if name != without and name in values
            for wanted in [self.values(name)]
        )

    def values(self, name: str) -> tuple[str, ...]:
        """The values of a column that are asked for; none where all are."""
        return self.grades if name == "grade" else tuple(filter(None, [getattr(self, name)]))

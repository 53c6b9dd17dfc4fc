"""What changed in a CRM that finds records by when they were changed, and tells nothing of those that are erased."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from pipelines.crm.connector import Lead, Page, Row

OVERLAP = timedelta(minutes=5)  # a search finds changes some moments late
COMPARE = timedelta(days=1)  # how often all ids are asked for, as what is erased for good is told nowhere


class Searched(Protocol):
    """A CRM as it is searched.

    Attributes
    ----------
    with_history : int
        Leads that are read at once.
    """

    with_history: int

    def newest(self) -> datetime | None:
        """When anything changed last; None where there is nothing."""

    def listed(self, after: str | None = None) -> Iterator[tuple[list[str], str | None]]:
        """Ids of all leads, some at a time, and where the next ones begin."""

    def deleted(self, since: datetime) -> set[str]:
        """Leads that are known to be there no more; at least those that went since a moment."""

    def changed_since(self, since: datetime) -> dict[str, datetime]:
        """When each lead was last touched, of those that were."""

    def read(self, ids: list[str]) -> tuple[list[Lead], list[str]]:
        """All there is to tell of some leads, and ids that are there no more."""


def pages(crm: Searched, since: str | None, known: Collection[str]) -> Iterator[Page]:
    """As `Crm.pages` says: all leads first, then what changed, oldest change first."""
    mark: Row = json.loads(since) if since is not None else _begun(crm)
    if mark["since"] is None:
        return
    going_on = {name: mark[name] for name in ("since", "compared")}
    if "after" in mark:
        for ids, after in crm.listed(mark["after"]):
            leads, gone = crm.read(ids)
            rest = {"after": after} if after is not None else {}
            yield Page(leads, gone, json.dumps(going_on | rest))
    yield from _changes(crm, going_on, set(known))


def _begun(crm: Searched) -> Row:
    newest = crm.newest()
    since = None if newest is None else newest.isoformat()
    return {"since": since, "compared": since, "after": None}


def _changes(crm: Searched, mark: Row, known: set[str]) -> Iterator[Page]:
    since = datetime.fromisoformat(mark["since"])
    changed = crm.changed_since(since - OVERLAP)
    newest = max([since, *changed.values()])
    gone = crm.deleted(since - OVERLAP) & known
    compared = datetime.fromisoformat(mark["compared"])
    if newest - compared >= COMPARE:
        there = {lead_id for ids, _ in crm.listed() for lead_id in ids}
        gone |= known - there
        changed |= dict.fromkeys(there - known - set(changed), since)
        compared = newest
    # Oldest change first: a pull that is killed goes on from the last page that was kept.
    order = sorted((moment, lead_id) for lead_id, moment in changed.items())
    for start in range(0, len(order), crm.with_history):
        some = order[start : start + crm.with_history]
        leads, merged = crm.read([lead_id for _, lead_id in some])
        reached = max(since, some[-1][0]).isoformat()
        yield Page(leads, merged, json.dumps(mark | {"since": reached}))
    if gone or compared.isoformat() != mark["compared"]:
        last = {"since": newest.isoformat(), "compared": compared.isoformat()}
        yield Page((), sorted(gone), json.dumps(last))

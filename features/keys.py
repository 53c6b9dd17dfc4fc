"""Ids as two tables write them: what keeps them from joining, looked for only where rows are of no lead."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

LONG_FORM = r"^[A-Za-z0-9]{15}[A-Z0-5]{3}$"  # 15 characters, and three that say which of them are capitals
STEPS: dict[str, Callable[[Any], Any]] = {
    "'.0' at their end": lambda text: text.re_replace(r"\.0+$", ""),
    "leading zeros": lambda text: text.re_replace(r"^0+(.)", r"\1"),
    "capitals": lambda text: text.lower(),
    "the last three characters of their long form": lambda text: ibis.ifelse(
        text.re_search(LONG_FORM), text.substr(0, 15), text
    ),
}
TRIED = (*((step,) for step in STEPS), tuple(STEPS)[:2], tuple(STEPS))


@dataclass(frozen=True)
class Likeness:
    """What makes ids of two tables alike.

    Attributes
    ----------
    steps : tuple of str
        What is taken off.
    rows : int
        How many rows are then of a lead.
    clash : tuple of str
        Two ids that would become one; empty where the ids are one to one.
    """

    steps: tuple[str, ...]
    rows: int
    clash: tuple[str, ...]

    @property
    def without(self) -> str:
        return " and ".join(self.steps)


def bare(ids: ir.Column, steps: tuple[str, ...]) -> ir.Column:
    """Ids with some things taken off."""
    for step in steps:
        ids = STEPS[step](ids)
    return ids


def likeness(unknown: ir.Table, table: ir.Table, leads: ir.Table) -> Likeness | None:
    """What to take off so that most of the ``unknown`` rows of a table are of a lead, or None.

    The fewest steps that join all rows one to one are preferred, then those that join the most.
    """
    rows, found = unknown.count().to_pyarrow().as_py(), []
    for steps in TRIED:
        of_leads = leads.select("lead_id", bare=bare(leads.lead_id, steps)).distinct()
        of_rows = table.select("lead_id", bare=bare(table.lead_id, steps)).distinct()
        keys = unknown.select(bare=bare(unknown.lead_id, steps)).view()
        joined = keys.semi_join(of_leads, "bare").count().to_pyarrow().as_py()
        if 2 * joined <= rows:
            continue
        clash = _clash(of_leads, keys) or _clash(of_rows, keys.semi_join(of_leads, "bare"))
        found.append(Likeness(steps, joined, clash))
        if joined == rows and not clash:
            break
    return max(found, key=lambda each: (not each.clash, each.rows), default=None)


def _clash(ids: ir.Table, keys: ir.Table) -> tuple[str, ...]:
    """Two ids that are one without what is taken off, if any row is concerned."""
    several = ids.group_by("bare").aggregate(
        first=ids.lead_id.min(), last=ids.lead_id.max(), ids=ids.lead_id.nunique()
    )
    concerned = several.filter(several.ids > 1).semi_join(keys, "bare").order_by("first").limit(1)
    return tuple(value for row in concerned.to_pyarrow().to_pylist() for value in (row["first"], row["last"]))

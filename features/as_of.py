"""The cut: what was known before an as-of time. Features see nothing that has not passed through here.

A row counts from the moment it was *recorded*, strictly before the as-of time. When it *occurred* only says
how old it is.
"""

import ibis
import ibis.expr.types as ir

from features.tables import Tables

DAY = 86_400_000_000  # microseconds
ROW = "__row"  # the column of a cohort's row numbers; no column of the source or of the matrix is called so


def days_between(later: ir.TimestampValue, earlier: ir.TimestampValue) -> ir.FloatingValue:
    """Days from one time to another, to the microsecond and the same to the bit on every engine."""
    return in_days(later.delta(earlier, unit="microsecond"))


def in_days(age: ir.IntegerValue) -> ir.FloatingValue:
    """Whole microseconds as days."""
    return age.cast("float64") / float(DAY)


def known_events(tables: Tables, rows: ir.Table) -> ir.Table:
    """Every event known of every numbered row of a cohort: one row per (row, event).

    Returns
    -------
    table
        the row's number, ``kind``, ``age`` (whole microseconds from its occurrence to the as-of time; 0 for
        what is only planned), and ``channel``, ``value`` where events have them.
    """
    events = tables.events
    optional = [name for name in ("channel", "value") if name in events.columns]
    seen = rows.select(ROW, "lead_id", "as_of").inner_join(events, "lead_id")
    seen = seen.filter(is_known(seen))
    return seen.select(ROW, "kind", *optional, age=age_of(seen))


def is_known(seen: ir.Table) -> ir.BooleanValue:
    """Whether an event had been recorded before the as-of time beside it."""
    return seen.recorded_at < seen.as_of


def age_of(seen: ir.Table) -> ir.IntegerValue:
    """Whole microseconds from an event's occurrence to the as-of time beside it; 0 for what is only planned."""
    age = seen.as_of.delta(seen.occurred_at, unit="microsecond")
    return (age > 0).ifelse(age, 0)


def known_sums(facts: ir.Table, asked: ir.Table, *, key: str) -> ir.Table:
    """Sums of facts by key, as they were known at given moments.

    Parameters
    ----------
    facts : table
        ``key``, ``moment`` at which the fact became known, and any number of float64 columns to be summed.
    asked : table
        ``key``, ``moment``, and any further columns.
    key : str
        Name of the key's column in both.

    Returns
    -------
    table
        Each row asked for that has a key, with the sums over the facts of the same key known strictly before
        its moment.
    """
    sums = [name for name in facts.columns if name not in (key, "moment")]
    beside = {name: ibis.null(asked[name].type()) for name in asked.columns if name not in (key, "moment")}
    asked = asked.filter(asked[key].notnull())
    facts = facts.filter(facts.moment.notnull()).semi_join(asked.select(key).distinct(), key)
    changes = ibis.union(
        facts.select(key, "moment", *sums, **beside, is_fact=ibis.literal(1)),
        asked.select(
            key,
            "moment",
            **{name: ibis.literal(0.0) for name in sums},
            **{name: asked[name] for name in beside},
            is_fact=0,
        ),
    )
    # What is asked at a moment comes before the facts of that moment: "all rows so far" are then exactly the
    # strictly earlier facts.
    so_far = ibis.window(group_by=key, order_by=["moment", "is_fact"], preceding=None, following=0)
    running = changes.select(
        key, "moment", *beside, "is_fact", **{name: changes[name].sum().over(so_far) for name in sums}
    )
    return running.filter(running.is_fact == 0).drop("is_fact")

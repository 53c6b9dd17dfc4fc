"""The cut: what was known before an as-of time. Features see nothing that has not passed through here.

A row counts from the moment it was *recorded*, strictly before the as-of time. When it *occurred* only says how old it is.
"""

import ibis
import ibis.expr.types as ir

from features.tables import Tables

DAY = 86_400_000_000  # microseconds


def days_between(later: ir.TimestampValue, earlier: ir.TimestampValue) -> ir.FloatingValue:
    """Days from one time to another, to the microsecond and the same to the bit on every engine."""
    return later.delta(earlier, unit="microsecond") / float(DAY)


def known_events(tables: Tables, cohort: ir.Table) -> ir.Table:
    """Every event known of every cohort row: one row per (lead_id, as_of, event).

    Returns
    -------
    table
        ``lead_id``, ``as_of``, ``kind``, ``age`` (whole microseconds from its occurrence to the as-of time; 0 for what is only
        planned), and ``channel``, ``value`` where events have them.
    """
    events = tables.events
    optional = [name for name in ("channel", "value") if name in events.columns]
    moments = cohort.select("lead_id", "as_of")
    seen = moments.inner_join(events, "lead_id")
    seen = seen.filter(seen.recorded_at < seen.as_of)
    age = seen.as_of.delta(seen.occurred_at, unit="microsecond")
    return seen.select("lead_id", "as_of", "kind", *optional, age=(age > 0).ifelse(age, 0))


def known_sums(facts: ir.Table, moments: ir.Table, *, key: str, daily: bool) -> ir.Table:
    """Sums of facts by key, as they were known at given moments.

    Parameters
    ----------
    facts : table
        ``key``, ``known_at`` and any number of integer columns to be summed.
    moments : table
        ``key`` and ``as_of``.
    key : str
        Name of the key's column in both.
    daily : bool
        Take the sums as of the midnight before each moment: far fewer distinct moments, so far less work.

    Returns
    -------
    table
        One row per key and moment: ``key``, ``moment`` (see ``moment_of``), and the sums over the facts known strictly before.
    """
    sums = [name for name in facts.columns if name not in (key, "known_at")]
    facts = facts.filter(facts[key].notnull() & facts.known_at.notnull())
    facts = facts.select(key, *sums, moment=moment_of(facts.known_at, daily=daily))
    asked = moments.filter(moments[key].notnull())
    nothing = {name: ibis.literal(0, type=facts[name].type()) for name in sums}
    asked = asked.select(key, **nothing, moment=moment_of(asked.as_of, daily=daily)).distinct()

    # One row per key and moment, so that "the rows before this one" are exactly the strictly earlier moments.
    changes = ibis.union(facts, asked).group_by(key, "moment").aggregate(**{name: ibis._[name].sum() for name in sums})
    before = ibis.window(group_by=key, order_by="moment", preceding=(None, 1))
    return changes.select(key, "moment", **{name: changes[name].sum().over(before).fill_null(0) for name in sums})


def moment_of(time: ir.TimestampValue, *, daily: bool) -> ir.TimestampValue:
    """The moment that stands for a time in ``known_sums``: the midnight before it, or the time itself."""
    return (time.truncate("D") if daily else time).cast("timestamp(6)")

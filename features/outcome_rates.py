"""Outcomes of other leads with the same key, as they were known at any moment.

For a whole cohort they are summed by the engine as known before each as-of time; for single leads they are
looked up in a ledger that is kept in memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.as_of import DAY, ROW, known_sums
from features.definitions.emails import company_domain
from features.definitions.history import Account, Past
from features.outcomes import stage_times
from features.recipe import Recipe
from features.register import REGISTER
from features.tables import Tables

FAR = ibis.literal(datetime(9999, 1, 1), type="timestamp(6)")
MILESTONES = ("created_at", "decided_at", "accepted", "settled_at", "won")
FEW = 20  # leads in a row's account, on average: up to about so many it is quicker to pair them than to put all in order
SUMS = ("decided", "accepted", "settled", "won")


@contextmanager
def past_rows(rows: ir.Table, tables: Tables, recipe: Recipe) -> Iterator[ir.Table]:
    """What was known of other leads with the same keys, to be read inside the ``with``.

    Yields
    ------
    table
        the row's number, and the recipe's account and key columns; one row for each numbered row of the
        cohort.
    """
    keys = keys_of(recipe)
    with milestones(tables, recipe, keys).cache() as marks, _with_own(rows, marks).cache() as asked:
        beside = asked
        for key, name in keys.items():
            if key == "account_id" and are_small(asked, marks, name):
                beside = _with_pairs(beside, asked, marks, name)
            else:
                facts = facts_of(marks, name, tables, account=key == "account_id")
                beside = _with_sums(beside, asked, facts, name, daily=is_daily(key, tables))
                if key == "account_id":
                    beside = _with_previous_lead(beside, asked, marks, name)
        if recipe.has_accounts:
            leads = f"{keys['account_id']}_leads"
            itself = (beside.created_at < beside.as_of).ifelse(1, 0)
            beside = beside.mutate(**{leads: (beside[leads] - itself).cast("int32")})
        yield beside.select(ROW, **past_columns(recipe, beside, lambda key: _past(beside, key, keys, tables)))


def keys_of(recipe: Recipe) -> dict[str | None, str]:
    """Every key whose past is looked up, and what it is called beside a row; None is the key that all leads
    share.
    """
    keys = dict.fromkeys([*recipe.rate_keys, *(["account_id"] if recipe.has_accounts else [])])
    return {key: f"key_{i}" for i, key in enumerate(keys)} | {None: "everyone"}


def is_daily(key: str | None, tables: Tables) -> bool:
    """Whether a key's sums are taken at midnight: far fewer moments, so far less work.

    An account's few leads are counted to the moment, and made-up times have no days.
    """
    return tables.clock == "time" and key != "account_id"


def moment_of(time: ir.TimestampValue, *, daily: bool) -> ir.TimestampValue:
    """The moment that stands for a time: the midnight before it, or the time itself."""
    return (time.truncate("D") if daily else time).cast("timestamp(6)")


def key_of(lead: ir.Table, key: str | None, recipe: Recipe) -> ir.StringValue:
    """The value of a key; of an e-mail column the company's domain, and of no key one that all share."""
    if key is None:
        return ibis.literal("everyone")
    is_email = any(attribute.name == key and attribute.kind == "email" for attribute in recipe.attributes)
    return company_domain(lead[key]) if is_email else lead[key]


def milestones(tables: Tables, recipe: Recipe, keys: dict[str | None, str]) -> ir.Table:
    """When each lead was decided and settled, as recorded, and with what result.

    Returns
    -------
    table
        One row per lead: ``lead_id``, its keys, ``created_at``, ``accepted_at``, ``decided_at``, ``accepted``
        (0 or 1), ``settled_at``, ``won`` (0 or 1). The times lie in the far future where that never came; a result
        depends on nothing that was recorded after its time.
    """
    horizons = recipe.horizons
    leads = tables.leads
    leads = leads.select(
        "lead_id", "created_at", **{name: key_of(leads, key, recipe) for key, name in keys.items()}
    )
    if tables.outcomes is None:
        never = {
            "accepted_at": FAR,
            "decided_at": FAR,
            "accepted": ibis.literal(0),
            "settled_at": FAR,
            "won": ibis.literal(0),
        }
        return leads.mutate(**never)
    times = stage_times(tables)
    lead = leads.left_join(times, "lead_id")
    accepted_at = earliest(lead.accepted_at, lead.won_at)
    pursued_at = accepted_at if recipe.acceptance else lead.created_at
    answered_at = earliest(accepted_at, lead.rejected_at, lead.lost_at)
    closed_at = earliest(lead.won_at, lead.lost_at)
    if tables.outcome_times:
        decided_at = earliest(
            answered_at, later(lead.created_at, horizons.delay.total_seconds() / 86400 + horizons.pursue_days)
        )
        ended_at = earliest(closed_at, later(pursued_at, horizons.convert_days))
        settled_at = ibis.greatest(ended_at, pursued_at)
        answered_at = decided_at
    else:
        # What happened is told, not when: with real dates it is taken to be known once the horizon is over,
        # else from the next row on.
        wait = tables.clock == "time"
        decided_at = later(answered_at, horizons.pursue_days if wait else 0)
        ended_at = closed_at
        settled_at = (pursued_at < FAR).ifelse(later(closed_at, horizons.convert_days if wait else 0), FAR)
    return lead.select(
        "lead_id",
        *keys.values(),
        "created_at",
        accepted_at=accepted_at,
        decided_at=decided_at,
        accepted=(accepted_at <= answered_at).ifelse(1, 0),
        settled_at=settled_at,
        won=(lead.won_at.fill_null(FAR) <= ended_at).ifelse(1, 0),
    )


def earliest(*times: ir.TimestampValue) -> ir.TimestampValue:
    """The earliest of some times, the far future if all are empty. (Engines differ on ``least`` of an empty
    value.)
    """
    return ibis.least(*(time.fill_null(FAR) for time in times))


def later(time: ir.TimestampValue, days: float) -> ir.TimestampValue:
    """So many days after a time."""
    return time + ibis.interval(microseconds=round(days * DAY)) if days else time


def _with_own(rows: ir.Table, marks: ir.Table) -> ir.Table:
    """The rows of the cohort, each with its lead's keys and milestones."""
    return rows.select(ROW, "lead_id", "as_of").inner_join(marks, "lead_id").drop("lead_id")


def facts_of(marks: ir.Table, key: str, tables: Tables, *, account: bool) -> ir.Table:
    """What becomes known of the leads of one key, and when: one row per lead and fact."""
    # Whole numbers as float64: their sums are exact to 2**53, where engines sum integers in wider and slower
    # types.
    nothing = {name: ibis.literal(0.0) for name in (*SUMS, *(["leads"] if account else []))}
    one = ibis.literal(1.0)
    facts = [
        marks.select(
            key,
            known_at=marks.decided_at,
            **nothing | {"decided": one, "accepted": marks.accepted.cast("float64")},
        ),
        marks.select(
            key, known_at=marks.settled_at, **nothing | {"settled": one, "won": marks.won.cast("float64")}
        ),
    ]
    if account:
        facts.append(marks.select(key, known_at=marks.created_at, **nothing | {"leads": one}))
    together = ibis.union(*facts)
    return together.filter(together.known_at < ibis.literal(tables.end))


def _with_sums(table: ir.Table, asked: ir.Table, facts: ir.Table, key: str, *, daily: bool) -> ir.Table:
    """Join to each row the sums of the facts of its key that were known by then, as ``{key}_{sum}``."""
    facts = facts.mutate(moment=moment_of(facts.known_at, daily=daily)).drop("known_at")
    asked = asked.select(ROW, key, moment=moment_of(asked.as_of, daily=daily))
    if daily:
        # Many rows ask for the same day, and many facts come on the same day.
        sums = [name for name in facts.columns if name not in (key, "moment")]
        facts = facts.group_by(key, "moment").aggregate(**{name: facts[name].sum() for name in sums})
        asked = asked.select(key, "moment").distinct()
    found = known_sums(facts, asked, key=key).rename(lambda name: f"{key}_{name}")
    if not daily:
        return table.left_join(found, table[ROW] == found[f"{key}_{ROW}"])
    return table.left_join(
        found,
        [table[key] == found[f"{key}_{key}"], moment_of(table.as_of, daily=True) == found[f"{key}_moment"]],
    )


def are_small(asked: ir.Table, marks: ir.Table, account: str) -> bool:
    """Whether rows have so few leads in their accounts, on average, that ``_with_pairs`` is the quicker way."""
    leads = marks.group_by(account).aggregate(leads=ibis._.count().cast("float64"))
    beside_a_row = asked.select(account).inner_join(leads, account).leads.mean().to_pyarrow().as_py()
    return (beside_a_row or 0) <= FEW


def _with_pairs(table: ir.Table, asked: ir.Table, marks: ir.Table, account: str) -> ir.Table:
    """Join to each row what ``_with_sums`` and ``_with_previous_lead`` join, from its account's leads one by
    one.
    """
    leads = marks.select(account, *MILESTONES).rename(lambda name: name if name == account else f"its_{name}")
    pair = asked.select(ROW, account, "as_of", "created_at").inner_join(leads, account)
    decided, settled = pair.its_decided_at < pair.as_of, pair.its_settled_at < pair.as_of
    found = pair.group_by(ROW).aggregate(
        leads=pair.count(where=pair.its_created_at < pair.as_of),
        decided=pair.count(where=decided),
        accepted=pair.count(where=decided & (pair.its_accepted == 1)),
        settled=pair.count(where=settled),
        won=pair.count(where=settled & (pair.its_won == 1)),
        previous_created_at=pair.its_created_at.max(where=pair.its_created_at < pair.created_at),
    )
    found = found.rename(lambda name: f"{account}_{name}")
    return table.left_join(found, table[ROW] == found[f"{account}_{ROW}"])


def _with_previous_lead(table: ir.Table, asked: ir.Table, marks: ir.Table, account: str) -> ir.Table:
    """Join to each row the moment before its lead's creation at which another lead of the account was
    created.
    """
    created = marks.select(account, "created_at").semi_join(asked, account).distinct()
    before = ibis.window(group_by=account, order_by="created_at")
    previous = {f"{account}_previous_created_at": created.created_at.lag().over(before)}
    created = created.select(of_account=account, at="created_at", **previous)
    return table.left_join(created, [table[account] == created.of_account, table.created_at == created["at"]])


def past_columns(recipe: Recipe, table: ir.Table, past: Callable[[str], Past]) -> dict[str, ir.Value]:
    """The recipe's account and key columns.

    Parameters
    ----------
    table : table
        The rows with ``as_of``, and with the number of the account's other leads and the time of its previous
        one under the account's key, as ``key_3_leads`` and ``key_3_previous_created_at``.
    past : function
        Gives the outcomes of a key's other leads beside each row.
    """
    keys = keys_of(recipe)
    pasts = {key: past(key) for key in keys if key is not None}
    values = {}
    if recipe.has_accounts:
        name, of_account = keys["account_id"], pasts["account_id"]
        account = Account(
            as_of=table.as_of,
            leads=table[f"{name}_leads"],
            accepted=of_account.accepted,
            won=of_account.won,
            previous_created_at=table[f"{name}_previous_created_at"],
        )
        values = {
            column.name: REGISTER[column.feature].compute(account) for column in recipe.columns_of("account")
        }
    for column in recipe.columns_of("key"):
        arguments = dict(column.arguments)
        values[column.name] = REGISTER[column.feature].compute(pasts[arguments["key"]], **arguments)
    return values


def _past(table: ir.Table, key: str, keys: dict[str | None, str], tables: Tables) -> Past:
    """The sums of one key beside each row, without what the lead itself added to them."""

    def others(name: str, at: str, of: str | None) -> ir.IntegerColumn:
        daily = is_daily(of, tables)
        known = moment_of(table[at], daily=daily) < moment_of(table.as_of, daily=daily)
        mine = known.ifelse(table[name] if name in ("accepted", "won") else 1, 0)
        return (table[f"{keys[of]}_{name}"] - mine).cast("int32")

    decided, accepted = (others(name, "decided_at", None) for name in ("decided", "accepted"))
    settled, won = (others(name, "settled_at", None) for name in ("settled", "won"))
    return Past(
        decided=others("decided", "decided_at", key),
        accepted=others("accepted", "decided_at", key),
        settled=others("settled", "settled_at", key),
        won=others("won", "settled_at", key),
        usual_acceptance_rate=accepted.cast("float64") / decided.nullif(0).cast("float64"),
        usual_win_rate=won.cast("float64") / settled.nullif(0).cast("float64"),
    )

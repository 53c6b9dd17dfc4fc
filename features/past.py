"""Who was decided and settled when, summed by key as known before each as-of time."""

from collections.abc import Callable
from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.asof import DAY, known_sums, moment_of
from features.emails import company_domain
from features.history import Account, Past
from features.labels import stage_times
from features.recipe import Recipe
from features.register import REGISTER, Column
from features.tables import Tables

FAR = ibis.literal(datetime(9999, 1, 1), type="timestamp(6)")
SUMS = ("decided", "accepted", "settled", "won")


def with_past(
    rows: ir.Table, cohort: ir.Table, tables: Tables, recipe: Recipe
) -> tuple[ir.Table, dict[str, Callable[[ir.Table], ir.Value]]]:
    """Join to each row what was known of other leads with the same keys.

    Returns
    -------
    rows : table
        With the sums beside them, in columns that start with two underscores.
    columns : dict of str to function
        The value of each account and key column of the recipe, given a table that has those columns.
    """
    keys = dict.fromkeys([*recipe.rate_keys, *(["account_id"] if recipe.has_accounts else [])])
    if not keys:
        return rows, {}
    keys = {key: f"__key_{i}" for i, key in enumerate(keys)} | {None: "__everyone"}
    marks = milestones(tables, recipe, keys)
    own = marks.select("__lead", **{f"__own_{name}": name for name in ("decided_at", "accepted", "settled_at", "won")})
    moments = cohort.select("as_of", **{keys[key]: key_of(cohort, key, recipe) for key in keys if key in (None, "account_id")})
    rows = rows.mutate(**{name: key_of(rows, key, recipe) for key, name in keys.items()})
    asked = rows.select("as_of", *keys.values())
    rows = rows.left_join(own, rows.lead_id == own["__lead"]).drop("__lead")

    for key, name in keys.items():
        daily = is_daily(key, tables)
        sums = known_sums(
            _facts(marks, name, tables, account=key == "account_id"),
            (moments if name in moments.columns else asked).select(name, "as_of"),
            key=name,
            daily=daily,
        )
        sums = sums.rename({f"{name}_{each}": each for each in sums.columns if each != name} | {f"{name}_value": name})
        met = [rows[name] == sums[f"{name}_value"], moment_of(rows.as_of, daily=daily) == sums[f"{name}_moment"]]
        rows = rows.left_join(sums, met).drop(f"{name}_value", f"{name}_moment")
    if recipe.has_accounts:
        previous = _previous_leads(tables)
        rows = rows.left_join(previous, [rows.account_id == previous["__account"], rows.created_at == previous["__created"]])

    def past_of(key: str, table: ir.Table) -> Past:
        return _past(table, keys[key], keys[None], is_daily(key, tables), is_daily(None, tables))

    def account_of(table: ir.Table) -> Account:
        past = past_of("account_id", table)
        return Account(
            as_of=table.as_of,
            leads=table[f"{keys['account_id']}_leads"].cast("int32") - (table.created_at < table.as_of).ifelse(1, 0),
            accepted=past.accepted,
            won=past.won,
            previous_created_at=table["__previous_created_at"],
        )

    def value_of(column: Column) -> Callable[[ir.Table], ir.Value]:
        feature, arguments = REGISTER[column.feature], dict(column.arguments)
        if feature.of == "account":
            return lambda table: feature.compute(account_of(table))
        return lambda table: feature.compute(past_of(arguments["key"], table), **arguments)

    columns = {column.name: value_of(column) for of in ("account", "key") for column in recipe.columns_of(of)}
    return rows, columns


def is_daily(key: str | None, tables: Tables) -> bool:
    """Whether a key's sums are taken at midnight. An account's few leads are counted to the moment, and made-up times have no days."""
    return tables.clock == "time" and key != "account_id"


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
        One row per lead: ``__lead``, its keys, ``created_at``, ``decided_at``, ``accepted`` (0 or 1), ``settled_at``, ``won`` (0 or
        1). The times lie in the far future where that never came; a result depends on nothing that was recorded after its time.
    """
    horizons = recipe.horizons
    leads = tables.leads
    leads = leads.select("created_at", __lead="lead_id", **{name: key_of(leads, key, recipe) for key, name in keys.items()})
    if tables.outcomes is None:
        never = {"decided_at": FAR, "accepted": ibis.literal(0), "settled_at": FAR, "won": ibis.literal(0)}
        return leads.mutate(**never)
    times = stage_times(tables)
    lead = leads.left_join(times, leads["__lead"] == times.lead_id)
    accepted_at = earliest(lead.accepted_at, lead.won_at)
    pursued_at = accepted_at if recipe.acceptance else lead.created_at
    answered_at = earliest(accepted_at, lead.rejected_at, lead.lost_at)
    closed_at = earliest(lead.won_at, lead.lost_at)
    if tables.outcome_times:
        decided_at = earliest(answered_at, later(lead.created_at, horizons.delay.total_seconds() / 86400 + horizons.pursue_days))
        ended_at = earliest(closed_at, later(pursued_at, horizons.convert_days))
        settled_at = ibis.greatest(ended_at, pursued_at)
        answered_at = decided_at
    else:
        # What happened is told, not when: with real dates it is taken to be known once the horizon is over, else from the next row on.
        wait = tables.clock == "time"
        decided_at = later(answered_at, horizons.pursue_days if wait else 0)
        ended_at = closed_at
        settled_at = (pursued_at < FAR).ifelse(later(closed_at, horizons.convert_days if wait else 0), FAR)
    return lead.select(
        "__lead",
        *keys.values(),
        "created_at",
        decided_at=decided_at,
        accepted=(accepted_at <= answered_at).ifelse(1, 0),
        settled_at=settled_at,
        won=(lead.won_at.fill_null(FAR) <= ended_at).ifelse(1, 0),
    )


def earliest(*times: ir.TimestampValue) -> ir.TimestampValue:
    """The earliest of some times, the far future if all are empty. (Engines differ on ``least`` of an empty value.)"""
    return ibis.least(*(time.fill_null(FAR) for time in times))


def later(time: ir.TimestampValue, days: float) -> ir.TimestampValue:
    """So many days after a time."""
    return time + ibis.interval(microseconds=round(days * DAY)) if days else time


def _facts(marks: ir.Table, key: str, tables: Tables, *, account: bool) -> ir.Table:
    """What becomes known of the leads of one key, and when: one row per lead and fact."""
    # Whole numbers as float64: their sums are exact to 2**53, where engines sum integers in wider and slower types.
    nothing = {name: ibis.literal(0.0) for name in (*SUMS, *(["leads"] if account else []))}
    one = ibis.literal(1.0)
    facts = [
        marks.select(key, known_at=marks.decided_at, **nothing | {"decided": one, "accepted": marks.accepted.cast("float64")}),
        marks.select(key, known_at=marks.settled_at, **nothing | {"settled": one, "won": marks.won.cast("float64")}),
    ]
    if account:
        facts.append(marks.select(key, known_at=marks.created_at, **nothing | {"leads": one}))
    together = ibis.union(*facts)
    return together.filter(together.known_at < ibis.literal(tables.end))


def _past(table: ir.Table, key: str, everyone: str, daily: bool, everyone_daily: bool) -> Past:
    """The sums of one key beside each row, without what the lead itself added to them."""

    def others(name: str, at: str, of: str, daily: bool) -> ir.IntegerColumn:
        known = moment_of(table[f"__own_{at}"], daily=daily) < moment_of(table.as_of, daily=daily)
        mine = known.ifelse(table[f"__own_{name}"] if name in ("accepted", "won") else 1, 0)
        return table[f"{of}_{name}"].cast("int64") - mine

    decided, accepted = (others(name, "decided_at", everyone, everyone_daily) for name in ("decided", "accepted"))
    settled, won = (others(name, "settled_at", everyone, everyone_daily) for name in ("settled", "won"))
    return Past(
        decided=others("decided", "decided_at", key, daily).cast("int32"),
        accepted=others("accepted", "decided_at", key, daily).cast("int32"),
        settled=others("settled", "settled_at", key, daily).cast("int32"),
        won=others("won", "settled_at", key, daily).cast("int32"),
        usual_acceptance_rate=accepted.cast("float64") / decided.nullif(0).cast("float64"),
        usual_win_rate=won.cast("float64") / settled.nullif(0).cast("float64"),
    )


def _previous_leads(tables: Tables) -> ir.Table:
    """Of each account and moment at which a lead of it was created, the moment before that."""
    created = tables.leads.select(__account="account_id", __created="created_at").distinct()
    before = ibis.window(group_by="__account", order_by="__created")
    return created.mutate(__previous_created_at=created["__created"].lag().over(before))

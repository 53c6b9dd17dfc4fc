"""What is in a source's tables: rows, time ranges, how full the columns are, which words are used."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.recipe import Recipe
from features.tables import LEAD_KEYS, Tables, moment

SHOWN_WORDS = 20


def contents(tables: Tables, recipe: Recipe) -> dict[str, dict[str, Any] | None]:
    """Leads, events and outcomes in figures, None for a table that the source does not have."""
    return {"leads": _leads(tables, recipe), "events": _events(tables), "outcomes": _outcomes(tables)}


def _leads(tables: Tables, recipe: Recipe) -> dict[str, Any]:
    leads = tables.leads
    names = [name for name in leads.columns if name not in LEAD_KEYS]
    empty = {f"empty_{place}": leads[name].isnull().sum() for place, name in enumerate(names)}
    accounts = {"accounts": leads.account_id.nunique()} if tables.has_accounts else {}
    found = _one(
        leads.aggregate(
            rows=leads.count(), start=leads.created_at.min(), end=leads.created_at.max(), **accounts, **empty
        )
    )
    kinds: dict[str, list[str]] = {}
    for attribute in recipe.attributes:
        kinds.setdefault(attribute.name, []).append(attribute.kind)
    unused = dict(recipe.dropped)
    columns = [
        {
            "column": name,
            "used_as": " and ".join(kinds[name]) if name in kinds else None,
            "not_used": unused.get(name),
            "empty": (found[f"empty_{place}"] or 0) / max(found["rows"], 1),
        }
        for place, name in enumerate(names)
    ]
    return _spanned(found, tables) | {"accounts": found.get("accounts"), "columns": columns}


def _events(tables: Tables) -> dict[str, Any] | None:
    events = tables.events
    if events is None:
        return None
    found = _one(
        events.aggregate(
            rows=events.count(),
            start=events.recorded_at.min(),
            end=events.recorded_at.max(),
            leads=events.lead_id.nunique(),
        )
    )
    return _spanned(found, tables) | {"leads": found["leads"], "kinds": _words(events, "kind")}


def _outcomes(tables: Tables) -> dict[str, Any] | None:
    outcomes = tables.outcomes
    if outcomes is None:
        return None
    won = outcomes.stage == "won"
    worth = {
        f"won_with_{name}": outcomes[name].count(where=won)
        for name in ("amount", "margin")
        if name in outcomes.columns
    }
    found = _one(
        outcomes.aggregate(
            rows=outcomes.count(), start=outcomes.recorded_at.min(), end=outcomes.recorded_at.max(), **worth
        )
    )
    known = {f"won_with_{name}": found.get(f"won_with_{name}") for name in ("amount", "margin")}
    told = _spanned(found, tables) | {
        "dated": tables.outcome_times,
        "stages": _words(outcomes, "stage"),
        **known,
    }
    return told if tables.outcome_times else told | {"from": None, "to": None}


def _spanned(found: dict[str, Any], tables: Tables) -> dict[str, Any]:
    """Rows, and between which times; a table that is empty as of the moment has none."""
    ends = {
        name: None if found[of] is None else moment(found[of], tables.clock)
        for name, of in (("from", "start"), ("to", "end"))
    }
    return {"rows": found["rows"], **ends}


def _words(table: ir.Table, column: str) -> dict[str, int]:
    """The commonest words of a column, with their rows."""
    counts = (
        table.group_by(column)
        .aggregate(rows=ibis._.count())
        .order_by(ibis.desc("rows"), column)
        .limit(SHOWN_WORDS)
        .to_pyarrow()
    )
    return dict(zip(counts[column].to_pylist(), counts["rows"].to_pylist(), strict=True))


def _one(row: ir.Table) -> dict[str, Any]:
    return row.to_pyarrow().to_pylist()[0]

"""The matrix: one row for each row of a cohort, one column for each column of the recipe, nothing in it that was not yet known."""

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.asof import known_events
from features.errors import ContractError
from features.past import with_past
from features.recipe import Recipe
from features.register import REGISTER
from features.tables import Tables


def matrix(tables: Tables, cohort: ir.Table, recipe: Recipe) -> ir.Table:
    """Compute a recipe's columns for every row of a cohort, as an expression on the tables' own engine.

    Parameters
    ----------
    tables : Tables
    cohort : table
        ``lead_id``, ``account_id``, ``created_at``, ``as_of``; no (lead, as-of time) twice.
    recipe : Recipe

    Returns
    -------
    table
        ``lead_id``, ``account_id``, ``as_of``, then the recipe's columns. Unordered: ``fetch`` orders it.

    Raises
    ------
    ContractError
        If a column that the recipe reads is not in the tables.
    """
    _all_there(tables, recipe)
    names = sorted({attribute.name for attribute in recipe.attributes} - {"created_at"})
    described = tables.leads.select(*names, __described="lead_id")
    rows = cohort.select("lead_id", "account_id", "created_at", "as_of")
    rows = rows.inner_join(described, rows.lead_id == described["__described"]).drop("__described")

    rows, past = with_past(rows, cohort, tables, recipe)
    if recipe.columns_of("events"):
        done = _event_features(tables, cohort, recipe).rename(__lead="lead_id", __as_of="as_of")
        rows = rows.left_join(done, [rows.lead_id == done["__lead"], rows.as_of == done["__as_of"]])

    columns = {}
    for column in recipe.columns:
        feature, arguments = REGISTER[column.feature], dict(column.arguments)
        if feature.of == "lead":
            value = feature.compute(rows, **arguments)
        elif feature.of == "events":
            value = rows[f"__{column.name}"] if feature.none is None else rows[f"__{column.name}"].fill_null(feature.none)
        else:
            value = past[column.name](rows)
        columns[column.name] = value
    return rows.select("lead_id", "account_id", "as_of", **columns)


def _event_features(tables: Tables, cohort: ir.Table, recipe: Recipe) -> ir.Table:
    """All event columns of a recipe in one grouped query: a row per (lead_id, as_of) with any known event.

    The columns have two underscores before their names.
    """
    known = known_events(tables, cohort)
    values = {
        f"__{column.name}": REGISTER[column.feature].compute(known, **dict(column.arguments)) for column in recipe.columns_of("events")
    }
    values = {name: value.cast("int32") if value.type().is_integer() else value for name, value in values.items()}
    return known.group_by("lead_id", "as_of").aggregate(**values)


def fetch(table: ir.Table) -> pa.Table:
    """Run an expression that has ``as_of`` and ``lead_id``, and order its rows by them, byte by byte.

    Sorted here and not by the engine: engines order texts by the rules of some language, and drag every column through the sort.
    """
    arrow = table.to_pyarrow()
    return arrow.take(pc.sort_indices(arrow.select(["as_of", "lead_id"]), [("as_of", "ascending"), ("lead_id", "ascending")]))


def frame(arrow: pa.Table, recipe: Recipe) -> pd.DataFrame:
    """What ``fetch`` brought, ready for a model.

    Returns
    -------
    DataFrame
        ``lead_id``, ``account_id``, ``as_of`` (datetime64[us]), numbers as float32, categories as pandas categories in alphabetical
        order. Empty is nan.
    """
    columns = {name: arrow[name].to_pandas() for name in ("lead_id", "account_id")}
    columns["as_of"] = arrow["as_of"].cast(pa.timestamp("us")).to_numpy()
    for column in recipe.columns:
        values = arrow[column.name]
        if column.kind == "category":
            codes = values.dictionary_encode().unify_dictionaries().combine_chunks()
            columns[column.name] = _category(codes)
        else:
            columns[column.name] = values.cast(pa.float32()).to_numpy()
    return pd.DataFrame(columns)


def _category(values: pa.Array | pa.ChunkedArray) -> pd.Categorical:
    """Dictionary-encoded texts as a categorical with sorted levels."""
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    levels = np.array(chunks[0].dictionary.to_pylist(), dtype=object) if chunks else np.array([], dtype=object)
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in chunks]) if chunks else np.array([], dtype=int)
    order = np.argsort(levels)
    rank = np.append(np.argsort(order), -1)  # the code -1, empty, stays -1
    return pd.Categorical.from_codes(rank[codes], categories=pd.Index(levels[order], dtype="str"))


def _all_there(tables: Tables, recipe: Recipe) -> None:
    """Refuse tables that lack what the recipe reads, naming all of it."""
    lacking = [f"leads.{name}" for name in dict.fromkeys(each.name for each in recipe.attributes) if name not in tables.leads.columns]
    lacking += [f"leads.{name}" for name in recipe.rate_keys if name not in tables.leads.columns and f"leads.{name}" not in lacking]
    if recipe.columns_of("events"):
        events = () if tables.events is None else tables.events.columns
        wanted = ["kind", *(["channel"] if recipe.event_channels else []), *(["value"] if recipe.event_value else [])]
        lacking += [f"events.{name}" for name in wanted if name not in events]
    if lacking:
        raise ContractError(
            f"{len(lacking)} columns that the model was fitted with are not in the data; nothing was computed.\n"
            f"  absent: {', '.join(lacking)}. Give them back at the source (empty where unknown), or train again without them."
        )

"""The matrix: one row for each row of a cohort, one column for each column of the recipe, nothing not yet
known.

It is computed in parts, each a grouped query over a cohort whose rows are numbered, and put together by those
numbers: one statement for all of it would sort and join every wide row again and again, and hold all of them
in memory at once. The counts of one kind of event in three windows are kept as one sum, each in digits of its
own, and read out of it afterwards: to keep many counts for each row is what an engine spends most of its time
on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.as_of import ROW, known_events
from features.definitions.free_text import TextModel, text_part
from features.errors import ContractError
from features.outcome_rates import past_rows
from features.recipe import INDEX, Attribute, Recipe
from features.register import REGISTER, Column
from features.tables import Tables

WORTH_THREADS = 10_000  # rows
DIGITS = 17  # binary digits of a count: three counts are exact in a float64, and engines sum integers in wider and slower types
MOST = 2**DIGITS - 1


def matrix(tables: Tables, cohort: ir.Table, recipe: Recipe) -> pa.Table:
    """Compute a recipe's columns for every row of a cohort, on the tables' own engine.

    Parameters
    ----------
    tables : Tables
    cohort : table
        ``lead_id``, ``account_id``, ``created_at``, ``as_of``; no (lead, as-of time) twice.
    recipe : Recipe

    Returns
    -------
    table
        ``lead_id``, ``account_id``, ``created_at``, ``as_of``, then the recipe's columns, ordered as ``fetch`` orders.

    Raises
    ------
    ContractError
        If a column that the recipe reads is not in the tables.
    """
    all_there(tables, recipe)
    columns = {}
    with numbered(cohort).cache() as rows:
        whole = fetch(rows.select(ROW, *INDEX))
        for part in _parts(rows, tables, recipe):
            columns |= _in_order(part, whole[ROW])
    return with_none(whole, columns, recipe)


def with_none(whole: pa.Table, columns: Mapping[str, Any], recipe: Recipe) -> pa.Table:
    """The matrix of some rows and their columns, each with the value that its feature has for a lead of which nothing
    was known.
    """
    of = {column.name: column for column in recipe.columns}
    done = _side_by_side(lambda name: _with_none(columns[name], of[name]), of, rows=len(whole))
    return pa.table({name: whole[name] for name in INDEX} | done)


def numbered(cohort: ir.Table) -> ir.Table:
    """The cohort with a number for each row, in the order of time: what is computed together then lies close
    together.
    """
    number = ibis.row_number().over(order_by="as_of").cast("int32")
    return cohort.select("lead_id", "account_id", "created_at", "as_of", **{ROW: number})


def _parts(rows: ir.Table, tables: Tables, recipe: Recipe) -> Iterator[pa.Table]:
    """The columns of each kind of feature: a row each for (some of) the numbered rows."""
    for part in parts_there(rows, tables, recipe):
        with part as found:
            yield found.to_pyarrow()
    for model in recipe.texts:
        texts = text_rows(rows, tables, model, "__text").to_pyarrow()
        yield pa.table({ROW: texts[ROW], **text_columns(recipe, model, texts["__text"].to_pylist())})
    if recipe.columns_of("events"):
        yield _event_features(rows, tables, recipe)


def parts_there(rows: ir.Table, tables: Tables, recipe: Recipe) -> Iterator[AbstractContextManager[ir.Table]]:
    """Those that the engine makes whole, but of events: each to be read before it is let go of."""
    of_lead, of_titles = lead_columns(recipe)
    if of_lead:
        lead = lead_rows(rows, tables, recipe)
        yield nullcontext(lead.select(ROW, **computed(of_lead, lead)))
    for title, columns in of_titles.items():
        yield nullcontext(_title_features(rows, tables, title, columns))
    if recipe.columns_of("account") or recipe.columns_of("key"):
        yield past_rows(rows, tables, recipe)


def text_rows(rows: ir.Table, tables: Tables, model: TextModel, name: str) -> ir.Table:
    """One free text of the numbered rows, under a name."""
    texts = tables.leads.select("lead_id", **{name: model.attribute})
    return rows.select(ROW, "lead_id").inner_join(texts, "lead_id").select(ROW, name)


def lead_columns(recipe: Recipe) -> tuple[list[Column], dict[str, list[Column]]]:
    """The columns that are read off the lead itself, and by title those that rules read off it; those of free
    texts are ``text_columns``.
    """
    of_lead, of_titles = [], {}
    for column in recipe.columns_of("lead"):
        if REGISTER[column.feature].attributes == ("title",):
            of_titles.setdefault(dict(column.arguments)["attribute"], []).append(column)
        elif REGISTER[column.feature].attributes != ("text",):
            of_lead.append(column)
    return of_lead, of_titles


def text_columns(recipe: Recipe, model: TextModel, texts: Sequence[str | None]) -> dict[str, pa.Array]:
    """The columns of one free text, a value for each of the texts, empty where there is none."""
    numbers = model.of(texts)
    return {
        column.name: pa.array(numbers[:, int(dict(column.arguments)["part"]) - 1], from_pandas=True)
        for column in recipe.columns_of("lead")
        if column.feature == text_part.__name__ and dict(column.arguments)["attribute"] == model.attribute
    }


def lead_rows(rows: ir.Table, tables: Tables, recipe: Recipe) -> ir.Table:
    """The numbered rows with the attributes of their leads that a recipe reads."""
    names = sorted({each.name for each in recipe.attributes if each.kind != "text"} - {"created_at"})
    return rows.inner_join(tables.leads.select("lead_id", *names), "lead_id")


def _title_features(rows: ir.Table, tables: Tables, title: str, columns: Iterable[Column]) -> ir.Table:
    """Columns that rules read off one title, for the rows that have it. Rules are many and titles repeat:
    each is looked at once.
    """
    lead = rows.select(ROW, "lead_id").inner_join(tables.leads.select("lead_id", __title=title), "lead_id")
    titles = lead.select(**{title: lead["__title"]}).distinct()
    ruled = titles.select(__ruled=titles[title], **computed(columns, titles))
    return lead.inner_join(ruled, lead["__title"] == ruled["__ruled"]).drop("lead_id", "__title", "__ruled")


def _event_features(rows: ir.Table, tables: Tables, recipe: Recipe) -> pa.Table:
    """All event columns in one grouped query, for the rows with any known event."""
    found = event_rows(rows, tables, recipe).to_pyarrow()
    if (pc.max(found["__events"]).as_py() or 0) > MOST:
        found = event_rows(rows, tables, recipe, sharing=False).to_pyarrow()
    return found.drop_columns("__events")


def event_rows(rows: ir.Table, tables: Tables, recipe: Recipe, *, sharing: bool = True) -> ir.Table:
    """The event columns of the numbered rows with any known event, and ``__events``, how many; with more than ``MOST``
    they are too many for shared sums: each count by itself.
    """
    known = known_events(tables, rows)
    values = computed(recipe.columns_of("events"), known)
    return known.group_by(ROW).aggregate(
        **sharing_sums(values) if sharing else values, __events=known.count()
    )


def computed(columns: Iterable[Column], table: ir.Table) -> dict[str, ir.Value]:
    """Each column's feature over a table; whole numbers, and yes and no, as int32, for counts come in the
    widest type there is.
    """
    values = {
        column.name: REGISTER[column.feature].compute(table, **dict(column.arguments)) for column in columns
    }
    return {
        name: value.cast("int32") if value.type().is_integer() or value.type().is_boolean() else value
        for name, value in values.items()
    }


def _in_order(part: pa.Table, rows: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """The columns of a part for each of the rows, empty where the part has no such row."""
    found = np.full(len(rows), -1, dtype="int32")  # Arrow takes by int32 in half the time
    found[part[ROW].to_numpy()] = np.arange(len(part), dtype="int32")
    found = found[rows.to_numpy()]
    places = pa.array(found, mask=found < 0)
    return _taken(part.drop_columns(ROW), places)


def _taken(table: pa.Table, places: pa.Array) -> dict[str, pa.Array | pa.ChunkedArray]:
    """Each column's values at some places."""
    return _side_by_side(
        lambda name: table[name].combine_chunks().take(places), table.column_names, rows=len(places)
    )


def _side_by_side(compute: Callable[[str], Any], names: Iterable[str], *, rows: int) -> dict[str, Any]:
    """What is computed for each column, on as many threads as there are processors: Arrow and NumPy do not
    hold Python up.

    For a few rows threads cost more than they save.
    """
    names = list(names)
    if rows < WORTH_THREADS:
        return {name: compute(name) for name in names}
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return dict(zip(names, pool.map(compute, names), strict=True))


def _with_none(values: pa.Array, column: Column) -> pa.Array:
    """A column with the value that its feature has for a lead of which nothing was known."""
    none = REGISTER[column.feature].none
    return values if none is None else values.fill_null(none)


def fetch(table: ir.Table) -> pa.Table:
    """Run an expression that has ``as_of`` and ``lead_id``, and order its rows by them, byte by byte.

    Sorted here and not by the engine: engines order texts by the rules of some language, and drag every
    column through the sort.
    """
    arrow = table.to_pyarrow()
    return pa.table(_taken(arrow, order_of(arrow.select(["as_of", "lead_id"]))))


def order_of(keys: pa.Table) -> pa.Array:
    """The places of rows by ``as_of`` and ``lead_id``, as ``fetch`` orders them."""
    return pc.sort_indices(keys, [("as_of", "ascending"), ("lead_id", "ascending")])


def frame(arrow: pa.Table, recipe: Recipe) -> pd.DataFrame:
    """A matrix, ready for a model.

    Returns
    -------
    DataFrame
        ``lead_id``, ``account_id``, ``created_at`` and ``as_of`` (datetime64[us]), numbers as float32, categories as pandas
        categories in alphabetical order. Empty is nan.
    """
    columns = {name: arrow[name].to_pandas() for name in ("lead_id", "account_id")}
    columns |= {name: arrow[name].cast(pa.timestamp("us")).to_numpy() for name in ("created_at", "as_of")}
    kinds = {column.name: column.kind for column in recipe.columns}

    def values(name: str) -> np.ndarray | pd.Categorical:
        return (
            _category(arrow[name]) if kinds[name] == "category" else arrow[name].cast(pa.float32()).to_numpy()
        )

    return pd.DataFrame(columns | _side_by_side(values, kinds, rows=len(arrow)), copy=False)


def _category(values: pa.ChunkedArray) -> pd.Categorical:
    """Texts as a categorical with sorted levels."""
    values = values.dictionary_encode().unify_dictionaries().combine_chunks()
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    levels = (
        np.array(chunks[0].dictionary.to_pylist(), dtype=object) if chunks else np.array([], dtype=object)
    )
    codes = (
        np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in chunks])
        if chunks
        else np.array([], dtype=int)
    )
    order = np.argsort(levels)
    rank = np.append(np.argsort(order), -1)  # the code -1, empty, stays -1
    return pd.Categorical.from_codes(rank[codes], categories=pd.Index(levels[order], dtype="str"))


KINDS = {"number": ("numbers", "decimal"), "date": ("times", "date_format")}


def all_there(tables: Tables, recipe: Recipe) -> None:
    """Refuse tables that lack what the recipe reads, or hold words where it read numbers or times, naming all of it."""
    lacking = [
        f"leads.{name}"
        for name in dict.fromkeys(each.name for each in recipe.attributes)
        if name not in tables.leads.columns
    ]
    lacking += [
        f"leads.{name}"
        for name in recipe.rate_keys
        if name not in tables.leads.columns and f"leads.{name}" not in lacking
    ]
    if recipe.columns_of("events"):
        events = () if tables.events is None else tables.events.columns
        wanted = [
            "kind",
            *(["channel"] if recipe.event_channels else []),
            *(["value"] if recipe.event_value else []),
        ]
        lacking += [f"events.{name}" for name in wanted if name not in events]
    if lacking:
        raise ContractError(
            f"{len(lacking)} columns that the model was fitted with are not in the data; nothing was computed.\n"
            f"  absent: {', '.join(lacking)}. Give them back at the source (empty where unknown), or train again without them."
        )
    if strange := [said for each in recipe.attributes if (said := _of_another_kind(tables.leads, each))]:
        raise ContractError(
            "\n".join(["columns are not what the model was fitted with; nothing was computed.", *strange])
        )


def _of_another_kind(leads: ir.Table, attribute: Attribute) -> str | None:
    """What is wrong with a column that holds words instead of what it held when the model was fitted."""
    if attribute.kind not in KINDS or not leads[attribute.name].type().is_string():
        return None
    what, key = KINDS[attribute.kind]
    column = leads[attribute.name]
    read = column.try_cast("float64" if attribute.kind == "number" else "timestamp")
    odd = leads.aggregate(
        all=column.count(), rows=column.count(where=read.isnull()), example=column.min(where=read.isnull())
    )
    seen = odd.to_pyarrow().to_pylist()[0]
    if not seen["all"]:
        return None
    return (
        f"  leads.{attribute.name}: held {what}, and {seen['rows']:,} of {seen['all']:,} values are none now, such as "
        f"'{seen['example']}'. Mend them at the source, name such words in [source.leads] empty, or say how they are "
        f"written in [source.leads] {key}."
    )


def sharing_sums(values: Mapping[str, ir.Value]) -> dict[str, ir.Value]:
    """Let counts share sums, three at a time, whose conditions begin alike.

    So begin ``(kind == k) & (age < 1)`` and ``(kind == k) & (age < 7)``.

    Parameters
    ----------
    values : mapping of str to value
        Aggregates over one table.

    Returns
    -------
    dict
        The same values from fewer aggregates: equal as long as no group has more than ``MOST`` rows, wrong
        beyond.
    """
    nodes = {name: value.op() for name, value in values.items()}
    alike = defaultdict(list)
    for count in dict.fromkeys(
        count for node in nodes.values() for count in node.find(ops.CountStar) if count.where is not None
    ):
        begins, ends = (
            (count.where.left, count.where.right) if isinstance(count.where, ops.And) else (None, count.where)
        )
        alike[begins].append((count, ends.to_expr()))
    read = {}
    for begins, counts in alike.items():
        for first in range(0, len(counts), 3):
            together = [
                (count, ends, DIGITS * place) for place, (count, ends) in enumerate(counts[first : first + 3])
            ]
            ones = sum(ends.ifelse(1 << shift, 0) for _, ends, shift in together).cast("float64")
            total = ones.sum(where=None if begins is None else begins.to_expr()).fill_null(0.0).cast("int64")
            read |= {count: ((total >> shift) & MOST).op() for count, _, shift in together}
    return {name: node.replace(read).to_expr() for name, node in nodes.items()}

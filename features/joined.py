"""The matrix as one table that stays on its engine, to be read or worked on there a part at a time.

What is a query of its own in ``features.matrix`` is here a part of one query: it takes the engine longer, and nobody
needs room for all rows at once.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import ibis.expr.types as ir
import pyarrow as pa

from features.as_of import ROW, known_events
from features.matrix import (
    MOST,
    all_there,
    event_rows,
    numbered,
    parts_there,
    text_columns,
    text_rows,
    with_none,
)
from features.recipe import INDEX, Recipe
from features.tables import Tables

TEXT = "__text_"  # begins the names of free texts, which become numbers where a part is worked on


@contextmanager
def joined(
    tables: Tables, cohort: ir.Table, recipe: Recipe, beside: Iterable[ir.Table] = ()
) -> Iterator[tuple[ir.Table, ir.Table]]:
    """A cohort's matrix with what stands beside it as one table of the engine, to be read inside the ``with``.

    Parameters
    ----------
    tables, cohort, recipe
        As for ``features.matrix.matrix``.
    beside : iterable of table
        ``lead_id``, at most once, and columns whose names begin with ``__``, as none of the matrix does.

    Yields
    ------
    tuple of two tables
        The rows as they stood when they were numbered, and the matrix, in no order. ``finished`` makes rows of the matrix of
        some of them.

    Raises
    ------
    ContractError
        If a column that the recipe reads is not in the tables.
    """
    all_there(tables, recipe)
    with ExitStack() as kept:
        rows = kept.enter_context(numbered(cohort).cache())
        parts = [kept.enter_context(part) for part in parts_there(rows, tables, recipe)]
        parts += [
            text_rows(rows, tables, model, f"{TEXT}{place}") for place, model in enumerate(recipe.texts)
        ]
        if recipe.columns_of("events"):
            most = known_events(tables, rows).group_by(ROW).agg(n=lambda known: known.count()).n.max()
            sharing = (most.to_pyarrow().as_py() or 0) <= MOST
            parts.append(event_rows(rows, tables, recipe, sharing=sharing).drop("__events"))
        whole = rows
        for key, others in ((ROW, parts), ("lead_id", beside)):
            for place, other in enumerate(others):
                name = f"{key}_{place}"
                other = other.rename({name: key})
                whole = whole.left_join(other, whole[key] == other[name])
        names = [column.name for column in recipe.columns]
        more = [name for name in whole.columns if name.startswith("__") and not name.startswith(ROW)]
        yield rows, whole.select(*INDEX, *(name for name in names if name in whole.columns), *more)


def finished(part: pa.Table, recipe: Recipe) -> pa.Table:
    """Rows of the matrix, as ``features.matrix.matrix`` gives them, of some rows of a joined one, in their order."""
    columns = {
        column.name: part[column.name] for column in recipe.columns if column.name in part.column_names
    }
    for place, model in enumerate(recipe.texts):
        columns |= text_columns(recipe, model, part[f"{TEXT}{place}"].to_pylist())
    return with_none(part, columns, recipe)

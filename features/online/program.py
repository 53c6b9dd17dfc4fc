"""Expressions as steps over columns in memory: each is gone through once, when a version is loaded, and never again
while leads are scored.

The definitions stay those of ``features.definitions``. What stands in them that is not known here stays with DuckDB.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np

from features.online.columns import Column, both, operation


@dataclass(frozen=True)
class Groups:
    """Rows that are aggregated: of which group each is, and how many groups there are."""

    of: np.ndarray
    count: int

    def rows(self, where: Column | None = None) -> np.ndarray:
        """In each group, how many rows meet a condition."""
        of = self.of if where is None else self.of[self._each(where.true())]
        return np.bincount(of, minlength=self.count)

    def aggregated(self, values: Column, where: Column | None, reduce: Callable[..., np.ndarray]) -> Column:
        """A group's values drawn together; empty where it has none."""
        met, kept = values.there, self._each(values.values)
        if where is not None:
            met = both(met, where.true())
        if met is None:
            return Column(reduce(self.of, kept, self.count), self.rows() > 0)
        met = self._each(met)
        of = self.of[met]
        return Column(reduce(of, kept[met], self.count), np.bincount(of, minlength=self.count) > 0)

    def _each(self, values: Any) -> np.ndarray:
        """A value for each row, where one may stand for all."""
        return values if np.ndim(values) else np.full(len(self.of), values)


def _extreme(ufunc: np.ufunc, worst: float, worst_whole: int) -> Callable[..., np.ndarray]:
    def reduce(of: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
        whole = np.issubdtype(values.dtype, np.integer)
        found = np.full(count, worst_whole if whole else worst, dtype=values.dtype)
        ufunc.at(found, of, values)
        return found

    return reduce


def _sum(of: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(of, values, minlength=count)


def _different(of: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    pairs = set(zip(of.tolist(), values.tolist(), strict=True))
    return np.bincount(np.array([group for group, _ in pairs], dtype=int), minlength=count)


WHOLE = np.iinfo(np.int64)
AGGREGATES: Mapping[type[ops.Node], Callable[..., np.ndarray]] = {
    ops.Min: _extreme(np.minimum, np.inf, WHOLE.max),
    ops.Max: _extreme(np.maximum, -np.inf, WHOLE.min),
    ops.Sum: _sum,
}


@dataclass(frozen=True)
class Step:
    """One operation: how it is computed, of the results of which steps, and the column that it reads if it is one."""

    compute: Callable[..., Column]
    of: tuple[int, ...] = ()
    reads: str | None = None
    grouped: bool = False


@dataclass
class Program:
    """Some expressions over one table.

    Attributes
    ----------
    steps : list of Step
        Each after those whose results it takes.
    results : mapping of str to int
        The step that gives each expression.
    """

    steps: list[Step] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, ir.Value], table: ir.Table) -> tuple["Program", list[str]]:
        """The program of as many expressions as can be followed, and the names of the others."""
        made, left, places = cls(), [], {}
        for name, value in values.items():
            place = made._place(value.op(), table.op(), places)
            if place is None:
                left.append(name)
            else:
                made.results[name] = place
        return made, left

    def run(self, columns: Mapping[str, Column], groups: Groups | None = None) -> dict[str, Column]:
        """Each expression's column."""
        found: list[Column] = []
        for step in self.steps:
            of = [found[place] for place in step.of]
            if step.reads is not None:
                found.append(columns[step.reads])
            else:
                found.append(step.compute(groups, *of) if step.grouped else step.compute(*of))
        return {name: found[place] for name, place in self.results.items()}

    def _place(self, node: ops.Node, table: ops.Node, places: dict[ops.Node, int | None]) -> int | None:
        """The step that gives a node, made where there is none yet; None where there can be none."""
        if node not in places:
            step = self._step(node, table, places)
            if step is not None:
                self.steps.append(step)
            places[node] = None if step is None else len(self.steps) - 1
        return places[node]

    def _step(self, node: ops.Node, table: ops.Node, places: dict[ops.Node, int | None]) -> Step | None:
        if isinstance(node, ops.Field):
            return Step(Column, reads=node.name) if node.rel == table else None
        told = _aggregate(node, table) if isinstance(node, ops.Reduction) else operation(node)
        if told is None:
            return None
        compute, children = told
        of = self._all(children, table, places)
        return None if of is None else Step(compute, of, grouped=isinstance(node, ops.Reduction))

    def _all(
        self, nodes: Sequence[ops.Node], table: ops.Node, places: dict[ops.Node, int | None]
    ) -> tuple[int, ...] | None:
        of = tuple(self._place(each, table, places) for each in nodes)
        return None if None in of else of


def _aggregate(
    node: ops.Reduction, table: ops.Node
) -> tuple[Callable[..., Column], tuple[ops.Value, ...]] | None:
    """How an aggregate is computed of its values and its condition."""
    where = () if node.where is None else (node.where,)
    match node:
        case ops.CountStar(arg=arg) if arg == table:
            return (lambda groups, met=None: Column(groups.rows(met))), where
        case ops.CountDistinct(arg=arg):

            def counted(groups: Groups, values: Column, met: Column | None = None) -> Column:
                return Column(groups.aggregated(values, met, _different).values)

            return counted, (arg, *where)
        case ops.Min(arg=arg) | ops.Max(arg=arg) | ops.Sum(arg=arg) if not arg.dtype.is_string():
            reduce = AGGREGATES[type(node)]

            def drawn(groups: Groups, values: Column, met: Column | None = None) -> Column:
                return groups.aggregated(values, met, reduce)

            return drawn, (arg, *where)
    return None

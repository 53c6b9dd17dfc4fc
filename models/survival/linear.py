"""The linear part of a hazard: one term per column, added up, fitted by ridge-penalised Newton steps.

A number's term is piecewise linear between knots at its quantiles, made of the value itself and of its rank;
beyond the outermost it goes on by the value's slope for a few deviations, for where the world drifts, tomorrow's
leads lie where none has been, and what leads them there still tells them apart; then it stays, so that no wild
value carries a lead to certainty. A category's is a level for each value that enough leads have, the rest joined; and empty has a level of its
own. Of the fit no more than a table of heights has to be kept.

References
----------
MacKay (1992), Bayesian interpolation: the penalty that the data themselves ask for.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from features.serialization import Floats
from models.survival.discrete_time import GroupedTime, over_chunks

KNOTS = np.r_[0.005, np.linspace(0.05, 0.95, 19), 0.995]
BEYOND = 3.0  # deviations that a number's slope reaches beyond the outermost knots
FEWEST_OF_LEVEL = 10  # a value that fewer leads have is joined with the other rare ones
START, WEAKEST, STRONGEST = 30.0, 1.0, 1e4  # of penalties
MOST_STEPS = 20
PENALTY_STEPS = 50
FARTHEST_STEP = 2.0  # logits that one Newton step may move a lead
CLOSE = 0.01
FEW = 32  # leads whose terms are looked up side by side


@dataclass(frozen=True)
class Term:
    """What one column adds to the score.

    Attributes
    ----------
    knots : array of float
        Where a number's heights stand; a category's positions in its list.
    heights : array of float, same shape
    empty : float
        Height where there is no value.
    rest : float or None
        Height of a category's values that have none of their own; None for a number.
    """

    knots: Floats
    heights: Floats
    empty: float
    rest: float | None = None

    def of(self, values: np.ndarray) -> np.ndarray:
        """The term of each value, in logits."""
        if self.rest is None:
            added = np.interp(values, self.knots, self.heights)
        else:
            added = self.table[np.clip(np.nan_to_num(values), 0, len(self.table) - 1).astype(int)]
        return np.where(np.isnan(values), self.empty, added)

    @cached_property
    def table(self) -> np.ndarray:
        """Of a category the height of each value, and at the end that of all others."""
        table = np.full(int(max(self.knots, default=-1)) + 2, self.rest)
        table[self.knots.astype(int)] = self.heights
        return table

    def times(self, share: float) -> "Term":
        """A share of the term."""
        rest = None if self.rest is None else share * self.rest
        return Term(self.knots, share * self.heights, share * self.empty, rest)


@dataclass(frozen=True)
class Linear:
    """The terms of the columns that tell leads apart, by position."""

    terms: dict[int, Term]

    def raw(self, encoded: pd.DataFrame, *, threads: int = 2) -> np.ndarray:
        """The sum of the terms of each encoded lead."""
        block = encoded.to_numpy()
        total = np.zeros(len(block))
        if len(block) <= FEW and self.terms:
            return np.cumsum(self._side_by_side.of(block), axis=1)[:, -1]

        def add(rows: slice) -> None:
            for column, term in self.terms.items():
                total[rows] += term.of(block[rows, column])

        over_chunks(add, len(block), threads=threads)
        return total

    def plus(self, column: int, term: Term) -> "Linear":
        """The same with a category's term added to its column."""
        there = self.terms.get(column, Term(np.zeros(0), np.zeros(0), 0.0, 0.0))
        knots = np.union1d(there.knots, term.knots)
        together = Term(
            knots, there.of(knots) + term.of(knots), there.empty + term.empty, there.rest + term.rest
        )
        return Linear(self.terms | {column: together})

    def contributions(self, encoded: pd.DataFrame) -> np.ndarray:
        """The terms, each at its column; they have mean 0 over the fit's leads and sum to ``raw``."""
        block = encoded.to_numpy()
        shares = np.zeros(block.shape)
        if len(block) <= FEW and self.terms:
            shares[:, list(self.terms)] = self._side_by_side.of(block)
            return shares
        for column, term in self.terms.items():
            shares[:, column] = term.of(block[:, column])
        return shares

    @cached_property
    def _side_by_side(self) -> "SideBySide":
        return SideBySide.of_terms(self.terms)


@dataclass(frozen=True)
class SideBySide:
    """All terms in one table each, so that those of a few leads are looked up at once: one after the other they cost a few
    leads as much as hundreds.

    Attributes
    ----------
    columns, numbers, categories : array of int
        The column of each term, and which terms are of numbers and of categories.
    knots, heights : array of float, shape (n_numbers, most knots)
        As ``Term`` has them; behind the last knot there is none, and its height goes on.
    levels : array of float, shape (n_categories, most values + 1)
        Height of each value; behind the last one that of the rest.
    empty : array of float
    """

    columns: np.ndarray
    numbers: np.ndarray
    categories: np.ndarray
    knots: np.ndarray
    heights: np.ndarray
    levels: np.ndarray
    empty: np.ndarray

    @classmethod
    def of_terms(cls, terms: dict[int, Term]) -> "SideBySide":
        of = list(terms.values())
        numbers = [place for place, term in enumerate(of) if term.rest is None]
        categories = [place for place, term in enumerate(of) if term.rest is not None]
        most = max((len(of[place].knots) for place in numbers), default=0) + 1
        knots, heights = np.full((len(numbers), most), np.nan), np.zeros((len(numbers), most))
        for row, place in enumerate(numbers):
            term = of[place]
            knots[row, : len(term.knots)] = term.knots
            heights[row] = term.heights[-1]
            heights[row, : len(term.heights)] = term.heights
        tables = [of[place].table for place in categories]
        levels = np.zeros((len(tables), max(map(len, tables), default=1)))
        for row, table in enumerate(tables):
            levels[row] = table[-1]
            levels[row, : len(table)] = table
        return cls(
            *(np.array(each, dtype=int) for each in (list(terms), numbers, categories)),
            knots,
            heights,
            levels,
            np.array([term.empty for term in of]),
        )

    def of(self, block: np.ndarray) -> np.ndarray:
        """Each term of each lead, shape (n_leads, n_terms): what ``Term.of`` gives."""
        values = block[:, self.columns].astype(float)
        found = np.empty(values.shape)
        x = values[:, self.numbers]
        row = np.arange(len(self.numbers))
        at = np.maximum((self.knots <= x[:, :, None]).sum(axis=2) - 1, 0)
        left, right = self.knots[row, at], self.knots[row, at + 1]
        low, high = self.heights[row, at], self.heights[row, at + 1]
        rise = (high - low) / (right - left) * (x - left)
        found[:, self.numbers] = np.where((x > left) & (high != low), rise, 0.0) + low
        level = np.clip(np.nan_to_num(values[:, self.categories]), 0, self.levels.shape[1] - 1).astype(int)
        found[:, self.categories] = self.levels[np.arange(len(self.categories)), level]
        return np.where(np.isnan(values), self.empty, found)


class Design:
    """The columns of the linear part over the rows of a fit: centred, numbers of unit deviation.

    A category's columns, of which at most one a lead is 1, are kept and multiplied as such and centred afterwards: a few
    hundred campaigns would else take nearly all of a fit's time.

    Parameters
    ----------
    block : array of float32, shape (n_leads, n_columns)
        Encoded leads.
    categorical : sequence of int
        Positions of the category columns.
    """

    def __init__(self, block: np.ndarray, categorical: Sequence[int]):
        kinds = set(categorical)
        shapes = [(at, _shape(block[:, at])) for at in range(block.shape[1]) if at not in kinds]
        levels = [(at, _levels(block[:, at])) for at in sorted(kinds)]
        found = [(at, each) for at, each in (*shapes, *levels) if each is not None]
        self.places = [(at, knots, basis, at in kinds) for at, (knots, basis, _) in found]
        numbers = [over for at, (_, _, over) in found if at not in kinds]
        ones = [over for at, (_, _, over) in found if at in kinds]
        nothing = np.zeros((len(block), 0), np.float32)
        self.numbers = np.concatenate([nothing, *numbers], axis=1)
        self.ones = sparse.csr_array(sparse.hstack([sparse.csr_array(nothing), *ones], dtype=float))
        middle, self.shares = self.numbers.mean(axis=0, dtype=float), self.ones.mean(axis=0)
        self.numbers -= middle.astype(np.float32)
        self.means = np.r_[middle, self.shares]

    @property
    def matrix(self) -> np.ndarray:
        """All of it, float32, shape (n_leads, n_coefficients)."""
        ones = self.ones.toarray() - self.shares
        return np.column_stack([self.numbers, ones.astype(np.float32)])

    def of(self, rows: np.ndarray) -> "Design":
        """The same columns, centred as they are, over some of the rows."""
        some = copy(self)
        some.numbers, some.ones = self.numbers[rows], self.ones[rows]
        return some

    def times(self, coefficients: np.ndarray) -> np.ndarray:
        """``matrix @ coefficients``."""
        of_number, of_level = np.split(coefficients, [self.numbers.shape[1]])
        return self.numbers @ of_number.astype(np.float32) + (self.ones @ of_level - self.shares @ of_level)

    def summed(self, weights: np.ndarray) -> np.ndarray:
        """``weights @ matrix``."""
        of_level = self.ones.T @ weights - self.shares * weights.sum(dtype=float)
        return np.r_[weights @ self.numbers, of_level]

    def squared(self, weights: np.ndarray) -> np.ndarray:
        """``matrix.T @ diag(weights) @ matrix``."""
        weighted = self.numbers * weights[:, None]
        ones = self.ones.T @ weights
        across = self.ones.T @ weighted - np.outer(self.shares, weighted.sum(axis=0, dtype=float))
        within = (self.ones.T @ (self.ones * weights[:, None])).toarray()
        within += weights.sum(dtype=float) * np.outer(self.shares, self.shares)
        within -= np.outer(self.shares, ones) + np.outer(ones, self.shares)
        return np.block([[self.numbers.T @ weighted, across.T], [across, within]])

    def linear(self, coefficients: np.ndarray) -> Linear:
        """The terms that coefficients stand for."""
        terms, start = {}, 0
        for position, knots, basis, category in self.places:
            here = slice(start, start := start + basis.shape[1])
            offset = float(self.means[here] @ coefficients[here])
            heights = basis @ coefficients[here] - offset  # the last rows of a basis: empty, and the rest
            if category:
                terms[position] = Term(knots, heights[:-2], float(heights[-2]), float(heights[-1]))
            else:
                terms[position] = Term(knots, heights[:-1], float(heights[-1]))
        return Linear(dict(sorted(terms.items())))


def fit_linear(design: Design, task: GroupedTime, penalty: float | None = None) -> tuple[np.ndarray, float]:
    """Coefficients at which the likelihood less ``penalty / 2`` times their squares is highest, and the penalty; the
    task's levels go along.

    Without a penalty, it is the one under which the data are likeliest: the number of coefficients that the
    data decide, over the sum of their squares (MacKay 1992). So a fit on few outcomes or on many idle columns
    is held back by itself, and no lead has to be kept for choosing.
    """
    coefficients = np.zeros(len(design.means))
    held = START if penalty is None else penalty
    for _ in range(MOST_STEPS):
        scores = design.times(coefficients)
        task.newton_step(scores)
        gradient, hessian = task.derivatives(scores)
        values, vectors = np.linalg.eigh(design.squared(hessian))
        values = np.maximum(values, 0.0)
        # Where the likelihood's parabola at this point is, in its own axes; in these each penalty is a division.
        pull = vectors.T @ -design.summed(gradient) + values * (vectors.T @ coefficients)
        if penalty is None:
            for _ in range(PENALTY_STEPS):
                best = pull / (values + held)
                decided = float((values / (values + held)).sum())
                held = float(np.clip(decided / max(best @ best, 1e-12), WEAKEST, STRONGEST))
        move = vectors @ (pull / (values + held)) - coefficients
        farthest = float(np.abs(design.times(move)).max(initial=0.0))
        coefficients = coefficients + move * min(1.0, FARTHEST_STEP / max(farthest, 1e-12))
        if farthest < CLOSE:
            break
    return coefficients, held


def _shape(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Knots of a number, its basis at them (the value, its rank, empty) and over the rows; None where it is
    the same in every row.
    """
    empty = np.isnan(values)
    filled = values[~empty].astype(float)
    ordered = np.sort(filled)
    knots = np.unique(np.quantile(ordered, KNOTS)) if len(filled) else np.zeros(1)
    columns = [knots] if len(knots) == 2 else []
    if len(knots) > 2:
        reach = BEYOND * np.clip(filled, knots[0], knots[-1]).std()
        rank = (np.searchsorted(ordered, knots, "left") + np.searchsorted(ordered, knots, "right")) / 2
        knots = np.r_[knots[0] - reach, knots, knots[-1] + reach]
        columns = [knots, np.r_[rank[0], rank, rank[-1]]]
    parts, heights = [], []
    for column in columns:
        if column is knots:
            over = np.clip(values, knots[0], knots[-1], dtype=float)  # a third of what to interpolate takes
        else:
            over = np.interp(values, knots, column)
        mean, deviation = over[~empty].mean(), over[~empty].std()
        deviation = deviation if deviation > 0 else 1.0
        parts.append(np.where(empty, 0.0, (over - mean) / deviation))
        heights.append(np.append((column - mean) / deviation, 0.0))
    if empty.any() and len(filled):
        parts.append(empty.astype(float))
        heights.append(np.append(np.zeros(len(knots)), 1.0))
    if not parts:
        return None
    return knots, np.column_stack(heights), np.column_stack(parts).astype(np.float32)


def _levels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, sparse.csr_array] | None:
    """Values of a category that enough leads have, their basis (one each, empty, none for the rest) and the
    same over the rows.
    """
    empty = np.isnan(values)
    places = np.where(empty, -1, np.nan_to_num(values)).astype(int)
    counts = np.bincount(places + 1)
    common = np.flatnonzero(counts[1:] >= FEWEST_OF_LEVEL)
    told = [*common, -1] if counts[0] >= FEWEST_OF_LEVEL else list(common)
    if not told or counts.max(initial=0) == len(values):
        return None
    basis = np.zeros((len(common) + 2, len(told)))
    basis[np.arange(len(told)), np.arange(len(told))] = 1.0  # empty, where told, is the row after the values
    column = np.full(len(counts), -1)
    column[np.array(told) + 1] = np.arange(len(told))
    rows = np.flatnonzero(column[places + 1] >= 0)
    ones = np.ones(len(rows)), (rows, column[places[rows] + 1])
    return common.astype(float), basis, sparse.csr_array(ones, shape=(len(values), len(told)))

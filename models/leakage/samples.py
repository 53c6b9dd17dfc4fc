"""The leads on which columns are tried, and the columns that are tried on them.

They are drawn once, so that a million leads cost no more than some ten thousand.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import ContractError
from features.recipe import Recipe
from models.dataset import LearningSet
from models.survival.encoding import categorical_columns, categories_of, encode

DAY = np.timedelta64(1, "D")
FEWEST = 30
FOLDS = 3
SPANS = 20
AGES = ((0, 10), (90, 130), (180, 220))
YEAR = 365
MODELLED_ROWS = 10_000


@dataclass(frozen=True)
class Sample:
    """Leads on which columns are tried.

    Attributes
    ----------
    rows : array of int, shape (n,)
        Which leads of the learning set.
    outcome : array of bool, shape (n,)
        What a column must not tell too well.
    folds : array of int, shape (n,)
        What is learned of a lead is learned from the other folds.
    spans : array of int, shape (n,)
        Leads are compared with leads of the same span of time.
    """

    rows: np.ndarray
    outcome: np.ndarray
    folds: np.ndarray
    spans: np.ndarray

    @property
    def fewest(self) -> int:
        """How many leads have the rarer outcome."""
        return int(min(self.outcome.sum(), (~self.outcome).sum()))

    @property
    def inverse(self) -> "Sample":
        """The same leads, asked for the opposite."""
        return Sample(self.rows, ~self.outcome, self.folds, self.spans)

    def newest(self, most: int) -> "Sample":
        """The last of the leads."""
        return self.where(np.arange(len(self.rows)) >= len(self.rows) - most)

    def where(self, chosen: np.ndarray) -> "Sample":
        """Some of the leads."""
        return Sample(self.rows[chosen], self.outcome[chosen], self.folds[chosen], self.spans[chosen])


@dataclass(frozen=True)
class Drawn:
    """All that is looked at.

    Attributes
    ----------
    outcomes : dict of str to Sample
        By what columns must not tell; those with at least 30 leads on either side.
    ages : tuple of Sample, or None
        Mature leads beside fresh ones; older leads beside mature ones; and, where leads go back far enough,
        what the first were a year earlier, when only the season told them apart. None without dates.
    """

    outcomes: dict[str, Sample]
    ages: tuple[Sample, ...] | None

    @property
    def rows(self) -> np.ndarray:
        """Every lead that is looked at, once, ascending."""
        return _all_rows([*self.outcomes.values(), *(self.ages or ())])

    def modelled(self, names: Iterable[str]) -> dict[str, Sample]:
        """The newest leads of the models' own outcomes: for these all columns of the matrix are looked at
        together.
        """
        return {name: self.outcomes[name].newest(MODELLED_ROWS) for name in names if name in self.outcomes}

    def modelled_rows(self, names: Iterable[str]) -> np.ndarray:
        """Every lead of these, once, ascending."""
        return _all_rows(self.modelled(names).values())


def _all_rows(samples: Iterable[Sample]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty(0, dtype=np.intp), *(sample.rows for sample in samples)]))


def draw(learning: LearningSet, most: int, seed: int) -> Drawn:
    """Draw the leads to look at, at most ``most`` for each outcome and age."""
    outcomes = {
        name: sample
        for name, sample in outcome_samples(learning, most, seed).items()
        if sample.fewest >= FEWEST
    }
    return Drawn(outcomes, age_samples(learning, most, seed) if has_dates(learning) else None)


def outcome_samples(learning: LearningSet, most: int, seed: int) -> dict[str, Sample]:
    """What columns must not tell: the models' outcomes of mature leads and, as columns are as of today, who
    is closed by today.

    A lead that had its outcome after the horizon looks today like one that had it in time, and is on neither
    side.
    """
    fates = learning.fates
    won, lost, accepted = (fates[f"{stage}_at"].notna().to_numpy() for stage in ("won", "lost", "accepted"))
    ever = {"convert": won, "pursue": won | accepted}
    samples = {}
    for name in learning.names:
        labels = learning.labels(name)
        rows = np.flatnonzero(labels.mature & ((labels.outcome == 1) | ~ever[name]))[-most:]
        samples[name] = _sample(learning, rows, labels.outcome[rows] == 1, SPANS, seed)
    closed, at_risk = won | lost, np.flatnonzero(learning.labels("convert").at_risk)
    is_open = at_risk[~closed[at_risk]]
    # Closed leads from before the oldest open one have nobody of their time to be compared with.
    is_closed = at_risk[closed[at_risk] & (at_risk >= is_open.min(initial=len(fates)))]
    rows = np.sort(np.concatenate([_thinned(is_open, most // 2), _thinned(is_closed, most // 2)]))
    return samples | {"closed": _sample(learning, rows, closed[rows], SPANS, seed)}


def age_samples(learning: LearningSet, most: int, seed: int) -> tuple[Sample, ...]:
    """Mature leads beside fresh ones, older leads beside mature ones, and the former a year earlier; the
    outcome is to be of the elder.
    """
    age = (np.datetime64(learning.known_until, "us") - as_of_times(learning)) / DAY

    def aged(least: int, most_days: int) -> np.ndarray:
        return _thinned(np.flatnonzero((age >= least) & (age <= most_days)), most // 2)

    fresh, mature, older = (aged(*days) for days in AGES)
    a_year_before = [aged(least + YEAR, above + YEAR) for least, above in AGES[:2]]
    pairs = [(mature, fresh), (older, mature)]
    if min(map(len, a_year_before)) >= FEWEST:
        pairs.append((a_year_before[1], a_year_before[0]))
    return tuple(
        _sample(
            learning, np.append(elder, younger), np.arange(len(elder) + len(younger)) < len(elder), 1, seed
        )
        for elder, younger in pairs
    )


def _sample(learning: LearningSet, rows: np.ndarray, outcome: np.ndarray, spans: int, seed: int) -> Sample:
    """Rows with the leads of an account in one fold, and the rows' order cut into spans of equal numbers of
    leads.
    """
    account = pd.factorize(learning.frame["account_id"].iloc[rows])[0]
    fold_of = np.random.default_rng(seed).integers(FOLDS, size=len(rows))
    return Sample(rows, outcome, fold_of[account], np.arange(len(rows)) * spans // max(len(rows), 1))


def _thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """Rows evenly over all."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def has_dates(learning: LearningSet) -> bool:
    """Whether times are real, and not made up from an order of rows."""
    return any(attribute.kind == "calendar" for attribute in learning.recipe.attributes)


def as_of_times(learning: LearningSet) -> np.ndarray:
    """When each lead was (or would have been) scored."""
    return learning.frame["as_of"].to_numpy("datetime64[us]")


def source_columns(recipe: Recipe) -> list[str]:
    """The columns of the leads table that a recipe reads, each once: those that can leak."""
    return list(
        dict.fromkeys(attribute.name for attribute in recipe.attributes if attribute.kind != "calendar")
    )


def places_by_source(recipe: Recipe) -> dict[str, list[int]]:
    """The places of a recipe's columns by what they are made of: a column of the leads table, or a group of
    features.
    """
    found: dict[str, list[int]] = {}
    for place, column in enumerate(recipe.columns):
        arguments = dict(column.arguments)
        found.setdefault(arguments.get("attribute") or arguments.get("key") or column.group, []).append(place)
    return found


def places_of(leads: pd.Series, table: pd.DataFrame, name: str) -> np.ndarray:
    """The row of a table that is about each of some leads; -1 where none is."""
    if "lead_id" not in table.columns:
        raise ContractError(f"{name} has no column lead_id; no column was judged.")
    if repeated := table["lead_id"].duplicated().sum():
        raise ContractError(f"{name} repeats {repeated} leads; no column was judged. Keep one row per lead.")
    return pd.Index(table["lead_id"]).get_indexer(leads)


def beside(learning: LearningSet, raw: pd.DataFrame, columns: list[str], rows: np.ndarray) -> pd.DataFrame:
    """The columns of the leads table for some rows of the learning set, whose numbers are the index."""
    places = places_of(learning.frame["lead_id"].iloc[rows], raw, "the leads table")
    lacking = [f"column {name}" for name in columns if name not in raw.columns]
    if lacking or (places < 0).any():
        lacking += [f"{(places < 0).sum()} of {len(places)} leads"] if (places < 0).any() else []
        raise ContractError(
            f"the leads table lacks what is to be learned from; no column was judged.\n  absent: {', '.join(lacking)}."
        )
    return raw[columns].iloc[places].set_axis(rows)


def matrix_of(
    learning: LearningSet, matrix: pd.DataFrame | None, sample: Sample
) -> tuple[np.ndarray, list[int]]:
    """The matrix of a sample, and which of its columns are categories."""
    looked_at = learning.frame.iloc[sample.rows]
    if matrix is not None:
        looked_at = matrix.iloc[places_of(looked_at["lead_id"], matrix, "the matrix")]
    categories = categories_of(looked_at, learning.recipe)
    return encode(looked_at, categories).to_numpy(), categorical_columns(categories)

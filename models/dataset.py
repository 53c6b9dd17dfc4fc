"""What there is to learn from: every lead as it was known, and what became of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from features.labels import Labels, both_labels, convert_labels, pursue_labels, taken_up_before
from features.recipe import Recipe
from models.survival.encoding import Categories, binned, categorical_columns, categories_of, encode

LABELS = {"pursue": pursue_labels, "convert": convert_labels, "both": both_labels}
MODELS = ("pursue", "convert")


@dataclass(frozen=True)
class LearningSet:
    """Leads with their columns and fates. What every fit needs of them is computed on first use, once.

    Attributes
    ----------
    frame : data frame
        ``lead_id, account_id, created_at, as_of`` and the recipe's columns, ordered by ``as_of, lead_id``.
    fates : data frame
        What became of the same leads, row by row beside ``frame``.
    recipe : Recipe
        How the columns were computed, and the horizons.
    stages, outcome_times
        Of the tables that both came from.
    known_until : datetime
        Nothing recorded later is used, to learn or to judge.
    logged : data frame, optional
        What the decision log says of the same leads, row by row: ``arm`` (empty where we never decided),
        ``cut``, the cut in force (NaN where none was), and ``by_skill``, whether somebody got it for what that
        person had won before. None where nothing was decided yet.
    """

    frame: pd.DataFrame
    fates: pd.DataFrame
    recipe: Recipe
    stages: tuple[str, ...]
    outcome_times: bool
    known_until: datetime
    logged: pd.DataFrame | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models that can be learned: "pursue" only where the source can tell acceptance, and "convert"."""
        return MODELS if "accepted" in self.stages else MODELS[1:]

    @property
    def judged_names(self) -> tuple[str, ...]:
        """What can be judged: the models, and where there are two of them, "both", their product."""
        return (*self.names, "both") if len(self.names) > 1 else self.names

    @property
    def dealt(self) -> np.ndarray:
        """Leads of which it was luck who got them, as far as we know."""
        everybody = np.ones(len(self.fates), bool)
        return everybody if self.logged is None else ~self.logged["by_skill"].to_numpy(bool)

    @cached_property
    def taken(self) -> np.ndarray:
        """Leads that sales had taken up before they were scored: of them, nobody asks whether it will."""
        return taken_up_before(self.fates, self.stages, self.outcome_times)

    @property
    def taken_days(self) -> np.ndarray:
        """For how many days sales had had each of them, as a scorer wants it: their clock starts when they are
        scored.
        """
        return np.where(self.taken, 0.0, np.nan)

    def horizon(self, name: str) -> float:
        """Days within which a model's outcome counts."""
        return getattr(self.recipe.horizons, f"{name}_days")

    def labels(self, name: str, at: datetime | None = None) -> Labels:
        """A model's labels, or those of "both", as they were known at a moment; by default at the end."""
        return (
            self._final[name]
            if at is None
            else LABELS[name](self.fates, self.recipe.horizons, at, self.stages, self.outcome_times)
        )

    @cached_property
    def _final(self) -> dict[str, Labels]:
        """Every model's labels at the end: one half of the program after the other asks for them."""
        return {name: self.labels(name, at=self.known_until) for name in LABELS}

    def until(self, moment: datetime) -> "LearningSet":
        """What was there to learn from at an earlier moment: the leads scored before it, and what had become
        of them by then.
        """
        rows = slice(
            0,
            int(np.searchsorted(self.frame["as_of"].to_numpy("datetime64[us]"), np.datetime64(moment, "us"))),
        )
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            fates=self.fates.iloc[rows].reset_index(drop=True),
            known_until=moment,
            logged=None if self.logged is None else self.logged.iloc[rows].reset_index(drop=True),
        )

    @cached_property
    def categories(self) -> Categories:
        """The columns, with the values of categories."""
        return categories_of(self.frame, self.recipe)

    @cached_property
    def encoded(self) -> pd.DataFrame:
        """All leads as numbers."""
        return encode(self.frame, self.categories)

    @cached_property
    def data(self) -> lgb.Dataset:
        """All leads binned once for many fits.

        Bin edges come from all rows, later ones among them: that moves no label and at most the place where a
        split may fall, and saves binning a million rows for every block.

        Raises
        ------
        TooLittleDataError
            If every column says the same of every lead.
        """
        data = binned(self.encoded, categorical_columns(self.categories))
        if not any(data.feature_num_bin(column) > 1 for column in range(data.num_feature())):
            raise TooLittleDataError(
                f"nothing tells {len(self.frame):,} leads apart: no column that may be used differs from one to another, so all scores "
                "would be equal; nothing was learned. Map columns that differ from lead to lead, or events."
            )
        return data

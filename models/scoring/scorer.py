"""The scorer: a lead's chance to be taken up, to become a customer once taken up, and both; one of them is
its score, which orders leads, is cut, and gives the grade.

It is kept as data, never as code. Beside each grade's letter stands what its leads have come to, with an
exact interval.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import ValidationError

from features.errors import ContractError, TooLittleDataError
from features.labels import Labels
from features.recipe import Recipe
from features.serialization import dump, load
from models.scoring.calibration import UNCHANGED, CalibratedHazard, Platt
from models.scoring.grades import GRADES
from models.scoring.grouping import Grouping
from models.scoring.selection import Selection, left_waiting
from models.scoring.spread import between
from models.scoring.usual import usual_values
from models.survival.encoding import Categories, binned, categorical_columns, categories_of, encode
from models.survival.hazard import HazardParameters, fit_hazard

FORMAT = 10
GRADE_SHARES = (0.2, 0.5, 0.8)
FILE = "scorer.json"

Score = Literal["p_pursue", "p_convert", "p_both"]
WorkedBy = Literal["forced", "luck", "bounds"]


@dataclass(frozen=True)
class Target:
    """What one model learns from: labels, how much each row counts, and the calibration found on forward scores."""

    labels: Labels
    platt: Platt = UNCHANGED
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Scorer:
    """Everything needed to score a lead's feature matrix, and to word it.

    Attributes
    ----------
    recipe : Recipe
        How the matrix is computed, and the horizons; its fingerprint is checked when a scorer is loaded.
    categories : dict
        The matrix's columns in order; values of category columns, None for numbers.
    pursue, convert : CalibratedHazard or None
        None where the source cannot tell, or had too little to learn from.
    score_of : "p_both", "p_convert" or "p_pursue"
        The chance that is the score.
    grade_edges : tuple of three floats
        Lower bounds of the grades C, B and A in the score: fixed at the fit, so a grade means the same from
        week to week.
    usual : dict
        Median of each column among the leads of the fit, and of a category the value that most of them had; None
        where there is none.
    base_rates : dict
        Share with the outcome among leads whose horizon had passed: "pursue" and "convert", None where there
        is none.
    filled : dict
        Share of the fit's leads that had a value, by column.
    worked_by : "forced", "luck", "bounds" or None
        How the chance if worked is known: from leads that sales was asked to work, from the luck of who got
        them, or between bounds; None where sales is not seen to choose among leads.
    selection : Selection or None
        What the luck of who got them tells; None where it tells nothing, or is not needed.
    level_error : float
        Squared logits by which the level that forced leads set may be off.
    """

    recipe: Recipe
    categories: Categories
    pursue: CalibratedHazard | None
    convert: CalibratedHazard | None
    score_of: Score
    grade_edges: tuple[float, float, float]
    usual: dict[str, float | str | None]
    base_rates: dict[str, float | None]
    filled: dict[str, float]
    worked_by: WorkedBy | None = None
    selection: Selection | None = None
    level_error: float = 0.0

    @cached_property
    def grouping(self) -> Grouping:
        """Which columns are told of together."""
        return Grouping.of(self.recipe.columns)

    @property
    def models(self) -> dict[str, CalibratedHazard]:
        """The models there are, by name."""
        return {
            name: model
            for name, model in (("pursue", self.pursue), ("convert", self.convert))
            if model is not None
        }

    @property
    def scored(self) -> tuple[CalibratedHazard, ...]:
        """The models that the score is made of."""
        alone = self.models.get(self.score_of.removeprefix("p_"))
        return tuple(self.models.values()) if alone is None else (alone,)

    def score(
        self,
        frame: pd.DataFrame,
        taken_days: np.ndarray | None = None,
        waited_days: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Probabilities and grade of each row of a feature matrix.

        Parameters
        ----------
        frame : DataFrame
        taken_days : array of float, optional
            For how many days sales has had each lead, as ``features.outcomes.days_taken`` counts them; NaN where
            it has not taken it up. Without it, it has taken up nobody.
        waited_days : array of float, optional
            For how many days each of the others has waited, as ``features.outcomes.days_waited`` counts them;
            without it, all have just arrived.

        Returns
        -------
        data frame
            ``p_pursue``, ``p_convert`` (of those taken up; empty where there is no such model), ``p_both``
            (their product, or the only one there is), ``score`` (one of the three), ``grade``, and ``p_worked``
            with ``low`` and ``high``: the chance to become a customer if sales works the lead, empty where
            only its bounds are known. Where sales is not seen to choose, the bounds are the score's own. The
            index is the frame's. A lead that has waited keeps the score of its arrival, by which the cut was
            certified; what it is worth if worked is that of leads left waiting so long, which sales has had the
            best of already.
        """
        return self.score_encoded(encode(frame, self.categories), taken_days, waited_days)

    def score_encoded(
        self,
        encoded: pd.DataFrame,
        taken_days: np.ndarray | None = None,
        waited_days: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """The same of a matrix that ``models.survival.encoding.encode`` has encoded with this scorer's
        categories.
        """
        return pd.DataFrame(self.chances(encoded, taken_days, waited_days), index=encoded.index)

    def chances(
        self,
        encoded: pd.DataFrame,
        taken_days: np.ndarray | None = None,
        waited_days: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The same, column by column."""
        scores = {"p_pursue": np.full(len(encoded), np.nan), "p_convert": np.full(len(encoded), np.nan)}
        raw = {name: model.hazard.raw(encoded) for name, model in self.models.items()}
        for name, model in self.models.items():
            scores[f"p_{name}"] = model.of_raw(raw[name])
        if taken_days is not None and self.pursue and (taken := np.isfinite(taken_days)).any():
            scores["p_pursue"][taken] = 1.0
            if self.convert:
                scores["p_convert"][taken] = self.convert.from_now(raw["convert"][taken], taken_days[taken])
        scores["p_both"] = np.prod([scores[f"p_{name}"] for name in self.models], axis=0)
        scores["score"] = self.score_from(scores)
        scores["grade"] = self.grades(scores["score"])
        decisive = "convert" if self.convert else "pursue"
        chance = low = high = scores[f"p_{decisive}"]
        if self.worked_by in ("luck", "bounds"):
            p_pursue = scores["p_pursue"]
            still = self._still(raw["pursue"], p_pursue, waited_days)
            if self.selection:
                chance, low, high = (
                    left_waiting(worked, p_pursue, scores["p_convert"], still)
                    for worked in self.selection.worked(p_pursue, scores["p_convert"])
                )
            else:
                # A lead that sales passes over is no better than its twin that was taken up, and no worse than one
                # that never buys.
                low = high * still
        events = self.models[decisive].hazard.events
        low, high = between(low, high, events, self.worked_by, level_error=self.level_error)
        known = self.worked_by in ("forced", "luck")
        scores["p_worked"] = chance if known else np.full(len(encoded), np.nan)
        return {**scores, "low": low, "high": high}

    def _still(self, raw: np.ndarray, p_pursue: np.ndarray, waited_days: np.ndarray | None) -> np.ndarray:
        """The chance that sales takes up a lead that has waited so long."""
        still = p_pursue.copy()
        if waited_days is not None and (late := (waited_days > 0) & (p_pursue < 1)).any():
            still[late] = self.pursue.from_now(raw[late], waited_days[late])
        return still

    def score_from(self, chances: Mapping[str, np.ndarray]) -> np.ndarray:
        """The score of leads whose ``p_pursue`` and ``p_convert`` are known, as far as it is made of them."""
        names = [f"p_{name}" for name in self.models] if self.score_of == "p_both" else [self.score_of]
        return np.prod([np.asarray(chances[name], float) for name in names], axis=0)

    def grades(self, score: np.ndarray) -> np.ndarray:
        """A to D by the bands that were fixed at the fit."""
        return np.array(GRADES[::-1], dtype=object)[np.searchsorted(self.grade_edges, score, side="right")]

    def save(self, folder: Path) -> None:
        """Write ``scorer.json`` and one text file of trees for each model."""
        folder.mkdir(parents=True, exist_ok=True)
        trees = {name: model.hazard.booster.model_to_string().encode() for name, model in self.models.items()}
        for name, text in trees.items():
            (folder / f"{name}.txt").write_bytes(text)
        content = {
            "format": FORMAT,
            "fingerprint": self.recipe.fingerprint,
            "trees": {name: sha256(text).hexdigest() for name, text in trees.items()},
            "scorer": dump(self),
        }
        (folder / FILE).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def load_scorer(folder: Path) -> Scorer:
    """The scorer that was saved in a folder; it gives the very same scores, to the bit.

    Raises
    ------
    ContractError
        If the folder holds no scorer, one of another format, one that is damaged, or one whose features this
        version computes differently.
    """
    if not (folder / FILE).is_file():
        raise ContractError(f"{folder} holds no {FILE}; no scorer was loaded.")
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except ValueError:
        raise damaged(folder / FILE) from None
    if content.get("format") != FORMAT:
        raise ContractError(
            f"{folder} holds a scorer of format {content.get('format')!r}, this version reads {FORMAT}; nothing was loaded. Train again."
        )
    values = content["scorer"]
    for name, digest in content["trees"].items():
        values[name]["hazard"]["booster"] = lgb.Booster(model_str=_trees(folder / f"{name}.txt", digest))
    try:
        scorer = load(Scorer, values)
    except ValidationError:
        raise damaged(folder / FILE) from None
    if scorer.recipe.fingerprint != content["fingerprint"]:
        raise ContractError(
            f"the scorer in {folder} was fitted on features {content['fingerprint']}, "
            f"which this version computes as {scorer.recipe.fingerprint}; nothing was loaded. Train again."
        )
    return scorer


def _trees(file: Path, digest: str) -> str:
    """A model's text, as it was written: LightGBM ends the whole process over one that is cut off."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise damaged(file) from None
    if sha256(text).hexdigest() != digest:
        raise damaged(file)
    return text.decode()


def damaged(file: Path) -> ContractError:
    """What is wrong with a saved scorer, and the mend."""
    return ContractError(
        f"'{file}' is damaged; nothing was loaded. Put it back from a backup, or train again."
    )


def fit_scorer(
    frame: pd.DataFrame,
    *,
    pursue: Target | None,
    convert: Target | None,
    recipe: Recipe,
    parameters: HazardParameters,
    score: Score = "p_both",
    grade_scores: np.ndarray | None = None,
    data: tuple[Categories, pd.DataFrame, lgb.Dataset] | None = None,
) -> Scorer:
    """Fit both models on all that is known.

    Parameters
    ----------
    frame : data frame
        The feature matrix, one row per entry of each target's labels.
    pursue, convert : Target or None
        What each model learns from; its ``platt`` comes from forward scores, never from these fits' own.
    score : "p_both", "p_convert" or "p_pursue"
        Which chance is the score where both are known; else it is the one that is.
    grade_scores : array of float, optional
        Forward scores whose quantiles become the grades' bounds. Without them the fit's own scores serve.
    data : categories, encoded frame and dataset, optional
        What ``categories_of``, ``encode`` and ``binned`` give, where they exist already.

    Raises
    ------
    TooLittleDataError
        If neither model has anything to learn from.
    """
    if data is None:
        categories = categories_of(frame, recipe)
        encoded = encode(frame, categories)
        data = (
            categories,
            encoded,
            binned(encoded, categorical_columns(categories), threads=parameters.threads),
        )
    categories, encoded, rows = data
    targets = {
        name: target for name, target in (("pursue", pursue), ("convert", convert)) if target is not None
    }

    def fitted(name: str) -> CalibratedHazard:
        target, horizon = targets[name], getattr(recipe.horizons, f"{name}_days")
        hazard = fit_hazard(
            encoded, target.labels, horizon=horizon, parameters=parameters, weights=target.weights, data=rows
        )
        return CalibratedHazard(hazard=hazard, platt=target.platt)

    with ThreadPoolExecutor(
        parameters.threads
    ) as pool:  # while one fit waits for Python, the other grows trees
        models = dict(zip(targets, pool.map(fitted, targets), strict=True))
    if not models:
        raise TooLittleDataError(
            "there is neither a pursue nor a convert outcome to learn from; nothing was fitted."
        )
    scorer = Scorer(
        recipe=recipe,
        categories=categories,
        pursue=models.get("pursue"),
        convert=models.get("convert"),
        score_of=score if len(models) > 1 else f"p_{next(iter(models))}",
        worked_by="bounds" if len(models) > 1 else None,
        grade_edges=(0.0, 0.0, 0.0),
        usual=usual_values(frame, categories),
        base_rates={"pursue": base_rate(pursue), "convert": base_rate(convert)},
        filled={name: float(frame[name].notna().mean()) for name in categories},
    )
    scores = scorer.score(frame)["score"].to_numpy() if grade_scores is None else grade_scores
    return replace(scorer, grade_edges=grade_edges(scores))


def grade_edges(scores: np.ndarray) -> tuple[float, float, float]:
    """Lower bounds of the grades C, B and A, so that of these leads a fifth is an A and a fifth a D; empty
    scores are passed over.
    """
    return tuple(float(edge) for edge in np.quantile(scores[~np.isnan(scores)], GRADE_SHARES))


def base_rate(target: Target | None) -> float | None:
    """Share with the outcome among leads whose horizon has passed."""
    if target is None or not target.labels.mature.any():
        return None
    return float(np.mean(target.labels.outcome[target.labels.mature]))

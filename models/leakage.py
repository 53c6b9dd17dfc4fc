"""The leak guard: which lead columns know what they could not have known when the lead was to be scored.

Four detectors look at every column of the leads table that the model reads. *Knowledge time*: its values were others while the leads were
young. *Strength*: alone, or by its emptiness alone, it tells outcomes better than what is known in advance does. *Fresh against mature*:
it tells leads of days from leads of months, beyond what drift explains: it is filled in later. *Uniqueness*: leaving it out costs far
more than leaving out any other.

Only the first one knows; the others suspect, and a person decides. Nothing is dropped here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from features.errors import ContractError
from features.recipe import Recipe
from models import leak_detectors as measure
from models.encoding import categorical_columns, encode
from models.leak_detectors import DAY, Sample, Strength, age_samples, as_of_times, has_dates, levels_beside, outcome_samples
from models.learning import LearningSet

Verdict = Literal["known too late", "suspicious", "ok"]
Detector = Literal["knowledge time", "strength", "fresh against mature", "uniqueness"]
Share = Annotated[float, Field(gt=0, lt=1)]
Times = Annotated[float, Field(gt=1)]

FEWEST = 30
FEWEST_PEERS = 4
ERRORS = 2.0
BY_CHANCE = 1e-4
YOUNG_DAYS = 30
UNIQUENESS_ROWS = 10_000
SIDES = {"convert": ("won", "not won"), "pursue": ("taken up", "not taken up"), "closed": ("closed", "open")}


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class LeakSettings:
    """From where on a column is conspicuous.

    Attributes
    ----------
    changed : float
        Share of leads whose value is not what it was while they were young.
    growth : float
        By how much the AUC that tells fresh leads from mature ones exceeds the AUC that tells mature ones from older ones.
    auc, emptiness_auc : float
        With which a column, or its emptiness, tells an outcome alone; exceeded by two standard errors.
    one_sided : float
        How many times as common it is to be filled in (or to be empty) on one side of an outcome as on the other.
    cost, uniqueness : float
        Leaving it out costs this share of the outcome's entropy, and so many times what any lighter column costs.
    rows : int
        At most so many leads are looked at for each outcome, the newest.
    """

    changed: Share = 0.05
    growth: Share = 0.08
    auc: Share = 0.90
    emptiness_auc: Share = 0.65
    one_sided: Times = 20.0
    cost: Share = 0.15
    uniqueness: Times = 10.0
    rows: Annotated[int, Field(ge=100)] = 20_000
    seed: int = 0


USUAL = LeakSettings()


@dataclass(frozen=True)
class Leak:
    """What is thought of one column.

    Attributes
    ----------
    column : str
        Of the leads table.
    verdict : "known too late", "suspicious" or "ok"
    detector : str or None
        The weightiest that objects.
    value : float or None
        What that one measured: a share of leads, an AUC, a difference of two, or a share of the outcome's entropy.
    why : str
        In words, of all that object; where none does, which could not look.
    """

    column: str
    verdict: Verdict
    detector: Detector | None
    value: float | None
    why: str

    def to_json(self) -> dict[str, str | float | None]:
        """An entry of the interface's ``leaks``."""
        return asdict(self)


def find_leaks(
    learning: LearningSet, raw: pd.DataFrame, *, earlier: pd.DataFrame | None = None, settings: LeakSettings = USUAL
) -> tuple[Leak, ...]:
    """Judge every column of the leads table that the model reads.

    Parameters
    ----------
    learning : LearningSet
    raw : DataFrame
        The leads table as it is at ``learning.known_until``: ``lead_id`` and the attributes, a row for each lead, in any order.
    earlier : DataFrame, optional
        The same of an older snapshot, with the leads and columns that it has. Its youngest leads count: the values of others may have
        changed before it was taken.
    settings : LeakSettings

    Returns
    -------
    tuple of Leak
        One for each column, "ok" or not, in the recipe's order. Columns that the recipe leaves out are not judged.

    Raises
    ------
    ContractError
        If a table repeats a lead or has no ``lead_id``, or if ``raw`` lacks leads or columns of the learning set.

    References
    ----------
    Kaufman, Rosset, Perlich, Stitelman (2012), Leakage in data mining.
    """
    columns = source_columns(learning.recipe)
    today = _beside(learning, raw, columns)
    samples = {name: sample for name, sample in outcome_samples(learning, settings.rows, settings.seed).items() if sample.fewest >= FEWEST}
    found: list[Leak] = []
    blind = []
    for detector, said in (
        ("knowledge time", _knowledge_time(learning, today, earlier, settings)),
        ("strength", _strength(learning, today, samples, settings)),
        ("fresh against mature", _fresh_against_mature(learning, today, settings)),
    ):
        if isinstance(said, str):
            blind.append(f"{detector} ({said})")
        else:
            found += said
    # A leak that is found hides how much another one tells: both tell the same.
    found += _uniqueness(learning, samples, {leak.column for leak in found}, settings)

    fine = "no detector objects" + (f"; could not look: {', '.join(blind)}" if blind else "")
    objections = {column: [leak for leak in found if leak.column == column] for column in columns}
    return tuple(_together(of) if of else Leak(column, "ok", None, None, fine) for column, of in objections.items())


def source_columns(recipe: Recipe) -> list[str]:
    """The columns of the leads table that a recipe reads, each once: those that can leak."""
    return list(dict.fromkeys(attribute.name for attribute in recipe.attributes if attribute.kind != "calendar"))


def _together(objections: list[Leak]) -> Leak:
    """The weightiest objection, with the words of all."""
    first = objections[0]
    return Leak(first.column, first.verdict, first.detector, first.value, "; ".join(leak.why for leak in objections))


def _places(learning: LearningSet, table: pd.DataFrame, name: str) -> np.ndarray:
    """The row of a table that is about each lead of the learning set; -1 where none is."""
    if "lead_id" not in table.columns:
        raise ContractError(f"{name} has no column lead_id; no column was judged.")
    if repeated := table["lead_id"].duplicated().sum():
        raise ContractError(f"{name} repeats {repeated} leads; no column was judged. Keep one row per lead.")
    return pd.Index(table["lead_id"]).get_indexer(learning.frame["lead_id"])


def _beside(learning: LearningSet, raw: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns of the leads table, row by row beside the learning set."""
    places = _places(learning, raw, "the leads table")
    lacking = [f"column {name}" for name in columns if name not in raw.columns]
    if lacking or (places < 0).any():
        lacking += [f"{(places < 0).sum()} of {len(places)} leads"] if (places < 0).any() else []
        raise ContractError(f"the leads table lacks what is to be learned from; no column was judged.\n  absent: {', '.join(lacking)}.")
    return raw[columns].iloc[places].reset_index(drop=True)


def _knowledge_time(
    learning: LearningSet, today: pd.DataFrame, earlier: pd.DataFrame | None, settings: LeakSettings
) -> list[Leak] | str:  # fmt: skip
    """Columns whose values were others in an earlier snapshot, for leads that were young then."""
    if earlier is None:
        return "no earlier snapshot"
    places = _places(learning, earlier, "the earlier leads table")
    young = np.flatnonzero(places >= 0)
    if len(young) and has_dates(learning):
        as_of = as_of_times(learning)[young]
        young = young[as_of >= as_of.max() - YOUNG_DAYS * DAY]
    young = young[-settings.rows :]
    if len(young) < FEWEST:
        return f"{len(young)} young leads in the earlier snapshot, {FEWEST} are needed"
    found = []
    for column in today.columns.intersection(earlier.columns):
        share = float(np.mean(measure.changed(earlier[column].iloc[places[young]], today[column].iloc[young])))
        if share > settings.changed:
            why = f"{share:.0%} of {len(young):,} leads had another value while they were young"
            found.append(Leak(column, "known too late", "knowledge time", share, why))
    return found


def _strength(learning: LearningSet, today: pd.DataFrame, samples: Mapping[str, Sample], settings: LeakSettings) -> list[Leak] | str:
    """Columns that tell an outcome alone: of each, what is to be said against it most."""
    if not samples:
        return f"fewer than {FEWEST} leads on one side of every outcome"
    found = []
    for column in today.columns:
        told: list[tuple[float, str]] = []
        for name, sample in samples.items():
            told += _told(levels_beside(learning, today[column], sample), sample, SIDES[name], settings)
        found += [Leak(column, "suspicious", "strength", *max(told))] if told else []
    return found


def _told(levels: np.ndarray, sample: Sample, sides: tuple[str, str], settings: LeakSettings) -> Iterator[tuple[float, str]]:
    """What a column tells of one outcome, and in words, where that is too much."""
    apart = f"tells {sides[0]} leads from {sides[1]} ones with an AUC of"
    whole = measure.value_strength(levels, sample)
    if _exceeds(whole, settings.auc):
        yield whole.auc, f"alone it {apart} {_short(whole.auc)}"
    filled = levels > 0
    emptiness = max((measure.strength(mark, sample) for mark in (filled, ~filled)), key=lambda each: each.auc)
    if _exceeds(emptiness, settings.emptiness_auc):
        yield emptiness.auc, f"its emptiness alone {apart} {_short(emptiness.auc)}"
    for of, (name, other) in ((sample, sides), (sample.inverse, sides[::-1])):
        for word, mark in (("filled in", filled), ("empty", ~filled)):
            if measure.chance_of_so_few(mark, of, times=settings.one_sided) < BY_CHANCE:
                with_it = of.outcome[mark]
                yield float(np.mean(with_it)), f"it is {word} for {with_it.sum():,} {name} leads and {(~with_it).sum():,} {other} ones"


def _exceeds(found: Strength, threshold: float) -> bool:
    """Above a threshold by more than chance."""
    return found.auc - ERRORS * found.error > threshold


def _fresh_against_mature(learning: LearningSet, today: pd.DataFrame, settings: LeakSettings) -> list[Leak] | str:
    """Columns that are filled in, or written over, as leads grow older."""
    if not has_dates(learning):
        return "no dates"
    pairs = age_samples(learning, settings.rows, settings.seed)
    if (fewest := min(sample.fewest for sample in pairs)) < FEWEST:
        return f"{fewest} leads in the rarest of the ages compared, {FEWEST} are needed"
    found = []
    for column in today.columns:
        grown = measure.growth(*((levels_beside(learning, today[column], sample), sample) for sample in pairs))
        # There are few fresh leads and many columns: the difference is to be three errors away from none.
        if grown.auc > max(settings.growth, 3 * grown.error):
            why = f"it tells fresh leads from mature ones with an AUC {_short(grown.auc)} higher than mature ones from older ones"
            found.append(Leak(column, "suspicious", "fresh against mature", grown.auc, f"{why}: filled in later, or asked otherwise since"))
    return found


def _uniqueness(learning: LearningSet, samples: Mapping[str, Sample], known: set[str], settings: LeakSettings) -> list[Leak]:
    """Columns without which the rest is far poorer, while it can do without any other."""
    position = {name: place for place, name in enumerate(learning.categories)}
    groups: dict[str, list[int]] = {}
    for column in learning.recipe.columns:
        arguments = dict(column.arguments)
        source = arguments.get("attribute") or arguments.get("key") or column.group
        if source not in known:
            groups.setdefault(source, []).append(position[column.name])
    found = {}
    for name in learning.names:
        if name not in samples:
            continue
        sample = samples[name].newest(UNIQUENESS_ROWS)
        matrix = encode(learning.frame.iloc[sample.rows], learning.categories).to_numpy()
        costs = measure.costs_of_leaving_out(matrix, categorical_columns(learning.categories), groups, sample, least=settings.cost)
        lighter = [cost for cost in costs.values() if cost < settings.cost]
        if len(lighter) < FEWEST_PEERS:
            continue
        for column, cost in costs.items():
            if cost >= settings.cost and cost >= settings.uniqueness * max(lighter):
                why = f"leaving it out costs {_short(cost)} of what there is to know of who is {SIDES[name][0]}, any other"
                found[column] = Leak(column, "suspicious", "uniqueness", cost, f"{why} at most {_short(max(lighter))}")
    return list(found.values())


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")

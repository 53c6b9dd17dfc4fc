"""The leak guard: which lead columns know what they could not have known when the lead was to be scored.

Detectors look at every column of the leads table that the model reads. *Knowledge time*: its values were
others while the leads were young. *Strength*: alone, or by its emptiness alone, it tells outcomes better than
what is known in advance does; where many columns tell much, it has to stand out or to tell more than the
others together. *Fresh against mature*: it tells leads of days from leads of months, beyond what drift
explains: it is filled in later. *Uniqueness*: leaving it out costs far more than leaving out any other.
Three more look at how a column is written (*formats*), at what two of them say together (*pairs*), and at whose leads
it is filled for, or whose copy it is (*company*: see ``models.leakage.marks``).

What rows give away, such as people who stand there twice, is told beside (``models.leakage.rows``).

Only the first one knows; the others suspect, and a person decides. Nothing is dropped here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy

from models.dataset import LearningSet
from models.leakage import detectors, marks
from models.leakage.detectors import Strength, levels_beside
from models.leakage.findings import USUAL, Findings, Leak, LeakSettings, Looked
from models.leakage.rows import about_rows
from models.leakage.samples import (
    DAY,
    FEWEST,
    Drawn,
    Sample,
    as_of_times,
    beside,
    draw,
    has_dates,
    matrix_of,
    places_by_source,
    places_of,
    source_columns,
)
from models.leakage.thresholds import NO_OUTCOME, SIDES, apart, exceeds, short

FEWEST_PEERS = 4
FEWEST_HONEST = 5
BY_CHANCE = 0.01
YOUNG_DAYS = 30


def find_leaks(
    learning: LearningSet,
    raw: pd.DataFrame,
    *,
    earlier: pd.DataFrame | None = None,
    matrix: pd.DataFrame | None = None,
    drawn: Drawn | None = None,
    settings: LeakSettings = USUAL,
) -> Findings:
    """Judge every column of the leads table that the model reads.

    Parameters
    ----------
    learning : LearningSet
    raw : DataFrame
        The leads table as it is at ``learning.known_until``: ``lead_id`` and the attributes, a row for each
        lead that is looked at or more, in any order.
    earlier : DataFrame, optional
        The same of an older snapshot, with the leads and columns that it has. Its youngest leads count: the
        values of others may have changed before it was taken.
    matrix : DataFrame, optional
        The learning set's columns with ``lead_id``, of ``drawn.modelled_rows`` at least; by default the
        learning set's own frame.
    drawn : Drawn, optional
        The leads to look at, as ``draw`` draws them from the settings, which is done here if it was not yet.
    settings : LeakSettings

    Returns
    -------
    Findings
        A verdict for each column, "ok" or not, in the recipe's order, and how many leads each detector has
        looked at. Columns that the recipe leaves out are not judged.

    Raises
    ------
    ContractError
        If a table repeats a lead or has no ``lead_id``, or if it lacks leads that are looked at or columns of
        the learning set.

    References
    ----------
    Kaufman, Rosset, Perlich, Stitelman (2012), Leakage in data mining.
    """
    drawn = draw(learning, settings.rows, settings.seed) if drawn is None else drawn
    columns = source_columns(learning.recipe)
    young, before = _young(learning, earlier, settings)
    today = beside(learning, raw, columns, np.union1d(drawn.rows, young))
    tried = {
        "knowledge time": _knowledge_time(today, before, young, settings)
        if earlier is not None
        else "no earlier snapshot"
    }
    tried |= {"strength": _strength(learning, today, matrix, drawn, settings)}
    tried |= {"fresh against mature": _fresh(learning, today, drawn, settings)}
    tried |= {"formats": marks.formats(learning, today, drawn, settings)}
    # A leak that is found hides how much another one tells: both tell the same.
    known = _columns_of(tried)
    tried["pairs"] = marks.pairs(learning, today, drawn, known)
    tried["uniqueness"] = _uniqueness(learning, matrix, drawn, known | _columns_of(tried), settings)
    tried["company"] = marks.company(learning, today, drawn, _columns_of(tried))

    samples = {
        "knowledge time": {"young then": len(young)},
        "strength": _of_outcomes(drawn),
        **{name: _of_outcomes(drawn) for name in ("formats", "pairs", "company")},
        "fresh against mature": _ages(drawn),
        "uniqueness": {
            SIDES[name][0]: len(sample.rows) for name, sample in drawn.modelled(learning.names).items()
        },
    }
    looked = tuple(
        Looked(
            name, {} if isinstance(found, str) else samples[name], found if isinstance(found, str) else None
        )
        for name, found in tried.items()
    )
    blind = [f"{each.detector} ({each.blind})" for each in looked if each.blind]
    fine = "no detector objects" + (f"; could not look: {', '.join(blind)}" if blind else "")
    found = [leak for leaks in tried.values() if not isinstance(leaks, str) for leak in leaks]
    objections = {column: [leak for leak in found if leak.column == column] for column in columns}
    leaks = tuple(
        _together(of) if of else Leak(column, "ok", None, None, fine) for column, of in objections.items()
    )
    return Findings(leaks, looked, rows=about_rows(learning, raw))


def _columns_of(tried: Mapping[str, list[Leak] | str]) -> set[str]:
    """Every column that a detector objects to so far."""
    return {leak.column for found in tried.values() if not isinstance(found, str) for leak in found}


def _of_outcomes(drawn: Drawn) -> dict[str, int]:
    return {SIDES[name][0]: len(sample.rows) for name, sample in drawn.outcomes.items()}


def _together(objections: list[Leak]) -> Leak:
    """The weightiest objection, with the words of all."""
    first = objections[0]
    return Leak(
        first.column, first.verdict, first.detector, first.value, "; ".join(leak.why for leak in objections)
    )


def _young(
    learning: LearningSet, earlier: pd.DataFrame | None, settings: LeakSettings
) -> tuple[np.ndarray, pd.DataFrame]:
    """The leads that were young in an earlier snapshot, as rows of the learning set, and what it said of
    them.
    """
    if earlier is None:
        return np.empty(0, dtype=np.intp), pd.DataFrame()
    places = places_of(learning.frame["lead_id"], earlier, "the earlier leads table")
    young = np.flatnonzero(places >= 0)
    if len(young) and has_dates(learning):
        as_of = as_of_times(learning)[young]
        young = young[as_of >= as_of.max() - YOUNG_DAYS * DAY]
    young = young[-settings.rows :]
    return young, earlier.iloc[places[young]]


def _knowledge_time(
    today: pd.DataFrame, before: pd.DataFrame, young: np.ndarray, settings: LeakSettings
) -> list[Leak] | str:
    """Columns whose values were others in an earlier snapshot, for leads that were young then."""
    if len(young) < FEWEST:
        return f"{len(young)} young leads in the earlier snapshot, {FEWEST} are needed"
    found = []
    for column in today.columns.intersection(before.columns):
        share = float(np.mean(detectors.changed(before[column], today[column].loc[young])))
        if share > settings.changed:
            why = f"{share:.0%} of {len(young):,} leads had another value while they were young"
            found.append(Leak(column, "known too late", "knowledge time", share, why))
    return found


def _strength(
    learning: LearningSet,
    today: pd.DataFrame,
    matrix: pd.DataFrame | None,
    drawn: Drawn,
    settings: LeakSettings,
) -> list[Leak] | str:
    """Columns that tell an outcome alone: of each, what is to be said against it most."""
    if not drawn.outcomes:
        return NO_OUTCOME
    told: dict[str, list[tuple[float, str]]] = {column: [] for column in today.columns}
    alone: dict[str, dict[str, Strength]] = {name: {} for name in drawn.outcomes}
    for name, sample in drawn.outcomes.items():
        for column in today.columns:
            values = today[column].loc[sample.rows]
            levels = levels_beside(learning, values, sample)
            alone[name][column] = detectors.value_strength(levels, sample)
            told[column] += _marked(values, levels, sample, SIDES[name], settings)
    modelled = drawn.modelled(learning.names)
    for name, strengths in alone.items():
        strong = {column for column, found in strengths.items() if exceeds(found, settings.auc)}
        honest = [column for column in today.columns if column not in strong and not told[column]]
        if strong and len(honest) >= FEWEST_HONEST and name in modelled:
            height = detectors.standing_out({column: found.auc for column, found in strengths.items()})
            level = {column for column in strong if height[column] < settings.outstanding}
            together = _strength_together(learning, matrix, modelled[name], honest).auc if level else 0.5
            strong -= {column for column in level if strengths[column].auc <= together}
        if len(strong) > 1 and len(honest) < FEWEST_HONEST and 2 * len(strong) >= len(today.columns) >= 4:
            # Where half of a few columns tell an outcome, they may well do so by nature: ask about the strongest first.
            strong = {max(strong, key=lambda column: strengths[column].auc)}
        for column in strong:
            told[column].append(
                (strengths[column].auc, f"alone it {apart(SIDES[name])} {short(strengths[column].auc)}")
            )
    for name, sample in drawn.outcomes.items():
        for column in [column for column, said in told.items() if not said]:
            values = today[column].loc[sample.rows]
            told[column] += _named(
                values, levels_beside(learning, values, sample), sample, SIDES[name], settings
            )
    return [Leak(column, "suspicious", "strength", *max(said)) for column, said in told.items() if said]


def _strength_together(
    learning: LearningSet, matrix: pd.DataFrame | None, sample: Sample, columns: Sequence[str]
) -> Strength:
    """How well some columns tell an outcome together."""
    places = places_by_source(learning.recipe)
    kept = [place for column in columns for place in places.get(column, [])]
    return detectors.strength_together(*matrix_of(learning, matrix, sample), kept, sample)


def _marked(
    values: pd.Series, levels: np.ndarray, sample: Sample, sides: tuple[str, str], settings: LeakSettings
) -> Iterator[tuple[float, str]]:
    """What it tells of one outcome whether a column is filled in, and in words, where that is too much."""
    filled = levels > 0
    emptiness = max(
        (detectors.strength(mark, sample) for mark in (filled, ~filled)), key=lambda each: each.auc
    )
    if exceeds(emptiness, settings.emptiness_auc):
        yield emptiness.auc, f"its emptiness alone {apart(sides)} {short(emptiness.auc)}"
    marks = [("filled in", filled), ("empty", ~filled)]
    usual = int(np.bincount(levels, minlength=1).argmax()) if len(levels) else 0
    if (
        usual and np.mean(levels == usual) > 0.5
    ):  # what nearly all leads say, such as 0 or "none", is a way to leave a column empty
        said = _quoted(values[levels == usual].mode().iloc[0])
        marks += [(f"other than {said}", filled & (levels != usual)), (said, levels == usual)]
    yield from _one_sided(marks, sample, sides, settings)


def _named(
    values: pd.Series, levels: np.ndarray, sample: Sample, sides: tuple[str, str], settings: LeakSettings
) -> Iterator[tuple[float, str]]:
    """What single values tell of one outcome, such as a note "contract signed", and in words, where that is
    too much.
    """
    inside = {
        level: values[levels == level]
        for level in detectors.frequent_levels(levels, sample, least=settings.frequent)
    }
    marks = [
        (_quoted(said.iloc[0]), levels == level) for level, said in inside.items() if said.nunique() == 1
    ]
    yield from _one_sided(marks, sample, sides, settings)


def _quoted(value: Any) -> str:
    return f"{value:,.6g}" if pd.api.types.is_number(value) else f"'{value}'"


def _one_sided(
    marks: Sequence[tuple[str, np.ndarray]], sample: Sample, sides: tuple[str, str], settings: LeakSettings
) -> Iterator[tuple[float, str]]:
    """Marks that come with one side of an outcome and hardly ever with the other: the share of it, and in
    words.
    """
    for of, (name, other) in ((sample, sides), (sample.inverse, sides[::-1])):
        for word, mark in marks:
            if detectors.chance_of_so_few(mark, of, times=settings.one_sided) < BY_CHANCE:
                with_it = of.outcome[mark]
                yield (
                    float(np.mean(with_it)),
                    f"it is {word} for {with_it.sum():,} {name} leads and {(~with_it).sum():,} {other} ones",
                )


def _fresh(
    learning: LearningSet, today: pd.DataFrame, drawn: Drawn, settings: LeakSettings
) -> list[Leak] | str:
    """Columns that are filled in, or written over, as leads grow older."""
    if drawn.ages is None:
        return "no dates"
    if (fewest := min(sample.fewest for sample in drawn.ages)) < FEWEST:
        return f"{fewest} leads in the rarest of the ages compared, {FEWEST} are needed"
    errors = scipy.stats.norm.isf(BY_CHANCE / (2 * max(len(today.columns), 1)))
    found = []
    for column in today.columns:
        grown = detectors.growth(
            *((levels_beside(learning, today[column], sample), sample) for sample in drawn.ages)
        )
        # There are few fresh leads, and many columns, each looked at in two ways: one of them is far from
        # none by chance.
        if grown.auc > max(settings.growth, errors * grown.error):
            compared = "mature ones from older ones" + " or than it did a year before" * (len(drawn.ages) > 2)
            why = (
                f"it tells fresh leads from mature ones with an AUC {short(grown.auc)} higher than {compared}"
            )
            found.append(
                Leak(
                    column,
                    "suspicious",
                    "fresh against mature",
                    grown.auc,
                    f"{why}: filled in later, or asked otherwise since",
                )
            )
    return found


def _ages(drawn: Drawn) -> dict[str, int]:
    """How many leads of each age are compared."""
    if drawn.ages is None:
        return {}
    newer, older, *a_year_before = drawn.ages
    counts = {
        "fresh": int((~newer.outcome).sum()),
        "mature": int(newer.outcome.sum()),
        "older": int(older.outcome.sum()),
    }
    return counts | ({"a year before": len(a_year_before[0].rows)} if a_year_before else {})


def _uniqueness(
    learning: LearningSet, matrix: pd.DataFrame | None, drawn: Drawn, known: set[str], settings: LeakSettings
) -> list[Leak] | str:
    """Columns without which the rest is far poorer, while it can do without any other."""
    samples = drawn.modelled(learning.names)
    if not samples:
        return NO_OUTCOME
    groups = {
        source: places for source, places in places_by_source(learning.recipe).items() if source not in known
    }
    found = {}
    for name, sample in samples.items():
        costs = detectors.costs_of_leaving_out(
            *matrix_of(learning, matrix, sample), groups, sample, least=settings.cost
        )
        lighter = [cost for cost in costs.values() if cost < settings.cost]
        if len(lighter) < FEWEST_PEERS:
            continue
        for column, cost in costs.items():
            if cost >= settings.cost and cost >= settings.uniqueness * max(lighter):
                why = f"leaving it out costs {short(cost)} of what there is to know of who is {SIDES[name][0]}, any other"
                found[column] = Leak(
                    column, "suspicious", "uniqueness", cost, f"{why} {_at_most(max(lighter))}"
                )
    return list(found.values())


def _at_most(value: float) -> str:
    return f"at most {short(value)}" if value >= 0.005 else "next to nothing"

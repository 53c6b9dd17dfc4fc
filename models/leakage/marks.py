"""What columns give away by how they are written, by what two of them say together, and by whose leads they are
filled for.

Fields that sales retypes look unlike those of a form. A call's end and its start are harmless each; their difference
is how long somebody listened. And what is filled only where a suspicious column is, or where a column says that
somebody was in touch, came with the contact.
"""

import re
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from models.dataset import LearningSet
from models.leakage.detectors import Strength, levels_beside, levels_of, strength, value_strength
from models.leakage.findings import Leak, LeakSettings
from models.leakage.samples import DAY, Drawn, Sample, as_of_times, has_dates
from models.leakage.thresholds import NO_OUTCOME, SIDES, apart, exceeds, short

MOST_PAIRED = 8
FEWEST_VALUES = 10  # of a number that is set against another one
PAIR_AUC, PAIR_GAIN = 0.80, 0.10
PAIR_ROWS = 10_000
NESTED, COPIED = 0.97, 0.98
SAME_NUMBERS = 0.9999  # a correlation: measures of one thing come near it, copies reach it
FILLED = (0.03, 0.85)
FEW_WORDS = 10
CLOCK = re.compile(r"\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*")
CONTACT = re.compile(r"contacted|reached|called|spoken|responded|answered|qualified|met\b", re.IGNORECASE)
WRITTEN_OVER = re.compile(
    r"\b(last|latest)\b.*\b(activity|contacted|modified|touch|updated?|status)\b", re.IGNORECASE
)
SCORED = re.compile(  # by a system that goes on watching
    r"\b(activity|activities|engagement|behaviou?r|lead|hubspot)\b.*\b(score|index|rating|points)\b",
    re.IGNORECASE,
)
YES = {"y", "yes", "true", "1", "1.0", "t", "ja", "oui", "si"}
DAY_OF_MINUTES = 1440.0


def measured(column: pd.Series) -> tuple[str, np.ndarray] | None:
    """A column as numbers that can be set against others of its kind: a date in days, a time of day in minutes, a
    number; None for words.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        values = column.to_numpy("datetime64[us]")
        days = (values - np.datetime64(0, "us")) / DAY
        return "date", np.where(np.isnat(values), np.nan, days)
    if pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        return "number", column.to_numpy(float, na_value=np.nan)
    texts = column.dropna().astype(str)
    if not len(texts) or not CLOCK.fullmatch(texts.iloc[0]):
        return None
    parts = texts.str.extract(f"^{CLOCK.pattern}$")
    if parts[0].isna().mean() > 0.1:
        return None
    minutes = sum(
        parts[place].fillna("0").astype(float) * worth for place, worth in enumerate((60.0, 1.0, 1 / 60))
    )
    return "time of day", minutes.where(parts[0].notna()).reindex(column.index).to_numpy(float)


def together(kind: str, one: np.ndarray, other: np.ndarray) -> Iterable[tuple[str, np.ndarray]]:
    """What two columns of a kind say together, by name."""
    difference = one - other
    if kind == "time of day":  # from before midnight to after it is not a day back
        difference = (difference + DAY_OF_MINUTES / 2) % DAY_OF_MINUTES - DAY_OF_MINUTES / 2
    yield "difference", difference
    if kind == "number":
        with np.errstate(divide="ignore", invalid="ignore"):
            yield "ratio", np.where(other == 0, np.nan, one / other)


def telling_pairs(
    columns: pd.DataFrame, as_of: np.ndarray, sample: Sample
) -> dict[tuple[str, str], tuple[str, Strength]]:
    """Pairs of dates, times of day or numbers that tell an outcome only together: what says it, and how well.

    Parameters
    ----------
    columns : DataFrame
        The sample's leads, row by row.
    as_of : array of datetime64
        Of the same leads.
    """
    newest = np.arange(len(sample.rows)) >= len(sample.rows) - PAIR_ROWS
    columns, as_of, sample = columns[newest], as_of[newest], sample.where(newest)
    found = {}
    kinds = {}
    for name in columns:
        told = measured(columns[name])
        if told is not None and len(np.unique(told[1][np.isfinite(told[1])])) >= FEWEST_VALUES:
            kinds[name] = told
    alone = {name: _told_alone(columns[name], kinds[name][1], as_of, sample) for name in kinds}
    for kind in ("date", "time of day", "number"):
        names = sorted((name for name in kinds if kinds[name][0] == kind), key=lambda name: -alone[name])
        for one, other in combinations(names[:MOST_PAIRED], 2):
            for word, values in together(kind, kinds[one][1], kinds[other][1]):
                told = value_strength(levels_of(pd.Series(values), as_of), sample)
                least = max(PAIR_AUC, max(alone[one], alone[other]) + PAIR_GAIN)
                if told.auc - 2 * told.error > least:
                    found[one, other] = max(
                        (word, told), found.get((one, other), (word, told)), key=lambda of: of[1].auc
                    )
    return found


def _told_alone(column: pd.Series, values: np.ndarray, as_of: np.ndarray, sample: Sample) -> float:
    """How well a column tells an outcome by itself: by its levels, or, of few leads better, by the order of its values."""
    filled = np.isfinite(values)
    falling, rising = (strength(sign * values[filled], sample.where(filled)).auc for sign in (-1, 1))
    return max(value_strength(levels_of(column, as_of), sample).auc, rising, falling)


def written(column: pd.Series) -> np.ndarray | None:
    """How each value is written, where the same thing is written in several ways: capitals, spaces at its ends, a
    currency's sign, digits behind the point; 0 where it is empty. None where there is but one way.
    """
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    filled = column.notna().to_numpy()
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(float, na_value=np.nan)
        if len(np.unique(values[filled])) < FEWEST_VALUES:
            return None
        return np.where(filled, 1 + (values != np.round(values)), 0)
    row, values = pd.factorize(column)  # each value is looked at once
    texts = pd.Series(values.astype(object)).astype(str)
    sense = texts.str.replace(r"[\s€$£]+", "", regex=True).str.casefold()
    ways = pd.DataFrame(
        {
            "spaces": texts != texts.str.strip(),
            "upper": texts.str.isupper(),
            "lower": texts.str.islower(),
            "sign": texts.str.contains(r"[€$£]", regex=True),
        }
    )
    way = 1 + ways.to_numpy(int) @ np.array([1, 2, 4, 8])
    # Only what is written in several ways: another word is another thing, and may tell the outcome honestly.
    several = pd.Series(way).groupby(sense.to_numpy()).transform("nunique").to_numpy() > 1
    if np.append(several, False)[row].sum() < 0.5 * filled.sum():
        return None
    return np.append(way, 0)[row]


def filled_only_where(
    columns: pd.DataFrame, suspicious: Iterable[str], names: Iterable[str]
) -> dict[str, str]:
    """Columns that are filled only where a suspicious one is, or where one says that somebody was in touch: by which,
    in words.
    """
    places: dict[str, tuple[np.ndarray, str]] = {}
    for name in columns:
        if name in suspicious:
            places[name] = columns[name].notna().to_numpy(), f"‘{name}’ is, which is suspicious"
        elif CONTACT.search(name) and columns[name].nunique() == 2:
            yes = columns[name].astype(str).str.strip().str.casefold().isin(YES).to_numpy()
            places[name] = yes, f"‘{name}’ says yes"
    found = {}
    for name in names:
        filled = columns[name].notna().to_numpy()
        for by, (where, words) in places.items():
            if by == name or not FILLED[0] < where.mean() < FILLED[1] or not FILLED[0] < filled.mean():
                continue
            if where[filled].mean() >= NESTED and filled.mean() < FILLED[1]:
                found[name] = words
    return found


def copies_of(columns: pd.DataFrame, suspicious: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Columns that say nearly the same as a suspicious one, by it."""
    levels: dict[str, np.ndarray] = {}  # of columns that were looked at, each once

    def levels_in(column: str) -> np.ndarray:
        if column not in levels:
            levels[column] = pd.factorize(columns[column].astype(object))[0] + 1
        return levels[column]

    found = {}
    for name in names:
        for by in suspicious:
            one, other = columns[name], columns[by]
            if np.mean(one.notna() == other.notna()) < NESTED:
                continue  # what the other one is suspected for may be whom it is filled for
            if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
                both = one.notna() & other.notna()
                if both.sum() > 30 and abs(one[both].corr(other[both])) >= SAME_NUMBERS:
                    found[name] = by
                continue
            mine, its = levels_in(name), levels_in(by)
            if min(len(np.unique(each)) for each in (mine, its)) < 3:
                continue
            if _told_by(mine, its) >= COPIED and _told_by(its, mine) >= COPIED:
                found[name] = by
    return found


def _told_by(one: np.ndarray, other: np.ndarray) -> float:
    """How often the commonest value of one for a value of the other is right."""
    pairs = pd.Series(1, index=pd.MultiIndex.from_arrays([other, one])).groupby(level=[0, 1]).sum()
    return float(pairs.groupby(level=0).max().sum() / len(one))


def formats(
    learning: LearningSet, today: pd.DataFrame, drawn: Drawn, settings: LeakSettings
) -> list[Leak] | str:
    """Columns that tell an outcome by how they are written alone: sales has written them anew."""
    if not drawn.outcomes:
        return NO_OUTCOME
    found: dict[str, Leak] = {}
    for name, sample in drawn.outcomes.items():
        for column in today.columns:
            way = written(today[column].loc[sample.rows])
            if way is None:
                continue
            filled = way > 0
            told = value_strength(way[filled], sample.where(filled))
            values = levels_beside(learning, today[column].loc[sample.rows], sample)
            # Large measures are noted without a point: then the value tells as much as how it is written.
            if exceeds(told, settings.emptiness_auc) and told.auc > value_strength(values, sample).auc:
                why = f"how it is written alone {apart(SIDES[name])} {short(told.auc)}"
                found[column] = Leak(column, "suspicious", "formats", told.auc, why)
    return list(found.values())


def pairs(learning: LearningSet, today: pd.DataFrame, drawn: Drawn, known: set[str]) -> list[Leak] | str:
    """Pairs of columns that tell an outcome only together."""
    if not drawn.outcomes:
        return NO_OUTCOME
    honest = today[[column for column in today.columns if column not in known]]
    found: dict[str, Leak] = {}
    for name, sample in drawn.outcomes.items():
        told_together = telling_pairs(honest.loc[sample.rows], as_of_times(learning)[sample.rows], sample)
        for (one, other), (word, told) in told_together.items():
            for column, mate in ((one, other), (other, one)):
                if column not in found or found[column].value < told.auc:
                    why = f"its {word} with ‘{mate}’ {apart(SIDES[name])} {short(told.auc)}, more than either alone"
                    found[column] = Leak(column, "suspicious", "pairs", told.auc, why)
    return list(found.values())


def company(learning: LearningSet, today: pd.DataFrame, drawn: Drawn, known: set[str]) -> list[Leak] | str:
    """Columns that are filled only where a suspicious one is or somebody was in touch, and copies of suspicious ones."""
    if not drawn.outcomes:
        return NO_OUTCOME
    rows = np.unique(np.concatenate([sample.rows for sample in drawn.outcomes.values()]))
    columns = today.loc[rows]
    names = [column for column in today.columns if column not in known]
    told = {}
    if not has_dates(learning):  # with them, it is seen
        told = {
            name: "its name says that it is written over"
            for name in names
            if WRITTEN_OVER.search(words := name.replace("_", " ")) or SCORED.search(words)
        }
    known = known | set(told)
    told |= {
        name: f"it is filled only where {words}"
        for name, words in filled_only_where(
            columns, known, [name for name in names if name not in told]
        ).items()
    }
    told |= {
        name: f"it says nearly the same as ‘{by}’, which is suspicious"
        for name, by in copies_of(columns, known, names).items()
    }
    return [Leak(name, "suspicious", "company", None, why) for name, why in told.items()]

"""Leads of a file or a source scored to be looked at: by a scoring run's contract and features, but nobody is
decided, nothing logged.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from features.errors import UsageError
from features.matrix import all_there, frame, matrix
from features.outcomes import days_taken
from features.tables import Tables, scoring_cohort, unanswered
from models.policy.decisions import decide_all
from models.policy.policy import HAND_OFF, HOLD
from models.policy.rules import rule_of
from pipelines.home import store_of
from pipelines.settings import Settings
from pipelines.sources.manifest import read_note
from pipelines.sources.reading.layout import layout_of
from pipelines.sources.snapshots import pull
from pipelines.store.decision_queries import said_of
from pipelines.store.erasure import forgotten_of
from pipelines.version_files import Champion

SHOWN = (
    "grade",
    "action",
    "rule",
    "value",
    "score",
    "p_pursue",
    "p_convert",
    "p_both",
    "p_worked",
    "low",
    "high",
    "p_worked_by",
    "extrapolated",
    "rank",
    "reasons",
)
READING, LOOKING, SCORING = "reading the leads", "looking up what is known of each lead", "scoring"
MOST_WORDED = 20_000  # leads that get reasons
KEYS = ("lead_id", "account_id", "created_at", "channel", "campaign", "owner")


@dataclass(frozen=True)
class Understood:
    """A column of the file and what it is taken for; ``None`` is not used."""

    column: str
    taken_for: str | None


@dataclass(frozen=True)
class FileScores:
    """What came of a file.

    Attributes
    ----------
    scores : DataFrame
        ``lead_id``, ``channel``, ``owner``, ``campaign`` and the columns of ``SHOWN``, the best lead first.
    columns : tuple of Understood
    absent : tuple of str
        Columns of the source that the file lacks.
    warnings : tuple of str
    """

    scores: pd.DataFrame
    columns: tuple[Understood, ...]
    absent: tuple[str, ...]
    warnings: tuple[str, ...]


def score_apart(
    settings: Settings,
    home: Path,
    champion: Champion,
    *,
    file: Path | None,
    now: datetime,
    tell: Callable[[str], None],
) -> FileScores:
    """Score the leads of a CSV file, or without one the source's own that still wait, as of now; ``tell``
    hears of each step.

    Raises
    ------
    UsageError
        If there is no lead to score.
    ContractError
        With everything that is wrong with the leads, or if they lack a column that the model reads.
    """
    tell(READING)
    recipe, store = champion.scorer.recipe, store_of(settings, home)
    pulled = pull(
        settings.source,
        settings.label,
        home=home,
        until=now,
        leads_file=file,
        forgotten=lambda: forgotten_of(store, home),
    )
    with closing(pulled) as snapshot:
        tables = snapshot.tables
        all_there(tables, recipe)
        as_of = min(now, tables.end)
        tell(LOOKING)
        cohort = scoring_cohort(tables, as_of)
        if file is not None:
            cohort = cohort.semi_join(snapshot.new_leads, "lead_id")
        else:
            cohort = unanswered(tables, cohort, recipe.horizons.pursue_days)
        found = frame(matrix(tables, cohort, recipe), recipe)
        if found.empty:
            raise UsageError(
                "no lead of this source waits: sales has answered all, or they are older than the model looks at."
            )
        taken = days_taken(tables, cohort, recipe.horizons.delay, found["lead_id"])
        said = said_of(tables, cohort).assign(campaign=campaigns(tables, found["lead_id"]))
        columns, absent = understood(file, read_note(snapshot.folder).mapping["leads"], tables)
    tell(SCORING)
    decided = decide_all(
        champion.scorer,
        replace(champion.policy, rules=settings.policy.rules),
        found,
        version=champion.version,
        with_reasons=MOST_WORDED,
        taken_days=taken,
        said=said,
    )
    below = (decided["score"] < decided["cut"]).to_numpy()
    decided = decided.assign(action=pd.Series(below).map({True: HOLD, False: HAND_OFF}), **said)
    decided["rule"] = decided["cut_by"].map(rule_of)
    shown = decided[["lead_id", "channel", "campaign", "owner", *SHOWN]].sort_values(
        "rank", ignore_index=True
    )
    return FileScores(shown, columns, absent, snapshot.warnings)


def campaigns(tables: Tables, lead_ids: pd.Series) -> pd.Series:
    """The campaign of each lead, empty where the source knows none."""
    if "campaign" not in tables.leads.columns:
        return pd.Series([None] * len(lead_ids), dtype="str")
    known = tables.leads.select("lead_id", "campaign").to_pyarrow()
    of = dict(zip(known["lead_id"].to_pylist(), known["campaign"].to_pylist(), strict=True))
    return pd.Series([of.get(lead_id) for lead_id in lead_ids], dtype="str")


def understood(
    file: Path | None, mapping: dict, tables: Tables
) -> tuple[tuple[Understood, ...], tuple[str, ...]]:
    """What each column of a file is taken for, and which of the source's own it lacks; without a file, the
    source's columns.
    """
    keys = {mapping[name]: name.replace("_", " ") for name in KEYS if mapping[name]}
    attributes = {
        name: "number" if kind.is_numeric() else "time" if kind.is_timestamp() else "text"
        for name, kind in tables.leads.schema().items()
    }
    wanted = [*keys, *(name for name in attributes if name not in KEYS)]
    names = wanted if file is None else layout_of(file, mapping["separator"], mapping["encoding"]).names
    taken = tuple(Understood(name, keys.get(name) or attributes.get(name)) for name in names)
    return taken, tuple(name for name in wanted if name not in names)


def spread(scores: pd.DataFrame, by: str, *, most: int = 20) -> list[tuple[str, dict[str, int]]]:
    """How many leads of each grade each value of a column has, the commonest first; none where the column is
    empty.
    """
    if scores[by].isna().all():
        return []
    named = scores[by].astype(object).where(scores[by].notna(), "(empty)")
    counts = pd.crosstab(named, scores["grade"]).reindex(columns=list("ABCD"), fill_value=0)
    counts = counts.loc[counts.sum(axis="columns").sort_values(ascending=False, kind="stable").index[:most]]
    return [
        (str(name), {grade: int(count) for grade, count in row.items()}) for name, row in counts.iterrows()
    ]


def as_table(scores: pd.DataFrame) -> pa.Table:
    """The scores for a file: reasons as one text."""
    return pa.Table.from_pandas(
        scores.assign(reasons=["; ".join(each) for each in scores["reasons"]]), preserve_index=False
    )

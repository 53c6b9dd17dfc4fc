"""What every training flow begins with: a source pulled, its settings' columns found, tables turned to a
dataset.

Where a network may fail for a moment, a step is tried again; a mistyped column would otherwise be used, or
doubted, in silence.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.matrix import fetch, frame, matrix
from features.outcomes import fates
from features.recipe import INDEX, Recipe, recipe_for
from features.tables import LEAD_KEYS, Tables, named, training_cohort
from models.dataset import LearningSet
from pipelines.feature_files import load_features
from pipelines.flows.runs import retried
from pipelines.home import registry_of, store_of
from pipelines.settings import Settings
from pipelines.sources.answers_as_outcomes import with_answers, with_notes
from pipelines.sources.erased import Forgotten
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.snapshots import Snapshot, pull
from pipelines.store.answers import standing_answers
from pipelines.store.erasure import forgotten_of
from pipelines.store.work.notes import as_events

MOST_NAMED = 20  # columns in one sentence


def learning_set(tables: Tables, settings: Settings) -> LearningSet:
    """Look up what was known of every lead at its own as-of time."""
    check_names(tables, settings)
    load_features(settings.features.files)
    cohort = training_cohort(tables, settings.label.delay)
    recipe = recipe_for(tables, settings.features, settings.label)
    known = frame(matrix(tables, cohort, recipe), recipe)
    return _learning(tables, known, fetch(fates(tables, cohort)).to_pandas(), recipe)


def outcome_set(tables: Tables, settings: Settings) -> LearningSet:
    """What became of every lead, with the leads' keys and no column: for who asks about outcomes, or about a
    few leads' columns.
    """
    check_names(tables, settings)
    load_features(settings.features.files)
    became = fetch(fates(tables, training_cohort(tables, settings.label.delay))).to_pandas()
    return _learning(
        tables,
        became[list(INDEX)],
        became,
        recipe_for(tables, settings.features, settings.label),
    )


def columns_of(tables: Tables, settings: Settings, recipe: Recipe, lead_ids: Iterable[str]) -> pd.DataFrame:
    """What was known of some leads, as ``learning_set`` has it of all."""
    cohort = training_cohort(tables, settings.label.delay).semi_join(named(lead_ids), "lead_id")
    return frame(matrix(tables, cohort, recipe), recipe)


def _learning(tables: Tables, known: pd.DataFrame, became: pd.DataFrame, recipe: Recipe) -> LearningSet:
    return LearningSet(
        frame=known,
        fates=became,
        recipe=recipe,
        stages=tables.stages,
        outcome_times=tables.outcome_times,
        known_until=tables.end,
    )


def check_names(tables: Tables, settings: Settings) -> None:
    """Refuse names in ``exclude``, ``audit``, ``trusted``, ``personal`` and ``segments`` that no lead column has, all at
    once.

    What the mapping reads as something else than an attribute may stand in ``exclude`` if it is no feature at
    all, such as the outcome.
    """
    columns = [name for name in tables.leads.columns if name not in LEAD_KEYS]
    features, renamed, apart = settings.features, *_mapped(settings.source)
    mistakes = []
    asked = (
        ("features.exclude", features.exclude, apart),
        ("features.audit", features.audit, set()),
        ("features.trusted", features.trusted, set()),
        ("features.personal", features.personal, set()),
        ("evaluation.segments", settings.evaluation.segments or (), set()),
    )
    for key, names, allowed in asked:
        for name in names:
            if name in columns or name in allowed:
                continue
            if name in renamed:
                hint = f"it is read as '{renamed[name]}': write that"
            else:
                close = get_close_matches(name, columns, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(columns) or 'none'}"
            mistakes.append(f"  {key}: the leads have no column '{name}'; {hint}")
    if mistakes:
        raise UsageError(
            "\n".join(
                [
                    "the configuration names columns that are not there; nothing was judged or trained:",
                    *mistakes,
                ]
            )
        )


def _mapped(source: SourceSettings) -> tuple[dict[str, str], set[str]]:
    """The source's names of columns that have a name of ours, and of columns that are no attributes."""
    leads, flat = source.leads, source.outcome
    renamed = {
        column: ours
        for ours in ("channel", "campaign", "owner")
        if (column := getattr(leads, ours)) and column != ours
    }
    apart = {*LEAD_KEYS, leads.lead_id, leads.created_at, leads.account_id, leads.updated_at}
    if flat is not None:
        apart |= {flat.column, flat.occurred_at, flat.amount, flat.margin}
    if leads.stages:
        apart |= {*leads.stages.values(), leads.amount, leads.margin}
    return renamed, apart - {None}


@retried
def pull_source(
    settings: Settings,
    *,
    home: Path,
    until: datetime,
    leads_file: Path | None = None,
    whole_tables: bool = True,
) -> Snapshot:
    """The source's tables as they were known at ``until``, kept as a snapshot, and the desk's answers and notes
    beside them.
    """
    store = store_of(settings, home)
    held = store.is_there()  # who only looks makes no store

    def forgotten() -> Forgotten:
        return forgotten_of(store, home) if store.is_there() else Forgotten()

    snapshot = pull(
        settings.source,
        settings.label,
        home=home,
        until=until,
        leads_file=leads_file,
        forgotten=forgotten,
        whole_tables=whole_tables,
    )
    given = standing_answers(store, until) if held else ()
    tables, more = with_answers(snapshot.tables, given, until)
    if held:
        tables = with_notes(tables, as_events(store, until))
    return replace(snapshot, tables=tables, warnings=snapshot.warnings + more)


@retried
def move_champion(settings: Settings, *, home: Path, version: str, **told: Any) -> str | None:
    """Make a version the champion, as ``Registry.promote`` does; gives the version it replaced."""
    return registry_of(settings, home).promote(version, **told)


def unused(recipe: Recipe) -> tuple[str, ...]:
    """The lead columns that no model sees, a sentence for each reason."""
    why: dict[str, list[str]] = {}
    for name, reason in recipe.dropped:
        why.setdefault(reason, []).append(name)
    return tuple(f"not used, {reason}: {_listed(names)}" for reason, names in why.items())


def _listed(names: list[str]) -> str:
    """Names one after the other; of very many, how many more there are."""
    shown = names if len(names) <= MOST_NAMED + 1 else names[:MOST_NAMED]
    more = [f"and {len(names) - len(shown):,} more"] * (len(shown) < len(names))
    return ", ".join([*shown, *more])

"""Champion and challenger judged on the same settled leads, and what has changed between the two."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import ContractError, UsageError
from features.labels import Horizons
from features.matrix import fetch, frame, matrix
from features.outcomes import days_taken, fates, outcomes
from features.tables import Tables, moment, named, training_cohort
from models.dataset import LearningSet
from models.policy.policy import HOLD
from models.promotion.comparison import (
    Honest,
    comparable,
    compare,
    honest,
    incomparable,
    newest,
    worked_share,
)
from models.promotion.record import VersionRecord
from models.promotion.rule import Comparison, leaking, rule
from pipelines.flows.dataset import pull_source
from pipelines.home import registry_of, store_of
from pipelines.reports.formats import short
from pipelines.settings import Settings
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import read_note
from pipelines.sources.snapshots import Snapshot, opened
from pipelines.store.database import Store
from pipelines.version_files import load_record, read_card


def compared(
    champion: VersionRecord, challenger: VersionRecord, settings: Settings, home: Path, as_of: datetime
) -> Comparison:
    """Both versions on the newest settled leads that can be had by ``as_of``."""
    obstacle = incomparable(champion, challenger)
    if obstacle:
        return Comparison(0, 0, "", 1.0, obstacle=obstacle)
    snapshot = pull_source(settings, home=home, until=as_of)
    with closing(snapshot):
        tables = snapshot.tables
        fate = fetch(
            fates(tables, training_cohort(tables, challenger.scorer.recipe.horizons.delay))
        ).to_pandas()
        return met(champion, challenger, fate, tables, settings, store_of(settings, home))


def met(
    champion: VersionRecord,
    challenger: VersionRecord,
    fate: pd.DataFrame,
    tables: Tables,
    settings: Settings,
    store: Store,
) -> Comparison:
    """The same on tables that are there, where every lead's ``fate`` is known; the two are to be comparable."""
    names = tuple(champion.scorer.models)
    leads = settled(
        fate, tables, challenger.scorer.recipe.horizons, settings.policy.margin_share, store, names
    )
    sides = [honest(record, leads) for record in (champion, challenger)]
    rows = newest(leads, comparable(*sides, names), settings.promotion.leads)
    first, second = (
        _scored(record, side, leads, rows, tables)
        for record, side in zip((champion, challenger), sides, strict=True)
    )
    chosen = leads[rows]
    times = chosen["as_of"]
    arrivals = (
        leads["as_of"][leads["as_of"].between(times.min(), times.max())].to_numpy()
        if len(times)
        else times.to_numpy()
    )
    ends = [moment(time, tables.clock) for time in (times.min(), times.max())] if len(times) else [None]
    return compare(
        chosen,
        first,
        second,
        score=challenger.scorer.score_of if len(names) > 1 else f"p_{names[0]}",
        names=names,
        worked=worked_share(arrivals, settings.policy, settings.promotion, dated=tables.clock == "time"),
        settings=settings.promotion,
        span="" if None in ends else f", from {short(ends[0])} to {short(ends[1])}",
    )


def settled(
    fate: pd.DataFrame,
    tables: Tables,
    horizons: Horizons,
    margin_share: float,
    store: Store,
    names: tuple[str, ...],
) -> pd.DataFrame:
    """Every lead with what became of it, by ``lead_id``.

    Parameters
    ----------
    fate : DataFrame
        As ``features.outcomes.fates`` gives it.

    Returns
    -------
    DataFrame
        ``account_id``, ``as_of``; ``pursued``, ``converted`` and ``became`` (a customer) as 0, 1 or NaN where
        that cannot be judged yet, or never; ``margin``. Leads that were held have no fate.
    """
    found = outcomes(fate, horizons, tables.end, tables, margin_share=margin_share)
    pursued = found["pursued"].where(found["pursued_judged"])
    leads = pd.DataFrame(
        {
            "account_id": found["account_id"],
            "as_of": found["as_of"],
            "pursued": pursued,
            "converted": found["converted"].where(found["converted_judged"]),
            "became": found["customer"] if "convert" in names else pursued.where(found["over"]),
            "margin": found["margin"],
        }
    ).set_index(pd.Index(found["lead_id"], name="lead_id"))
    logged = store.beside(fate["lead_id"])
    if logged is not None:
        leads.loc[(logged["action"] == HOLD).to_numpy(), ["pursued", "converted", "became"]] = np.nan
    return leads


def _scored(
    record: VersionRecord, side: Honest, leads: pd.DataFrame, rows: np.ndarray, tables: Tables
) -> pd.DataFrame:
    """A version's honest scores of the chosen leads; its finished model looks up what it needs of the fresh
    ones.
    """
    ids = leads.index[rows & side.fresh]
    finished = pd.DataFrame(columns=["p_pursue", "p_convert"], dtype=float)
    if len(ids):
        recipe = record.scorer.recipe
        cohort = training_cohort(tables, recipe.horizons.delay)
        cohort = cohort.semi_join(named(ids), "lead_id")
        found = frame(matrix(tables, cohort, recipe), recipe)
        taken = days_taken(tables, cohort, recipe.horizons.delay, found["lead_id"])
        finished = record.scorer.score(found, taken).set_index(found["lead_id"].to_numpy())
    return side.scores(finished)[rows]


def since_champion(
    challenger: VersionRecord,
    learning: LearningSet,
    snapshot: Snapshot,
    settings: Settings,
    home: Any,
    *,
    told: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Where a version stands against the champion of the day, None where there is none.

    Parameters
    ----------
    challenger : VersionRecord
        Not yet registered.
    learning : LearningSet
        That it has learned from.
    told : mapping
        Its settings, as ``settings_told`` gives them.
    """
    registry = registry_of(settings, home)
    number = registry.champion()
    if number is None:
        return None
    try:
        champion = load_record(registry, number, settings.features.files)
    except ContractError as error:  # of an older program: its trees cannot be asked any more
        return {"version": number, "obstacle": str(error)}
    comparison = _compared(champion, challenger, learning, snapshot, settings, home)
    ruling = rule(challenger.rival, champion.rival, comparison, settings.promotion)
    theirs, ours = champion.scorer.recipe, challenger.scorer.recipe
    before, now = ({column.name for column in recipe.columns} for recipe in (theirs, ours))
    return {
        "version": number,
        "obstacle": comparison.obstacle or None,
        "verdict": champion.verdict,
        "known_until": moment(champion.known_until, snapshot.tables.clock) if champion.known_until else None,
        "leads": comparison.leads,
        "wins": comparison.wins,
        "span": comparison.span,
        "worked": comparison.worked,
        "differences": [
            asdict(each) | {"harmless": each.harmless, "words": each.words()}
            for each in comparison.differences
        ],
        "would_be_promoted": ruling.promoted,
        "reasons": list(ruling.reasons),
        "leaks": list(leaking(champion.rival)),
        "columns_added": [column.name for column in ours.columns if column.name not in before],
        "columns_removed": [column.name for column in theirs.columns if column.name not in now],
        "settings": _changed(registry, number, told),
        "cut": champion.policy.cut,
        "held_share": champion.policy.held_share,
        "promise": champion.policy.promise.to_json(),
    }


def _compared(
    champion: VersionRecord,
    challenger: VersionRecord,
    learning: LearningSet,
    snapshot: Snapshot,
    settings: Settings,
    home: Any,
) -> Comparison:
    obstacle = incomparable(champion, challenger)
    if obstacle:
        return Comparison(0, 0, "", 1.0, obstacle=obstacle)
    reader = local_engine(home / "tmp")
    try:
        tables = opened(snapshot.folder, read_note(snapshot.folder), connection=reader).until(
            learning.known_until
        )
        return met(champion, challenger, learning.fates, tables, settings, store_of(settings, home))
    finally:
        let_go(reader)


def _changed(registry: Any, champion: str, told: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Settings that differ, None where the champion does not tell its own."""
    try:
        before = read_card(registry, champion)["settings"]
    except UsageError:
        return None
    keys = sorted(before.keys() | told.keys())
    return [
        {"key": key, "champion": before.get(key), "now": told.get(key)}
        for key in keys
        if key != "source.url" and before.get(key) != told.get(key)
    ]

"""What has changed since the champion: both judged on the same leads, and what differs in columns, settings and promise."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from features.errors import ContractError, UsageError
from models.comparison import incomparable
from models.learning import LearningSet
from models.promotion import Comparison, leaking, rule
from models.version_record import VersionRecord
from pipelines.card import read_card
from pipelines.champion import load_record
from pipelines.contest import met
from pipelines.engine import let_go, local_engine
from pipelines.notes import read_note
from pipelines.places import registry_of, store_of
from pipelines.results import moment
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot, opened


def since_champion(
    challenger: VersionRecord, learning: LearningSet, snapshot: Snapshot, settings: Settings, home: Any, *, told: Mapping[str, Any]
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
        champion = load_record(registry, number)
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
        "differences": [asdict(each) | {"harmless": each.harmless, "words": each.words()} for each in comparison.differences],
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
    champion: VersionRecord, challenger: VersionRecord, learning: LearningSet, snapshot: Snapshot, settings: Settings, home: Any
) -> Comparison:
    obstacle = incomparable(champion, challenger)
    if obstacle:
        return Comparison(0, 0, "", 1.0, obstacle=obstacle)
    reader = local_engine(home / "tmp")
    try:
        tables = opened(snapshot.folder, read_note(snapshot.folder), connection=reader).until(learning.known_until)
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

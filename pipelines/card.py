"""The card of a version: everything its report says, kept with it as one JSON object, so that the report can be written again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import UsageError
from models.registry import Registry
from pipelines.settings import Settings

FORMAT = 1
CARD = "card.json"
OF_NO_VERSION = {"registry", "store", "promotion"}  # they say where versions are kept, and which is chosen


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Lay it beside a saved scorer."""
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")


def read_card(registry: Registry, version: str) -> dict[str, Any]:
    """The card of a version by its number.

    Raises
    ------
    UsageError
        If the version has none, or one that this program does not read.
    """
    file = registry.download(version) / CARD
    card = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"format": None}
    if card["format"] != FORMAT:
        kept = "no report" if card["format"] is None else f"a report of format {card['format']}, and this program writes {FORMAT}"
        raise UsageError(f"version {version} has {kept}; nothing was written. Train again for a new one; MLflow has the old one's figures.")
    return card


def settings_told(settings: Settings) -> dict[str, Any]:
    """Every setting that shapes a version, as ``section.key``; addresses without their passwords."""
    return _flat(settings.model_dump(mode="json", exclude=OF_NO_VERSION))


def _flat(content: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    found = {}
    for key, value in content.items():
        found |= _flat(value, f"{at}{key}.") if isinstance(value, Mapping) and value else {f"{at}{key}": value}
    return found

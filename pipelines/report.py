"""The report of any version, from what was kept with it when it was trained."""

from pathlib import Path
from typing import Any

from pipelines.card import read_card
from pipelines.places import registry_of
from pipelines.settings import Settings


def report_of(settings: Settings, home: Path, version: str) -> dict[str, Any]:
    """The ``report`` object of the interface for ``champion``, ``challenger`` or a number."""
    registry = registry_of(settings, home)
    number = registry.resolve(version)
    return {"version": number, **read_card(registry, number)}

"""What is noted beside a snapshot's files: where they are from and how they are to be read."""

import json
from dataclasses import dataclass
from pathlib import Path

from features.tables import Clock


@dataclass(frozen=True)
class Note:
    """What snapshot.json says of its files."""

    format: int
    fingerprint: str
    source: str
    mapping: dict
    rows: dict[str, int]
    clock: Clock
    outcome_times: bool
    stages: tuple[str, ...]
    has_accounts: bool
    newest: str
    pulled_until: str
    warnings: tuple[str, ...]


def read_note(folder: Path) -> Note:
    """What is noted of a snapshot."""
    note = json.loads((folder / "snapshot.json").read_text())
    return Note(**note | {"stages": tuple(note["stages"]), "warnings": tuple(note["warnings"])})

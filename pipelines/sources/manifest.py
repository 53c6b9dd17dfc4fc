"""What is noted beside a snapshot's files, and its fingerprint: a hash of the data and of how they are read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import pyarrow as pa

from features.errors import UsageError
from features.labels import Horizons
from features.serialization import dump, load
from features.tables import Clock, Tables
from pipelines.sources.connections import Source
from pipelines.sources.reading.column_types import ReadAs
from pipelines.sources.reading.parts import parts, rows_of
from pipelines.sources.reading.result import Reading
from pipelines.sources.resolve import Resolved

FORMAT = 5
NOTE = "snapshot.json"


@dataclass(frozen=True)
class Note:
    """What snapshot.json says of its files; ``number`` says in which order snapshots were pulled, whatever the
    clocks said and the time that was asked for. ``columns`` and ``files`` say how the source was read, ``parts`` what each
    table is made of; a ``passing`` snapshot goes once a newer one is there.
    """

    format: int
    number: int
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
    columns: tuple[ReadAs, ...]
    files: dict[str, dict[str, str]]
    passing: bool = False
    parts: dict[str, list[str]] = field(default_factory=dict)

    def text(self) -> str:
        """As it is written beside the files."""
        return json.dumps(dump(self), indent=2, ensure_ascii=False) + "\n"


def read_note(folder: Path) -> Note:
    """What is noted of a snapshot.

    Raises
    ------
    UsageError
        If another leadsieve kept it in a format of its own.
    """
    note = json.loads((folder / NOTE).read_text())
    if note["format"] != FORMAT:
        raise UsageError(
            f"the snapshot '{folder}' is of format {note['format']}, and this leadsieve reads {FORMAT}; nothing was "
            f"done. Remove the folder '{folder.parent}': the source is pulled again by the next command."
        )
    return load(Note, note)


def last_note(store: Path, source: str) -> Note | None:
    """What is noted of the newest snapshot of a source, if there is one."""
    found = [note for note in notes(store).values() if note.source == source]
    return max(found, key=lambda note: note.number, default=None)


def noted_and_held(folder: Path) -> tuple[Note, dict[str, int]] | None:
    """What is noted of a snapshot, and the rows that its files hold; None where either cannot be read.

    Raises
    ------
    UsageError
        As `read_note`.
    """
    try:
        note = read_note(folder)
        there = {name: [part.name for part in parts(folder, name)] for name in note.rows}
        return (note, {name: rows_of(folder, name) for name in note.rows}) if there == note.parts else None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid):
        return None


def whole(folder: Path) -> Note | None:
    """What is noted of a snapshot whose files are all there and end where they should; None of one that is
    damaged, by a full disk, a bad one, or a hand. Raises UsageError as `read_note` does.
    """
    found = noted_and_held(folder)
    return found[0] if found and found[0].rows == found[1] else None


def notes(store: Path) -> dict[Path, Note]:
    """Every snapshot that is whole."""
    return {folder: note for folder in sorted(store.glob("[!.]*")) if (note := whole(folder))}


def written_otherwise(earlier: Note | None, files: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """What is to be said of files that have another separator or encoding than in the pull before."""
    before = {} if earlier is None else earlier.files
    return tuple(
        f"{role}: the {key} is '{value}', which was '{before[role][key]}' in the pull before"
        for role, written in files.items()
        for key, value in written.items()
        if role in before and before[role][key] != value
    )


def stored_mapping(resolved: Resolved) -> dict:
    """What of the settings decides about the stored rows: neither where they came from nor how they are read
    later.
    """
    return resolved.settings.model_dump(mode="json", exclude={"url", "engine", "extracted_at"})


def _settled(resolved: Resolved, horizons: Horizons) -> list:
    """What besides the data goes into a snapshot's fingerprint."""
    flat = resolved.settings.outcome
    undated = flat is not None and flat.occurred_at is None and resolved.settings.leads.order is None
    return [FORMAT, stored_mapping(resolved), horizons.convert_days if undated else None]


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint_of_files(source: Source, resolved: Resolved, horizons: Horizons) -> str | None:
    """From the bytes of the source's files; None where there are none to look at."""
    settings = resolved.settings
    tables = [
        mapping.table
        for mapping in (settings.leads, settings.events, settings.outcomes)
        if mapping is not None
    ]
    identity = source.identity(list(dict.fromkeys(tables)))
    return None if identity is None else _fingerprint(*_settled(resolved, horizons), identity)


def fingerprint_of_rows(
    source: Source, resolved: Resolved, reading: Reading, tables: Tables, horizons: Horizons
) -> str:
    """From the rows themselves, in whatever order a server gave them."""
    sums = {}
    for name in reading.tables:
        rows = ibis.to_sql(getattr(tables, name), dialect="duckdb")
        summed = source.connection.raw_sql(
            f"SELECT count(*), sum(hash(t)::HUGEINT) FROM ({rows}) AS t"
        ).fetchall()
        sums[name] = [str(value) for value in summed[0]]
    columns = {
        name: [[column, str(dtype)] for column, dtype in getattr(tables, name).schema().items()]
        for name in reading.tables
    }
    return _fingerprint(*_settled(resolved, horizons), columns, sums)

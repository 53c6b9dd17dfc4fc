"""A list of leads in words of its own: which of its columns is which of the source's, and the same list in the source's words."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from features.tables import LEAD_KEYS
from pipelines.files import replaced
from pipelines.flows.init.columns import Column, Looked, look
from pipelines.flows.init.words import fits, tidy
from pipelines.sources.connections import FolderSource
from pipelines.sources.engine import as_name, let_go, local_engine, quoted
from pipelines.sources.reading.columns import BLANKS

LOOKED_AT = 2_000  # rows of a list
SHOWN = 5
ALIKE = 0.82  # of two names, from which on they may be one
SHARED = 0.5  # of a column's values that the source's column has, too
KEPT = "lists.json"
ROLES = {
    "lead_id": "the lead's number or key",
    "created_at": "when the lead came",
    "account_id": "the company",
    "channel": "where the lead came from",
    "campaign": "the campaign",
    "owner": "who works it",
}


@dataclass(frozen=True)
class Needed:
    """A column of the source that scores are made of.

    Attributes
    ----------
    name : str
        As the source writes it.
    role : str or None
        What it is besides an attribute: a key of ``ROLES``.
    read : bool
        Whether the version in use cannot score without it.
    values : set of str
        Words that the source has there, as far as they are known.
    """

    name: str
    role: str | None = None
    read: bool = True
    values: frozenset[str] = frozenset()

    @property
    def words(self) -> str | None:
        """What it is, for people."""
        return None if self.role is None else ROLES[self.role]


def needed_columns(
    mapping: Mapping[str, object], attributes: Sequence[str], words: Mapping[str, Sequence[object]]
) -> tuple[Needed, ...]:
    """What a list must or may tell.

    Parameters
    ----------
    mapping : mapping
        The source's own leads table, as a snapshot notes it.
    attributes : sequence of str
        That the version in use reads.
    words : mapping of attribute to values
        Those that it has learned from.
    """
    found = []
    for role in ROLES:
        name = mapping.get(role)
        if isinstance(name, str) and not (role == "created_at" and mapping.get("order")):
            read = role in attributes or role == "lead_id"
            found.append(Needed(name, role, read, frozenset(map(str, words.get(role, ())))))
    taken = {*LEAD_KEYS, *(each.role for each in found)}
    return (
        *found,
        *(
            Needed(each, values=frozenset(map(str, words.get(each, ()))))
            for each in dict.fromkeys(attributes)
            if each not in taken
        ),
    )


def looked_at(file: Path) -> Looked:
    """The first rows of a list.

    Raises
    ------
    ContractError
        For a file that cannot be read.
    """
    engine = local_engine()
    try:
        return look(
            FolderSource(file.absolute().parent, connection=engine), file.name, engine, most=LOOKED_AT
        )
    finally:
        let_go(engine)


def is_strange(list_: Looked, needed: Sequence[Needed]) -> bool:
    """Whether a list lacks columns that it may have under other names."""
    names = {each.name for each in list_.columns}
    return bool({each.name for each in needed if each.read} - names) and bool(
        names - {each.name for each in needed}
    )


def guessed(list_: Looked, needed: Sequence[Needed]) -> dict[str, str | None]:
    """The likeliest column of a list for each that is needed; each is taken once, the surest first."""
    ranked = sorted(
        ((_likeness(each, column), each.name, column.name) for each in needed for column in list_.columns),
        key=lambda found: -found[0],
    )
    taken: dict[str, str | None] = {}
    for sure, name, column in ranked:
        if sure > 0 and name not in taken and column not in taken.values():
            taken[name] = column
    return {each.name: taken.get(each.name) for each in needed}


def _likeness(needed: Needed, column: Column) -> float:
    """How surely a column is the one that is needed: by its name, by its role's usual names, or by its words."""
    if column.name == needed.name:
        return 10.0
    wanted, sure = tidy(needed.name), 0.0
    if wanted == column.tidy:
        sure = 5.0
    elif (alike := SequenceMatcher(None, wanted, column.tidy).ratio()) >= ALIKE:
        sure = 2.0 * alike
    if needed.role and (needed.role != "created_at" or column.kind == "time"):
        sure += fits(column.tidy, needed.role) / 50
    if needed.role == "lead_id" and not column.unique:
        return 0.0
    if needed.values and column.words:
        sure += 3.0 * (sum(each in needed.values for each in column.words) / len(column.words) >= SHARED)
    return sure


def first_rows(list_: Looked) -> list[list[str]]:
    """The first rows, a text for each cell."""
    cells = [
        ["" if value is None else value for value in column.values[:SHOWN].to_pylist()]
        for column in list_.columns
    ]
    return [list(row) for row in zip(*cells, strict=True)]


def in_source_words(
    file: Path, names: Mapping[str, str | None], target: Path, *, needed: Sequence[Needed]
) -> None:
    """Write a list anew, with the source's names.

    A column that scores are made of and that it lacks is empty; the lead's key is then the number of the row.
    """
    key = next((each.name for each in needed if each.role == "lead_id"), None)
    read = {each.name for each in needed if each.read}
    names = {name: column for name, column in names.items() if column or name in read}
    engine = local_engine()
    try:
        table = FolderSource(file.absolute().parent, connection=engine).table(file.name)
        numbers = "'row ' || row_number() OVER ()"
        cells = [
            f"{_cell(column) if column else numbers if name == key else 'NULL::VARCHAR'} AS {as_name(name)}"
            for name, column in names.items()
        ]
        engine.raw_sql(
            f"COPY (SELECT {', '.join(cells)} FROM {as_name(table.get_name())}) TO {quoted(target)} "
            "(FORMAT csv, HEADER, FORCE_QUOTE *)"
        ).fetchall()
    finally:
        let_go(engine)


def _cell(column: str) -> str:
    return f"nullif(trim({as_name(column)}, {quoted(BLANKS)}), '')"


def shape_of(list_: Looked) -> str:
    """What lists of the same columns share."""
    names = json.dumps([each.name for each in list_.columns])
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def remembered(home: Path, list_: Looked, needed: Sequence[Needed]) -> dict[str, str | None] | None:
    """What was said of an earlier list of the same columns, if it says all that is needed now."""
    found = _kept(home).get(shape_of(list_))
    if found is None or {each.name for each in needed} - set(found):
        return None
    return {each.name: found[each.name] for each in needed}


def remember(home: Path, list_: Looked, names: Mapping[str, str | None]) -> None:
    """Keep what was said, for the next list of the same columns."""
    kept = _kept(home) | {shape_of(list_): dict(names)}
    with replaced(home / KEPT) as draft:
        draft.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")


def _kept(home: Path) -> dict[str, dict[str, str | None]]:
    try:
        return json.loads((home / KEPT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}

"""Registered versions, how they are called by name, and which of them was champion when.

Promotions and rollbacks are kept as tags: each is one entry of the version that it made champion. An entry
that was written by a run which was killed before it moved the alias tells of a change that never came: the
next one replaced another version, or another is champion. Such entries are passed over.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from features.errors import LeadsieveError, UsageError
from features.serialization import dump, load

CHAMPION, CHALLENGER = "champion", "challenger"
ENTRY = "change_"


@dataclass(frozen=True)
class Version:
    """One registered version.

    Attributes
    ----------
    number : str
    aliases : tuple of str
        ``champion``, ``challenger`` or none.
    run : str
        Id of the MLflow run that holds its parameters, metrics and pictures.
    tags : dict
        Those of its registration, and of its promotions: see ``models.registry.versions``.
    made_at : datetime
        When it was registered, UTC.
    """

    number: str
    aliases: tuple[str, ...]
    run: str
    tags: dict[str, str]
    made_at: datetime | None = field(default=None, compare=False)


def listed(
    rows: Iterable[tuple[int, str, int, Mapping[str, str]]], aliases: Mapping[str, str]
) -> tuple[Version, ...]:
    """Versions from their numbers, runs, milliseconds of registration and tags, the newest first; aliases are
    numbers by name.
    """
    return tuple(
        Version(
            number=str(number),
            aliases=tuple(sorted(alias for alias, named in aliases.items() if named == str(number))),
            run=run,
            tags=dict(tags),
            made_at=datetime.fromtimestamp(made / 1000, UTC).replace(tzinfo=None),
        )
        for number, run, made, tags in sorted(rows, key=lambda row: row[0], reverse=True)
    )


class ChampionMovedError(LeadsieveError):
    """Another version became the champion while this one was being compared with the last."""

    exit_code = 4

    def __init__(self, version: str, then: str | None, now: str | None) -> None:
        was = f"version {then} was the champion" if then else "there was no champion"
        since = f"version {now} has become it since" if now else "there is none any more"
        super().__init__(
            f"{was} when version {version} was judged, and {since}; nothing was changed. Run it again."
        )


def number_of(version: str, versions: Sequence[Version]) -> str:
    """The number of ``champion``, ``challenger`` or a number. Raises UsageError where there is no such
    version.
    """
    known = [entry.number for entry in reversed(versions)]
    aliases = {alias: entry.number for entry in versions for alias in entry.aliases}
    number = aliases.get(version, version)
    if number in known:
        return number
    if not known:
        raise UsageError(
            f"there is no {version}: no version has been registered yet. Train one first: leadsieve train."
        )
    if version == CHAMPION:
        raise UsageError("there is no champion yet. Promote a version first: leadsieve promote.")
    if version == CHALLENGER:
        raise UsageError(
            "there is no challenger: the newest version has been promoted already. Train one first: leadsieve train."
        )
    raise UsageError(f"there is no version '{version}'. Known: {', '.join([*known, *aliases])}.")


@dataclass(frozen=True)
class Change:
    """A version became the champion.

    Attributes
    ----------
    number : int
        Counted over all versions.
    version : str
    replaced : str or None
    at, who, why : str
    how : "by rule", "forced" or "rollback"
    reasons : tuple of str
        What the rule said.
    """

    number: int
    version: str
    replaced: str | None
    at: str
    who: str
    why: str
    how: Literal["by rule", "forced", "rollback"]
    reasons: tuple[str, ...] = ()

    def tags(self) -> dict[str, str]:
        """For the version: the latest change in plain words, and this one for good."""
        latest = {
            "promoted_at": self.at,
            "promoted_by": self.who,
            "promoted_why": self.why,
            "promoted_how": self.how,
        }
        entry = {f"{ENTRY}{self.number:04}": json.dumps(dump(self), ensure_ascii=False)}
        return {
            **latest,
            "promoted_reasons": "\n".join(self.reasons),
            "replaced": self.replaced or "",
            **entry,
        }


@dataclass(frozen=True)
class Reign:
    """A change and when its version was replaced in turn; ``until`` is None for the champion."""

    change: Change
    until: str | None


def written(tags: Mapping[str, Mapping[str, str]]) -> list[Change]:
    """Every entry, in order; ``tags`` are those of each version."""
    entries = [text for each in tags.values() for name, text in each.items() if name.startswith(ENTRY)]
    return sorted((load(Change, json.loads(text)) for text in entries), key=lambda change: change.number)


def reigns(changes: Sequence[Change], champion: str | None) -> list[Reign]:
    """The changes that came to pass, in order."""
    came: list[Change] = []
    after = champion
    for change in reversed(changes):
        if change.version == after:
            came.insert(0, change)
            after = change.replaced
    ends = (*(change.at for change in came[1:]), None)
    return [Reign(change, ends[position]) for position, change in enumerate(came)]


def previous(changes: Sequence[Change], champion: str | None) -> str | None:
    """The version that a rollback returns to: the champion before this one, of those that no rollback has put
    away.

    Two rollbacks in a row thus go two champions back, and not to the one that was found wanting.
    """
    line: list[str] = []
    for reign in reigns(changes, champion):
        if reign.change.how == "rollback" and reign.change.version in line:
            del line[line.index(reign.change.version) + 1 :]
        else:
            line.append(reign.change.version)
    return line[-2] if len(line) > 1 else None

"""Who was champion when: the log of promotions and rollbacks, kept as tags of the versions, and what can be read off it.

Each change is one entry of the version that it made champion. An entry that was written by a run which was killed before it moved the alias
tells of a change that never came: the next one replaced another version, or another is champion. Such entries are passed over.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

ENTRY = "change_"


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
        latest = {"promoted_at": self.at, "promoted_by": self.who, "promoted_why": self.why, "promoted_how": self.how}
        entry = {f"{ENTRY}{self.number:04}": json.dumps(asdict(self), ensure_ascii=False)}
        return {**latest, "promoted_reasons": "\n".join(self.reasons), "replaced": self.replaced or "", **entry}


@dataclass(frozen=True)
class Reign:
    """A change and when its version was replaced in turn; ``until`` is None for the champion."""

    change: Change
    until: str | None


def written(tags: Mapping[str, Mapping[str, str]]) -> list[Change]:
    """Every entry, in order; ``tags`` are those of each version."""
    found = [json.loads(text) for each in tags.values() for name, text in each.items() if name.startswith(ENTRY)]
    return sorted((Change(**{**entry, "reasons": tuple(entry["reasons"])}) for entry in found), key=lambda change: change.number)


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
    """The version that a rollback returns to: the champion before this one, of those that no rollback has put away.

    Two rollbacks in a row thus go two champions back, and not to the one that was found wanting.
    """
    line: list[str] = []
    for reign in reigns(changes, champion):
        if reign.change.how == "rollback" and reign.change.version in line:
            del line[line.index(reign.change.version) + 1 :]
        else:
            line.append(reign.change.version)
    return line[-2] if len(line) > 1 else None

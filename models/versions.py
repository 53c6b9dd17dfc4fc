"""Registered versions as everybody else sees them, and how they are called by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from features.errors import LeadsieveError, UsageError

CHAMPION, CHALLENGER = "champion", "challenger"


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
        Those of its registration, and of its promotions: see ``models.reigns``.
    made_at : datetime
        When it was registered, UTC.
    """

    number: str
    aliases: tuple[str, ...]
    run: str
    tags: dict[str, str]
    made_at: datetime | None = field(default=None, compare=False)


def listed(rows: Iterable[tuple[int, str, int, Mapping[str, str]]], aliases: Mapping[str, str]) -> tuple[Version, ...]:
    """Versions from their numbers, runs, milliseconds of registration and tags, the newest first; aliases are numbers by name."""
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
        super().__init__(f"{was} when version {version} was judged, and {since}; nothing was changed. Run it again.")


def number_of(version: str, versions: Sequence[Version]) -> str:
    """The number of ``champion``, ``challenger`` or a number. Raises UsageError where there is no such version."""
    known = [entry.number for entry in reversed(versions)]
    aliases = {alias: entry.number for entry in versions for alias in entry.aliases}
    number = aliases.get(version, version)
    if number in known:
        return number
    if not known:
        raise UsageError(f"there is no {version}: no version has been registered yet. Train one first: leadsieve train.")
    if version == CHAMPION:
        raise UsageError("there is no champion yet. Promote a version first: leadsieve promote.")
    if version == CHALLENGER:
        raise UsageError("there is no challenger: the newest version has been promoted already. Train one first: leadsieve train.")
    raise UsageError(f"there is no version '{version}'. Known: {', '.join([*known, *aliases])}.")

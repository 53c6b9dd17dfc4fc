"""What every command shares: its options, the home folder and the clock it runs with, read here alone, and
how its result is shown.

Heavy libraries are imported inside the commands, so that ``--help`` and a mistyped option answer at once.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import UnreachableError, UsageError
from pipelines.cli.streams import says_everything
from pipelines.environment import keep_in, patient_collector

EXIT_USELESS = 4

Config = Annotated[
    Path | None, typer.Option("--config", help="Configuration (TOML); see examples/.", show_default=False)
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Where the data are, such as files:exports; overrides the file's.",
        show_default=False,
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Use nothing recorded from this time (UTC) or row number on. Default: now.",
        show_default=False,
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder of snapshots, versions and decisions. Default: LEADSIEVE_HOME, or .leadsieve.",
        show_default=False,
    ),
]
Who = Annotated[
    str, typer.Option("--who", help="Who decided it; kept with the version. Default: your login name.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@contextmanager
def running(home: Path, *, quiet: bool) -> Iterator[datetime]:
    """Libraries set up to keep everything in ``home``; gives the time of the run."""
    keep_in(home)
    with ExitStack() as held:
        held.enter_context(patient_collector())
        if quiet:
            from pipelines.progress import hushed

            held.enter_context(hushed())
        yield clock()


def standing(home: Path) -> datetime:
    """The same for a command that computes nothing."""
    keep_in(home)
    return clock()


def clock() -> datetime:
    """The time now, UTC without a zone. What runs on, such as the desk, is handed this function."""
    return datetime.now(UTC).replace(tzinfo=None)


def settings_of(config: Path | None, source: str | None) -> Any:
    from pipelines.settings import load_settings

    return load_settings(config, {} if source is None else {"source": {"url": source}})


def moment_of(text: str | None, now: datetime) -> datetime:
    """An as-of time as UTC without a zone; a bare number is a row's."""
    from features.tables import row_time

    if text is None:
        return now
    if text.isdigit():
        return row_time(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of: '{text}' is no time. Say it like 2026-03-01, 2026-03-01T08:00 or 2026-03-01T08:00+01:00."
        ) from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def show(result: dict[str, Any], words: str, *, as_json: bool) -> None:
    """Print what came of a command, and wait until it is out."""
    try:
        print(json.dumps(result, ensure_ascii=not says_everything()) if as_json else words, flush=True)
    except OSError as error:
        raise UnreachableError(
            f"the result cannot be written to standard output: {error.strerror}. What the command does is done."
        ) from error

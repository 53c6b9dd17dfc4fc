"""The command line: reads words and the clock, runs a flow, shows what came of it, and says what went wrong in one place.

Heavy libraries are imported inside the commands, so that ``--help`` and a mistyped option answer at once.
"""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import LeadsieveError, UsageError
from pipelines.environment import home_folder, libraries_at

EXIT_USELESS = 4

app = typer.Typer(
    name="leadsieve",
    help="Learns which leads sales will pursue and win, and holds the poor ones back. Start with: leadsieve demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path | None, typer.Option("--config", help="Configuration (TOML); see examples/.", show_default=False)]
Source = Annotated[
    str | None, typer.Option("--source", help="Where the data are, such as files:exports; overrides the file's.", show_default=False)
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Use nothing recorded from this time (UTC) or row number on. Default: now.", show_default=False),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of snapshots, versions and decisions. Default: LEADSIEVE_HOME, or .leadsieve.", show_default=False),
]


Who = Annotated[str, typer.Option("--who", help="Who decided it; kept with the version.")]


class Span(StrEnum):
    """What the past is cut into."""

    month = "month"
    week = "week"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def demo(home: Home = None, as_json: Json = False) -> None:
    """Pull, train, promote and score made-up leads, then show what came of it."""
    folder = home_folder(home) / "demo"
    with _run(folder, quiet=as_json) as now:
        from pipelines import tour
        from pipelines.settings import load_settings

        shown = tour.run(load_settings(None, {"source": {"url": "simulated:"}}), folder, now)
    _show(shown.to_json(), shown.words(), as_json=as_json)


@app.command()
def check(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    page: Annotated[Path | None, typer.Option("--page", help="Write a page with pictures to this .html file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Before any training: does the source keep its contract, is there enough, which columns know too much?

    Exit code 3: the contract is broken. 4: train would stop, for too little data or for a column that knows too much.
    """
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_check
        from pipelines.check import check_source
        from pipelines.check_page import write_page

        report = check_source(_settings(config, source), folder, _moment(as_of, now), drawn=page is not None)
        if page is not None:
            write_page(report.to_json(), report.pictures, page)
    _show(report.to_json(), wording_check.checked(report.to_json(), page=page), as_json=as_json)
    if not report.passes:
        raise typer.Exit(EXIT_USELESS)


@app.command()
def train(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    tune: Annotated[int, typer.Option("--tune", min=0, help="First try this many model settings with Optuna.")] = 0,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Write the judged leads' scores to this Parquet file.", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Register the model even if it is no better than chance, or a column is suspicious.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fit a challenger on what is settled, judge it on later leads, register it. Sales sees no change."""
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording
        from pipelines.train import train_leads

        settings = _settings(config, source)
        report = train_leads(settings, folder, _moment(as_of, now), tune=tune, scores=scores, force=force).to_json()
    _show(report, wording.training(report), as_json=as_json)
    if report["version"] is None:
        raise typer.Exit(EXIT_USELESS)


@app.command()
def backtest(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    last: Annotated[int, typer.Option("--last", min=1, max=120, help="How many of the last months, weeks, or parts of the rows.")] = 12,
    by: Annotated[Span, typer.Option("--by", help="Replay by calendar month or week.")] = Span.month,
    picture: Annotated[Path | None, typer.Option("--picture", help="The picture goes to this .png file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Replay past months: whom would the filter have held, and which customers would that have cost?"""
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_backtest
        from pipelines.backtest import backtest_leads

        report = backtest_leads(_settings(config, source), folder, _moment(as_of, now), last=last, by=by.value, picture=picture).to_json()
    _show(report, wording_backtest.replayed(report), as_json=as_json)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version's number, or 'challenger'.")] = "challenger",
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    who: Who = "",
    why: Annotated[str, typer.Option("--why", help="Why; kept with the version.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Promote it whatever the rule says; needs --why.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a version with the champion, and put it in its place if harm is excluded: from then on sales sees its scores."""
    if force and not why.strip():
        raise UsageError("--force needs --why TEXT: the reason is kept with the version.")
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_versions
        from pipelines.promote import promote_version

        settings = _settings(config, source)
        moment = _moment(as_of, now)
        result = promote_version(settings, folder, now, as_of=moment, version=version, who=who, why=why, force=force).to_json()
    _show(result, wording_versions.promotion(result), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


@app.command()
def rollback(
    why: Annotated[str, typer.Option("--why", help="Why; kept with the version.")],
    version: Annotated[str | None, typer.Argument(help="A version's number. Default: the champion before this one.")] = None,
    config: Config = None,
    home: Home = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Return to an earlier version at once. Nothing is compared."""
    if not why.strip():
        raise UsageError("a rollback needs --why TEXT: the reason is kept with the version.")
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_versions
        from pipelines.rollback import rollback_version

        result = rollback_version(_settings(config, None), folder, now, why=why, version=version, who=who).to_json()
    _show(result, wording_versions.promotion(result), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


@app.command()
def versions(config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """List every version: what it was trained on and was worth, and when it was the champion, by whom and why."""
    with _run(folder := home_folder(home), quiet=as_json):
        from pipelines import wording_versions
        from pipelines.versions import versions_of

        result = versions_of(_settings(config, None), folder)
    _show(result, wording_versions.versions(result), as_json=as_json)


@app.command()
def score(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    leads: Annotated[
        Path | None,
        typer.Option("--leads", help="Score the leads of this file, in the source's own columns.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Score leads that sales has answered, too.")] = False,
    reasons: Annotated[int, typer.Option("--reasons", min=0, help="How many of the best leads get worded reasons.")] = 20_000,
    output: Annotated[Path | None, typer.Option("--output", help="Decisions go to this .csv or .parquet file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Score new leads with the champion and decide: hand off or hold. No lead is decided twice."""
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording
        from pipelines.score import score_leads

        settings = _settings(config, source)
        moment = _moment(as_of, now)
        report = score_leads(settings, folder, moment, leads=leads, everything=everything, reasons=reasons, output=output)
    _show(report.to_json(), wording.scoring(report.to_json(), report.decisions), as_json=as_json)


@app.command()
def value(config: Config = None, source: Source = None, as_of: AsOf = None, home: Home = None, as_json: Json = False) -> None:
    """What the filter has cost and brought since launch: the promise checked again, and the worth of handing off."""
    with _run(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_value
        from pipelines.value import value_policy

        report = value_policy(_settings(config, source), folder, _moment(as_of, now)).to_json()
    _show(report, wording_value.valued(report), as_json=as_json)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code.

    0 done · 1 our bug · 2 wrong usage or configuration · 3 the data break the contract · 4 too little data or a useless model ·
    5 a system this depends on is out of reach.
    """
    try:
        app(argv, prog_name="leadsieve")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except LeadsieveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        print(
            "This is a bug in leadsieve, not in your data. Nothing half-done was kept; the lines above say where it happened.",
            file=sys.stderr,
        )
        return 1
    return 0


def run() -> None:
    """What the installed command calls."""
    sys.exit(main(sys.argv[1:]))


@contextmanager
def _run(home: Path, *, quiet: bool) -> Iterator[datetime]:
    """Libraries set up to keep everything in ``home``; gives the time of the run, the one place where the clock is read."""
    with ExitStack() as held:
        held.enter_context(libraries_at(home))
        if quiet:
            from pipelines.progress import hushed

            held.enter_context(hushed())
        yield datetime.now(UTC).replace(tzinfo=None)


def _settings(config: Path | None, source: str | None) -> Any:
    from pipelines.settings import load_settings

    return load_settings(config, {} if source is None else {"source": {"url": source}})


def _moment(text: str | None, now: datetime) -> datetime:
    """An as-of time as UTC without a zone; a bare number is a row's."""
    from features.tables import row_time

    if text is None:
        return now
    if text.isdigit():
        return row_time(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of: '{text}' is no time. Say it like 2026-03-01, 2026-03-01T08:00 or 2026-03-01T08:00+01:00.") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _show(result: dict[str, Any], words: str, *, as_json: bool) -> None:
    print(json.dumps(result, ensure_ascii=False) if as_json else words)


if __name__ == "__main__":
    run()

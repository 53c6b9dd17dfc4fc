"""Commands of a data scientist: check a source, train, replay the past; promote, roll back, compare versions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from features.errors import UsageError
from pipelines.cli.options import (
    EXIT_USELESS,
    AsOf,
    Config,
    Home,
    Json,
    Source,
    Who,
    moment_of,
    running,
    settings_of,
    show,
)
from pipelines.environment import home_folder, login_name


class Span(StrEnum):
    """What the past is cut into."""

    month = "month"
    week = "week"


def check(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Write a page with pictures to this .html file.", show_default=False),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Say of every column how it was read, not only where something was done."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Before any training: does the source keep its contract, is there enough, which columns know too much?

    Exit code 3: the contract is broken. 4: train would stop, for too little data or for a column that knows
    too much.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.check import check_source
        from pipelines.reports import check as reports
        from pipelines.reports.render import terminal

        report = check_source(
            settings_of(config, source), folder, moment_of(as_of, now), drawn=page is not None
        )
        if page is not None:
            reports.write_page(report.to_json(), report.pictures, page)
    show(report.to_json(), terminal(reports.check(report.to_json(), page=page, every=every)), as_json=as_json)
    if not report.passes:
        raise typer.Exit(EXIT_USELESS)


def train(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    tune: Annotated[
        int, typer.Option("--tune", min=0, help="First try this many model settings with Optuna.")
    ] = 0,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", help="Write every judged lead's scores to this Parquet file.", show_default=False
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Register the model even if it is no better than chance, or a column is suspicious.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fit a challenger on what is settled, judge it on later leads, register it. Sales sees no change."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.train import train_leads
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, source)
        report = train_leads(
            settings, folder, moment_of(as_of, now), tune=tune, scores=scores, force=force
        ).to_json()
    show(report, terminal(summaries.train(report)), as_json=as_json)
    if report["version"] is None:
        raise typer.Exit(EXIT_USELESS)


def backtest(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    last: Annotated[
        int,
        typer.Option(
            "--last", min=1, max=120, help="How many of the last months, weeks, or parts of the rows."
        ),
    ] = 12,
    by: Annotated[Span, typer.Option("--by", help="Replay by calendar month or week.")] = Span.month,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="The picture goes to this .png file.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay past months: whom would the filter have held, and which customers would that have cost?"""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.backtest import backtest_leads
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        report = backtest_leads(
            settings_of(config, source),
            folder,
            moment_of(as_of, now),
            last=last,
            by=by.value,
            picture=picture,
        ).to_json()
    show(report, terminal(summaries.backtest(report)), as_json=as_json)


def promote(
    version: Annotated[str, typer.Argument(help="A version's number, or 'challenger'.")] = "challenger",
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    who: Who = "",
    why: Annotated[str, typer.Option("--why", help="Why; kept with the version.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Promote it whatever the rule says; needs --why.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare a version with the champion, and put it in its place if harm is excluded: from then on sales
    sees its scores.
    """
    if force and not why.strip():
        raise UsageError("--force needs --why TEXT: the reason is kept with the version.")
    with running(folder := home_folder(home), quiet=as_json) as now:
        from features.serialization import plain
        from pipelines.flows.promote import promote_version
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, source)
        moment, who = moment_of(as_of, now), who or login_name()
        result = plain(
            promote_version(
                settings, folder, now, as_of=moment, version=version, who=who, why=why, force=force
            )
        )
    show(result, terminal(summaries.promote(result)), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


def rollback(
    why: Annotated[str, typer.Option("--why", help="Why; kept with the version.")],
    version: Annotated[
        str | None, typer.Argument(help="A version's number. Default: the champion before this one.")
    ] = None,
    config: Config = None,
    home: Home = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Return to an earlier version at once. Nothing is compared."""
    if not why.strip():
        raise UsageError("a rollback needs --why TEXT: the reason is kept with the version.")
    with running(folder := home_folder(home), quiet=as_json) as now:
        from features.serialization import plain
        from pipelines.flows.promote import rollback_version
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        result = plain(
            rollback_version(
                settings_of(config, None), folder, now, why=why, version=version, who=who or login_name()
            )
        )
    show(result, terminal(summaries.promote(result)), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


def versions(config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """List every version: what it was trained on and was worth, and when it was the champion, by whom and
    why.
    """
    with running(folder := home_folder(home), quiet=as_json):
        from pipelines.flows.promote import versions_of
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        result = versions_of(settings_of(config, None), folder)
    show(result, terminal(summaries.versions(result)), as_json=as_json)


def compare(
    version: Annotated[
        str, typer.Argument(help="A version's number, 'champion' or 'challenger'.")
    ] = "champion",
    other: Annotated[str, typer.Argument(help="The one that would take over.")] = "challenger",
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Preview of a promotion: which leads that wait would change grade, be held or let go, by name. Nothing is
    decided.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.preview import preview
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, source)
        result = preview(settings, folder, moment_of(as_of, now), (version, other))
    show(result, terminal(summaries.compare(result)), as_json=as_json)


def report(
    version: Annotated[
        str, typer.Argument(help="A version's number, 'champion' or 'challenger'.")
    ] = "challenger",
    config: Config = None,
    home: Home = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Write the whole report to this .html file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """What is to be known of a version: is it ready, how good, what does it promise, what is there to worry
    about?
    """
    with running(folder := home_folder(home), quiet=as_json):
        from pipelines.home import registry_of
        from pipelines.reports import model_report
        from pipelines.reports.render import terminal
        from pipelines.version_files import report_of

        result = report_of(registry_of(settings_of(config, None), folder), version)
        if page is not None:
            model_report.write_report(result, result["version"], page)
        show(result, terminal(model_report.report(result, page=page)), as_json=as_json)

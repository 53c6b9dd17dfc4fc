"""What learns: is a source fit to learn from, what does a model learn from it, how would it have done?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.environment import home_folder
from pipelines.shell import EXIT_USELESS, AsOf, Config, Home, Json, Source, moment_of, running, settings_of, show


class Span(StrEnum):
    """What the past is cut into."""

    month = "month"
    week = "week"


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_check
        from pipelines.check import check_source
        from pipelines.check_page import write_page

        report = check_source(settings_of(config, source), folder, moment_of(as_of, now), drawn=page is not None)
        if page is not None:
            write_page(report.to_json(), report.pictures, page)
    show(report.to_json(), wording_check.checked(report.to_json(), page=page), as_json=as_json)
    if not report.passes:
        raise typer.Exit(EXIT_USELESS)


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording
        from pipelines.train import train_leads

        settings = settings_of(config, source)
        report = train_leads(settings, folder, moment_of(as_of, now), tune=tune, scores=scores, force=force).to_json()
    show(report, wording.training(report), as_json=as_json)
    if report["version"] is None:
        raise typer.Exit(EXIT_USELESS)


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_backtest
        from pipelines.backtest import backtest_leads

        report = backtest_leads(
            settings_of(config, source), folder, moment_of(as_of, now), last=last, by=by.value, picture=picture
        ).to_json()
    show(report, wording_backtest.replayed(report), as_json=as_json)

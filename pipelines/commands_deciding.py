"""What a champion is for: leads are scored and decided, and what that was worth is looked at."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.environment import home_folder
from pipelines.shell import AsOf, Config, Home, Json, Source, moment_of, running, settings_of, show


def demo(home: Home = None, as_json: Json = False) -> None:
    """Pull, train, promote and score made-up leads, then show what came of it."""
    folder = home_folder(home) / "demo"
    with running(folder, quiet=as_json) as now:
        from pipelines import tour
        from pipelines.settings import load_settings

        shown = tour.run(load_settings(None, {"source": {"url": "simulated:"}}), folder, now)
    show(shown.to_json(), shown.words(), as_json=as_json)


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording
        from pipelines.score import score_leads

        settings = settings_of(config, source)
        moment = moment_of(as_of, now)
        report = score_leads(settings, folder, moment, leads=leads, everything=everything, reasons=reasons, output=output)
    show(report.to_json(), wording.scoring(report.to_json(), report.decisions), as_json=as_json)


def value(config: Config = None, source: Source = None, as_of: AsOf = None, home: Home = None, as_json: Json = False) -> None:
    """What the filter has cost and brought since launch: the promise checked again, and the worth of handing off."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_value
        from pipelines.value import value_policy

        report = value_policy(settings_of(config, source), folder, moment_of(as_of, now)).to_json()
    show(report, wording_value.valued(report), as_json=as_json)

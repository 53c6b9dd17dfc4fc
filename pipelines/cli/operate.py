"""Commands of every day: the demonstration, scoring, what it was worth, watching, serving on a schedule."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    EXIT_USELESS,
    AsOf,
    Config,
    Home,
    Json,
    Source,
    moment_of,
    running,
    settings_of,
    show,
)
from pipelines.environment import home_folder, keep_in, run_on, variables
from pipelines.prefect_server import prefect_server, secret_of


def demo(home: Home = None, as_json: Json = False) -> None:
    """Pull, train, promote and score made-up leads, then show what came of it."""
    folder = home_folder(home) / "demo"
    with running(folder, quiet=as_json) as now:
        from pipelines.cli import demo as demonstration
        from pipelines.reports.render import terminal

        shown = demonstration.run(folder, now)
    show(shown.to_json(), terminal(shown.words()), as_json=as_json)


def score(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    leads: Annotated[
        Path | None,
        typer.Option(
            "--leads", help="Score the leads of this file, in the source's own columns.", show_default=False
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Score leads that sales has answered, too.")
    ] = False,
    reasons: Annotated[
        int, typer.Option("--reasons", min=0, help="How many of the best leads get worded reasons.")
    ] = 20_000,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Decisions go to this .csv or .parquet file.", show_default=False),
    ] = None,
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="Pull from a server only what has changed since the last pull."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Score new leads with the champion and decide: hand off or hold. No lead is decided twice."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.score import score_leads
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, source)
        moment = moment_of(as_of, now)
        report = score_leads(
            settings,
            folder,
            moment,
            leads=leads,
            everything=everything,
            reasons=reasons,
            output=output,
            incremental=incremental,
        )
    show(report.to_json(), terminal(summaries.score(report.to_json(), report.decisions)), as_json=as_json)


def value(
    config: Config = None, source: Source = None, as_of: AsOf = None, home: Home = None, as_json: Json = False
) -> None:
    """What the filter has cost and brought since launch: the promise checked again, and the worth of handing
    off.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.value import value_policy
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        report = value_policy(settings_of(config, source), folder, moment_of(as_of, now)).to_json()
    show(report, terminal(summaries.value(report)), as_json=as_json)


def serve(
    config: Config = None,
    home: Home = None,
    name: Annotated[
        str, typer.Option("--name", help="What the flows' deployments and their tag are called.")
    ] = "leadsieve",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Of Prefect's pages, on this machine.")
    ] = 4200,
) -> None:
    """Run the flows when [schedule] says so: score each night, monitor each week, retrain each month. Ends
    with Ctrl-C.

    Where PREFECT_API_URL names a Prefect server, the flows are served there; else one runs beside, with its
    pages.
    """
    folder = home_folder(home)
    keep_in(folder, serving=True)
    settings = settings_of(config, None)
    with ExitStack() as held:
        if "PREFECT_API_URL" not in variables():
            address = held.enter_context(prefect_server(folder, port, variables()))
            run_on(address, secret_of(folder))

        from pipelines.flows import deployments
        from pipelines.reports.render import terminal

        print(terminal(deployments.serving(settings.schedule, folder)), flush=True)
        deployments.serve_flows(settings, config=config, home=folder, name=name)


def monitor(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Write a page with pictures to this .html file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Do outcomes still come as the champion foretold? Steady, watch or retrain, with reasons and what to do.

    Exit code 0: steady or watch. 4: retrain.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.monitor import monitor_leads
        from pipelines.reports import monitor as reports
        from pipelines.reports.plots.monitor import pictures_of
        from pipelines.reports.render import terminal

        report = monitor_leads(settings_of(config, source), folder, moment_of(as_of, now))
        result = report.to_json()
        if page is not None:
            reports.write_page(result, pictures_of(report.watches), page)
    show(result, terminal(reports.monitor(result, page=page)), as_json=as_json)
    if result["verdict"] == "retrain":
        raise typer.Exit(EXIT_USELESS)


def alignment(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Leads created from this day on. Default: the last twelve months.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Leads created before this day.", show_default=False)
    ] = None,
    channel: Annotated[str | None, typer.Option("--channel", show_default=False)] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", show_default=False)] = None,
    team: Annotated[
        str | None, typer.Option("--team", help="The team of the leads' owner.", show_default=False)
    ] = None,
    rep: Annotated[str | None, typer.Option("--rep", help="Who answered.", show_default=False)] = None,
    grade: Annotated[str | None, typer.Option("--grade", show_default=False)] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Write a page with pictures to this .html file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """What became of leads, for marketing and sales to read together."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from models.alignment.book import Asked
        from pipelines.flows.alignment.align import align, day
        from pipelines.reports import alignment as reports
        from pipelines.reports.render import terminal

        period = (day("--from", since), day("--to", until))
        asked = Asked(*period, channel, campaign, team, rep, grade)
        report = align(settings_of(config, source), folder, moment_of(as_of, now), asked)
        result = report.to_json()
        if page is not None:
            from pipelines.reports.plots.alignment import of_page

            reports.write_page(result, of_page(result), page)
    show(result, terminal(reports.alignment(result, page=page)), as_json=as_json)

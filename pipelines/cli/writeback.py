"""Decisions on their way back to the systems that sales works in."""

from typing import Annotated

import typer

from pipelines.cli.options import Config, Home, Json, Source, running, settings_of, show
from pipelines.environment import home_folder


def writeback(
    config: Config = None,
    source: Source = None,
    home: Home = None,
    again: Annotated[bool, typer.Option("--again", help="Try what was not taken before, too.")] = False,
    only_list: Annotated[
        bool, typer.Option("--list", help="Send nothing: what waits, and what was not taken.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write decisions, and what changed of them, to the CRM and the webhook. Nothing is written twice."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from features.serialization import plain
        from pipelines.flows.writeback.run import write_back
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, source)
        report = plain(write_back(settings, folder, now, again=again, only_list=only_list))
    show(report, terminal(summaries.writeback(report)), as_json=as_json)

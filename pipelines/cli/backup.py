"""Commands that keep a home: copied while it is in use, put in place again, and rid of what nothing needs."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import Config, Home, Json, running, settings_of, show, standing
from pipelines.environment import home_folder


def backup(
    to: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy the home, with the configuration, into a new folder; whatever runs may go on."""
    now = standing(folder := home_folder(home))
    from features.serialization import plain
    from pipelines.maintenance.backup import back_up

    made = back_up(settings_of(config, None), folder, to.absolute(), at=now, config=config)
    words = f"{made.files:,} files, {made.bytes / 1e6:,.1f} MB, are in {made.folder}"
    for each in made.elsewhere:
        words += f"\nNot among them, to be copied as its server does: {each}"
    show(plain(made), words, as_json=as_json)


def restore(
    backup: Annotated[Path, typer.Argument(help="A folder that leadsieve backup made.", show_default=False)],
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Put the home in place from a backup; end the desk and leadsieve serve first. The home that is there is kept
    beside it, and whoever was forgotten in it stays so.
    """
    now = standing(folder := home_folder(home))
    from features.serialization import plain
    from pipelines.maintenance.backup import restore as put_in_place

    done = put_in_place(settings_of(config, None), folder, backup.absolute(), at=now)
    words = f"{done.home} is as it was in {backup}"
    if done.forgotten_again:
        words += f"\nForgotten again: {done.forgotten_again:,}"
    if done.before:
        words += f"\nWhat was there before is in {done.before}; remove it when nothing of it is missed."
    show(plain(done), words, as_json=as_json)


def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, it is only listed.")] = False,
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Remove old snapshots, and Prefect's old runs, as [retention] says; what a version or the leak guard needs stays."""
    with running(folder := home_folder(home), quiet=as_json) as now:
        from features.serialization import plain
        from pipelines.flows.runs import remove_old
        from pipelines.maintenance.retention import prune as remove
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        settings = settings_of(config, None)
        result = plain(remove(settings, folder, now, done=yes, old_runs=remove_old))
    show(result, terminal(summaries.prune(result, asked=settings.retention.on)), as_json=as_json)

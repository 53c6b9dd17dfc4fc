"""Commands that keep a home: copied while it is in use, and put in place again."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import Config, Home, Json, settings_of, show, standing
from pipelines.environment import home_folder


def backup(
    to: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy the home, with the configuration, into a new folder; whatever runs may go on."""
    now = standing(folder := home_folder(home))
    from pipelines.backup import back_up

    made = back_up(settings_of(config, None), folder, to.absolute(), at=now, config=config)
    words = f"{made.files:,} files, {made.size / 1e6:,.1f} MB, are in {made.folder}"
    for each in made.elsewhere:
        words += f"\nNot among them, to be copied as its server does: {each}"
    show(made.to_json(), words, as_json=as_json)


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
    from pipelines.backup import restore as put_in_place

    done = put_in_place(settings_of(config, None), folder, backup.absolute(), at=now)
    words = f"{done.home} is as it was in {backup}"
    if done.forgotten:
        words += f"\nForgotten again: {done.forgotten:,}"
    if done.before:
        words += f"\nWhat was there before is in {done.before}; remove it when nothing of it is missed."
    show(done.to_json(), words, as_json=as_json)

"""The command that a newcomer begins with: a first configuration from a look at the data."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import Home, Json, running, show
from pipelines.environment import home_folder

if TYPE_CHECKING:
    from pipelines.flows.init.draft import Option


def init(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_FOLDER_OR_URL",
            help="A CSV, Excel or Parquet file, a folder of them, or an address such as duckdb:crm.duckdb.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", help="The configuration goes to this TOML file.")
    ] = Path("crm.toml"),
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Ask nothing: take the likelier answer, and name the other beside it."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look at your data and write a first configuration, with what each column was taken for and why.

    It is tried as check would; the exit code is check's, and the file is there whatever it is.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines.flows.init.start import init_source
        from pipelines.reports import summaries
        from pipelines.reports.render import terminal

        report = init_source(
            target, output, home=folder, now=now, choose=_likelier if yes or as_json else _asked, force=force
        )
    show(report.to_json(), terminal(summaries.init(report.to_json())), as_json=as_json)
    if not report.passes:
        raise typer.Exit(report.exit_code)


def _likelier(_question: str, options: Sequence["Option"]) -> "Option":
    return options[0]


def _asked(question: str, options: Sequence["Option"]) -> "Option":
    """The user's choice among numbered options; the likelier if nobody is there to answer."""
    if not sys.stdin.isatty():
        return options[0]
    typer.echo(question, err=True)
    for place, option in enumerate(options, start=1):
        typer.echo(f"  {place}  {option.name}  {option.why}", err=True)
    place = typer.prompt("Which", default=1, type=int, err=True)
    return options[min(max(place, 1), len(options)) - 1]

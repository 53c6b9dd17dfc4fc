"""Which version sales sees: promotion by rule, the way back, and the list of all."""

from pathlib import Path
from typing import Annotated

import typer

from features.errors import UsageError
from pipelines.environment import home_folder, login_name
from pipelines.shell import EXIT_USELESS, AsOf, Config, Home, Json, Source, Who, moment_of, running, settings_of, show


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_versions
        from pipelines.promote import promote_version

        settings = settings_of(config, source)
        moment, who = moment_of(as_of, now), who or login_name()
        result = promote_version(settings, folder, now, as_of=moment, version=version, who=who, why=why, force=force).to_json()
    show(result, wording_versions.promotion(result), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


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
    with running(folder := home_folder(home), quiet=as_json) as now:
        from pipelines import wording_versions
        from pipelines.rollback import rollback_version

        result = rollback_version(settings_of(config, None), folder, now, why=why, version=version, who=who or login_name()).to_json()
    show(result, wording_versions.promotion(result), as_json=as_json)
    if not result["promoted"]:
        raise typer.Exit(EXIT_USELESS)


def versions(config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """List every version: what it was trained on and was worth, and when it was the champion, by whom and why."""
    with running(folder := home_folder(home), quiet=as_json):
        from pipelines import wording_versions
        from pipelines.versions import versions_of

        result = versions_of(settings_of(config, None), folder)
    show(result, wording_versions.versions(result), as_json=as_json)


def report(
    version: Annotated[str, typer.Argument(help="A version's number, 'champion' or 'challenger'.")] = "challenger",
    config: Config = None,
    home: Home = None,
    page: Annotated[Path | None, typer.Option("--page", help="Write the whole report to this .html file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """What is to be known of a version: is it ready, how good, what does it promise, what is there to worry about?"""
    with running(folder := home_folder(home), quiet=as_json):
        from pipelines import wording_report
        from pipelines.report import report_of
        from pipelines.report_page import write_report

        result = report_of(settings_of(config, None), folder, version)
        if page is not None:
            write_report(result, result["version"], page)
        show(result, wording_report.reported(result, page=page), as_json=as_json)

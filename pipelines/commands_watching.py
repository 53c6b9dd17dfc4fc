"""What watches: is the champion still right?"""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.environment import home_folder
from pipelines.shell import EXIT_USELESS, AsOf, Config, Home, Json, Source, moment_of, running, settings_of, show


def monitor(
    config: Config = None,
    source: Source = None,
    as_of: AsOf = None,
    home: Home = None,
    page: Annotated[Path | None, typer.Option("--page", help="Write a page with pictures to this .html file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Do outcomes still come as the champion foretold? Steady, watch or retrain, with reasons and what to do.

    Exit code 0: steady or watch. 4: retrain.
    """
    with running(folder := home_folder(home), quiet=as_json) as now:
        from models.drift_pictures import pictures_of
        from pipelines import wording_monitor
        from pipelines.monitor import monitor_leads
        from pipelines.monitor_page import write_page

        report = monitor_leads(settings_of(config, source), folder, moment_of(as_of, now))
        result = report.to_json()
        if page is not None:
            write_page(result, pictures_of(report.watches), page)
    show(result, wording_monitor.monitored(result, page=page), as_json=as_json)
    if result["verdict"] == "retrain":
        raise typer.Exit(EXIT_USELESS)

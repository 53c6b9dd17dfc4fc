"""What runs by itself: the flows on a schedule."""

from typing import Annotated

import typer

from pipelines.environment import home_folder, libraries_at
from pipelines.shell import Config, Home, settings_of


def serve(
    config: Config = None,
    home: Home = None,
    name: Annotated[str, typer.Option("--name", help="What the flows' deployments and their tag are called.")] = "leadsieve",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of Prefect's pages, on this machine.")] = 4200,
) -> None:
    """Run the flows when [schedule] says so: score each night, monitor each week, retrain each month. Ends with Ctrl-C.

    Where PREFECT_API_URL or a profile names a Prefect server, the flows are served there; else one runs beside, with its pages.
    """
    folder = home_folder(home)
    with libraries_at(folder, port=port):
        from pipelines import wording_serving
        from pipelines.serving import serve_flows

        settings = settings_of(config, None)
        print(wording_serving.serving(settings.schedule, folder), flush=True)
        serve_flows(settings, config=config, home=folder, name=name)

"""The command that serves the desk."""

from typing import Annotated

import typer

from pipelines.environment import giving_back, home_folder, only_scoring
from pipelines.shell import Config, Home, Source, clock, settings_of, standing


def desk(
    config: Config = None,
    source: Source = None,
    home: Home = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8400,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; only this machine reaches the default.")] = "127.0.0.1",
) -> None:
    """Serve the pages on which sales works the queue and answers. Add people first: leadsieve user add ann --role rep."""
    folder = home_folder(home)
    standing(folder)  # all three before the settings import the libraries that they are about
    only_scoring()
    giving_back()
    settings = settings_of(config, source)

    import uvicorn

    from app.web import create_app

    app = create_app(settings, folder, clock, hosts=(host,))
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, proxy_headers=False)

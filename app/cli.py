"""The installed command: all of the pipelines' commands, and the desk above them."""

import socket
from contextlib import suppress
from typing import Annotated

import typer

from features.errors import UsageError
from pipelines.cli.main import app, main, run
from pipelines.cli.options import Config, Home, Source, clock, settings_of, standing
from pipelines.environment import giving_back, home_folder, only_scoring

__all__ = ["app", "main", "run"]


def desk(
    config: Config = None,
    source: Source = None,
    home: Home = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8400,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; only this machine reaches the default.")
    ] = "127.0.0.1",
) -> None:
    """Serve the pages on which sales works the queue and answers. Add people first: leadsieve user add ann
    --role rep.
    """
    folder = home_folder(home)
    standing(folder)  # all three before the settings import the libraries that they are about
    only_scoring()
    giving_back()
    settings = settings_of(config, source)

    from app.server import server_of
    from app.web import create_app

    web = create_app(settings, folder, clock, hosts=(host,))
    with web.state.desk.store.reading():
        pass  # raises where the store is out of reach
    with listening(host, port) as door, suppress(KeyboardInterrupt):
        named = f"[{host}]" if ":" in host else host
        print(f"The desk is at http://{named}:{door.getsockname()[1]}; Ctrl-C ends it.", flush=True)
        server_of(web).run([door])


def listening(host: str, port: int) -> socket.socket:
    """What the desk is reached through. Raises UsageError where somebody else listens already, or nobody can."""
    try:
        door = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(
            f"nothing can be served at {host}, port {port}: {error.strerror}. Take another one with --port; 0 takes any that is free."
        ) from error
    # Else the second part of an answer waits for the other end to acknowledge the first, some 40 ms: asyncio looks for a
    # protocol that a socket made this way does not name.
    door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return door


app.command()(desk)


if __name__ == "__main__":
    run()

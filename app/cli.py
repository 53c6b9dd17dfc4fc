"""The installed command: all of the pipelines' commands, and the desk above them."""

from app.commands import desk
from pipelines.cli import app, main, run

__all__ = ["app", "main", "run"]

app.command()(desk)

if __name__ == "__main__":
    run()

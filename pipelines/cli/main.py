"""The command line: every command by name, and what went wrong said in one place."""

import sys
import traceback

import typer

from features.errors import LeadsieveError, refused_by_the_system
from pipelines.cli.backup import backup, prune, restore
from pipelines.cli.init import init
from pipelines.cli.learn import backtest, check, compare, promote, report, rollback, train, versions
from pipelines.cli.operate import alignment, demo, monitor, score, serve, value
from pipelines.cli.streams import patient_streams
from pipelines.cli.users import forget, key, user
from pipelines.cli.writeback import writeback

COMMANDS = (
    demo,
    init,
    check,
    train,
    backtest,
    promote,
    rollback,
    versions,
    compare,
    report,
    score,
    writeback,
    value,
    monitor,
    alignment,
    serve,
    backup,
    restore,
    prune,
    forget,
)
GROUPS = (user, key)

app = typer.Typer(
    name="leadsieve",
    help="Learns which leads sales will pursue and win, and holds the poor ones back. Start with: leadsieve demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


for command in COMMANDS:
    app.command()(command)


for group in GROUPS:
    app.add_typer(group)


def main(argv: list[str]) -> int:
    """Run one command and return its exit code.

    0 done · 1 our bug · 2 wrong usage or configuration · 3 the data break the contract · 4 too little data or
    a useless model · 5 a system this depends on is out of reach.
    """
    try:
        app(argv, prog_name="leadsieve")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except LeadsieveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if refusal := refused_by_the_system(error):
            print(refusal, file=sys.stderr)
            return refusal.exit_code
        traceback.print_exc()
        print(
            "This is a bug in leadsieve, not in your data. Nothing half-done was kept; the lines above say where it happened.",
            file=sys.stderr,
        )
        return 1
    return 0


def run() -> None:
    """What the installed command calls."""
    patient_streams()
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()

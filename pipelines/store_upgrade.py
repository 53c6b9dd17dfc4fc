"""A store that lacks steps goes through them, all or none; one that has gone through all answers one query."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from features.errors import UsageError

STEPS = Path(__file__).with_name("store_steps")
TABLE = "store_step"  # one row, the number of the last step gone through
last_step = sa.select(sa.column("version_num", sa.Text)).select_from(sa.table(TABLE))


@cache
def steps() -> tuple[str, ...]:
    """The numbers of all steps, the oldest first."""
    return tuple(sorted(file.name.partition("_")[0] for file in STEPS.glob("[0-9]*_*.py")))


def is_current(connection: sa.Connection) -> bool:
    """Whether a store has gone through all steps. Whatever keeps it from answering, `upgrade` will meet again."""
    try:
        return connection.scalar(last_step) == steps()[-1]
    except DBAPIError:  # mostly: no such table
        return False


def upgrade(connection: sa.Connection, *, place: str) -> None:
    """Take a store through the steps that it lacks, inside a transaction that only one writer at a time can be in.

    Raises
    ------
    UsageError
        If it has gone through steps that are not known here; nothing is changed then.
    """
    from alembic.migration import MigrationContext  # takes a third of a second, and is needed once in a store's life
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(STEPS, version_locations=[STEPS])
    context = MigrationContext.configure(
        connection, opts={"version_table": TABLE, "fn": lambda done, _context: script._upgrade_revs("head", done)}
    )
    done = context.get_current_revision()
    if done is not None and done not in steps():
        raise UsageError(
            f"the store at {place} has gone through step {done}, and this leadsieve knows those up to {steps()[-1]}; nothing was read or "
            "recorded. It was opened by a newer leadsieve: update this one."
        )
    with Operations.context(context):
        context.run_migrations()

"""The store: opened, brought up to date, locked; every lead decided once, by one run, on record ever after.

A store that lacks migrations goes through them, all or none; one that has gone through all answers one query.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import ArgumentError, DBAPIError

from features.errors import UnreachableError, UsageError
from pipelines.store import postgres, sqlite
from pipelines.store.schema import assignments_table, decisions_table

DTYPES = {sa.Text: "str", sa.Float: "float64", sa.Integer: "Int64"}
LISTS = ("reasons", "weights")
DEFAULTS = {"arm": "policy", "propensity": 1.0}
STEPS = Path(__file__).with_name("migrations")
TABLE = "store_version"  # one row, the number of the last step gone through
last_step = sa.select(sa.column("version_num", sa.Text)).select_from(sa.table(TABLE))


class Store:
    """The decision log in a database.

    Parameters
    ----------
    url : str
        ``sqlite:///…/store.db``, made on first use, or ``postgresql://…``.
    patience : float, optional
        Seconds to wait for another's transaction. Runs have as much as their work is worth; whoever serves
        pages says after a few that the store does not answer.

    Raises
    ------
    UsageError
        For a URL of any other kind; when it is opened, also for a store that a newer leadsieve has changed.
    """

    def __init__(self, url: str, *, patience: float | None = None) -> None:
        self.patience = patience
        try:
            self.url = sa.make_url(url)
        except ArgumentError as error:
            raise UsageError(
                "the store's URL cannot be read. Write sqlite:///folder/store.db or postgresql://user@host/database."
            ) from error
        if self.dialect not in ("sqlite", "postgresql"):
            raise UsageError(
                f"the store cannot be kept in '{self.dialect}'. Use sqlite:///folder/store.db or postgresql://user@host/database."
            )

    @property
    def dialect(self) -> str:
        return self.url.get_backend_name()

    @property
    def own(self) -> ModuleType:
        """What each of the two databases does in its own way."""
        return postgres if self.dialect == "postgresql" else sqlite

    def record(self, decisions: pd.DataFrame) -> pd.DataFrame:
        """Record the decisions of one run, but for leads that were decided before: all at once, or none if
        the run is killed.

        Parameters
        ----------
        decisions : DataFrame
            Columns of the log by name: ``lead_id``, ``as_of``, ``action``, ``version`` at least.
            ``decided_at`` is ``as_of``, ``arm`` "policy" and ``propensity`` 1 unless given; ``reasons`` and
            ``weights`` are lists. Other columns are not recorded.

        Returns
        -------
        DataFrame
            The rows that were recorded, in their order, with their ``batch``. Two runs at once never get the
            same lead.

        Raises
        ------
        UnreachableError
            If the database does not answer; nothing is recorded then.
        """
        with self.writing() as connection:
            return self.add(connection, decisions)

    def add(self, connection: sa.Connection, decisions: pd.DataFrame) -> pd.DataFrame:
        """What ``record`` does, inside a transaction that `writing` gave and that may hold more."""
        batch = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(decisions_table.c.batch), 0))) + 1
        columns = logged(decisions, batch=batch)
        self.own.insert(connection, decisions_table, columns)
        recorded = decisions.drop_duplicates("lead_id")
        in_batch = decisions_table.c.batch == batch
        if connection.scalar(sa.select(sa.func.count()).where(in_batch)) < len(recorded):
            new = connection.scalars(sa.select(decisions_table.c.lead_id).where(in_batch)).all()
            recorded = recorded[recorded["lead_id"].astype(str).isin(new)]
        return recorded.assign(batch=batch)

    def decided(self, lead_ids: Iterable[str] | None = None) -> set[str]:
        """Ids of all leads that have a decision, or of those among the given ones."""
        query = sa.select(decisions_table.c.lead_id)
        with self.reading() as connection:
            return set(
                connection.scalars(
                    query
                    if lead_ids is None
                    else query.where(self.among(decisions_table.c.lead_id, lead_ids))
                )
            )

    def beside(self, lead_ids: pd.Series) -> pd.DataFrame | None:
        """``arm``, ``cut`` and ``action`` of each of these leads, row by row, empty where it was not decided, and
        ``by_skill``, whether it was given to somebody by skill; None where none was decided.
        """
        if not self.is_there():
            return None  # who only looks makes no log
        table = decisions_table.c
        with self.reading() as connection:
            rows = connection.execute(sa.select(table.lead_id, table.arm, table.cut, table.action)).all()
            by_skill = given_by_skill(connection)
        known = (
            pd.DataFrame(rows, columns=["lead_id", "arm", "cut", "action"])
            .astype({"cut": float})
            .set_index("lead_id")
        )
        found = known.reindex(lead_ids).reset_index(drop=True)
        return found.assign(by_skill=lead_ids.isin(by_skill).to_numpy()) if rows else None

    def listed(self, *, since: datetime) -> dict[str, int]:
        """How many leads decided from a moment on are on the week's list, by owner."""
        owner = sa.func.coalesce(decisions_table.c.owner, "")
        query = sa.select(owner, sa.func.count()).group_by(owner)
        with self.reading() as connection:
            rows = connection.execute(
                query.where(decisions_table.c.this_week == 1, decisions_table.c.decided_at >= since)
            ).all()
        return {name: count for name, count in rows}

    def decisions(
        self,
        *,
        as_of: datetime | None = None,
        lead_ids: Iterable[str] | None = None,
        batch: int | None = None,
        columns: Collection[str] | None = None,
    ) -> pd.DataFrame:
        """What was decided, with all columns of the log or some, in the order of as-of time and id; ``reasons``
        and ``weights`` are lists.
        """
        wanted = [each for each in decisions_table.c if columns is None or each.name in columns]
        query = sa.select(*(as_stored(column, self.dialect) for column in wanted))
        query = query.order_by(decisions_table.c.as_of, decisions_table.c.lead_id)
        if as_of is not None:
            query = query.where(decisions_table.c.as_of == as_of)
        if lead_ids is not None:
            query = query.where(self.among(decisions_table.c.lead_id, lead_ids))
        if batch is not None:
            query = query.where(decisions_table.c.batch == batch)
        with self.reading() as connection:
            rows = connection.execute(query).all()
        found = {}
        for position, column in enumerate(wanted):
            values = [row[position] for row in rows]
            if column.name in LISTS:
                found[column.name] = pd.Series(
                    [json.loads(text) if text and text != "[]" else [] for text in values], dtype=object
                )
            elif isinstance(column.type, sa.DateTime):
                found[column.name] = pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601").astype(
                    "datetime64[us]"
                )
            else:
                found[column.name] = pd.Series(values, dtype=DTYPES[type(column.type)])
        return pd.DataFrame(found)

    def among(self, column: sa.Column, lead_ids: Iterable[str]) -> sa.ColumnElement[bool]:
        """A condition that takes any number of ids as one parameter."""
        ids = [str(lead_id) for lead_id in lead_ids]
        if self.dialect == "postgresql":
            return column == sa.any_(sa.bindparam("ids", ids, type_=sa.ARRAY(sa.Text)))
        given = sa.func.json_each(json.dumps(ids)).table_valued("value")
        return column.in_(sa.select(given.c.value))

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that can be told what to do where a key is there already, which both databases spell
        their own way.
        """
        return (postgresql_dialect if self.dialect == "postgresql" else sqlite_dialect).insert(table)

    def is_there(self) -> bool:
        """Whether there is a database to be read; a server's is taken to be."""
        return self.dialect != "sqlite" or Path(self.url.database or "").exists()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that no other writer can be inside of at the same time."""
        with self.reading() as connection:
            self.own.lock(connection)
            yield connection
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to a database that has gone through all steps; what was not committed when it ends has
        never been.
        """
        with self._answering(), self._engine.connect() as connection:
            if not is_current(connection):
                connection.rollback()
                self.own.lock(connection)
                upgrade(connection, place=self.place)
                connection.commit()
            connection.rollback()
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn a failure to answer, or to take what somebody sent, into ours; what else a database says is a
        bug and stays what it is.
        """
        driver = self._engine.dialect.loaded_dbapi
        try:
            yield
        except (DBAPIError, driver.Error) as error:
            said = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(said, driver.DataError):  # PostgreSQL takes no text with a zero byte
                raise UsageError(
                    f"the store at {self.place} cannot hold a value; nothing was recorded: {said}"
                ) from error
            # sqlite3 says of a file that is no database: DatabaseError, the class above all others
            if not isinstance(said, driver.OperationalError) and type(said) is not driver.DatabaseError:
                raise
            words = str(said).strip().partition("\n")[0]
            raise UnreachableError(
                f"the store at {self.place} does not answer; nothing was recorded: {words}"
            ) from error

    @property
    def place(self) -> str:
        """Where the log is, without user and password."""
        host = f"{self.url.host}{f':{self.url.port}' if self.url.port else ''}/" if self.url.host else ""
        return f"{host}{self.url.database}"

    @cached_property
    def _engine(self) -> sa.Engine:
        return self.own.engine(self.url, self.patience)


def given_by_skill(connection: sa.Connection) -> set[str]:
    """Leads that came to somebody for what that person had won before: who got them was not luck."""
    log = assignments_table.c
    return set(connection.scalars(sa.select(log.lead_id).where(log.why == "skill")))


def as_stored(column: sa.Column, dialect: str) -> sa.ColumnElement:
    """A column as the driver gives it: SQLite's times as the texts they are, which pandas reads faster than
    SQLAlchemy.
    """
    return (
        sa.type_coerce(column, sa.Text)
        if dialect == "sqlite" and isinstance(column.type, sa.DateTime)
        else column
    )


def logged(decisions: pd.DataFrame, *, batch: int) -> dict[str, pa.Array]:
    """The log's columns of a table of decisions, as texts and numbers that any database takes; NaN is null."""
    given = {
        **DEFAULTS,
        "decided_at": decisions["as_of"],
        **{name: decisions[name] for name in decisions},
        "batch": batch,
    }
    for name in LISTS:
        given[name] = pd.Series(
            [as_json(entry) for entry in decisions.get(name, [None] * len(decisions))], dtype="str"
        )
    return {
        column.name: logged_column(column, as_array(given.get(column.name), len(decisions)))
        for column in decisions_table.c
    }


def as_array(values: pd.Series | str | float | None, length: int) -> pa.Array:
    """A column, or one value for all rows."""
    if isinstance(values, pd.Series):
        return pa.array(values, from_pandas=True)
    return pa.nulls(length) if values is None else pa.repeat(values, length)


def logged_column(column: sa.Column, values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(column.type, sa.DateTime):
        moments = values.cast(pa.timestamp("us")).dictionary_encode()  # mostly one
        return pc.strftime(moments.dictionary, format="%Y-%m-%d %H:%M:%S").take(moments.indices)
    return values.cast(
        {sa.Text: pa.string(), sa.Float: pa.float64(), sa.Integer: pa.int64()}[type(column.type)]
    )


def as_json(entries: Any) -> str:
    """A list as JSON; an empty one where there are none."""
    if isinstance(entries, str):
        return entries
    return json.dumps(list(entries), ensure_ascii=False) if entries is not None and len(entries) else "[]"


@cache
def steps() -> tuple[str, ...]:
    """The numbers of all steps, the oldest first."""
    return tuple(sorted(file.name.partition("_")[0] for file in STEPS.glob("[0-9]*_*.py")))


def is_current(connection: sa.Connection) -> bool:
    """Whether a store has gone through all steps. Whatever keeps it from answering, `upgrade` will meet
    again.
    """
    try:
        return connection.scalar(last_step) == steps()[-1]
    except DBAPIError:  # mostly: no such table
        return False


def upgrade(connection: sa.Connection, *, place: str) -> None:
    """Take a store through the steps that it lacks, inside a transaction that only one writer at a time can
    be in.

    Raises
    ------
    UsageError
        If it has gone through steps that are not known here, or was made before steps were counted from the
        first release on; nothing is changed then.
    """
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(STEPS, version_locations=[STEPS])
    context = MigrationContext.configure(
        connection,
        opts={"version_table": TABLE, "fn": lambda done, _context: script._upgrade_revs("head", done)},
    )
    done = context.get_current_revision()
    if done is None and sa.inspect(connection).has_table(decisions_table.name):
        raise UsageError(
            f"the store at {place} was made before leadsieve's first release and cannot be read; nothing was read or recorded. "
            'Move it away and score anew, or name another one, such as [store] url = "sqlite:///new/store.db".'
        )
    if done is not None and done not in steps():
        raise UsageError(
            f"the store at {place} has gone through step {done}, and this leadsieve knows those up to {steps()[-1]}; nothing was read or "
            "recorded. It was opened by a newer leadsieve: update this one."
        )
    with Operations.context(context):
        context.run_migrations()

"""What the decision log does in its own way on PostgreSQL: one writer at a time by a lock, rows by COPY."""

import io
import time
from typing import Any

import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from features.errors import UsageError

LOCK = 5_733_781  # any number that nobody else in the database uses
CONNECTING = 3  # seconds until a server is taken not to answer
PATIENCE = 60.0  # seconds to wait for another run's transaction
STATEMENTS = 6  # times as long may a statement of somebody who waits take


def engine(url: sa.URL, patience: float | None = None) -> sa.Engine:
    """PostgreSQL with limits: on connecting, on waiting for a lock, and where ``patience`` is given, in seconds,
    on each statement too. A connection that is cut without a word is given up as well.
    """
    limits = {"lock_timeout": patience or PATIENCE, "statement_timeout": STATEMENTS * (patience or 0)}
    options = [f"-c {name}={round(1000 * seconds)}" for name, seconds in limits.items()]
    given = url.query.get("options", "")
    try:
        made = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": CONNECTING,
                "options": " ".join([given if isinstance(given, str) else " ".join(given), *options]),
                "tcp_user_timeout": round(1000 * (patience or PATIENCE)),
                "keepalives_idle": 10,
            },
        )
    except ModuleNotFoundError as error:
        raise UsageError("PostgreSQL needs its driver: pip install 'leadsieve[postgres]'.") from error
    sa.event.listen(made, "do_connect", Connector())
    return made


class Connector:
    """Connects; but for a while after a server has let somebody wait in vain, nobody else waits for it too: all
    would, one after the other.
    """

    def __init__(self) -> None:
        self.lost_until, self.said = 0.0, ""

    def __call__(self, dialect: sa.Dialect, _record: Any, args: Any, parameters: Any) -> Any:
        driver: Any = dialect.loaded_dbapi
        if time.monotonic() < self.lost_until:
            raise driver.OperationalError(self.said)
        try:
            return dialect.connect(*args, **parameters)
        except driver.errors.ConnectionTimeout as error:
            self.lost_until, self.said = time.monotonic() + CONNECTING, str(error)
            raise


def lock(connection: sa.Connection) -> None:
    """Wait until no other run is writing; the lock ends with the transaction, also if the run is killed."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def hurry(connection: sa.Connection) -> None:
    """Let what is written next in a transaction fail at once where another writes the same row."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")


def insert(connection: sa.Connection, table: sa.Table, columns: dict[str, pa.Array]) -> None:
    """Insert rows, but for those whose key is there."""
    names = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in columns)
    connection.exec_driver_sql(f"CREATE TEMP TABLE incoming (LIKE {table.name}) ON COMMIT DROP")
    text = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
    pyarrow.csv.write_csv(pa.table(columns), text, options)
    with (
        connection.connection.driver_connection.cursor() as cursor,
        cursor.copy(f"COPY incoming ({names}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(text.getbuffer())
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM incoming ON CONFLICT DO NOTHING"
    )
    connection.exec_driver_sql("DROP TABLE incoming")  # one transaction may insert into two tables

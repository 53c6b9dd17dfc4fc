"""What the decision log does in its own way on PostgreSQL: one writer at a time by a lock, rows by COPY."""

import io

import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from features.errors import UsageError

LOCK = 5_733_781  # any number that nobody else in the database uses
PATIENCE = 10  # seconds


def engine(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={"connect_timeout": PATIENCE},
        )
    except ModuleNotFoundError as error:
        raise UsageError("PostgreSQL needs its driver: pip install 'leadsieve[postgres]'.") from error


def lock(connection: sa.Connection) -> None:
    """Wait until no other run is writing; the lock ends with the transaction, also if the run is killed."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


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

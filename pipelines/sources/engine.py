"""The engines: the DuckDB in this process and what is written to it, and sessions on servers."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl, unquote, urlsplit

import ibis
from ibis.backends import BaseBackend

from features.errors import LeadsieveError, UnreachableError, UsageError
from pipelines.addresses import redacted, without_secrets
from pipelines.files import scratch_in

# scheme: Ibis backend, our extra, the driver it needs
SERVERS = {
    "postgresql": ("postgres", "postgres", "psycopg"),
    "postgres": ("postgres", "postgres", "psycopg"),
    "snowflake": ("snowflake", "snowflake", "snowflake.connector"),
    "bigquery": ("bigquery", "bigquery", "google.cloud.bigquery"),
    "spark": ("pyspark", "spark", "pyspark"),
}


def local_engine(temporary: Path | None = None, *, sparing: bool = False) -> BaseBackend:
    """A fresh DuckDB in this process: two threads, 2 GB, UTC, nothing fetched from the network; ``sparing``
    gives memory back at once.
    """
    connection = ibis.duckdb.connect(threads=2, memory_limit="2GB", autoinstall_known_extensions=False)
    connection.raw_sql("SET TimeZone = 'UTC'")
    if sparing:
        connection.raw_sql(
            "SET allocator_flush_threshold = '1MB'; SET allocator_bulk_deallocation_flush_threshold = '1MB'"
        )
    if temporary is not None:
        connection.raw_sql(f"SET temp_directory = {quoted(temporary)}")
    return connection


def let_go(connection: BaseBackend) -> None:
    """Close a connection; to be called once or twice.

    Whatever still holds its tables, as Prefect does with what a run gave, must not hold DuckDB's own object,
    too: left over when the process ends, that object complains over a screen.
    """
    if connection.name != "duckdb":
        connection.disconnect()
    elif "con" in vars(connection):
        connection.disconnect()
        del connection.con


@contextmanager
def scratch_of(connection: BaseBackend) -> Iterator[Path]:
    """A folder for a moment, where an engine keeps what does not fit into memory."""
    home = home_of(connection)
    if home is not None:
        with scratch_in(home) as scratch:
            yield scratch
    else:
        with TemporaryDirectory() as scratch:
            yield Path(scratch)


def quoted(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def as_name(text: str) -> str:
    """A text as an SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def home_of(connection: BaseBackend) -> Path | None:
    """The home in which an engine keeps what does not fit into memory, if it is in one."""
    folder = Path(connection.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0])
    return folder.parent if folder.name == "tmp" else None


def driven(url: str) -> str:
    """The Ibis backend for a server's address, its driver loaded.

    Raises
    ------
    UsageError
        If the extra for such servers is not installed.
    """
    backend, extra, driver = SERVERS[url.partition(":")[0].lower()]
    for module in (driver, f"ibis.backends.{backend}"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(
                f"{url.partition(':')[0]}: needs an extra; install it with: pip install 'leadsieve[{extra}]'"
            ) from error
    return backend


def connect(url: str) -> BaseBackend:
    """A session on a database server.

    Raises
    ------
    UsageError
        As ``driven``, or if the address cannot be read.
    UnreachableError
        If the server does not answer or does not let us in.
    """
    backend = driven(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError(
            f"'{redacted(url)}' cannot be read; write special characters of a password as %40 for @, %2F for /."
        ) from None
    failed = None
    try:
        server = _connect_postgres(parts) if backend == "postgres" else ibis.connect(url)
    except LeadsieveError:
        raise
    except _driver_errors(backend) as error:
        failed = UnreachableError(
            f"{redacted(url)} does not let us in: {first_line(without_secrets(str(error), url))}"
        )
    if failed is not None:
        raise failed
    return server


def _connect_postgres(parts) -> BaseBackend:
    """A session that only reads, in UTC; a server that does not answer is given up after 10 seconds."""
    options = dict(parse_qsl(parts.query))
    schema = options.pop("schema", None)
    return ibis.postgres.connect(
        host=unquote(parts.hostname) if parts.hostname else options.pop("host", None),
        port=parts.port or int(options.pop("port", 5432)),
        user=unquote(parts.username) if parts.username else options.pop("user", None),
        password=unquote(parts.password) if parts.password else options.pop("password", None),
        database=unquote(parts.path.lstrip("/")) or options.pop("dbname", None),
        schema=schema,
        **({"connect_timeout": "10"} | options),
    )


def _driver_errors(backend: str) -> tuple[type[BaseException], ...]:
    """What a driver raises when a server cannot be reached."""
    if backend == "postgres":
        import psycopg

        return (psycopg.Error, OSError, ValueError)
    return (Exception,)


@contextmanager
def joining_all_rows(connection: BaseBackend) -> Iterator[None]:
    """Let a server join many grouped tables of all rows, of whose sizes it has no idea: PostgreSQL takes each for 200 rows and goes
    through all of it again for every row that it joins.
    """
    if connection.name != "postgres":
        yield
        return
    with connection.con.cursor() as cursor:
        cursor.execute("SET enable_nestloop = off")
    try:
        yield
    finally:
        if not connection.con.closed:
            with connection.con.cursor() as cursor:
                cursor.execute("RESET enable_nestloop")


def losses(backend: str) -> tuple[type[Exception], ...]:
    """What a driver raises when a server that answered goes away."""
    if backend == "postgres":
        import psycopg

        return (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.InsufficientPrivilege)
    return (ConnectionError, TimeoutError)


def first_line(error: object) -> str:
    """What a driver says first."""
    return " ".join(str(error).strip().splitlines()[:1])

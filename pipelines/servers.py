"""Database servers: how each is reached, and what its driver says when it is not."""

import importlib
from urllib.parse import parse_qsl, unquote, urlsplit

import ibis
from ibis.backends import BaseBackend

from features.errors import LeadsieveError, UnreachableError, UsageError
from pipelines.addresses import redacted, without_secrets

# scheme: Ibis backend, our extra, the driver it needs
SERVERS = {
    "postgresql": ("postgres", "postgres", "psycopg"),
    "postgres": ("postgres", "postgres", "psycopg"),
    "snowflake": ("snowflake", "snowflake", "snowflake.connector"),
    "bigquery": ("bigquery", "bigquery", "google.cloud.bigquery"),
    "spark": ("pyspark", "spark", "pyspark"),
}


def connect(url: str) -> BaseBackend:
    """A session on a server.

    Raises
    ------
    UsageError
        If the extra for such servers is not installed, or the address cannot be read.
    UnreachableError
        If the server does not answer or does not let us in.
    """
    backend, extra, driver = SERVERS[url.partition(":")[0].lower()]
    for module in (driver, f"ibis.backends.{backend}"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UsageError(f"{url.partition(':')[0]}: needs an extra; install it with: pip install 'leadsieve[{extra}]'") from error
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError(f"'{redacted(url)}' cannot be read; write special characters of a password as %40 for @, %2F for /.") from None
    failed = None
    try:
        server = _connect_postgres(parts) if backend == "postgres" else ibis.connect(url)
    except LeadsieveError:
        raise
    except _driver_errors(backend) as error:
        failed = UnreachableError(f"{redacted(url)} does not let us in: {first_line(without_secrets(str(error), url))}")
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


def losses(backend: str) -> tuple[type[Exception], ...]:
    """What a driver raises when a server that answered goes away."""
    if backend == "postgres":
        import psycopg

        return (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.InsufficientPrivilege)
    return (ConnectionError, TimeoutError)


def first_line(error: object) -> str:
    """What a driver says first."""
    return " ".join(str(error).strip().splitlines()[:1])

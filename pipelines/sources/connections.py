"""Opening a source by its address: a folder of files, a DuckDB file, a database server, or the simulator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from features.contracts import Breach, contract_error
from features.errors import LeadsieveError, UnreachableError, UsageError
from pipelines.addresses import redacted
from pipelines.crm.connector import KINDS, is_crm
from pipelines.crm.mirror import Kept, tables_of_crm
from pipelines.files import bytes_hash
from pipelines.sources.engine import (
    connect,
    driven,
    first_line,
    home_of,
    let_go,
    local_engine,
    losses,
    quoted,
)
from pipelines.sources.reading.csv_files import text_view
from pipelines.sources.reading.damage import MEND, guarded, refusal, whole_database, whole_parquet

ENDINGS = (".parquet", ".csv", ".csv.gz", ".tsv", ".xlsx")
NOTHING_STORED = "nothing was stored"
ATTACHED = "leadsieve_source"


class Source(ABC):
    """The tables of one source, by name, on one engine.

    Attributes
    ----------
    url : str
        The address, its passwords hidden.
    connection : Ibis backend
        Where the tables are.
    is_server : bool
        Whether reading costs a network and only reading tells whether anything changed.
    losses : tuple of exception types
        What its driver raises when the server goes away, or refuses to be read.
    """

    url: str
    connection: BaseBackend
    is_server = False
    losses: tuple[type[Exception], ...] = ()

    @abstractmethod
    def names(self) -> list[str]:
        """The tables there are, as a user may name them."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a table of this name."""

    @abstractmethod
    def table(
        self, name: str, separator: str | None = None, encoding: str | None = None, sheet: str | None = None
    ) -> ir.Table:
        """A table as it is in the source; one that is not there is a ContractError that lists those that are."""

    def remarks(self, name: str) -> tuple[str, ...]:
        """What is to be said of how a table was read."""
        return ()

    def written(self, name: str) -> dict[str, str]:
        """The separator and the encoding of a table that is a file of text."""
        return {}

    def identity(self, names: list[str]) -> str | None:
        """A hash of all the bytes behind some tables; None where only reading them tells."""
        return None

    def close(self) -> None:
        """Let go of the connection."""
        let_go(self.connection)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn what a driver raises when its server is lost into an UnreachableError."""
        try:
            yield
        except self.losses as error:
            raise UnreachableError(f"{self.url} stopped answering: {first_line(error)}") from error

    def absent(self, name: str) -> LeadsieveError:
        names = self.names()
        close = get_close_matches(name, names, n=1)
        hint = f"Did you mean '{close[0]}'" if close else "Name one of them in the [source] section"
        there = f"it has {', '.join(names[:20])}" if names else "it has none that we may read"
        text = f"no such table in {self.url}; {there}"
        return contract_error([Breach(name, "table", 0, "", text, hint)], NOTHING_STORED)


class FolderSource(Source):
    """Files of a folder: CSV and Excel workbooks read as text, Parquet with its own types."""

    def __init__(self, folder: Path, *, connection: BaseBackend) -> None:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise UsageError(
                f"folder '{folder}' {what}; say files:FOLDER, a relative one from the configuration's own folder."
            )
        self.url = f"files:{folder}"
        self.folder = folder
        self.connection = connection
        self._read: dict[tuple, tuple[ir.Table, tuple[str, ...], dict[str, str]]] = {}
        self._remarks: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, dict[str, str]] = {}
        self._typed: list[Path] = []

    def names(self) -> list[str]:
        return sorted(
            path.name
            for path in self.folder.iterdir()
            if path.is_file() and path.name.lower().endswith(ENDINGS)
        )

    def file(self, name: str) -> Path | None:
        """The file a name means, its ending possibly left away; in capitals or not, where none is written so."""
        found = [path for ending in ("", *ENDINGS) if (path := self.folder / f"{name}{ending}").is_file()]
        if not found:
            alike = {f"{name}{ending}".lower() for ending in ("", *ENDINGS)}
            found = [self.folder / other for other in self.names() if other.lower() in alike]
        if len(found) > 1:
            raise UsageError(
                f"'{name}' may be {' or '.join(path.name for path in found)} in '{self.folder}'; name the one you mean."
            )
        return found[0] if found else None

    def has(self, name: str) -> bool:
        return self.file(name) is not None

    def table(
        self, name: str, separator: str | None = None, encoding: str | None = None, sheet: str | None = None
    ) -> ir.Table:
        path = self.file(name)
        if path is None:
            raise self.absent(name)
        if path.suffix.lower() != ".parquet":
            return self._text(name, path, separator, encoding, sheet)
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise refusal(path, "is not a Parquet file", "Export it again")
        self._typed.append(path)
        with self.answering():
            return self.connection.read_parquet(path)

    def _text(
        self, name: str, path: Path, separator: str | None, encoding: str | None, sheet: str | None
    ) -> ir.Table:
        """A CSV file or a sheet, looked through once."""
        key = (path, separator, encoding, sheet)
        if key not in self._read:
            self._read[key] = text_view(
                self.connection, path, separator=separator, encoding=encoding, sheet=sheet
            )
        table, self._remarks[name], self._written[name] = self._read[key]
        return table

    def remarks(self, name: str) -> tuple[str, ...]:
        return self._remarks.get(name, ())

    def written(self, name: str) -> dict[str, str]:
        return self._written.get(name, {})

    def identity(self, names: list[str]) -> str | None:
        return " ".join(bytes_hash(self.file(name)) for name in names)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A file is read as it is used: damage in its middle shows only then."""
        with guarded(lambda: [(path, whole_parquet(path)) for path in self._typed]):
            yield


class DatabaseSource(Source):
    """Tables of a database, in a DuckDB file or on a server."""

    def __init__(
        self, url: str, connection: BaseBackend, *, is_server: bool, file: Path | None = None
    ) -> None:
        self.url = url
        self.connection = connection
        self.is_server = is_server
        self.file = file
        self.losses = losses(connection.name)
        self._read: list[tuple[str | None, str]] = []

    def names(self) -> list[str]:
        if self.file is None:
            return sorted(self.connection.list_tables())
        # Ibis 12 lists DuckDB's tables by a call that DuckDB 2 no longer has.
        sql = f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = '{ATTACHED}'"
        found = self.connection.raw_sql(sql).fetchall()
        return sorted(table if schema == "main" else f"{schema}.{table}" for schema, table in found)

    def _split(self, name: str) -> tuple[str, str | None]:
        """A table's own name and the schema it is in."""
        schema, _, table = name.rpartition(".")
        if self.file is not None:
            return table, f"{ATTACHED}.{schema or 'main'}"
        return table, schema or None

    def has(self, name: str) -> bool:
        if self.file is not None:
            return name in self.names()
        table, schema = self._split(name)
        return table in self.connection.list_tables(database=schema)

    def table(
        self, name: str, separator: str | None = None, encoding: str | None = None, sheet: str | None = None
    ) -> ir.Table:
        if not self.has(name):
            raise self.absent(name)
        table, database = self._split(name)
        self._read.append((database, table))
        return self.connection.table(table, database=database)

    @contextmanager
    def answering(self) -> Iterator[None]:
        if self.file is None:
            with super().answering():
                yield
            return
        with guarded(lambda: [(self.file, whole_database(self.file, ATTACHED, self._read))]):
            yield

    def identity(self, names: list[str]) -> str | None:
        if self.file is None:
            return None
        log = self.file.with_name(self.file.name + ".wal")
        return " ".join(bytes_hash(path) for path in (self.file, log) if path.is_file())


class MemorySource(Source):
    """Tables already at hand: simulated ones, or those copied from a server, as (name, Arrow table or Parquet
    file).
    """

    def __init__(self, url: str, tables: dict[str, pa.Table | Path], *, connection: BaseBackend) -> None:
        self.url = url
        self.connection = connection
        self.tables = {
            name: connection.read_parquet(table)
            if isinstance(table, Path)
            else connection.create_table(f"source {name}", table, temp=True)
            for name, table in tables.items()
        }

    def names(self) -> list[str]:
        return sorted(self.tables)

    def has(self, name: str) -> bool:
        return name in self.tables

    def table(
        self, name: str, separator: str | None = None, encoding: str | None = None, sheet: str | None = None
    ) -> ir.Table:
        if name not in self.tables:
            raise self.absent(name)
        return self.tables[name]


@dataclass(frozen=True)
class _Door:
    """How addresses of one scheme are opened."""

    opens: Callable[[str, BaseBackend], Source]
    example: str


def open_source(url: str, *, connection: BaseBackend | None = None, kept: Kept | None = None) -> Source:
    """The source at an address; ``connection`` is the DuckDB to read files with, a fresh one if not given, and
    ``kept`` says where what a CRM told before is kept.

    Raises
    ------
    UsageError
        For an address of no known kind, a folder or file that is not there, or an extra that is not
        installed.
    UnreachableError
        For a server that does not answer or does not let us in.
    """
    connection = connection if connection is not None else local_engine()
    if is_crm(url):
        return MemorySource(url, tables_of_crm(url, kept), connection=connection)
    scheme, colon, _ = url.partition(":")
    door = _DOORS.get(scheme.lower()) if colon else None
    if door is None:
        examples = [*(each.example for each in _DOORS.values()), *(example for _, example in KINDS.values())]
        known = ", ".join(each for each in examples if each)
        close = get_close_matches(scheme.lower(), [*_DOORS, *KINDS], n=1)
        hint = f" did you mean '{close[0]}:'?" if close else f" a source is one of {known}."
        raise UsageError(f"'{redacted(url)}' is no address of a source;{hint}")
    return door.opens(url, connection)


def _open_folder(url: str, connection: BaseBackend) -> Source:
    return FolderSource(Path(url.partition(":")[2]).expanduser(), connection=connection)


def _open_duckdb(url: str, connection: BaseBackend) -> Source:
    path = Path(url.partition(":")[2].removeprefix("//")).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no DuckDB file '{path}'; say duckdb:FILE, a relative one from the configuration's own folder."
        )
    try:
        connection.raw_sql(f"ATTACH {quoted(path)} AS {ATTACHED} (READ_ONLY)")
    except duckdb.Error as error:
        if "lock" in str(error).lower():
            raise UnreachableError(
                f"'{path}' is open in another program that writes to it; close that, or read a copy."
            ) from error
        raise refusal(path, "is not a DuckDB file of this version, or is damaged", MEND) from error
    return DatabaseSource(url, connection, is_server=False, file=path)


def _open_simulated(url: str, connection: BaseBackend) -> Source:
    from pipelines.simulation.market import simulate_tables

    return MemorySource(url, simulate_tables(url), connection=connection)


def _open_server(url: str, connection: BaseBackend) -> Source:
    return DatabaseSource(redacted(url), connect(url), is_server=True)


def _open_spark(url: str, connection: BaseBackend) -> Source:
    driven(url)
    from pipelines.sources.spark.source import spark_source

    return spark_source(url, home_of(connection))


_DOORS = {
    "files": _Door(_open_folder, "files:FOLDER"),
    "duckdb": _Door(_open_duckdb, "duckdb:FILE"),
    "postgresql": _Door(_open_server, "postgresql://…"),
    "postgres": _Door(_open_server, ""),
    "snowflake": _Door(_open_server, "snowflake://…"),
    "bigquery": _Door(_open_server, "bigquery://…"),
    "spark": _Door(_open_spark, "spark://…"),
    "simulated": _Door(_open_simulated, "simulated:…"),
}

"""Files that turn out damaged while they are read: told in a sentence, wherever in the reading it shows."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from features.contracts import Breach, contract_error
from features.errors import ContractError
from pipelines.sources.engine import as_name, quoted
from pipelines.sources.reading.csv_files import unreadable

MEND = "Export it again, or copy it anew"
ENGINES = (
    duckdb.Error,
    pa.ArrowException,
    RuntimeError,
    ValueError,
)  # what DuckDB and Arrow raise over bad bytes


@contextmanager
def guarded(files: Callable[[], Iterable[tuple[Path, Iterable[str]]]]) -> Iterator[None]:
    """Turn what is raised over a damaged file into a ContractError that names it.

    Engines say it in many ways, some of them only their own makers understand, and not all name the file. So
    each file is read once more, alone: the one that cannot be is the one. If all can be, it was something else.

    Parameters
    ----------
    files : function
        Gives the binary files that were read, each with the queries that read all of it.
    """
    try:
        yield
    except ENGINES as error:
        if isinstance(error, duckdb.InvalidInputException) and "CSV" in str(error):
            raise unreadable(error) from error
        for path, queries in files():
            if _fails(queries):
                raise refusal(path, "is damaged or breaks off: it cannot be read to its end", MEND) from None
        raise


def whole_parquet(path: Path) -> tuple[str, ...]:
    """The query that reads all of a Parquet file."""
    return (f"SELECT sum(hash(t)) FROM read_parquet({quoted(path)}) AS t",)


def whole_database(path: Path, catalog: str, tables: Iterable[tuple[str | None, str]]) -> tuple[str, ...]:
    """The queries that read all of some tables, as (catalog and schema, name), of a DuckDB file."""
    read = (f"SELECT sum(hash(t)) FROM {database}.{as_name(table)} AS t" for database, table in tables)
    return (f"ATTACH {quoted(path)} AS {catalog} (READ_ONLY)", *read)


def refusal(path: Path, what: str, mend: str) -> ContractError:
    """What is wrong with a file."""
    return contract_error(
        [Breach(path.name, "file", 0, "", f"'{path.name}' {what}", mend)], "nothing was stored"
    )


def _fails(queries: Iterable[str]) -> bool:
    """Whether an engine of its own cannot answer: one that met damage may answer nothing more."""
    try:
        with duckdb.connect() as connection:
            for query in queries:
                connection.execute(query).fetchall()
    except ENGINES:
        return True
    return False

"""Tables on Spark: those of its catalog, or Parquet files in a folder that it reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis.expr.types as ir
from py4j.protocol import Py4JError
from pyspark.errors.exceptions.captured import UnknownException

from features.errors import UnreachableError, UsageError
from pipelines.addresses import redacted
from pipelines.sources.connections import DatabaseSource, Source
from pipelines.sources.engine import first_line
from pipelines.sources.spark.address import read_address
from pipelines.sources.spark.engine import SparkEngine
from pipelines.sources.spark.session import session_of

ENDING = ".parquet"
LOSSES = (Py4JError, UnknownException, OSError)  # a failed job has no name of its own


class SparkSource(DatabaseSource):
    """Tables on Spark."""

    def __init__(self, url: str, engine: SparkEngine) -> None:
        super().__init__(url, engine, is_server=True)
        self.session = engine.session
        self.losses = LOSSES

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A job that failed says at the end of a long story why."""
        try:
            yield
        except self.losses as error:
            told = [line for line in str(error).splitlines() if line.startswith("Caused by: ")]
            why = told[-1].removeprefix("Caused by: ") if told else first_line(error)
            raise UnreachableError(f"{self.url} stopped answering: {why}") from error


class CatalogSource(SparkSource):
    """Tables of Spark's catalog."""

    def names(self) -> list[str]:
        return sorted(table.name for table in self.session.catalog.listTables() if not table.isTemporary)

    def has(self, name: str) -> bool:
        return self.session.catalog.tableExists(name)


class ParquetSource(SparkSource):
    """A folder of Parquet files, or of folders of them, wherever Spark reaches: a file or a folder is a table."""

    def __init__(self, url: str, engine: SparkEngine, *, folder: str) -> None:
        super().__init__(url, engine)
        self.folder = folder
        self.paths = self._listed()

    def _listed(self) -> dict[str, str]:
        """Where each table is, by its name."""
        context = self.session.sparkContext
        path = context._jvm.org.apache.hadoop.fs.Path(self.folder)
        with self.answering():
            files = path.getFileSystem(context._jsc.hadoopConfiguration())
            if not files.exists(path):
                raise UsageError(
                    f"Spark finds no folder '{self.folder}'; files={self.folder} in the address names one that each worker sees."
                )
            found = [(each.getPath(), each.isDirectory()) for each in files.listStatus(path)]
        return {
            path.getName().removesuffix(ENDING): path.toString()
            for path, is_folder in found
            if not path.getName().startswith((".", "_")) and (is_folder or path.getName().endswith(ENDING))
        }

    def names(self) -> list[str]:
        return sorted(self.paths)

    def has(self, name: str) -> bool:
        return name.removesuffix(ENDING) in self.paths

    def table(
        self, name: str, separator: str | None = None, encoding: str | None = None, sheet: str | None = None
    ) -> ir.Table:
        if not self.has(name):
            raise self.absent(name)
        with self.answering():
            return self.connection.read_parquet(self.paths[name.removesuffix(ENDING)])


def spark_source(url: str, home: Path | None) -> Source:
    """The tables at an address of Spark; what it writes for a moment lies in a home.

    Raises
    ------
    UsageError, UnreachableError
        As ``read_address`` and ``session_of``.
    """
    address = read_address(url)
    engine = SparkEngine.on(session_of(address, home), home, address.scratch)
    if address.files is not None:
        return ParquetSource(redacted(url), engine, folder=address.files)
    return CatalogSource(redacted(url), engine)

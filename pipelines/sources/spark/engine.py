"""Spark as an engine of Ibis: tables come and go as Arrow, and what is kept for a moment is kept for good."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.schema as sch
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.util import gen_name
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from pipelines.files import scratch_in
from pipelines.sources.spark.dialect import SparkCompiler, schema_of


class SparkEngine(Backend):
    """A session of Spark. Closing it lets go of what it keeps; the Spark behind it goes on."""

    compiler = SparkCompiler()

    scratch: str | None = None  # a folder that the workers and we see; without it one in the home
    home: Path | None = None

    @classmethod
    def on(cls, session: SparkSession, home: Path | None = None, scratch: str | None = None) -> "SparkEngine":
        """The engine of a session; what workers write for a moment lies in ``scratch``, or without it in the home."""
        cls.register_options()
        engine = cls()
        engine.home, engine.scratch = home, scratch
        engine.do_connect(session)
        return engine

    @property
    def session(self) -> SparkSession:
        """Spark's own."""
        return self._session

    def disconnect(self) -> None:
        for name in list(self._cached_dataframes):
            self._drop_cached_table(name)

    def get_schema(
        self, table_name: str, *, catalog: str | None = None, database: str | None = None
    ) -> sch.Schema:
        names = [name for name in (catalog, database, table_name) if name]
        return schema_of(
            self._session.table(".".join(f"`{name.replace('`', '``')}`" for name in names)).schema
        )

    def _get_schema_using_query(self, query: str) -> sch.Schema:
        return schema_of(self._session.sql(query).schema)

    def rows_of(self, expr: ir.Table) -> DataFrame:
        """A table expression as Spark's own."""
        self._run_pre_execute_hooks(expr)
        return self._session.sql(self.compile(expr))

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> pa.Table:
        table = expr.as_table()
        found, schema = self.rows_of(table).toArrow(), table.schema().to_pyarrow()
        return expr.__pyarrow_result__(found.rename_columns(schema.names).cast(schema))

    def to_pyarrow_batches(self, expr: ir.Expr, /, **_: Any) -> pa.RecordBatchReader:
        """A partition at a time, so that what is copied need not fit into memory."""
        table = expr.as_table()
        schema = table.schema().to_pyarrow()

        # In here, so that it travels to workers that have Arrow and know nothing of us.
        def as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            for batch in batches:
                written = pa.BufferOutputStream()
                with pa.ipc.new_stream(written, batch.schema) as stream:
                    stream.write_batch(batch)
                yield pa.record_batch({"batch": [written.getvalue().to_pybytes()]})

        def read() -> Iterator[pa.RecordBatch]:
            for row in (
                self.rows_of(table)
                .mapInArrow(as_bytes, "batch binary")
                .toLocalIterator(prefetchPartitions=True)
            ):
                for batch in pa.ipc.open_stream(row.batch):
                    found = pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema)
                    yield from found.to_batches()

        return pa.RecordBatchReader.from_batches(schema, read())

    def worked_on(
        self,
        expr: ir.Table,
        work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
    ) -> Iterator[pa.RecordBatch]:
        """Have the workers do something with each partition and write what comes of it, whole or not at all; then read that."""
        with self._folder() as folder:
            types = from_arrow_schema(schema, prefer_timestamp_ntz=True)
            self.rows_of(expr).mapInArrow(work, types).write.parquet(folder)
            name = gen_name("worked_on")
            self._session.read.schema(types).parquet(folder).createTempView(name)
            yield from self.to_pyarrow_batches(self.table(name))
            self._session.catalog.dropTempView(name)

    @contextmanager
    def _folder(self) -> Iterator[str]:
        """Where workers write for a moment."""
        if self.scratch is None:
            with scratch_in(self.home) if self.home else TemporaryDirectory() as folder:
                yield str(Path(folder, "parts"))
            return
        folder = f"{self.scratch.rstrip('/')}/leadsieve-{secrets.token_hex(8)}"
        try:
            yield folder
        finally:
            context = self._session.sparkContext
            path = context._jvm.org.apache.hadoop.fs.Path(folder)
            path.getFileSystem(context._jsc.hadoopConfiguration()).delete(path, True)

    def read_parquet(self, path: str | Path, /, **_: Any) -> ir.Table:
        """A file, or a folder of them, at any address that Spark reads."""
        name = gen_name("parquet")
        self._session.read.parquet(str(path)).createOrReplaceTempView(name)
        return self.table(name)

    def create_table(
        self, name: str, /, obj: Any = None, *, temp: bool | None = None, **told: Any
    ) -> ir.Table:
        """A table of the catalog, or for a moment, which Ibis does not offer of Spark."""
        if not temp:
            return super().create_table(name, obj, **told)
        table = obj if isinstance(obj, ir.Table) else ibis.memtable(obj)
        self.rows_of(table).createOrReplaceTempView(name)
        return self.table(name)

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        # Rows are numbered by a sort that leaves ties open: computed again, they might get other numbers. A worker that
        # is lost ends the run, and its part is not made up anew.
        kept = self.rows_of(expr).localCheckpoint(eager=True)
        kept.createTempView(name)
        self._cached_dataframes[name] = kept
        return self.table(name)

    def _drop_cached_table(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        self._cached_dataframes.pop(name).unpersist()

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        given = op.data.to_pyarrow(op.schema)
        types = from_arrow_schema(given.schema, prefer_timestamp_ntz=True)
        self._session.createDataFrame(given, types).createOrReplaceTempView(op.name)

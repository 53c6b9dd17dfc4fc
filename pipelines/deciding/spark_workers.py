"""Leads scored by Spark's workers: a version goes to them as data, and scored rows come back.

What a worker has scored is written by Spark's committer to a folder that all see: of a task that is repeated, or runs twice, one
outcome counts, and of a run that ends midway none.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from pyspark.errors import PythonException

from features.errors import ContractError, LeadsieveError, UnreachableError, UsageError
from models.monitoring.tally import Tally
from models.policy.decisions import CHANCES, DECIDED
from pipelines.deciding.known import Proposed, scored
from pipelines.sources.spark.engine import SparkEngine
from pipelines.store.decision_queries import SAID
from pipelines.version_files import Champion, read_version, save_challenger

TALLY = "tally"  # what was counted of a batch, in its first row
TEXT, NUMBER = pa.string(), pa.float64()
SCORED = pa.schema(
    {
        **{name: TEXT for name in ("lead_id", "account_id")},
        "as_of": pa.timestamp("us"),
        **{name: NUMBER for name in CHANCES if name != "grade"},
        "grade": TEXT,
        "extrapolated": pa.bool_(),
        "value": NUMBER,
        "arm": TEXT,
        **{name: NUMBER for name in ("propensity", "cut")},
        **{name: TEXT for name in ("cut_by", "action", *SAID, TALLY)},
    }
)
AS_OBJECTS = ("grade", "arm", "cut_by", "action")


@dataclass(frozen=True)
class Parcel:
    """A version as it is sent.

    Attributes
    ----------
    number : str
    program : str
        The version of Leadsieve that sends it.
    files, features : dict of str to bytes
        Scorer and policy, and the team's own files of features that the scorer reads.
    schema : Schema
        Of the rows to score.
    """

    number: str
    program: str
    files: dict[str, bytes]
    features: dict[str, bytes]
    schema: pa.Schema

    @classmethod
    def of(cls, version: Champion, files: Sequence[Path], schema: pa.Schema) -> "Parcel":
        wanted = {file.name for file in version.scorer.recipe.files}
        with TemporaryDirectory() as folder:
            save_challenger(version.scorer, version.policy, Path(folder))
            kept = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        features = {path.name: path.read_bytes() for path in files if path.name in wanted}
        return cls(version.version, installed("leadsieve"), kept, features, schema)

    @cached_property
    def version(self) -> Champion:
        """The version, made once in each worker.

        Raises
        ------
        ContractError
            Where the worker has another Leadsieve.
        """
        if installed("leadsieve") != self.program:
            raise ContractError(
                f"a worker of Spark has Leadsieve {installed('leadsieve')}, and {self.program} asks it: install the same on all."
            )
        with TemporaryDirectory() as folder:
            for name, content in (self.files | self.features).items():
                Path(folder, name).write_bytes(content)
            return read_version(Path(folder), self.number, [Path(folder, name) for name in self.features])


def scored_by_workers(
    version: Champion, rows: ir.Table, whole: ir.Table, files: Sequence[Path]
) -> Iterator[Proposed]:
    """The rows of a joined matrix, scored on the workers a batch at a time; nobody has reasons.

    Raises
    ------
    UsageError
        If a worker has no Leadsieve.
    UnreachableError
        If a worker cannot score, or what the workers wrote is not seen here.
    """
    engine: SparkEngine = whole.get_backend()
    asked = rows.count().to_pyarrow().as_py()
    parcel = engine.session.sparkContext.broadcast(Parcel.of(version, files, whole.schema().to_pyarrow()))

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pipelines.deciding.spark_workers import scored_batch

        for batch in batches:
            yield scored_batch(parcel.value, batch)

    found = 0
    try:
        for batch in engine.worked_on(whole, score, SCORED):
            found += batch.num_rows
            yield Proposed(*_read(batch, version))
    except PythonException as error:
        raise _told(str(error).strip().splitlines()[-1]) from error
    finally:
        parcel.destroy()
    if found != asked:
        raise UnreachableError(
            f"of {asked:,} leads that Spark's workers scored, {found:,} are seen here; nobody was decided. Name a folder that the workers "
            "and this machine see, such as scratch=hdfs://host/tmp in the address."
        )


def _told(failure: str) -> LeadsieveError:
    """What ails a worker, of the last line of its story."""
    if failure.startswith("ModuleNotFoundError"):
        return UsageError(
            f"Spark's workers cannot score ({failure.partition(': ')[2]}); nobody was decided. Install leadsieve[spark] {installed('leadsieve')} on "
            "each of them, and name its Python in the address, such as spark.pyspark.python=/opt/leadsieve/bin/python."
        )
    return UnreachableError(f"a worker of Spark cannot score; nobody was decided: {failure}")


def scored_batch(parcel: Parcel, batch: pa.RecordBatch) -> pa.RecordBatch:
    """What a worker makes of a batch."""
    part = pa.Table.from_batches([batch]).rename_columns(parcel.schema.names).cast(parcel.schema)
    done = scored(parcel.version, part)
    decided = done.decisions
    tally = [json.dumps(asdict(done.tally))] + [None] * (len(decided) - 1) if len(decided) else []
    columns = decided.assign(**{TALLY: tally})
    arrays = [_as_array(columns[each.name], each.type) for each in SCORED]
    return pa.RecordBatch.from_arrays(arrays, schema=SCORED)


def _as_array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array(column.astype(object).where(column.notna(), None), kind)
    return pa.array(column.to_numpy(), kind)  # NaN stays NaN


def _read(batch: pa.RecordBatch, version: Champion) -> tuple[pd.DataFrame, Tally]:
    """Rows that came back, as ``propose`` gives them."""
    read = {
        name: batch[name].to_pandas()
        if name not in AS_OBJECTS and SCORED.field(name).type == TEXT
        else batch[name].to_numpy(zero_copy_only=False)
        for name in SCORED.names
    }
    alike = {"p_worked_by": version.scorer.worked_by, "rank": 0}
    alike |= {"policy": version.policy.name, "version": version.version}
    alike |= {name: [[]] * len(batch) for name in ("reasons", "weights")}
    tallies = (Tally(**json.loads(each)) for each in batch[TALLY].drop_null().to_pylist())
    return pd.DataFrame({name: (read | alike)[name] for name in (*DECIDED, *SAID)}), sum(tallies, Tally())

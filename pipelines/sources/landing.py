"""A server's raw tables copied here: whole, or, where a column says when a row was last changed, what has changed since
the copy before.

A lead of which any row has changed is copied anew with all its rows, so that a table needs no key of its own. The rows
are counted on both sides: where the counts differ, as after rows were removed, or came so late that nothing told of
them, the table is copied whole. What no count tells is for the next whole pull.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.addresses import redacted
from pipelines.files import set_aside
from pipelines.sources.connections import MemorySource, Source
from pipelines.sources.engine import as_name, let_go, local_engine, quoted
from pipelines.sources.erased import Forgotten
from pipelines.sources.manifest import FORMAT, stored_mapping
from pipelines.sources.reading.columns import word
from pipelines.sources.resolve import Resolved

FOLDER, MADE = "pulled", "at"
LATE = timedelta(hours=1)  # a transaction that takes longer shows up by the count, or in the next whole pull
DAY = timedelta(days=1)
BATCH = 100_000


@dataclass(frozen=True)
class Copies:
    """Where the raw rows of one source under one mapping are kept from pull to pull, if any table says when its rows
    were changed.
    """

    folder: Path | None

    @classmethod
    def of(cls, home: Path, resolved: Resolved) -> "Copies":
        """Those of a source, which may not be there."""
        if all(column is None for column in _changed_columns(resolved).values()):
            return cls(None)
        told = json.dumps([FORMAT, redacted(resolved.settings.url), stored_mapping(resolved)], sort_keys=True)
        return cls(home / FOLDER / hashlib.sha256(told.encode()).hexdigest()[:16])

    def borrowed(self, role: str, into: Path) -> Path | None:
        """A table's copy under a name that stays when the next pull replaces it; None without one."""
        if self.folder is None:
            return None
        there, borrowed = self.folder / f"{role}.parquet", into / f"before-{role}.parquet"
        try:
            os.link(there, borrowed)
            pq.read_metadata(borrowed)
        except (OSError, pa.ArrowInvalid):
            borrowed.unlink(missing_ok=True)
            return None
        return borrowed

    def made(self) -> datetime | None:
        """When they were; None where there are none."""
        file = None if self.folder is None else self.folder / MADE
        return datetime.fromisoformat(file.read_text()) if file and file.is_file() else None

    def replace_by(self, landed: Path, at: datetime) -> None:
        """Keep what a pull at a moment has landed in a folder; a run that is killed between leaves none, and the next pull is a
        whole one.
        """
        if self.folder is None:
            return
        self.folder.parent.mkdir(exist_ok=True)
        if self.folder.exists():
            shutil.rmtree(set_aside(self.folder))
        draft = landed / "kept"
        draft.mkdir()
        (draft / MADE).write_text(at.isoformat())
        for raw in landed.glob("raw-*.parquet"):
            raw.rename(draft / raw.name.removeprefix("raw-"))
        draft.rename(self.folder)


def let_copies_go(home: Path) -> None:
    """Remove all copies: the next pull is a whole one."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)


def landed(
    source: Source, resolved: Resolved, folder: Path, *, copies: Copies, gone: Forgotten
) -> tuple[Source, Resolved]:
    """A server's tables as files in a folder, from then on read like any others.

    Parameters
    ----------
    copies : Copies
        What was landed before; empty ones for a whole pull.
    gone : Forgotten
        Whose rows are not copied.
    """
    files, made = {}, copies.made()
    for role, raw in resolved.raws.items():
        files[role] = folder / f"raw-{role}.parquet"
        mapping = getattr(resolved.settings, role)
        ids, changed = mapping.lead_id, _changed_columns(resolved)[role]
        known = gone.out_of_rows(raw, word(raw[ids], mapping.empty_in(ids)))
        before = None if changed is None or made is None else copies.borrowed(role, folder)
        if before is None or not _merged(known, before, files[role], ids, changed, made):
            _written(known, files[role])
        if before is not None:
            before.unlink()
    there = MemorySource(source.url, files, connection=local_engine(folder / "tmp"))
    return there, replace(resolved, raws={role: there.table(role) for role in files})


def _changed_columns(resolved: Resolved) -> dict[str, str | None]:
    return {role: getattr(resolved.settings, role).updated_at for role in resolved.raws}


def _written(rows: ir.Table, file: Path) -> None:
    """Rows of a server as a file, a batch at a time."""
    with (
        rows.to_pyarrow_batches(chunk_size=BATCH) as batches,
        pq.ParquetWriter(file, batches.schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


def _merged(rows: ir.Table, before: Path, file: Path, ids: str, changed: str, made: datetime) -> bool:
    """Write the rows of a server, taking those of unchanged leads from the copy that was ``made`` before; False where only
    a whole copy tells.
    """
    fresh = file.with_name(f"fresh-{file.name}")
    engine = local_engine(file.parent / "tmp")
    try:
        kept = engine.read_parquet(before)
        newest = kept[changed].max().to_pyarrow().as_py()
        if newest is None or kept.columns != rows.columns:
            return False
        moved = rows.filter((rows[changed] >= _since(newest, made)) | rows[changed].isnull())
        whose = moved.select(ids).distinct()
        least = rows.count().to_pyarrow().as_py()
        _written(rows.filter(rows[ids].isin(whose[ids]) | rows[ids].isnull()), fresh)
        most = rows.count().to_pyarrow().as_py()
        if engine.read_parquet(fresh).schema() != kept.schema():
            return False
        key, new = as_name(ids), f"read_parquet({quoted(fresh)})"
        engine.raw_sql(
            f"COPY (SELECT * FROM read_parquet({quoted(before)}) WHERE {key} NOT IN (SELECT {key} FROM {new} WHERE {key} IS NOT NULL) "
            f"UNION ALL SELECT * FROM {new}) TO {quoted(file)} (FORMAT parquet, COMPRESSION snappy)"
        ).fetchall()
        # between the two counts rows may have come, or gone
        return min(least, most) <= pq.read_metadata(file).num_rows <= max(least, most)
    finally:
        fresh.unlink(missing_ok=True)
        let_go(engine)


def _since(newest: object, made: datetime) -> ibis.Value:
    """From when on rows may have changed since a copy was made: a row dated in the future must not hide what changes
    until then.
    """
    if not isinstance(newest, date):
        return ibis.literal(newest)
    if not isinstance(newest, datetime):
        return ibis.literal(min(newest, made.date()) - DAY)
    late = min(newest.replace(tzinfo=None), made) - LATE
    return ibis.literal(late.replace(tzinfo=newest.tzinfo))

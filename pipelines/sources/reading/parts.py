"""Tables of snapshots, each a folder of Parquet parts that are named by what they hold: a part that is the same in two
snapshots lies on the disk once.

A part is a row group, the source's rows as they come: what is added at the end of an export leaves the parts before it as
they were. Nothing that is read depends on the order of parts.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq
from ibis import BaseBackend

from pipelines.files import bytes_hash, replaced
from pipelines.sources.engine import quoted

MOST_WORDS = 10_000  # of a part's column that are numbered: that ids are too many is to be found out early


def parts(folder: Path, table: str) -> list[Path]:
    """The files of a snapshot's table. Raises FileNotFoundError where there is none."""
    found = sorted((folder / f"{table}.parquet").glob("[!.]*.parquet"))
    if not found:
        raise FileNotFoundError(f"'{folder}' holds no table '{table}'")
    return found


def rows_of(folder: Path, table: str) -> int:
    """How many rows the files of a table hold."""
    return sum(pq.read_metadata(part).num_rows for part in parts(folder, table))


def _statistics(folder: Path, table: str) -> dict[str, list[pq.Statistics]]:
    """What a table's files say of the values of each column, row group by row group."""
    said: dict[str, list[pq.Statistics]] = {}
    for metadata in map(pq.read_metadata, parts(folder, table)):
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                said.setdefault(column.path_in_schema, []).append(column.statistics)
    return said


def full_columns(folder: Path, table: str) -> set[str]:
    """Columns without an empty cell, by what the files say of themselves."""
    return {
        name
        for name, said in _statistics(folder, table).items()
        if all(each is not None and each.null_count == 0 for each in said)
    }


def largest(folder: Path, table: str, column: str) -> Any:
    """The largest value of a column of numbers or times that has any, likewise."""
    return max(each.max for each in _statistics(folder, table)[column] if each.has_min_max)


def scan(folder: Path, table: str, *, more: str = "") -> str:
    """A table as DuckDB's SQL reads it."""
    return f"read_parquet([{', '.join(map(quoted, parts(folder, table)))}]{more})"


def write(
    connection: BaseBackend, table: ir.Table, folder: Path, name: str, *, in_order: bool = False
) -> int:
    """Write a table; gives its rows. ``in_order`` makes one part of it, for whoever counts rows."""
    target = folder / f"{name}.parquet"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    into = target / "all.parquet" if in_order else target
    connection.raw_sql(
        f"COPY ({ibis.to_sql(table, dialect='duckdb')}) TO {quoted(into)} "
        f"(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT {MOST_WORDS}"
        f"{'' if in_order else ', ROW_GROUPS_PER_FILE 1, OVERWRITE_OR_IGNORE'})"
    ).fetchall()
    for part in parts(folder, name):
        digest, number = bytes_hash(part)[:16], 0
        while (named := part.with_name(f"{digest}-{number}.parquet")).exists():
            number += 1
        part.rename(named)
    return rows_of(folder, name)


def share(folder: Path, others: Iterable[Path]) -> None:
    """Have a draft's parts be those that other snapshots hold under the same names, where the disk can do that."""
    there = {}
    for other in others:
        there |= {part.relative_to(other): part for part in other.glob("*.parquet/[!.]*.parquet")}
    for part in folder.glob("*.parquet/*.parquet"):
        same = there.get(part.relative_to(folder))
        with suppress(FileNotFoundError):  # somebody has just removed that snapshot
            if same is not None and same.stat().st_size == part.stat().st_size:
                beside = part.with_name(f".{part.name}")
                linked(same, beside)
                os.replace(beside, part)


def linked(file: Path, to: Path) -> Path:
    """Put a file in another place as well: the same file where the disk can do that, else a copy."""
    try:
        os.link(file, to)
    except OSError:  # another disk, one that has no links, or too many of them
        shutil.copy2(file, to)
    return to


def rewritten(files: Iterable[Path], write_anew: Callable[[Path, Path], None]) -> None:
    """Write files anew, those that are one on the disk once for all; ``write_anew`` gets the old file and the new."""
    fresh: dict[tuple[int, int], Path] = {}
    for file in files:
        state = file.stat()
        one = (state.st_dev, state.st_ino)
        with replaced(file) as draft:
            if one in fresh:
                linked(fresh[one], draft)
            else:
                write_anew(file, draft)
        fresh.setdefault(one, file)


def copied(folder: Path, to: Path) -> None:
    """Copy a folder without what others are still writing; files that are one stay one."""
    seen: dict[tuple[int, int], str] = {}

    def copy(file: str, target: str) -> str:
        state = os.stat(file)
        one = (state.st_dev, state.st_ino)
        if state.st_nlink > 1 and one in seen:
            return str(linked(Path(seen[one]), Path(target)))
        seen[one] = target
        return shutil.copy2(file, target)

    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(".*"), copy_function=copy, dirs_exist_ok=True)


def own_size(folder: Path) -> int:
    """Bytes that would be free without a folder: those of files that lie nowhere else."""
    states = [file.stat() for file in folder.rglob("*") if file.is_file()]
    return sum(state.st_size for state in states if state.st_nlink == 1)

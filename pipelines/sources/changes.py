"""Whether a source may have something new: a look that costs next to nothing, where a pull would read it all."""

from contextlib import closing
from pathlib import Path

import ibis.expr.types as ir

from pipelines.crm.connector import is_crm, look_at_crm
from pipelines.sources.connections import DatabaseSource, FolderSource, open_source
from pipelines.sources.engine import local_engine
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.resolve import resolve


def look_at(settings: SourceSettings) -> str:
    """A text that is another one once a source may have something new.

    Of files it holds when they were written and how large they are; of a server's tables how many rows they
    have, and when the last one was changed, or the newest of each of their times, which takes one query each.

    Raises
    ------
    UsageError, ContractError, UnreachableError
        As ``open_source`` and ``resolve``.
    """
    if is_crm(settings.url):
        return look_at_crm(settings.url)
    with closing(open_source(settings.url, connection=local_engine(sparing=True))) as source:
        if isinstance(source, FolderSource):
            return " ".join(_written(source.folder / name) for name in source.names())
        if isinstance(source, DatabaseSource) and source.file is not None:
            return _written(source.file)
        if not source.is_server:
            return source.url  # made up, and never anything else
        with source.answering():
            found = resolve(source, settings)
            return " ".join(
                f"{role} {_newest(raw, getattr(found.settings, role).updated_at)}"
                for role, raw in sorted(found.raws.items())
            )


def _written(file: Path) -> str:
    told = file.stat()
    return f"{file.name} {told.st_mtime_ns} {told.st_size}"


def _newest(table: ir.Table, updated_at: str | None) -> list[str]:
    times = [name for name, kind in table.schema().items() if kind.is_timestamp() or kind.is_date()]
    times = times if updated_at is None else [updated_at]
    asked = table.aggregate(
        rows=table.count(), **{f"newest_{place}": table[name].max() for place, name in enumerate(times)}
    )
    return [str(value) for value in asked.to_pyarrow().to_pylist()[0].values()]

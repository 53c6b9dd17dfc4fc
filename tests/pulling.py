"""Pulling small made-up files in tests."""

from datetime import datetime
from pathlib import Path

import pytest

from features.errors import ContractError
from features.labels import Horizons
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.snapshots import Snapshot, pull

NOW = datetime(2026, 6, 1)
LEADS = "lead_id,created_at,size\n1,2026-01-01,5\n2,2026-01-02,7\n"


def pulled(folder: Path, files: dict[str, str | bytes], **settings) -> Snapshot:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    source = SourceSettings(**{"url": f"files:{folder}"} | settings)
    return pull(source, Horizons(convert_days=30), home=folder / "home", until=NOW)


def refused(folder: Path, files: dict[str, str | bytes], **settings) -> str:
    with pytest.raises(ContractError) as raised:
        pulled(folder, files, **settings)
    assert not list((folder / "home").rglob("*.parquet")), "something was written"
    return str(raised.value)


def rows(table, *columns) -> list[tuple]:
    chosen = table.select(*columns) if columns else table
    return sorted((tuple(row.values()) for row in chosen.to_pyarrow().to_pylist()), key=str)

"""The steps of a flow in which a network may fail for a moment: Prefect tasks that are tried again, the others not."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from features.errors import UnreachableError
from pipelines.answered import standing_answers, with_answers
from pipelines.forgotten import Forgotten, forgotten_of
from pipelines.places import registry_of, store_of
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot, pull


def _out_of_reach(_task: Any, _run: Any, state: Any) -> bool:
    """Only what may heal by itself is worth another try: a broken contract stays broken."""
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


AGAIN = {"retries": 2, "retry_delay_seconds": 3, "retry_condition_fn": _out_of_reach, "persist_result": False, "cache_policy": NO_CACHE}


@task(name="pull-source", **AGAIN)
def pull_source(settings: Settings, *, home: Path, until: datetime, leads_file: Path | None = None) -> Snapshot:
    """The source's tables as they were known at ``until``, kept as a snapshot, and the desk's answers beside them."""
    store = store_of(settings, home)
    held = store.is_there()  # who only looks makes no store
    forgotten = forgotten_of(store) if held else Forgotten()
    snapshot = pull(settings.source, settings.label, home=home, until=until, leads_file=leads_file, forgotten=forgotten)
    given = standing_answers(store, until) if held else ()
    tables, more = with_answers(snapshot.tables, given, until)
    return replace(snapshot, tables=tables, warnings=snapshot.warnings + more)


@task(name="move-champion", **AGAIN)
def move_champion(settings: Settings, *, home: Path, version: str, **told: Any) -> str | None:
    """Make a version the champion, as ``Registry.promote`` does; gives the version it replaced."""
    return registry_of(settings, home).promote(version, **told)

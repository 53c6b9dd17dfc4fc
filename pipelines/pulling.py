"""Pulling as a task of a flow: the one step where a network may fail for a moment, so the one that is tried again."""

from datetime import datetime
from pathlib import Path

from prefect import task

from features.errors import UnreachableError
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot, pull

TRIES_AGAIN = 2
SECONDS_BETWEEN = 3


def _out_of_reach(task, run, state) -> bool:
    """Only what may heal by itself is worth another try: a broken contract stays broken."""
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


@task(name="pull-source", retries=TRIES_AGAIN, retry_delay_seconds=SECONDS_BETWEEN, retry_condition_fn=_out_of_reach, persist_result=False)
def pull_source(settings: Settings, *, home: Path, until: datetime, leads_file: Path | None = None) -> Snapshot:
    """The source's tables as they were known at ``until``, kept as a snapshot."""
    return pull(settings.source, settings.label, home=home, until=until, leads_file=leads_file)

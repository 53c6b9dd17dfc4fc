"""Flows are functions: called at once, or as runs on Prefect where a Prefect API is there to keep them.

It is there where PREFECT_API_URL names one, or while ``leadsieve serve`` runs on the same home.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from features.errors import UnreachableError, UsageError
from models.registry.place import shown
from pipelines.environment import variables

Given = ParamSpec("Given")
Result = TypeVar("Result")
TAG = "leadsieve"
AT_ONCE = 200  # runs that are removed with one question
TRIES, PAUSE = 3, 3.0  # seconds between them


def flow(name: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """A function that is a flow run, with name, tag, log and artifacts, wherever a Prefect API is configured.

    Its arguments never go to Prefect: settings hold secrets, and a run's parameters are kept in clear.
    """

    def decorated(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @wraps(function)
        def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            if "PREFECT_API_URL" not in variables() or in_run():
                return function(*args, **kwargs)
            return _on_prefect(name, lambda: function(*args, **kwargs))

        return run

    return decorated


def in_run() -> bool:
    """Whether this code runs inside a flow run."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def publish(result: str, words: str) -> None:
    """Keep a result's Markdown with the flow run that is at work, if one is.

    Parameters
    ----------
    result : str
        The artifact's key, such as ``train``.
    words : str
        What the terminal says, as Markdown.
    """
    if in_run():
        from prefect.artifacts import create_markdown_artifact

        create_markdown_artifact(key=result, markdown=words)


def remove_old(before: datetime, done: bool, *, tag: str = TAG) -> int | None:
    """How many of our runs on Prefect ended before a moment (UTC, without a zone), removed if that is to be ``done``; None
    where there is no Prefect to ask.
    """
    if "PREFECT_API_URL" not in variables() and not in_run():
        return None
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters

    old = filters.FlowRunFilter(
        tags=filters.FlowRunFilterTags(all_=[tag]),
        end_time=filters.FlowRunFilterEndTime(before_=before.replace(tzinfo=UTC)),
    )
    with get_client(sync_client=True) as client:
        count = client.count_flow_runs(flow_run_filter=old)
        while done and (page := client.read_flow_runs(flow_run_filter=old, limit=AT_ONCE)):
            for run in page:
                client.delete_flow_run(run.id)
    return count


@contextmanager
def notifying(block: str, *, key: str, what: str) -> Iterator[Any]:
    """A notification block of Prefect, by type and name, while something is told to it.

    Parameters
    ----------
    key, what : str
        The settings key that names the block, and what it is told.

    Raises
    ------
    UsageError
        If there is no such block, or it is none that notifies.
    UnreachableError
        If what it tells did not get through.
    """
    import httpx
    from prefect.blocks.abstract import NotificationBlock, NotificationError
    from prefect.blocks.core import Block

    try:
        told = Block.load(block)
    except ValueError:
        told = None
    if not isinstance(told, NotificationBlock):
        raise UsageError(
            f"{key}: Prefect has no notification block '{block}'; nothing was sent. Make it on Prefect's page Blocks."
        )
    try:
        yield told
    except (NotificationError, OSError, httpx.HTTPError) as error:
        raise UnreachableError(
            f"{key}: block '{block}' did not take {what}; nothing was sent. Its address may be wrong, or its "
            "service out of reach: send it a test on Prefect's page Blocks."
        ) from error


def retried(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function tried again where something is out of reach for a moment; whatever else is broken stays broken."""

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for _ in range(TRIES - 1):
            with suppress(UnreachableError):
                return function(*args, **kwargs)
            time.sleep(PAUSE)
        return function(*args, **kwargs)

    return call


def _on_prefect(name: str, call: Callable[[], Result]) -> Result:
    import prefect
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise UnreachableError(
                f"the Prefect server at {shown(PREFECT_API_URL.value())} does not answer; nothing was done. "
                "Start it, or unset PREFECT_API_URL."
            )
    run = prefect.flow(call, name=name, persist_result=False)
    # For its heartbeat each flow run would wait a second.
    with prefect.tags(TAG), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return run()

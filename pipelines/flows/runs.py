"""Flows are functions: called at once, or as runs on Prefect where a Prefect API is there to keep them.

It is there where PREFECT_API_URL names one, or while ``leadsieve serve`` runs on the same home.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec, TypeVar

from features.errors import UnreachableError
from models.registry.place import shown
from pipelines.environment import variables

Given = ParamSpec("Given")
Result = TypeVar("Result")
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
    with prefect.tags("leadsieve"), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return run()

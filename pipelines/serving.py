"""Serving the flows on Prefect: each by its module's name, with its schedule, one run at a time, until somebody ends it."""

from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from features.errors import UnreachableError, UsageError
from models.registry_address import shown
from pipelines import scheduled
from pipelines.alerts import keep_alert
from pipelines.schedule import OFF
from pipelines.settings import Settings

FLOWS: dict[str, Flow[..., Any]] = {"score": scheduled.score, "monitor": scheduled.monitor, "retrain": scheduled.retrain}


def serve_flows(settings: Settings, *, config: Path | None, home: Path, name: str) -> None:
    """Register the flows with Prefect's server and run what is due, until this process is asked to end; schedules then pause.

    Raises
    ------
    UsageError
        For a cron text that Prefect cannot read, or an alert to a block that is not there.
    UnreachableError
        If the server does not answer.
    """
    served = [deployment(each, settings, config=config, home=home, name=name) for each in FLOWS]
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise UnreachableError(f"the Prefect server at {shown(PREFECT_API_URL.value())} does not answer; nothing is served.")
        keep_alert(client, name=name, block=settings.schedule.alert)
    # One at a time: a run that waits uses the time it was scheduled for, so that waiting changes no answer.
    serve(*served, limit=1, print_starting_message=False)


def deployment(flow: str, settings: Settings, *, config: Path | None, home: Path, name: str) -> RunnerDeployment:
    """A flow with its schedule; one that is switched off can still be run by hand."""
    when = getattr(settings.schedule, flow)
    try:
        return FLOWS[flow].to_deployment(
            name,
            schedules=[] if when == OFF else [Cron(when, timezone=settings.schedule.timezone)],
            parameters={"config": config and str(config.absolute()), "home": str(home)},
            tags=[name],
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    except (ValidationError, ValueError) as error:
        raise UsageError(f"schedule.{flow}: Prefect cannot read '{when}' as a cron text; nothing is served.") from error

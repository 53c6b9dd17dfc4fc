"""What is served, in words."""

from pathlib import Path

from prefect.settings import PREFECT_API_URL

from models.registry_address import shown
from pipelines.schedule import OFF, ScheduleSettings


def serving(schedule: ScheduleSettings, home: Path) -> str:
    """When each flow runs, where its runs can be seen, and how to end it."""
    times = {flow: getattr(schedule, flow) for flow in ("score", "monitor", "retrain")}
    lines = [f"  {flow:<8} {when if when == OFF else f'{when:<12} {schedule.timezone}'}" for flow, when in times.items()]
    pages = shown(PREFECT_API_URL.value()).removesuffix("/api")
    alert = f"Alerts go to {schedule.alert}." if schedule.alert else "Nobody is alerted: [schedule] alert names no block."
    return "\n".join(
        [f"Serving from {home}:", *lines, f"Runs, logs and tables: {pages}", alert, "Ctrl-C ends it and pauses the schedules."]
    )

"""What a schedule runs: the flows with what they need from a configuration, at their scheduled time however late they start.

A run ends in one sentence, its state's message: what came of it, or what a person can mend.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path

from prefect import flow
from prefect.client.schemas import State
from prefect.exceptions import FailedRun
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from features.errors import LeadsieveError
from pipelines import wording, wording_monitor
from pipelines.monitor import monitor_leads
from pipelines.progress import hushed
from pipelines.retrain import retrain as train_and_promote
from pipelines.score import score_leads
from pipelines.settings import load_settings


def in_a_sentence(run: Callable[..., State]) -> Callable[..., State]:
    """What users can mend ends a run as failed with what the command line would say; a traceback is for bugs."""

    @wraps(run)
    def told(*args: object, **kwargs: object) -> State:
        for kind in ("flow", "task"):
            logging.getLogger(f"prefect.{kind}_runs").addFilter(without_traceback)
        try:
            with hushed():
                return run(*args, **kwargs)
        except LeadsieveError as error:
            return Failed(message=str(error))

    return told


def without_traceback(record: logging.LogRecord) -> bool:
    """Keep the sentence of what users can mend, and let go of the way that it came."""
    if record.exc_info and isinstance(record.exc_info[1], (LeadsieveError, FailedRun)):
        record.exc_info = None
    return True


@flow(name="score", description="Decide the leads that wait, each once, as of the scheduled time.")
@in_a_sentence
def score(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Score what waits at the scheduled time; a file besides the log if [schedule] output says so."""
    settings, moment = load_settings(config), scheduled(as_of)
    report = score_leads.fn(settings, home, moment, output=settings.schedule.output_at(moment))
    return completed(wording.scoring(report.to_json(), report.decisions))


@flow(name="monitor", description="Hold outcomes against what the champion foretold, as of the scheduled time.")
@in_a_sentence
def monitor(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Watch the champion; the state is called after the verdict, so that an automation can hear of it."""
    found = monitor_leads.fn(load_settings(config), home, scheduled(as_of)).to_json()
    return completed(wording_monitor.monitored(found), name="Completed" if found["verdict"] == "steady" else found["verdict"].capitalize())


@flow(name="retrain", description="Fit a challenger as of the scheduled time, and promote it if the rule allows.")
@in_a_sentence
def retrain(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Train, and let the challenger take over only by rule."""
    found = train_and_promote(load_settings(config), home, scheduled(as_of), why="on schedule").to_json()
    words = "\n".join(wording_monitor.retrained(found))
    return Failed(message=words) if found["version"] is None else completed(words)


def scheduled(as_of: datetime | None) -> datetime:
    """The moment asked for, else the one that this run was scheduled for; UTC without a zone, and no kin of datetime, as Prefect's are."""
    moment = datetime.fromisoformat((as_of or flow_run.scheduled_start_time).isoformat())
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def completed(words: str, name: str = "Completed") -> State:
    """All words go to the run's log, the first line to its state."""
    get_run_logger().info(words)
    return Completed(name=name, message=words.partition("\n")[0])

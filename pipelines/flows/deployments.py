"""The flows that run on a schedule: served by Prefect, each as of its scheduled time however late it starts.

A run ends in one sentence, its state's message: what came of it, or what a person can mend. An automation
tells it to a notification block.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from prefect import Flow, flow, serve
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import State
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.deployments.runner import RunnerDeployment
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import FailedRun, ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import deployment as deployment_run
from prefect.runtime import flow_run
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL, PREFECT_RUNNER_POLL_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from features.errors import LeadsieveError, UnreachableError, UsageError
from features.serialization import plain
from models.registry.place import shown
from pipelines.flows.monitor import monitor_leads
from pipelines.flows.retrain import retrain as train_and_promote
from pipelines.flows.runs import TAG, notifying, remove_old
from pipelines.flows.score import score_leads
from pipelines.flows.writeback.run import write_back
from pipelines.maintenance.retention import prune as remove
from pipelines.prefect_server import address_of, secret_file
from pipelines.progress import hushed
from pipelines.reports import alignment as alignments
from pipelines.reports import monitor as reports
from pipelines.reports import summaries
from pipelines.reports.render import markdown, terminal
from pipelines.schedule_settings import OFF, ScheduleSettings
from pipelines.settings import Settings, load_settings
from pipelines.sources.changes import look_at
from pipelines.sources.mapping import SourceSettings

POLL = 2  # seconds until a run that was asked for is begun
LOOKS = 2  # at the source within [schedule] score_minutes
LONGEST = 3600  # seconds that the next look waits for a run
STATES = ("Failed", "Crashed", "TimedOut", "Retrain")
SUBJECT = "{{ deployment.name }}: {{ flow.name }} {{ flow_run.state.name }}"
BODY = "{{ flow_run.state.message }}"


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
def score(config: Path | None, home: Path, as_of: datetime | None = None, incremental: bool = False) -> State:
    """Score what waits at the scheduled time; a file besides the log if [schedule] output says so."""
    settings, moment = load_settings(config), scheduled(as_of)
    output = settings.schedule.output_at(moment)
    report = score_leads(settings, home, moment, output=output, incremental=incremental)
    if not incremental:
        keep_for_the_desk(settings, home, moment)
    if settings.schedule.a_leads and (told := summaries.a_leads(report.decisions, desk=settings.desk.url)):
        key, what = "schedule.a_leads", "the leads of grade A, which are decided and on the desk all the same"
        with notifying(settings.schedule.a_leads, key=key, what=what) as block:
            block.notify(told[1], told[0])
    return completed(summaries.score(report.to_json(), report.decisions))


@flow(
    name="monitor", description="Hold outcomes against what the champion foretold, as of the scheduled time."
)
@in_a_sentence
def monitor(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Watch the champion; the state is called after the verdict, so that an automation can hear of it."""
    found = monitor_leads(load_settings(config), home, scheduled(as_of)).to_json()
    return completed(
        reports.monitor(found),
        name="Completed" if found["verdict"] == "steady" else found["verdict"].capitalize(),
    )


@flow(
    name="retrain",
    description="Fit a challenger as of the scheduled time, and promote it if the rule allows.",
)
@in_a_sentence
def retrain(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Train, and let the challenger take over only by rule."""
    found = train_and_promote(load_settings(config), home, scheduled(as_of), why="on schedule").to_json()
    words = summaries.retrain(found)
    return Failed(message=unmarked(words)) if found["version"] is None else completed(words)


@flow(
    name="alignment",
    description="Tell what became of the leads as of the scheduled time, and send the digest.",
)
@in_a_sentence
def alignment(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """What marketing and sales read together; its sentences go to [schedule] digest."""
    # Its pictures need matplotlib, which a scoring run of each minute does without.
    from pipelines.flows.alignment.align import align
    from pipelines.flows.alignment.digest import send

    settings, moment = load_settings(config), scheduled(as_of)
    found = align(settings, home, moment).to_json()
    keep_for_the_desk(settings, home, moment, found)
    subject, body = alignments.digest(found, desk=settings.desk.url)
    if settings.schedule.digest:
        send(found, subject, body, block=settings.schedule.digest)
    return completed(body)


@flow(name="prune", description="Remove what [retention] lets go of, as of the scheduled time.")
@in_a_sentence
def prune(config: Path | None, home: Path, as_of: datetime | None = None) -> State:
    """Old snapshots, and old runs of these flows."""
    settings = load_settings(config)
    # Not by this run's own tags: Prefect gives one of its own to every scheduled run of every project.
    tags = {TAG, deployment_run.name or TAG}

    def old_runs(before: datetime, done: bool) -> int | None:
        return sum(remove_old(before, done, tag=tag) or 0 for tag in tags)

    found = plain(remove(settings, home, scheduled(as_of), done=True, old_runs=old_runs))
    return completed(summaries.prune(found, asked=settings.retention.on))


def keep_for_the_desk(
    settings: Settings, home: Path, moment: datetime, found: dict[str, Any] | None = None
) -> None:
    """Keep the figures of the alignment; a run that did its own work is no failure where nothing can be counted."""
    from pipelines.flows.alignment.kept import keep_figures

    try:
        keep_figures(settings, home, moment, found)
    except LeadsieveError as error:
        get_run_logger().warning("no figures are kept for the desk: %s", error)


@flow(name="writeback", description="Write decisions, and what changed of them, to CRM and webhook.")
@in_a_sentence
def writeback(config: Path | None, home: Path) -> State:
    """What is not written yet, whenever that was due. What was not taken ends the run as failed, so that somebody hears of it."""
    found = plain(write_back(load_settings(config), home, begun()))
    words = summaries.writeback(found)
    return Failed(message=unmarked(words.partition("\n")[0])) if found["dead"] else completed(words)


def scheduled(as_of: datetime | None) -> datetime:
    """The moment asked for, else the one that this run was scheduled for; UTC without a zone, and no kin of
    datetime, as Prefect's are.
    """
    moment = datetime.fromisoformat((as_of or flow_run.scheduled_start_time).isoformat())
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def begun() -> datetime:
    """When this run began: receivers of a webhook refuse what was signed long ago."""
    context = FlowRunContext.get()
    return scheduled(None if context is None else context.start_time)


def completed(words: str, name: str = "Completed") -> State:
    """All of a result's Markdown goes to the run's log, as a terminal shows it, and the first line to its
    state.
    """
    get_run_logger().info(unmarked(words))
    return Completed(name=name, message=unmarked(words.partition("\n")[0]))


def unmarked(words: str) -> str:
    """Markdown without its marks; a sentence stays one line."""
    return terminal(words, width=100_000, styled=False)


def keep_alert(client: SyncPrefectClient, *, name: str, block: str | None) -> None:
    """Make the automation what the configuration says: there and telling this block, or not there.

    Raises
    ------
    UsageError
        If there is no such block; the automation stays as it was.
    """
    called = f"{name}: a run failed, or a model is to be retrained"
    told = None if block is None else alert(client, called, name=name, block=block)
    for old in client.read_automations_by_name(called):
        client.delete_automation(old.id)
    if told is not None:
        client.create_automation(told)


def alert(client: SyncPrefectClient, called: str, *, name: str, block: str) -> AutomationCore:
    """An automation that tells a block of every run with our tag that ends in one of the states."""
    kind, _, document = block.partition("/")
    try:
        found = client.read_block_document_by_name(document, kind)
    except ObjectNotFound:
        raise UsageError(
            f"schedule.alert: Prefect has no block '{block}'; nothing is served. Make it on Prefect's page Blocks."
        ) from None
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in STATES},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{name}"},
        posture=Posture.Reactive,
        threshold=1,
    )
    return AutomationCore(
        name=called,
        trigger=trigger,
        actions=[SendNotification(block_document_id=found.id, subject=SUBJECT, body=BODY)],
    )


FLOWS: dict[str, Flow[..., Any]] = {
    "score": score,
    "monitor": monitor,
    "retrain": retrain,
    "alignment": alignment,
    "prune": prune,
    "writeback": writeback,
}


def serve_flows(settings: Settings, *, config: Path | None, home: Path, name: str) -> None:
    """Register the flows with Prefect's server and run what is due, until this process is asked to end;
    schedules then pause.

    Raises
    ------
    UsageError
        For a cron text that Prefect cannot read, or an alert to a block that is not there.
    UnreachableError
        If the server does not answer.
    """
    served = {each: deployment(each, settings, config=config, home=home, name=name) for each in FLOWS}
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise UnreachableError(
                f"the Prefect server at {shown(PREFECT_API_URL.value())} does not answer; nothing is served."
            )
        keep_alert(client, name=name, block=settings.schedule.alert)
    # One at a time: a run that waits uses the time it was scheduled for, so that waiting changes no answer.
    over = threading.Event()
    if settings.schedule.score_minutes and settings.source is not None:
        served["score"].apply()  # the first look comes at once, and runs it
        told = (settings.source, settings.schedule.score_minutes, name, over)
        threading.Thread(target=score_what_is_new, args=told, daemon=True, name="new leads").start()
    try:
        with temporary_settings(
            {PREFECT_RUNNER_POLL_FREQUENCY: POLL} if settings.schedule.score_minutes else {}
        ):
            serve(*served.values(), limit=1, print_starting_message=False)
    finally:
        over.set()


def score_what_is_new(
    source: SourceSettings,
    minutes: int,
    name: str,
    over: threading.Event,
    *,
    run: Callable[..., Any] = run_deployment,
) -> None:
    """Run the scoring flow at once and whenever the source has changed, looking twice in so many minutes, until it is over.

    A look and no schedule: a run takes a process of its own and some seconds, and runs that were missed must
    not pile up. The next look waits for the run. What is out of reach is looked at again the next time.
    """
    seen, pause = None, 0.0  # what came while nobody served has waited long enough
    while not over.wait(pause):
        pause = 60 * minutes / LOOKS
        with suppress(LeadsieveError):
            found = look_at(source)
            if found != seen:
                run(
                    f"{score.name}/{name}",
                    parameters={"incremental": True},
                    timeout=LONGEST,
                    poll_interval=1,
                    as_subflow=False,
                )
                seen = found  # what came while it ran is seen by the next look


def deployment(
    flow: str, settings: Settings, *, config: Path | None, home: Path, name: str
) -> RunnerDeployment:
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
        raise UsageError(
            f"schedule.{flow}: Prefect cannot read '{when}' as a cron text; nothing is served."
        ) from error


def serving(schedule: ScheduleSettings, home: Path) -> str:
    """When each flow runs, where its runs can be seen, and how to end it."""
    times = {flow: getattr(schedule, flow) for flow in FLOWS}
    minutes = schedule.score_minutes
    ours = address_of(home) == PREFECT_API_URL.value()
    return markdown(
        "serve",
        home=home,
        times=[[flow, when, "" if when == OFF else schedule.timezone] for flow, when in times.items()],
        minutes=f"{minutes} minutes" if minutes > 1 else "a minute" if minutes else None,
        pages=shown(PREFECT_API_URL.value()).removesuffix("/api"),
        secret=secret_file(home) if ours else None,
        alert=schedule.alert,
        digest=schedule.digest,
        a_leads=schedule.a_leads,
    )

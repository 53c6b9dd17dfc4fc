"""The value flow: what became of the leads that were decided, against what was promised of them."""

from contextlib import closing
from datetime import datetime
from pathlib import Path

from prefect import flow

from features.errors import TooLittleDataError
from models.aftermath import aftermath
from pipelines import artifacts
from pipelines.answers import pulled_out
from pipelines.network import pull_source
from pipelines.places import store_of
from pipelines.progress import Stopwatch
from pipelines.reckoning import reckoned
from pipelines.results import Overrides, ValueReport
from pipelines.settings import Settings


@flow(name="value-policy")
def value_policy(settings: Settings, home: Path, as_of: datetime) -> ValueReport:
    """Check the promise again on what is known by ``as_of``, and say what the filter was worth. Changes nothing."""
    watch = Stopwatch()
    store = store_of(settings, home)
    decisions = store.decisions()
    if decisions.empty:
        raise TooLittleDataError("no lead has been decided yet, so nothing can have been lost. Score leads first: leadsieve score.")
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
    with watch.step("look back", "look up what became of the decided leads"), closing(snapshot):
        log = reckoned(decisions, snapshot.tables, settings)
    with watch.step("value", "check the promise and value the filter"):
        found = aftermath(log, settings.policy, resamples=settings.evaluation.resamples, seed=settings.evaluation.seed)
    overrides = Overrides.of(log, pulled_out(store))
    report = ValueReport(
        aftermath=found, overrides=overrides, since=decisions["decided_at"].min(), warnings=snapshot.warnings, seconds=watch.seconds
    )
    artifacts.publish_value(report.to_json())
    return report

"""The backtest flow: past months replayed, one after the other, each kept as soon as it is done."""

from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from prefect import flow

from features.errors import TooLittleDataError, UsageError
from models.backtest import By, calendar, parts, replay
from models.backtest_picture import drawn
from pipelines import artifacts
from pipelines.lookup import learning_set
from pipelines.network import pull_source
from pipelines.progress import Stopwatch
from pipelines.replays import BacktestReport, folder_of, once
from pipelines.results import moment
from pipelines.settings import Settings
from pipelines.sinks import replaced


@flow(name="backtest-leads")
def backtest_leads(
    settings: Settings, home: Path, as_of: datetime, last: int = 12, by: By = "month", picture: Path | None = None
) -> BacktestReport:
    """Show what the filter would have held and lost in past months. Run again after a kill, it goes on where it stopped."""
    watch = Stopwatch()
    with watch.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
        clock = snapshot.tables.clock
    if clock == "none":
        snapshot.close()
        raise UsageError(
            'these leads have neither dates nor an order, so there is no past to replay. Name a created_at, or order = "rows".'
        )

    with watch.step("features", "look up what was known of each lead"), closing(snapshot):
        learning = learning_set(snapshot.tables, settings)

    spans = calendar(learning, last, by=by) if clock == "time" else parts(learning, last)
    if not spans:
        raise TooLittleDataError(f"the leads span too little time to replay a {by} of it; nothing was replayed.")
    folder = folder_of(home, snapshot.fingerprint, settings, learning.known_until)
    with watch.step("replay", "replay the past") as progress:
        replayed = []
        for span in spans:
            again = partial(
                replay, learning, span, settings.evaluation, settings.model, settings.policy, moment=partial(moment, clock=clock)
            )
            replayed.append(once(folder, span, again))
            progress(len(replayed), len(spans))

    picture = picture or folder / "backtest.png"
    with replaced(picture) as draft:
        drawn(replayed, settings.policy.max_lost_share, moment=lambda time: str(moment(time, clock))[: 10 if by == "week" else 7]).savefig(
            draft, format="png"
        )
    report = BacktestReport(
        replayed=tuple(replayed),
        clock=clock,
        max_lost_share=settings.policy.max_lost_share,
        warnings=snapshot.warnings,
        seconds=watch.seconds,
        picture=picture,
    )
    artifacts.publish_backtest(report.to_json())
    return report

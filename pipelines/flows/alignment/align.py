"""The alignment flow: what marketing and sales read together, from one book of all leads."""

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import TooLittleDataError, UsageError
from features.serialization import plain
from features.tables import moment
from models.alignment.attribution import Attribution, Credit, Touches, attribution
from models.alignment.book import NOTHING, Asked, Book
from models.alignment.effort import Effort, by_channel, effort
from models.alignment.feedback import Feedback, feedback
from models.alignment.figures import Share
from models.alignment.funnel import Funnel, funnel
from models.alignment.margin import Margin, margin
from models.alignment.scored import Scored, scored
from models.alignment.talk import Finding, findings
from models.policy.impact import leniency_of, promise_of
from models.policy.selective_labels import Leniency
from pipelines.flows.alignment.ledger import Ledger, ledger_of
from pipelines.flows.dataset import pull_source
from pipelines.flows.runs import flow, publish
from pipelines.home import store_of
from pipelines.progress import Stopwatch
from pipelines.reports import alignment as reports
from pipelines.settings import Settings

MONTHS = 12
CAMPAIGNS = 100
ALL = Asked()
# What each lead is counted by; who answered is for few.
LISTED = ("lead_id", "created_at", "channel", "campaign", "team", "grade", "handed", "state", "answered_at", "accepted_at", "rejected_at",
          "won_at", "lost_at", "reason", "margin")  # fmt: skip


@dataclass(frozen=True)
class Alignment:
    """All figures of the page that both sides read.

    Attributes
    ----------
    as_of : str
    asked : Asked
        Which leads they are about.
    choices : dict of str to list of str
        What else could be asked for.
    joined_teams : tuple of str
        So small that they are counted as one team, lest figures of single people be told.
    leads : int
    talk : tuple of Finding
        What to talk about.
    funnel : Funnel
    feedback : Feedback or None
    scored : Scored
    promise : dict or None
        The filter's promise so far, as ``value`` has it; None where no decided lead has had its whole time.
    effort : Effort or None
        None, as ``feedback``, where the source does not tell whom sales has taken up.
    by_lot : dict of str to Share
        By channel: won, of its leads that were worked by lot.
    attribution : Attribution
        By channel.
    campaigns : tuple of Credit
        Wins by the campaign that brought the lead; events tell none.
    """

    as_of: str
    asked: Asked
    choices: dict[str, list[str]]
    joined_teams: tuple[str, ...]
    leads: int
    talk: tuple[Finding, ...]
    funnel: Funnel
    feedback: Feedback | None
    scored: Scored
    promise: dict[str, Any] | None
    effort: Effort | None
    leniency: Leniency | None
    margin: Margin
    by_lot: dict[str, Share]
    attribution: Attribution
    campaigns: tuple[Credit, ...]
    words: dict[str, str]
    currency: str
    events: bool
    agreed: dict[str, Any]
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The ``alignment`` object of the interface."""
        asked = {name: str(value)[:10] for name, value in asdict(self.asked).items() if value is not None}
        return plain(self) | {
            "leniency": self.leniency and self.leniency.words(),
            "asked": asked,
            "definitions": reports.definitions(self.words, self.agreed),
        }


@flow("alignment")
def align(settings: Settings, home: Path, as_of: datetime, asked: Asked = ALL) -> Alignment:
    """What became of leads by ``as_of``, for marketing and sales. Changes nothing."""
    clock = Stopwatch()
    with clock.step("pull", "pull what has changed"):
        snapshot = pull_source(settings, home=home, until=as_of)
    with closing(snapshot), clock.step("read", "look up what became of every lead"):
        store = store_of(settings, home)
        ledger = ledger_of(snapshot.tables, store, settings, until=as_of, warnings=snapshot.warnings)
    with clock.step("count", "count what became of the leads"):
        found = aligned(ledger, settings, asked)
    found = replace(found, seconds=clock.seconds)
    publish("alignment", reports.alignment(found.to_json()))
    return found


def aligned(ledger: Ledger, settings: Settings, asked: Asked) -> Alignment:
    """The figures of the leads that are asked for; without a period, of the last twelve months."""
    book, asked = ledger.book, _settled(ledger, asked)
    mask = book.asked_for(asked)
    here = book.rows(mask)
    if here.leads.empty:
        raise TooLittleDataError(
            "no lead fits what was asked for; ask for a longer period or for fewer things."
        )
    agreed, policy = settings.alignment, settings.policy
    drawn = {"resamples": settings.evaluation.resamples, "seed": settings.evaluation.seed}
    judged = ledger.judged
    if len(judged):
        judged = judged[judged["settled"] & mask[judged["row"]]]
    credit = partial(
        attribution,
        won=here.has("won"),
        margin=np.nan_to_num(here.leads["margin"].to_numpy(float)),
        account=here.account,
        half_life=agreed.half_life_days,
        **drawn,
    )
    parts = (
        funnel(book, asked),
        feedback(here, book, hours=agreed.answer_hours) if book.answers_told else None,
        scored(here),
    )
    brought = margin(here, quarter_starts=agreed.quarter_starts, last_days=agreed.quarter_end_days, **drawn)
    return Alignment(
        as_of=moment(book.end, "time"),
        asked=asked,
        choices=ledger.choices,
        joined_teams=ledger.joined,
        leads=len(here.leads),
        talk=findings(*parts, brought),
        funnel=parts[0],
        feedback=parts[1],
        scored=parts[2],
        promise=promise_of(judged, policy).to_json() if len(judged) else None,
        effort=effort(
            here,
            high=agreed.high_grades,
            low=agreed.low_grades,
            hours_per_lead=policy.hours_per_lead,
            **drawn,
        )
        if book.answers_told
        else None,
        leniency=leniency_of(judged) if len(judged) else None,
        margin=brought,
        by_lot=by_channel(here),
        attribution=credit(ledger.touches.rows(mask)),
        campaigns=credit(_campaigns(here), rules=("last",)).credits,
        words=settings.words.for_reports(),
        currency=settings.desk.currency,
        events=ledger.events,
        agreed=asdict(agreed) | {"pursue_days": book.pursue_days, "convert_days": book.convert_days},
        warnings=ledger.warnings,
        seconds={},
    )


def behind(ledger: Ledger, asked: Asked) -> pd.DataFrame:
    """The leads behind the figures: a row each, with what it is counted by."""
    return ledger.book.within(_settled(ledger, asked)).leads[list(LISTED)]


def _settled(ledger: Ledger, asked: Asked) -> Asked:
    """What is asked for, with a period; refused where no lead has it."""
    for name, value in asked.named().items():
        _known(name, value, ledger.choices[name])
    if asked.since is not None:
        return asked
    first = pd.Timestamp(asked.until or ledger.book.end) - pd.DateOffset(months=MONTHS - 1, microseconds=1)
    return replace(asked, since=first.replace(day=1).normalize().to_pydatetime())


def _campaigns(book: Book) -> Touches:
    """The campaign that brought each lead, as its one touch."""
    named = (book.leads["campaign"] != NOTHING).to_numpy()
    campaign = pd.Categorical(book.leads["campaign"][named].astype("str"))
    return Touches.of(np.flatnonzero(named), campaign, np.zeros(int(named.sum())), most=CAMPAIGNS)


def day(name: str, text: str | None) -> datetime | None:
    """The beginning of a day that an option or a field names."""
    try:
        return datetime.fromisoformat(f"{text}T00:00") if text else None
    except ValueError:
        raise UsageError(f"{name}: '{text}' is no day. Say it like 2026-03-01.") from None


def _known(name: str, value: str, values: list[str]) -> None:
    """Refuse what no lead has."""
    if value not in values:
        close = get_close_matches(value, values, n=1)
        some = ", ".join(values[:8]) + (" …" if len(values) > 8 else "")
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {some or 'none'}."
        raise UsageError(f"--{name}: no lead has the {name} '{value}'; {hint}")

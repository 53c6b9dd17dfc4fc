"""The book of all leads, read once from a snapshot and the store."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import TooLittleDataError
from features.matrix import fetch
from features.outcomes import fates, realised_margins
from features.tables import Tables
from models.alignment.attribution import Touches
from models.alignment.book import HANDED_OFF, HELD, NAMED, NOTHING, SMALL_TEAMS, UNDECIDED, Book
from models.policy.policy import HAND_OFF
from pipelines.flows.value import by_luck, reckoned
from pipelines.settings import Settings
from pipelines.store.answers import pulled_out
from pipelines.store.database import Store
from pipelines.store.work.rescores import handed_off
from pipelines.store.work.teams import Teams, teams_of

UNDATED = (
    "the source has no dates of leads and outcomes, so that nothing can be said of months, answers and waits. "
    "Name a column of dates in [source.leads] created_at."
)
SAID = ("channel", "campaign", "owner")
# What is looked at of a decision.
LOGGED = ("lead_id", "account_id", "as_of", "decided_at", "p_pursue", "p_convert", "p_both", "grade", "action", "arm", "propensity", "score",
          "cut")  # fmt: skip
MICROSECONDS = 86_400_000_000  # of a day


@dataclass(frozen=True)
class Ledger:
    """Everything that the figures are computed from, read once.

    Attributes
    ----------
    book : Book
    touches : Touches
        Of each lead by its row in the book: the channel that brought it, and those of its events until it was
        answered, or its time was over. What comes later is sales' own work.
    judged : DataFrame
        The decisions with what became of them, as ``reckoned`` has them, and the ``row`` of each in the book.
    choices : dict of str to list of str
        What can be asked for, by name.
    events : bool
        Whether events have channels; without, each lead has one touch at most.
    joined : tuple of str
        The teams that are so small that they are counted together.
    """

    book: Book
    touches: Touches
    judged: pd.DataFrame
    choices: dict[str, list[str]]
    events: bool
    joined: tuple[str, ...]
    warnings: tuple[str, ...]


def ledger_of(
    tables: Tables, store: Store, settings: Settings, *, until: datetime, warnings: Iterable[str] = ()
) -> Ledger:
    """Read what the snapshot and the store know of every lead, with what was decided until a moment.

    Raises
    ------
    TooLittleDataError
        Where leads have no dates, or there are none.
    """
    if tables.clock != "time" or not tables.outcome_times or tables.outcomes is None:
        raise TooLittleDataError(UNDATED)
    log = store.decisions(columns=LOGGED) if store.is_there() else pd.DataFrame()
    log = log[log["decided_at"] <= until] if len(log) else log
    released = pulled_out(store) | handed_off(store) if len(log) else set()
    teams = teams_of(store, settings.alignment, settings.assignment)
    book = book_of(tables, log, released, settings, teams)
    warnings = (*warnings, *_without_team(book, teams))
    book, joined = _small_joined(book, teams)
    choices = {name: sorted(book.leads[name].dropna().astype(str).unique()) for name in NAMED}
    events = tables.events is not None and "channel" in tables.events.columns
    judged = reckoned(log, tables, settings) if len(log) else pd.DataFrame()
    if len(judged):
        judged, told = by_luck(judged, store)
        warnings = (*warnings, *told)
        judged = judged.assign(row=pd.Index(book.leads["lead_id"]).get_indexer(judged["lead_id"]))
    touches = touches_of(tables, book, events=events)
    return Ledger(book, touches, judged, choices, events, joined, warnings)


def _small_joined(book: Book, teams: Teams) -> tuple[Book, tuple[str, ...]]:
    """The book with small teams as one, and which these are."""
    leads = book.leads
    people = leads.groupby("team")["rep"].unique()
    joined = teams.joined(
        {team: [name for name in names if isinstance(name, str)] for team, names in people.items()}
    )
    if joined in (frozenset(), frozenset([NOTHING])):
        return book, ()
    together = leads["team"].mask(leads["team"].isin(joined), SMALL_TEAMS)
    return replace(book, leads=leads.assign(team=together)), tuple(sorted(joined - {NOTHING}))


def book_of(tables: Tables, log: pd.DataFrame, released: set[str], settings: Settings, teams: Teams) -> Book:
    """One row for each lead: its stages, and what was decided of it."""
    leads = tables.leads
    cohort = leads.select("lead_id", "account_id", "created_at", as_of="created_at")
    rows = fetch(fates(tables, cohort).join(_said(tables), "lead_id")).to_pandas()
    if rows.empty:
        raise TooLittleDataError("there are no leads by then, so there is nothing to count.")
    rows = rows.assign(
        account=pd.factorize(rows["account_id"])[0],
        own_margin=rows["margin"].notna().any(),
        margin=realised_margins(rows, settings.policy.margin_share),
        channel=rows["channel"].fillna(NOTHING),
        campaign=rows["campaign"].fillna(NOTHING),
        team=_teams(rows["owner"], rows["answerer"], teams),
        rep=rows["answerer"].map(teams.person, na_action="ignore"),
    ).drop(columns=["owner", "answerer", "as_of"])
    if len(log):
        kept = log[["lead_id", "decided_at", "action", "grade", "arm", "p_pursue", "p_convert", "p_both"]]
        rows = rows.merge(kept, on="lead_id", how="left")
    else:
        empty = {"action": None, "grade": None, "arm": None, "p_pursue": np.nan, "p_convert": np.nan}
        rows = rows.assign(decided_at=pd.NaT, p_both=np.nan, **empty)
    passed = (rows["action"] == HAND_OFF) | rows["lead_id"].isin(released)
    handed = np.where(rows["action"].isna(), UNDECIDED, np.where(passed, HANDED_OFF, HELD))
    times = {name: rows[name].astype("datetime64[us]") for name in rows if name.endswith("_at")}
    days = {"pursue_days": settings.label.pursue_days, "convert_days": settings.label.convert_days}
    return Book.of(rows.assign(handed=handed, **times), tables.end, days, tables.stages)


def _teams(owner: pd.Series, answerer: pd.Series, teams: Teams) -> pd.Series:
    """The team of each lead: that of its owner, or its owner where that is a team and no person.

    Whoever signs in or answers leads is a person; figures of single people are for few, and so no team's.
    """
    persons = teams.people | set(answerer.dropna().map(teams.person).unique())

    def of(name: str) -> str:
        return teams.of(name) or (NOTHING if teams.person(name) in persons else name)

    known = {name: of(name) for name in owner.dropna().unique()}
    return owner.fillna(NOTHING).map(known | {NOTHING: NOTHING})


def _without_team(book: Book, teams: Teams) -> list[str]:
    """What to do where leads have no team because their owners are people of none."""
    alone = [name for name in book.leads["rep"].dropna().unique() if not teams.of(name)]
    if not (book.leads["team"] == NOTHING).any() or not alone:
        return []
    people = "1 person who answers" if len(alone) == 1 else f"{len(alone):,} people who answer"
    return [
        f"no team is known of {people} leads, and what single people achieve is not for everybody: say who is of which team in "
        "[alignment] teams, or for those who sign in with `leadsieve user team`"
    ]


def _said(tables: Tables) -> ir.Table:
    """Channel, campaign and owner of each lead, why it was turned down and who answered."""
    leads, outcomes = tables.leads, tables.outcomes
    named = {name: leads[name] if name in leads.columns else ibis.null("string") for name in SAID}
    known = outcomes.filter(outcomes.recorded_at < ibis.literal(tables.end))
    told = {name: known[name] if name in known.columns else ibis.null("string") for name in ("reason", "rep")}
    known = known.select("lead_id", "stage", **told)
    answer = known.stage.isin(["accepted", "rejected"])
    answers = known.group_by(answered="lead_id").aggregate(
        reason=known.reason.min(where=known.stage == "rejected"), answerer=known.rep.max(where=answer)
    )
    rows = leads.select("lead_id", **named)
    return rows.left_join(answers, rows.lead_id == answers.answered).drop("answered")


def touches_of(tables: Tables, book: Book, *, events: bool) -> Touches:
    """The touches of each lead of a book."""
    leads = book.leads
    over = leads["created_at"] + pd.Timedelta(days=book.pursue_days)
    until = pd.concat([leads["answered_at"], over], axis=1).min(axis=1).astype("datetime64[us]")
    named = (leads["channel"] != NOTHING).to_numpy()
    row, channel = np.flatnonzero(named), leads["channel"][named].astype("str")
    came = leads["created_at"][named].astype("datetime64[us]")
    if not events:
        return Touches.of(row, pd.Categorical(channel), came.to_numpy().astype("int64") / MICROSECONDS)
    known = ibis.memtable(
        pa.table({"lead_id": leads["lead_id"], "row": np.arange(len(leads), dtype=np.int32), "until": until})
    )
    later = tables.events.filter(tables.events.channel.notnull()).join(known, "lead_id")
    later = later.filter(later.occurred_at <= later.until)
    found = later.select("row", "channel", "occurred_at").to_pyarrow()
    own = pa.table({"row": row.astype(np.int32), "channel": channel, "occurred_at": came.to_numpy()})
    found = pa.concat_tables([own.cast(found.schema), found])
    named_by = found["channel"].combine_chunks().dictionary_encode()
    named_by = pd.Categorical.from_codes(named_by.indices.to_numpy(), named_by.dictionary.to_pylist())
    named_by = named_by.set_categories(sorted(named_by.categories))
    row = found["row"].to_numpy()
    moment = found["occurred_at"].to_numpy().astype("datetime64[us]").astype("int64")
    order = _in_order(row, moment, named_by.codes, len(named_by.categories))
    return Touches.of(row[order], named_by[order], moment[order] / MICROSECONDS)


def _in_order(row: np.ndarray, moment: np.ndarray, channel: np.ndarray, channels: int) -> np.ndarray:
    """The order of touches by lead, then time, then channel.

    Millions of them: a database that sorts rows takes five times as long as this takes to sort numbers.
    """
    order = np.argsort(moment * channels + channel)
    for bits in (0, 16):  # a radix sort, which numpy has for numbers of 16 bits
        order = order[np.argsort((row[order] >> bits).astype(np.uint16), kind="stable")]
    return order

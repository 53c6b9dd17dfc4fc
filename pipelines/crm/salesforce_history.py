"""A Salesforce lead from what its fields said at which moment, and from the opportunity that it became."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.crm.connector import Lead, Row

# What a lead says of itself comes in several writes as it is created: assignment rules and flows run then.
GRACE = timedelta(minutes=1)
A_USER = re.compile(r"00[5G][a-zA-Z0-9]{12}([a-zA-Z0-9]{3})?")  # or a queue
Told = Sequence[tuple[datetime, Any]]


@dataclass(frozen=True)
class Organisation:
    """What has to be known of an organisation to read its records.

    Attributes
    ----------
    tracked : tuple of str
        Fields of leads whose history Salesforce keeps: they say what was said at creation.
    fixed : tuple of str
        Fields that are taken as they are now, for nobody changes them.
    accepted, rejected : tuple of str
        Lead statuses that mean so.
    closed : mapping
        Stages of opportunities at which they are over: ``won`` or ``lost``.
    kept_since : datetime
        Of leads that are older, history may be gone.
    """

    tracked: tuple[str, ...]
    fixed: tuple[str, ...]
    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    closed: Mapping[str, str]
    kept_since: datetime


def moment_of(text: str) -> datetime:
    """A moment of Salesforce's, in UTC."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def by(key: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by what they belong to, each oldest first."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: moment_of(row["CreatedDate"])):
        found[row[key]].append(row)
    return found


def lead_of(
    record: Row,
    changes: Sequence[Row],
    campaigns: Sequence[Row],
    deal: Row | None,
    steps: Sequence[Row],
    known: Organisation,
) -> Lead:
    """One lead.

    Parameters
    ----------
    changes : sequence of dict
        Of ``LeadHistory``, oldest first.
    campaigns : sequence of dict
        Of ``CampaignMember``.
    deal, steps
        The opportunity that it became, and what ``OpportunityHistory`` says of it, oldest first.
    """
    created = moment_of(record["CreatedDate"])
    born = created + GRACE
    history = by("Field", changes)
    owner = _told(created, _names(history.get("Owner", [])), (record.get("Owner") or {}).get("Name"))
    row: Row = {"created_at": created, "account_id": None, "owner": _at(owner, born)}
    row |= {name: record.get(name) for name in known.fixed}
    events: list[Row] = []
    for name in known.tracked:
        told = _told(created, history.get(name, []), record.get(name))
        before = _at(told, born)
        row[name] = before if created >= known.kept_since else None
        for moment, value in told:
            if moment > born and value != before:
                number = float(value) if isinstance(value, int | float) else None
                events.append({"kind": f"{name} changed", "value": number, **_times(moment)})
                before = value
    row["account_id"] = row.get("Company")
    for member in campaigns:
        events.append({"kind": "campaign", "value": None, **_times(moment_of(member["CreatedDate"]))})
        if member.get("FirstRespondedDate"):
            events.append(
                {"kind": "campaign response", "value": None, **_times(_end_of(member["FirstRespondedDate"]))}
            )
    events.sort(key=lambda event: event["recorded_at"])
    return Lead(record["Id"], row, events, _outcomes(record, history, owner, deal, steps, created, known))


def _outcomes(
    record: Row,
    history: Mapping[str, list[Row]],
    owner: Told,
    deal: Row | None,
    steps: Sequence[Row],
    created: datetime,
    known: Organisation,
) -> list[Row]:
    """What became of a lead, oldest first: taken up once, won or lost as often as it was."""
    found: list[Row] = []

    def add(stage: str, state: str, moment: datetime, *, rep: str | None = None, amount: Any = None) -> None:
        rep = rep or _at(owner, moment + GRACE)
        rest = {"amount": amount, "rep": rep, "reason": None, **_times(max(moment, created))}
        found.append({"stage": stage, "state": state, **rest})

    # A status that a lead came with, or that was set before its history was kept, is no answer of sales.
    for change in history.get("Status", []):
        state, moment = change["NewValue"], moment_of(change["CreatedDate"])
        if state in known.accepted:
            add("accepted", state, moment)
        elif state in known.rejected:
            add("rejected", state, moment)
    if record.get("IsConverted"):
        told = history.get("leadConverted")
        moment = moment_of(told[0]["CreatedDate"]) if told else _end_of(record["ConvertedDate"])
        add("accepted", "converted", moment)
    rep, before = ((deal or {}).get("Owner") or {}).get("Name"), None
    for step in steps:
        stage = known.closed.get(step["StageName"])
        if stage is not None and step["StageName"] != before:
            amount = step.get("Amount") if stage == "won" else None
            add(stage, step["StageName"], moment_of(step["CreatedDate"]), rep=rep, amount=amount)
        before = step["StageName"]
    found.sort(key=lambda row: row["recorded_at"])
    first = next((row for row in found if row["stage"] == "accepted"), None)
    taken = first["recorded_at"] if first else datetime.max
    for row in found:
        if row["stage"] == "rejected" and row["recorded_at"] >= taken:
            row["stage"] = "lost"
    return [row for row in found if row["stage"] != "accepted" or row is first]


def _told(created: datetime, changes: Sequence[Row], now: Any) -> Told:
    """What a field said from which moment on: at the creation what the first change found, else what it says now."""
    first = changes[0]["OldValue"] if changes else now
    return [(created, first), *((moment_of(row["CreatedDate"]), row["NewValue"]) for row in changes)]


def _names(changes: Sequence[Row]) -> list[Row]:
    """Of a change of the owner there are two rows, one with names and one with ids."""
    return [row for row in changes if not A_USER.fullmatch(str(row["NewValue"] or row["OldValue"] or ""))]


def _at(told: Told, moment: datetime) -> Any:
    """What was said at a moment."""
    return next((value for since, value in reversed(told) if since <= moment), None)


def _times(moment: datetime) -> Row:
    return {"occurred_at": moment, "recorded_at": moment}


def _end_of(day: str) -> datetime:
    """The last moment of a day: nobody knows when on it, and not before it is over."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time()) - timedelta(
        microseconds=1
    )

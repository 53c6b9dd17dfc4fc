"""A HubSpot contact as a lead: what its properties and its deals' said at which moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.crm.connector import Lead, Row

# What a contact says of itself comes in several writes as it is created.
GRACE = timedelta(minutes=1)
LIFE, STATUS, OWNER, COMPANY = "lifecyclestage", "hs_lead_status", "hubspot_owner_id", "associatedcompanyid"
STAGES = {
    "salesqualifiedlead": "accepted",
    "opportunity": "accepted",
    "customer": "won",
    "evangelist": "won",
}
UNQUALIFIED = "UNQUALIFIED"
DEAL = ("dealstage", "amount", OWNER)
Told = Sequence[tuple[datetime, str]]


@dataclass(frozen=True)
class Account:
    """What has to be known of an account to read its records.

    Attributes
    ----------
    fields : tuple of str
        The properties of contacts that are attributes.
    types : mapping
        Of each of those properties: ``number``, ``string`` and so on.
    closed : mapping
        Stages of deals at which they are over: ``won`` or ``lost``.
    owners : mapping
        Names of users by their id.
    """

    fields: tuple[str, ...]
    types: Mapping[str, str]
    closed: Mapping[str, str]
    owners: Mapping[str, str]


def moment_of(text: str) -> datetime:
    """A moment of HubSpot's, in UTC."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def merged_into(record: Row) -> list[str]:
    """Ids of records that are there no more because they were merged into this one."""
    text = record["properties"].get("hs_merged_object_ids") or ""
    return [each for each in text.split(";") if each and each != record["id"]]


def lead_of(contact: Row, deals: Iterable[Row], account: Account) -> Lead:
    """One lead from the history of a contact and of its deals."""
    created = _created(contact, "createdate")
    born = created + GRACE
    row: Row = {
        "created_at": created,
        "account_id": _at(_told(contact, COMPANY), born) or None,
        "owner": _named(_at(_told(contact, OWNER), born), account),
    }
    events: list[Row] = []
    for name in account.fields:
        told = _told(contact, name)
        before = _at(told, born)
        row[name] = _value(before, account.types.get(name))
        for moment, text in told:
            if moment > born and text != before:
                value = _value(text, account.types.get(name))
                number = value if isinstance(value, float) else None
                events.append({"kind": f"{name} changed", "value": number, **_times(moment)})
                before = text
    # A deal that is older than the contact was begun without it: nobody knows when the two were linked.
    own = [deal for deal in deals if _created(deal, "createdate") >= created - GRACE]
    return Lead(contact["id"], row, events, _outcomes(contact, own, created, account))


def _outcomes(contact: Row, deals: list[Row], created: datetime, account: Account) -> list[Row]:
    """What became of a lead, oldest first: taken up once, won or lost as often as it was."""
    found: list[Row] = []

    def add(stage: str, state: str, moment: datetime, of: Row, **more: Any) -> None:
        owner = _at(_told(of, OWNER), moment + GRACE) or _at(_told(contact, OWNER), moment + GRACE)
        rest = {"amount": None, "reason": None, **more}
        times = _times(max(moment, created))
        found.append({"stage": stage, "state": state, "rep": _named(owner, account), **rest, **times})

    for deal in deals:
        add("accepted", "deal", _created(deal, "createdate"), deal)
        for moment, text in _told(deal, "dealstage"):
            stage = account.closed.get(text)
            if stage == "won":
                amount = _value(_at(_told(deal, "amount"), moment + GRACE), "number")
                add("won", text, moment, deal, amount=amount)
            elif stage == "lost" and not any(
                _goes_on(other, moment, account) for other in deals if other is not deal
            ):
                add("lost", text, moment, deal, reason=deal["properties"].get("closed_lost_reason") or None)
    for moment, text in _told(contact, LIFE):
        stage = STAGES.get(text)
        # HubSpot makes a customer of whoever's deal is won: that is the same win.
        told = stage == "won" and any(
            row["stage"] == "won" and row["recorded_at"] <= moment + GRACE for row in found
        )
        if stage is not None and not told:
            add(stage, text, moment, contact)
    taken = min((row["recorded_at"] for row in found if row["stage"] == "accepted"), default=datetime.max)
    for moment, text in _told(contact, STATUS):
        if text == UNQUALIFIED:
            add("lost" if moment >= taken else "rejected", text, moment, contact)
    found.sort(key=lambda row: row["recorded_at"])
    first = next((row for row in found if row["stage"] == "accepted"), None)
    return [row for row in found if row["stage"] != "accepted" or row is first]


def _goes_on(deal: Row, moment: datetime, account: Account) -> bool:
    """Whether a deal was there at a moment, and not lost."""
    stage = _at(_told(deal, "dealstage"), moment)
    return stage is not None and account.closed.get(stage) != "lost"


def _told(record: Row, name: str) -> Told:
    """What a property said from which moment on, oldest first; HubSpot tells the newest first."""
    values = (record.get("propertiesWithHistory") or {}).get(name) or []
    told = [(moment_of(each["timestamp"]), each.get("value") or "") for each in reversed(values)]
    return sorted(told, key=lambda each: each[0])


def _at(told: Told, moment: datetime) -> str | None:
    """What was said at a moment; None where nothing was."""
    return next((text for since, text in reversed(told) if since <= moment), None)


def _created(record: Row, name: str) -> datetime:
    return moment_of(record["properties"].get(name) or record["createdAt"])


def _times(moment: datetime) -> Row:
    return {"occurred_at": moment, "recorded_at": moment}


def _named(owner: str | None, account: Account) -> str | None:
    return account.owners.get(owner, owner) if owner else None


def _value(text: str | None, kind: str | None) -> Any:
    """A property's value, which HubSpot always tells as a text."""
    if not text:
        return None
    if kind == "bool":
        return text == "true"
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            return None
    return text

"""HubSpot through its CRM API, version 3: contacts with the history of their properties, and their deals.

Written as HubSpot documents it; no account of theirs was at hand.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx

from features.errors import UnreachableError, UsageError
from pipelines.crm.changes import pages
from pipelines.crm.connector import Address, Answer, Lead, Line, Page, Row, secret
from pipelines.crm.http import answering, checked, client, said
from pipelines.crm.hubspot_history import (
    COMPANY,
    DEAL,
    LIFE,
    OWNER,
    STATUS,
    Account,
    lead_of,
    merged_into,
    moment_of,
)
from pipelines.crm.wording import REASONS

KEY = "HUBSPOT_TOKEN"
FIELDS = (
    *("jobtitle", "company", "industry", "country", "state", "city", "website", "hs_language"),
    *("numemployees", "annualrevenue", "hs_analytics_source", "hs_analytics_source_data_1", "message"),
    *("num_conversion_events", "recent_conversion_event_name", "hs_analytics_num_page_views"),
    *("hs_email_open", "hs_email_click", "num_contacted_notes"),
)
CHANGED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
MERGED = "hs_merged_object_ids"
# our properties, and of which types HubSpot may hold them
OURS = {
    "leadsieve_grade": ("string", "enumeration"),
    "leadsieve_score": ("number",),
    "leadsieve_state": ("string", "enumeration"),
    "leadsieve_reasons": ("string",),
    "leadsieve_until": ("date",),
}
AT_ONCE, WITH_HISTORY = 100, 50  # what one request may ask for
SPLIT = (400, 404, 409, 500)  # one record that is wrong may have a whole batch refused


def opened(address: Address) -> "HubSpot":
    """The door of ``hubspot:``; the option ``fields`` names more properties to read."""
    if address.path:
        raise UsageError(f"'{address.name}' is no address of HubSpot; say it like hubspot:")
    return HubSpot(address, secret(KEY))


class HubSpot:
    """The account of a token."""

    at_once, with_history = AT_ONCE, WITH_HISTORY
    in_order = False

    def __init__(self, address: Address, key: str) -> None:
        self.name = address.name
        more = address.options.get("fields")
        named = dict.fromkeys([*FIELDS, *(more.split(",") if more else ())])
        self.fields = tuple(name for name in named if name and name not in OURS)
        # Nothing here does harm if it arrives twice: properties are set to what they are to be.
        self._http = client(f"{address.base}/crm/v3/", {"Authorization": f"Bearer {key}"}, again=True)

    def close(self) -> None:
        self._http.close()

    def look(self) -> str:
        return json.dumps([self._newest(kind) for kind in CHANGED], default=str)

    def _newest(self, kind: str) -> tuple[int, datetime | None]:
        """How many records there are, and when one was changed last."""
        field = CHANGED[kind]
        order = [{"propertyName": field, "direction": "DESCENDING"}]
        found = self._post(
            f"objects/{kind}/search", {"sorts": order, "properties": [field], "limit": 1, "filterGroups": []}
        )
        moments = [_changed(row, field) for row in found["results"]]
        return found.get("total", 0), max(moments, default=None)

    # ── what changed ──

    def pages(self, since: str | None, known: Collection[str]) -> Iterator[Page]:
        return pages(self, since, known)

    def newest(self) -> datetime | None:
        return max((moment for _, moment in map(self._newest, CHANGED) if moment is not None), default=None)

    def deleted(self, since: datetime) -> set[str]:
        """Contacts that were deleted in the last 90 days, of which HubSpot has a list."""
        return {lead_id for ids, _ in self.listed(archived=True) for lead_id in ids}

    def changed_since(self, since: datetime) -> dict[str, datetime]:
        """When each contact was last touched, it or a deal of it."""
        changed = dict(self._searched("contacts", since))
        deals = dict(self._searched("deals", since))
        for deal_id, contacts in self._linked("deals", "contacts", list(deals)).items():
            for lead_id in contacts:
                changed[lead_id] = max(changed.get(lead_id, datetime.min), deals[deal_id])
        return changed

    def _searched(self, kind: str, since: datetime) -> Iterator[tuple[str, datetime]]:
        """Records that changed, and when. Each page begins behind the last id, so that the 10,000 records at which a
        search ends are never reached, and none is missed that changes meanwhile.
        """
        field, last = CHANGED[kind], "0"
        while True:
            filters = [
                {"propertyName": field, "operator": "GTE", "value": str(_milliseconds(since))},
                {"propertyName": "hs_object_id", "operator": "GT", "value": last},
            ]
            order = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
            rows = self._post(
                f"objects/{kind}/search",
                {
                    "filterGroups": [{"filters": filters}],
                    "sorts": order,
                    "properties": [field],
                    "limit": AT_ONCE,
                },
            )["results"]
            yield from ((row["id"], _changed(row, field)) for row in rows)
            if len(rows) < AT_ONCE:
                return
            last = rows[-1]["id"]

    def listed(
        self, after: str | None = None, *, archived: bool = False
    ) -> Iterator[tuple[list[str], str | None]]:
        """By the list that has no end, for a search finds 10,000 and no more."""
        asked = {"limit": AT_ONCE, "properties": "hs_object_id", "archived": str(archived).lower()}
        for rows, following in self._paged("objects/contacts", asked, after):
            yield [row["id"] for row in rows], following

    def read(self, ids: list[str]) -> tuple[list[Lead], list[str]]:
        """All there is to tell of some contacts, and ids that were merged into theirs."""
        history = [*dict.fromkeys([*self.fields, LIFE, STATUS, OWNER, COMPANY])]
        contacts = self._batch("contacts", ids, ["createdate", MERGED], history)
        linked = self._linked("contacts", "deals", list(contacts))
        wanted = [*dict.fromkeys(deal_id for some in linked.values() for deal_id in some)]
        deals = self._batch("deals", wanted, ["createdate", "closed_lost_reason"], DEAL)
        leads = [
            lead_of(
                contact,
                [deals[deal_id] for deal_id in linked.get(lead_id, ()) if deal_id in deals],
                self._account,
            )
            for lead_id, contact in contacts.items()
        ]
        return leads, [old for contact in contacts.values() for old in merged_into(contact)]

    def _batch(
        self, kind: str, ids: list[str], properties: Sequence[str], history: Sequence[str] = ()
    ) -> dict[str, Row]:
        """Records by their id, which is another one than was asked for where records were merged."""
        found: dict[str, Row] = {}
        size = WITH_HISTORY if history else AT_ONCE
        for start in range(0, len(ids), size):
            asked: Row = {
                "inputs": [{"id": each} for each in ids[start : start + size]],
                "properties": list(properties),
            }
            if history:
                asked["propertiesWithHistory"] = list(history)
            rows = self._post(f"objects/{kind}/batch/read", asked)["results"]
            found |= {row["id"]: row for row in rows}
        return found

    def _linked(self, kind: str, other: str, ids: list[str]) -> dict[str, list[str]]:
        """Ids of the records of another kind that hang on some; one that has none is left away."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(ids), AT_ONCE):
            asked = {"inputs": [{"id": each} for each in ids[start : start + AT_ONCE]]}
            for row in self._post(f"associations/{kind}/{other}/batch/read", asked)["results"]:
                found[row["from"]["id"]] = [*dict.fromkeys(str(each["id"]) for each in row["to"])]
        return found

    @cached_property
    def _account(self) -> Account:
        closed = {"closedwon": "won", "closedlost": "lost"}
        for pipeline in self._get("pipelines/deals", {})["results"]:
            for stage in pipeline["stages"]:
                told = stage.get("metadata") or {}
                if str(told.get("isClosed")).lower() == "true":
                    closed[stage["id"]] = "won" if float(told.get("probability") or 0) == 1 else "lost"
        owners = {
            str(row["id"]): f"{row.get('firstName') or ''} {row.get('lastName') or ''}".strip()
            or row.get("email")
            or str(row["id"])
            for archived in ("true", "false")
            for rows, _ in self._paged("owners", {"limit": AT_ONCE, "archived": archived})
            for row in rows
        }
        return Account(self.fields, self._types, closed, owners)

    @cached_property
    def _types(self) -> dict[str, str]:
        return {row["name"]: row["type"] for row in self._get("properties/contacts", {})["results"]}

    # ── what is written ──

    def write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        self._ready()
        ids = [line.lead_id for line in lines if line.lead_id.isdigit()]
        there = self._batch("contacts", ids, [*OURS, MERGED])
        merged = {old: row["id"] for row in there.values() for old in merged_into(row)}
        waiting: list[Row] = []
        for line in lines:
            record = there.get(line.lead_id)
            if record is None:
                other = merged.get(line.lead_id)
                why = f"the contact was merged into {other}" if other else "there is no such contact"
                yield Answer(line.entry, refused=why)
            elif change := _differing(record["properties"], properties_of(line.said)):
                waiting.append(
                    {"id": line.lead_id, "properties": change, "objectWriteTraceId": str(line.entry)}
                )
            else:
                yield Answer(line.entry)
        yield from self._update(waiting)

    def _ready(self) -> None:
        """Before anything is written: the properties that it is written into."""
        wrong = [
            f"{name} ({' or '.join(kinds)})"
            for name, kinds in OURS.items()
            if self._types.get(name) not in kinds
        ]
        if wrong:
            raise UsageError(
                f"HubSpot has no contact property {', '.join(wrong)}; create it once under Settings, Properties, as "
                "docs/crm.md says, and write back again. Nothing was written."
            )

    def _update(self, some: list[Row]) -> Iterator[Answer]:
        """Write a batch; what is refused is found by halves where HubSpot does not say which it was."""
        if not some:
            return
        with answering(self.name):
            response = self._http.post("objects/contacts/batch/update", json={"inputs": some})
        alone = len(some) == 1
        if response.status_code in SPLIT:
            if alone:
                yield Answer(_entry(some[0]), refused=said(response), later=response.status_code >= 500)
                return
            middle = len(some) // 2
            yield from self._update(some[:middle])
            yield from self._update(some[middle:])
            return
        told = self._json(response)
        done = {row["id"] for row in told["results"]}
        words = _refusals(told.get("errors") or [])
        for each in some:
            refused = words.get(each["id"]) or words.get(each["objectWriteTraceId"])
            if refused is None and each["id"] not in done:
                if not alone:
                    yield from self._update([each])
                    continue
                refused = "HubSpot did not say why"
            yield Answer(_entry(each), refused=refused)

    # ── requests ──

    def _paged(
        self, path: str, asked: Mapping[str, Any], after: str | None = None
    ) -> Iterator[tuple[list[Row], str | None]]:
        while True:
            found = self._get(path, {**asked, **({} if after is None else {"after": after})})
            after = ((found.get("paging") or {}).get("next") or {}).get("after")
            yield found["results"], after
            if after is None:
                return

    def _get(self, path: str, asked: Mapping[str, Any]) -> Any:
        with answering(self.name):
            return self._json(self._http.get(path, params=dict(asked)))

    def _post(self, path: str, body: Row) -> Any:
        with answering(self.name):
            return self._json(self._http.post(path, json=body))

    def _json(self, response: httpx.Response) -> Any:
        try:
            return checked(response, self.name, key=KEY)
        except ValueError as error:
            raise UnreachableError(
                f"{self.name} answers with what is no JSON; is it HubSpot's API?"
            ) from error


def properties_of(said: Mapping[str, Any]) -> dict[str, str]:
    """A decision as values of our properties; an empty one clears what was there."""
    score = said.get("score")
    return {
        "leadsieve_grade": said.get("grade") or "",
        "leadsieve_score": "" if score is None else str(round(score, 4)),
        "leadsieve_state": said["state"],
        "leadsieve_reasons": "\n".join((said.get("reasons") or [])[:REASONS]),
        "leadsieve_until": (said.get("until") or "")[:10],
    }


def _differing(there: Mapping[str, str | None], wanted: Mapping[str, str]) -> dict[str, str]:
    """What has to be written of what is wanted."""
    return {name: text for name, text in wanted.items() if _same(name, there.get(name) or "") != text}


def _same(name: str, text: str) -> str:
    """A value as we would write it: HubSpot tells .5 as it likes."""
    return str(float(text)) if OURS[name] == ("number",) and text else text


def _refusals(errors: Sequence[Row]) -> dict[str, str]:
    """Why records were refused, by id or by trace id, whichever HubSpot names."""
    found = {}
    for error in errors:
        context = error.get("context") or {}
        for each in (*context.get("ids", ()), *context.get("objectWriteTraceId", ())):
            found[str(each)] = " ".join(str(error.get("message") or "refused").split())[:300]
    return found


def _entry(asked: Row) -> int:
    return int(asked["objectWriteTraceId"])


def _changed(row: Row, field: str) -> datetime:
    return moment_of(row["properties"].get(field) or row["updatedAt"])


def _milliseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)

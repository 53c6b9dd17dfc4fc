"""A stand-in for HubSpot on loopback that keeps to what its API reference says: paging and its ends, histories, deleted
and merged records, limits of batches, partial failures, pauses and tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BEGIN = datetime(2026, 1, 5, 8)
TOKEN = "pat-na1-token-of-the-tests"
SEARCH_ENDS = 10_000
CHANGED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
OURS = {
    "leadsieve_grade": "string",
    "leadsieve_score": "number",
    "leadsieve_state": "string",
    "leadsieve_reasons": "string",
    "leadsieve_until": "date",
}
Row = dict[str, Any]


@dataclass
class Record:
    """A contact or deal: each property with what it said and when, oldest first."""

    history: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    archived: bool = False

    def say(self, moment: datetime, properties: Mapping[str, str]) -> None:
        for name, value in properties.items():
            self.history.setdefault(name, []).append((moment, value))

    def value(self, name: str) -> str | None:
        return self.history[name][-1][1] if name in self.history else None


@dataclass
class HubSpot:
    """An account; ``now`` is its clock."""

    port: int = 0
    token: str = TOKEN
    now: datetime = BEGIN
    contacts: dict[str, Record] = field(default_factory=dict)
    deals: dict[str, Record] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)  # contact, deal
    merged: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=lambda: {**OURS, "numemployees": "number"})
    refused: dict[str, str] = field(default_factory=dict)  # contacts that cannot be written, and why
    whole_batch: int | None = None  # the code with which one that is refused has all of its batch refused
    next_answers: list[tuple[int, Row, dict[str, str]]] = field(default_factory=list)
    expires_after: int | None = None  # requests
    asked: list[tuple[str, str, Row]] = field(default_factory=list)
    count: int = 100

    @property
    def url(self) -> str:
        return f"hubspot:http://127.0.0.1:{self.port}"

    # ── what people do there ──

    def create(self, kind: str, properties: Mapping[str, str], *, contact: str | None = None) -> str:
        self.count += 1
        number = str(self.count)
        record = Record()
        record.say(self.now, {"createdate": _text(self.now), "hs_object_id": number, **properties})
        getattr(self, kind)[number] = record
        self._touch(kind, number)
        if contact is not None:
            self.links.append((contact, number))
        return number

    def write(self, kind: str, number: str, properties: Mapping[str, str]) -> None:
        getattr(self, kind)[number].say(self.now, properties)
        self._touch(kind, number)

    def delete(self, number: str, *, for_good: bool = False) -> None:
        if for_good:
            del self.contacts[number]
        else:
            self.contacts[number].archived = True

    def merge(self, first: str, second: str) -> str:
        """A new record with the values of the first, to which both ids lead from now on."""
        one, other = self.contacts.pop(first), self.contacts.pop(second)
        self.count += 1
        number = str(self.count)
        history = {
            name: sorted([*other.history.get(name, []), *one.history.get(name, [])])
            for name in {*one.history, *other.history}
        }
        self.contacts[number] = Record(history)
        created = min(record.history["createdate"][0][1] for record in (one, other))
        values = {name: one.value(name) or other.value(name) or "" for name in history}
        said = {name: value for name, value in values.items() if value != self.contacts[number].value(name)}
        ours = {
            "createdate": created,
            "hs_object_id": number,
            "hs_merged_object_ids": f"{first};{second}",
        }
        self.contacts[number].say(self.now, said | ours)
        self._touch("contacts", number)
        self.merged |= {first: number, second: number}
        self.links = [
            (number if contact in (first, second) else contact, deal) for contact, deal in self.links
        ]
        return number

    def _touch(self, kind: str, number: str) -> None:
        getattr(self, kind)[number].say(self.now, {CHANGED[kind]: _text(self.now)})

    # ── the interface ──

    def answer(self, method: str, path: str, asked: Row, token: str) -> tuple[int, Row, dict[str, str]]:
        if self.expires_after is not None:
            self.expires_after -= 1
            if self.expires_after < 0:
                self.token, self.expires_after = "another", None
        if token != f"Bearer {self.token}":
            return _error(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")
        self.asked.append((method, path, asked))
        if self.next_answers:
            return self.next_answers.pop(0)
        parts = path.removeprefix("/crm/v3/").split("/")
        match method, parts:
            case "GET", ["objects", kind]:
                return self._list(kind, asked)
            case "POST", ["objects", kind, "search"]:
                return self._search(kind, asked)
            case "POST", ["objects", kind, "batch", "read"]:
                return self._read(kind, asked)
            case "POST", ["objects", "contacts", "batch", "update"]:
                return self._update(asked)
            case "POST", ["associations", kind, other, "batch", "read"]:
                return self._linked(kind, other, asked)
            case "GET", ["pipelines", "deals"]:
                stages = [
                    {"id": "decide", "metadata": {"isClosed": "false", "probability": "0.5"}},
                    {"id": "closedwon", "metadata": {"isClosed": "true", "probability": "1.0"}},
                    {"id": "4711", "metadata": {"isClosed": "true", "probability": "0.0"}},
                ]
                return 200, {"results": [{"id": "default", "stages": stages}]}, {}
            case "GET", ["owners"]:
                name = {"id": "7", "email": "ann@example.com", "firstName": "Ann", "lastName": "Lee"}
                return 200, {"results": [name] if asked["archived"] == "false" else []}, {}
            case "GET", ["properties", "contacts"]:
                known = [{"name": name, "type": kind} for name, kind in self.properties.items()]
                return 200, {"results": known}, {}
        return _error(404, f"no such path: {path}", "OBJECT_NOT_FOUND")

    def _list(self, kind: str, asked: Row) -> tuple[int, Row, dict[str, str]]:
        limit, after = int(asked.get("limit", 10)), int(asked.get("after", 0))
        if limit > 100:
            return _error(400, "limit must be at most 100")
        archived = asked.get("archived") == "true"
        rows = sorted(
            int(number)
            for number, record in getattr(self, kind).items()
            if int(number) > after and record.archived == archived
        )
        found: Row = {"results": [self._told(kind, str(number), asked) for number in rows[:limit]]}
        if rows[limit:]:
            found["paging"] = {"next": {"after": str(rows[limit - 1])}}
        return 200, found, {}

    def _search(self, kind: str, asked: Row) -> tuple[int, Row, dict[str, str]]:
        limit, after = asked.get("limit", 10), int(asked.get("after", 0))
        if limit > 200 or after + limit > SEARCH_ENDS or len(asked.get("sorts", [])) > 1:
            return _error(400, "The search asks for more than it may.")
        rows = [
            (number, record)
            for number, record in getattr(self, kind).items()
            if not record.archived
            and all(_keeps(record, each) for group in asked["filterGroups"][:1] for each in group["filters"])
        ]
        for order in asked.get("sorts", []):
            rows.sort(
                key=lambda row: _number(row[1].value(order["propertyName"])),
                reverse=order["direction"] == "DESCENDING",
            )
        some = rows[after : after + limit]
        found: Row = {
            "total": len(rows),
            "results": [self._told(kind, number, asked) for number, _ in some],
        }
        if rows[after + limit :]:
            found["paging"] = {"next": {"after": str(after + limit)}}
        return 200, found, {}

    def _read(self, kind: str, asked: Row) -> tuple[int, Row, dict[str, str]]:
        most = 50 if asked.get("propertiesWithHistory") else 100
        if len(asked["inputs"]) > most:
            return _error(400, f"The maximum number of inputs supported in a batch request is {most}.")
        ids = [each["id"] for each in asked["inputs"]]
        canonical = {self.merged.get(number, number): None for number in ids}
        records = getattr(self, kind)
        there = [number for number in canonical if number in records and not records[number].archived]
        found: Row = {
            "status": "COMPLETE",
            "results": [self._told(kind, number, asked) for number in there],
        }
        if missing := sorted(set(canonical) - set(there)):
            found |= {
                "numErrors": 1,
                "errors": [
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "message": "Could not get some objects, they may be deleted or not exist.",
                        "context": {"ids": missing},
                    }
                ],
            }
        return 207 if missing else 200, found, {}

    def _linked(self, kind: str, other: str, asked: Row) -> tuple[int, Row, dict[str, str]]:
        results, none = [], []
        for each in asked["inputs"]:
            pairs = self.links if kind == "contacts" else [(deal, contact) for contact, deal in self.links]
            to = [{"id": far, "type": f"{kind}_to_{other}"} for near, far in pairs if near == each["id"]]
            if to:
                results.append({"from": {"id": each["id"]}, "to": to})
            else:
                none.append(each["id"])
        found: Row = {"status": "COMPLETE", "results": results}
        if none:
            found["errors"] = [{"message": "No associations found", "context": {"fromObjectId": none}}]
        return 207 if none else 200, found, {}

    def _update(self, asked: Row) -> tuple[int, Row, dict[str, str]]:
        if len(asked["inputs"]) > 100:
            return _error(400, "The maximum number of inputs supported in a batch request is 100.")
        for each in asked["inputs"]:
            for name, value in each["properties"].items():
                if why := self._wrong(name, value):
                    return _error(400, f"Property values were not valid: {why}")
        bad = [each for each in asked["inputs"] if each["id"] in self.refused]
        if bad and self.whole_batch:
            return _error(self.whole_batch, self.refused[bad[0]["id"]])
        results = []
        for each in asked["inputs"]:
            if each not in bad:
                number = self.merged.get(each["id"], each["id"])
                self.write("contacts", number, each["properties"])
                results.append(
                    self._told("contacts", number, {}) | {"objectWriteTraceId": each["objectWriteTraceId"]}
                )
        errors = [
            {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": self.refused[each["id"]],
                "context": {"objectWriteTraceId": [each["objectWriteTraceId"]]},
            }
            for each in bad
        ]
        found: Row = {"status": "COMPLETE", "results": results}
        return (207, found | {"numErrors": len(errors), "errors": errors}, {}) if bad else (200, found, {})

    def _wrong(self, name: str, value: str) -> str | None:
        kind = self.properties.get(name)
        if kind is None:
            return f'Property "{name}" does not exist'
        if value and kind == "number":
            float(value)
        if value and kind == "date":
            datetime.strptime(value, "%Y-%m-%d")
        return None

    def _told(self, kind: str, number: str, asked: Row) -> Row:
        record: Record = getattr(self, kind)[number]
        names = asked.get("properties", ())
        names = {"hs_object_id", "createdate", CHANGED[kind]} | set(
            names.split(",") if isinstance(names, str) else names
        )
        told: Row = {
            "id": number,
            "archived": record.archived,
            "createdAt": record.value("createdate"),
            "updatedAt": record.value(CHANGED[kind]),
            "properties": {name: record.value(name) for name in names},
        }
        if asked.get("propertiesWithHistory"):
            told["propertiesWithHistory"] = {
                name: [
                    {"value": value, "timestamp": _text(moment), "sourceType": "CRM_UI"}
                    for moment, value in reversed(record.history[name])
                ]
                for name in asked["propertiesWithHistory"]
                if name in record.history
            }
        return told


def _error(code: int, message: str, category: str = "VALIDATION_ERROR") -> tuple[int, Row, dict[str, str]]:
    return code, {"status": "error", "message": message, "category": category}, {}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"


def _number(text: str | None) -> int:
    """A value of a search: a number, or a moment in milliseconds."""
    if text is None or text.isdigit():
        return int(text or 0)
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _keeps(record: Record, asked: Row) -> bool:
    value = _number(record.value(asked["propertyName"]))
    return value >= int(asked["value"]) if asked["operator"] == "GTE" else value > int(asked["value"])

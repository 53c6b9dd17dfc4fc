"""Tryton from series 8.2 on, through its REST interface: opportunities with their history, notes and files.

Its history tells what a record said at any moment: ``history_revisions`` says when it changed, and a search with
``_datetime`` in its context answers as of then.
"""

import json
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx

from features.errors import UnreachableError, UsageError
from pipelines.crm.connector import Address, Answer, Lead, Line, Page, Row, secret
from pipelines.crm.http import answering, checked, client, said
from pipelines.crm.wording import MARK, words_of

KEY = "TRYTON_KEY"
MODEL, NOTE = "sale.opportunity", "ir.note"
ACTIVITIES = {NOTE: "note", "ir.attachment": "attachment"}
FIELDS = ("reference", "description", "amount", "currency.code", "payment_term.name", "start_date", "comment")
AT_ONCE, PAGE = 100, 1000
# A transaction that was open while we looked may be kept with an earlier time than what we saw.
OVERLAP = timedelta(minutes=2)
TAKEN_UP = ("opportunity", "converted", "won")


def opened(address: Address) -> "Tryton":
    """The door of ``tryton:https://HOST/DATABASE``; options are ``company``, and more ``fields`` to read."""
    if not address.path or "/" in address.path:
        raise UsageError(f"'{address.name}' names no database; say it like tryton:https://HOST/DATABASE.")
    return Tryton(address, secret(KEY))


class Tryton:
    """One database of a Tryton server."""

    at_once = AT_ONCE
    in_order = False

    def __init__(self, address: Address, key: str) -> None:
        self.name = address.name
        more = address.options.get("fields")
        self.fields = (*FIELDS, *(more.split(",") if more else ()))
        self.company = int(address.options.get("company", "1"))
        self._http = client(
            f"{address.base}/{address.path}/rest/model/", {"Authorization": f"bearer {key}"}, again=False
        )

    def close(self) -> None:
        self._http.close()

    def look(self) -> str:
        newest = [
            self._search(
                model, [], ["write_date", "create_date"], order=[[field, "DESC NULLS LAST"]], limit=1
            )
            for model in (MODEL, NOTE)
            for field in ("write_date", "create_date")
        ]
        return json.dumps(newest, sort_keys=True)

    # ── what changed ──

    def pages(self, since: str | None, known: Collection[str]) -> Iterator[Page]:
        changed = self._changed(None if since is None else datetime.fromisoformat(since) - OVERLAP)
        there = {str(row["id"]) for row in self._all(MODEL, [], ["id"])}
        gone = sorted(set(known) - there)
        # Oldest change first: a pull that is killed goes on from the last page that was kept.
        order = sorted((moment, lead_id) for lead_id, moment in changed.items() if str(lead_id) in there)
        mark = since
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            mark = some[-1][0].isoformat()
            yield Page(self._read([lead_id for _, lead_id in some]), (), mark)
        if gone and mark is not None:
            yield Page((), gone, mark)

    def _changed(self, since: datetime | None) -> dict[int, datetime]:
        """When each opportunity was last touched, it or what hangs on it."""
        found: dict[int, datetime] = {}
        domain = (
            []
            if since is None
            else ["OR", ["write_date", ">=", _moment(since)], ["create_date", ">=", _moment(since)]]
        )
        for row in self._all(MODEL, domain, ["write_date", "create_date"]):
            found[row["id"]] = _last(row)
        for model in ACTIVITIES:
            for row in self._all(
                model,
                _and(domain, ["resource", "like", f"{MODEL},%"]),
                ["resource", "write_date", "create_date"],
            ):
                lead_id = _owner(row)
                if lead_id is not None:
                    found[lead_id] = max(found.get(lead_id, datetime.min), _last(row))
        return found

    def _read(self, ids: list[int]) -> list[Lead]:
        """All there is to tell of some opportunities."""
        revisions = self._revisions(ids)
        activities = self._activities(ids)
        return [
            _lead(lead_id, revisions[lead_id], activities.get(lead_id, []), self._attributes)
            for lead_id in ids
            if revisions.get(lead_id)
        ]

    def _attributes(self, record: Mapping[str, Any]) -> Row:
        return {name.replace(".", "_"): _plain(_at(record, name)) for name in self.fields}

    def _revisions(self, ids: list[int]) -> dict[int, list[tuple[datetime, dict]]]:
        """What each record said, from when on, oldest first."""
        told = self._json(
            self._http.post(f"{MODEL}/history_revisions", json={"ids": ids}, headers=self._context())
        )
        moments = defaultdict(list)
        for moment, lead_id, *_ in told:
            moments[lead_id].append(_time(moment))
        spans = []
        for lead_id, found in moments.items():
            found.sort()
            spans += [
                (until, moment, lead_id)
                for moment, until in zip(found, [*found[1:], datetime.max], strict=True)
            ]
        fields = [*self.fields, "state", "party", "employee.party.name", "lost_reason", "create_date"]
        said_at: dict[int, list[tuple[datetime, dict]]] = defaultdict(list)
        for asked, some in _stabbed(spans):
            records = self._search(MODEL, [["id", "in", [lead_id for _, lead_id in some]]], fields, at=asked)
            by_id = {record["id"]: record for record in records}
            for moment, lead_id in some:
                if lead_id in by_id:
                    said_at[lead_id].append((moment, by_id[lead_id]))
        return {lead_id: sorted(found, key=lambda each: each[0]) for lead_id, found in said_at.items()}

    def _activities(self, ids: list[int]) -> dict[int, list[Row]]:
        found = defaultdict(list)
        for model, kind in ACTIVITIES.items():
            fields = ["resource", "create_date", *(["message"] if model == NOTE else [])]
            for row in self._all(
                model, [["resource", "in", [f"{MODEL},{lead_id}" for lead_id in ids]]], fields
            ):
                if not str(row.get("message") or "").startswith(MARK):  # ours
                    moment = _time(row["create_date"])
                    found[_owner(row)].append({"kind": kind, "occurred_at": moment, "recorded_at": moment})
        return found

    # ── what is written ──

    def write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        with answering(self.name):
            yield from self._write(lines)

    def _write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        ids = [int(line.lead_id) for line in lines if line.lead_id.isdigit()]
        there = {
            str(row["id"]): row
            for row in self._all(MODEL, [["id", "in", ids]], ["conversion_probability", "state"])
        }
        notes = {
            str(_owner(row)): row
            for row in self._all(
                NOTE,
                [
                    ["resource", "in", [f"{MODEL},{lead_id}" for lead_id in ids]],
                    ["message", "like", f"{MARK}%"],
                ],
                ["resource", "message"],
            )
        }
        for line in lines:
            if line.lead_id not in there:
                yield Answer(line.entry, refused="there is no such record")
                continue
            yield self._put(line, there[line.lead_id], notes.get(line.lead_id))

    def _put(self, line: Line, record: Mapping[str, Any], old: Mapping[str, Any] | None) -> Answer:
        """Write what the record does not say yet: the chance, then the note, whatever becomes of the first."""
        answers, chance = [], line.said.get("score")
        if chance is not None and round(chance, 4) != record["conversion_probability"]:
            told = {"conversion_probability": round(chance, 4)}
            answers.append(self._sent(line.entry, "PUT", f"{MODEL}/{line.lead_id}", told))
        note = words_of(line.said)
        if old is None:
            told = {"resource": f"{MODEL},{line.lead_id}", "message": note}
            answers.append(self._sent(line.entry, "POST", NOTE, told))
        elif old["message"] != note:
            answers.append(self._sent(line.entry, "PUT", f"{NOTE}/{old['id']}", {"message": note}))
        return next((answer for answer in answers if answer.refused), Answer(line.entry))

    def _sent(self, entry: int, method: str, path: str, body: Row) -> Answer:
        """What the server says to one request; where it fails on one record, the others go on."""
        response = self._http.request(method, path, json=body, headers=self._context())
        if response.is_success:
            return Answer(entry)
        if response.status_code == 401:
            checked(response, self.name, key=KEY)
        return Answer(
            entry, refused=said(response), later=response.status_code >= 500 or response.status_code == 429
        )

    # ── requests ──

    def _context(self, at: datetime | None = None) -> dict[str, str]:
        context: Row = {"company": self.company}
        if at is not None:
            context["_datetime"] = _moment(at)
        return {"X-Tryton-Context": _encoded(context)}

    def _all(self, model: str, domain: list, fields: Sequence[str]) -> Iterator[Row]:
        """All records of a domain, a page after the other by id, so that none is missed while others come."""
        last = 0
        while rows := self._search(model, _and(domain, ["id", ">", last]), fields, limit=PAGE):
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1]["id"]

    def _search(
        self,
        model: str,
        domain: list,
        fields: Sequence[str],
        *,
        order: list | None = None,
        limit: int | None = None,
        at: datetime | None = None,
    ) -> list[Row]:
        asked = [
            ("d", _encoded(domain)),
            ("o", _encoded(order or [["id", "ASC"]])),
            *(("f", name) for name in fields),
        ]
        if limit is not None:
            asked.append(("s", str(limit)))
        with answering(self.name):
            return self._json(self._http.get(model, params=asked, headers=self._context(at)))

    def _json(self, response: httpx.Response) -> Any:
        try:
            return checked(response, self.name, key=KEY)
        except ValueError as error:
            raise UnreachableError(
                f"{self.name} answers with what is no JSON; is it a Tryton server?"
            ) from error


def _lead(lead_id: int, said_at: list[tuple[datetime, dict]], activities: list[Row], attributes: Any) -> Lead:
    """One lead from what its record said over time."""
    first = said_at[0][1]
    # Later the party is known of those alone that sales took up: as an account it would tell who they are.
    row = {
        "created_at": _time(first["create_date"]),
        "account_id": first.get("party"),
        "owner": _at(first, "employee.party.name"),
    }
    row |= attributes(first)
    events, outcomes, before, taken = list(activities), [], first, first["state"] in TAKEN_UP
    for moment, record in said_at:
        at = {"occurred_at": moment, "recorded_at": moment}
        for name, value in attributes(record).items():
            if value != attributes(before)[name]:
                number = value if isinstance(value, float) else None
                events.append({"kind": f"{name} changed", "value": number, **at})
        if (record is not first and record["state"] != before["state"]) or (record is first and taken):
            stage = _stage(record["state"], taken and record is not first)
            taken = taken or record["state"] in TAKEN_UP
            if stage is not None:
                amount = _plain(record.get("amount")) if stage == "won" else None
                told = {
                    "rep": _at(record, "employee.party.name"),
                    "reason": record.get("lost_reason"),
                    "amount": amount,
                }
                outcomes.append({"stage": stage, "state": record["state"], **told, **at})
        before = record
    return Lead(str(lead_id), row, events, outcomes)


def _stage(state: str, taken: bool) -> str | None:
    """Our word for a state that a record comes into; None where it tells nothing new."""
    if state in ("opportunity", "converted"):
        return None if taken else "accepted"
    if state in ("lost", "cancelled"):
        return "lost" if taken else "rejected"
    return "won" if state == "won" else None


def _stabbed(
    spans: list[tuple[datetime, datetime, int]],
) -> Iterator[tuple[datetime, list[tuple[datetime, int]]]]:
    """The fewest moments at which all revisions can be seen, and which are read at each.

    ``spans`` are (until, from, id): taken by their ends, each one that is not yet seen is read just before its end,
    with all others that hold then.
    """
    tick = timedelta(microseconds=1)
    open_, last = [], datetime.min
    for until, moment, lead_id in sorted(spans):
        if open_ and moment <= last and all(lead_id != other for _, other in open_) and len(open_) < AT_ONCE:
            open_.append((moment, lead_id))
            continue
        if open_:
            yield last, open_
        last, open_ = until - tick, [(moment, lead_id)]
    if open_:
        yield last, open_


def _and(domain: list, clause: list) -> list:
    return [clause] if not domain else [domain, clause]


def _encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def _moment(moment: datetime) -> Row:
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(moment, part) for part in parts}}


def _time(told: Row) -> datetime:
    return datetime(
        *(told[part] for part in ("year", "month", "day", "hour", "minute", "second", "microsecond"))
    )


def _last(row: Row) -> datetime:
    return _time(row.get("write_date") or row["create_date"])


def _owner(row: Row) -> int | None:
    """The opportunity that a note hangs on."""
    model, _, number = str(row["resource"]).partition(",")
    return int(number) if model == MODEL and number.isdigit() else None


def _at(record: Mapping[str, Any], path: str) -> Any:
    """A field behind others: Tryton nests ``employee.party.name``."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _plain(value: Any) -> Any:
    """A value of Tryton's JSON as a text or a number."""
    if isinstance(value, Mapping):
        if value.get("__class__") == "Decimal":
            return float(value["decimal"])
        if value.get("__class__") == "date":
            return f"{value['year']:04}-{value['month']:02}-{value['day']:02}"
        return json.dumps(value, sort_keys=True)
    return value

"""A stand-in for Salesforce on loopback that keeps to what its REST, Bulk API 2.0 and object references say: SOQL with its
pages, field history, deleted and merged records, tokens that end, limits, and jobs with partial failures.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

BEGIN = datetime(2026, 1, 5, 8)
CLIENT, SECRET = "3MVG9.client.of.the.tests", "secret-of-the-tests"
BASE = "/services/data/v62.0/"
OURS = {
    "Leadsieve_Grade__c": "string",
    "Leadsieve_Score__c": "double",
    "Leadsieve_State__c": "string",
    "Leadsieve_Reasons__c": "textarea",
    "Leadsieve_Until__c": "date",
}
TRACKED = ("LeadSource", "NumberOfEmployees", "Status", "Company", "Score_of_old__c")
UNTRACKED = ("Industry", "Campaign_Code__c")
STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
STAGES = {"Prospecting": (False, False), "Closed Won": (True, True), "Closed Lost": (True, False)}
SYSTEM = ("Id", "CreatedDate", "SystemModstamp", "IsDeleted", "OwnerId")
COLUMNS = {
    "Lead": (*SYSTEM, *TRACKED, *UNTRACKED, *OURS, "MasterRecordId", "IsConverted", "ConvertedDate", "ConvertedOpportunityId"),
    "Opportunity": (*SYSTEM, "StageName", "Amount"),
    "LeadHistory": ("Id", "LeadId", "Field", "OldValue", "NewValue", "CreatedDate"),
    "OpportunityHistory": ("Id", "OpportunityId", "StageName", "Amount", "CreatedDate"),
    "CampaignMember": ("Id", "LeadId", "CreatedDate", "SystemModstamp", "FirstRespondedDate", "IsDeleted"),
}  # fmt: skip
PREFIXES = {
    "Lead": "00Q",
    "Opportunity": "006",
    "LeadHistory": "017",
    "OpportunityHistory": "008",
    "CampaignMember": "00v",
}
QUERY = re.compile(
    r"SELECT (?P<names>.+?) FROM (?P<kind>\w+)(?: WHERE (?P<where>.+?))?"
    r"(?: ORDER BY (?P<order>\w+)(?P<down> DESC)?)?(?: LIMIT (?P<limit>\d+))?$"
)
CONDITION = re.compile(r"(?P<name>[\w.]+) (?P<how>IN|=|!=|>=|>) (?P<value>.+)$")
Row = dict[str, Any]
Answer = tuple[int, Any, dict[str, str]]


class InvalidError(Exception):
    """What Salesforce answers with 400."""


@dataclass
class Salesforce:
    """An organisation; ``now`` is its clock."""

    port: int = 0
    now: datetime = BEGIN
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {kind: {} for kind in COLUMNS})
    users: dict[str, str] = field(
        default_factory=lambda: {"005000000000007AAA": "Ann Lee", "005000000000008AAA": "Bob Roy"}
    )
    fields: dict[str, str] = field(default_factory=lambda: {**OURS, "NumberOfEmployees": "int"})
    refused: dict[str, str] = field(default_factory=dict)  # leads that cannot be written, and why
    page: int = 2000
    looks: int = 1  # at a job until it has ended
    ends_as: str = "JobComplete"
    secret: str = SECRET
    token: str = "00D.first"
    expires_after: int | None = None  # requests
    next_answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    cursors: dict[str, list[Row]] = field(default_factory=dict)
    jobs: dict[str, Row] = field(default_factory=dict)
    count: int = 100

    @property
    def url(self) -> str:
        return f"salesforce:http://127.0.0.1:{self.port}"

    @property
    def leads(self) -> dict[str, Row]:
        return self.rows["Lead"]

    # ── what people do there ──

    def _new(self, kind: str, values: Mapping[str, Any]) -> str:
        self.count += 1
        number = f"{PREFIXES[kind]}{self.count:012d}AAA"
        said = {"Id": number, "CreatedDate": self.now, "SystemModstamp": self.now, "IsDeleted": False}
        self.rows[kind][number] = dict.fromkeys(COLUMNS[kind]) | said | values
        return number

    def create(self, values: Mapping[str, Any] | None = None) -> str:
        begins = {"Status": STATUSES[0], "OwnerId": "005000000000008AAA", "IsConverted": False}
        return self._new("Lead", begins | (values or {}))

    def write(self, number: str, values: Mapping[str, Any]) -> None:
        lead = self.leads[number]
        for name, value in values.items():
            told = [(lead[name], value)] if name in TRACKED and lead[name] != value else []
            if name == "OwnerId":  # two rows: with ids, and with names
                told = [(lead[name], value), (self.users[lead[name]], self.users[value])]
            for old, new in told:
                which = "Owner" if name == "OwnerId" else name
                row = {"LeadId": number, "Field": which, "OldValue": old, "NewValue": new}
                self._new("LeadHistory", row)
        lead.update(values, SystemModstamp=self.now)

    def convert(self, number: str, *, amount: float | None = None, history: bool = True) -> str:
        """The opportunity that comes of it."""
        deal = self._new(
            "Opportunity", {"StageName": "", "Amount": amount, "OwnerId": self.leads[number]["OwnerId"]}
        )
        self.stage(deal, "Prospecting")
        self.write(number, {"Status": "Closed - Converted"})
        if history:
            self._new("LeadHistory", {"LeadId": number, "Field": "leadConverted"})
        more = {"IsConverted": True, "ConvertedDate": self.now.date().isoformat()}
        self.leads[number].update(more, ConvertedOpportunityId=deal)
        return deal

    def stage(self, deal: str, stage: str, **more: Any) -> None:
        row = self.rows["Opportunity"][deal]
        row.update(more, StageName=stage, SystemModstamp=self.now)
        self._new("OpportunityHistory", {"OpportunityId": deal, "StageName": stage, "Amount": row["Amount"]})

    def invite(self, number: str, responded: str | None = None) -> None:
        self._new("CampaignMember", {"LeadId": number, "FirstRespondedDate": responded})

    def delete(self, number: str, *, for_good: bool = False) -> None:
        if for_good:
            del self.leads[number]
        else:
            self.leads[number].update(IsDeleted=True, SystemModstamp=self.now)

    def merge(self, winner: str, loser: str) -> None:
        self.delete(loser)
        self.leads[loser]["MasterRecordId"] = winner
        self.leads[winner]["SystemModstamp"] = self.now

    # ── the interface ──

    def answer(self, method: str, path: str, asked: Any, token: str) -> Answer:
        if path == "/services/oauth2/token":
            told = {name: values[-1] for name, values in parse_qs(asked).items()}
            if (told.get("client_id"), told.get("client_secret")) != (CLIENT, self.secret):
                return 400, {"error": "invalid_client", "error_description": "invalid client credentials"}, {}
            assert told["grant_type"] == "client_credentials"
            return 200, {"access_token": self.token, "token_type": "Bearer", "instance_url": "elsewhere"}, {}
        if self.expires_after is not None:
            self.expires_after -= 1
            if self.expires_after < 0:
                self.token, self.expires_after = f"{self.token}+", None
        if token != f"Bearer {self.token}":
            return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.asked.append((method, path, asked))
        if self.next_answers:
            return self.next_answers.pop(0)
        parts = path.removeprefix(BASE).split("/")
        try:
            match method, parts:
                case "GET", [("query" | "queryAll") as kind]:
                    return self._query(asked["q"], everything=kind == "queryAll")
                case "GET", [("query" | "queryAll"), cursor]:
                    return self._page(self.cursors.pop(cursor), None)
                case "GET", ["sobjects", "Lead", "describe"]:
                    fields = [{"name": n, "type": t, "updateable": True} for n, t in self.fields.items()]
                    return 200, {"fields": fields}, {}
                case _, ["jobs", "ingest", *rest]:
                    return self._job(method, rest, asked)
        except InvalidError as error:
            code, _, words = str(error).partition(": ")
            return _error(400, code, words)
        return _error(404, "NOT_FOUND", "The requested resource does not exist")

    def _query(self, soql: str, *, everything: bool) -> Answer:
        told = QUERY.match(soql)
        if told is None:
            raise InvalidError("MALFORMED_QUERY: unexpected token")
        kind, names = told["kind"], told["names"].split(", ")
        rows = self._rows(kind)
        if not everything:
            rows = [row for row in rows if not row.get("IsDeleted")]
        for condition in filter(None, (told["where"] or "").split(" AND ")):
            match = CONDITION.match(condition)
            rows = [
                row
                for row in rows
                if _holds(self._value(kind, row, match["name"]), match["how"], match["value"])
            ]
        if told["order"]:
            rows.sort(key=lambda row: self._value(kind, row, told["order"]), reverse=bool(told["down"]))
        rows = rows[: int(told["limit"])] if told["limit"] else rows
        return self._page([self._told(kind, row, names) for row in rows], len(rows))

    def _page(self, rows: list[Row], total: int | None) -> Answer:
        found: Row = {
            "totalSize": total or len(rows),
            "done": len(rows) <= self.page,
            "records": rows[: self.page],
        }
        if not found["done"]:
            self.count += 1
            cursor = f"01g{self.count:012d}-{self.page}"
            self.cursors[cursor] = rows[self.page :]
            found["nextRecordsUrl"] = f"{BASE}query/{cursor}"
        return 200, found, {}

    def _rows(self, kind: str) -> list[Row]:
        if kind == "FieldDefinition":
            both = [*((name, True) for name in TRACKED), *((name, False) for name in (*UNTRACKED, *OURS))]
            of = {"QualifiedApiName": "Lead"}
            return [
                {"QualifiedApiName": n, "IsFieldHistoryTracked": t, "EntityDefinition": of} for n, t in both
            ]
        if kind == "LeadStatus":
            return [{"ApiName": name} for name in STATUSES]
        if kind == "OpportunityStage":
            return [{"ApiName": n, "IsClosed": c, "IsWon": w} for n, (c, w) in STAGES.items()]
        return list(self.rows[kind].values())

    def _value(self, kind: str, row: Row, name: str) -> Any:
        if name == "Owner.Name":
            return self.users[row["OwnerId"]]
        if name.startswith("ConvertedOpportunity."):
            deal = self.rows["Opportunity"].get(row["ConvertedOpportunityId"] or "")
            return deal and deal[name.partition(".")[2]]
        first, _, rest = name.partition(".")
        if rest:
            return row[first][rest]
        if name not in row:
            raise InvalidError(f"INVALID_FIELD: No such column '{name}' on entity '{kind}'.")
        return row[name]

    def _told(self, kind: str, row: Row, names: list[str]) -> Row:
        found: Row = {"attributes": {"type": kind}}
        for name in names:
            value = self._value(kind, row, name)
            value = _text(value) if isinstance(value, datetime) else value
            if name.startswith("Leadsieve_Reasons") and value:
                value = value.replace("\n", "\r\n")
            first, _, rest = name.partition(".")
            found[first] = {rest: value} if rest else value
        return found

    # ── jobs ──

    def _job(self, method: str, rest: list[str], asked: Any) -> Answer:
        if method == "POST" and not rest:
            self.count += 1
            job = {**asked, "id": f"750{self.count:012d}AAA", "state": "Open", "left": self.looks}
            self.jobs[job["id"]] = job
            return 200, _public(job), {}
        job = self.jobs[rest[0]]
        match method, rest[1:]:
            case "PUT", ["batches"]:
                job["rows"] = list(csv.DictReader(io.StringIO(asked)))
                return 201, None, {}
            case "PATCH", []:
                job["state"] = asked["state"]
                return 200, _public(job), {}
            case "GET", []:
                if job["state"] in ("UploadComplete", "InProgress"):
                    job["left"] -= 1
                    job["state"] = "InProgress"
                    if job["left"] < 0:
                        self._work(job)
                return 200, _public(job), {}
            case "GET", ["successfulResults"]:
                return 200, _csv(["sf__Id", "sf__Created", *job["rows"][0]], job["done"]), {}
            case "GET", ["failedResults"]:
                return 200, _csv(["sf__Id", "sf__Error", *job["rows"][0]], job["failed"]), {}
        raise InvalidError("METHOD_NOT_ALLOWED: no such method")

    def _work(self, job: Row) -> None:
        job |= {"state": self.ends_as, "done": [], "failed": []}
        if self.ends_as != "JobComplete":
            job["errorMessage"] = "InternalServerError : the job came to an end"
        for place, row in enumerate(job["rows"]):
            if self.ends_as != "JobComplete" and place:
                return  # what was not come to is in neither list
            lead = self.leads.get(row["Id"])
            why = self.refused.get(row["Id"])
            if lead is None or lead["IsDeleted"]:
                why = "ENTITY_IS_DELETED:entity is deleted:--"
            elif lead["IsConverted"]:
                why = "CANNOT_UPDATE_CONVERTED_LEAD:cannot reference converted lead:--"
            if why:
                job["failed"].append({"sf__Id": "", "sf__Error": why, **row})
                continue
            for name, text in row.items():
                if name != "Id" and text:
                    value = float(text) if self.fields[name] == "double" and text != "#N/A" else text
                    lead[name] = None if text == "#N/A" else value
            lead["SystemModstamp"] = self.now
            job["done"].append({"sf__Id": row["Id"], "sf__Created": "false", **row})


def _public(job: Row) -> Row:
    return {name: value for name, value in job.items() if name not in ("rows", "left", "done", "failed")}


def _csv(names: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _error(code: int, name: str, message: str) -> Answer:
    return code, [{"message": message, "errorCode": name}], {}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "+0000"


def _holds(value: Any, how: str, text: str) -> bool:
    if how == "IN":
        return value in re.findall(r"'([^']*)'", text)
    if text in ("true", "false", "null"):
        wanted = {"true": True, "false": False, "null": None}[text]
        return (value == wanted) == (how == "=")
    wanted = text.strip("'") if text.startswith("'") else datetime.fromisoformat(text).replace(tzinfo=None)
    if value is None:
        return False
    return {"=": value == wanted, ">=": value >= wanted, ">": value > wanted}[how]

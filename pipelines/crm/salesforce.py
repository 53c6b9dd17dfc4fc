"""Salesforce through its REST API and Bulk API 2.0: leads with their field history, and the opportunities they became.

Written as Salesforce documents it; no account of theirs was at hand.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import httpx

from features.errors import UnreachableError, UsageError
from pipelines.crm.changes import pages
from pipelines.crm.connector import Address, Answer, Lead, Line, Page, Row, secret
from pipelines.crm.http import answering, checked, client
from pipelines.crm.salesforce_history import Organisation, by, lead_of, moment_of
from pipelines.crm.salesforce_login import KEY, KEY_SECRET, Login
from pipelines.crm.salesforce_writing import OURS, differing, update, values_of

VERSION = "v62.0"
FIELDS = (
    *("LeadSource", "Title", "Company", "Industry", "Country", "State", "City", "Website", "Rating"),
    *("NumberOfEmployees", "AnnualRevenue"),
)
ACCEPTED, REJECTED = ("Working - Contacted",), ("Closed - Not Converted",)  # as an organisation begins
CHANGED = ("Lead", "Opportunity", "CampaignMember")
HISTORY = timedelta(days=540)  # field history is kept for 18 months
SOME = 200  # ids of one query
AN_ID = re.compile(r"[a-zA-Z0-9]{15}([a-zA-Z0-9]{3})?")


def opened(address: Address) -> "Salesforce":
    """The door of an organisation's own domain. Options: ``fields`` and ``fixed`` (more to read, with and without
    history), ``accepted`` and ``rejected`` (lead statuses).
    """
    if address.path:
        raise UsageError(
            f"'{address.name}' is no address of Salesforce; say it like salesforce:https://DOMAIN.my.salesforce.com"
        )
    return Salesforce(address, Login(address, secret(KEY), secret(KEY_SECRET)))


class Salesforce:
    """One organisation."""

    at_once, with_history = 2_000, SOME
    in_order = False

    def __init__(self, address: Address, login: httpx.Auth) -> None:
        self.name = address.name
        self.named = {
            name: tuple(each.strip() for each in address.options.get(name, "").split(",") if each.strip())
            for name in ("fields", "fixed", "accepted", "rejected")
        }
        # Nothing here does harm if it arrives twice: values are set to what they are to be.
        self._http = client(f"{address.base}/services/data/{VERSION}/", auth=login, again=True)

    def close(self) -> None:
        self._http.close()

    def look(self) -> str:
        return json.dumps([self._newest(kind) for kind in CHANGED], default=str)

    def _newest(self, kind: str) -> datetime | None:
        """When a record was changed or deleted last."""
        rows = self._query(
            f"SELECT SystemModstamp FROM {kind} ORDER BY SystemModstamp DESC LIMIT 1", deleted=True
        )
        return next((moment_of(row["SystemModstamp"]) for row in rows), None)

    # ── what changed ──

    def pages(self, since: str | None, known: Collection[str]) -> Iterator[Page]:
        return pages(self, since, known)

    def newest(self) -> datetime | None:
        return max((moment for kind in CHANGED if (moment := self._newest(kind))), default=None)

    def listed(self, after: str | None = None) -> Iterator[tuple[list[str], str | None]]:
        """Each page begins behind the last id: a cursor is forgotten while a long pull goes on."""
        while True:
            behind = "" if after is None else f" WHERE Id > '{after}'"
            rows = list(self._query(f"SELECT Id FROM Lead{behind} ORDER BY Id LIMIT {SOME}"))
            after = rows[-1]["Id"] if len(rows) == SOME else None
            yield [row["Id"] for row in rows], after
            if after is None:
                return

    def deleted(self, since: datetime) -> set[str]:
        """Leads in the recycle bin since a moment, those merged into others among them."""
        rows = self._query(
            f"SELECT Id FROM Lead WHERE IsDeleted = true AND SystemModstamp >= {_literal(since)}",
            deleted=True,
        )
        return {row["Id"] for row in rows}

    def changed_since(self, since: datetime) -> dict[str, datetime]:
        """When each lead was last touched, it, its opportunity or its membership of a campaign."""
        from_then = f">= {_literal(since)}"
        told = [
            (row["Id"], row["SystemModstamp"])
            for row in self._query(f"SELECT Id, SystemModstamp FROM Lead WHERE SystemModstamp {from_then}")
        ]
        told += [
            (row["Id"], row["ConvertedOpportunity"]["SystemModstamp"])
            for row in self._query(
                "SELECT Id, ConvertedOpportunity.SystemModstamp FROM Lead "
                f"WHERE ConvertedOpportunity.SystemModstamp {from_then}"
            )
        ]
        told += [
            (row["LeadId"], row["SystemModstamp"])
            for row in self._query(
                "SELECT LeadId, SystemModstamp FROM CampaignMember "
                f"WHERE LeadId != null AND SystemModstamp {from_then}"
            )
        ]
        changed: dict[str, datetime] = {}
        for lead_id, text in told:
            changed[lead_id] = max(changed.get(lead_id, datetime.min), moment_of(text))
        return changed

    def read(self, ids: list[str]) -> tuple[list[Lead], list[str]]:
        known = self._known
        asked = dict.fromkeys(
            [
                *(
                    "Id",
                    "CreatedDate",
                    "ConvertedDate",
                    "ConvertedOpportunityId",
                    "IsConverted",
                    "Owner.Name",
                ),
                *known.tracked,
                *known.fixed,
            ]
        )
        leads = self._some(f"SELECT {', '.join(asked)} FROM Lead", "Id", ids)
        changes = self._some(
            "SELECT LeadId, Field, OldValue, NewValue, CreatedDate FROM LeadHistory", "LeadId", ids
        )
        campaigns = self._some(
            "SELECT LeadId, CreatedDate, FirstRespondedDate FROM CampaignMember", "LeadId", ids
        )
        became = [row["ConvertedOpportunityId"] for row in leads if row.get("ConvertedOpportunityId")]
        deals = {
            row["Id"]: row
            for row in self._some("SELECT Id, CreatedDate, Owner.Name FROM Opportunity", "Id", became)
        }
        stages = by(
            "OpportunityId",
            self._some(
                "SELECT OpportunityId, StageName, Amount, CreatedDate FROM OpportunityHistory",
                "OpportunityId",
                became,
            ),
        )
        changed, members = by("LeadId", changes), by("LeadId", campaigns)
        found = []
        for row in leads:
            deal = deals.get(row.get("ConvertedOpportunityId") or "")
            steps = stages.get(deal["Id"], []) if deal else []
            lead_id = row["Id"]
            found.append(lead_of(row, changed.get(lead_id, []), members.get(lead_id, []), deal, steps, known))
        return found, []

    @cached_property
    def _known(self) -> Organisation:
        """What has to be known of the organisation; options that name what is not there are refused."""
        rows = self._query(
            "SELECT QualifiedApiName, IsFieldHistoryTracked FROM FieldDefinition "
            "WHERE EntityDefinition.QualifiedApiName = 'Lead'"
        )
        tracked = {row["QualifiedApiName"]: row["IsFieldHistoryTracked"] for row in rows}
        self._refuse("fields", self.named["fixed"], list(tracked))
        self._refuse("fields", self.named["fields"], list(tracked))
        without = [name for name in self.named["fields"] if not tracked[name]]
        if without:
            raise UsageError(
                f"Salesforce keeps no history of the lead's {', '.join(without)}, so what was said when the lead was created "
                "cannot be told: turn on Set History Tracking, or name fields that nobody changes afterwards in fixed instead. "
                "Nothing was pulled."
            )
        states = [row["ApiName"] for row in self._query("SELECT ApiName FROM LeadStatus")]
        for name in ("accepted", "rejected"):
            self._refuse("lead statuses", self.named[name], states)
        closed = {
            row["ApiName"]: "won" if row["IsWon"] else "lost"
            for row in self._query(
                "SELECT ApiName, IsWon, IsClosed FROM OpportunityStage WHERE IsClosed = true"
            )
        }
        fixed = [name for name in self.named["fixed"] if name not in OURS]
        wanted = dict.fromkeys((*FIELDS, *self.named["fields"]))
        return Organisation(
            tracked=tuple(
                name for name in wanted if tracked.get(name) and name not in (*OURS, *self.named["fixed"])
            ),
            fixed=tuple(fixed),
            accepted=self.named["accepted"] or ACCEPTED,
            rejected=self.named["rejected"] or REJECTED,
            closed=closed,
            kept_since=(self.newest() or datetime.min + HISTORY) - HISTORY,
        )

    def _refuse(self, what: str, named: Sequence[str], there: list[str]) -> None:
        absent = [name for name in named if name not in there]
        if absent:
            raise UsageError(
                f"Salesforce's leads have no {what} {', '.join(absent)}; there are {', '.join(sorted(there)[:60])}. Nothing was pulled."
            )

    # ── what is written ──

    def write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        self._ready()
        ids = [line.lead_id for line in lines if AN_ID.fullmatch(line.lead_id)]
        asked = ", ".join(["Id", "IsDeleted", "MasterRecordId", *OURS])
        there = {row["Id"]: row for row in self._some(f"SELECT {asked} FROM Lead", "Id", ids, deleted=True)}
        waiting: dict[str, tuple[Line, dict[str, str]]] = {}
        for line in lines:
            record = there.get(line.lead_id)
            if record is None or record["IsDeleted"]:
                other = record and record["MasterRecordId"]
                why = f"the lead was merged into {other}" if other else "there is no such lead"
                yield Answer(line.entry, refused=why)
            elif differing(record, wanted := values_of(line.said)):
                waiting[line.lead_id] = line, wanted
            else:
                yield Answer(line.entry)
        if waiting:
            with answering(self.name):
                yield from update(self._http, waiting, self._json)

    def _ready(self) -> None:
        """Before anything is written: the fields that it is written into."""
        with answering(self.name):
            told = self._json(self._http.get("sobjects/Lead/describe"))
        types = {field["name"]: field["type"] for field in told["fields"] if field.get("updateable", True)}
        wrong = [
            f"{name} ({' or '.join(kinds)})" for name, kinds in OURS.items() if types.get(name) not in kinds
        ]
        if wrong:
            raise UsageError(
                f"Salesforce's leads have no field {', '.join(wrong)} that we may write; create it once in the Object Manager, as "
                "docs/crm.md says, and write back again. Nothing was written."
            )

    # ── requests ──

    def _some(self, select: str, key: str, ids: Sequence[str], *, deleted: bool = False) -> list[Row]:
        """Rows that belong to some records."""
        found: list[Row] = []
        for start in range(0, len(ids), SOME):
            named = ", ".join(f"'{each}'" for each in ids[start : start + SOME])
            found += self._query(f"{select} WHERE {key} IN ({named})", deleted=deleted)
        return found

    def _query(self, soql: str, *, deleted: bool = False) -> Iterator[Row]:
        """All rows of a query, page by page; with those in the recycle bin if ``deleted`` ones are asked for."""
        with answering(self.name):
            found = self._json(self._http.get("queryAll" if deleted else "query", params={"q": soql}))
            yield from found["records"]
            while not found["done"]:
                found = self._json(self._http.get(found["nextRecordsUrl"].partition(f"{VERSION}/")[2]))
                yield from found["records"]

    def _json(self, response: httpx.Response) -> Any:
        try:
            return checked(response, self.name, key=f"{KEY} and {KEY_SECRET}")
        except ValueError as error:
            raise UnreachableError(
                f"{self.name} answers with what is no JSON; is it Salesforce's API?"
            ) from error


def _literal(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"

"""What the newest snapshot says of a few leads, in milliseconds, and what they are called.

A lead's name, and the line below it that a rep reads first, are found among columns that every company names
its own way.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.addresses import redacted
from pipelines.sources.engine import as_name
from pipelines.sources.manifest import Note, whole
from pipelines.sources.reading.parts import scan

KEYS = ("lead_id", "account_id", "created_at")
PROPERTIES = {
    "autoinstall_known_extensions": "false",
    "TimeZone": "UTC",
    "memory_limit": "96MB",
    "threads": "2",
    # Memory is given back at once.
    "allocator_flush_threshold": "1MB",
    "allocator_bulk_deallocation_flush_threshold": "1MB",
}
WHOLE = ("name", "full_name", "fullname", "contact", "contact_name", "lead_name", "person", "contact_person")
FIRST, LAST = (
    ("first_name", "firstname", "given_name", "forename"),
    ("last_name", "lastname", "surname", "family_name"),
)
COMPANY = (
    "company",
    "company_name",
    "organisation",
    "organization",
    "account_name",
    "account",
    "employer",
    "firm",
)
MAIL = ("email", "e_mail", "mail", "email_address")
PHONE = ("phone", "phone_number", "telephone", "mobile", "mobile_phone", "tel")
ABOUT = ("job_title", "title", "position", "role", "industry", "sector", "city")
COUNTRY = ("country", "country_code", "nation", "land")
LONGEST = 120
_TWO_NAMES = re.compile(r"^([^\W\d_]{2,})[._]([^\W\d_]{2,})\d*$")


@dataclass(frozen=True)
class Happening:
    """An event, or a stage that was reached."""

    lead_id: str
    at: datetime
    what: str
    channel: str | None
    value: float | None
    stage: bool


@dataclass(frozen=True)
class Arrival:
    """A lead that no snapshot has yet: its row, and what it did."""

    row: Mapping[str, Any]
    happened: Sequence[Happening]


class Dossiers:
    """Looks leads up in the newest snapshot of a source.

    Parameters
    ----------
    home : Path
    url : str or None
        The source's address; None takes the newest snapshot of any.
    arrivals : function, optional
        What is known of leads that the snapshot has not, by their ids.
    """

    def __init__(
        self,
        home: Path,
        url: str | None,
        arrivals: Callable[[Iterable[str]], Mapping[str, Arrival]] = lambda _: {},
    ) -> None:
        self.home, self.store, self.arrivals = home, home / "snapshots", arrivals
        self.source = None if url is None else redacted(url)
        self._database = duckdb.connect(config=PROPERTIES)
        self._notes: dict[Path, Note] = {}

    def close(self) -> None:
        """Let go of the engine."""
        self._database.close()

    def newest(self) -> Path | None:
        """The folder of the newest snapshot, None where nothing was pulled."""
        found = [
            (note.number, folder.stat().st_mtime_ns, folder)
            for folder in self.store.glob("[!.]*")
            if (note := self._note(folder)) and self.source in (None, note.source)
        ]
        return max(found)[2] if found else None

    def columns(self) -> list[str]:
        """The leads' attributes, without their keys."""
        folder = self.newest()
        return [] if folder is None else [name for name in self._columns(folder, "leads") if name not in KEYS]

    def leads(
        self, lead_ids: Iterable[str], columns: Iterable[str] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Each lead's row, or some columns of it, by its id; leads that nobody knows any more are not there."""
        ids = list(lead_ids)
        found = self._leads(ids, columns)
        for lead_id, arrival in self._arrived(ids, found).items():
            names = arrival.row if columns is None else dict.fromkeys([*KEYS, *columns])
            found[lead_id] = {name: arrival.row.get(name) for name in names}
        return found

    def known(self, lead_ids: Iterable[str]) -> list[str]:
        """Those of some leads that the snapshot has."""
        return list(self._leads(lead_ids, ()))

    def _arrived(self, ids: Sequence[str], found: Mapping[str, Any]) -> Mapping[str, Arrival]:
        absent = [lead_id for lead_id in ids if lead_id not in found]
        return self.arrivals(absent) if absent else {}

    def _leads(self, lead_ids: Iterable[str], columns: Iterable[str] | None) -> dict[str, dict[str, Any]]:
        folder = self.newest()
        if folder is None:
            return {}
        there = self._columns(folder, "leads")
        wanted = (
            there
            if columns is None
            else [*KEYS, *(name for name in columns if name in there and name not in KEYS)]
        )
        names = ", ".join(as_name(name) for name in wanted)
        rows = self._rows(
            f"SELECT {names} FROM {scan(folder, 'leads')} WHERE lead_id IN (SELECT unnest(?))", lead_ids
        )
        return {row[wanted.index("lead_id")]: dict(zip(wanted, row, strict=True)) for row in rows}

    def rows(self, folder: Path, table: str, lead_id: str) -> pa.Table:
        """One lead's rows of a table of a snapshot, with all their columns."""
        with self._database.cursor() as cursor:
            return cursor.sql(
                f"SELECT * FROM {scan(folder, table)} WHERE lead_id = $1", params=[lead_id]
            ).to_arrow_table()

    def portraits(self, lead_ids: Iterable[str]) -> dict[str, str]:
        """What each lead is called."""
        ids = list(lead_ids)
        painter = Painter(self.columns())
        return {
            lead_id: painter.paint(lead_id, row).name
            for lead_id, row in self.leads(ids, painter.columns).items()
        }

    def of_account(self, account_id: str, *, most: int = 50) -> list[tuple[str, datetime]]:
        """Id and time of creation of an account's leads, the newest first."""
        folder = self.newest()
        if folder is None:
            return []
        its = (
            f"SELECT lead_id, created_at FROM {scan(folder, 'leads')} WHERE account_id IN (SELECT unnest(?))"
        )
        return self._rows(f"{its} ORDER BY created_at DESC, lead_id LIMIT {int(most)}", [account_id])

    def happenings(
        self, lead_ids: Iterable[str], *, until: datetime, most: int
    ) -> dict[str, list[Happening]]:
        """What happened to each lead and was on record by then, the newest first, at most so many each."""
        ids = list(lead_ids)
        found = self._happenings(ids, until=until, most=most)
        for lead_id, arrival in self._arrived(ids, found).items():
            found[lead_id] = sorted(arrival.happened, key=lambda each: each.at, reverse=True)[:most]
        return found

    def _happenings(self, ids: list[str], *, until: datetime, most: int) -> dict[str, list[Happening]]:
        folder, found = self.newest(), {}
        if folder is None:
            return found
        note, parts = self._note(folder), []
        for table, what, stage in (("events", "kind", "false"), ("outcomes", "stage", "true")):
            if table in note.rows and (table == "events" or note.outcome_times):
                there = self._columns(folder, table)
                channel = "channel" if "channel" in there else "NULL::VARCHAR"
                value = "value" if "value" in there else "amount" if "amount" in there else "NULL::DOUBLE"
                parts.append(
                    f"SELECT lead_id, occurred_at, {what}, {channel}, {value}, {stage} FROM {scan(folder, table)} "
                    "WHERE lead_id IN (SELECT unnest($1)) AND recorded_at < $2"
                )
        if not parts:
            return found
        query = " UNION ALL ".join(parts)
        ranked = f"SELECT *, row_number() OVER (PARTITION BY lead_id ORDER BY occurred_at DESC) AS nth FROM ({query})"
        rows = self._rows(
            f"SELECT * EXCLUDE nth FROM ({ranked}) WHERE nth <= {int(most)} ORDER BY lead_id, nth", ids, until
        )
        for row in rows:
            found.setdefault(row[0], []).append(Happening(*row))
        return found

    def answered(self, lead_ids: Iterable[str]) -> dict[str, tuple[str, datetime, str | None]]:
        """Which of some leads sales has answered by the source: accepted or rejected, when first, and by whom
        where that is told.
        """
        folder = self.newest()
        if folder is None or "outcomes" not in (note := self._note(folder)).rows or not note.outcome_times:
            return {}
        rep = "rep" if "rep" in self._columns(folder, "outcomes") else "NULL"
        query = (
            f"SELECT lead_id, CASE WHEN bool_and(stage = 'rejected') THEN 'rejected' ELSE 'accepted' END, min(occurred_at), "
            f"arg_min({rep}, occurred_at) FROM {scan(folder, 'outcomes')} WHERE lead_id IN (SELECT unnest(?)) GROUP BY lead_id"
        )
        return {lead_id: tuple(more) for lead_id, *more in self._rows(query, lead_ids)}

    def records(
        self, holders: Mapping[str, str], column: str | None, *, horizon: timedelta, at: datetime
    ) -> list[tuple[str, Any, int, int]]:
        """What became of the leads whose time was over at a moment, by who got them and the value of a column: how
        many they are, and how many were won in their time.

        Parameters
        ----------
        holders : mapping of str to str
            By a lead's id who got it, where that is not who the source says.
        horizon : timedelta
            How long a lead's time is.
        """
        folder = self.newest()
        if folder is None or "outcomes" not in (note := self._note(folder)).rows or not note.outcome_times:
            return []
        theirs, had = (self._columns(folder, name) for name in ("leads", "outcomes"))
        owner = "l.owner" if "owner" in theirs else "NULL"
        rep = "max(rep) FILTER (stage IN ('accepted', 'rejected'))" if "rep" in had else "NULL"
        value = f"l.{as_name(column)}" if column in theirs else "NULL"
        query = f"""
            WITH holders AS (SELECT unnest($1) AS lead_id, unnest($2) AS person),
            became AS (
                SELECT lead_id, min(recorded_at) FILTER (stage = 'won') AS won_at, {rep} AS rep
                FROM {scan(folder, "outcomes")} WHERE recorded_at < $3 GROUP BY lead_id)
            SELECT coalesce(h.person, {owner}, b.rep) AS person, {value} AS value, count(*),
                count(*) FILTER (b.won_at <= l.created_at + $4::INTERVAL)
            FROM {scan(folder, "leads")} l LEFT JOIN became b USING (lead_id) LEFT JOIN holders h USING (lead_id)
            WHERE l.created_at + $4::INTERVAL <= $3 GROUP BY ALL HAVING person IS NOT NULL"""
        return self._rows(query, holders, list(holders.values()), at, horizon)

    def _rows(self, query: str, lead_ids: Iterable[str], *more: Any) -> list[tuple]:
        with self._database.cursor() as cursor:  # requests run side by side, each on a connection of its own
            return cursor.execute(query, [list(lead_ids), *more]).fetchall()

    def _columns(self, folder: Path, table: str) -> list[str]:
        with self._database.cursor() as cursor:
            return [
                row[0] for row in cursor.execute(f"DESCRIBE SELECT * FROM {scan(folder, table)}").fetchall()
            ]

    def _note(self, folder: Path) -> Note | None:
        """What is noted of a snapshot, which never changes; None of one that is damaged."""
        if folder not in self._notes and (note := whole(folder)):
            self._notes[folder] = note
        return self._notes.get(folder)


@dataclass(frozen=True)
class Portrait:
    """What a list shows of a lead."""

    name: str
    about: str
    country: str | None
    sought: str


class Painter:
    """Finds the telling columns among those of a source.

    Parameters
    ----------
    columns : sequence of str
        The leads' attributes.
    named : sequence of str
        The columns that shall make up the name instead, such as ``["Vorname", "Nachname"]``.
    """

    def __init__(self, columns: Sequence[str], *, named: Sequence[str] = ()) -> None:
        plain = {re.sub(r"[\W_]+", "_", column.lower()).strip("_"): column for column in columns}

        def find(words: Sequence[str]) -> str | None:
            return next((plain[word] for word in words if word in plain), None)

        self.named = tuple(named)
        self.whole, self.first, self.last = find(WHOLE), find(FIRST), find(LAST)
        self.company, self.mail, self.country = find(COMPANY), find(MAIL), find(COUNTRY)
        self.phone = find(PHONE)
        self.about = [plain[word] for word in ABOUT if word in plain][:2]

    @property
    def columns(self) -> list[str]:
        """All that `paint` looks at."""
        found = (
            *self.named,
            self.whole,
            self.first,
            self.last,
            self.company,
            self.mail,
            self.country,
            *self.about,
        )
        return list(dict.fromkeys(column for column in found if column))

    def paint(self, lead_id: str, row: Mapping[str, Any]) -> Portrait:
        """The portrait of one lead; where nothing tells a name, its id does."""

        def said(column: str | None) -> str:
            value = row.get(column) if column else None
            return "" if value is None or value != value else " ".join(str(value).split())[:LONGEST]

        def joined(columns: Sequence[str | None]) -> str:
            return " ".join(filter(None, map(said, columns)))

        mail, company = said(self.mail), said(self.company)
        own = joined(self.named) or said(self.whole) or joined([self.first, self.last]) or _name_in(mail)
        name = own or company or mail or f"Lead {lead_id}"
        host = mail.partition("@")[2]
        parts = (
            [said(column) for column in self.about[:1]]
            + [company or host]
            + [said(column) for column in self.about[1:]]
        )
        about = " · ".join(part for part in parts if part and part != name)
        sought = " ".join([name, about, mail, lead_id]).lower()
        return Portrait(name, about, said(self.country) or None, sought)


def _name_in(mail: str) -> str:
    """``Ann Smith`` of ``ann.smith@…`` and of ``ann.smith42@…``; nothing of other addresses."""
    match = _TWO_NAMES.match(mail.partition("@")[0])
    return " ".join(part.capitalize() for part in match.groups()) if match else ""

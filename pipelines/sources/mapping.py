"""How a company's own tables become the canonical ones: the [source] section of the configuration."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)

from features.tables import WORTH
from pipelines.addresses import redacted

Stage = Literal["accepted", "rejected", "won", "lost"]


def _word(value: Any) -> Any:
    """A word of the data as text: TOML's 1 and true are the source's '1' and 'true'."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


Word = Annotated[str, BeforeValidator(_word)]
Words = tuple[Word, ...]
Mark = Annotated[str, Field(min_length=1)]


def _known_zone(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError(f"no time zone is called {zone!r}; say it like 'UTC' or 'Europe/Amsterdam'")
    return zone


class Section(BaseModel):
    """A section that refuses keys it does not know and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TableSource(Section):
    """What every table of the source may say about itself.

    Attributes
    ----------
    table : str
        A file under the folder (its ending may be left away) or a table of the database, with its schema if
        it needs one.
    separator : str, optional
        Between the columns of a CSV file; found out if not given.
    encoding : str, optional
        Of a CSV file, such as "windows-1250"; if not given UTF-8 or UTF-16 where the file is one of them, else
        Windows-1252.
    sheet : str, optional
        Of an Excel workbook; the first one if not given.
    empty : tuple of str or mapping of column to tuple of str
        Words that mean "not answered", such as "Select"; an empty cell always does.
    drop_incomplete : bool
        Leave rows out that lack what the contract asks for, and say how many.
    date_format : str or mapping of column to str, optional
        How dates are written, such as "%d/%m/%Y"; found out where one way alone fits.
    decimal : "." or "," or mapping of column to one of them, optional
        The decimal mark; found out where one way alone fits.
    timezone : str or mapping of column to str, optional
        Of times that are written without one; the source's if not given.
    updated_at : str, optional
        Column that says when a row was last changed: of a server's table only what has changed is pulled between
        whole pulls. It is nothing to learn from.
    """

    table: str
    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    empty: Words | dict[str, Words] = ()
    drop_incomplete: bool = False
    date_format: str | dict[str, str] | None = None
    decimal: Literal[".", ","] | dict[str, Literal[".", ","]] | None = None
    timezone: str | dict[str, str] | None = None
    updated_at: str | None = None

    def empty_in(self, column: str) -> Words:
        """The words that mean "not answered" in one column."""
        return self.empty.get(column, ()) if isinstance(self.empty, dict) else self.empty

    @field_validator("timezone")
    @classmethod
    def _known_zones(cls, zones: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for zone in zones.values() if isinstance(zones, dict) else [zones] if zones else []:
            _known_zone(zone)
        return zones

    @field_validator("separator")
    @classmethod
    def _one_character(cls, separator: str | None) -> str | None:
        if separator is not None and (len(separator) != 1 or separator in '"\r\n\0'):
            raise ValueError(f"{separator!r} is no separator; say one character, such as ';' or a tab")
        return separator

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            "".encode(encoding or "utf-8")
        except LookupError:
            raise ValueError(
                f"no encoding is called {encoding!r}; say it like 'utf-8' or 'windows-1252'"
            ) from None
        return encoding


class LeadsSource(TableSource):
    """The [source.leads] section.

    Attributes
    ----------
    lead_id : str, optional
        Column of the lead's id: "lead_id" if there is one, else, with ``order = "rows"``, the number of the
        row.
    created_at : str
        Column of the time at which the lead was created.
    order : "rows" or "none", optional
        For a source without dates: whether row order is time, or there is none at all.
    attributes : tuple of str, optional
        Columns to learn from; every other column if not given.
    since : date, optional
        Leave out leads created before, with all that belongs to them.
    replace : mapping of str to str
        Spellings to mend, wrong to right.
    list_separator : str or mapping of column to str, optional
        What stands between several values of one cell; found out where cells hold the same few values again and
        again.
    text : tuple of str
        Columns that are words, whatever they look like.
    stages : mapping of stage to str
        Where each stage has a column of its own with the date on which it was reached: those columns.
    amount, margin, list_amount : str, optional
        With ``stages``: columns of what a win brought, and of its price by the list.
    drop_inconsistent : bool
        With ``stages``: leave out outcomes dated before their lead, or closed before accepted.
    """

    table: str = "leads"
    lead_id: str | None = None
    created_at: str = "created_at"
    order: Literal["rows", "none"] | None = None
    account_id: str | None = None
    channel: str | None = None
    campaign: str | None = None
    owner: str | None = None
    attributes: tuple[str, ...] | None = None
    since: date | None = None
    replace: dict[str, str] = {}
    list_separator: Mark | dict[str, Mark] | None = None
    text: tuple[str, ...] = ()
    stages: dict[Stage, str] = {}
    amount: str | None = None
    margin: str | None = None
    list_amount: str | None = None
    drop_inconsistent: bool = False

    @model_validator(mode="after")
    def _one_time(self) -> "LeadsSource":
        if not self.stages and self.model_fields_set & {*WORTH, "drop_inconsistent"}:
            raise ValueError(
                "amount, margin, list_amount and drop_inconsistent go with stages: name the stages' columns"
            )
        if self.stages and self.order is not None:
            raise ValueError("stages needs dates, and order says that there are none")
        if self.order is not None and "created_at" in self.model_fields_set:
            raise ValueError("order and created_at exclude each other: rows have either dates or an order")
        if self.order is not None and self.since is not None:
            raise ValueError("since needs dates, and order says that there are none")
        return self


class EventsSource(TableSource):
    """The [source.events] section: one row for each thing a lead did. ``recorded_at`` defaults to
    ``occurred_at``.
    """

    table: str = "events"
    lead_id: str = "lead_id"
    kind: str = "kind"
    occurred_at: str = "occurred_at"
    recorded_at: str | None = None
    channel: str | None = None
    value: str | None = None
    keep: Words = ()
    drop_unknown_leads: bool = False


class OutcomesSource(TableSource):
    """The [source.outcomes] section: history rows, or with ``stage_is`` a table of one stage, such as won
    deals.
    """

    table: str = "outcomes"
    lead_id: str = "lead_id"
    stage: str = "stage"
    stage_is: Stage | None = None
    occurred_at: str = "occurred_at"
    recorded_at: str | None = None
    amount: str | None = None
    margin: str | None = None
    list_amount: str | None = None
    reason: str | None = None
    rep: str | None = None
    stages: dict[Stage | Literal["open"], Words] = {}
    drop_inconsistent: bool = False
    drop_unknown_leads: bool = False

    @model_validator(mode="after")
    def _one_stage(self) -> "OutcomesSource":
        if self.stage_is is not None and (self.stages or "stage" in self.model_fields_set):
            raise ValueError("stage_is says that every row is of one stage: leave stage and stages away")
        _named_once(self.stages.values())
        return self


def _named_once(lists: Iterable[Words]) -> None:
    """Refuse a word that is named under two stages."""
    words = [word for each in lists for word in each]
    if twice := sorted({word for word in words if words.count(word) > 1}):
        raise ValueError(f"{twice[0]!r} is named under two stages")


class OutcomeColumn(Section):
    """The [source.outcome] section: one column of the leads table tells the outcome."""

    column: str
    accepted: Words = ()
    rejected: Words = ()
    won: Words = ()
    lost: Words = ()
    open: Words = ()
    occurred_at: str | None = None
    amount: str | None = None
    margin: str | None = None
    list_amount: str | None = None
    drop_incomplete: bool = False
    drop_inconsistent: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> "OutcomeColumn":
        stages = (self.accepted, self.rejected, self.won, self.lost)
        _named_once((*stages, self.open))
        if not any(stages):
            raise ValueError("no value is named: say which mean won, lost, accepted or rejected")
        return self


class SourceSettings(Section):
    """The [source] section.

    Attributes
    ----------
    url : str
        Where the tables are: ``files:FOLDER``, ``duckdb:FILE``, ``postgresql://…``, ``snowflake://…``,
        ``bigquery://…``, ``spark://…`` or ``simulated:…``. Its passwords show up in no text of ours.
    timezone : str
        Of times that are written without one.
    extracted_at : datetime, optional
        When the data were extracted, in UTC; rows recorded then or later are left out.
    engine : "snapshot" or "source"
        Where features are computed: in DuckDB over the snapshot, or in the source's own database.
    """

    url: str = Field(repr=False)
    leads: LeadsSource = LeadsSource()
    events: EventsSource | None = None
    outcomes: OutcomesSource | None = None
    outcome: OutcomeColumn | None = None
    timezone: str = "UTC"
    extracted_at: datetime | None = None
    engine: Literal["snapshot", "source"] = "snapshot"

    @property
    def outcome_section(self) -> str:
        """The section that says where outcomes are."""
        if self.outcome is not None:
            return "outcome"
        return "leads" if self.leads.stages else "outcomes"

    @field_serializer("url", when_used="json")
    def _without_password(self, url: str) -> str:
        return redacted(url)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return _known_zone(zone)

    @field_validator("extracted_at")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        return (
            moment.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
            if moment is not None and moment.tzinfo
            else moment
        )

    @model_validator(mode="after")
    def _fits_together(self) -> "SourceSettings":
        if self.outcome is not None and self.outcomes is not None:
            raise ValueError(
                "outcome and outcomes exclude each other: a column of the leads table, or a table of its own"
            )
        if self.leads.stages and (self.outcome is not None or self.outcomes is not None):
            raise ValueError(
                "leads.stages excludes outcome and outcomes: dates in the leads table, or one of the others"
            )
        if self.leads.order is not None:
            dated = [
                name for name in ("extracted_at", "events", "outcomes") if getattr(self, name) is not None
            ]
            if dated:
                raise ValueError(f"{dated[0]} needs dates, and leads.order says that there are none")
            if self.outcome is not None and self.outcome.occurred_at is not None:
                raise ValueError("outcome.occurred_at needs dates, and leads.order says that there are none")
        return self

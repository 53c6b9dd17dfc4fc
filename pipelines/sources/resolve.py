"""Which tables and columns of a source a mapping means: every default settled, every absent column named."""

from dataclasses import dataclass, field
from difflib import get_close_matches

import ibis.expr.types as ir

from features.contracts import Breach, contract_error
from features.errors import UsageError
from features.tables import WORTH
from pipelines.sources.connections import NOTHING_STORED, Source
from pipelines.sources.mapping import EventsSource, LeadsSource, OutcomesSource, SourceSettings, TableSource
from pipelines.sources.reading.columns import plain

LEAD_OPTIONS = ("account_id", "channel", "campaign", "owner")
STANDING_LEAD_OPTIONS = (
    "account_id",
    "channel",
    "owner",
)  # a column called campaign may well count campaigns: it stays as it is
EVENT_OPTIONS = ("recorded_at", "channel", "value")
OUTCOME_OPTIONS = ("recorded_at", *WORTH, "reason", "rep")


@dataclass(frozen=True)
class Resolved:
    """A mapping with nothing left to guess.

    Attributes
    ----------
    settings : SourceSettings
        With every optional column named, or None where the source has none.
    raws : mapping of str to table
        The source's own tables of leads, events and outcomes, cut down to the columns that are used.
    warnings : tuple of str
        What was left out on the way.
    files : mapping of str to mapping
        Separator and encoding of the tables that are files of text.
    """

    settings: SourceSettings
    raws: dict[str, ir.Table]
    warnings: tuple[str, ...]
    files: dict[str, dict[str, str]] = field(default_factory=dict)


def resolve(source: Source, settings: SourceSettings) -> Resolved:
    """Find the tables and columns a mapping means.

    Raises
    ------
    ContractError
        For tables or columns that are not there, all at once.
    """
    settings, warnings = _with_standing_tables(source, settings)
    mappings = {"leads": settings.leads, "events": settings.events, "outcomes": settings.outcomes}
    raws, chosen, absent, files = {}, {}, [], {}
    for role, mapping in mappings.items():
        if mapping is None:
            continue
        raw, left = plain(source.table(mapping.table, mapping.separator, mapping.encoding, mapping.sheet))
        if written := source.written(mapping.table):
            files[role] = written
        warnings += [said for said in source.remarks(mapping.table) if said not in warnings]
        warnings += [
            f"column '{name}' of {mapping.table} was left out: its type holds no single value"
            for name in left
        ]
        chosen[role] = _with_standing_columns(role, mapping, raw)
        absent += absent_columns(role, chosen[role], settings, raw)
        raws[role] = raw
    if absent:
        raise contract_error(absent, NOTHING_STORED)
    settings = settings.model_copy(update=chosen)
    if settings.leads.order == "rows" and source.is_server:
        raise UsageError('[source.leads] order = "rows" needs a file: a database keeps no order of rows.')
    return Resolved(
        settings,
        {role: _cut_down(raw, used_columns(role, settings, raw)) for role, raw in raws.items()},
        tuple(warnings),
        files,
    )


def _cut_down(raw: ir.Table, used: list[str]) -> ir.Table:
    return raw if used == list(raw.columns) else raw.select(*used)


def used_columns(role: str, settings: SourceSettings, raw: ir.Table) -> list[str]:
    """The columns of a raw table that the mapping reads, in the table's own order."""
    mapping = getattr(settings, role)
    used = set(_named(role, mapping).values())
    if role == "leads":
        used |= set(_outcome_columns(settings).values())
        used |= set(raw.columns if mapping.attributes is None else mapping.attributes)
        if shared := _shared_with_outcomes(settings):
            used -= shared - set(_named(role, mapping).values())
    return [column for column in raw.columns if column in used]


def _shared_with_outcomes(settings: SourceSettings) -> set[str]:
    """Columns of the leads table that tell outcomes, where both come from one table: no lead had them when it
    came.
    """
    if settings.outcomes is None or settings.outcomes.table != settings.leads.table:
        return set()
    return set(_named("outcomes", settings.outcomes).values())


def _with_standing_tables(source: Source, settings: SourceSettings) -> tuple[SourceSettings, list[str]]:
    """Tables called events and outcomes are taken without being named, if they have the canonical columns."""
    found, warnings = {}, []
    standing = []
    if settings.leads.order is None and settings.events is None:
        standing.append(("events", EventsSource(), ("lead_id", "kind", "occurred_at")))
    if settings.leads.order is None and settings.outcome_section == "outcomes" and settings.outcomes is None:
        standing.append(("outcomes", OutcomesSource(), ("lead_id", "stage", "occurred_at")))
    for name, mapping, columns in standing:
        if not source.has(name):
            continue
        lacking = [column for column in columns if column not in source.table(name).columns]
        if lacking:
            warnings.append(
                f"table '{name}' was not used: it has no column '{lacking[0]}', and no [source.{name}] says which to use"
            )
        else:
            found[name] = mapping
    return settings.model_copy(update=found), warnings


def _with_standing_columns(role: str, mapping: TableSource, raw: ir.Table) -> TableSource:
    """Optional columns that are not named are those of the canonical name, where the table has them."""
    options = {"leads": STANDING_LEAD_OPTIONS, "events": EVENT_OPTIONS, "outcomes": OUTCOME_OPTIONS}[role]
    found = {name: name for name in options if getattr(mapping, name) is None and name in raw.columns}
    if role == "leads" and mapping.lead_id is None and ("lead_id" in raw.columns or mapping.order != "rows"):
        found["lead_id"] = "lead_id"
    return mapping.model_copy(update=found)


def _named(role: str, mapping: TableSource) -> dict[str, str]:
    """Setting → source column, for the columns that become canonical ones, or say when a row was changed."""
    if role == "leads":
        keys = ["lead_id", "updated_at", *LEAD_OPTIONS] + ([] if mapping.order else ["created_at"])
    elif role == "events":
        keys = ["lead_id", "updated_at", "kind", "occurred_at", *EVENT_OPTIONS]
    else:
        keys = ["lead_id", "updated_at", "occurred_at", *OUTCOME_OPTIONS]
        keys += [] if mapping.stage_is else ["stage"]
    return {key: column for key in keys if (column := getattr(mapping, key)) is not None}


def _outcome_columns(settings: SourceSettings) -> dict[str, str]:
    """Setting → column of the leads table that tells the outcome."""
    if settings.leads.stages:
        mapping, keys = settings.leads, WORTH
        found = {f"[source.leads.stages] {stage}": column for stage, column in mapping.stages.items()}
    elif settings.outcome is not None:
        mapping, keys, found = settings.outcome, ("column", "occurred_at", *WORTH), {}
    else:
        return {}
    section = f"[source.{settings.outcome_section}]"
    return found | {
        f"{section} {key}": column for key in keys if (column := getattr(mapping, key)) is not None
    }


def attribute_columns(settings: SourceSettings, raw: ir.Table) -> list[str]:
    """The source columns of leads that are attributes: neither ids nor times nor outcomes."""
    taken = (
        set(_named("leads", settings.leads).values())
        | set(_outcome_columns(settings).values())
        | _shared_with_outcomes(settings)
    )
    wanted = raw.columns if settings.leads.attributes is None else settings.leads.attributes
    return [column for column in wanted if column not in taken]


def absent_columns(role: str, mapping: TableSource, settings: SourceSettings, raw: ir.Table) -> list[Breach]:
    """A breach for every column that a mapping names and a table does not have."""
    wanted = [(f"[source.{role}] {key}", column) for key, column in _named(role, mapping).items()]
    if isinstance(mapping, LeadsSource):
        wanted += _outcome_columns(settings.model_copy(update={"leads": mapping})).items()
        wanted += [("[source.leads] attributes", column) for column in mapping.attributes or ()]
    return [
        _absent(mapping.table, key, column, raw.columns)
        for key, column in wanted
        if column not in raw.columns
    ]


def _absent(table: str, key: str, column: str, columns: tuple[str, ...]) -> Breach:
    close = get_close_matches(column, columns, n=1)
    if len(columns) == 1:
        hint = "Is it a CSV file? If so, name what is between its columns in [source.leads] separator"
    elif close:
        hint = f"Did you mean '{close[0]}'? Name the column in {key}"
    elif key.endswith("created_at"):
        hint = f'Name the column in {key}; for data without dates say [source.leads] order = "rows" or "none"'
    elif key == "[source.leads] lead_id":
        hint = f'Name the column in {key}; where row order is time, say [source.leads] order = "rows", and leads need no id'
    else:
        hint = f"Name the column in {key}"
    there = ", ".join(columns[:20]) + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")
    told = f"there is only '{there}'" if len(columns) == 1 else f"there are {there}"
    return Breach(table, column, 0, "", f"no such column; {told}", hint)

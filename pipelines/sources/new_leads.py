"""A file of new leads beside a source's own: read by the same mapping, of the same types, to be scored."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir

from features.contracts import Breach, breaches, contract_error, counted, merged
from features.errors import UsageError
from features.tables import WORTH, Tables, row_time
from pipelines.sources.canonical import Canonical
from pipelines.sources.connections import FolderSource
from pipelines.sources.mapping import LeadsSource
from pipelines.sources.reading.columns import TIME_UTC, plain
from pipelines.sources.resolve import LEAD_OPTIONS, Resolved, absent_columns

TICK = timedelta(microseconds=1)
NOT_SCORED = "no lead was scored"


_CREATED = "leadsieve created_at"


def with_new_leads(
    tables: Tables,
    resolved: Resolved,
    path: Path,
    *,
    connection: ibis.BaseBackend,
    until: datetime,
    ways: dict[str, str],
) -> tuple[Tables, ir.Table, tuple[str, ...]]:
    """The tables with the leads of a file added, their ids, and warnings.

    A lead that the source has, too, is replaced. Without a column of creation times, a new lead was created
    just before ``until``; where row order is time, after the last row. A column that the file lacks is no
    longer among the leads: a model that needs it says so.

    Raises
    ------
    UsageError
        If there is no such file.
    ContractError
        If its leads break the contract, or come from the future.
    """
    if not path.is_file():
        raise UsageError(f"there is no file '{path}' of new leads.")
    folder = FolderSource(path.absolute().parent, connection=connection)
    with folder.answering():
        leads = resolved.settings.leads
        raw, _ = plain(folder.table(path.name, leads.separator, leads.encoding, leads.sheet))
        mapping, raw, warnings = _mapping(tables, resolved, raw, path.name, until=until)
        warnings = folder.remarks(path.name) + warnings
        settings = resolved.settings.model_copy(
            update={"leads": mapping, "events": None, "outcomes": None, "outcome": None}
        )
        types = {column: tables.leads[column].type() for column in mapping.attributes}
        reading = Canonical(
            Resolved(settings, {"leads": raw}, ()), convert_days=0, types=types, ways=ways
        ).read()
        fresh = _placed(
            reading.leads, tables, made_ids=mapping.lead_id is None, undated=mapping.created_at == _CREATED
        )
        fresh = connection.create_table("new leads", fresh, temp=True, overwrite=True)

    alone = replace(tables, leads=fresh, events=None, outcomes=None)
    found = merged(
        reading.breaches,
        [*breaches(alone, numbered=not mapping.drop_incomplete), *_from_the_future(fresh, tables, until)],
    )
    if found:
        raise contract_error([replace(breach, table=path.name) for breach in found], NOT_SCORED)

    if (engine := tables.leads.get_backend()) is not connection:
        fresh = engine.create_table("leadsieve_new_leads", fresh.to_pyarrow(), temp=True, overwrite=True)
    shared = [column for column in tables.leads.columns if column in fresh.columns]
    leads = tables.leads.anti_join(fresh, "lead_id").select(shared).union(fresh.select(shared))
    end = until if tables.clock == "time" else fresh.created_at.max().to_pyarrow().as_py() + TICK
    return (
        replace(tables, leads=leads, end=max(end, tables.end)),
        fresh.select("lead_id"),
        warnings + reading.warnings,
    )


def _mapping(
    tables: Tables, resolved: Resolved, raw: ir.Table, name: str, *, until: datetime
) -> tuple[LeadsSource, ir.Table, tuple[str, ...]]:
    """The source's mapping for a file that may lack what only the source's own leads have."""
    known = resolved.settings.leads
    warnings = []
    changes = {
        "table": name,
        "since": None,
        "stages": {},
        **dict.fromkeys(WORTH),
        "attributes": tuple(c for c in _attributes(tables, known) if c in raw.columns),
    }
    changes |= {option: None for option in LEAD_OPTIONS if getattr(known, option) not in raw.columns}
    if tables.has_accounts and known.account_id not in raw.columns:
        warnings.append(
            f"{name} has no column '{known.account_id}': each of its leads is taken for an account of its own"
        )
    if known.order is not None:
        changes["order"] = "rows"
    elif known.created_at not in raw.columns:
        raw = raw.mutate(**{_CREATED: ibis.literal(until - TICK).cast(TIME_UTC)})
        changes["created_at"] = _CREATED
    mapping = known.model_copy(update=changes)
    if absent := absent_columns(
        "leads", mapping, resolved.settings.model_copy(update={"outcome": None}), raw
    ):
        raise contract_error(absent, NOT_SCORED)
    return mapping, raw, tuple(warnings)


def _attributes(tables: Tables, mapping: LeadsSource) -> list[str]:
    named = {"lead_id", "account_id", "created_at"} | {
        option for option in LEAD_OPTIONS if getattr(mapping, option)
    }
    return [column for column in tables.leads.columns if column not in named]


def _placed(leads: ir.Table, tables: Tables, *, made_ids: bool, undated: bool) -> ir.Table:
    """New leads in the source's time: after its last row, or where the source knows when a lead was created,
    then.
    """
    if tables.clock != "time":
        rows = round((tables.leads.created_at.max().to_pyarrow().as_py() - row_time(0)).total_seconds()) + 1
        if made_ids:
            number = leads.lead_id.replace("row ", "").cast("int64") + rows
            leads = leads.mutate(lead_id=ibis.literal("row ") + number.cast("string"))
            leads = leads.mutate(account_id=leads.lead_id)
        return leads.mutate(created_at=(leads.created_at + ibis.interval(seconds=rows)).cast("timestamp(6)"))
    if not undated or tables.leads.get_backend() is not leads.get_backend():
        return leads
    known = tables.leads.select("lead_id", known_at=tables.leads.created_at)
    return (
        leads.left_join(known, "lead_id")
        .mutate(created_at=ibis.coalesce(ibis._.known_at, ibis._.created_at))
        .select(*leads.columns)
    )


def _from_the_future(leads: ir.Table, tables: Tables, until: datetime) -> list[Breach]:
    if tables.clock != "time":
        return []
    late = leads.filter(leads.created_at >= ibis.literal(until))
    rows, example = (
        late.aggregate(rows=late.count(), example=late.lead_id.min()).to_pyarrow().to_pylist()[0].values()
    )
    if not rows:
        return []
    text = (
        counted(rows, "is created", "are created")
        + f" at or after {until:%Y-%m-%d %H:%M:%S} UTC, such as lead '{example}'"
    )
    return [
        Breach(
            "leads",
            "created_at",
            rows,
            example,
            text,
            "Score them later, or name the time zone in [source] timezone",
        )
    ]

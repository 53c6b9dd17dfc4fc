"""What every table must keep, declared once, and judged where the data live."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

import ibis
import ibis.expr.types as ir

from features.errors import ContractError
from features.keys import likeness
from features.tables import STAGES, WORTH, Tables

FILL = "Fill them at the source, or drop them with [source.{table}] drop_incomplete = true"
KNOWN = "Add those leads at the source, or drop the rows with [source.{table}] drop_unknown_leads = true"
ALIKE = "Ids of leads are such as '{lead}': write them alike in both tables, or map the column that holds the same ids"
CLASH = "Write the ids alike in both tables, or map the column that holds the same ids"
MANY = "Map the column whose value is another for each lead in [source.leads] lead_id; is this a table of events?"
ENOUGH = 20  # rows of unknown leads, from which on they may be most for a reason
ORDER = "Mend the dates at the source, or drop the rows with [source.{table}] drop_inconsistent = true"


@dataclass(frozen=True)
class Contract:
    """What one canonical table must keep.

    Attributes
    ----------
    filled : mapping of column to kind
        Columns that must be there, with their kind ("text", "number" or "time"), and hold a value in every
        row.
    optional : mapping of column to kind
        Columns that may be absent or hold empty values, but are of one kind.
    unique : str, optional
        The column in which no value may come twice.
    words : tuple of str
        The values its ``stage`` may hold.
    of_known_leads : bool
        Whether every ``lead_id`` must be one of table leads.
    """

    filled: dict[str, str]
    optional: dict[str, str] = field(default_factory=dict)
    unique: str | None = None
    words: tuple[str, ...] = ()
    of_known_leads: bool = False


CONTRACTS = {
    "leads": Contract(
        filled={"lead_id": "text", "account_id": "text", "created_at": "time"},
        optional={"channel": "text", "owner": "text"},
        unique="lead_id",
    ),
    "events": Contract(
        filled={"lead_id": "text", "kind": "text", "occurred_at": "time", "recorded_at": "time"},
        optional={"channel": "text", "value": "number"},
        of_known_leads=True,
    ),
    "outcomes": Contract(
        filled={"lead_id": "text", "stage": "text", "occurred_at": "time", "recorded_at": "time"},
        optional=dict.fromkeys(WORTH, "number") | {"reason": "text", "rep": "text"},
        words=STAGES,
        of_known_leads=True,
    ),
}


@dataclass(frozen=True)
class Breach:
    """One way in which a table breaks its contract: how many rows, an example, the sentence and what mends
    it.

    ``cells`` says whether the rows' cells are "empty", or "unreadable" at the source and so empty in the
    canonical table.
    """

    table: str
    column: str
    rows: int
    example: str
    text: str
    mend: str
    cells: Literal["empty", "unreadable"] | None = None


def counted(rows: int, one: str, many: str) -> str:
    """``1 row is`` or ``1,200 rows are``: a number with the words that fit it."""
    return f"{rows:,} row {one}" if rows == 1 else f"{rows:,} rows {many}"


def contract_error(breaches: Iterable[Breach], consequence: str) -> ContractError:
    """All breaches of all tables in one error, table by table, with what did not happen because of them."""
    parts, breaches = [], tuple(breaches)
    order = list(CONTRACTS)
    by_table = sorted(
        breaches, key=lambda each: (order.index(each.table) if each.table in order else -1, each.table)
    )
    for table, group in groupby(by_table, key=lambda each: each.table):
        lines = [f"  {breach.column}: {breach.text}. {breach.mend}." for breach in group]
        places = "1 place" if len(lines) == 1 else f"{len(lines)} places"
        parts.append("\n".join([f"table '{table}' breaks its contract in {places}; {consequence}.", *lines]))
    return ContractError("\n".join(parts), breaches)


def check(tables: Tables, consequence: str = "no lead was scored") -> None:
    """Raise a ContractError that names every breach of every table; ``consequence`` says what did not happen."""
    if found := breaches(tables):
        raise contract_error(found, consequence)


def breaches(
    tables: Tables, *, numbered: bool = False, full: Mapping[str, Collection[str]] | None = None
) -> list[Breach]:
    """Every breach of every table, judged by a few aggregate queries on the tables' own engine.

    Rows are counted first; an example is fetched only where some break. ``numbered`` says that the rows of
    the leads are in the order the user knows, so that "first at row 17" means something. ``full`` names columns of
    each table that are known to hold no empty cell and need not be read for it.
    """
    found, full = [], full or {}
    for name, contract in CONTRACTS.items():
        table = getattr(tables, name)
        if table is None:
            continue
        wrong = _wrong_columns(name, table, contract)
        found += wrong
        if not wrong:
            found += _broken_values(
                name,
                table,
                contract,
                full=full.get(name, ()),
                numbered=numbered and name == "leads",
                has_accounts=name == "leads" and tables.has_accounts,
            )
        if not wrong and contract.of_known_leads and "lead_id" in tables.leads.columns:
            found += _unknown_leads(name, table, tables.leads)
    if tables.outcomes is not None and not any(breach.rows == 0 for breach in found):
        found += _negative_delays(tables) + _stages_out_of_order(tables)
    return found


def _kind(dtype) -> str:
    if dtype.is_string():
        return "text"
    if dtype.is_timestamp() and dtype.timezone is None:
        return "time"
    return "number" if dtype.is_float64() else str(dtype)


def _wrong_columns(name: str, table: ir.Table, contract: Contract) -> list[Breach]:
    """Columns that are absent or of another kind."""
    schema = table.schema()
    found = [
        Breach(name, column, 0, "", "no such column", f"Name the source's own column in [source.{name}]")
        for column in contract.filled
        if column not in schema
    ]
    expected = contract.filled | contract.optional
    for column, dtype in schema.items():
        kinds = (expected[column],) if column in expected else ("text", "number", "time")
        if _kind(dtype) not in kinds:
            found.append(
                Breach(
                    name,
                    column,
                    0,
                    "",
                    f"it holds {dtype}, not {' or '.join(kinds)}",
                    "Cast it at the source",
                )
            )
    return found


def _broken_values(
    name: str,
    table: ir.Table,
    contract: Contract,
    *,
    full: Collection[str],
    numbered: bool,
    has_accounts: bool,
) -> list[Breach]:
    """Empty cells, repeated ids and words outside the vocabulary: one query, and one more for each example."""
    filled = [
        column
        for column in contract.filled
        if column not in full and (column != "account_id" or has_accounts)
    ]
    counts = {"rows": table.count()} | {f"filled {column}": table[column].count() for column in filled}
    if contract.unique:
        counts["ids"] = table[contract.unique].nunique()
    if contract.words:
        counts["foreign"] = table.stage.notin(contract.words).sum()
    seen = {key: value or 0 for key, value in table.aggregate(**counts).to_pyarrow().to_pylist()[0].items()}
    if not seen["rows"]:
        return [Breach(name, "rows", 0, "", "there are none", _mend_no_rows(name))]

    found = []
    for column in filled:
        if rows := seen["rows"] - seen[f"filled {column}"]:
            where = _where_empty(table, column, numbered=numbered, several=rows > 1)
            text = counted(rows, "is empty", "are empty") + where
            found.append(Breach(name, column, rows, where, text, FILL.format(table=name), cells="empty"))
    if contract.unique:
        repeats = seen.get(f"filled {contract.unique}", seen["rows"]) - seen["ids"]
        if repeats > 0:
            often = table.group_by(contract.unique).having(table.count() > 1).aggregate(n=table.count())
            example = _least(often[contract.unique])
            text = counted(repeats, "repeats an id", "repeat an id") + f", such as '{example}'"
            mend = MANY if 2 * repeats > seen["rows"] else "Keep one row per lead at the source"
            found.append(Breach(name, contract.unique, repeats, example, text, mend))
    if rows := seen.get("foreign", 0):
        example = _least(table.filter(table.stage.notin(contract.words)).stage)
        text = (
            counted(rows, "holds", "hold")
            + f" another word than {', '.join(contract.words)}, such as '{example}'"
        )
        found.append(
            Breach(
                name, "stage", rows, example, text, "Say what the words mean under [source.outcomes.stages]"
            )
        )
    return found


def _mend_no_rows(name: str) -> str:
    if name == "leads":
        return "Look whether the export, or [source.leads] since, left anything"
    return f"Look whether the export failed, or leave the table and [source.{name}] away"


def _where_empty(table: ir.Table, column: str, *, numbered: bool, several: bool) -> str:
    """Where the first empty cell is: by row where rows have an order, else by lead."""
    if numbered:
        rows = table.select(empty=table[column].isnull()).mutate(row=ibis.row_number())
        first = rows.row.min(where=rows.empty).to_pyarrow().as_py() + 1
        return f", first at row {first}" if several else f", row {first}"
    lead = None if column == "lead_id" else _least(table.filter(table[column].isnull()).lead_id)
    return "" if lead is None else f", such as for lead '{lead}'"


def _least(column: ir.Column) -> str | None:
    """One example, the same on every engine and every run."""
    return column.min().to_pyarrow().as_py()


def _unknown_leads(name: str, table: ir.Table, leads: ir.Table) -> list[Breach]:
    rows = unknown_leads(table, leads)
    if not (count := rows.count().to_pyarrow().as_py()):
        return []
    example = _least(rows.lead_id)
    text = (
        counted(count, "is of a lead", "are of leads")
        + f" that table leads does not have, such as '{example}'"
    )
    mend = KNOWN.format(table=name)
    if (alike := likeness(rows, table, leads)) is not None and alike.clash:
        # One to one, they would have been joined when they were read.
        text += f"; without {alike.without} {alike.rows:,} would be, but "
        text += " and ".join(f"'{each}'" for each in alike.clash) + " would be one id"
        mend = CLASH
    elif count > ENOUGH and count > table.count().to_pyarrow().as_py() / 2:
        mend = ALIKE.format(lead=_least(leads.lead_id))  # to drop most rows is no advice
    return [Breach(name, "lead_id", count, example, text, mend)]


def unknown_leads(table: ir.Table, leads: ir.Table) -> ir.Table:
    """The rows of events or outcomes whose lead is not among the leads."""
    return table.filter(table.lead_id.notnull()).anti_join(leads.select("lead_id"), "lead_id")


def negative_delays(outcomes: ir.Table, leads: ir.Table) -> ir.Table:
    """The outcomes that happened, or were recorded, before their lead was created; with ``created_at``."""
    created = leads.group_by("lead_id").aggregate(created_at=leads.created_at.min())
    joined = outcomes.inner_join(created, "lead_id")
    return joined.filter((joined.occurred_at < joined.created_at) | (joined.recorded_at < joined.created_at))


def closed_before_accepted(outcomes: ir.Table) -> ir.Table:
    """The won and lost rows recorded before their lead was first accepted."""
    accepted = outcomes.filter(outcomes.stage == "accepted")
    first = accepted.group_by("lead_id").aggregate(accepted_at=accepted.recorded_at.min())
    joined = outcomes.filter(outcomes.stage.isin(("won", "lost"))).inner_join(first, "lead_id")
    return joined.filter(joined.recorded_at < joined.accepted_at)


def _negative_delays(tables: Tables) -> list[Breach]:
    rows = negative_delays(tables.outcomes, tables.leads)
    if not (count := rows.count().to_pyarrow().as_py()):
        return []
    example = _least(rows.lead_id)
    text = counted(count, "is", "are") + f" dated before the lead was created, such as for lead '{example}'"
    return [Breach("outcomes", "occurred_at", count, example, text, ORDER.format(table="outcomes"))]


def _stages_out_of_order(tables: Tables) -> list[Breach]:
    rows = closed_before_accepted(tables.outcomes)
    if not (count := rows.count().to_pyarrow().as_py()):
        return []
    example = _least(rows.lead_id)
    text = (
        counted(count, "closes a lead", "close leads")
        + f" before its acceptance was recorded, such as for lead '{example}'"
    )
    return [Breach("outcomes", "stage", count, example, text, ORDER.format(table="outcomes"))]


def merged(reading: Iterable[Breach], judged: Iterable[Breach]) -> list[Breach]:
    """Breaches met while reading with those of the tables read.

    A value that could not be read arrives as an empty one: it is named once, as unreadable, and not counted
    as empty again.
    """
    reading = list(reading)
    unreadable = Counter()
    for breach in reading:
        if breach.cells == "unreadable":
            unreadable[breach.table, breach.column] += breach.rows
    found = list(reading)
    for breach in judged:
        known = unreadable[breach.table, breach.column] if breach.cells == "empty" else 0
        if known == 0:
            found.append(breach)
        elif (rest := breach.rows - known) > 0:
            found.append(replace(breach, rows=rest, text=counted(rest, "is empty", "are empty")))
    return found

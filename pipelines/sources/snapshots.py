"""Pulling a source into an immutable snapshot: Parquet files under the hash of what they hold, and a note of
where from.
"""

import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir

from features.contracts import breaches, contract_error, merged
from features.errors import ContractError, UsageError
from features.labels import Horizons
from features.tables import Tables
from pipelines.addresses import redacted
from pipelines.files import held as guarded
from pipelines.files import replaced, set_aside, sweep, synced
from pipelines.sources.canonical import Canonical
from pipelines.sources.connections import Kept, Source, open_source
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.erased import Forgotten, remembering
from pipelines.sources.landing import Copies, landed
from pipelines.sources.left_out import accepted_on_record, far_ahead, plausible_end
from pipelines.sources.manifest import (
    FORMAT,
    NOTE,
    Note,
    fingerprint_of_files,
    fingerprint_of_rows,
    last_note,
    notes,
    read_note,
    stored_mapping,
    whole,
    written_otherwise,
)
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.new_leads import with_new_leads
from pipelines.sources.reading.column_types import ReadAs, lists_of, ways_of
from pipelines.sources.reading.parts import full_columns, largest, parts, share, write
from pipelines.sources.reading.result import Reading
from pipelines.sources.resolve import Resolved, resolve

TICK = timedelta(microseconds=1)
NAMES = ("leads", "events", "outcomes")
PASSING = timedelta(minutes=15)  # longer than a run reads what the pull after it replaces
DAMAGED = "the snapshot of these data was damaged, so they were pulled again"


@dataclass(frozen=True)
class Snapshot:
    """A pulled source, ready to read.

    Attributes
    ----------
    folder : Path
        Where the Parquet files and snapshot.json are.
    fingerprint : str
        16 hexadecimal digits; the same data and mapping have the same one.
    tables : Tables
        What had been recorded before the moment asked for.
    warnings : tuple of str
        What was left out, and what makes figures doubtful.
    counts : mapping of str to int
        Rows of each table in the snapshot.
    stored : bool
        False if there was nothing new to store.
    answering : function
        Gives what turns the loss of the server that the tables are on into an UnreachableError.
    """

    folder: Path
    fingerprint: str
    tables: Tables
    warnings: tuple[str, ...]
    counts: dict[str, int]
    stored: bool
    new_leads: ir.Table | None = None
    answering: Callable[[], AbstractContextManager] = field(default=nullcontext, repr=False, compare=False)
    held: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def close(self) -> None:
        """Let go of what the tables are read through; they can be read no more."""
        self.held.close()


def pull(
    settings: SourceSettings | None,
    horizons: Horizons,
    *,
    home: Path,
    until: datetime,
    leads_file: Path | None = None,
    forgotten: Callable[[], Forgotten] = Forgotten,
    whole_tables: bool = True,
) -> Snapshot:
    """Read a source, judge its contract, keep it as a snapshot and hand out what was known before ``until``.

    A source that has not changed since an earlier pull is not read again, or, on a server, not stored again.
    ``leads_file`` adds new leads to score, in the source's own column names. Nothing is stored or handed out
    of leads that were ``forgotten``, who are asked for again before a snapshot takes its name. Without
    ``whole_tables``, only what has changed is copied from a server whose tables say when (``updated_at``).

    Raises
    ------
    UsageError, ContractError, UnreachableError
        As `open_source`; a breach of the contract leaves nothing behind.
    """
    if settings is None:
        raise UsageError(
            "no source is named: say --source files:FOLDER (or duckdb:FILE, postgresql://…), or [source] url in the configuration."
        )
    store = home / "snapshots"
    store.mkdir(parents=True, exist_ok=True)
    sweep(store, ".*.draft")
    with ExitStack() as held:
        reader, connection = local_engine(home / "tmp"), local_engine(home / "tmp")
        held.callback(let_go, reader)
        held.callback(let_go, connection)
        source = open_source(settings.url, connection=reader, kept=Kept(home, forgotten))
        held.callback(source.close)
        with source.answering():
            resolved = resolve(source, settings)
            there = None
            if settings.engine == "source" and source.is_server:
                there = _read(source, resolved, horizons)
                _judge_at_source(there, resolved.settings)
            fingerprint = fingerprint_of_files(source, resolved, horizons)
            stored = fingerprint is None or whole(store / fingerprint) is None
            damaged = fingerprint is not None and stored and (store / fingerprint).exists()
            if stored:
                kept = None
                while kept is None:
                    kept = _store(
                        source,
                        resolved,
                        horizons,
                        store=store,
                        fingerprint=fingerprint,
                        until=until,
                        forgotten=forgotten,
                        passing=not whole_tables,
                    )
                fingerprint, stored = kept
            note = read_note(store / fingerprint)
            tables = opened(store / fingerprint, note, connection=connection)
            if there is not None:
                tables = replace(tables, **_every_table(there))
            else:
                source.close()
        gone = forgotten()
        tables = gone.out_of_tables(tables).until(min(until, settings.extracted_at or until))
        new_leads, warnings = None, note.warnings + ((DAMAGED,) if damaged else ())
        if leads_file is not None:
            tables, new_leads, more = with_new_leads(
                tables,
                resolved,
                leads_file,
                connection=connection,
                until=until,
                ways=ways_of(note.columns, "leads"),
            )
            warnings += more
            tables = gone.out_of_tables(tables)
            new_leads = new_leads.semi_join(tables.leads, "lead_id")
        return Snapshot(
            folder=store / fingerprint,
            fingerprint=fingerprint,
            tables=tables,
            warnings=warnings,
            counts=note.rows,
            stored=stored,
            new_leads=new_leads,
            answering=nullcontext if there is None else source.answering,
            held=held.pop_all(),
        )


def opened(folder: Path, note: Note, *, connection: ibis.BaseBackend) -> Tables:
    """All of a snapshot's tables on a connection, up to the newest thing recorded."""
    found = {
        name: connection.read_parquet(parts(folder, name)) if name in note.rows else None for name in NAMES
    }
    return Tables(
        **found,
        clock=note.clock,
        outcome_times=note.outcome_times,
        stages=note.stages,
        end=datetime.fromisoformat(note.newest) + TICK,
        has_accounts=note.has_accounts,
        lists=lists_of(note.columns),
    )


def _read(source: Source, resolved: Resolved, horizons: Horizons, before: tuple[ReadAs, ...] = ()) -> Reading:
    parses = not source.is_server
    return Canonical(resolved, convert_days=horizons.convert_days, parses=parses, before=before).read()


def _store(
    source: Source,
    resolved: Resolved,
    horizons: Horizons,
    *,
    store: Path,
    fingerprint: str | None,
    until: datetime,
    forgotten: Callable[[], Forgotten],
    passing: bool,
) -> tuple[str, bool] | None:
    """Write a snapshot beside the others, judge it, and only then give it its name; None if somebody was forgotten
    meanwhile, for then it has none.
    """
    gone = forgotten()
    copies = Copies(None)
    folder = store / f".{secrets.token_hex(8)}.draft"
    with ExitStack() as ending:
        ending.enter_context(guarded(folder))
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir()
        if source.is_server:
            copies = Copies.of(store.parent, resolved)
            source, resolved = landed(
                source,
                resolved,
                folder,
                copies=copies if passing else Copies(None),
                gone=gone,
            )
            ending.callback(source.close)
        earlier = last_note(store, redacted(resolved.settings.url))
        reading = gone.out_of(
            _read(source, resolved, horizons, before=() if earlier is None else earlier.columns)
        )
        rows, tables = _tried(source, resolved, reading, folder, until)
        end, late = plausible_end(tables.leads) if reading.clock == "time" else None, ()
        if end is not None:
            late = (far_ahead(tables.leads, end),)
            reading = reading.created_by(end)
            rows, tables = _tried(source, resolved, reading, folder, until)
        try:
            full = {name: full_columns(folder, name) for name in rows}
            _judge(reading, tables, resolved.settings, full=full)
        except ContractError:  # which names rows by their numbers
            write(source.connection, reading.tables["leads"], folder, "leads", in_order=True)
            in_order = source.connection.read_parquet(parts(folder, "leads"))
            _judge(reading, replace(tables, leads=in_order), resolved.settings)
            raise
        if fingerprint is None:
            fingerprint = fingerprint_of_rows(source, resolved, reading, tables, horizons)
        stages, doubts = accepted_on_record(tables)
        there = notes(store)
        note = _note(
            replace(reading, stages=stages),
            resolved,
            rows,
            newest=_newest(folder, rows),
            until=until,
            fingerprint=fingerprint,
            number=1 + max((each.number for each in there.values()), default=0),
            more=(*written_otherwise(earlier, resolved.files), *late, *doubts),
        )
        made_of = {name: [part.name for part in parts(folder, name)] for name in rows}
        note = replace(note, passing=passing and copies.folder is not None, parts=made_of)
        with remembering(store.parent):
            if forgotten() != gone:
                return None
            copies.replace_by(folder, until)
            for raw in folder.glob("raw-*.parquet"):
                raw.unlink()
            (folder / NOTE).write_text(note.text())
            share(folder, there)
            for written in (*folder.rglob("*.*"), folder):
                synced(written)
            named = _named(folder, store / fingerprint)
            _settle_passing(store, note)
            return fingerprint, named


def _settle_passing(store: Path, note: Note) -> None:
    """Passing snapshots of a source go once a newer one is there, and one that a whole pull has found again stays."""
    before = datetime.fromisoformat(note.pulled_until) - PASSING
    for folder, other in notes(store).items():
        if not other.passing or other.source != note.source:
            continue
        if other.fingerprint == note.fingerprint:
            if not note.passing:
                with replaced(folder / NOTE) as draft:
                    draft.write_text(replace(other, passing=False).text())
        elif other.number < note.number and datetime.fromisoformat(other.pulled_until) < before:
            shutil.rmtree(set_aside(folder))


def _tried(
    source: Source, resolved: Resolved, reading: Reading, folder: Path, until: datetime
) -> tuple[dict[str, int], Tables]:
    """The rows written of each table, and all of them as they are read again."""
    rows = _write(source, reading, folder)
    note = _note(reading, resolved, rows, newest=datetime.max - TICK, until=until)
    return rows, opened(folder, note, connection=source.connection)


def _named(folder: Path, snapshot: Path) -> bool:
    """Give a draft its name; False where the same content is there already: from an earlier pull, or from one
    beside us.
    """
    if snapshot.exists() and not whole(snapshot):
        set_aside(snapshot)
    try:
        folder.rename(snapshot)
    except OSError:
        if not snapshot.is_dir():
            raise
        return False
    synced(snapshot.parent)
    return True


def _write(source: Source, reading: Reading, folder: Path) -> dict[str, int]:
    """Each canonical table as Parquet, in the order of the source; gives the rows of each."""
    return {name: write(source.connection, table, folder, name) for name, table in reading.tables.items()}


def _judge_at_source(reading: Reading, settings: SourceSettings) -> None:
    """The contract judged in the source's own database, before a row travels."""
    tables = Tables(
        **_every_table(reading),
        clock=reading.clock,
        outcome_times=reading.outcome_times,
        stages=reading.stages,
        end=datetime.max,
        has_accounts=reading.has_accounts,
    )
    _judge(reading, tables, settings)


def _every_table(reading: Reading) -> dict[str, ir.Table | None]:
    return {name: reading.tables.get(name) for name in NAMES}


def _judge(
    reading: Reading,
    tables: Tables,
    settings: SourceSettings,
    full: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raise every breach, those met while reading and those of the tables, in the words of the mapping."""
    filtered = settings.leads.since is not None or settings.leads.drop_incomplete
    found = merged(
        reading.breaches,
        breaches(tables, numbered=tables.leads.get_backend().name == "duckdb" and not filtered, full=full),
    )
    if found:
        section = f"[source.{settings.outcome_section}]"
        raise contract_error(
            [replace(breach, mend=breach.mend.replace("[source.outcomes]", section)) for breach in found],
            "nothing was stored",
        )


def _newest(folder: Path, tables: Iterable[str]) -> datetime:
    """The newest time at which anything was recorded."""
    return max(largest(folder, name, "created_at" if name == "leads" else "recorded_at") for name in tables)


def _note(
    reading: Reading,
    resolved: Resolved,
    rows: dict[str, int],
    *,
    newest: datetime,
    until: datetime,
    fingerprint: str = "",
    number: int = 0,
    more: tuple[str, ...] = (),
) -> Note:
    return Note(
        format=FORMAT,
        number=number,
        fingerprint=fingerprint,
        source=redacted(resolved.settings.url),
        mapping=stored_mapping(resolved),
        rows=rows,
        clock=reading.clock,
        outcome_times=reading.outcome_times,
        stages=reading.stages,
        has_accounts=reading.has_accounts,
        newest=newest.isoformat(),
        pulled_until=until.isoformat(),
        warnings=reading.warnings + more,
        columns=reading.columns,
        files=resolved.files,
    )

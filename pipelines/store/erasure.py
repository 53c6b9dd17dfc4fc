"""A person erased: attributes, events and texts go from snapshots and store, the id from what versions say of whom
they learned from; the decision stays, without a name.

The hash comes first, so that no pull beside us brings the lead back; then the snapshots, the versions and the kept
figures, then the store. A run that is killed is run again.
"""

import secrets
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from features.errors import UsageError
from models.registry.place import CHANGING, my_turn
from models.registry.published import FOLDER as PUBLISHED
from models.registry.published import LEARNED, MANIFEST, Publication
from pipelines.crm.mirror import forget_mirrors
from pipelines.files import kept_secret, replaced, scratch_in, sweep
from pipelines.reports import kept
from pipelines.sources.engine import quoted
from pipelines.sources.erased import Forgotten, remembering
from pipelines.sources.landing import let_copies_go
from pipelines.sources.lead_lookup import PROPERTIES
from pipelines.sources.manifest import NOTE, noted_and_held
from pipelines.sources.reading.parts import rewritten, scan
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.schema import (
    answers_table,
    arrivals_table,
    assignments_table,
    audit_table,
    decisions_table,
    forgotten_table,
    notes_table,
    outbox_table,
    rescores_table,
    shadow_table,
    worklist_table,
)

TABLES = ("leads", "events", "outcomes")
UPLOADS = "upload-"  # begins the name of a folder with a file that marketing dropped
PREVIEW = "preview.json"  # in a home: the latest comparison of two versions, lead by lead
KEY = "forget.key"  # kept apart from the store: whoever has the hashes alone cannot try ids on them
NOBODY = "forgotten-"  # begins the name under which the decision of a forgotten lead stays


@dataclass(frozen=True)
class Erasure:
    """What was erased: rows of snapshots by table, and entries of the store."""

    snapshots: int
    rows: dict[str, int]
    decisions: int
    answers: int

    def to_json(self) -> dict[str, Any]:
        """The ``forget`` object of the interface. It does not repeat who was forgotten."""
        return {"forgotten": True, **asdict(self)}


def forget(store: Store, home: Path, lead_id: str, *, at: datetime, by: str) -> Erasure:
    """Erase a person.

    Raises
    ------
    UsageError
        If neither a snapshot nor the store knows the lead; nothing is changed then.
    """
    folders = sorted((home / "snapshots").glob("[!.]*"))
    readable = [folder for folder in folders if noted_and_held(folder)]
    for folder in readable:
        _settle(folder)
    holding = {folder: rows for folder in readable if (rows := _rows_of(folder, lead_id))}
    learned = {file: _names(file, lead_id) for file in sorted(home.glob(f"*/**/{LEARNED}"))}
    if not holding and not any(learned.values()) and not _in_store(store, lead_id):
        raise UsageError(
            f"no snapshot and no decision knows a lead '{lead_id}'; nothing was changed. Is the id spelled as in the source?"
        )
    _remember(store, home, lead_id, at=at, by=by)
    sweep_uploads(home)
    let_copies_go(home)
    forget_mirrors(home)
    (home / PREVIEW).unlink(missing_ok=True)
    for folder in set(folders) - set(readable):  # who is in it nobody can tell, so it goes as a whole
        shutil.rmtree(folder)
    rows = dict.fromkeys(TABLES, 0)
    rewritten((part for counts in holding.values() for part in counts), partial(_written_without, lead_id))
    for folder, counts in holding.items():
        _settle(folder)
        for part, number in counts.items():
            rows[part.parent.stem] += number
    _unlearn(home, lead_id, learned)
    kept.leave_out(home, lead_id)
    decisions, answers = _make_anonymous(store, lead_id, at=at, by=by)
    return Erasure(len(holding), rows, decisions, answers)


def forget_again(store: Store, home: Path, gone: Forgotten, *, at: datetime) -> int:
    """Forget in a home, as one from a backup, all who were forgotten since or elsewhere under the same key; gives how
    many leads were found in it.
    """
    with store.writing() as connection:
        put = store.insert(forgotten_table).on_conflict_do_nothing()
        for digest in gone.digests:
            connection.execute(put.values(digest=digest, at=at, who="a restore"))
    known = store.decided()
    files = [*home.glob("snapshots/[!.]*/leads.parquet/[!.]*"), *home.glob(f"*/**/{LEARNED}")]
    with duckdb.connect(config=PROPERTIES) as database:
        for file in files:
            query = f"SELECT DISTINCT lead_id FROM read_parquet({quoted(file)})"
            known |= {lead_id for (lead_id,) in database.execute(query).fetchall()}
    ids = sorted(known)
    found = [lead_id for lead_id, there in zip(ids, gone.are(ids), strict=True) if there]
    for lead_id in found:
        forget(store, home, lead_id, at=at, by="a restore")
    return len(found)


def sweep_uploads(home: Path) -> None:
    """Remove files of leads that desks left behind which were killed while they scored them."""
    sweep(home / "tmp", f"{UPLOADS}*")


def _in_store(store: Store, lead_id: str) -> bool:
    with store.reading() as connection:
        return (
            connection.scalar(
                sa.select(decisions_table.c.lead_id).where(decisions_table.c.lead_id == lead_id)
            )
            is not None
        )


def _remember(store: Store, home: Path, lead_id: str, *, at: datetime, by: str) -> None:
    known = forgotten_of(store, home)
    known = known if known.digests else Forgotten(key=kept_secret(home / KEY))
    digest = known.digest(lead_id)
    if digest not in known.digests:
        with remembering(home), store.writing() as connection:
            connection.execute(forgotten_table.insert().values(digest=digest, at=at, who=by))


def _rows_of(folder: Path, lead_id: str) -> dict[Path, int]:
    """The parts that hold rows of this lead, and how many."""
    found = {}
    with duckdb.connect(config=PROPERTIES) as database:
        for name in TABLES:
            if (folder / f"{name}.parquet").is_dir():
                table = scan(folder, name, more=", filename = '__part'")
                query = f"SELECT __part, count(*) FROM {table} WHERE lead_id = ? GROUP BY __part"
                found |= {Path(part): rows for part, rows in database.execute(query, [lead_id]).fetchall()}
    return found


def _rows_in(file: Path, lead_id: str) -> int:
    with duckdb.connect(config=PROPERTIES) as database:
        query = f"SELECT count(*) FROM read_parquet({quoted(file)}) WHERE lead_id = ?"
        return database.execute(query, [lead_id]).fetchall()[0][0]


def _written_without(lead_id: str, file: Path, to: Path) -> None:
    """Write a file anew without the lead; whoever reads the old one meanwhile reads it to the end."""
    with duckdb.connect(config=PROPERTIES) as database:
        kept = f"SELECT * FROM read_parquet({quoted(file)}) WHERE lead_id <> {quoted(lead_id)}"
        database.execute(f"COPY ({kept}) TO {quoted(to)} (FORMAT parquet, COMPRESSION snappy)")


def _leave_out(file: Path, lead_id: str) -> None:
    rewritten([file], partial(_written_without, lead_id))


def _names(file: Path, lead_id: str) -> bool | None:
    """Whether a file names a lead; None where it cannot be read."""
    try:
        return _rows_in(file, lead_id) > 0
    except duckdb.Error:
        return None


def _unlearn(home: Path, lead_id: str, learned: dict[Path, bool | None]) -> None:
    """Leave a lead out of what versions learned from, and publish the champion anew where it is among them."""
    publication = Publication(home)
    for file, named in learned.items():
        sweep(file.parent, f".{LEARNED}.*.draft")
        if named is None:  # who is in it nobody can tell
            file.unlink()
        elif named and not file.is_relative_to(home / PUBLISHED):
            _leave_out(file, lead_id)
    with my_turn(home / CHANGING), scratch_in(home) as scratch:
        there = publication.intact()
        if there and _names(home / there.folder / LEARNED, lead_id):
            bundle = shutil.copytree(home / there.folder, scratch / "bundle")
            (bundle / MANIFEST).unlink()
            _leave_out(bundle / LEARNED, lead_id)
            publication.publish(there.version, bundle, there.since)


def _settle(folder: Path) -> None:
    """Have the note say what the files hold, and let drafts go: a run may have been killed between the two."""
    for each in (folder, *folder.glob("*.parquet")):
        sweep(each, ".*.draft")
    if (found := noted_and_held(folder)) and found[0].rows != found[1]:
        with replaced(folder / NOTE) as draft:
            draft.write_text(replace(found[0], rows=found[1]).text())


def _make_anonymous(store: Store, lead_id: str, *, at: datetime, by: str) -> tuple[int, int]:
    """Give the decision and the answers a name that says nothing, and take out every text."""
    nobody = f"{NOBODY}{secrets.token_hex(8)}"
    with store.writing() as connection:
        if store.dialect == "sqlite":
            connection.exec_driver_sql(
                "PRAGMA secure_delete = ON"
            )  # what is overwritten is not left behind in the file
        log, answers, audit, work = decisions_table, answers_table, audit_table, worklist_table
        values = {"lead_id": nobody, "account_id": nobody, "reasons": "[]", "weights": "[]"}
        decisions = connection.execute(log.update().where(log.c.lead_id == lead_id).values(**values)).rowcount
        told = connection.execute(
            answers.update().where(answers.c.lead_id == lead_id).values(lead_id=nobody, words=None)
        ).rowcount
        moves = assignments_table
        connection.execute(moves.update().where(moves.c.lead_id == lead_id).values(lead_id=nobody))
        connection.execute(
            notes_table.update().where(notes_table.c.lead_id == lead_id).values(lead_id=nobody, words=None)
        )
        connection.execute(audit.update().where(audit.c.lead_id == lead_id).values(lead_id=nobody))
        for table in (work, arrivals_table, rescores_table, outbox_table, shadow_table):
            connection.execute(table.delete().where(table.c.lead_id == lead_id))
        note(
            connection,
            at,
            by,
            "forgotten",
            "a person's attributes, events and texts were erased",
            lead_id=nobody,
        )
    if store.dialect == "sqlite":
        with store.reading() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return decisions, told


def forgotten_of(store: Store, home: Path) -> Forgotten:
    """Who is to stay forgotten.

    Raises
    ------
    UsageError
        If people were forgotten and the key is not there: nobody could be told from them.
    """
    with store.reading() as connection:
        digests = tuple(connection.scalars(sa.select(forgotten_table.c.digest)))
    if digests and not (home / KEY).is_file():
        raise UsageError(
            f"'{home / KEY}' is missing, and without it nobody can tell who was forgotten (leads: {len(digests):,}); nothing was done. "
            "Copy it from the home that shares this store, or from a backup."
        )
    return Forgotten(kept_secret(home / KEY), digests) if digests else Forgotten()

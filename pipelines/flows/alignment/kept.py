"""What the desk keeps of the alignment for some minutes, so that a page comes at once."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from markupsafe import Markup

from features.errors import TooLittleDataError
from models.alignment.book import Asked
from pipelines.flows.alignment.align import ALL, aligned
from pipelines.flows.alignment.ledger import Ledger, ledger_of
from pipelines.settings import Settings
from pipelines.sources.answers_as_outcomes import with_answers
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import read_note
from pipelines.sources.snapshots import opened
from pipelines.store.answers import standing_answers
from pipelines.store.database import Store
from pipelines.store.erasure import forgotten_of

FRESH = timedelta(minutes=10)
SOON = timedelta(minutes=3)  # before that, they are read anew where somebody may ask again
ASKED = timedelta(days=1)  # who asked within it may ask again
MOST = 50  # answers kept


@dataclass(frozen=True)
class Told:
    """The figures that were asked for, and their words as HTML with the titles of its parts."""

    found: dict[str, Any]
    contents: list[tuple[str, str]]
    body: Markup


@dataclass
class _Kept:
    key: tuple[Path, int]
    read_at: datetime
    ledger: Ledger
    asked_at: datetime
    told: dict[Asked, Told] = field(default_factory=dict)


class KeptAlignment:
    """The alignment of the newest snapshot, read again when that has changed or ten minutes are over.

    Parameters
    ----------
    settings : Settings
    store : Store
    home : Path
    """

    def __init__(self, settings: Settings, store: Store, home: Path) -> None:
        self.settings, self.store, self.home = settings, store, home
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def tell(self, asked: Asked, folder: Path | None, now: datetime) -> Told:
        """What was asked for, as known by now.

        Raises
        ------
        TooLittleDataError
            Where nothing was pulled yet, leads have no dates, or none fits.
        """
        with self._lock:  # of several who come at once, one reads
            kept = self._fresh(folder, now)
            kept.asked_at = now
            if asked not in kept.told:
                if len(kept.told) >= MOST:
                    kept.told.clear()
                kept.told[asked] = self._told(kept.ledger, asked)
            return kept.told[asked]

    def keep_fresh(self, folder: Path | None, now: datetime) -> None:
        """Read anew what will soon be too old, or is of an older snapshot, where somebody has asked of late: so
        that nobody waits for it.
        """
        kept = self._kept
        if kept is None or folder is None or now - kept.asked_at > ASKED:
            return
        key = _key(folder)
        if kept.key == key and kept.read_at <= now < kept.read_at + FRESH - SOON:
            return
        anew = _Kept(key, now, self._read(folder, now), kept.asked_at)
        anew.told[ALL] = self._told(anew.ledger, ALL)
        with self._lock:
            anew.asked_at = kept.asked_at
            self._kept = anew

    def _told(self, ledger: Ledger, asked: Asked) -> Told:
        # Pictures need matplotlib, 40 MB that a desk on which nobody asks for this page does without.
        from pipelines.reports import alignment as reports
        from pipelines.reports.page import inside
        from pipelines.reports.plots.alignment import of_page

        found = aligned(ledger, self.settings, asked).to_json()
        pictures = of_page(found)
        return Told(found, *inside(reports.body(found, pictures, leads_at="/leads/"), pictures))

    def choices(self, folder: Path | None, now: datetime) -> dict[str, list[str]]:
        """What can be asked for, by name."""
        with self._lock:
            return self._fresh(folder, now).ledger.choices

    def _fresh(self, folder: Path | None, now: datetime) -> _Kept:
        if folder is None:
            raise TooLittleDataError(
                "nothing was pulled yet, so there is nothing to count. Score leads first."
            )
        key, kept = _key(folder), self._kept
        if kept is None or kept.key != key or not now - FRESH < kept.read_at <= now:
            kept = self._kept = _Kept(key, now, self._read(folder, now), now)
        return kept

    def _read(self, folder: Path, now: datetime) -> Ledger:
        note, connection = read_note(folder), local_engine(sparing=True)
        try:
            tables = forgotten_of(self.store, self.home).out_of_tables(
                opened(folder, note, connection=connection)
            )
            source = self.settings.source
            until = now if source is None or source.extracted_at is None else min(now, source.extracted_at)
            tables, more = with_answers(tables.until(until), standing_answers(self.store, now), now)
            return ledger_of(tables, self.store, self.settings, until=until, warnings=(*note.warnings, *more))
        finally:
            let_go(connection)


def _key(folder: Path) -> tuple[Path, int]:
    """What tells a snapshot from another, and from itself after somebody was forgotten."""
    return folder, (folder / "leads.parquet").stat().st_mtime_ns

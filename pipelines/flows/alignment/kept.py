"""The alignment as the desk shows it: counted by the flows that are served, or by the desk, and kept in the home, so that
a page comes at once.
"""

import hashlib
import json
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from pydantic import TypeAdapter

from features.errors import TooLittleDataError
from models.alignment.book import Asked
from pipelines.addresses import redacted
from pipelines.flows.alignment.align import ALL, Alignment, aligned, behind
from pipelines.flows.alignment.ledger import Ledger, ledger_of
from pipelines.home import store_of
from pipelines.reports.kept import Figures, keep, kept, stamp
from pipelines.settings import Settings
from pipelines.sources.answers_as_outcomes import with_answers
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.lead_lookup import Dossiers
from pipelines.sources.manifest import read_note
from pipelines.sources.snapshots import opened
from pipelines.store.answers import standing_answers
from pipelines.store.database import Store
from pipelines.store.erasure import forgotten_of

FRESH = timedelta(minutes=10)
REST = 20  # times as long as counting takes, figures are not counted again: it is to fill no twentieth of the time
SOON = timedelta(minutes=3)  # before that, they are counted anew where somebody may ask again
ASKED = timedelta(days=1)  # who asked within it may ask again
AT_ONCE = 1.0  # seconds that somebody waits for newer figures, rather than see those that are kept
MOST = 50  # answers kept
COUNTED_UNDER = {"alignment", "words", "label", "policy", "evaluation", "assignment"}


@dataclass(frozen=True)
class Told:
    """The figures that were asked for, and their words as HTML with the titles of its parts.

    Attributes
    ----------
    found : dict
    contents : list of tuple of str
    body : Markup
    counted_at : datetime
    old : bool
        Whether newer ones are being counted.
    """

    found: dict[str, Any]
    contents: list[tuple[str, str]]
    body: Markup
    counted_at: datetime
    old: bool = False

    @classmethod
    def of(cls, figures: Figures, *, old: bool = False) -> "Told":
        from pipelines.reports import alignment as reports
        from pipelines.reports.page import inside

        words = reports.body(figures.found, figures.pictures, leads_at="/leads/")
        return cls(figures.found, *inside(words, figures.pictures), figures.counted_at, old)


@dataclass
class _Read:
    of: str
    read_at: datetime
    ledger: Ledger
    told: dict[Asked, Told] = field(default_factory=dict)


class KeptAlignment:
    """The alignment of the newest snapshot, counted again when that has changed or ten minutes are over.

    Parameters
    ----------
    settings : Settings
    store : Store
    home : Path
    """

    def __init__(self, settings: Settings, store: Store, home: Path) -> None:
        self.settings, self.store, self.home = settings, store, home
        self._lock = threading.Lock()
        self._last: _Read | None = None
        self._seconds = 0.0
        self._asked_at: datetime | None = None
        self._shown: tuple[object, Told, Figures] | None = None

    def tell(self, asked: Asked, folder: Path | None, now: datetime) -> Told:
        """What was asked for, as known by now; of all leads what is kept, where counting again would take long.

        Raises
        ------
        TooLittleDataError
            Where nothing was pulled yet, leads have no dates, or none fits.
        """
        self._asked_at = now
        if asked == ALL and (shown := self._of_the_home(folder, now)):
            return shown
        with self._lock:  # of several who come at once, one reads
            if asked == ALL:
                return self._of_the_home(folder, now) or self._count(folder, now)
            read = self._fresh(folder, now)
            if asked not in read.told:
                if len(read.told) >= MOST:
                    read.told.clear()
                figures = self._figures(read, asked, 0.0)
                read.told[asked] = Told.of(figures)
            return read.told[asked]

    def choices(self, folder: Path | None, now: datetime) -> dict[str, list[str]]:
        """What can be asked for, by name."""
        if shown := self._of_the_home(folder, now):
            return shown.found["choices"]
        with self._lock:
            return self._fresh(folder, now).ledger.choices

    def leads(self, asked: Asked, folder: Path | None, now: datetime) -> pd.DataFrame:
        """The leads behind the figures, as ``behind`` has them."""
        with self._lock:
            return behind(self._fresh(folder, now).ledger, asked)

    def keep_fresh(self, folder: Path | None, now: datetime) -> None:
        """Count anew what will soon be too old, or is of an older snapshot, where somebody has asked of late: so
        that nobody waits for it.
        """
        if folder is None or self._asked_at is None or now - self._asked_at > ASKED:
            return
        of, kept_now, last = _snapshot(folder), self._kept(), self._last
        new = kept_now is not None and _new(kept_now[1], of, now + SOON)
        if new and (last is None or (last.of == of and now + SOON < last.read_at + rest(self._seconds))):
            return
        self._count(folder, now)

    def keep(self, folder: Path, now: datetime, found: dict[str, Any] | None = None) -> bool:
        """Count for whoever asks later, unless that was done a short time ago; whether it was. What was ``found`` by
        then is kept as it is.
        """
        kept_now = self._kept()
        if found is not None:
            seconds = kept_now[1].seconds if kept_now else sum(found["seconds"].values())
            self._keep(Figures(self._key, _snapshot(folder), now, seconds, found, _drawn(found)))
            return True
        if kept_now is not None and now < kept_now[1].counted_at + rest(kept_now[1].seconds):
            return False
        self._count(folder, now)
        return True

    def _of_the_home(self, folder: Path | None, now: datetime) -> Told | None:
        """What the home keeps, if it is new, or who asked would have to wait for newer."""
        if folder is None or (kept_now := self._kept()) is None:
            return None
        told, figures = kept_now
        if _new(figures, _snapshot(folder), now):
            return told
        return replace(told, old=True) if figures.seconds > AT_ONCE else None

    def _kept(self) -> tuple[Told, Figures] | None:
        """What the home keeps; read again where that has changed, as when somebody was forgotten."""
        mark = stamp(self.home)
        if self._shown is None or self._shown[0] != mark:
            found = kept(self.home, self._key) if mark else None
            self._shown = None if found is None else (mark, Told.of(found), found)
        return None if self._shown is None else self._shown[1:]

    def _count(self, folder: Path | None, now: datetime) -> Told:
        """Count all leads, and keep that in the home."""
        begun = time.perf_counter()
        read = self._read(folder, now)
        figures = self._figures(read, ALL, 0.0)
        self._seconds = time.perf_counter() - begun
        self._last = read
        return self._keep(replace(figures, seconds=self._seconds))

    def _keep(self, figures: Figures) -> Told:
        return Told.of(keep(self.home, figures, lambda: forgotten_of(self.store, self.home).are))

    def _figures(self, read: _Read, asked: Asked, seconds: float) -> Figures:
        found = aligned(read.ledger, self.settings, asked).to_json()
        return Figures(self._key, read.of, read.read_at, seconds, found, _drawn(found))

    def _fresh(self, folder: Path | None, now: datetime) -> _Read:
        last = self._last
        if (
            folder is not None
            and last is not None
            and last.of == _snapshot(folder)
            and last.read_at <= now < last.read_at + rest(self._seconds)
        ):
            return last
        begun = time.perf_counter()
        self._last = self._read(folder, now)
        self._seconds = time.perf_counter() - begun
        return self._last

    def _read(self, folder: Path | None, now: datetime) -> _Read:
        if folder is None:
            raise TooLittleDataError(
                "nothing was pulled yet, so there is nothing to count. Score leads first."
            )
        of, note, connection = _snapshot(folder), read_note(folder), local_engine(sparing=True)
        try:
            tables = forgotten_of(self.store, self.home).out_of_tables(
                opened(folder, note, connection=connection)
            )
            source = self.settings.source
            until = now if source is None or source.extracted_at is None else min(now, source.extracted_at)
            tables, more = with_answers(tables.until(until), standing_answers(self.store, now), now)
            warnings = (*note.warnings, *more)
            ledger = ledger_of(tables, self.store, self.settings, until=until, warnings=warnings)
            return _Read(of, now, ledger)
        finally:
            let_go(connection)

    @cached_property
    def _key(self) -> str:
        return key_of(self.settings)


def keep_figures(settings: Settings, home: Path, now: datetime, found: dict[str, Any] | None = None) -> None:
    """Keep figures for the desk, as ``KeptAlignment.keep`` has it; where nothing was pulled yet there are none."""
    with closing(Dossiers(home, settings.source and settings.source.url)) as dossiers:
        folder = dossiers.newest()
    if folder is not None:
        KeptAlignment(settings, store_of(settings, home), home).keep(folder, now, found)


def rest(seconds: float) -> timedelta:
    """For how long figures are new that took so long to count."""
    return max(FRESH, timedelta(seconds=REST * seconds))


def key_of(settings: Settings) -> str:
    """What tells figures that were counted under some settings from others, and from those of another program."""
    source = settings.source
    told = [
        TypeAdapter(Alignment).json_schema(),
        settings.model_dump(mode="json", include=COUNTED_UNDER),
        source and [source.model_dump(mode="json", exclude={"url"}), redacted(source.url)],
        settings.desk.currency,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _snapshot(folder: Path) -> str:
    """What tells a snapshot from another, and from itself after somebody was forgotten."""
    return f"{folder.name} {(folder / 'leads.parquet').stat().st_mtime_ns}"


def _new(figures: Figures, of: str, now: datetime) -> bool:
    return figures.of == of and figures.counted_at <= now < figures.counted_at + rest(figures.seconds)


def _drawn(found: dict[str, Any]) -> dict[str, str]:
    """The pictures; matplotlib, 40 MB, is loaded by whoever counts."""
    from pipelines.reports.page import as_uri
    from pipelines.reports.plots.alignment import of_page

    return {name: as_uri(figure) for name, figure in of_page(found).items()}

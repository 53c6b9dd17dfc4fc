"""Leads that marketing wants scored, of a file that was dropped or of a source, one after the other in the
background.
"""

import re
import secrets
import shutil
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.desk import Desk
from app.scoring.champion import Champions
from features.errors import LeadsieveError, UsageError, refused_by_the_system
from pipelines.addresses import redacted
from pipelines.files import scratch_in
from pipelines.flows.init.columns import Looked
from pipelines.flows.init.lists import (
    Needed,
    guessed,
    in_source_words,
    is_strange,
    looked_at,
    needed_columns,
    remember,
    remembered,
)
from pipelines.flows.score_file import LOOKING, READING, SCORING, FileScores, score_apart
from pipelines.settings import Settings
from pipelines.store.erasure import UPLOADS, sweep_uploads

MOST_KEPT, MOST_WAITING = 20, 10
MOST_COLUMNS = 2_000
FIRST_LINE = 1_000_000  # bytes in which a file's first line ends
FILE, GIVEN = "leads.csv", "given"  # how a file is called where it is put, whatever it calls itself
BOOK = ".xlsx"
ASKING = "waiting for its columns"
STEPS = ("waiting", READING, LOOKING, SCORING, "done")
CLAUSE = re.compile(r",? or [^.,]*\[(?:source|features)\b.*?(?=\.(?:\s|$))", re.MULTILINE)
SENTENCE = re.compile(r"[^.\n]*\[(?:source|features)\b.*?\.(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """What has to be said of a list before it is scored: which of its columns is which."""

    list: Looked
    needed: tuple[Needed, ...]
    guess: dict[str, str | None]
    file: Path
    clear: Callable[[], None]


@dataclass
class Upload:
    """One file or source, how far it has come, and what came of it.

    Attributes
    ----------
    asked : Asked, optional
        What is to be said of its columns first.
    names : mapping of str to str or None
        The source's columns and those of the list that were taken for them, where these have names of their own.
    """

    key: str
    name: str
    who: str
    at: datetime
    step: str = STEPS[0]
    future: Future[FileScores] | None = field(default=None, repr=False)
    asked: Asked | None = field(default=None, repr=False)
    names: dict[str, str | None] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.future is not None and self.future.done()

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return STEPS.index(self.step) / (len(STEPS) - 1) if self.step in STEPS else 0

    @property
    def scores(self) -> FileScores | None:
        """What came of it; None as long as it is not done, and where it failed."""
        return self.future.result() if self.done and self.future.exception() is None else None

    @property
    def trouble(self) -> str | None:
        """Why it failed, in words for whoever asked."""
        error = self.future.exception() if self.done else None
        if error is None:
            return None
        error = refused_by_the_system(error) or error
        if not isinstance(error, LeadsieveError):
            return "Something is wrong with Leadsieve itself, not with these leads."
        said = SENTENCE.sub("", CLAUSE.sub("", str(error))).replace("table 'leads'", "the list of leads")
        for name in (FILE, f"{GIVEN}.csv", f"{GIVEN}{BOOK}"):
            said = said.replace(f"'{name}'", f"'{self.name}'")
        return said


class BusyError(LeadsieveError):
    """So much waits to be scored that no more is taken."""


def check_columns(content: BinaryIO, name: str) -> None:
    """Raise UsageError for a file whose first line names more columns than any table of leads has: what reads
    it would take minutes.
    """
    line = content.read(FIRST_LINE).lstrip(b"\xef\xbb\xbf\r\n").partition(b"\n")[0].partition(b"\r")[0]
    content.seek(0)
    if max(line.count(mark) for mark in (b",", b";", b"\t", b"|")) >= MOST_COLUMNS:
        raise UsageError(
            f"the first line of '{name}' names more than {MOST_COLUMNS:,} columns; nothing was scored. Leave only those that the "
            "source has."
        )


def _forget_tables(_kind: object, error: BaseException | None, _frames: object) -> None:
    """Let go of what the code that failed held: as long as an upload is kept, its error is."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Uploads:
    """What a running desk was given to score; the newest are kept, and none outlives the desk."""

    def __init__(self, desk: Desk, champions: Champions) -> None:
        self.desk, self.champions = desk, champions
        self.kept: dict[str, Upload] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="upload")
        sweep_uploads(desk.home)

    @property
    def sources(self) -> tuple[str, ...]:
        """Addresses that may be scored, the source's own first."""
        own = self.desk.settings.source
        return tuple(dict.fromkeys([*([own.url] if own else []), *self.desk.settings.desk.sources]))

    def take(self, content: BinaryIO, name: str, *, who: str, ask: bool = False) -> Upload:
        """Begin with a file; one in words of its own waits until these are said, unless a list of the same columns
        was explained before. ``ask`` asks in any case.
        """
        check_columns(content, name[:100])
        upload = self._begun(name[:100], who)
        with ExitStack() as ending:
            folder = ending.enter_context(scratch_in(self.desk.home, begins=UPLOADS))
            book = name.lower().endswith(BOOK)
            given = folder / f"{GIVEN}{BOOK if book else '.csv'}"
            with given.open("wb") as out:
                shutil.copyfileobj(content, out)
            needed, found = self.needed(), None
            with suppress(LeadsieveError):  # what cannot be read is told as any other failure
                found = looked_at(given)
            clear = ending.pop_all().close
            if found is None or not (ask or book or is_strange(found, needed)):
                self._submit(upload, self.desk.settings, given.rename(folder / FILE), clear)
                return upload
            upload.asked = Asked(found, needed, guessed(found, needed), given, clear)
            upload.step = ASKING
            names = remembered(self.desk.home, found, needed)
            if not is_strange(found, needed) and not ask:
                there = {each.name for each in found.columns}
                names = {each.name: each.name if each.name in there else None for each in needed}
            if names is not None and not ask:
                self._explained(upload, names)
        return upload

    def explain(self, upload: Upload, names: Mapping[str, str | None]) -> None:
        """Say which columns of a list are which, remember it for lists of the same columns, and begin with it."""
        asked = upload.asked
        if asked is None:
            return
        there = {each.name for each in asked.list.columns}
        names = {
            each.name: column if (column := names.get(each.name)) in there else None for each in asked.needed
        }
        chosen = [column for column in names.values() if column]
        if twice := next((column for column in chosen if chosen.count(column) > 1), None):
            raise UsageError(f"the column '{twice}' is chosen twice; nothing was scored. Choose each once.")
        remember(self.desk.home, asked.list, names)
        self._explained(upload, names)

    def _explained(self, upload: Upload, names: dict[str, str | None]) -> None:
        asked, upload.asked, upload.step = upload.asked, None, STEPS[0]
        upload.names = {name: column for name, column in names.items() if name != column}
        target = asked.file.with_name(FILE)
        try:
            in_source_words(asked.file, names, target, needed=asked.needed)
        except LeadsieveError:
            asked.file.rename(target)
        self._submit(upload, self.desk.settings, target, asked.clear)

    def needed(self) -> tuple[Needed, ...]:
        """The source's columns that scores are made of."""
        live = self.champions.live
        scorer = live.champion.scorer
        attributes = [each.name for each in scorer.recipe.attributes if each.kind != "calendar"]
        words = {
            dict(column.arguments)["attribute"]: scorer.categories.get(column.name) or ()
            for column in scorer.recipe.columns
            if column.feature == "category"
        }
        return needed_columns(live.note.mapping["leads"], attributes, words)

    def take_source(self, number: int, *, who: str) -> Upload:
        """Begin with the leads of one of ``sources`` that still wait."""
        if not 0 <= number < len(self.sources):
            raise UsageError("there is no such source; nothing was scored.")
        url, settings = self.sources[number], self.desk.settings
        upload = self._begun(redacted(url), who)
        self._submit(
            upload,
            settings.model_copy(update={"source": settings.source.model_copy(update={"url": url})}),
            None,
            lambda: None,
        )
        return upload

    def _begun(self, name: str, who: str) -> Upload:
        if self.champions.live is None:
            if self.champions.trouble is None:
                raise BusyError(
                    "the version to score with is being loaded; nothing was taken. Try again in a minute."
                )
            raise UsageError(f"there is no version to score with: {self.champions.trouble}.")
        if sum(not each.done and not each.asked for each in self.kept.values()) >= MOST_WAITING:
            raise BusyError(
                f"{MOST_WAITING} files and sources wait to be scored; nothing was taken. Try again in a minute."
            )
        upload = Upload(secrets.token_urlsafe(12), name, who, self.desk.clock())
        self.kept[upload.key] = upload
        settled = [key for key, each in self.kept.items() if each.done or each.asked]
        for key in settled[: max(0, len(self.kept) - MOST_KEPT)]:
            if asked := self.kept.pop(key).asked:
                asked.clear()
        return upload

    def _submit(
        self, upload: Upload, settings: Settings, file: Path | None, clear: Callable[[], None]
    ) -> None:
        def tell(step: str) -> None:
            upload.step = step

        def over() -> None:
            upload.step = STEPS[-1]
            clear()

        def score() -> FileScores:
            with ExitStack() as ending:
                ending.callback(over)
                ending.push(_forget_tables)
                champion = self.champions.live.champion
                return score_apart(
                    settings, self.desk.home, champion, file=file, now=self.desk.clock(), tell=tell
                )

        upload.future = self._worker.submit(score)

    def close(self) -> None:
        """Begin with nothing further, and wait for what is being scored."""
        for each in self.kept.values():
            if each.asked:
                each.asked.clear()
        self._worker.shutdown(cancel_futures=True)

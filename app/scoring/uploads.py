"""Leads that marketing wants scored, of a file that was dropped or of a source, one after the other in the
background.
"""

import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.desk import Desk
from app.scoring.champion import Champions
from features.errors import LeadsieveError, UsageError, refused_by_the_system
from pipelines.addresses import redacted
from pipelines.files import scratch_in
from pipelines.flows.score_file import LOOKING, READING, SCORING, FileScores, score_apart
from pipelines.settings import Settings
from pipelines.store.erasure import UPLOADS, sweep_uploads

MOST_KEPT, MOST_WAITING = 20, 10
MOST_COLUMNS = 2_000
FIRST_LINE = 1_000_000  # bytes in which a file's first line ends
FILE = "leads.csv"  # how a file is called where it is put, whatever it calls itself
STEPS = ("waiting", READING, LOOKING, SCORING, "done")


@dataclass
class Upload:
    """One file or source, how far it has come, and what came of it."""

    key: str
    name: str
    who: str
    at: datetime
    step: str = STEPS[0]
    future: Future[FileScores] | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.future is not None and self.future.done()

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return STEPS.index(self.step) / (len(STEPS) - 1)

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
        return str(error).replace(f"'{FILE}'", f"'{self.name}'")


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

    def take(self, content: BinaryIO, name: str, *, who: str) -> Upload:
        """Begin with a file."""
        check_columns(content, name[:100])
        upload = self._begun(name[:100], who)
        with ExitStack() as ending:
            file = ending.enter_context(scratch_in(self.desk.home, begins=UPLOADS)) / FILE
            with file.open("wb") as out:
                shutil.copyfileobj(content, out)
            self._submit(upload, self.desk.settings, file, ending.pop_all().close)
        return upload

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
        if sum(not each.done for each in self.kept.values()) >= MOST_WAITING:
            raise BusyError(
                f"{MOST_WAITING} files and sources wait to be scored; nothing was taken. Try again in a minute."
            )
        upload = Upload(secrets.token_urlsafe(12), name, who, self.desk.clock())
        self.kept[upload.key] = upload
        for key in [key for key, each in self.kept.items() if each.done][
            : max(0, len(self.kept) - MOST_KEPT)
        ]:
            del self.kept[key]
        return upload

    def _submit(
        self, upload: Upload, settings: Settings, file: Path | None, clear: Callable[[], None]
    ) -> None:
        def tell(step: str) -> None:
            upload.step = step

        def score() -> FileScores:
            try:
                champion = self.champions.live.champion
                return score_apart(
                    settings, self.desk.home, champion, file=file, now=self.desk.clock(), tell=tell
                )
            finally:
                upload.step = STEPS[-1]
                clear()

        upload.future = self._worker.submit(score)

    def close(self) -> None:
        """Begin with nothing further, and wait for what is being scored."""
        self._worker.shutdown(cancel_futures=True)

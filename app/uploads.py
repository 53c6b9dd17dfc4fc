"""Files that marketing dropped, scored one after the other in the background."""

import secrets
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.champions import Champions
from app.desk import Desk
from features.errors import LeadsieveError, UsageError
from pipelines.filescores import FileScores, score_file

MOST_KEPT = 20
STEPS = ("waiting", "reading the source and the file", "looking up what is known of each lead", "scoring", "done")


@dataclass
class Upload:
    """One file, how far it has come, and what came of it."""

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
        """Why it failed, in words for whoever dropped the file."""
        error = self.future.exception() if self.done else None
        if error is None:
            return None
        return str(error) if isinstance(error, LeadsieveError) else "Something is wrong with Leadsieve itself, not with the file."


class Uploads:
    """The files of a running desk; the newest are kept, and none outlives the desk."""

    def __init__(self, desk: Desk, champions: Champions) -> None:
        self.desk, self.champions = desk, champions
        self.kept: dict[str, Upload] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="upload")

    def take(self, content: BinaryIO, name: str, *, who: str) -> Upload:
        """Begin with a file. Where it is put has a name of ours, whatever the file calls itself."""
        if self.champions.live is None:
            raise UsageError(f"there is no version to score with: {self.champions.trouble or 'it is being loaded'}.")
        upload = Upload(secrets.token_urlsafe(12), name[:100], who, self.desk.clock())
        folder = self.desk.home / "tmp" / f"upload-{upload.key}"
        folder.mkdir(parents=True)
        with (folder / "leads.csv").open("wb") as out:
            shutil.copyfileobj(content, out)
        self.kept[upload.key] = upload
        for key in [key for key, each in self.kept.items() if each.done][: max(0, len(self.kept) - MOST_KEPT)]:
            del self.kept[key]
        upload.future = self._worker.submit(self._score, upload, folder)
        return upload

    def _score(self, upload: Upload, folder: Path) -> FileScores:
        def tell(step: str) -> None:
            upload.step = step

        try:
            champion = self.champions.live.champion
            return score_file(self.desk.settings, self.desk.home, folder / "leads.csv", champion, now=self.desk.clock(), tell=tell)
        finally:
            upload.step = STEPS[-1]
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Begin with no further file, and wait for the one that is being scored."""
        self._worker.shutdown(cancel_futures=True)

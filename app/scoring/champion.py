"""Which version scores: the champion with the newest snapshot's histories, and whatever comes after them from
when it is loaded.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.scoring.realtime import LiveScorer
from features.errors import LeadsieveError
from models.policy.rules import Rule
from models.registry.published import Published
from models.registry.registry import Registry
from pipelines.version_files import load_champion

EVERY = 5.0  # seconds between looks at the registry: a new version is in use well within half a minute
AGAIN = 12  # looks after which something that could not be loaded is tried once more


@dataclass(frozen=True)
class Wanted:
    """What ought to be in use."""

    published: Published
    snapshot: Path
    written: int  # when, for whoever is forgotten is taken out of a snapshot, and has to leave the memory too


class Champions:
    """Keeps the version in use, and looks for a newer one.

    Scoring goes on with the one that is loaded until another one is ready; one that cannot be loaded takes
    nothing away.

    Parameters
    ----------
    registry : Registry
    files : sequence of Path
        The team's own files of features.
    rules : sequence of Rule
        Those of the configuration, which stand above the ones a version was made with.
    newest : function
        Gives the folder of the newest snapshot, None where there is none.
    every : float
        Seconds between looks.
    """

    def __init__(
        self,
        registry: Registry,
        files: Sequence[Path],
        newest: Callable[[], Path | None],
        *,
        rules: tuple[Rule, ...] = (),
        every: float = EVERY,
    ) -> None:
        self.registry = registry
        self.files = files
        self.newest = newest
        self.rules = rules
        self.every = every
        self.live: LiveScorer | None = None
        self.trouble: str | None = None
        self._loaded: Wanted | None = None
        self._failed: Wanted | None = None
        self._looks = 0
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="champion")

    def look(self) -> None:
        """Put what ought to be in use into use. Never raises: what went wrong is told in ``trouble``."""
        looked = self._loader.submit(self._look)
        error = looked.exception()  # of whatever kind: a version that nobody can load may break anything
        if error is not None:
            self.trouble = (
                str(error) if isinstance(error, LeadsieveError) else f"{type(error).__name__}: {error}"
            )

    def _look(self) -> None:
        published, snapshot = self.registry.in_force(), self.newest()
        if published is None or snapshot is None:
            self.trouble = "no version has been promoted" if published is None else "nothing has been pulled"
            return
        wanted, self._looks = (
            Wanted(published, snapshot, (snapshot / "snapshot.json").stat().st_mtime_ns),
            self._looks + 1,
        )
        if wanted == self._loaded:
            self.trouble = self._failed = None
        elif wanted != self._failed or self._looks % AGAIN == 0:
            self._failed = wanted
            loaded = self._loaded
            champion = (
                self.live.champion
                if loaded and loaded.published == published
                else load_champion(self.registry, self.files)
            )
            champion = replace(champion, policy=replace(champion.policy, rules=self.rules))
            if (
                loaded
                and replace(loaded, published=published) == wanted
                and self.live.champion.scorer.recipe == champion.scorer.recipe
            ):
                self.live = replace(
                    self.live, champion=champion
                )  # the same features of the same past, which are large, are there
            else:
                self.live = LiveScorer.of(champion, snapshot)
            self._loaded, self._failed, self.trouble = wanted, None, None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look now and then, in the background."""
        over = threading.Event()

        def watch() -> None:
            self.look()
            while not over.wait(self.every):
                self.look()

        thread = threading.Thread(target=watch, daemon=True, name="champions")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.close()

    def close(self) -> None:
        """Let go of what is loaded."""
        self._loader.shutdown()
        if self.live is not None:
            self.live.close()
            self.live = None

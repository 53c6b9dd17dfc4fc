"""A notebook's one line of set-up: what to read, as of when, and libraries that keep everything in one home
folder.
"""

import atexit
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.options import moment_of, running
from pipelines.environment import home_folder

if TYPE_CHECKING:
    from models.dataset import LearningSet
    from pipelines.settings import Settings
    from pipelines.sources.snapshots import Snapshot


@dataclass(frozen=True)
class Bench:
    """What flows ask for first, ``check_source(*bench)``: the settings, the home folder and the moment."""

    settings: "Settings"
    home: Path
    as_of: datetime

    def __iter__(self) -> Iterator[Any]:
        return iter((self.settings, self.home, self.as_of))

    def pull(self) -> "Snapshot":
        """The source's tables as they were known at the moment, kept as a snapshot."""
        from pipelines.sources.snapshots import pull

        return pull(self.settings.source, self.settings.label, home=self.home, until=self.as_of)

    def learning(self) -> "LearningSet":
        """Every lead as it was known at its own as-of time, and what became of it."""
        from pipelines.flows.dataset import learning_set

        with closing(self.pull()) as snapshot:
            return learning_set(snapshot.tables, self.settings)


def bench(
    source: str | None = None,
    *,
    config: str | Path | None = None,
    home: str | Path | None = None,
    as_of: str | None = None,
    **sections: dict[str, Any],
) -> Bench:
    """Set a notebook up.

    Parameters
    ----------
    source : str, optional
        An address such as "files:exports", which wins over the configuration's.
    config, home, as_of
        As on the command line. Until the kernel ends "now" is when it was first asked.
    **sections
        Keys that win over the configuration's, such as ``policy={"max_lost_share": 0.1}``.
    """
    folder = home_folder(None if home is None else Path(home))
    now = _library_time(folder)

    from pipelines.settings import load_settings

    where = {} if source is None else {"source": {"url": source}}
    settings = load_settings(None if config is None else Path(config), {**sections, **where})
    return Bench(settings, folder, moment_of(as_of, now))


@cache
def _library_time(home: Path) -> datetime:
    """When the libraries were set up to keep everything in a home, which they do until the kernel ends."""
    warnings.filterwarnings(
        "ignore", "IProgress not found"
    )  # MLflow's progress bars do without Jupyter's widgets
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(running(home, quiet=True))

"""What a person sees while a long step runs: one line a step, a bar where the length is known, all on
standard error.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

Advance = Callable[[int, int], None]
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def hushed() -> Iterator[None]:
    """No progress at all inside: for callers that read our output."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


@dataclass
class Stopwatch:
    """Shows the step that runs and keeps how long each took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, words: str) -> Iterator[Advance]:
        """Run one named step; call what it yields with (done, total) to move its bar."""
        console = Console(stderr=True, quiet=_quiet.get(), force_jupyter=False)
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        begun = time.perf_counter()
        with Progress(*columns, console=console) as bars:
            task = bars.add_task(words, total=1)
            yield lambda done, total: bars.update(task, completed=done, total=total)
            bars.update(task, completed=bars.tasks[0].total)
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - begun, 2)

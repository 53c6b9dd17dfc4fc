"""Run a leadsieve command; on a line after its own output, say how many seconds of it went into deciding
rather than predicting.

    python -m benchmarks.deciding train --config … --json

That is to certify the cut, to draw the arms, and to learn and apply what leads are worth: everything that a
mere score does without.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from pipelines.cli.main import main
from pipelines.progress import Stopwatch

DECIDING = {
    "models.training": ("withhold", "realised_margins", "fit_economics", "policy_of"),
    "models.policy.decisions": ("widened", "_cuts", "_week"),
    "models.policy.arms": ("Arms.draw", "Arms.propensity"),
}


class Meter:
    """Adds up the seconds inside some functions; inside several at once they count once."""

    def __init__(self) -> None:
        self.seconds, self.inside, self.laid = 0.0, False, False

    def lay(self) -> None:
        """Measure from now on, wherever the functions have been imported by now."""
        for module, names in DECIDING.items():
            for owner, _, name in (path.rpartition(".") for path in names):
                if home := sys.modules.get(module):
                    home = getattr(home, owner) if owner else home
                    setattr(home, name, self.measured(getattr(home, name)))
        self.laid = True

    def measured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            if self.inside:
                return function(*args, **named)
            self.inside, begun = True, time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                self.inside = False
                self.seconds += time.perf_counter() - begun

        return call


def run(argv: list[str]) -> int:
    """The command, measured from its first step on: only then has all been imported that it calls, in the
    order that it wants.
    """
    meter, step = Meter(), Stopwatch.step

    def first_lay(watch: Stopwatch, name: str, words: str) -> Any:
        if not meter.laid:
            meter.lay()
        return step(watch, name, words)

    Stopwatch.step = first_lay
    code = main(argv)
    print(json.dumps({"deciding": meter.seconds}))
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

"""What a look at the champion found, and the JSON that people script on."""

from dataclasses import dataclass
from typing import Any

from models.health import Health
from models.hints import Hint
from models.recheck import Recheck
from models.watch import Watch
from pipelines.results import plain
from pipelines.retrain import Retrained


@dataclass(frozen=True)
class MonitorReport:
    """The champion watched; ``retrained`` is None where nothing was trained."""

    version: str
    as_of: str | int | None
    decided: int
    health: Health
    watches: dict[str, Watch]
    hints: tuple[Hint, ...]
    promise: Recheck | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    retrained: Retrained | None = None

    def to_json(self) -> dict[str, Any]:
        """The ``monitor`` object of the interface."""
        return plain(
            {
                "verdict": self.health.word,
                "reasons": self.health.reasons,
                "steps": self.health.steps,
                "version": self.version,
                "as_of": self.as_of,
                "decided": self.decided,
                "alarms": [each.to_json() for found in self.watches.values() for each in found.alarms],
                "nearly": [each.to_json() for found in self.watches.values() for each in found.nearly],
                "hints": [hint.to_json() for hint in self.hints],
                "promise": self.promise and self.promise.to_json(),
                "watched": {name: found.to_json() for name, found in self.watches.items()},
                "retrained": self.retrained and self.retrained.to_json(),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )

"""The demonstration: made-up leads go the whole way, from raw tables to a queue that can be read."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.flows.promote import Promotion, promote_version
from pipelines.flows.register import TrainingReport
from pipelines.flows.score import ScoringReport, score_leads
from pipelines.flows.train import train_leads
from pipelines.reports import summaries
from pipelines.settings import Settings


@dataclass(frozen=True)
class Tour:
    """What the three commands of the main job gave."""

    home: Path
    trained: TrainingReport
    promoted: Promotion
    scored: ScoringReport

    def to_json(self) -> dict[str, Any]:
        """The three objects by command."""
        return {
            "train": self.trained.to_json(),
            "promote": self.promoted.to_json(),
            "score": self.scored.to_json(),
        }

    def words(self) -> str:
        """Markdown to read in the terminal."""
        return summaries.demo(self.to_json(), self.scored.decisions, self.home)


def run(settings: Settings, home: Path, as_of: datetime) -> Tour:
    """Train, promote and score as of one moment."""
    trained = train_leads(settings, home, as_of)
    promoted = promote_version(
        settings, home, as_of, version=trained.version or "challenger", why="the demonstration"
    )
    scored = score_leads(settings, home, as_of, output=home / "decisions.csv")
    return Tour(home=home, trained=trained, promoted=promoted, scored=scored)

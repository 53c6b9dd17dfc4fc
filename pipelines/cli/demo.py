"""The demonstration: made-up leads go the whole way, from raw tables to a queue that can be read."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.serialization import plain
from pipelines.files import replaced
from pipelines.flows.promote import Promotion, promote_version
from pipelines.flows.register_version import TrainingReport
from pipelines.flows.score import ScoringReport, score_leads
from pipelines.flows.train import train_leads
from pipelines.reports import summaries
from pipelines.settings import load_settings

CONFIG = """\
# The demonstration's market: the same made-up leads on every machine, moved so that they end as this day begins.
[source]
url = "simulated:?end={day}"

[desk]
currency = "€"

[alignment.teams]
North = ["rep-01", "rep-02", "rep-03", "rep-04"]
East = ["rep-05", "rep-06", "rep-07", "rep-08"]
South = ["rep-09", "rep-10", "rep-11", "rep-12"]
"""


@dataclass(frozen=True)
class Tour:
    """What the three commands of the main job gave."""

    home: Path
    config: Path
    trained: TrainingReport
    promoted: Promotion
    scored: ScoringReport

    def to_json(self) -> dict[str, Any]:
        """The three objects by command."""
        return {
            "train": self.trained.to_json(),
            "promote": plain(self.promoted),
            "score": self.scored.to_json(),
        }

    def words(self) -> str:
        """Markdown to read in the terminal."""
        return summaries.demo(self.to_json(), self.scored.decisions, self.home, self.config)


def run(home: Path, as_of: datetime) -> Tour:
    """Train, promote and score as of one moment, on a market whose leads are of these days.

    A home where that was done before keeps the market of that day, for its leads have been decided.
    """
    config = home / "leadsieve.toml"
    if not config.exists():
        with replaced(config) as draft:
            draft.write_text(CONFIG.format(day=as_of.date()), encoding="utf-8")
    settings = load_settings(config)
    trained = train_leads(settings, home, as_of)
    promoted = promote_version(
        settings, home, as_of, version=trained.version or "challenger", why="the demonstration"
    )
    scored = score_leads(settings, home, as_of, output=home / "decisions.csv")
    return Tour(home=home, config=config, trained=trained, promoted=promoted, scored=scored)

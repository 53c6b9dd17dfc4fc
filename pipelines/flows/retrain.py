"""Training anew and, if the rule excludes harm, promoting: what an alarm and a schedule do without a person."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.errors import LeakError, TooLittleDataError
from pipelines.flows.promote import Promotion, promote_version
from pipelines.flows.train import train_leads
from pipelines.settings import Settings

WHO = "leadsieve"


@dataclass(frozen=True)
class Retrained:
    """What came of it: the version that was trained, whether it is the champion now, and why or why not."""

    verdict: str
    version: str | None
    promotion: Promotion | None
    reasons: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether it is the champion now."""
        return self.promotion is not None and self.promotion.promoted

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it."""
        return {
            "verdict": self.verdict,
            "version": self.version,
            "promoted": self.promoted,
            "reasons": list(self.reasons),
        }


def retrain(
    settings: Settings, home: Path, as_of: datetime, *, why: str = "the monitor's alarm"
) -> Retrained:
    """Run the training flow, then the promotion flow, which promotes only by its rule. A training that is
    refused is told, not raised.
    """
    try:
        trained = train_leads(settings, home, as_of)
    except (LeakError, TooLittleDataError) as error:
        return Retrained("nothing trained", None, None, (str(error),))
    if trained.version is None:
        return Retrained(
            trained.evaluation.verdict.word, None, None, tuple(trained.evaluation.verdict.reasons)
        )
    promotion = promote_version(settings, home, as_of, version=trained.version, who=WHO, why=why)
    return Retrained(trained.evaluation.verdict.word, trained.version, promotion, promotion.reasons)

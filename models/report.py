"""What is told of one judged model: its figures, its verdict, and both as the JSON that people script on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.baselines import BASELINES
from models.bootstrap import number
from models.judging import Figures
from models.verdict import Verdict

ESTIMATES = {
    "auc": "auc",
    "average_precision": "average_precision",
    "lift_at_10_percent": "lift",
    "log_loss": "log_loss",
    "brier": "brier",
    "calibration_ratio": "calibration_ratio",
}


@dataclass(frozen=True)
class ModelReport:
    """One model judged.

    Attributes
    ----------
    settled, positives : int
        Leads whose whole horizon has been seen, in training and judging together, and those among them with the outcome.
    figures, newest : Figures or None
        In the blocks, and on the newest leads as a whole.
    verdict : Verdict
    best_column : str or None
        The column that alone ranked best before the newest leads.
    judged, judged_newest : DataFrame
        What the figures were computed from: ``lead_id, account_id, as_of, block, outcome, p`` and a column per baseline.
    """

    settled: int
    positives: int
    figures: Figures | None
    newest: Figures | None
    verdict: Verdict
    best_column: str | None
    judged: pd.DataFrame
    judged_newest: pd.DataFrame

    def to_json(self, moment: Callable[[pd.Timestamp], Any] = pd.Timestamp.isoformat) -> dict[str, Any]:
        """The interface's ``M``; what cannot be had is null. ``moment`` words the ends of blocks."""
        figures = self.figures
        estimates = {name: None if figures is None else getattr(figures, source).to_json() for name, source in ESTIMATES.items()}
        blocks = [] if figures is None else figures.blocks
        return {
            "settled": self.settled,
            "positives": self.positives,
            "base_rate": self.positives / self.settled if self.settled else None,
            **estimates,
            "slope": None if figures is None else number(figures.slope),
            "ece": None if figures is None else number(figures.ece),
            "judged": None if figures is None else {"rows": figures.rows, "positives": figures.positives},
            "blocks": [
                {
                    "from": moment(block.start),
                    "to": moment(block.end),
                    "rows": block.rows,
                    "positives": block.positives,
                    "auc": number(block.auc.value),
                    "auc_low": number(block.auc.low),
                    "auc_high": number(block.auc.high),
                    "average_precision": number(block.average_precision),
                    "calibration_ratio": number(block.calibration_ratio),
                }
                for block in blocks
            ],
            "baselines": {name: None if figures is None else self._baseline(figures, name) for name in BASELINES},
            "newest": self._newest(),
            "verdict": self.verdict.word,
            "reasons": list(self.verdict.reasons),
        }

    def _baseline(self, figures: Figures, name: str) -> dict[str, Any]:
        rival = figures.baselines[name]
        worded = {
            "auc": rival.auc.to_json(),
            "average_precision": rival.average_precision.to_json(),
            "lift_at_10_percent": rival.lift.to_json(),
            "log_loss": rival.log_loss.to_json(),
            "ahead": rival.ahead.to_json(),
        }
        return worded | {"column": self.best_column} if name == "best_column" else worded

    def _newest(self) -> dict[str, Any] | None:
        newest = self.newest
        if newest is None:
            return None
        return {
            "rows": newest.rows,
            "positives": newest.positives,
            "auc": newest.auc.to_json(),
            "lift_at_10_percent": newest.lift.to_json(),
            "calibration_ratio": newest.calibration_ratio.to_json(),
            "baselines": {name: {"auc": rival.auc.to_json()} for name, rival in newest.baselines.items()},
        }

"""Figures into one word, with the reasons a person needs to believe it.

*Too little data*: fewer than 30 leads with the outcome or 30 without, or not even two blocks of time to judge
in. *No better than chance*: the interval of the AUC reaches down to .52, both within blocks and on the newest
leads, so that whoever followed the score could as well have drawn lots (an AUC of .52 makes the best tenth
about 7 % better than any other). *Weak*: within-block AUC below .6, or a baseline ranks better (the paired
interval of the difference lies above zero), or the mean prediction is more than a quarter off, or saying the
base rate to everyone loses less. *Ready*: none of these.

A model is judged on how it ranks first, because a drifting base rate spoils probabilities (they can be set
right) and not ranks.

What is told of one judged model: its figures, its verdict, and both as the JSON that people script on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from features.labels import JUDGED
from features.serialization import plain
from models.evaluation.baselines import BASELINES
from models.evaluation.performance import BaselineFigures, Figures
from models.evaluation.uncertainty import Estimate
from models.scoring.scorer import Score

Word = Literal["ready", "weak", "no better than chance", "too little data"]

FEWEST_OF_EACH = 30
FEWEST_BLOCKS = 2
CHANCE = 0.52
WEAK = 0.6
CALIBRATED = (0.8, 1.25)
USELESS = ("no better than chance", "too little data")
ORDER = {"p_both": ("both", "pursue"), "p_convert": ("convert", "both", "pursue")}  # the wanted one first
FEWEST_WINS = 40  # with fewer, there is too little to choose by
MOST_TIMES = 10  # as many wins are too far off to be foreseen

NAMES = {
    "base_rate": "the base rate",
    "newest_first": "newest first",
    "best_column": "the best single column",
    "logistic": "logistic regression",
    "naive_bayes": "the CRM's naive Bayes",
}
ESTIMATES = {
    "auc": "auc",
    "average_precision": "average_precision",
    "lift_at_10_percent": "lift",
    "log_loss": "log_loss",
    "brier": "brier",
    "calibration_ratio": "calibration_ratio",
}


@dataclass(frozen=True)
class Verdict:
    """One of four words, and why in sentences."""

    word: Word
    reasons: tuple[str, ...]


def verdict_of(
    figures: Figures | None, newest: Figures | None = None, *, settled: int = 0, positives: int = 0
) -> Verdict:
    """Judge a model from its figures in blocks and on the newest leads, which are None where it could not be
    judged at all.

    ``settled`` and ``positives`` count all leads whose outcome is known, judged or not.
    """
    if settled and positives in (0, settled):
        said = "not one has" if not positives else "every one has"
        return Verdict(
            "too little data",
            (f"Of {settled:,} settled leads {said} the outcome: there is nothing to tell apart.",),
        )
    if figures is None:
        return Verdict(
            "too little data",
            ("There were not two blocks of time with 10 leads of each outcome to judge in.",),
        )
    negatives = figures.rows - figures.positives
    few = []
    if min(figures.positives, negatives) < FEWEST_OF_EACH:
        few.append(
            f"Only {figures.positives} leads with the outcome and {negatives} without could be judged; {FEWEST_OF_EACH} of each are needed."
        )
    if len(figures.blocks) < FEWEST_BLOCKS:
        few.append(f"Only {len(figures.blocks)} block of time could be judged; {FEWEST_BLOCKS} are needed.")
    if few:
        return Verdict("too little data", tuple(few))
    area = figures.auc
    by_chance = not area.low > CHANCE
    if by_chance and not (newest and newest.auc.low > CHANCE):
        return Verdict(
            "no better than chance",
            (f"Its AUC is {_with_interval(area)}, which cannot be told from {CHANCE} or less.",),
        )
    faults = weaknesses(area, figures.calibration_ratio, figures.log_loss, figures.baselines)
    if by_chance:
        faults = (
            f"Over all of the newest leads its AUC is {_with_interval(newest.auc)}, but within blocks it is no better than chance.",
            *faults,
        )
    if faults:
        return Verdict("weak", faults)
    return Verdict("ready", (f"Its AUC is {_with_interval(area)}, and no baseline ranks better.",))


def weaknesses(
    area: Estimate, calibration_ratio: Estimate, log_loss: Estimate, baselines: Mapping[str, BaselineFigures]
) -> tuple[str, ...]:
    """Everything that keeps a model which does learn something from being ready, one sentence each."""
    faults = []
    if area.value < WEAK:
        faults.append(f"Its AUC is {_with_interval(area)}, below {WEAK}.")
    for name, rival in baselines.items():
        if rival.ahead.low > 0:
            faults.append(
                f"{_capital(NAMES[name])} ranks better: AUC {rival.auc.value:.3f} against the model's {area.value:.3f}."
            )
    low, high = CALIBRATED
    if not low <= calibration_ratio.value <= high:
        faults.append(
            f"Its mean prediction is {calibration_ratio.value:.2f} times the share that came true; {low} to {high} would do."
        )
    base = baselines.get("base_rate")
    if base is not None and base.log_loss.value <= log_loss.value:
        faults.append(
            f"Saying the base rate to everyone loses less: log-loss {base.log_loss.value:.4f} against {log_loss.value:.4f}."
        )
    return tuple(faults)


@dataclass(frozen=True)
class Choice:
    """The chance that is the score, and the verdict of the training run, which is that of this chance."""

    score: Score
    verdict: Verdict


def choose(reports: Mapping[str, "ModelReport | None"], wanted: Score) -> Choice:
    """What is judged is what is used: the wanted chance, or the next best one where it is no better than chance.

    Whoever cannot tell which of the leads that sales took up are won may still tell who is taken up and won,
    or who is taken up. The verdict then says what the score is instead, and how many more wins are missing.

    Parameters
    ----------
    reports : mapping
        "pursue", "convert" and "both" to what was found of them.
    wanted : "p_both" or "p_convert"
    """
    known = {name: report for name, report in reports.items() if report is not None}
    if len(known) < 3:
        alone = "convert" if known.get("convert") or "pursue" not in known else "pursue"
        verdict = (
            known[alone].verdict
            if alone in known
            else Verdict("too little data", ("No outcome could be learned from.",))
        )
        return Choice(f"p_{alone}", verdict)
    order = ORDER[wanted] if known["convert"].positives >= FEWEST_WINS else ORDER[wanted][:1]
    name = next((each for each in order if known[each].verdict.word not in USELESS), order[0])
    verdict, convert = known[name].verdict, known["convert"]
    if name != "convert" and verdict.word not in USELESS and convert.verdict.word in USELESS:
        lacking = more_wins(convert)
        told = (
            f"The score is the chance of {JUDGED[name].about}: of leads that sales took up it cannot tell yet which are won "
            f"({convert.verdict.word}); {lacking}."
        )
        verdict = Verdict(verdict.word, (told, *verdict.reasons))
    return Choice(f"p_{name}", verdict)


def more_wins(report: "ModelReport") -> str:
    """How many more wins would tell a model from chance, as far as can be foreseen: its interval narrows with the
    square root of their number.
    """
    found = report.figures
    if found is None or min(found.positives, found.rows - found.positives) < FEWEST_OF_EACH:
        judged = 0 if found is None else found.positives
        return f"about {_rounded(2 * max(FEWEST_OF_EACH - judged, FEWEST_OF_EACH / 3))} more wins are needed to judge it"
    ahead, width = found.auc.value - CHANCE, found.auc.value - found.auc.low
    if not ahead > 0 or (width / ahead) ** 2 > MOST_TIMES:
        return "nothing says yet that more wins would change that"
    needed = report.positives * max((width / ahead) ** 2 - 1, 0.1)
    return f"about {_rounded(needed)} more wins would tell, if it goes on as it does"


def _rounded(count: float) -> str:
    """A number as people say it: of two digits, up to a multiple of ten."""
    step = 10 ** max(len(str(int(count))) - 2, 1)
    return f"{int(-(-count // step) * step):,}"


def _with_interval(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


@dataclass(frozen=True)
class ModelReport:
    """One model judged.

    Attributes
    ----------
    settled, positives : int
        Leads whose whole horizon has been seen, in training and judging together, and those among them with
        the outcome.
    figures, newest : Figures or None
        In the blocks, and on the newest leads as a whole.
    verdict : Verdict
    best_column : str or None
        The column that alone ranked best before the newest leads.
    judged, judged_newest : DataFrame
        What the figures were computed from: ``lead_id, account_id, as_of, block, outcome, p`` and a column
        per baseline.
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
        estimates = {
            name: None if figures is None else getattr(figures, source) for name, source in ESTIMATES.items()
        }
        blocks = [] if figures is None else figures.blocks
        return plain(
            {
                "settled": self.settled,
                "positives": self.positives,
                "base_rate": self.positives / self.settled if self.settled else None,
                **estimates,
                "slope": None if figures is None else figures.slope,
                "ece": None if figures is None else figures.ece,
                "judged": None if figures is None else {"rows": figures.rows, "positives": figures.positives},
                "blocks": [
                    {
                        "from": moment(block.start),
                        "to": moment(block.end),
                        "rows": block.rows,
                        "positives": block.positives,
                        "auc": block.auc.value,
                        "auc_low": block.auc.low,
                        "auc_high": block.auc.high,
                        "average_precision": block.average_precision,
                        "calibration_ratio": block.calibration_ratio,
                    }
                    for block in blocks
                ],
                "baselines": {
                    name: None if figures is None else self._baseline(figures, name) for name in BASELINES
                },
                "newest": self._newest(),
                "verdict": self.verdict.word,
                "reasons": self.verdict.reasons,
            }
        )

    def _baseline(self, figures: Figures, name: str) -> dict[str, Any]:
        rival = figures.baselines[name]
        worded = {
            "auc": rival.auc,
            "average_precision": rival.average_precision,
            "lift_at_10_percent": rival.lift,
            "log_loss": rival.log_loss,
            "ahead": rival.ahead,
        }
        return worded | {"column": self.best_column} if name == "best_column" else worded

    def _newest(self) -> dict[str, Any] | None:
        newest = self.newest
        if newest is None:
            return None
        return {
            "rows": newest.rows,
            "positives": newest.positives,
            "auc": newest.auc,
            "average_precision": newest.average_precision,
            "lift_at_10_percent": newest.lift,
            "calibration_ratio": newest.calibration_ratio,
            "baselines": {
                name: {
                    "auc": rival.auc,
                    "average_precision": rival.average_precision,
                }
                for name, rival in newest.baselines.items()
            },
        }

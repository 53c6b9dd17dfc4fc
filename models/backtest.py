"""The past replayed: what the filter would have held of the leads that came after each training, and what
that would have cost.

For every past span of time a version is trained as of its beginning, certified, and asked about the leads
that then arrived. No arm is drawn and no filter had run: every win of those leads is there to be counted.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from features.outcomes import realised_margins
from models.dataset import LearningSet
from models.evaluation.baselines import opinions
from models.evaluation.evaluate import evaluate
from models.evaluation.settings import EvaluationPlan
from models.policy.decisions import decide_all
from models.policy.policy import HOLD
from models.policy.rules import tolls
from models.policy.settings import PolicySettings
from models.survival.hazard import HazardParameters
from models.training import Challenger, fit_challenger

RIVALS = ("newest_first", "best_column", "logistic", "naive_bayes")
By = Literal["month", "week"]
BLOCKS = 2  # of the evaluation that calibrates


@dataclass(frozen=True)
class Span:
    """One past span of time, ``start`` up to ``end``."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Replayed:
    """What the filter would have done to the leads of a span.

    Attributes
    ----------
    start, end : datetime
    leads, taken_up : int
        Leads that arrived, and those of them that sales took up: its own choice. None where the source cannot
        tell.
    customers, margin
        Of those leads as far as known today, within the horizon; margin None where no margin is known.
    open : int
        Leads that may still become customers.
    basis, cut, wins, why
        Of the policy: whose cut, the cut, how many wins it was certified on, the promise in words.
    held, held_taken_up : int
        Leads the filter would have held, and those of them that sales worked.
    lost, lost_margin
        Customers among the held, and what they brought.
    rivals : dict
        Customers lost by baselines that hold as many leads; "random" is what chance would lose.
    rules : tuple of dict
        What each rule did, as ``models.policy.rules.RuleToll`` has it. ``held`` and ``lost`` count it, too.
    """

    start: datetime
    end: datetime
    leads: int
    taken_up: int | None
    customers: int
    margin: float | None
    open: int
    basis: str
    cut: float | None
    wins: int
    why: str
    held: int
    held_taken_up: int | None
    lost: int
    lost_margin: float | None
    rivals: dict[str, float]
    rules: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """With times as text; ``from_json`` reads it back."""
        return {**self.__dict__, "start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Replayed":
        """What ``to_json`` wrote."""
        return cls(
            **{
                **values,
                "start": datetime.fromisoformat(values["start"]),
                "end": datetime.fromisoformat(values["end"]),
                "rules": tuple(values["rules"]),
            }
        )


def calendar(learning: LearningSet, number: int, *, by: By = "month") -> tuple[Span, ...]:
    """The last calendar months or weeks with leads, oldest first, none in the first quarter of the time that
    the leads span.
    """
    first, last = learning.frame["as_of"].min(), learning.frame["as_of"].max()
    step = pd.offsets.MonthBegin(1) if by == "month" else pd.offsets.Week(1, weekday=0)
    ends = pd.date_range(end=last.normalize() + step, periods=number + 1, freq=step)
    ends = ends[ends >= first + (last - first) / 4]
    return tuple(Span(start.to_pydatetime(), end.to_pydatetime()) for start, end in pairwise(ends))


def parts(learning: LearningSet, number: int) -> tuple[Span, ...]:
    """The newer half of the leads in equal numbers, for sources in which row order is the only time."""
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    cuts = np.linspace(len(as_of) // 2, len(as_of) - 1, number + 1).astype(int)
    times = pd.to_datetime(as_of[cuts])
    return tuple(Span(start.to_pydatetime(), end.to_pydatetime()) for start, end in pairwise(times))


def replay(
    learning: LearningSet,
    span: Span,
    plan: EvaluationPlan,
    parameters: HazardParameters,
    settings: PolicySettings,
    **wording: Any,
) -> Replayed:
    """Train as of the span's start, decide the leads that then arrived, and count what became of them.

    The columns are those of today's recipe; their values are as they were. Where there was too little to
    learn from at the start, the filter holds nobody and says so.
    """
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    arrived = (as_of >= np.datetime64(span.start, "us")) & (as_of < np.datetime64(span.end, "us"))
    rows = np.flatnonzero(arrived)
    fate = learning.labels("convert")
    won = (fate.outcome == 1)[rows]
    taken_up = (
        learning.fates["accepted_at"].notna().to_numpy()[rows] if "accepted" in learning.stages else None
    )
    margins = realised_margins(learning.fates, settings.margin_share)[rows]
    known = learning.until(span.start)
    try:
        challenger = _trained(known, plan, parameters, settings, **wording)
    except TooLittleDataError as error:
        held, policy, why, wins = np.zeros(len(rows), bool), None, str(error), 0
        ruled = ()
    else:
        policy, why, wins = challenger.policy, challenger.policy.promise.why, challenger.policy.promise.wins
        everybody = replace(policy, arms=replace(policy.arms, pass_through=0.0, forced=0.0))
        decided = decide_all(
            challenger.scorer,
            everybody,
            learning.frame.iloc[rows],
            version="",
            with_reasons=0,
            taken_days=learning.taken_days[rows],
        )
        held = (decided["action"] == HOLD).to_numpy()
        worked = np.zeros(len(rows), bool) if taken_up is None else taken_up
        ruled = tolls(decided, won, worked, hours_per_lead=settings.hours_per_lead)
    has_margin = np.isfinite(margins[won]).any()
    return Replayed(
        start=span.start,
        end=span.end,
        leads=len(rows),
        taken_up=None if taken_up is None else int(taken_up.sum()),
        customers=int(won.sum()),
        margin=float(np.nansum(margins[won])) if has_margin else None,
        open=int(fate.open[rows].sum()),
        basis="none" if policy is None else policy.basis,
        cut=None if policy is None else policy.cut,
        wins=wins,
        why=why,
        held=int(held.sum()),
        held_taken_up=None if taken_up is None else int((held & taken_up).sum()),
        lost=int((held & won).sum()),
        lost_margin=float(np.nansum(margins[held & won])) if has_margin else None,
        rivals=_rivals(known, learning.frame.iloc[rows], won, int(held.sum())),
        rules=tuple(asdict(each) for each in ruled),
    )


def _trained(
    known: LearningSet, plan: EvaluationPlan, parameters: HazardParameters, settings: PolicySettings, **wording: Any
) -> Challenger:  # fmt: skip
    evaluation = evaluate(
        known, replace(plan, blocks=min(plan.blocks, BLOCKS)), parameters, score=settings.score, brief=True
    )
    return fit_challenger(known, evaluation, parameters, settings, **wording)


def _rivals(known: LearningSet, leads: pd.DataFrame, won: np.ndarray, held: int) -> dict[str, float]:
    """Customers that baselines would have lost by holding as many leads; ties at their cut are shared evenly."""
    labels = known.labels("convert")
    told = np.flatnonzero(labels.judged)
    lost = {"random": held * float(won.mean()) if len(won) else 0.0}
    if not held or len(np.unique(labels.outcome[told])) < 2:
        return lost | {name: lost["random"] for name in RIVALS}
    said = opinions(
        known.frame.iloc[told], labels.outcome[told], leads, [column.name for column in known.recipe.columns]
    )
    return lost | {name: _lost(said.scores[name], won, held) for name in RIVALS}


def _lost(score: np.ndarray, won: np.ndarray, held: int) -> float:
    edge = np.partition(score, held - 1)[held - 1]
    below, at = score < edge, score == edge
    return float(won[below].sum() + (held - below.sum()) * won[at].mean())

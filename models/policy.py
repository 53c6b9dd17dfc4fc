"""What is done with a score: hand a lead off to sales, or hold it back. A cut is fixed at training and kept with the model."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from features.errors import TooLittleDataError

HAND_OFF, HOLD = "hand off", "hold"

Score = Literal["p_pursue", "p_convert", "p_both"]
Share = Annotated[float, Field(ge=0, lt=1)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class PolicySettings:
    """The [policy] section.

    ``hold_share``, the lowest-scored share of leads that is held, decides the cut. The others describe the promise a certified filter
    makes and what leads cost: ``max_lost_share`` of customers with ``confidence``, the share of accounts that pass through whatever their
    score, ``cost_per_lead`` in the currency of amounts, ``weekly_capacity`` in leads.
    """

    hold_share: Share = 0.2
    max_lost_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    pass_through: Share | None = None
    cost_per_lead: Annotated[float, Field(ge=0)] | None = None
    weekly_capacity: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True)
class Policy:
    """Hold a lead iff its ``score`` is strictly below ``cut``.

    ``held_share`` is the share of the leads the cut was fixed on that it would have held; ``promise`` says what the filter can lose, None
    where nothing is promised.
    """

    cut: float
    held_share: float
    score: Score = "p_convert"
    promise: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the interface shows it, and as ``from_json`` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Policy":
        """The policy that ``to_json`` wrote."""
        return cls(**values)


def fixed_cut(scores: np.ndarray, settings: PolicySettings, *, score: Score = "p_convert") -> Policy:
    """The highest cut that holds at most ``hold_share`` of these leads: equal scores are decided alike, so it may hold fewer.

    Parameters
    ----------
    scores : array of float, shape (n,)
        Forward scores on the scale of the final fit; NaN is passed over.
    settings : PolicySettings
    score : str
        Which score they are.

    Raises
    ------
    TooLittleDataError
        Without a single score.

    Examples
    --------
    >>> fixed_cut(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), PolicySettings(hold_share=0.4))
    Policy(cut=0.3, held_share=0.4, score='p_convert', promise=None)
    """
    known = np.sort(scores[np.isfinite(scores)])
    if not len(known):
        raise TooLittleDataError("no lead has a forward score; no cut was fixed.")
    # A share such as .7 of 10 leads is 7, whatever binary fractions make of it.
    held = int(np.floor(settings.hold_share * len(known) + 1e-9))
    cut = float(known[held])
    return Policy(cut=cut, held_share=float(np.mean(known < cut)), score=score)


def decide(scores: pd.DataFrame, policy: Policy) -> np.ndarray:
    """ "hand off" or "hold" for every row, by the score the policy names; a lead without that score is handed off."""
    return np.where(scores[policy.score].to_numpy(float) < policy.cut, HOLD, HAND_OFF).astype(object)

"""What is done with a score: hand a lead off to sales, or hold it back. Fixed at training and kept with the
model.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np

from features.serialization import dump, plain
from models.policy.arms import Arms
from models.policy.economics import Economics
from models.policy.risk_control import Promise
from models.policy.rules import Rule, RuleCost

HAND_OFF, HOLD = "hand off", "hold"

Basis = Literal["certified", "configured", "none"]


@dataclass(frozen=True)
class Policy:
    """Hold a lead of the policy arm iff its score is strictly below the cut in force.

    Attributes
    ----------
    cut : float or None
        None holds nobody.
    basis : "certified", "configured" or "none"
        Whose cut it is. A lead's cut in force is the smaller of this and the one that its own value gives.
    held_share : float
        Of the newest leads before training ended, the share with a score below ``cut``.
    promise : Promise
        What the filter can lose, or why nothing is promised.
    arms : Arms
    economics : Economics or None
        What a lead is worth; None where nothing is known of it.
    rules : tuple of Rule
        What stands above the score, as far as the version reads what it asks for.
    rule_costs : tuple of RuleCost
        What each of them did to the leads that were learned from.
    """

    cut: float | None
    basis: Basis
    held_share: float
    promise: Promise
    arms: Arms
    economics: Economics | None = None
    rules: tuple[Rule, ...] = ()
    rule_costs: tuple[RuleCost, ...] = ()

    @cached_property
    def name(self) -> str:
        """A short name of all that decides: the same policy has the same one."""
        decides = dump(replace(self, rule_costs=()))
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self, moment: Callable[[datetime], Any] = datetime.isoformat) -> dict[str, Any]:
        """As the interface shows it; ``moment`` words the ends of the certifying window."""
        return {
            "name": self.name,
            "cut": self.cut,
            "basis": self.basis,
            "held_share": self.held_share,
            "promise": self.promise.to_json(moment),
            "arms": plain(self.arms) | {"words": list(self.arms.words())},
            "value": None if self.economics is None else self.economics.to_json(),
            "rules": plain(self.rule_costs),
        }


def lowest_share_cut(scores: np.ndarray, share: float) -> float:
    """The highest cut that holds at most a share of these leads: equal scores are decided alike, so it may
    hold fewer.

    Parameters
    ----------
    scores : array of float, shape (n,)
        At least one.
    share : float
        At least 0 and below 1.

    Examples
    --------
    >>> lowest_share_cut(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), 0.4)
    0.3
    """
    # A share such as .7 of 10 leads is 7, whatever binary fractions make of it.
    return float(np.sort(scores)[int(np.floor(share * len(scores) + 1e-9))])

"""What the flows hand back, and the JSON that people script on: keys keep their names, absent things are
null.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from models.policy.selective_labels import Leniency, Recalibration, Worked


def recalibrated(found: Recalibration) -> dict[str, Any]:
    """What leads worked by lot taught, in figures and in words."""
    words = (
        f"set right on {found.leads:,} leads that sales was asked to work: predicted against real was {found.ratio_before.value:.2f} "
        f"[{found.ratio_before.low:.2f} – {found.ratio_before.high:.2f}] and is {found.ratio_after.value:.2f} "
        f"[{found.ratio_after.low:.2f} – {found.ratio_after.high:.2f}]"
    )
    estimates = {"ratio_before": found.ratio_before.to_json(), "ratio_after": found.ratio_after.to_json()}
    return {"leads": found.leads, "wins": found.wins, **asdict(found.platt), **estimates, "words": words}


def told_leniency(found: Leniency) -> dict[str, Any]:
    """The warning light in figures and in words."""
    return asdict(found) | {"warns": found.warns, "words": found.words()}


def told_worked(found: Worked) -> dict[str, Any]:
    """What would become of leads if sales worked them all, in figures and in words."""
    return asdict(found) | {"words": found.words()}


def plain(value: Any) -> Any:
    """What JSON can hold: lists for tuples, Python's numbers for numpy's, null for what is no number."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""What the flows hand back, and the JSON that people script on: keys keep their names, absent things are
null.
"""

from typing import Any

from features.serialization import plain
from models.policy.selective_labels import Leniency, Recalibration, Worked


def recalibrated(found: Recalibration) -> dict[str, Any]:
    """What leads worked by lot taught, in figures and in words."""
    words = (
        f"set right on {found.leads:,} leads that sales was asked to work: predicted against real was {found.ratio_before.value:.2f} "
        f"[{found.ratio_before.low:.2f} – {found.ratio_before.high:.2f}] and is {found.ratio_after.value:.2f} "
        f"[{found.ratio_after.low:.2f} – {found.ratio_after.high:.2f}]"
    )
    ratios = {"ratio_before": plain(found.ratio_before), "ratio_after": plain(found.ratio_after)}
    return {"leads": found.leads, "wins": found.wins, **plain(found.platt), **ratios, "words": words}


def told_leniency(found: Leniency) -> dict[str, Any]:
    """The warning light in figures and in words."""
    return plain(found) | {"warns": found.warns, "words": found.words()}


def told_worked(found: Worked) -> dict[str, Any]:
    """What would become of leads if sales worked them all, in figures and in words."""
    return plain(found) | {"words": found.words()}

"""When a measure is too much, and in which words that is said: for every detector of the leak guard."""

from features.labels import OUTCOMES
from models.leakage.detectors import Strength
from models.leakage.samples import FEWEST

ERRORS = 2.0
SIDES = {name: (words.did, f"not {words.did}") for name, words in OUTCOMES.items()}
SIDES["closed"] = ("closed", "open")
NO_OUTCOME = f"fewer than {FEWEST} leads on one side of every outcome"


def apart(sides: tuple[str, str]) -> str:
    return f"tells {sides[0]} leads from {sides[1]} ones with an AUC of"


def exceeds(found: Strength, threshold: float) -> bool:
    """Above a threshold by more than chance."""
    return found.auc - ERRORS * found.error > threshold


def short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")

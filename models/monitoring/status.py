"""From what was watched to a word and what to do about it: steady, watch or retrain. Pure: findings in, words out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from models.monitoring.data_drift import Hint
from models.monitoring.outcome_drift import BAND, WHOLE, Deviation
from models.policy.impact import Recheck

Word = Literal["steady", "watch", "retrain"]
RETRAIN = "Train anew and let the rule compare: leadsieve train, then leadsieve promote"
UNTIL_THEN = "Until a new version is promoted, do not lean on the chances shown for these leads"


@dataclass(frozen=True)
class Health:
    """How the champion is.

    Attributes
    ----------
    word : "steady", "watch" or "retrain"
    reasons : tuple of str
        The gravest first.
    steps : tuple of str
        What to do, in this order; empty where nothing is.
    """

    word: Word
    reasons: tuple[str, ...]
    steps: tuple[str, ...]

    def trained_anew(self, *, promoted: bool) -> "Health":
        """The same, without the steps that training has taken."""
        taken = (RETRAIN, UNTIL_THEN) if promoted else (RETRAIN,)
        return replace(self, steps=tuple(step for step in self.steps if step not in taken))


def health_of(
    alarms: Sequence[Deviation],
    nearly: Sequence[Deviation],
    hints: Sequence[Hint],
    promise: Recheck | None,
    *,
    blind: str,
    expected: float,
) -> Health:
    """Outcomes decide: an alarm or a broken promise calls for training. Doubtful data, or a deviation not yet
    beyond chance, for a look.

    That scores or leads have shifted is said, and changes no verdict.

    Parameters
    ----------
    blind : str
        Why outcomes could not be watched; "" where they were.
    expected : float
        Outcomes expected by now, of all leads watched.
    """
    serious = [hint for hint in hints if hint.serious]
    broken = promise is not None and promise.kept is False
    reasons = [
        *(alarm.words() for alarm in alarms),
        *([promise.words()] if broken else []),
        *(hint.words for hint in serious),
    ]
    if alarms or broken:
        steps = [*dict.fromkeys(_look(alarm) for alarm in alarms), RETRAIN, *([UNTIL_THEN] if alarms else [])]
        if serious:
            steps.insert(
                0, "First mend the data, as said above: what is not recorded looks like a lost customer"
            )
        return Health("retrain", tuple(reasons), tuple(steps))
    reasons += [f"nearly an alarm: {each.words()}" for each in nearly]
    if reasons:
        steps = ["Mend the data before the next leads are scored"] * bool(serious) + [
            "Look again next week"
        ] * bool(nearly)
        return Health("watch", tuple(reasons), tuple(steps))
    if blind:
        return Health("steady", (blind,), ())
    if expected < 10:
        return Health(
            "steady", (f"too early to tell: only {expected:,.0f} outcomes were to be expected by now",), ()
        )
    return Health("steady", ("outcomes come as the model foretold, in all segments",), ())


def _look(alarm: Deviation) -> str:
    """Where to look for the cause."""
    when = f"around {str(alarm.since)[:10]}"
    if alarm.segment.column == WHOLE:
        return f"Ask what changed for all leads {when}: prices, the sales team, how outcomes are recorded"
    if alarm.segment.column == BAND:
        return f"Ask what changed {when} that the score does not see: it ranks leads otherwise than they now turn out"
    return f"Look at {alarm.segment.words}: what changed there {when}?"

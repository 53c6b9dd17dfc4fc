"""The rule of promotion: a challenger becomes the champion only where harm is excluded. Pure: figures in, a
ruling in words out.

On the same settled leads the challenger may be worse by a margin at most, in every figure: the log-loss of
each outcome, the wins and the money among the leads that sales would work. What counts is not the difference
itself but the bad end of what it may be, a one-sided bound over accounts drawn again. A version that is truly
worse by more than a margin thus passes that figure in at most ``1 - confidence`` of all trials, and the whole
rule more seldom still: it has to pass every figure. An equal one passes mostly, given enough leads. This is a
test of non-inferiority: it keeps harm out and asks for no proof of being better, so that a monthly refresh
can pass.

A leak makes a version look better in every figure of the past. No figure can speak for it: its verdicts speak
before the figures do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from models.evaluation.report import USELESS

Share = Annotated[float, Field(gt=0, lt=1)]
IT_IS_THE_FIRST = "it is the first"
LOSS, CAPTURED = "loss", "captured"


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class PromotionSettings:
    """The [promotion] section: how much worse a challenger may be, and what it is compared on.

    Attributes
    ----------
    max_log_loss
        How much larger a log-loss may be, as a share of the outcome's entropy: .01 is about a sixth of what a
        middling model gains.
    max_lost_wins, max_lost_margin
        The share of the champion's wins, and of the money they bring, that the challenger may miss among the
        leads that sales would work. Money is told by fewer and unequal wins, hence with a wider margin.
    confidence
        With which more harm than that is to be excluded, figure by figure.
    leads
        Compared on at most so many leads, the newest.
    min_wins
        With fewer wins among them harm is never excluded.
    worked_share
        The share of leads that sales works, where its weekly hours are not known.
    resamples, seed
        Of the accounts drawn again.
    shadow
        Whether the newest version after the champion scores in silence whatever the champion decides.
    """

    max_log_loss: Share = 0.01
    max_lost_wins: Share = 0.05
    max_lost_margin: Share = 0.1
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    leads: Annotated[int, Field(ge=100)] = 10_000
    min_wins: Annotated[int, Field(ge=10)] = 30
    worked_share: Share = 0.3
    resamples: Annotated[int, Field(ge=100, le=10_000)] = 500
    seed: int = 0
    shadow: bool = False


@dataclass(frozen=True)
class Leaking:
    """A column that a version reads, and what the leak guard thought of it."""

    column: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Rival:
    """A version as the rule sees it: its number, the verdict of its training, and the leaks that nobody has
    answered for.
    """

    version: str
    verdict: str
    leaks: tuple[Leaking, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One figure of both versions on the same leads.

    Attributes
    ----------
    kind : "loss" or "captured"
    what : str
        In words: "becoming a customer", "customers", "margin".
    champion, challenger : float
    worse, at_worst : float
        By what share the challenger is worse (below 0: better), and the upper bound of that; not a number
        where it cannot be told.
    allowed : float
    """

    kind: Literal["loss", "captured"]
    what: str
    champion: float
    challenger: float
    worse: float
    at_worst: float
    allowed: float

    @property
    def harmless(self) -> bool:
        """Whether more harm than allowed is excluded; what cannot be told is not."""
        return self.at_worst <= self.allowed

    def words(self) -> str:
        """The figure in a sentence."""
        if self.kind == LOSS:
            values = f"log-loss of {self.what} {self.challenger:.4f} against {self.champion:.4f}"
            better, worse, by = "lower", "higher", " of the entropy"
        else:
            values = f"{self.what} {self.challenger:,.0f} against {self.champion:,.0f}"
            better, worse, by = "more", "fewer" if self.what != "margin" else "less", ""
        if not math.isfinite(self.at_worst):
            return f"{values}; by how much that may be worse cannot be told"
        side = (
            "the same"
            if abs(self.worse) < 0.0005
            else f"{_percent(abs(self.worse))}{by} {worse if self.worse > 0 else better}"
        )
        bound = f"{_percent(abs(self.at_worst))} {worse if self.at_worst > 0 else better}"
        return f"{values}, {side}, at worst {bound}; up to {_percent(self.allowed)} {worse} is allowed"


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same settled leads.

    Attributes
    ----------
    leads, wins : int
        That both could be judged on honestly, and those of them that were won.
    span : str
        From when to when the leads are, in words; "" where there is no time.
    worked : float
        The share of leads that sales would work.
    differences : tuple of Difference
        None where ``obstacle`` is not empty.
    obstacle : str
        Why the two cannot be compared at all, in words.
    """

    leads: int
    wins: int
    span: str
    worked: float
    differences: tuple[Difference, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class Ruling:
    """Whether to promote, and the reasons in sentences."""

    promoted: bool
    reasons: tuple[str, ...]


def leaking(challenger: Rival) -> tuple[str, ...]:
    """A sentence for each leak: where there is any, figures say nothing, and need not be had."""
    return tuple(
        f"it reads '{leak.column}', which is {leak.verdict}{f': {leak.why}' if leak.why else ''}"
        for leak in challenger.leaks
    )


def rule(
    challenger: Rival, champion: Rival | None, comparison: Comparison | None, settings: PromotionSettings | None = None
) -> Ruling:  # fmt: skip
    """Promote only where harm is excluded.

    Parameters
    ----------
    challenger : Rival
    champion : Rival or None
        None where there is none: the first version is compared with nobody.
    comparison : Comparison or None
        May be None where there is no champion, or where the challenger leaks.

    Returns
    -------
    Ruling
        Every reason against, or, where there is none, every figure that speaks for it.

    Examples
    --------
    >>> rule(Rival("1", "ready"), None, None).reasons
    ('it is the first',)
    """
    settings = settings or PromotionSettings()
    against = leaking(challenger)
    if against:
        return Ruling(False, against)
    useless = (f"its training's verdict is '{challenger.verdict}'",) if challenger.verdict in USELESS else ()
    if champion is None:
        return Ruling(False, useless) if useless else Ruling(True, (IT_IS_THE_FIRST,))
    if comparison is None:
        return Ruling(
            False, (*useless, "it was not compared with the champion, so that harm is not excluded")
        )
    if comparison.obstacle:
        return Ruling(False, (*useless, comparison.obstacle))
    compared = (
        f"compared with version {champion.version} on the newest {_count(comparison.leads, 'settled lead')}{comparison.span}, "
        f"{_count(comparison.wins, 'win')} among them"
    )
    few = (
        f"too few settled leads to exclude harm: both versions can be judged on {_count(comparison.leads, 'lead')} with "
        f"{_count(comparison.wins, 'win')}; {settings.min_wins:,} wins are needed",
    )
    harmful = tuple(
        f"{_judgement(each)}: {_in_place(each, comparison)}"
        for each in comparison.differences
        if not each.harmless
    )
    against = (
        useless + (few if comparison.wins < settings.min_wins or not comparison.differences else ()) + harmful
    )
    if against:
        return Ruling(False, (*against, compared, *_flattered(champion)))
    figures = [_in_place(each, comparison) for each in comparison.differences]
    return Ruling(
        True, (f"harm is excluded with {_percent(settings.confidence)} confidence", *figures, compared)
    )


def _judgement(difference: Difference) -> str:
    return "it is worse" if difference.worse > difference.allowed else "harm is not excluded"


def _in_place(difference: Difference, comparison: Comparison) -> str:
    """A figure's sentence, with what "captured" means where it is one."""
    if difference.kind == LOSS:
        return difference.words()
    return (
        f"among the best {_percent(comparison.worked)} of leads, which sales would work: {difference.words()}"
    )


def _flattered(champion: Rival) -> Sequence[str]:
    """A leaking champion looks better here than it is: whoever reads the refusal should know."""
    return [
        f"mind that the champion, version {champion.version}, reads '{leak.column}' ({leak.verdict}): its figures flatter it"
        for leak in champion.leaks
    ]


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}" if number == 1 else f"{number:,} {of}s"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"

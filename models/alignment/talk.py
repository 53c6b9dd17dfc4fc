"""What to talk about: at most five findings, made from figures by rules, and none where nothing happened.

Each rule asks for three standard errors, so that a quiet period is left quiet: all rules together look at some
dozen figures.
"""

from dataclasses import dataclass

from models.alignment.feedback import NO_REASON, Feedback
from models.alignment.figures import WIDE, Share, beyond_chance
from models.alignment.funnel import Funnel
from models.alignment.scored import Scored
from models.evaluation.uncertainty import Estimate

MOST = 5
WIDER = 3 / WIDE  # how much wider than the 95 % interval the one is that has to leave something out
HALF = 0.5
ENOUGH = 20  # leads of a group that were turned down


@dataclass(frozen=True)
class Finding:
    """One thing to talk about.

    Attributes
    ----------
    kind : str
        "agreement": fewer than half of the leads are answered in time. "change": a step's share is not what it
        was a year before. "reason": most leads of a channel that are turned down are so for one reason.
        "promise": a grade's chances did not come true.
    about : str
        The step, channel or grade, if any.
    figure : Estimate
        What it is said of.
    detail : str
        The reason; else empty.
    where : str
        The part of the page that has the figure.
    """

    kind: str
    about: str
    figure: Estimate
    detail: str
    where: str


def findings(funnel: Funnel, feedback: Feedback, scored: Scored) -> tuple[Finding, ...]:
    """All that the rules find, the gravest rule first."""
    found = []
    in_time = feedback.whole.in_time
    if in_time.of and _wide(in_time.share).high < HALF:
        found.append(Finding("agreement", "", in_time.share, "", "feedback"))
    for step in ("answered", "accepted", "won"):
        moved = funnel.changes.get(step)
        if moved is not None and beyond_chance(_wide(moved)):
            found.append(Finding("change", step, moved, "", "funnel"))
    for each in scored.grades:
        if (
            each.says in ("fewer", "more")
            and not _wide(each.won.share).low <= each.promised <= _wide(each.won.share).high
        ):
            found.append(Finding("promise", each.grade, each.won.share, each.says, "score"))
    for each in feedback.reasons:
        reason, count = next(iter(each.reasons.items()), (NO_REASON, 0))
        if each.by == "channel" and reason != NO_REASON and each.rejected.count >= ENOUGH:
            share = _plain(count, each.rejected)
            if share.low > HALF:
                found.append(Finding("reason", str(each.group), share, reason, "feedback"))
    return tuple(found[:MOST])


def _wide(found: Estimate) -> Estimate:
    """The interval of three standard errors."""
    low, high = (found.value + WIDER * (end - found.value) for end in (found.low, found.high))
    return Estimate(found.value, low, high)


def _plain(count: int, rejected: Share) -> Estimate:
    """A share of the leads that were turned down, within three standard errors."""
    value = count / rejected.count
    reach = 3 * (max(value * (1 - value), 0.25 / rejected.count) / rejected.count) ** 0.5
    return Estimate(value, value - reach, value + reach)

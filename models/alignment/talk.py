"""What to talk about: at most five findings, made from figures by rules, and none where nothing happened.

Each rule asks for three standard errors, so that a quiet period is left quiet: all rules together look at some
dozen figures.
"""

from dataclasses import dataclass

from models.alignment.feedback import NO_REASON, Feedback
from models.alignment.figures import Share, beyond_chance, wide
from models.alignment.funnel import Funnel
from models.alignment.margin import Margin
from models.alignment.scored import Scored
from models.evaluation.uncertainty import Estimate

MOST = 5
HALF = 0.5
ENOUGH = 20  # leads of a group that were turned down


@dataclass(frozen=True)
class Finding:
    """One thing to talk about.

    Attributes
    ----------
    kind : str
        "agreement": fewer than half of the leads are answered in time. "month": within a week, the newest
        month's leads were not answered as those of the three months before. "change": a step's share is not
        what it was a year before. "promise": a grade's chances did not come true. "quarter": deals are not
        sold alike in the last days of a quarter. "reason": most leads of a channel that are turned down are so
        for one reason.
    about : str
        The step, measure, channel or grade, if any.
    figure : Estimate
        What it is said of.
    detail : str
        The month or the reason; else empty.
    where : str
        The part of the page that has the figure.
    """

    kind: str
    about: str
    figure: Estimate
    detail: str
    where: str


def findings(
    funnel: Funnel, feedback: Feedback | None, scored: Scored, margin: Margin
) -> tuple[Finding, ...]:
    """All that the rules find, the gravest rule first."""
    found = []
    in_time = feedback.whole.in_time if feedback else None
    if in_time and in_time.of and wide(in_time.share).high < HALF:
        found.append(Finding("agreement", "", in_time.share, "", "feedback"))
    if latest := funnel.latest:
        # Who is answered is taken up or turned down: of the three, the one that tells most is enough.
        moved = {step: each for step, each in latest.changes.items() if beyond_chance(wide(each))}
        for step in [each for each in ("accepted", "rejected", "answered") if each in moved][:1]:
            found.append(Finding("month", step, moved[step], latest.month, "funnel"))
    for step in ("answered", "accepted", "won"):
        since = funnel.changes.get(step)
        if since is not None and beyond_chance(wide(since)):
            found.append(Finding("change", step, since, "", "funnel"))
    for each in scored.grades:
        if (
            each.says in ("fewer", "more")
            and not wide(each.won.share).low <= each.promised <= wide(each.won.share).high
        ):
            found.append(Finding("promise", each.grade, each.won.share, each.says, "score"))
    for measure in (
        "discount",
        "margin_share",
    ):  # of the price; what a win brings is moved by a few large deals
        if measure in margin.last_days and beyond_chance(wide(margin.last_days[measure].difference)):
            found.append(Finding("quarter", measure, margin.last_days[measure].difference, "", "margin"))
            break
    for each in feedback.reasons if feedback else ():
        reason, count = next(iter(each.reasons.items()), (NO_REASON, 0))
        if each.by == "channel" and reason != NO_REASON and each.rejected.count >= ENOUGH:
            share = _plain(count, each.rejected)
            if share.low > HALF:
                found.append(Finding("reason", str(each.group), share, reason, "feedback"))
    return tuple(found[:MOST])


def _plain(count: int, rejected: Share) -> Estimate:
    """A share of the leads that were turned down, within three standard errors."""
    value = count / rejected.count
    reach = 3 * (max(value * (1 - value), 0.25 / rejected.count) / rejected.count) ** 0.5
    return Estimate(value, value - reach, value + reach)

"""What comes back from sales: how many leads are answered, how soon, why they are turned down, and what
becomes of those.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.alignment.book import Book
from models.alignment.figures import WIDE, Share, Wait, change, share_of
from models.alignment.funnel import waited
from models.evaluation.uncertainty import Estimate

NO_REASON = "no reason given"
HOUR = 1 / 24
ENOUGH = 10  # leads of a group, below which its shares are no finding


@dataclass(frozen=True)
class Answered:
    """How leads are answered, by all of sales or by one team.

    Attributes
    ----------
    team : str or None
        None for all.
    answered : Share
        Of the leads that had the whole time for it.
    in_time : Share
        Answered within the agreed hours, of those that came so long ago.
    unanswered : int
        Their time is over, and nobody answered.
    wait : Wait
        Days to the answer.
    """

    team: str | None
    answered: Share
    in_time: Share
    unanswered: int
    wait: Wait


@dataclass(frozen=True)
class Rejected:
    """Why leads of a group are turned down.

    Attributes
    ----------
    by, group : str
        ``channel``, ``campaign`` or ``month`` of creation, and which one; ``all`` has the group None.
    rejected : Share
        Of the answered leads of the group.
    reasons : dict of str to int
        The commonest first.
    """

    by: str
    group: str | None
    rejected: Share
    reasons: dict[str, int]


@dataclass(frozen=True)
class Afterwards:
    """What became of leads that were turned down.

    Attributes
    ----------
    rejected : int
    accepted, won : Share
        Taken up, or won, after that.
    account_won : Share
        The account became a customer by another lead, later.
    """

    rejected: int
    accepted: Share
    won: Share
    account_won: Share


@dataclass(frozen=True)
class Sooner:
    """Whether leads that were taken up within the agreed time were won more often.

    Attributes
    ----------
    soon, later : Share
        Won, of the leads taken up in time, and of the others; all had the whole time to be won.
    difference : Estimate
        Of the two shares.
    alike : Estimate
        The same among leads of the same channel and grade, weighed by how many there are of either kind.
    """

    soon: Share
    later: Share
    difference: Estimate
    alike: Estimate


@dataclass(frozen=True)
class Feedback:
    """All that comes back."""

    whole: Answered
    teams: tuple[Answered, ...]
    reasons: tuple[Rejected, ...]
    afterwards: Afterwards
    sooner: Sooner


def feedback(here: Book, whole: Book, *, hours: float) -> Feedback:
    """What came back of the leads of a book; ``whole`` has the other leads of their accounts."""
    teams = here.leads["team"].to_numpy()
    everyone = np.ones(len(teams), dtype=bool)
    return Feedback(
        whole=answered(here, everyone, None, hours),
        teams=tuple(answered(here, teams == team, team, hours) for team in sorted(set(teams))),
        reasons=reasons(here),
        afterwards=afterwards(here, whole),
        sooner=sooner(here, hours),
    )


def answered(book: Book, rows: np.ndarray, team: str | None, hours: float) -> Answered:
    """How some leads are answered; those that are held back are nobody's to answer."""
    mine, age = rows & book.for_sales, book.age
    days = book.days("given_at", "answered_at")
    return Answered(
        team=team,
        answered=share_of(book.has("answered"), mine & (age >= book.pursue_days), book.account),
        in_time=share_of(days <= hours * HOUR, mine & (age >= hours * HOUR), book.account),
        unanswered=int((book.leads.loc[mine, "state"] == "unanswered").sum()),
        wait=waited(book.rows(mine), "given_at", "answered", book.pursue_days),
    )


def reasons(book: Book) -> tuple[Rejected, ...]:
    """Why leads are turned down: all, then by channel, campaign and month; the largest groups first."""
    answered = np.flatnonzero(book.has("answered"))
    turned_down, account = book.has("rejected")[answered], book.account[answered]
    why, names = pd.factorize(book.leads["reason"].fillna(NO_REASON).to_numpy()[answered])

    def of(by: str, group: str | None, rows: np.ndarray) -> Rejected:
        out = turned_down[rows]
        counts = np.bincount(why[rows][out], minlength=len(names))
        order = [each for each in np.argsort(-counts, kind="stable") if counts[each]]
        share = share_of(out, np.ones(len(rows), dtype=bool), account[rows])
        return Rejected(by, group, share, {str(names[each]): int(counts[each]) for each in order})

    found = [of("all", None, np.arange(len(answered)))]
    for by, groups in (
        ("channel", book.leads["channel"].to_numpy()),
        ("campaign", book.leads["campaign"].to_numpy()),
        ("month", book.months),
    ):
        codes, values = pd.factorize(groups[answered], sort=True)
        rows, ends = np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes, minlength=len(values)))
        parts = zip(values, np.split(rows, ends[:-1]), strict=True) if len(values) else ()
        found += [of(by, str(value), part) for value, part in parts if len(part) >= ENOUGH]
    return tuple(found)


def afterwards(here: Book, whole: Book) -> Afterwards:
    """What became of leads after they were turned down."""
    rejected, leads = here.has("rejected"), here.leads
    after = {name: (leads[f"{name}_at"] > leads["rejected_at"]).to_numpy() for name in ("accepted", "won")}
    wins = whole.leads[whole.has("won")].groupby("account")["won_at"].max()
    latest = wins.reindex(leads["account"]).set_axis(leads.index)
    by_another = (latest > leads["rejected_at"]).to_numpy() & ~here.has("won")
    return Afterwards(
        rejected=int(rejected.sum()),
        accepted=share_of(after["accepted"], rejected, here.account),
        won=share_of(after["won"], rejected, here.account),
        account_won=share_of(by_another, rejected, here.account),
    )


def sooner(book: Book, hours: float) -> Sooner:
    """Leads taken up in time against those taken up later, all of whose time to be won is over."""
    leads = book.leads
    age = book.days_since("accepted_at")
    days, won_after = book.days("given_at", "accepted_at"), book.days("accepted_at", "won_at")
    # A win without an acceptance on record has no time at which it was taken up.
    judged = book.has("accepted") & (age >= book.convert_days) & (days >= 0) & ~(won_after <= 0)
    won, fast = won_after <= book.convert_days, days <= hours * HOUR
    soon, later = (share_of(won, judged & rows, book.account) for rows in (fast, ~fast))
    alike = leads["channel"].astype(str) + "\n" + leads["grade"].fillna("").astype(str)
    return Sooner(
        soon, later, change(soon, later), _within(won, fast, judged, alike.to_numpy(), book.account)
    )


def _within(
    won: np.ndarray, fast: np.ndarray, judged: np.ndarray, stratum: np.ndarray, account: np.ndarray
) -> Estimate:
    """The difference of two shares inside strata, weighed as Mantel and Haenszel do; the error is the
    jackknife's over accounts.
    """
    won, fast, code = (
        won[judged].astype(float),
        fast[judged],
        np.unique(stratum[judged], return_inverse=True)[1],
    )
    sizes = [np.bincount(code[mask], minlength=code.max(initial=-1) + 1) for mask in (fast, ~fast)]
    weight = sizes[0] * sizes[1] / np.maximum(sizes[0] + sizes[1], 1)
    if not weight.any():
        return Estimate(np.nan)
    weight = weight / weight.sum()
    value, influence = 0.0, np.zeros(len(won))
    for mask, size, sign in ((fast, sizes[0], 1), (~fast, sizes[1], -1)):
        mean = np.bincount(code[mask], won[mask], minlength=len(size)) / np.maximum(size, 1)
        value += sign * float(weight @ mean)
        influence[mask] = (sign * weight / np.maximum(size, 1))[code[mask]] * (won[mask] - mean[code[mask]])
    reach = WIDE * float(np.sqrt(np.sum(np.bincount(account[judged], influence) ** 2)))
    return Estimate(value, value - reach, value + reach)

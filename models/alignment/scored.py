"""Is the score any good? What was promised of leads whose time is over now, against what happened to them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.alignment.book import HANDED_OFF, HELD, Book, months_of
from models.alignment.figures import Share, change, share_of
from models.evaluation.uncertainty import Estimate

FEW = 20  # leads of a grade, below which nothing is said of them
AS_PROMISED, FEWER, MORE, TOO_FEW = "as promised", "fewer", "more", "too few to say"


@dataclass(frozen=True)
class Graded:
    """Leads of a grade, in a month or in all.

    Attributes
    ----------
    grade : str
    month : str or None
        Of the decision.
    promised : float
        The share that was to be taken up and won, by the chances shown then.
    won : Share
        What happened.
    says : str
        "as promised" where chance alone explains the difference, else "fewer" or "more"; "too few to say".
    """

    grade: str
    month: str | None
    promised: float
    won: Share
    says: str


@dataclass(frozen=True)
class Scored:
    """The score against what happened.

    Attributes
    ----------
    days : float
        How long ago a lead has to be decided for its time to be over.
    decided, over : int
        Leads decided, and those of them whose time is over and that sales got.
    grades, months : tuple of Graded
        Each grade in all, and by month of the decision.
    ordered : bool or None
        Whether no worse grade won more often than the next better one, beyond chance; None with too few leads.
    held, held_accepted, held_won : int
        Leads that were held back and whose time is over, and what became of them all the same.
    """

    days: float
    decided: int
    over: int
    grades: tuple[Graded, ...]
    months: tuple[Graded, ...]
    ordered: bool | None
    held: int
    held_accepted: int
    held_won: int


def scored(book: Book) -> Scored:
    """What was promised of the leads of a book against what happened to them."""
    leads, days = book.leads, book.pursue_days + book.convert_days
    handed = leads["handed"].to_numpy()
    decided = leads["decided_at"].notna().to_numpy()
    since = book.days_since("decided_at")
    over = decided & (since >= days)
    ours = over & (handed == HANDED_OFF) & leads["grade"].notna().to_numpy()
    won = book.has("won") & (book.days("decided_at", "won_at") <= days)
    grades, months = leads["grade"].to_numpy(), months_of(leads["decided_at"])
    letters = sorted(set(grades[ours]))

    def of(letter: str, month: str | None, rows: np.ndarray) -> Graded:
        share = share_of(won, rows, book.account)
        promised = float(leads["p_both"].to_numpy(float)[rows].mean())
        return Graded(letter, month, promised, share, judged(promised, share))

    in_all = tuple(of(letter, None, ours & (grades == letter)) for letter in letters)
    by_month = tuple(
        of(letter, month, rows)
        for month in sorted(set(months[ours]))
        for letter in letters
        if (rows := ours & (months == month) & (grades == letter)).any()
    )
    held = over & (handed == HELD)
    return Scored(
        days=days,
        decided=int(decided.sum()),
        over=int(ours.sum()),
        grades=in_all,
        months=by_month,
        ordered=ordered(in_all),
        held=int(held.sum()),
        held_accepted=int((held & book.has("accepted")).sum()),
        held_won=int((held & won).sum()),
    )


def judged(promised: float, won: Share) -> str:
    """What a promise is worth beside what happened."""
    if won.of < FEW:
        return TOO_FEW
    interval: Estimate = won.share
    return FEWER if promised > interval.high else MORE if promised < interval.low else AS_PROMISED


def ordered(grades: tuple[Graded, ...]) -> bool | None:
    """Whether no worse grade won more than the next better one, beyond chance, of those with enough leads."""
    shares = [each.won for each in grades if each.won.of >= FEW]
    if len(shares) < 2:
        return None
    return not any(change(worse, better).low > 0 for better, worse in pairwise(shares))

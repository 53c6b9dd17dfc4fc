"""Overlooked gold and wasted effort: good leads that nobody took up, and poor ones that somebody did."""

from dataclasses import dataclass

import numpy as np

from models.alignment.book import HANDED_OFF, Book
from models.alignment.figures import Share, share_of
from models.evaluation.uncertainty import Estimate, account_weights, estimate
from models.policy.arms import FORCED


@dataclass(frozen=True)
class Overlooked:
    """Leads of the best grades that sales turned down or let lie.

    Attributes
    ----------
    leads : Share
        Of all leads of these grades that sales got and whose time to be taken up is over.
    turned_down, unanswered : int
    wins : tuple of Estimate
        The least and the most customers among them, had they been worked: sales may have seen what the model
        does not, so the chances that the model gives are the most, and those chances times the chance that
        sales takes such a lead up are the least.
    margin : tuple of Estimate
        What these would bring, at the mean margin of a win.
    hours : Estimate
        To work them.
    by_lot : Share
        Won, of leads of these grades that sales was asked to work by lot: the one proof there is.
    taken_up : Share
        Won, of those leads of these grades that sales chose to take up; they may be the better ones.
    lead_ids : tuple of str
        The list behind it, the highest chance first.
    """

    grades: tuple[str, ...]
    leads: Share
    turned_down: int
    unanswered: int
    wins: tuple[Estimate, ...]
    margin: tuple[Estimate, ...]
    hours: Estimate
    by_lot: Share
    taken_up: Share
    lead_ids: tuple[str, ...]


@dataclass(frozen=True)
class Wasted:
    """Leads of the poorest grades that sales took up.

    Attributes
    ----------
    leads : Share
        Of all leads that were taken up, decided by the filter, and whose time is over.
    won : Share
    hours, margin : Estimate
        Spent on them, and what those of them that were won have brought.
    other_margin : Estimate
        What the other leads that were taken up have brought for an hour, for comparison.
    own_margin : Estimate
        What these have brought for an hour.
    lead_ids : tuple of str
        The list behind it, the latest first.
    """

    grades: tuple[str, ...]
    leads: Share
    won: Share
    hours: Estimate
    margin: Estimate
    own_margin: Estimate
    other_margin: Estimate
    lead_ids: tuple[str, ...]


@dataclass(frozen=True)
class Effort:
    """Both, with the mean margin of a win that they are valued at."""

    win_margin: Estimate
    hours_per_lead: float
    overlooked: Overlooked
    wasted: Wasted


class Sums:
    """Sums over leads with intervals, accounts drawn again; figures of one book are drawn alike."""

    def __init__(self, account: np.ndarray, *, resamples: int, seed: int) -> None:
        self.code = np.unique(account, return_inverse=True)[1]
        self.seed = seed
        self.weights = account_weights(self.code.max(initial=-1) + 1, resamples=resamples, seed=seed)

    def draws(self, values: np.ndarray) -> np.ndarray:
        """The sum of a column in every resample."""
        return np.bincount(self.code, values, minlength=len(self.weights)).astype(np.float32) @ self.weights

    def total(self, values: np.ndarray) -> Estimate:
        return estimate(float(values.sum()), self.draws(values))

    def wins(self, chance: np.ndarray) -> np.ndarray:
        """How many wins leads of these chances bring, in every resample: other leads, and other luck."""
        luck = np.random.default_rng(self.seed).standard_normal(self.weights.shape[1])
        spread = float(np.sqrt(np.sum(chance * (1 - chance))))
        return np.maximum(self.draws(chance) + spread * luck, 0)

    def ratio(self, part: np.ndarray, whole: np.ndarray) -> Estimate:
        below, drawn = float(whole.sum()), self.draws(whole)
        if not below:
            return Estimate(np.nan)
        return estimate(float(part.sum()) / below, self.draws(part)[drawn > 0] / drawn[drawn > 0])

    def worth(self, chance: np.ndarray, margin: np.ndarray, valued: np.ndarray) -> Estimate:
        """What these wins bring, at the mean margin of a win."""
        below, drawn = float(valued.sum()), self.draws(valued.astype(float))
        if not below:
            return Estimate(np.nan)
        kept = drawn > 0
        draws = self.wins(chance)[kept] * self.draws(margin * valued)[kept] / drawn[kept]
        return estimate(float(chance.sum()) * float((margin * valued).sum()) / below, draws)


def effort(
    book: Book,
    *,
    high: tuple[str, ...],
    low: tuple[str, ...],
    hours_per_lead: float,
    resamples: int,
    seed: int,
) -> Effort:
    """Both figures of the decided leads of a book."""
    sums = Sums(book.account, resamples=resamples, seed=seed)
    margin = np.nan_to_num(book.leads["margin"].to_numpy(float))
    valued = book.has("won") & np.isfinite(book.leads["margin"].to_numpy(float))
    return Effort(
        win_margin=sums.ratio(margin * valued, valued.astype(float)),
        hours_per_lead=hours_per_lead,
        overlooked=overlooked(book, sums, margin, valued, grades=high, hours=hours_per_lead),
        wasted=wasted(book, sums, margin, grades=low, hours=hours_per_lead),
    )


def overlooked(
    book: Book, sums: Sums, margin: np.ndarray, valued: np.ndarray, *, grades: tuple[str, ...], hours: float
) -> Overlooked:
    """Good leads that nobody took up."""
    leads = book.leads
    state, good = leads["state"].to_numpy(), leads["grade"].isin(grades).to_numpy()
    over = book.days_since("decided_at") >= book.pursue_days
    ours = good & (leads["handed"] == HANDED_OFF).to_numpy() & over
    missed = ours & np.isin(state, ("rejected", "unanswered"))
    both, chance = (np.nan_to_num(leads[name].to_numpy(float)) * missed for name in ("p_both", "p_convert"))
    settled = ours & (book.days_since("decided_at") >= book.pursue_days + book.convert_days)
    forced = (leads["arm"] == FORCED).to_numpy()
    order = np.argsort(-chance[missed], kind="stable")
    return Overlooked(
        grades=grades,
        leads=share_of(missed, ours, book.account),
        turned_down=int((missed & (state == "rejected")).sum()),
        unanswered=int((missed & (state == "unanswered")).sum()),
        wins=tuple(estimate(float(each.sum()), sums.wins(each)) for each in (both, chance)),
        margin=tuple(sums.worth(each, margin, valued) for each in (both, chance)),
        hours=sums.total(missed * hours),
        by_lot=share_of(book.has("won"), settled & forced, book.account),
        taken_up=share_of(book.has("won"), settled & ~forced & book.has("accepted"), book.account),
        lead_ids=tuple(leads["lead_id"].to_numpy()[missed][order]),
    )


def wasted(book: Book, sums: Sums, margin: np.ndarray, *, grades: tuple[str, ...], hours: float) -> Wasted:
    """Poor leads that somebody took up, though nobody had drawn them by lot to be worked."""
    leads = book.leads
    over = book.days_since("decided_at") >= book.pursue_days + book.convert_days
    worked = book.has("accepted") & over & (leads["arm"] != FORCED).to_numpy()
    poor = worked & leads["grade"].isin(grades).to_numpy()
    order = np.argsort(-leads["decided_at"].to_numpy()[poor].astype("int64"), kind="stable")
    return Wasted(
        grades=grades,
        leads=share_of(poor, worked, book.account),
        won=share_of(book.has("won"), poor, book.account),
        hours=sums.total(poor * hours),
        margin=sums.total(margin * poor),
        own_margin=sums.ratio(margin * poor, poor * hours),
        other_margin=sums.ratio(margin * (worked & ~poor), (worked & ~poor) * hours),
        lead_ids=tuple(leads["lead_id"].to_numpy()[poor][order]),
    )

"""Overlooked gold and wasted effort: good leads that nobody took up, and poor ones that somebody did."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # which loads its parts when they are used: a desk on which nobody asks is spared 40 MB

from models.alignment.book import HANDED_OFF, Book
from models.alignment.figures import Share, share_of
from models.evaluation.uncertainty import TAIL, Estimate, account_weights, estimate
from models.policy.arms import FORCED

FEW = 20  # leads, below which nothing is said


@dataclass(frozen=True)
class Overlooked:
    """Leads of the best grades that sales turned down or let lie.

    Attributes
    ----------
    leads : Share
        Of all leads of these grades that sales got and whose time to be taken up is over.
    turned_down, unanswered : int
    most, most_margin : Estimate
        Customers among them, had they been worked, were they as good as those that sales takes up; and what these
        would bring, at the mean margin of a win. Sales may have seen what the model does not: then they are
        fewer, down to none.
    hours : Estimate
        To work them.
    by_lot : Share
        Won, of leads of these grades that sales was asked to work by lot: the one proof there is.
    lot_wins, lot_margin : Estimate
        Customers among those overlooked, and their margin, by that proof: what leads worked by lot bring beyond
        what sales takes up of its own accord. NaN without any.
    taken_up : Share
        Won, of those leads of these grades that sales chose to take up; they may be the better ones.
    lead_ids : tuple of str
        The list behind it, the highest chance first.
    """

    grades: tuple[str, ...]
    leads: Share
    turned_down: int
    unanswered: int
    most: Estimate
    most_margin: Estimate
    hours: Estimate
    by_lot: Share
    lot_wins: Estimate
    lot_margin: Estimate
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

    def brought(self, margin: np.ndarray, hours: np.ndarray) -> Estimate:
        """Margin by the hour. It hangs on a few wins of very unlike size, of which drawing again sees too little:
        the interval is the gamma one for weighted events (Fay and Feuer 1997), an account's margin being one.
        """
        worked = float(hours.sum())
        if not worked:
            return Estimate(np.nan)
        of_account = np.bincount(self.code, np.maximum(margin, 0))
        total, squares, largest = of_account.sum(), (of_account**2).sum(), of_account.max(initial=0)
        if not total:
            return Estimate(float(margin.sum()) / worked)
        low = squares / (2 * total) * scipy.stats.chi2.ppf(TAIL, 2 * total**2 / squares)
        more, spread = total + largest, squares + largest**2
        high = spread / (2 * more) * scipy.stats.chi2.ppf(1 - TAIL, 2 * more**2 / spread)
        return Estimate(float(margin.sum()) / worked, low / worked, high / worked)

    def wins(self, chance: np.ndarray) -> np.ndarray:
        """How many wins leads of these chances bring, in every resample: other leads, and other luck."""
        return self._with_luck(self.draws(chance), float(np.sum(chance * (1 - chance))))

    def alike(self, leads: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """The same of leads that all have the chance that each resample gives."""
        count = self.draws(leads.astype(float))
        return self._with_luck(count * chance, count * chance * (1 - chance))

    def _with_luck(self, expected: np.ndarray, variance: np.ndarray | float) -> np.ndarray:
        luck = np.random.default_rng(self.seed).standard_normal(self.weights.shape[1])
        return np.maximum(expected + np.sqrt(variance) * luck, 0)

    def ratio(self, part: np.ndarray, whole: np.ndarray) -> Estimate:
        below, drawn = float(whole.sum()), self.draws(whole)
        if not below:
            return Estimate(np.nan)
        return estimate(float(part.sum()) / below, self.draws(part)[drawn > 0] / drawn[drawn > 0])

    def means(self, value: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The mean over some rows in every resample; NaN where none was drawn."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.draws(np.where(rows, value, 0.0)) / self.draws(rows.astype(float))

    def worth(self, wins: float, draws: np.ndarray, margin: np.ndarray, valued: np.ndarray) -> Estimate:
        """What wins bring, at the mean margin of a win."""
        if not valued.any():
            return Estimate(np.nan)
        return estimate(wins * float(margin[valued].mean()), draws * self.means(margin, valued))


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
    passed = (leads["handed"] == HANDED_OFF).to_numpy()
    over = passed & (book.days_since("decided_at") >= book.pursue_days)
    forced = (leads["arm"] == FORCED).to_numpy()
    missed = good & over & np.isin(state, ("rejected", "unanswered"))
    chance = np.nan_to_num(leads["p_convert"].to_numpy(float)) * missed
    settled = passed & (book.days_since("decided_at") >= book.pursue_days + book.convert_days)
    chosen = good & settled & ~forced
    most = sums.wins(chance)
    lot, lot_draws = by_lot(sums, book, missed, good & settled & forced, chosen)
    order = np.argsort(-chance[missed], kind="stable")
    return Overlooked(
        grades=grades,
        leads=share_of(missed, good & over, book.account),
        turned_down=int((missed & (state == "rejected")).sum()),
        unanswered=int((missed & (state == "unanswered")).sum()),
        most=estimate(float(chance.sum()), most),
        most_margin=sums.worth(float(chance.sum()), most, margin, valued),
        hours=sums.total(missed * hours),
        by_lot=share_of(book.has("won"), good & settled & forced, book.account),
        lot_wins=estimate(lot, lot_draws),
        lot_margin=sums.worth(lot, lot_draws, margin, valued),
        taken_up=share_of(book.has("won"), chosen & book.has("accepted"), book.account),
        lead_ids=tuple(leads["lead_id"].to_numpy()[missed][order]),
    )


def by_lot(
    sums: Sums, book: Book, missed: np.ndarray, lot: np.ndarray, chosen: np.ndarray
) -> tuple[float, np.ndarray]:
    """How many of the leads that nobody took up would be won, by those worked by lot: with all of its draws.

    What is won of leads worked by lot is what is won of those that sales would take up and of those that it would
    not: chance if worked = taken up · won of these + left · won of those.
    """
    nothing = np.full(sums.weights.shape[1], np.nan)
    if lot.sum() < FEW or not chosen.any():
        return np.nan, nothing
    won, taken = book.has("won"), book.has("accepted")

    def left(mean) -> Any:
        up, both = mean(taken, chosen), mean(won & taken, chosen)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip((mean(won, lot) - both) / (1 - up), 0, 1)

    value = left(lambda part, rows: float(part[rows].mean()))
    draws = left(lambda part, rows: sums.means(part.astype(float), rows))
    return float(missed.sum() * value), sums.alike(missed, draws)


def by_channel(book: Book) -> dict[str, Share]:
    """Won, of each channel's leads that sales was asked to work by lot: what they are worth, whoever chooses.

    Only channels with enough of them; their whole time is over.
    """
    leads = book.leads
    settled = book.days_since("decided_at") >= book.pursue_days + book.convert_days
    lot = settled & (leads["arm"] == FORCED).to_numpy()
    channel, won = leads["channel"].astype(str).to_numpy(), book.has("won")
    found = {each: share_of(won, lot & (channel == each), book.account) for each in sorted(set(channel[lot]))}
    return {each: share for each, share in found.items() if share.of >= FEW}


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
        own_margin=sums.brought(margin * poor, poor * hours),
        other_margin=sums.brought(margin * (worked & ~poor), (worked & ~poor) * hours),
        lead_ids=tuple(leads["lead_id"].to_numpy()[poor][order]),
    )

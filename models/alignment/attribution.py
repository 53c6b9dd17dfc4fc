"""Which channels get the credit for wins, by seven rules: a description of what came before, never of causes.

First, last, linear, position and time decay divide each win among the touches of its lead. Shapley divides it
among the lead's different channels: where a coalition of channels is worth the wins of leads that touched no
other channel, the Shapley value of each channel is an equal share, exactly and for any number of channels.
Markov takes all leads, also those that were not won, as a chain from touch to touch: a channel's credit is in
proportion to the wins that the chain would lose without it.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scipy

from models.evaluation.uncertainty import Estimate, account_weights, estimate

RULES = ("first", "last", "linear", "position", "decay", "markov", "shapley")
ENDS = 0.4  # of a win go to the first and to the last touch each, where credit goes by position
MOST = 15  # channels; rarer ones are joined
OTHER = "other"


@dataclass(frozen=True)
class Touches:
    """Touches of leads, by lead and then in the order of time.

    Attributes
    ----------
    lead : array of int
        Position of the lead, ascending.
    channel : array of int
        Position in ``names``.
    day : array of float
        When, in days since any moment.
    names : tuple of str
    """

    lead: np.ndarray
    channel: np.ndarray
    day: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, lead: np.ndarray, channel: pd.Categorical, day: np.ndarray, *, most: int = MOST) -> "Touches":
        """From touches in any order; the rarest channels are joined where there are more than ``most``."""
        names, codes = np.asarray(channel.categories.astype(str)), np.asarray(channel.codes)
        counts = np.bincount(codes, minlength=len(names))
        kept = np.sort(np.argsort(-counts, kind="stable")[:most])
        kept = kept[counts[kept] > 0]
        anew = np.full(len(names), len(kept))
        anew[kept] = np.arange(len(kept))
        joined = (OTHER,) if (counts > 0).sum() > len(kept) else ()
        codes = anew[codes]
        named = (*names[kept].tolist(), *joined)
        if _in_order(lead, day, codes):
            return cls(lead, codes, day, named)
        order = np.lexsort((codes, day, lead))
        return cls(lead[order], codes[order], day[order], named)

    def rows(self, mask: np.ndarray) -> "Touches":
        """The touches of the leads in a mask, which are numbered anew."""
        keep, number = mask[self.lead], np.cumsum(mask) - 1
        return Touches(number[self.lead[keep]], self.channel[keep], self.day[keep], self.names)

    @property
    def firsts(self) -> np.ndarray:
        """Where each lead's touches begin."""
        return (
            np.flatnonzero(np.r_[True, self.lead[1:] != self.lead[:-1]])
            if len(self.lead)
            else np.zeros(0, int)
        )

    @property
    def counts(self) -> np.ndarray:
        """How many touches each lead has that has any."""
        return np.diff(np.r_[self.firsts, len(self.lead)])


def _in_order(lead: np.ndarray, day: np.ndarray, channel: np.ndarray) -> bool:
    """Whether touches are by lead, then by time, then by channel already."""
    leads, days, channels = (np.diff(each) for each in (lead, day, channel))
    return bool(((leads > 0) | ((leads == 0) & ((days > 0) | ((days == 0) & (channels >= 0))))).all())


@dataclass(frozen=True)
class Credit:
    """What one channel gets.

    Attributes
    ----------
    channel : str
    leads : int
        That it touched.
    wins, margin : dict of str to Estimate
        By rule; over all channels each rule adds up to the same.
    """

    channel: str
    leads: int
    wins: dict[str, Estimate]
    margin: dict[str, Estimate]


@dataclass(frozen=True)
class Attribution:
    """Credit for wins.

    Attributes
    ----------
    wins, unattributed : int
        Wins that were divided, and those without any touch on record.
    margin : float
        Divided; 0 where none is known.
    credits : tuple of Credit
        The largest first, by the mean over all rules.
    moved : float
        Share of the wins that would change hands between the two rules that differ most.
    apart : tuple of str
        These two.
    """

    wins: int
    unattributed: int
    margin: float
    credits: tuple[Credit, ...]
    moved: float
    apart: tuple[str, ...]


def attribution(
    touches: Touches,
    won: np.ndarray,
    margin: np.ndarray,
    account: np.ndarray,
    *,
    half_life: float,
    resamples: int,
    seed: int,
    rules: tuple[str, ...] = RULES,
) -> Attribution:
    """Divide wins and their margin among channels by every rule, with intervals.

    Parameters
    ----------
    touches : Touches
    won : array of bool, shape (leads,)
    margin : array of float, shape (leads,)
        0 where none is known.
    account : array of int, shape (leads,)
    half_life : float
        Days after which a touch counts half, for time decay.
    rules : tuple of str
        Which ones; all by default.
    """
    code = np.unique(account, return_inverse=True)[1]
    weights = account_weights(code.max(initial=-1) + 1, resamples=resamples, seed=seed)
    touched = np.bincount(touches.lead, minlength=len(won)) > 0
    divided = won & touched
    unattributed = int((won & ~touched).sum())
    if not divided.any():
        return Attribution(0, unattributed, 0.0, (), np.nan, ())
    channels, total = len(touches.names), {}
    chain, chains = np.zeros((1, channels)), np.zeros((weights.shape[1], channels))
    if "markov" in rules:
        moves = transitions(touches, divided, code, len(weights))
        chain = removal(np.asarray(moves.sum(axis=0)).reshape(1, -1), channels)
        chains = removal(np.asarray(moves.T @ weights).T, channels)
    # Few leads are won, and an account's have touched few channels: what is divided is kept sparse.
    theirs = touches.rows(divided)
    given = shares(theirs, half_life, rules)
    lead, shape = np.flatnonzero(divided)[theirs.lead], (channels, len(weights))
    for name, value in (("wins", 1.0 * divided), ("margin", margin * divided)):
        by_account = np.bincount(code, value, minlength=len(weights))
        for rule in rules:
            if rule == "markov":
                drawn = by_account.astype(np.float32) @ weights
                found = chain[0] * by_account.sum(), chains.T * drawn
            else:
                part = given[rule] * value[lead]
                cells = theirs.channel, code[lead]
                held = scipy.sparse.coo_matrix((part.astype(np.float32), cells), shape=shape)
                found = np.bincount(theirs.channel, part, minlength=channels), held.tocsr() @ weights
            total[name, rule] = found

    def of(name: str, channel: int) -> dict[str, Estimate]:
        return {
            rule: estimate(float(total[name, rule][0][channel]), total[name, rule][1][channel])
            for rule in rules
        }

    wins = {rule: total["wins", rule][0] for rule in rules}
    touched_by = np.zeros((len(won), channels), dtype=bool)
    touched_by[touches.lead, touches.channel] = True
    leads = touched_by.sum(axis=0)
    mean = np.mean(list(wins.values()), axis=0)
    moved, apart = disagreement(wins)
    return Attribution(
        wins=int(divided.sum()),
        unattributed=unattributed,
        margin=float(margin[divided].sum()),
        credits=tuple(
            Credit(touches.names[place], int(leads[place]), of("wins", place), of("margin", place))
            for place in np.argsort(-mean, kind="stable")
        ),
        moved=moved,
        apart=apart,
    )


def shares(touches: Touches, half_life: float, rules: tuple[str, ...] = RULES) -> dict[str, np.ndarray]:
    """How much of its lead's win each touch gets, by the rules that look at one lead at a time."""
    firsts, counts = touches.firsts, touches.counts
    size = np.repeat(counts, counts)
    place = np.arange(len(touches.lead)) - np.repeat(firsts, counts)
    first, last = 1.0 * (place == 0), 1.0 * (place == size - 1)
    ends, inside = np.where(size == 2, 0.5, ENDS), (1 - 2 * ENDS) / np.maximum(size - 2, 1)
    position = np.where(size == 1, 1.0, np.where((place == 0) | (place == size - 1), ends, inside))
    age = np.repeat(touches.day[firsts + counts - 1], counts) - touches.day
    decay = 0.5 ** (age / half_life)

    def newly() -> np.ndarray:
        """A lead's different channels: of each the first touch."""
        pair = touches.lead * len(touches.names) + touches.channel
        places = np.full(int(pair.max(initial=-1)) + 1, -1)
        places[pair[::-1]] = np.arange(len(pair))[::-1]  # of several the last that is written stays
        new = np.zeros(len(pair))
        new[places[places >= 0]] = 1.0
        return new

    def of_lead(weight: np.ndarray) -> np.ndarray:
        sums = np.add.reduceat(weight, firsts) if len(firsts) else np.zeros(0)
        return weight / np.repeat(sums, counts)

    found = {
        "first": lambda: first,
        "last": lambda: last,
        "linear": lambda: 1 / size,
        "position": lambda: position,
        "decay": lambda: of_lead(decay),
        "shapley": lambda: of_lead(newly()),
    }
    return {rule: found[rule]() for rule in rules if rule in found}


def transitions(
    touches: Touches, won: np.ndarray, code: np.ndarray, accounts: int
) -> "scipy.sparse.csr_matrix":
    """How often each account's leads go from where to where: from the start (the last row) or a channel, to a
    channel, to a win or to nothing (the last two columns).
    """
    channels, firsts = len(touches.names), touches.firsts
    lasts = firsts + touches.counts - 1
    within = np.ones(len(touches.lead), dtype=bool)
    within[firsts] = False
    later = np.flatnonzero(within)
    lead = np.concatenate([touches.lead[later], touches.lead[firsts], touches.lead[lasts]])
    origin = np.concatenate(
        [touches.channel[later - 1], np.full(len(firsts), channels), touches.channel[lasts]]
    )
    end = np.where(won[touches.lead[lasts]], channels, channels + 1)
    target = np.concatenate([touches.channel[later], touches.channel[firsts], end])
    cell = origin * (channels + 2) + target
    shape = (accounts, (channels + 1) * (channels + 2))
    return scipy.sparse.coo_matrix((np.ones(len(lead), np.float32), (code[lead], cell)), shape=shape).tocsr()


def removal(counts: np.ndarray, channels: int) -> np.ndarray:
    """Each channel's share of the credit from its removal effect, solved exactly.

    With Q the moves between channels, r those to a win and s the starts, ``N = (I - Q)^-1`` counts visits; a
    lead comes to channel j at all with chance ``(s N)_j / N_jj``, and from there wins with ``(N r)_j``. Their
    product is what is lost where whoever comes to j is lost.

    Parameters
    ----------
    counts : array, shape (chains, (channels + 1) * (channels + 2))
        As ``transitions`` has them.

    Returns
    -------
    array, shape (chains, channels)
        Rows add up to 1, or are NaN where nobody wins.
    """
    moves = counts.reshape(-1, channels + 1, channels + 2).astype(float)
    rates = moves / np.maximum(moves.sum(axis=2, keepdims=True), 1e-12)
    start, inner, to_win = (
        rates[:, channels, :channels],
        rates[:, :channels, :channels],
        rates[:, :channels, channels],
    )
    visits = np.linalg.inv(np.eye(channels) - inner)
    comes = np.einsum("bi,bij->bj", start, visits) / np.maximum(np.einsum("bii->bi", visits), 1e-12)
    lost = comes * np.einsum("bij,bj->bi", visits, to_win)
    with np.errstate(invalid="ignore"):
        return lost / lost.sum(axis=1, keepdims=True)


def disagreement(values: dict[str, np.ndarray]) -> tuple[float, tuple[str, ...]]:
    """The share of wins that change hands between the two rules that differ most, and these two."""
    if len(values) < 2:
        return 0.0, tuple(values)
    apart = {
        pair: float(np.abs(values[pair[0]] - values[pair[1]]).sum() / 2 / values[pair[0]].sum())
        for pair in combinations(values, 2)
    }
    most = max(apart, key=lambda pair: apart[pair])
    return apart[most], most

"""The filter's promise: a cut that loses at most a stated share of customers or margin, or why there is none.

Before the filter has run, every win of today's process is visible, so the share of those wins that a cut
would hold back can be counted without selection getting in the way: customers by order statistics, margin by
a betting test. That counts for leads like those of the certifying window, and it ends when the way leads turn
into customers changes. Once the filter runs, wins below the cut are seen only through the accounts that pass
whatever their score.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy

from features.errors import TooLittleDataError
from models.policy.margin_risk_control import ROUNDING, TooFewWinsError, certified_margin_cut, check_promise

FEWEST_TO_COMPARE = 20
MOST_WITHOUT_MARGIN = 0.1
VOID = "void if the way leads turn into customers changes (new product, prices, market or channels)"

Of = Literal["customers", "margin"]
SHARES = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Halves:
    """Whether the older and the newer half of the wins have the same scores; ``p_value`` of a two-sided
    Mann–Whitney test.
    """

    differ: bool
    p_value: float
    older_median: float
    newer_median: float


@dataclass(frozen=True)
class Promise:
    """What the filter can lose. ``wins``, ``start`` and ``end`` are of the wins looked at, whether or not
    they could certify a cut.
    """

    of: Of
    max_lost_share: float
    confidence: float
    wins: int
    start: datetime | None
    end: datetime | None
    certified: bool
    why: str

    def to_json(self, moment: Callable[[datetime], Any] = datetime.isoformat) -> dict[str, Any]:
        """The interface's ``P``; ``moment`` words the ends of the window."""
        return {
            "of": self.of,
            "max_lost_share": self.max_lost_share,
            "confidence": self.confidence,
            "wins": self.wins,
            "from": None if self.start is None else moment(self.start),
            "to": None if self.end is None else moment(self.end),
            "certified": self.certified,
            "why": self.why,
        }


@dataclass(frozen=True)
class Certificate:
    """The highest cut that keeps the promise, None where nothing can be promised."""

    cut: float | None
    promise: Promise


def wins_needed(max_lost_share: float, confidence: float) -> int:
    """The fewest wins on which anything can be promised: ``(1 - max_lost_share) ** wins <= 1 - confidence``.

    Examples
    --------
    >>> [wins_needed(share, 0.95) for share in (0.02, 0.05, 0.1)]
    [149, 59, 29]
    """
    check_promise(max_lost_share, confidence)
    return max(int(np.ceil(np.log1p(-confidence) / np.log1p(-max_lost_share) - ROUNDING)), 1)


def certified_cut(win_scores: np.ndarray, *, max_lost_share: float, confidence: float) -> float:
    """Highest cut that loses at most ``max_lost_share`` of customers, with the given confidence, whatever the
    scores look like.

    It is the k-th lowest score, with the largest k for which ``P(Binomial(n_wins, max_lost_share) <= k - 1)
    <= 1 - confidence``.

    Parameters
    ----------
    win_scores : array of float, shape (n_wins,)
        Scores of leads that became customers in a settled window the model was not fitted on. Wins of one
        account share a fate: pass one.
    max_lost_share, confidence : float
        Between 0 and 1, exclusive.

    Returns
    -------
    float
        Hold a lead iff its score is strictly below: equal scores are then safe.

    Raises
    ------
    TooFewWinsError
        With fewer wins than :func:`wins_needed` nothing can be promised.
    ValueError
        For scores that are no numbers.

    References
    ----------
    Tong, Feng, Li (2018), Neyman–Pearson classification and the umbrella algorithm.

    Examples
    --------
    >>> certified_cut(np.linspace(0.01, 1.0, 100), max_lost_share=0.05, confidence=0.95)
    0.02
    """
    check_promise(max_lost_share, confidence)
    scores = np.sort(np.asarray(win_scores, dtype=float))
    if np.isnan(scores).any():
        raise ValueError("every win needs a score")
    lost = np.arange(len(scores))
    k = np.count_nonzero(
        scipy.stats.binom.cdf(lost, len(scores), max_lost_share) <= (1 - confidence) * (1 + ROUNDING)
    )
    if not k:
        raise TooFewWinsError(wins=len(scores), needed=wins_needed(max_lost_share, confidence))
    return float(scores[k - 1])


def lost_share_bound(*, held_wins: int, wins: int, pass_through: float, confidence: float) -> float:
    """What share of customers a running filter loses at most, with the given confidence.

    Parameters
    ----------
    held_wins : int
        Wins with a score below the cut, seen because their account passes whatever its score.
    wins : int
        All wins seen, these among them. With none below the cut it takes 571 to show 5 % at a pass-through of
        10 %.
    pass_through : float
        The share of accounts that pass, from 0 (nothing below the cut is ever seen, so nothing can be said)
        to 1.
    confidence : float

    Notes
    -----
    The exact (Clopper–Pearson) upper limit of the share of *seen* wins that lie below the cut, turned into a
    share of all: a win below the cut is seen with probability ``pass_through``, one above it always.

    Examples
    --------
    >>> round(lost_share_bound(held_wins=0, wins=571, pass_through=0.1, confidence=0.95), 4)
    0.05
    """
    if not 0 <= held_wins <= wins or not 0 <= pass_through <= 1 or not 0 < confidence < 1:
        raise ValueError(
            f"{held_wins} of {wins} wins below the cut, pass-through {pass_through}, confidence {confidence}: that cannot be"
        )
    if held_wins == wins or pass_through == 0:
        return 1.0
    seen = scipy.stats.beta.ppf(confidence, held_wins + 1, wins - held_wins)
    return float(seen / (seen + pass_through * (1 - seen)))


def halves_differ(win_scores: np.ndarray, *, level: float = 0.01) -> Halves:
    """Compare the older half of the wins with the newer one. A certificate counts for the next weeks only if
    these are like the last.

    Parameters
    ----------
    win_scores : array of float, shape (n_wins,)
        In the order of time. Fewer than 20 never differ: they could not show it.
    level : float
        How often halves that are alike are called different.
    """
    scores = np.asarray(win_scores, dtype=float)
    if len(scores) < FEWEST_TO_COMPARE:
        return Halves(differ=False, p_value=1.0, older_median=np.nan, newer_median=np.nan)
    older, newer = scores[: len(scores) // 2], scores[len(scores) // 2 :]
    alike = scores.min() == scores.max()
    p_value = (
        1.0
        if alike
        else float(
            scipy.stats.mannwhitneyu(older, newer, alternative="two-sided", method="asymptotic").pvalue
        )
    )
    return Halves(
        differ=p_value < level,
        p_value=p_value,
        older_median=float(np.median(older)),
        newer_median=float(np.median(newer)),
    )


def certify(
    win_scores: np.ndarray,
    won_at_asof: np.ndarray,
    *,
    of: Of = "customers",
    margins: np.ndarray | None = None,
    cap: float | None = None,
    max_lost_share: float,
    confidence: float,
    moment: Callable[[pd.Timestamp], str | int | None] = "{:%Y-%m-%d}".format,
) -> Certificate:
    """The highest cut with its promise in words, or the words why nothing can be promised.

    Parameters
    ----------
    win_scores : array of float, shape (n_wins,)
        Scores of leads that became customers in the latest settled window the model was not fitted on.
    won_at_asof : array of datetime64, shape (n_wins,)
        When these leads were, or would have been, scored; in any order.
    of : "customers" or "margin"
        What at most ``max_lost_share`` may be lost of.
    margins, cap
        Needed for "margin", see :func:`certified_margin_cut`. Up to a tenth of the wins may lack a margin;
        they are left out.
    max_lost_share, confidence : float
        Between 0 and 1, exclusive.
    moment : function
        Words the ends of the window: as text, as the number of a row, or not at all (None).

    Raises
    ------
    ValueError
        For a win without a score or a time, or arrays of different lengths.
    """
    wins = pd.DataFrame({"score": np.asarray(win_scores, dtype=float), "time": pd.DatetimeIndex(won_at_asof)})
    if wins.isna().any(axis=None):
        raise ValueError("every win needs a score and a time")
    wins["margin"] = np.nan if margins is None else np.asarray(margins, dtype=float)
    wins = wins.sort_values("time", kind="stable")
    known = wins if of == "customers" else wins[np.isfinite(wins["margin"])]
    try:
        if wins.empty:
            raise TooLittleDataError(
                f"there is no win yet; at least {wins_needed(max_lost_share, confidence):,} are needed"
            )
        if of == "customers":
            cut = certified_cut(known["score"], max_lost_share=max_lost_share, confidence=confidence)
        else:
            _check_margins(known["margin"], wins=len(wins), cap=cap)
            cut = certified_margin_cut(
                known["score"], known["margin"], cap=cap, max_lost_share=max_lost_share, confidence=confidence
            )
        _check_scores(known["score"].to_numpy())
        why = _words(
            known, of=of, cap=cap, max_lost_share=max_lost_share, confidence=confidence, moment=moment
        )
    except TooLittleDataError as reason:
        cut, why = None, str(reason)
    start, end = (
        (None, None)
        if known.empty
        else (time.to_pydatetime(warn=False) for time in known["time"].iloc[[0, -1]])
    )
    return Certificate(
        cut, Promise(of, max_lost_share, confidence, len(known), start, end, cut is not None, why)
    )


def _check_margins(known: pd.Series, *, wins: int, cap: float | None) -> None:
    missing = wins - len(known)
    if missing > MOST_WITHOUT_MARGIN * wins:
        raise TooLittleDataError(
            f"{missing:,} of {wins:,} wins have no margin on record, more than a tenth: nothing can be said of margin"
        )
    if not (known > 0).any():
        raise TooLittleDataError(
            f"none of {wins:,} wins has a positive margin: there is nothing that could be lost"
        )
    if cap is None:
        raise TooLittleDataError(
            "what one customer may count at most is fixed on older wins, and none of them has a positive margin"
        )


def _check_scores(scores: np.ndarray) -> None:
    if scores.min() == scores.max():
        raise TooLittleDataError(
            f"all {len(scores):,} wins have the same score: nothing tells them apart, and no cut would hold a lead"
        )
    halves = halves_differ(scores)
    if halves.differ:
        older, newer = halves.older_median, halves.newer_median
        moved = "rose" if newer > older else "fell" if newer < older else "changed"
        raise TooLittleDataError(
            f"the scores of wins {moved}: median {older:.3f} in the older half of {len(scores):,} wins, {newer:.3f} in the newer; "
            "the two halves disagree, so the next weeks need not look like them"
        )


def _words(
    wins: pd.DataFrame,
    *,
    of: Of,
    cap: float | None,
    max_lost_share: float,
    confidence: float,
    moment: Callable,
) -> str:
    what, kind = (
        ("customers", "wins")
        if of == "customers"
        else ("margin of the customers", "wins with a known margin")
    )
    counting = (
        "" if of == "customers" else f", counting at most {cap:{',.0f' if cap >= 10 else '.2g'}} a customer"
    )
    start, end = (_when(moment(time)) for time in wins["time"].iloc[[0, -1]])
    span = f" between {start} and {end}" if start and end else ""
    return (
        f"at most {100 * max_lost_share:g} % of the {what} you win today would be held back{counting}, "
        f"with {100 * confidence:g} % confidence; certified on {len(wins):,} {kind}{span} that the model has not learned from; {VOID}"
    )


def _when(moment: str | int | None) -> str | None:
    """A row by its number; of a time in full, the day is enough."""
    if isinstance(moment, int):
        return f"row {moment:,}"
    return moment[:10] if moment and moment[10:11] == "T" else moment


def cut_table(
    scores: np.ndarray, won: np.ndarray, *, shares: Iterable[float] = SHARES, confidence: float = 0.95
) -> pd.DataFrame:
    """What each promise would come to, were its cut certified on these wins.

    A first look: wins of one account share a fate, and training sets wins aside of its own that its final
    model has not seen.

    Parameters
    ----------
    scores : array of float, shape (n,)
        Of leads scored by models that had not learned from them.
    won : array of float, shape (n,)
        1 or 0; NaN where it is not known.
    shares : iterable of float
        The most that may be lost of the wins.

    Returns
    -------
    DataFrame
        A row for each share: ``max_lost_share``, ``wins``, ``needed``, and ``cut``, ``held_share`` of all
        leads and ``lost_share`` of the wins, NaN where there are fewer wins than needed.
    """
    scores, won = np.asarray(scores, float), np.asarray(won, float) == 1
    rows = []
    for share in shares:
        needed = wins_needed(share, confidence)
        enough = won.sum() >= needed
        cut = certified_cut(scores[won], max_lost_share=share, confidence=confidence) if enough else np.nan
        held, lost = (float(np.mean(of < cut)) if enough else np.nan for of in (scores, scores[won]))
        rows.append(
            {
                "max_lost_share": share,
                "wins": int(won.sum()),
                "needed": needed,
                "cut": cut,
                "held_share": held,
                "lost_share": lost,
            }
        )
    return pd.DataFrame(rows)

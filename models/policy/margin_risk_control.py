"""A cut certified by money: at most a stated share of the margin is lost, by a betting test."""

import numpy as np

from features.errors import TooLittleDataError

ROUNDING = 1e-9


class TooFewWinsError(TooLittleDataError):
    """Nothing can be promised on so few wins. ``wins`` is how many there are, ``needed`` how many there would
    have to be.
    """

    def __init__(self, *, wins: int, needed: int) -> None:
        self.wins, self.needed = wins, needed
        missing = needed - wins
        super().__init__(
            f"{missing:,} more {'win is' if missing == 1 else 'wins are'} needed: {wins:,} of {needed:,}"
        )


def check_promise(max_lost_share: float, confidence: float) -> None:
    """Refuse what cannot be promised: both lie between 0 and 1, exclusive."""
    if not (0 < max_lost_share < 1 and 0 < confidence < 1):
        raise ValueError(
            f"a share to lose of {max_lost_share} with a confidence of {confidence}: both lie between 0 and 1"
        )


def margin_cap(margins: np.ndarray, share: float = 0.9) -> float:
    """What one customer may count at most: a high quantile of the positive margins of older wins.

    One huge customer would otherwise drown all others, and no test could promise anything. The cap must be
    fixed on wins that the cut is not certified on.

    Parameters
    ----------
    margins : array of float, shape (n,)
        In any currency; empty and non-positive margins are passed over.
    share : float
        The share of them that the cap leaves as they are; .8 to .9 is usual.

    Raises
    ------
    TooLittleDataError
        Without a single positive margin.

    Examples
    --------
    >>> margin_cap(np.array([100.0, 200.0, 300.0, np.nan, 0.0]), share=0.5)
    200.0
    """
    margins = np.asarray(margins, dtype=float)
    positive = margins[np.isfinite(margins) & (margins > 0)]
    if not len(positive):
        raise TooLittleDataError(
            f"none of {len(margins):,} older wins has a positive margin; no cap was fixed."
        )
    return float(np.quantile(positive, share))


def certified_margin_cut(
    scores: np.ndarray, margins: np.ndarray, *, cap: float, max_lost_share: float, confidence: float
) -> float:
    """Highest cut that loses at most ``max_lost_share`` of the capped margin, with the given confidence.

    With ``y`` a win's margin as a share of the cap, between 0 and 1, a cut loses too much iff ``x = y
    (1{score < cut} - max_lost_share)`` is positive on average. A gambler who doubts that stakes a part of his
    wealth against ``x`` on every win in turn. If the cut does lose too much, his wealth ever reaches ``1 / (1
    - confidence)`` with a probability of at most ``1 - confidence``. His stakes follow from the number of
    wins and the margins seen so far, never from the scores, so a higher cut can only make him poorer: walking
    the cuts upward until the first that fails is the same as bisection, and every score may be tried.

    Parameters
    ----------
    scores, margins : array of float, shape (n_wins,)
        Of leads that became customers in a settled window the model was not fitted on, in the order of time.
        A margin counts from 0 to ``cap``.
    cap : float
        What one customer counts at most, from :func:`margin_cap` on older wins.
    max_lost_share, confidence : float
        Between 0 and 1, exclusive.

    Returns
    -------
    float
        Hold a lead iff its score is strictly below. A score of one of the wins; even the lowest holds leads,
        and is tested as such.

    Raises
    ------
    TooFewWinsError
        If not even the lowest score passes. ``needed`` supposes more wins with margins like these, of which
        none is lost: about ``log(1 / (1 - confidence)) / mean(log(1 + y max_lost_share / (1 -
        max_lost_share)))``.
    ValueError
        For scores or margins that are no numbers, of different lengths, a cap that is not positive, or no
        positive margin at all.

    References
    ----------
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting: the stakes are
    their predictable plug-in.

    Examples
    --------
    >>> certified_margin_cut(np.linspace(0.01, 1.0, 100), np.full(100, 50.0), cap=40.0, max_lost_share=0.05,
    confidence=0.95) 0.01
    """
    scores, margins = np.asarray(scores, dtype=float), np.asarray(margins, dtype=float)
    if scores.shape != margins.shape or np.isnan(scores).any() or np.isnan(margins).any():
        raise ValueError("every win needs a score and a margin")
    if not (np.isfinite(cap) and cap > 0):
        raise ValueError(f"a cap must be positive, not {cap}")
    check_promise(max_lost_share, confidence)
    counted = np.clip(margins, 0, cap) / cap
    if not counted.any():
        raise ValueError("no win has a positive margin")

    evidence = -np.log(1 - confidence)
    stakes = _stakes(counted, max_lost_share=max_lost_share, evidence=evidence)

    def passes(cut: float) -> bool:
        factors = 1 - stakes * counted * ((scores < cut) - max_lost_share)
        with np.errstate(
            divide="ignore"
        ):  # whoever staked everything on a win that is lost is left with nothing
            return bool(np.cumsum(np.log(np.maximum(factors, 0))).max() >= evidence - ROUNDING)

    cuts = np.unique(scores)
    if not passes(cuts[0]):
        growth = np.log1p(counted * max_lost_share / (1 - max_lost_share)).mean()
        raise TooFewWinsError(
            wins=len(scores), needed=max(int(np.ceil(evidence / growth - ROUNDING)), len(scores) + 1)
        )
    passed, failed = 0, len(cuts)
    while failed - passed > 1:
        middle = (passed + failed) // 2
        passed, failed = (middle, failed) if passes(cuts[middle]) else (passed, middle)
    return float(cuts[passed])


def _stakes(counted: np.ndarray, *, max_lost_share: float, evidence: float) -> np.ndarray:
    """The share of wealth staked on each win: what grows fastest at the edge of what can be shown with so
    many wins.

    There ``x`` has the mean square ``max_lost_share (1 - max_lost_share) E[y²]``; ``E[y²]`` is estimated from
    the wins before, starting at 1, the worst case. No stake can lose more than everything.
    """
    wins = len(counted)
    square = np.cumsum(np.append(1.0, counted[:-1] ** 2)) / np.arange(1, wins + 1)
    best = np.sqrt(2 * evidence / (wins * max_lost_share * (1 - max_lost_share) * square))
    return np.minimum(best, 1 / (1 - max_lost_share))

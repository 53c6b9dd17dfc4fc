"""Is there enough to learn from, and enough to promise on: outcomes settled, open and unknown, and wins that
are missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.labels import OUTCOMES, Labels
from features.outcomes import realised_margins
from models.dataset import LearningSet
from models.evaluation.report import FEWEST_OF_EACH
from models.policy.margin_risk_control import margin_cap
from models.policy.policy_fit import LARGEST_SHARE, LARGEST_SHARE_OF_FEW, last_win_of_each
from models.policy.risk_control import MOST_WITHOUT_MARGIN, wins_needed
from models.policy.settings import PolicySettings

Word = Literal["ready", "ready, without a promise", "too little data"]
SHARES = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class OutcomeCounts:
    """Leads by what is known of one outcome; ``positives`` and ``negatives`` are settled and have lived
    through the whole horizon.
    """

    settled: int
    open: int
    unknown: int
    positives: int
    negatives: int


@dataclass(frozen=True)
class Missing:
    """What a promise asks for.

    Attributes
    ----------
    of : "customers" or "margin"
    max_lost_share, confidence : float
    needed : int or None
        Settled wins, one an account, in all: some are set aside to certify the cut. None where no number of
        them would do.
    missing : int or None
        How many of them are not there yet.
    configured : bool
        Whether the configuration asks for this one.
    why : str or None
        Why no number of wins would do.
    """

    of: Literal["customers", "margin"]
    max_lost_share: float
    confidence: float
    needed: int | None
    missing: int | None
    configured: bool
    why: str | None


@dataclass(frozen=True)
class Readiness:
    """Whether a model could be learned and a promise made, with everything that is missing in sentences.

    ``wins`` are settled and one an account; ``margins_known`` is the share of them with a margin or an
    amount.
    """

    verdict: Word
    reasons: tuple[str, ...]
    outcomes: dict[str, OutcomeCounts | None]
    wins: int
    margins_known: float | None
    promises: tuple[Missing, ...]


def readiness(learning: LearningSet, settings: PolicySettings) -> Readiness:
    """Count what there is to learn from and to promise on."""
    labels = {name: learning.labels(name) for name in learning.names}
    outcomes = {name: counted(labels[name]) if name in labels else None for name in OUTCOMES}
    decisive = "convert" if labels["convert"].at_risk.any() or "pursue" not in labels else "pursue"
    as_of, accounts = (
        learning.frame["as_of"].to_numpy("datetime64[us]"),
        pd.factorize(learning.frame["account_id"])[0],
    )
    won, _ = last_win_of_each(labels[decisive], as_of, accounts, learning.logged)
    margins = realised_margins(learning.fates, settings.margin_share)[won]
    promises = tuple(_promises(margins, settings))
    too_little = _too_little(outcomes[decisive], OUTCOMES[decisive].did)
    lacking = [_lacks(each, len(won)) for each in promises if each.configured and each.missing != 0]
    return Readiness(
        verdict="too little data"
        if too_little
        else "ready, without a promise"
        if lacking or settings.promise == "none"
        else "ready",
        reasons=tuple(
            too_little
            + lacking
            + (['nothing is promised: promise = "none"'] if settings.promise == "none" else [])
        ),
        outcomes=outcomes,
        wins=len(won),
        margins_known=float(np.mean(np.isfinite(margins))) if len(won) else None,
        promises=promises,
    )


def counted(labels: Labels) -> OutcomeCounts:
    """Leads by their state, and what may be judged on of those that are settled."""
    lived = labels.outcome[labels.mature]
    return OutcomeCounts(
        **labels.counts, positives=int((lived == 1).sum()), negatives=int((lived == 0).sum())
    )


def _too_little(found: OutcomeCounts, did: str) -> list[str]:
    sides = ((found.positives, did), (found.negatives, f"not {did}"))
    return [
        f"{count:,} settled leads were {words}, and {FEWEST_OF_EACH} are needed to judge a model: {FEWEST_OF_EACH - count:,} are missing"
        for count, words in sides
        if count < FEWEST_OF_EACH
    ]


def _promises(margins: np.ndarray, settings: PolicySettings) -> Iterator[Missing]:
    """The configured promise, and others that could be asked for, of customers and of margin."""
    for of in ("customers", "margin"):
        for share in sorted({settings.max_lost_share, *SHARES}):
            terms = {"max_lost_share": share, "confidence": settings.confidence}
            fewest = wins_needed(**terms)
            needed, why = (
                (_in_all(fewest, settings, fewest=fewest), None)
                if of == "customers"
                else _of_margin(margins, settings, **terms)
            )
            missing = None if needed is None else max(needed - len(margins), 0)
            configured = settings.promise == of and share == settings.max_lost_share
            yield Missing(of=of, **terms, needed=needed, missing=missing, configured=configured, why=why)


def _in_all(aside: int, settings: PolicySettings, *, fewest: int) -> int | None:
    """How many wins there must be so that so many are set aside: up to the fewest that certify anything half
    of all, else a quarter.
    """
    if aside <= fewest:
        return int(np.ceil(aside / LARGEST_SHARE_OF_FEW))
    return int(np.ceil(aside / LARGEST_SHARE)) if aside <= settings.certify_wins else None


def _of_margin(
    margins: np.ndarray, settings: PolicySettings, *, max_lost_share: float, confidence: float
) -> tuple[int | None, str | None]:
    """Wins needed to promise about margin, supposing more wins with margins like these; None, and why, where
    none would do.
    """
    known = margins[np.isfinite(margins)]
    if not len(margins):
        return None, "there is no win yet whose margin could be looked at"
    if not (known > 0).any():
        return None, "no win has a margin or an amount on record"
    if len(known) < (1 - MOST_WITHOUT_MARGIN) * len(margins):
        return (
            None,
            f"{len(margins) - len(known):,} of {len(margins):,} wins have no margin on record, more than a tenth",
        )
    counts = np.clip(known, 0, margin_cap(known)) / margin_cap(known)
    aside = int(
        np.ceil(-np.log1p(-confidence) / np.log1p(counts * max_lost_share / (1 - max_lost_share)).mean())
    )
    fewest = wins_needed(max_lost_share, confidence)
    needed = _in_all(max(aside, fewest), settings, fewest=fewest)
    return (
        needed,
        None
        if needed
        else f"{aside:,} wins would have to be set aside, and certify_wins allows {settings.certify_wins:,}",
    )


def _lacks(promise: Missing, wins: int) -> str:
    """Why the configured promise cannot be made yet."""
    terms = f"at most {100 * promise.max_lost_share:g} % of the {promise.of} with {100 * promise.confidence:g} % confidence"
    about = f"a promise to lose {terms}"
    if promise.needed is None:
        return f"{about} cannot be made: {promise.why}"
    return f"{about} needs {promise.needed:,} settled wins, and there are {wins:,}: {promise.missing:,} are missing"

"""Champion and challenger on the same settled leads, none of which the scores that are compared had learned
from.

A version's finished model has learned from nearly everything that was known when it was trained. Judged on
those leads it would be flattered, the newer version more than the older. So each version is judged on each
lead by its *honest score*:

- the finished model's, where the lead came after the version's training or the version never saw the lead or
  anybody of its account:
  that is what sales saw, or would have seen;
- else the lead's *forward score*, kept with the version: that of a block's model, fitted on what was known
  before the block, without the
  lead's account. It stands for the version: the same columns, settings and data, cut off earlier, and set
  right by the same calibration (a line of two numbers, found on all forward scores: what the version learned
  from a lead by it is next to nothing);
- else none. Only leads with an honest score on both sides are compared, the newest of them.

What a score could know ends somewhere: at its block's start, or at the version's training. A staler score is
a worse one, and where blocks happen to be cut is no merit. So leads count only where the newer version's
score is the fresher one, as it would be in use.

So a worn-out champion meets the challenger on the leads that came since, and a challenger trained a minute
ago on its forward scores. A challenger of shuffled outcomes has worthless forward scores; one of a tenth of
the leads meets the champion with its finished model on the leads that it never saw. A leak flatters forward
scores too: that is for the leak guard's verdicts (``models.promotion``).

Leads that were held back are left out, for nobody tried them; the others were let through by a champion,
which leaves it the harder part.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.extensions import take
from scipy.sparse import csr_array

from features.labels import OUTCOMES
from models.evaluation.metrics import Counts, captured, groups_by_score, log_losses, ratio
from models.evaluation.uncertainty import MOST_GROUPS, account_weights
from models.policy.settings import PolicySettings
from models.promotion.record import VersionRecord
from models.promotion.rule import CAPTURED, LOSS, Comparison, Difference, PromotionSettings

WEEK = np.timedelta64(7, "D")
SCORES = ["p_pursue", "p_convert"]


Haul = tuple[float, np.ndarray]  # what was captured, and its draws


@dataclass(frozen=True)
class Honest:
    """Where one version can be judged honestly.

    Attributes
    ----------
    forward : DataFrame
        ``p_pursue`` and ``p_convert`` of each lead, NaN where there is no forward score.
    fresh : array of bool
        Leads on which the finished model is to be asked.
    cutoff : array of datetime64
        After which the score knew nothing; NaT where there is none.
    until : datetime64
        The finished model's.
    """

    forward: pd.DataFrame
    fresh: np.ndarray
    cutoff: np.ndarray
    until: np.datetime64

    def known(self, names: tuple[str, ...]) -> np.ndarray:
        """Leads with an honest score of all these models."""
        return self.fresh | np.isfinite(self.forward[[f"p_{name}" for name in names]]).all(axis=1).to_numpy()

    def scores(self, finished: pd.DataFrame) -> pd.DataFrame:
        """The honest scores, with those of the finished model by ``lead_id`` for the fresh leads asked about."""
        found = self.forward.copy()
        found.loc[self.fresh] = np.nan
        asked = finished.index.intersection(found.index[self.fresh])
        found.loc[asked, SCORES] = finished.loc[asked, SCORES]
        return found


def incomparable(champion: VersionRecord, challenger: VersionRecord) -> str:
    """Why two versions cannot be compared, whatever the leads; "" if they can."""
    for record in (challenger, champion):
        if record.learned is None or record.known_until is None:
            return f"version {record.number} does not say which leads it learned from, so that nothing can be judged honestly"
    ours, theirs = challenger.scorer.recipe.horizons, champion.scorer.recipe.horizons
    if ours != theirs:
        return (
            f"the two answer different questions: taken up within {ours.pursue_days:g} days and won within {ours.convert_days:g}, "
            f"{ours.scored}, against {theirs.pursue_days:g} and {theirs.convert_days:g}, {theirs.scored}"
        )
    lacking = [
        OUTCOMES[name].about for name in champion.scorer.models if name not in challenger.scorer.models
    ]
    return (
        f"the champion tells the chance of {' and '.join(lacking)}, the challenger does not"
        if lacking
        else ""
    )


def honest(record: VersionRecord, leads: pd.DataFrame) -> Honest:
    """Where a version can be judged honestly.

    Parameters
    ----------
    record : VersionRecord
    leads : DataFrame
        Every lead there is, by ``lead_id``: ``account_id``, ``as_of``.
    """
    # Looking a million names up takes pandas half a second, and again for each question.
    ids, learned = (pa.array(index, pa.large_string()) for index in (leads.index, record.learned.index))
    place = pc.fill_null(pc.index_in(ids, value_set=learned), -1).to_numpy()
    seen = place >= 0
    account, accounts = pd.factorize(leads["account_id"])
    met = np.zeros(len(accounts), bool)
    met[account[seen]] = True
    later = (leads["as_of"] >= record.known_until).to_numpy()
    fresh = (later & ~seen) | ~met[account]
    until = np.datetime64(record.known_until, "us")
    forward = pd.DataFrame(take(record.forward().to_numpy(), place, allow_fill=True), leads.index, SCORES)
    cutoff = take(record.learned["cutoff"].to_numpy("datetime64[us]"), place, allow_fill=True)
    return Honest(forward=forward, fresh=fresh, cutoff=np.where(fresh, until, cutoff), until=until)


def comparable(champion: Honest, challenger: Honest, names: tuple[str, ...]) -> np.ndarray:
    """Leads with an honest score of all these models on both sides, the newer version's being the fresher
    one.
    """
    newer, older = (challenger, champion) if challenger.until >= champion.until else (champion, challenger)
    return champion.known(names) & challenger.known(names) & (newer.cutoff >= older.cutoff)


def newest(leads: pd.DataFrame, known: np.ndarray, most: int) -> np.ndarray:
    """The newest leads with both honest scores and a fate, and whoever else can be judged in their time: a
    mask of the leads.
    """
    told = known & leads["became"].notna().to_numpy()
    as_of = leads["as_of"].to_numpy("datetime64[us]")
    if not told.any():
        return told
    start = np.sort(as_of[told])[-min(most, told.sum())]
    return known & (as_of >= start) & leads[["pursued", "converted", "became"]].notna().any(axis=1).to_numpy()


def worked_share(
    arrivals: np.ndarray, policy: PolicySettings, settings: PromotionSettings, *, dated: bool
) -> float:
    """The share of leads that sales would work: by its hours where they are known, else the setting.

    Parameters
    ----------
    arrivals : array of datetime64
        When each lead came, of all in the time that is compared.
    dated : bool
        Whether these are real times.
    """
    if policy.weekly_capacity is None or not dated or not len(arrivals):
        return settings.worked_share
    weeks = max((arrivals.max() - arrivals.min()) / WEEK, 1.0)
    hours = policy.weekly_capacity + sum(policy.team_capacity.values())
    return float(min(hours / policy.hours_per_lead * weeks / len(arrivals), 1.0))


def compare(
    leads: pd.DataFrame,
    champion: pd.DataFrame,
    challenger: pd.DataFrame,
    *,
    score: str,
    names: tuple[str, ...],
    worked: float,
    settings: PromotionSettings,
    span: str = "",
) -> Comparison:
    """Both versions' figures on the same leads, paired.

    Parameters
    ----------
    leads : DataFrame
        ``account_id``; ``pursued``, ``converted`` and ``became`` (a customer, in today's process) as 0, 1 or
        NaN; ``margin`` of wins.
    champion, challenger : DataFrame
        Honest ``p_pursue`` and ``p_convert`` of the same leads.
    score : "p_convert", "p_pursue" or "p_both"
        By which sales would choose whom to work.
    names : tuple of str
        The models whose log-loss is compared.
    worked : float
        The share of leads that sales would work.
    """
    account, accounts = pd.factorize(leads["account_id"])
    weights = account_weights(len(accounts), resamples=settings.resamples, seed=settings.seed)
    differences = []
    for name in names:
        words = OUTCOMES[name].about
        outcome = leads[OUTCOMES[name].column].to_numpy(float)
        p = [side[f"p_{name}"].to_numpy(float) for side in (champion, challenger)]
        rows = np.isfinite(outcome) & np.isfinite(p[0]) & np.isfinite(p[1])
        if 0 < outcome[rows].sum() < rows.sum():
            losses = [log_losses(outcome[rows], each[rows]) for each in p]
            differences.append(_loss(words, outcome[rows], *losses, account[rows], weights, settings))
    became, margin = leads["became"].to_numpy(float), leads["margin"].to_numpy(float)
    by = [_ranked_by(side, score) for side in (champion, challenger)]
    rows = np.isfinite(became) & np.isfinite(by[0]) & np.isfinite(by[1])
    won = rows & (became == 1)
    asked = [("customers" if "convert" in names else "leads taken up", became, settings.max_lost_wins)]
    if won.any() and np.isfinite(margin[won]).any() and np.nansum(margin[won]) > 0:
        asked.append(("margin", np.where(won, np.nan_to_num(margin), 0.0), settings.max_lost_margin))
    if won.any():
        for words, worth, allowed in asked:
            sides = [_captured(each[rows], worth[rows], account[rows], weights, worked) for each in by]
            differences.append(_missed(words, *sides, allowed, settings))
    return Comparison(int(rows.sum()), int(won.sum()), span, worked, tuple(differences))


def _ranked_by(side: pd.DataFrame, score: str) -> np.ndarray:
    return (
        side[SCORES].prod(axis=1, skipna=False).to_numpy()
        if score == "p_both"
        else side[score].to_numpy(float)
    )


def _loss(
    words: str,
    outcome: np.ndarray,
    champion: np.ndarray,
    challenger: np.ndarray,
    account: np.ndarray,
    weights: np.ndarray,
    settings: PromotionSettings,
) -> Difference:
    """Of both versions' losses; the difference in units of the outcome's entropy."""
    rate, ahead = outcome.mean(), challenger - champion
    entropy = float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))
    sums = [
        np.bincount(account, part, minlength=len(weights)).astype(np.float32) @ weights
        for part in (ahead, np.ones(len(ahead)))
    ]
    at_worst = _bound(ratio(*sums) / entropy, settings)
    worse = float(ahead.mean()) / entropy
    return Difference(
        LOSS, words, float(champion.mean()), float(challenger.mean()), worse, at_worst, settings.max_log_loss
    )


def _missed(
    words: str, champion: Haul, challenger: Haul, allowed: float, settings: PromotionSettings
) -> Difference:
    """The difference as a share of what the champion captures."""
    worse = 1 - float(ratio(challenger[0], champion[0]))
    at_worst = _bound(1 - ratio(challenger[1], champion[1]), settings)
    return Difference(CAPTURED, words, champion[0], challenger[0], worse, at_worst, allowed)


def _bound(draws: np.ndarray, settings: PromotionSettings) -> float:
    """The one-sided upper bound; a resample in which the figure cannot be had counts as the worst."""
    return float(
        np.quantile(np.where(np.isfinite(draws), draws, np.inf), settings.confidence, method="higher")
    )


def _captured(
    score: np.ndarray, worth: np.ndarray, account: np.ndarray, weights: np.ndarray, worked: float
) -> Haul:
    """What the best leads are worth together, and its draws; ties at the cut are shared evenly."""
    exact = _counts(groups_by_score(score), worth, np.zeros(len(score), int), np.ones((1, 1)))
    drawn = _counts(groups_by_score(score, MOST_GROUPS), worth, account, weights)
    value, draws = (
        captured(each, worked * (each.positives + each.negatives).sum(axis=0)) for each in (exact, drawn)
    )
    return float(value[0]), draws


def _counts(codes: np.ndarray, worth: np.ndarray, account: np.ndarray, weights: np.ndarray) -> Counts:
    """Worth, and the rest of the number of leads, in every group of equal scores: what ``captured`` adds up
    is then worth.
    """
    shape = (int(codes.max()) + 1, len(weights))
    leads, worths = (
        csr_array((values, (codes, account)), shape=shape) @ weights
        for values in (np.ones(len(codes)), worth)
    )
    return Counts(positives=worths, negatives=leads - worths)

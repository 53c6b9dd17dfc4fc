"""What sales saw and the model did not: set right where leads were worked at random, told as a wider interval
where they were not.

A model of winning is fitted on leads that sales accepted. If sales chose by what the model sees too, that is
consistent; if sales also went by something unseen, the model promises too much for all others, and no
weighting of the accepted leads can show it. Only leads that were worked whatever anybody thought of them can.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from features.errors import TooLittleDataError
from models.evaluation.metrics import ratio
from models.evaluation.uncertainty import Estimate, account_weights, ratio_of_sums
from models.scoring.calibration import Platt, fit_platt
from models.scoring.selection import Selection

FEWEST_FORCED = 20
EXTRAPOLATED_BELOW = 0.02
FEWEST_REPS = 4
FORCED_SHARE = 0.03  # of leads that sales could be asked to work
PINNED = 0.2  # relative half-width of an interval that one would call known


@dataclass(frozen=True)
class Recalibration:
    """How far the model was off on leads that were worked at random, and what sets it right.

    Attributes
    ----------
    platt : Platt
        To be applied to every probability of the model.
    leads, wins : int
        What it was learned from.
    ratio_before, ratio_after : Estimate
        Mean prediction over the realised rate on these leads, without and with the correction, each lead
        corrected by what others than its own account taught.
    level_error : float
        Squared logits by which the corrected level may be off: the fewer the leads, the more.
    """

    platt: Platt
    leads: int
    wins: int
    ratio_before: Estimate
    ratio_after: Estimate
    level_error: float


def recalibrate(
    probability: np.ndarray,
    outcome: np.ndarray,
    accounts: np.ndarray,
    *,
    folds: int = 5,
    resamples: int = 200,
    seed: int = 0,
) -> Recalibration:
    """Learn ``logit p' = shift + slope * logit p`` from leads of the forced arm.

    Parameters
    ----------
    probability : array of float, shape (n,)
        Of every settled lead of the forced arm, from a model fitted without any of them.
    outcome : array of 0 and 1, shape (n,)
        Whether it was won within the horizon. Leads that sales failed to work although asked are not to be
        left out: whoever may choose among forced leads brings the same selection back.
    accounts : array, shape (n,)
    folds : int
        Parts of the accounts for ``ratio_after``.
    resamples, seed : int
        Of the bootstrap over accounts; the seed also deals accounts into folds.

    Raises
    ------
    TooLittleDataError
        Below 20 leads, or without a win: the prior would decide, not the data.

    References
    ----------
    Lakkaraju et al. (2017), The selective labels problem.
    """
    probability, outcome = np.asarray(probability, float), np.asarray(outcome, float)
    if len(outcome) < FEWEST_FORCED or not outcome.any():
        raise TooLittleDataError(
            f"{len(outcome)} leads of the forced arm are settled and {int(outcome.sum())} of them were won; {FEWEST_FORCED} leads with "
            "at least one win are needed. Probabilities were not corrected for what sales sees and the model does not."
        )
    account, names = pd.factorize(np.asarray(accounts))
    fold = np.random.default_rng(seed).permutation(len(names))[account] % folds
    corrected = np.empty(len(outcome))
    for part in range(folds):
        inside = fold == part
        corrected[inside] = fit_platt(probability[~inside], outcome[~inside]).apply(probability[inside])
    weights = account_weights(len(names), resamples=resamples, seed=seed)
    platt = fit_platt(probability, outcome)
    chance = platt.apply(probability)
    return Recalibration(
        platt=platt,
        leads=len(outcome),
        wins=int(outcome.sum()),
        ratio_before=ratio_of_sums(probability, outcome, account=account, weights=weights),
        ratio_after=ratio_of_sums(corrected, outcome, account=account, weights=weights),
        level_error=float(1 / np.sum(chance * (1 - chance))),
    )


@dataclass(frozen=True)
class Worked:
    """What share of leads would become customers if sales worked them all, as far as it is known.

    Attributes
    ----------
    by : "forced", "luck" or "bounds"
        From leads that sales was asked to work; from the luck of who got them; or from what leads came to that
        sales chose.
    value : float
        NaN where only the bounds are known.
    low, high : float
        Forced, luck: a 95 % interval. Bounds: leads that sales passes over are no better than those like them
        that it took up, and no worse than leads that never buy.
    leads : int
        How many were worked because sales was asked to.
    luck : str
        What the luck of who got a lead tells, or why it tells nothing; empty where nobody is known to have
        got any.
    share, weeks : float
        Asking sales to work this share of leads would pin the figure down to a fifth of itself within so many
        weeks, at the number of leads that came lately; NaN where leads have no dates.
    """

    by: str
    value: float
    low: float
    high: float
    leads: int = 0
    share: float = FORCED_SHARE
    weeks: float = np.nan
    luck: str = ""

    def words(self) -> str:
        """One sentence or two for the report."""
        if self.by == "forced":
            return (
                f"if sales worked every lead, {100 * self.value:.1f} % would become customers ({100 * self.low:.1f} to {100 * self.high:.1f} %): "
                f"measured on {self.leads:,} leads that it was asked to work"
            )
        if self.by == "luck":
            told = (
                f"if sales worked every lead, {100 * self.value:.1f} % would become customers ({100 * self.low:.1f} to "
                f"{100 * self.high:.1f} %): {self.luck}"
            )
        else:
            told = (
                f"if sales worked every lead, between {100 * self.low:.1f} and {100 * self.high:.1f} % would become customers: "
                "nobody has seen what leads come to that sales passes over"
            )
            if self.luck:
                told = f"{told}, and the luck of who got a lead does not tell it: {self.luck}"
        if np.isnan(self.weeks):
            return told
        return (
            f"{told}. Asking it to work {100 * self.share:g} % of leads whatever their score ([policy] forced = {self.share:g}) "
            f"would tell to within a fifth in about {self.weeks:,.0f} weeks, at the number of leads that came lately"
        )


def worked_within_bounds(
    p_pursue: np.ndarray,
    p_convert: np.ndarray,
    *,
    leads_a_week: float,
    horizon_days: float,
    luck: str | None = None,
) -> Worked:
    """The chance if worked where nobody was worked at random.

    Parameters
    ----------
    p_pursue, p_convert : array of float, shape (n,)
        Of the newest leads.
    leads_a_week : float
        That came lately; NaN where it is not known.
    horizon_days : float
        Until an outcome is settled.
    luck : str, optional
        Why the luck of who got a lead does not tell it.
    """
    low, high = float(np.mean(p_pursue * p_convert)), float(np.mean(p_convert))
    weeks = _weeks(np.sqrt(low * high), leads_a_week, horizon_days)
    return Worked("bounds", np.nan, low, high, weeks=weeks, luck=luck or "")


def worked_by_luck(
    p_pursue: np.ndarray,
    p_convert: np.ndarray,
    selection: Selection,
    *,
    leads_a_week: float,
    horizon_days: float,
) -> Worked:
    """The chance if worked as the luck of who got a lead tells it. Parameters as for ``worked_within_bounds``."""
    value, low, high = (float(np.mean(chance)) for chance in selection.worked(p_pursue, p_convert))
    told = (
        f"of {selection.reps} reps the strictest takes up {selection.strictest:.0%} of its leads and the most lenient "
        f"{selection.most_lenient:.0%}, and who gets a lead cannot be told from it (AUC {selection.dealt:.2f}, by turn "
        f".50); seen on {selection.leads:,} leads taken up, and true as far as reps win equally well"
    )
    weeks = _weeks(value, leads_a_week, horizon_days)
    return Worked("luck", value, low, high, weeks=weeks, luck=told)


def _weeks(likely: float, leads_a_week: float, horizon_days: float) -> float:
    """Until leads worked at random would pin a share down."""
    # The standard error of a share p among n leads is sqrt(p (1 - p) / n).
    forced = (1.96 / PINNED) ** 2 * (1 - likely) / likely if 0 < likely < 1 else np.nan
    return float(np.ceil(forced / (FORCED_SHARE * leads_a_week) + horizon_days / 7))


def worked_as_measured(p_convert: np.ndarray, recalibration: Recalibration) -> Worked:
    """The chance if worked of the newest leads, by a model that was set right on leads of the forced arm."""
    value, ratios = float(np.mean(p_convert)), recalibration.ratio_after
    return Worked("forced", value, value / ratios.high, value / ratios.low, leads=recalibration.leads)


def extrapolated(p_pursue: np.ndarray) -> np.ndarray:
    """True where sales hardly ever accepts such leads, so that what the model says of winning them rests on
    others; NaN is False.
    """
    return np.asarray(p_pursue, float) < EXTRAPOLATED_BELOW


@dataclass(frozen=True)
class Leniency:
    """How much less a lead of a more lenient rep wins than the model expects; means something only where
    leads are dealt by turn.

    Attributes
    ----------
    slope, low, high : float
        Change of the mean of outcome minus probability when the rep's acceptance rate grows by a factor of e,
        with its 95 % interval.
    reps, leads : int
    """

    slope: float
    low: float
    high: float
    reps: int
    leads: int

    @property
    def warns(self) -> bool:
        """Whether reps clearly see what the model does not."""
        return self.high < 0

    def words(self) -> str:
        """One sentence for the report."""
        more, least, most = (-100 * np.log(2) * value for value in (self.slope, self.high, self.low))
        if self.warns:
            found = (
                f"people who take up fewer of their leads win more of those than the model expects: about {more:.0f} more in 100 ({least:.1f} to {most:.1f}) "
                f"where somebody takes up half as large a share. They see something that the model does not; ask them what"
            )
        else:
            found = (
                f"no clear sign that people see something in leads that the model does not: those who take up fewer win no clearly larger share of them than "
                f"it expects ({self.reps} people, {self.leads:,} leads). Only working some leads picked at random would settle it"
            )
        return f"{found}. This means something only where leads are given out by turn"


def leniency(
    outcome: np.ndarray,
    probability: np.ndarray,
    reps: np.ndarray,
    acceptance: Mapping[str, tuple[float, float]],
) -> Leniency | None:
    """A free warning light: do strict reps win more than the model expects, and lenient ones less?

    Least squares of outcome minus probability on the log of the rep's acceptance rate, every lead weighing
    the same: for a shift of the logit that is the locally most powerful test. Leads of one rep share what is
    special about the rep, so the standard error leaves out one rep at a time (the jackknife form, CR3, which
    is reliable with a dozen reps), against Student's t with ``reps - 2`` degrees.

    Parameters
    ----------
    outcome : array of 0 and 1, shape (n,)
        Of settled leads that were accepted.
    probability : array of float, shape (n,)
        From a model not fitted on them.
    reps : array, shape (n,)
    acceptance : mapping from rep to (accepted, offered)
        Leads of a rep whose rate is unknown or 0 are left out.

    Returns
    -------
    Leniency or None
        None with fewer than four reps, or where all accept alike.

    References
    ----------
    Kleinberg et al. (2018), Human decisions and machine predictions (contraction by leniency); Bell,
    McCaffrey (2002), CR3.
    """
    rates = {
        rep: accepted / offered
        for rep, (accepted, offered) in acceptance.items()
        if offered > 0 and 0 < accepted <= offered
    }
    leads = pd.DataFrame(
        {"rep": np.asarray(reps), "residual": np.asarray(outcome, float) - np.asarray(probability, float)}
    )
    leads["rate"] = np.log(leads["rep"].map(rates).astype(float))
    by_rep = (
        leads.dropna()
        .groupby("rep")
        .agg(rate=("rate", "first"), size=("rate", "size"), residual=("residual", "mean"))
    )
    count = len(by_rep)
    if count < FEWEST_REPS or by_rep["rate"].nunique() < FEWEST_REPS - 1:
        return None
    rate, size, residual = (by_rep[name].to_numpy(float) for name in ("rate", "size", "residual"))
    slope = _slope(rate, residual, size)
    without = np.array(
        [_slope(rate, residual, np.where(np.arange(count) == rep, 0.0, size)) for rep in range(count)]
    )
    error = np.sqrt((count - 1) / count * np.sum((without - slope) ** 2))
    reach = scipy.stats.t.ppf(0.975, count - 2) * error
    return Leniency(slope=slope, low=slope - reach, high=slope + reach, reps=count, leads=int(size.sum()))


def _slope(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Weighted least squares with an intercept."""
    away = x - np.average(x, weights=weights)
    return float(ratio(weights @ (away * y), weights @ away**2))

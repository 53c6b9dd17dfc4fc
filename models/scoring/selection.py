"""What leads are worth that sales passes over, told by the luck of who got them.

Where leads are dealt to reps without regard to who they are, a lenient rep's lead is worked though a strict one's twin
is not. That moves *whether* a lead is worked and not what it is worth, so it shows how much better the worked ones are
than the columns can tell. Of a lead, two normal indices decide: ``v + e > 0`` takes it up, ``f + u > 0`` makes it a
customer, and ``e`` and ``u`` have the correlation ``r``. Then P(won | taken up) = Φ₂(f, v; r) / Φ(v), and the chance if
worked is Φ(f). The correlation is all that has to be learned: chances of being taken up and of winning once taken up
are known already, and with ``r`` they say what ``f`` is.

It is assumed that reps do not differ in how well they win. Where they do, ``r`` is the less sure the more they do, and
the interval says so, as it is as wide as the reps disagree.

References
----------
Heckman (1979), Sample selection bias as a specification error; Kleinberg et al. (2018), Human decisions and machine
predictions; Arnold, Dobbie, Hull (2022), Measuring racial discrimination in bail decisions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from scipy.special import expit, ndtr, ndtri

from features.labels import Labels
from models.scoring.calibration import Platt, fit_platt
from models.survival.discrete_time import GroupedTime, over_chunks
from models.survival.hazard import evenly
from models.survival.linear import Design, fit_linear

FEWEST_REPS = 8
FEWEST_LEADS_OF_REP = 30
FEWEST_TAKEN = 1_000
FEWEST_WON = 50
MOST_DEALT = 0.55  # AUC with which a lead tells who gets it; by turn it is .5
MOST_LEADS = 30_000
FOLDS = 4
INDEX_FOLDS = 8  # an index that few leads taught is noise, and noise tells nothing of the correlation
CORRELATIONS = np.array([-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8])
WIDEST = 0.4  # reach of the correlation beyond which it says nothing
PENALTY = 10.0
STEPS, CLOSE = 25, 5e-3
LEAST = 1e-6  # of chances
ANGLES, ANGLE_WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class IfWorked:
    """The chance if worked, were this the correlation: what it makes of the chances of the version, brought to the
    level at which ``f`` was fitted, for a model of leads taken up is shrunk towards these and promises too much of
    all others.
    """

    correlation: float
    platt: Platt

    def chance(self, p_pursue: np.ndarray, p_convert: np.ndarray) -> np.ndarray:
        """Of leads with these chances to be taken up, and to become a customer once taken up."""
        found = self.platt.apply(if_worked(p_pursue, p_convert, self.correlation))
        # Of a lead taken up nothing is unseen, and no other is better than its like that was.
        return np.where(np.asarray(p_pursue) < 1, np.fmin(found, p_convert), p_convert)


@dataclass(frozen=True)
class Selection:
    """How much better leads that sales takes up are than others that look alike.

    Attributes
    ----------
    likeliest, least, most : IfWorked
        By the likeliest correlation of what makes sales take a lead up and what makes it a customer, as far as no
        column shows either, and by both ends of its 95 % interval: the more they go together, the less other leads
        are worth. Never below 0: as for the bounds, leads that sales passes over are taken to be no better than their
        like that it took up.
    reps, leads : int
        Who were told apart, and leads taken up from which it was learned.
    strictest, most_lenient : float
        Shares of their leads that these reps take up.
    dealt : float
        AUC with which a lead's columns tell who gets it; .5 where they are dealt by turn.
    """

    likeliest: IfWorked
    least: IfWorked
    most: IfWorked
    reps: int
    leads: int
    strictest: float
    most_lenient: float
    dealt: float

    def worked(
        self, p_pursue: np.ndarray, p_convert: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The chance to become a customer if sales works a lead, and between which chances that lies.

        Parameters
        ----------
        p_pursue, p_convert : array of float, shape (n,)
            To be taken up, and to become a customer once taken up.

        Returns
        -------
        tuple of three arrays, shape (n,)
        """
        value, low, high = (
            each.chance(p_pursue, p_convert) for each in (self.likeliest, self.least, self.most)
        )
        return value, np.fmin(low, value), np.fmax(high, value)


def if_worked(p_pursue: np.ndarray, p_convert: np.ndarray, correlation: float) -> np.ndarray:
    """Φ(f) of leads for which Φ₂(f, v; r) is the chance to be taken up and become a customer."""
    if correlation == 0:
        return np.asarray(p_convert, float).copy()
    won = np.clip(np.asarray(p_convert, float), LEAST, 1 - LEAST)
    taken = np.clip(np.asarray(p_pursue, float), LEAST, 1 - LEAST)
    found = np.empty(len(won))

    def solve(rows: slice) -> None:
        v, both, f = ndtri(taken[rows]), (won * taken)[rows], ndtri(won[rows])
        for _ in range(STEPS):
            slope = np.maximum(_slope(f, v, correlation), LEAST * both)
            step = np.clip((bivariate(f, v, correlation) - both) / slope, -1, 1)
            f = f - step
            if np.abs(step).max(initial=0.0) < CLOSE:
                break
        found[rows] = ndtr(f)

    over_chunks(solve, len(found), threads=2)
    return found


def left_waiting(
    worked: np.ndarray, p_pursue: np.ndarray, p_convert: np.ndarray, still: np.ndarray
) -> np.ndarray:
    """The chance if worked of leads that sales has left waiting, of which it will still take up a share: they are of
    those that it takes up late, or of those that it never would.
    """
    never = np.clip((worked - p_pursue * p_convert) / np.maximum(1 - p_pursue, LEAST), 0.0, 1.0)
    return np.where(still < p_pursue, still * p_convert + (1 - still) * never, worked)


def bivariate(h: np.ndarray, k: np.ndarray, r: float) -> np.ndarray:
    """Φ₂(h, k; r): both of two normal variables of correlation r lie below their bounds (Drezner, Wesolowsky 1990)."""
    half = np.arcsin(r) / 2
    angles = (half * (ANGLES + 1))[:, None]
    squares, product = h * h + k * k, 2 * h * k
    terms = np.exp(-(squares - product * np.sin(angles)) / (2 * np.cos(angles) ** 2))
    total = np.zeros(terms.shape[1:])
    for term, weight in zip(terms, ANGLE_WEIGHTS, strict=True):
        total += weight * term
    return ndtr(h) * ndtr(k) + half / (2 * np.pi) * total


def fit_selection(
    encoded: pd.DataFrame,
    categorical: Sequence[int],
    *,
    of_rep: Sequence[int],
    pursue: Labels,
    convert: Labels,
    use: np.ndarray,
    chances: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    reps: np.ndarray,
    accounts: np.ndarray,
) -> Selection | str:
    """Learn from settled leads how far taking a lead up and winning it go together beyond the columns.

    Parameters
    ----------
    encoded : DataFrame
        One row per lead, as ``models.survival.encoding.encode`` gives them.
    categorical, of_rep : sequence of int
        Positions of category columns; of columns that speak of the rep.
    pursue, convert : Labels
    use : array of bool
        Leads that may be learned from.
    chances : function
        Rows to their ``p_pursue`` and ``p_convert``, as the version says them; asked for the rows learned from alone.
    reps : array of str or None
        Who got each lead.
    accounts : array of int
        Leads of one account are judged by what others taught.

    Returns
    -------
    Selection or str
        Or in words why nobody can tell.
    """
    rows = np.flatnonzero(use & pursue.judged & pd.notna(reps))
    names, leads_of = np.unique(reps[rows].astype(str), return_counts=True)
    names = names[leads_of >= FEWEST_LEADS_OF_REP]
    if len(names) < FEWEST_REPS:
        return f"{FEWEST_REPS} reps with {FEWEST_LEADS_OF_REP} leads each are needed, {len(names)} are known"
    rows = evenly(rows[np.isin(reps[rows].astype(str), names)], MOST_LEADS)
    won = np.where(convert.judged, convert.outcome, np.nan)[rows]
    took = pursue.outcome[rows] == 1
    told = took & np.isfinite(won)
    if told.sum() < FEWEST_TAKEN or won[told].sum() < FEWEST_WON:
        return (
            f"{FEWEST_TAKEN:,} settled leads that sales took up, {FEWEST_WON} of them won, are needed; "
            f"there are {told.sum():,} and {won[told].sum():.0f}"
        )
    own = [column for column in range(encoded.shape[1]) if column not in set(of_rep)]
    block = encoded.to_numpy()[np.ix_(rows, own)]
    kinds = [place for place, column in enumerate(own) if column in set(categorical)]
    rep = np.searchsorted(names, reps[rows].astype(str))
    owner = pd.factorize(accounts[rows])[0]
    drawn = np.random.default_rng(0).permutation(owner.max() + 1)[owner]
    fold = drawn % FOLDS
    matrix = Design(block, kinds).matrix
    dealt = _told_apart(matrix, rep, fold)
    if dealt > MOST_DEALT:
        return (
            f"leads are not dealt by turn: who gets a lead can be told from it (AUC {dealt:.2f}, by turn .50)"
        )
    wider = np.column_stack([block, rep]).astype(np.float32)
    index = _index(Design(wider, [*kinds, len(own)]), took, drawn % INDEX_FOLDS)
    x = np.column_stack([np.ones(len(matrix), np.float32), matrix])
    likelihoods = _profile(x[told], won[told], index[told], fold[told])
    correlation, reach = _best(likelihoods, rep[told])
    if not reach <= WIDEST:
        return (
            "reps take up their leads too much alike, or disagree too much, to tell what the others are worth"
        )

    p_pursue, p_convert = chances(rows)
    error = 1.96 / np.sqrt(won[told].sum())  # of the level itself, in logits: so many wins say no more

    def reading(r: float, aside: float = 0.0) -> IfWorked:
        r = float(np.clip(r, 0, CORRELATIONS[-1]))
        coefficients = _fitted(x[told], won[told], index[told], r, _start(x, won[told]))
        said = if_worked(p_pursue, p_convert, r)
        return IfWorked(r, fit_platt(said, ndtr(x @ coefficients)).then(Platt(shift=aside)))

    rates = np.bincount(rep, took) / np.bincount(rep)
    return Selection(
        likeliest=reading(correlation),
        least=reading(correlation + reach, -error),
        most=reading(correlation - reach, error),
        reps=len(names),
        leads=int(told.sum()),
        strictest=float(rates.min()),
        most_lenient=float(rates.max()),
        dealt=float(dealt),
    )


def _told_apart(matrix: np.ndarray, rep: np.ndarray, fold: np.ndarray) -> float:
    """Mean AUC with which least squares on other accounts tells each rep's leads from all others."""
    is_rep = np.eye(rep.max() + 1, dtype=np.float32)[rep]
    found = np.zeros_like(is_rep)
    for part in range(FOLDS):
        inside = fold == part
        x = matrix[~inside]
        square = x.T @ x + PENALTY * np.eye(x.shape[1], dtype=np.float32)
        means = is_rep[~inside].mean(axis=0)
        found[inside] = matrix[inside] @ np.linalg.solve(square, x.T @ (is_rep[~inside] - means))
    own = is_rep.sum(axis=0)
    ranks = scipy.stats.rankdata(found, axis=0)
    ahead = (ranks * is_rep).sum(axis=0) - own * (own + 1) / 2  # of others' leads: Mann, Whitney
    return float(np.mean(ahead / (own * (len(rep) - own))))


def _index(design: Design, took: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """``v`` of each lead, by what other accounts taught."""
    index, penalty = np.empty(len(took)), None
    for part in range(INDEX_FOLDS):
        inside = fold == part
        rows = np.flatnonzero(~inside)
        task = GroupedTime(np.ones(len(rows), np.int8), took[rows], np.ones(len(rows)), np.ones(1), threads=1)
        coefficients, penalty = fit_linear(design.of(rows), task, penalty)
        raw = design.of(np.flatnonzero(inside)).times(coefficients) + task.alphas[0]
        index[inside] = ndtri(np.clip(expit(raw.astype(float)), LEAST, 1 - LEAST))
    return index


def _profile(x: np.ndarray, won: np.ndarray, index: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Log-likelihood of each lead under each correlation, ``f`` being fitted on other accounts; shape (7, n)."""
    found = np.empty((len(CORRELATIONS), len(won)))
    for part in range(FOLDS):
        inside = fold == part
        coefficients = _start(x, won[~inside])
        for place, r in enumerate(CORRELATIONS):
            coefficients = _fitted(x[~inside], won[~inside], index[~inside], r, coefficients)
            p = _if_taken(x[inside] @ coefficients, index[inside], r)
            found[place, inside] = np.where(won[inside] == 1, np.log(p), np.log1p(-p))
    return found


def _start(x: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Everybody alike."""
    return np.r_[ndtri(won.mean()), np.zeros(x.shape[1] - 1)]


def _fitted(
    x: np.ndarray, won: np.ndarray, index: np.ndarray, r: float, coefficients: np.ndarray
) -> np.ndarray:
    """``f``'s coefficients at which the ridge-penalised likelihood of leads taken up is highest, by Fisher's steps."""
    penalty = np.full(x.shape[1], PENALTY)
    penalty[0] = 0.0
    for _ in range(STEPS):
        f = x @ coefficients
        p = _if_taken(f, index, r)
        slope = _slope(f, index, r) / ndtr(index)
        gradient = ((won - p) / (p * (1 - p)) * slope) @ x - penalty * coefficients
        bend = (x * (slope**2 / (p * (1 - p))).astype(np.float32)[:, None]).T @ x
        step = np.linalg.solve(bend + np.diag(penalty), gradient)
        farthest = np.abs(x @ step).max()
        coefficients = coefficients + step * min(1.0, 2.0 / farthest)
        if farthest < CLOSE:
            break
    return coefficients


def _if_taken(f: np.ndarray, index: np.ndarray, r: float) -> np.ndarray:
    """P(won | taken up)."""
    return np.clip(bivariate(f, index, r) / ndtr(index), LEAST, 1 - LEAST)


def _slope(f: np.ndarray, v: np.ndarray, r: float) -> np.ndarray:
    """Derivative of Φ₂(f, v; r) by f."""
    return np.exp(-f * f / 2) / np.sqrt(2 * np.pi) * ndtr((v - r * f) / np.sqrt(1 - r * r))


def _best(likelihoods: np.ndarray, rep: np.ndarray) -> tuple[float, float]:
    """The likeliest correlation by a parabola through its neighbours, and how far its 95 % interval reaches: as the
    likelihood says, or as far as reps disagree where that is more.
    """
    total = likelihoods.sum(axis=1)
    middle = int(np.clip(total.argmax(), 1, len(total) - 2))
    near = slice(middle - 1, middle + 2)
    parabola = np.linalg.inv(np.vander(CORRELATIONS[near], 3))
    by_rep = np.stack([np.bincount(rep, row) for row in likelihoods[near]])
    bend, slope, _ = parabola @ by_rep
    if bend.sum() >= 0:
        return float(CORRELATIONS[total.argmax()]), np.inf
    best = -slope.sum() / (2 * bend.sum())
    pull = 2 * bend * best + slope  # of each rep, summing to 0
    reps = len(pull)
    error = -1 / (2 * bend.sum())
    apart = reps / (reps - 1) * np.sum(pull**2) * error**2
    return float(best), float(max(1.96 * np.sqrt(error), scipy.stats.t.ppf(0.975, reps - 1) * np.sqrt(apart)))

"""Hints that something has changed: none says that the model is wrong, and none alone calls for training.

What has shifted may not matter to outcomes, and what matters may not shift: a relationship that has turned
round leaves every column and every score as it was. So hints explain an alarm, or tell where to look; the
outcomes decide (``models.monitoring.sequential_test``). Columns gone empty and values never seen are noticed
before they are scored: a model takes both in silence, as one more branch of its trees.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import binom, nbinom
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from models.monitoring.tally import Tally
from models.scoring.scorer import Scorer
from models.survival.encoding import Categories, binned, categorical_columns, encode

Kind = Literal["score shift", "lead shift", "arrivals", "stale", "emptied", "unseen"]

PSI_GROUPS = 10
FEWEST_SHIFTED = 200
ROUNDS, LEAVES, FOLDS = 60, 6, 3
NAMED = 3
CHANCE = 1e-4
UNSEEN_CHANCE = 1e-6  # of so few values by chance
HALF = 0.5  # of the usual share of values, below which a column counts as emptied
FEWEST = 10
EXAMPLES = 3


@dataclass(frozen=True)
class Hint:
    """One hint.

    Attributes
    ----------
    kind : str
    about : str
        What it is about: a score, a table, a column.
    value, usual : float
        The figure, and what is usual or still unremarkable.
    words : str
        One sentence.
    serious : bool
        The data themselves are in doubt: somebody should look before the next batch is scored.
    """

    kind: Kind
    about: str
    value: float
    usual: float
    words: str
    serious: bool = False


def psi(before: np.ndarray, now: np.ndarray) -> float:
    """Population stability index of a score over tenths of what it was before; half a lead is added to every
    group.

    Below .1 is usual, above .25 a shift.
    """
    edges = np.unique(np.quantile(before, np.linspace(0, 1, PSI_GROUPS + 1)[1:-1]))
    shares = []
    for values in (before, now):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    old, new = shares
    return float(np.sum((new - old) * np.log(new / old)))


def score_shift(before: np.ndarray, now: np.ndarray, *, limit: float) -> Hint | None:
    """Whether decided leads score otherwise than leads before the training did."""
    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    if min(len(before), len(now)) < FEWEST_SHIFTED:
        return None
    found = psi(before, now)
    if found <= limit:
        return None
    way = "higher" if np.median(now) > np.median(before) else "lower"
    words = f"scores have shifted: PSI {found:.2f} (above {limit:g} is a shift), the middle lead now scores {way}. It need not harm"
    return Hint("score shift", "score", found, limit, words)


def lead_shift(
    before: pd.DataFrame, now: pd.DataFrame, categories: Categories, *, limit: float, seed: int = 0
) -> Hint | None:
    """Whether a classifier tells leads of today from those learned from, by columns that do not grow with
    time, and by which.

    Parameters
    ----------
    before, now : DataFrame
        Matrices with the columns of ``categories``.
    """
    if min(len(before), len(now)) < FEWEST_SHIFTED or not categories:
        return None
    import lightgbm as lgb

    leads = encode(
        pd.concat(
            [before[list(categories)].astype(object), now[list(categories)].astype(object)], ignore_index=True
        ),
        categories,
    )
    today = np.repeat([0, 1], [len(before), len(now)])
    told, counted = np.full(len(today), np.nan), np.zeros(len(categories))
    settings = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "min_data_in_leaf": 30,
        "verbose": -1,
        "seed": seed,
        "num_threads": 2,
    }
    for learn, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(today, today):
        data = binned(leads.iloc[learn], categorical_columns(categories))
        data.set_label(today[learn])
        booster = lgb.train(settings, data, ROUNDS)
        told[judge] = booster.predict(leads.iloc[judge].to_numpy())
        counted += booster.feature_importance("gain")
    found = float(roc_auc_score(today, told))
    if found <= limit:
        return None
    names = [list(categories)[place] for place in np.argsort(-counted)[:NAMED] if counted[place] > 0]
    words = (
        f"today's leads differ from those learned from: a classifier tells them apart with AUC {found:.2f} (.5 is not at all), most by "
        f"{', '.join(names)}. It need not harm"
    )
    return Hint("lead shift", names[0] if names else "leads", found, limit, words)


def arrivals(weekly: np.ndarray) -> Hint | None:
    """Whether far fewer or more leads came in the newest week than in those before it; a whole week each, the
    newest last.
    """
    if len(weekly) < 5:
        return None
    earlier, newest = weekly[-13:-1].astype(float), float(weekly[-1])
    mean, spread = earlier.mean(), earlier.var(ddof=1)
    if mean < 5:
        return None
    # Weeks vary by more than chance, and by how much is told by a dozen weeks only: a tenth of the mean at
    # least.
    spread = max(spread, mean + (0.1 * mean) ** 2)
    law = nbinom(mean**2 / (spread - mean), mean / spread)
    if min(law.cdf(newest), law.sf(newest - 1)) > CHANCE:
        return None
    words = (
        f"{newest:,.0f} leads came in the last week, where {mean:,.0f} a week were usual: look whether the source still delivers "
        "all of them, and each once"
    )
    return Hint("arrivals", "leads", newest, float(mean), words, serious=True)


def stale(table: str, silent_days: float, usual_days: float, last: str) -> Hint | None:
    """Whether a table has been silent for longer than it ever was in its last weeks.

    Parameters
    ----------
    silent_days : float
        Since the last record.
    usual_days : float
        The longest silence between two records before.
    """
    if silent_days <= max(2 * usual_days, usual_days + 1.0):
        return None
    words = (
        f"nothing new in {table} for {silent_days:,.1f} days, the last from {last}; the longest silence before was {usual_days:,.1f} days. "
        "Look whether the source is still fed: what is not recorded counts as not having happened"
    )
    return Hint("stale", table, silent_days, usual_days, words, serious=True)


@dataclass(frozen=True)
class Oddity:
    """A column of a batch that is not as the model knows it.

    Attributes
    ----------
    column : str
        The source's column, where the matrix's is read off it.
    what : "emptied" or "unseen"
    share, usual : float
        Of the batch's leads that have a value against those learned from; or of its values that were never
        seen, against 0.
    examples : tuple of str
        Values never seen, commonest first.
    """

    column: str
    what: Literal["emptied", "unseen"]
    share: float
    usual: float
    examples: tuple[str, ...] = ()

    def words(self) -> str:
        """One sentence: what, how many, an example, what to do."""
        if self.what == "emptied":
            gone = (
                "is empty in every lead"
                if self.share == 0
                else f"has a value in {self.share:.0%} of the leads"
            )
            return f"column '{self.column}' {gone}; {self.usual:.0%} had one when the model learned. Fill it at the source, or train anew"
        such = ", ".join(f"'{value}'" for value in self.examples)
        return (
            f"column '{self.column}': {self.share:.0%} of the values are ones that the model never saw, such as {such}; they count as "
            "empty. If they are new names of old things, map them at the source; else train anew"
        )


def oddities(scorer: Scorer, leads: pd.DataFrame | Tally, *, max_new: float) -> tuple[Oddity, ...]:
    """What in a batch is not as the model knows it, a column of the source named once.

    Parameters
    ----------
    leads : DataFrame or Tally
        The matrix of the batch, or what was counted of it; fewer than ten leads tell nothing.
    max_new : float
        The share of unseen values that is still taken for granted.
    """
    tally = leads if isinstance(leads, Tally) else Tally.of(scorer, leads)
    if tally.leads < FEWEST:
        return ()
    found: dict[tuple[str, str], Oddity] = {}
    for column in scorer.recipe.columns:
        name = column.name
        each = _emptied(column.group, tally.there[name], tally.leads, scorer.filled[name]) or _unseen(
            column.group, name, tally, max_new
        )
        if each is not None:
            found.setdefault((each.column, each.what), each)
    return tuple(found.values())


def _emptied(source: str, there: int, leads: int, usual: float) -> Oddity | None:
    if there >= HALF * usual * leads or binom.cdf(there, leads, usual) > UNSEEN_CHANCE:
        return None
    return Oddity(source, "emptied", there / leads, usual)


def _unseen(source: str, name: str, tally: Tally, max_new: float) -> Oddity | None:
    there, new = tally.there[name], tally.unseen.get(name, 0)
    if there < FEWEST or new <= max_new * there:
        return None
    commonest = sorted(tally.examples[name].items(), key=lambda each: -each[1])  # of equals as they come
    return Oddity(source, "unseen", new / there, 0.0, tuple(value for value, _ in commonest[:EXAMPLES]))

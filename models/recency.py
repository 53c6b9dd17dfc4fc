"""Two memories: a fit on all of history and one on its newest part alone, averaged.

Where old leads mislead, the second corrects the first; where nothing has changed, the first steadies the second. A single memory would
have to be chosen, and the data that could tell which to choose are those that have not come yet: chosen on past spans of time, the best
window changes with the seed. Equal weights seldom lose to picking one, and where later leads have shown that they do lose, all of
history is used alone.

References
----------
Pesaran, Timmermann (2007), Selection of estimation window in the presence of breaks.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import lightgbm as lgb
import numpy as np
from sklearn.metrics import roc_auc_score

from models.encoding import subset

FEWEST_RECENT_EVENTS = 50
QUICK_ROUNDS = 30
SPANS = 4
DRAWS = 4
FIRST_SPAN = 0.6  # of the known leads lie before the first span that is judged
MOST_ROWS = 20_000  # evenly from the known leads: enough to see which memory ranks better, and cheap beside the fit itself


def newest(rows: np.ndarray, share: float) -> np.ndarray:
    """The newest share of rows that are in time order."""
    return rows[len(rows) - int(np.ceil(share * len(rows))) :]


def recent_helps(
    fit: Callable[[np.ndarray, int], lgb.Booster],
    data: lgb.Dataset,
    known: np.ndarray,
    outcome: np.ndarray,
    *,
    share: float,
    threads: int = 2,
) -> bool:
    """Whether two memories are to be used: unless they ranked later leads worse by more than the standard error of the difference.

    Four spans of the newest 40 % of the known leads are ranked by what came before each, each several times with other columns drawn, for
    a single draw decides as much as the memories do. Nothing beyond the known leads is looked at.

    Parameters
    ----------
    fit : function
        Rows and the number of a draw to the booster that learned from them.
    data : lgb.Dataset
        Holds all rows.
    known : array of int
        Rows that may be learned from and whose outcome is known, in time order.
    outcome : array of 0 and 1
        Of all rows.
    share : float
        Of the newest rows that the second memory learns from.
    threads : int
    """
    known = known[np.linspace(0, len(known) - 1, min(len(known), MOST_ROWS)).astype(int)]
    bounds = np.linspace(FIRST_SPAN * len(known), len(known), SPANS + 1).astype(int)
    gains = []
    for start, end in pairwise(bounds):
        before, span = known[:start], known[start:end]
        if 0 < outcome[span].sum() < len(span):
            later = subset(data, span, threads=threads)
            gains.append(np.mean([_gain(fit, before, newest(before, share), later, outcome[span], draw) for draw in range(DRAWS)]))
    return len(gains) > 1 and np.mean(gains) > -np.std(gains, ddof=1) / np.sqrt(len(gains))


def _gain(
    fit: Callable[[np.ndarray, int], lgb.Booster],
    before: np.ndarray,
    recent: np.ndarray,
    later: lgb.Dataset,
    outcome: np.ndarray,
    draw: int,
) -> float:
    """By how much both memories together rank later leads better than all of history alone."""
    whole, part = (scores(fit(rows, draw), later) for rows in (before, recent))
    return roc_auc_score(outcome, whole + part) - roc_auc_score(outcome, whole)


def scores(booster: lgb.Booster, rows: lgb.Dataset) -> np.ndarray:
    """A booster's scores of binned rows."""
    found = []
    booster.add_valid(rows, "later")
    booster.eval_valid(feval=lambda values, _: found.append(values.copy()) or ("level", 0.0, True))
    return found[0]


def joined(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster with the trees of all, so that its score is the sum of theirs.

    Read back from text, it holds none of the data and is, to the bit, the one that a saved scorer will have.
    """
    texts = [booster.model_to_string() for booster in boosters]
    if len(texts) == 1:
        return lgb.Booster(model_str=texts[0])
    start, end = "Tree=", "end of trees"
    head = [line for line in texts[0][: min(texts[0].find(mark) for mark in (start, end) if mark in texts[0])].splitlines() if line]
    tail = texts[0][texts[0].index(end) :]
    trees = [tree for text in texts for tree in text[: text.index(end)].split(start)[1:]]
    numbered = "".join(f"{start}{number}\n{tree.partition(chr(10))[2]}" for number, tree in enumerate(trees))
    # Without the line of sizes, which no longer holds, LightGBM reads tree after tree.
    kept = "\n".join(line for line in head if not line.startswith("tree_sizes="))
    return lgb.Booster(model_str=f"{kept}\n\n{numbered}{tail}")

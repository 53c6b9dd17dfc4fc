"""Two memories: a fit on all of history and one on its newest part alone, averaged.

Where old leads mislead, the second corrects the first; where nothing has changed, the first steadies the second. A single memory would
have to be chosen, and the data that could tell which to choose are those that have not come yet: chosen on past spans of time, the best
window changes with the seed. Equal weights need no choice. Combining forecasts so seldom loses to picking one of them.

References
----------
Pesaran, Timmermann (2007), Selection of estimation window in the presence of breaks.
"""

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np

FEWEST_RECENT_EVENTS = 50


def memories(event: np.ndarray, recent_share: float) -> list[slice]:
    """Which rows each fit learns from: all of them, and the newest share if it holds 50 events.

    Parameters
    ----------
    event : array of bool, shape (n_rows,)
        In time order.
    recent_share : float
        Above 0; 1 for all of history alone.
    """
    whole = slice(0, len(event))
    recent = slice(len(event) - int(np.ceil(recent_share * len(event))), len(event))
    return [whole] if recent_share == 1 or event[recent].sum() < FEWEST_RECENT_EVENTS else [whole, recent]


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

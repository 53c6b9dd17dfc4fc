"""Which cut? What a promise would hold back and lose among leads that were judged, as a table and as a picture."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.certificate import certified_cut, wins_needed
from models.pictures import BLUE, GREY, INK, ORANGE, STYLE

SHARES = (0.02, 0.05, 0.1, 0.2)


def cut_table(scores: np.ndarray, won: np.ndarray, *, shares: Iterable[float] = SHARES, confidence: float = 0.95) -> pd.DataFrame:
    """What each promise would come to, were its cut certified on these wins.

    A first look: wins of one account share a fate, and training sets wins aside of its own that its final model has not seen.

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
        A row for each share: ``max_lost_share``, ``wins``, ``needed``, and ``cut``, ``held_share`` of all leads and ``lost_share`` of the
        wins, NaN where there are fewer wins than needed.
    """
    scores, won = np.asarray(scores, float), np.asarray(won, float) == 1
    rows = []
    for share in shares:
        needed = wins_needed(share, confidence)
        enough = won.sum() >= needed
        cut = certified_cut(scores[won], max_lost_share=share, confidence=confidence) if enough else np.nan
        held, lost = (float(np.mean(of < cut)) if enough else np.nan for of in (scores, scores[won]))
        rows.append({"max_lost_share": share, "wins": int(won.sum()), "needed": needed, "cut": cut, "held_share": held, "lost_share": lost})
    return pd.DataFrame(rows)


def cut_picture(scores: np.ndarray, won: np.ndarray, table: pd.DataFrame) -> Figure:
    """For every cut, the share of leads held and of wins lost; the table's cuts are marked, chance is a straight line."""
    scores, won = np.asarray(scores, float), np.asarray(won, float) == 1
    cuts = np.unique(np.quantile(scores, np.linspace(0, 1, 400), method="inverted_cdf"))
    held, lost = (np.searchsorted(np.sort(of), cuts) / max(len(of), 1) for of in (scores, scores[won]))
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.subplots()
        marked = table.dropna(subset="cut")
        right, top = (min(1.0, 1.8 * marked[of].max() + 0.05) if len(marked) else 1.0 for of in ("held_share", "lost_share"))
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        edge = 0.9 * min(right, top)
        chance = {"rotation": 45, "transform_rotates_text": True, "rotation_mode": "anchor", "ha": "right", "va": "bottom"}
        axes.text(edge, edge, "holding by chance", color=GREY, fontsize=8, **chance)
        axes.plot(held, lost, color=BLUE, linewidth=2.2)
        for row in marked.itertuples():
            axes.plot(row.held_share, row.lost_share, "o", color=ORANGE, markersize=6, clip_on=False)
            words = f"at most {100 * row.max_lost_share:g} % lost: holds {row.held_share:.0%}"
            beside = (9, 6 if row.lost_share < 0.02 * top else -1)
            place = {"xytext": beside, "textcoords": "offset points", "va": "center"}
            over = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8}  # the curve
            axes.annotate(words, (row.held_share, row.lost_share), color=INK, fontsize=8, bbox=over, **place)
        axes.set(xlim=(0, right), ylim=(0, top), xlabel="share of leads held back", ylabel="share of wins lost")
        axes.set_title("What holding leads back would cost")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return figure

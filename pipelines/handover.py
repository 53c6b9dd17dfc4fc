"""The list that sales gets: what a rep needs of a decision, and nothing of how it was drawn."""

import pandas as pd

from models.arms import FORCED

# Without arm and cut: whoever works the list must not see which leads were drawn to pass whatever their score.
COLUMNS = [
    *("lead_id", "channel", "owner", "action", "must_work", "this_week", "grade", "rank", "value", "p_pursue", "p_convert", "p_both"),
    *("low", "high", "extrapolated", "reasons", "as_of", "version"),
]


def for_sales(*decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions of several runs as one list. ``must_work`` marks leads that sales is asked to work, whatever it thinks of them."""
    together = pd.concat(
        [each.assign(must_work=each["arm"] == FORCED)[COLUMNS] for each in decisions if len(each)]
        or [decisions[0].assign(must_work=False)[COLUMNS]]
    )
    return together.astype({"extrapolated": bool, "this_week": bool}).reset_index(drop=True)

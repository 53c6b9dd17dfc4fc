"""What is usual among the leads that a model was fitted on, for words that compare."""

from collections.abc import Mapping

import pandas as pd


def usual_values(
    frame: pd.DataFrame, categories: Mapping[str, tuple[str, ...] | None]
) -> dict[str, float | str | None]:
    """Median of each number, and of each category the value that most leads have; None where none has."""
    usual: dict[str, float | str | None] = {}
    for name, values in categories.items():
        if values is not None:
            most = bool(values) and (frame[name] == values[0]).mean() > 0.5
            usual[name] = values[0] if most else None
            continue
        median = frame[name].median()
        usual[name] = None if pd.isna(median) else float(median)
    return usual

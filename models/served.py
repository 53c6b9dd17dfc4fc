"""A registered scorer as MLflow loads and serves it: a table of feature columns in, chances and grades out.

MLflow finds this module by name and hands it the folder of data that was registered. The artifact holds no code, so versions
loaded side by side run the same installed code on different data.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import ContractError
from models.scorer import Scorer, load_scorer


class ServedScorer:
    """What ``mlflow.pyfunc.load_model`` calls ``predict`` on."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score rows of feature columns; a column that is absent counts as empty, one that is not known is ignored.

        Raises ContractError where a number column holds something else.
        """
        columns = {}
        for column in self.scorer.recipe.columns:
            values = model_input.get(column.name, pd.Series(None, index=model_input.index, dtype=object))
            columns[column.name] = numbers(values) if column.kind == "number" else values.astype("category")
        scores = self.scorer.score(pd.DataFrame(columns, index=model_input.index))
        absent = [name for name in scores if scores[name].isna().all()]
        return scores.assign(**{name: None for name in absent})  # a NaN would go over the wire as what no JSON reader takes


def numbers(values: pd.Series) -> pd.Series:
    try:
        return values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ContractError(f"column '{values.name}' must hold numbers or nothing; no row was scored: {error}") from error


def usual_row(scorer: Scorer) -> pd.DataFrame:
    """The most ordinary lead there is, as an example of what a scorer reads."""
    row = {}
    for column in scorer.recipe.columns:
        value = scorer.usual.get(column.name)
        row[column.name] = pd.Series([value], dtype="float64" if column.kind == "number" else object)
    return pd.DataFrame(row)


def _load_pyfunc(path: str) -> ServedScorer:
    """The name that MLflow looks for."""
    return ServedScorer(load_scorer(Path(path)))

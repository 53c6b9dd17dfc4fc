"""How MLflow loads and serves a registered scorer, and which files it is registered with: data, never code.

MLflow finds this module by name and hands it the folder of data that was registered. So versions loaded side
by side run the same installed code on different data. A table of feature columns goes in, chances and grades
come out.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import ContractError
from models.scoring.scorer import Scorer, load_scorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.models import ModelSignature

REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "pydantic", "ibis-framework", "duckdb", "scipy")
OUTPUTS = {
    "p_pursue": "double",
    "p_convert": "double",
    "p_both": "double",
    "low": "double",
    "high": "double",
    "grade": "string",
}


class ServedScorer:
    """What ``mlflow.pyfunc.load_model`` calls ``predict`` on."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score rows of feature columns; a column that is absent counts as empty, one that is not known is
        ignored.

        Raises ContractError where a number column holds something else.
        """
        columns = {}
        for column in self.scorer.recipe.columns:
            values = model_input.get(column.name, pd.Series(None, index=model_input.index, dtype=object))
            columns[column.name] = numbers(values) if column.kind == "number" else values.astype("category")
        scores = self.scorer.score(pd.DataFrame(columns, index=model_input.index))
        absent = [name for name in scores if scores[name].isna().all()]
        return scores.assign(
            **{name: None for name in absent}
        )  # a NaN would go over the wire as what no JSON reader takes


def numbers(values: pd.Series) -> pd.Series:
    try:
        return values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"column '{values.name}' must hold numbers or nothing; no row was scored: {error}"
        ) from error


def usual_row(scorer: Scorer) -> pd.DataFrame:
    """The most ordinary lead there is, as an example of what a scorer reads."""
    row = {}
    for column in scorer.recipe.columns:
        value = scorer.usual.get(column.name)
        row[column.name] = pd.Series([value], dtype="float64" if column.kind == "number" else object)
    return pd.DataFrame(row)


def signature(scorer: Scorer) -> "ModelSignature":
    """Which columns a scorer reads and gives.

    Each may be absent, for an empty value is information too. Inputs are of any type: MLflow would refuse
    whole numbers and pandas' categories where it was told of doubles and strings; what is a number is said in
    ``features.json`` and checked by the scorer.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    inputs = [ColSpec(AnyType(), column.name, required=False) for column in scorer.recipe.columns]
    return ModelSignature(
        inputs=Schema(inputs), outputs=Schema([ColSpec(kind, name) for name, kind in OUTPUTS.items()])
    )


def requirements() -> list[str]:
    """What has to be installed to load a scorer."""
    return [f"{name}=={installed(name)}" for name in REQUIREMENTS]


def _load_pyfunc(path: str) -> ServedScorer:
    """The name that MLflow looks for."""
    return ServedScorer(load_scorer(Path(path)))


def stage(
    scratch: Path, folder: Path, *, scorer: Scorer, figures: Mapping[str, "Figure"], tables: Mapping[str, Any]
) -> Path:
    """Lay out a run's artifacts; the scorer itself goes to ``scratch/scorer``, the name under which it is
    downloaded again.
    """
    shutil.copytree(folder, scratch / "scorer")
    staged = scratch / "artifacts"
    staged.mkdir()
    features = [
        {"name": column.name, "kind": column.kind, "group": column.group, "unit": column.unit}
        for column in scorer.recipe.columns
    ]
    for name, table in {"features": features, **tables}.items():
        (staged / f"{name}.json").write_text(json.dumps(table, indent=1, default=str), encoding="utf-8")
    for name, figure in figures.items():
        figure.savefig(staged / f"{name}.png")
    return staged


def points(metrics: Mapping[str, float | Sequence[float | None] | None]) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of each point: a sequence is a curve over steps, what is not a number is left out."""
    for name, values in metrics.items():
        for step, value in enumerate(values if isinstance(values, Sequence) else [values]):
            if value is not None and math.isfinite(value):
                yield name, float(value), step

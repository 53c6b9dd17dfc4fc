"""What a registered run keeps as files: data, tables and pictures, and never code."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.scorer import Scorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stage(scratch: Path, folder: Path, *, scorer: Scorer, figures: Mapping[str, "Figure"], tables: Mapping[str, Any]) -> Path:
    """Lay out a run's artifacts; the scorer itself goes to ``scratch/scorer``, the name under which it is downloaded again."""
    shutil.copytree(folder, scratch / "scorer")
    staged = scratch / "artifacts"
    staged.mkdir()
    features = [{"name": column.name, "kind": column.kind, "group": column.group, "unit": column.unit} for column in scorer.recipe.columns]
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

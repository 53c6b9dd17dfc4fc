"""What the registry keeps of a training run: the scorer's data, parameters, figures, pictures and the fingerprint of the data."""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from models.encoding import encode
from models.pictures import blocks_picture, calibration_picture, gain_picture, importance_by_group, importance_picture
from models.policy import Policy
from models.scorer import Scorer
from pipelines.champion import save_challenger
from pipelines.places import registry_of
from pipelines.results import TrainingReport, moment
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot

FIGURES = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
TITLES = {"pursue": "Pursued by sales", "convert": "Won once pursued"}
CURVES = ("auc", "average_precision", "calibration_ratio")


def register_challenger(
    report: TrainingReport, scorer: Scorer, policy: Policy, leads: pd.DataFrame, snapshot: Snapshot, settings: Settings, home: Path
) -> TrainingReport:
    """Register a version under the alias ``challenger``; the report comes back with its number and policy."""
    result = replace(report, policy=policy).to_json()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "scorer"
        save_challenger(scorer, policy, folder)
        version = registry_of(settings, home).register(
            folder,
            params=parameters(settings),
            metrics=metrics(result),
            tags={"data": snapshot.fingerprint, "verdict": result["verdict"], "as_of": str(result["as_of"])},
            figures=pictures_of(report, scorer, leads),
            tables={"report": result},
        )
    return replace(report, version=version, policy=policy)


def parameters(settings: Settings) -> dict[str, Any]:
    """Every setting that shapes a version, by section."""
    sections = {"label": settings.label, "features": settings.features, "model": settings.model, "policy": settings.policy}
    return {f"{section}.{name}": value for section, chosen in sections.items() for name, value in asdict(chosen).items()}


def metrics(result: dict[str, Any]) -> dict[str, float | None | list[float | None]]:
    """The judged figures, and as curves over the blocks those that move with time."""
    found: dict[str, float | None | list[float | None]] = {}
    for name, model in result["models"].items():
        if model is None:
            continue
        found |= {f"{name}_{figure}": None if model[figure] is None else model[figure]["value"] for figure in FIGURES}
        found |= {f"{name}_{figure}_by_block": [block[figure] for block in model["blocks"]] for figure in CURVES}
        found |= {f"{name}_auc_{rival}": judged and judged["auc"]["value"] for rival, judged in model["baselines"].items()}
    return found


def pictures_of(report: TrainingReport, scorer: Scorer, leads: pd.DataFrame) -> dict[str, Figure]:
    """Gain, calibration and blocks over time of each model that was judged, and what each counts."""
    drawn: dict[str, Figure] = {}
    for name, model in scorer.models.items():
        judged = report.evaluation.models[name]
        if judged is not None and judged.figures is not None:
            drawn[f"{name}_gain"] = gain_picture(judged.judged, title=f"{TITLES[name]}: what working the best leads finds")
            drawn[f"{name}_calibration"] = calibration_picture(judged.judged, title=f"{TITLES[name]}: predicted and come true")
            drawn[f"{name}_blocks"] = blocks_picture(judged.figures, title=f"{TITLES[name]}: block by block", moment=lambda time: str(moment(time, report.tables.clock))[:10])
        importance = importance_by_group(model.hazard, encode(leads, scorer.categories), scorer.recipe)
        drawn[f"{name}_importance"] = importance_picture(importance, title=f"{TITLES[name]}: what the model counts")
    return drawn

"""What the registry keeps of a training run: the scorer's data, parameters, figures, pictures and the fingerprint of the data."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from models.version_record import write_record
from pipelines.card import write_card
from pipelines.champion import save_challenger
from pipelines.places import registry_of
from pipelines.report_page import PAGE, report_page
from pipelines.report_pictures import figures_of
from pipelines.results import TrainingReport
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot

FIGURES = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
CURVES = ("auc", "average_precision", "calibration_ratio")


def register_challenger(
    report: TrainingReport, card: Mapping[str, Any], snapshot: Snapshot, settings: Settings, home: Path, *, learned: pd.Series
) -> TrainingReport:
    """Register a version under the alias ``challenger``; the report comes back with its number.

    Parameters
    ----------
    report : TrainingReport
        With the challenger.
    card : mapping
        From ``card_of``; its page is kept beside the version.
    learned : Series of str
        The ids of all leads that were there to learn from.
    """
    result, challenger = report.to_json(), report.challenger
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "scorer"
        save_challenger(challenger.scorer, challenger.policy, folder)
        write_record(folder, lead_ids=learned, evaluation=report.evaluation, known_until=report.tables.end, leaks=result["leaks"])
        write_card(folder, card)
        version = (registry := registry_of(settings, home)).register(
            folder,
            params=parameters(settings),
            metrics=metrics(result),
            tags={"data": snapshot.fingerprint, **facts(result)},
            figures=figures_of(card),
            tables={"report": result, "leaks": result["leaks"]},
        )
    registry.attach(version, PAGE, report_page(card, version))
    return replace(report, version=version)


def facts(result: Mapping[str, Any]) -> dict[str, str]:
    """What a list of versions shows of each: verdict, as-of time, how many leads, and the AUC of the outcome that decides."""
    decisive = result["models"]["convert"] or result["models"]["pursue"]
    auc = decisive and decisive["auc"] and decisive["auc"]["value"]
    told = {"verdict": result["verdict"], "as_of": str(result["as_of"]), "leads": str(result["leads"])}
    return told | ({} if auc is None else {"auc": f"{auc:.4f}"})


def parameters(settings: Settings) -> dict[str, Any]:
    """Every setting that shapes a version, by section."""
    sections = {"label": settings.label, "features": settings.features, "model": settings.model, "policy": settings.policy}
    return {f"{section}.{name}": value for section, chosen in sections.items() for name, value in asdict(chosen).items()}


def metrics(result: dict[str, Any]) -> dict[str, float | list[float | None] | None]:
    """The judged figures, and as curves over the blocks those that move with time."""
    found: dict[str, float | list[float | None] | None] = {}
    for name, model in result["models"].items():
        if model is None:
            continue
        found |= {f"{name}_{figure}": None if model[figure] is None else model[figure]["value"] for figure in FIGURES}
        found |= {f"{name}_{figure}_by_block": [block[figure] for block in model["blocks"]] for figure in CURVES}
        found |= {f"{name}_auc_{rival}": judged and judged["auc"]["value"] for rival, judged in model["baselines"].items()}
    return found

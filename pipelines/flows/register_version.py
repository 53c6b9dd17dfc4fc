"""What the registry keeps of a training run: the scorer's data, parameters, figures, pictures and the
fingerprint of the data.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from features.recipe import Recipe
from features.serialization import plain
from features.tables import Tables, moment
from models.evaluation.evaluate import Evaluation
from models.evaluation.report import USELESS
from models.leakage.findings import Findings
from models.promotion.record import write_record
from models.training import Challenger
from pipelines.files import scratch_in, temporary_in
from pipelines.flows.dataset import unused
from pipelines.home import registry_of
from pipelines.reports.model_report import PAGE, report_page
from pipelines.reports.plots.report import figures_of
from pipelines.reports.serialize import recalibrated, told_leniency, told_worked
from pipelines.settings import Settings
from pipelines.sources.snapshots import Snapshot
from pipelines.version_files import save_challenger, write_card

FIGURES = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
CURVES = ("auc", "average_precision", "calibration_ratio")


@dataclass(frozen=True)
class TrainingReport:
    """What a training run found; ``version`` and ``challenger`` are None where nothing was registered."""

    tables: Tables
    leads: int
    recipe: Recipe
    evaluation: Evaluation
    findings: Findings
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    version: str | None = None
    challenger: Challenger | None = None

    @property
    def useful(self) -> bool:
        """Whether the model is worth registering."""
        return self.evaluation.verdict.word not in USELESS

    def to_json(self) -> dict[str, Any]:
        """The ``train`` object of the interface."""
        clock, made = self.tables.clock, self.challenger
        return plain(
            {
                "verdict": self.evaluation.verdict.word,
                "reasons": self.evaluation.verdict.reasons,
                "score": self.evaluation.choice.score,
                "version": self.version,
                "alias": None if self.version is None else "challenger",
                "as_of": moment(self.tables.end, clock),
                "leads": self.leads,
                "columns": len(self.recipe.columns),
                "models": {
                    name: None if report is None else report.to_json(lambda time: moment(time, clock))
                    for name, report in self.evaluation.models.items()
                },
                "policy": made
                and {
                    "score": made.scorer.score_of,
                    **made.policy.to_json(lambda time: moment(time, clock)),
                },
                "grades": made and made.grades,
                "recalibration": made and made.recalibration and recalibrated(made.recalibration),
                "worked": made and made.worked and told_worked(made.worked),
                "leniency": made and made.leniency and told_leniency(made.leniency),
                "withheld": made
                and {
                    "wins": len(made.withheld.wins),
                    "leads": int((~made.withheld.learn).sum()),
                    **made.on_withheld(),
                },
                "leaks": self.findings.leaks,
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


def doubts(snapshot: Snapshot, recipe: Recipe, evaluation: Evaluation) -> tuple[str, ...]:
    """Everything a reader should know before trusting the figures."""
    return (*snapshot.warnings, *unused(recipe), *evaluation.warnings)


def register_challenger(
    report: TrainingReport,
    card: Mapping[str, Any],
    snapshot: Snapshot,
    settings: Settings,
    home: Path,
    *,
    learned: pd.Series,
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
    with scratch_in(home) as scratch, temporary_in(scratch):
        folder = Path(scratch) / "scorer"
        save_challenger(challenger.scorer, challenger.policy, folder)
        write_record(
            folder,
            lead_ids=learned,
            evaluation=report.evaluation,
            known_until=report.tables.end,
            leaks=result["leaks"],
        )
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
    """What a list of versions shows of each: verdict, as-of time, how many leads, and the AUC and average
    precision of its score.
    """
    decisive = result["models"][result["score"].removeprefix("p_")] or {}
    figures = {name: decisive.get(name) and decisive[name]["value"] for name in ("auc", "average_precision")}
    told = {"verdict": result["verdict"], "as_of": str(result["as_of"]), "leads": str(result["leads"])}
    return told | {name: f"{value:.4f}" for name, value in figures.items() if value is not None}


def parameters(settings: Settings) -> dict[str, Any]:
    """Every setting that shapes a version, by section."""
    sections = {
        "label": settings.label,
        "features": settings.features,
        "model": settings.model,
        "policy": settings.policy,
    }
    return {
        f"{section}.{name}": value
        for section, chosen in sections.items()
        for name, value in asdict(chosen).items()
    }


def metrics(result: dict[str, Any]) -> dict[str, float | list[float | None] | None]:
    """The judged figures, and as curves over the blocks those that move with time."""
    found: dict[str, float | list[float | None] | None] = {}
    for name, model in result["models"].items():
        if model is None:
            continue
        found |= {
            f"{name}_{figure}": None if model[figure] is None else model[figure]["value"]
            for figure in FIGURES
        }
        found |= {
            f"{name}_{figure}_by_block": [block[figure] for block in model["blocks"]] for figure in CURVES
        }
        for figure in ("auc", "average_precision"):
            found |= {
                f"{name}_{figure}_{rival}": judged and judged[figure]["value"]
                for rival, judged in model["baselines"].items()
            }
            found[f"{name}_{figure}_newest"] = model["newest"] and model["newest"][figure]["value"]
    return found

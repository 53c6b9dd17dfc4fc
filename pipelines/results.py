"""What the flows hand back, and the JSON that people script on: keys keep their names, absent things are null."""

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.recipe import Recipe
from features.tables import Clock, Tables, row_of
from models.aftermath import Aftermath
from models.challenger import Challenger
from models.evaluation import Evaluation
from models.leak_findings import Findings
from models.policy import HAND_OFF, HOLD
from models.selection import Leniency, Recalibration
from pipelines.snapshots import Snapshot

USELESS = ("no better than chance", "too little data")


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
                "version": self.version,
                "alias": None if self.version is None else "challenger",
                "as_of": moment(self.tables.end, clock),
                "leads": self.leads,
                "columns": len(self.recipe.columns),
                "models": {
                    name: None if report is None else report.to_json(lambda time: moment(time, clock))
                    for name, report in self.evaluation.models.items()
                },
                "policy": made and made.policy.to_json(lambda time: moment(time, clock)),
                "grades": made and [grade.to_json() for grade in made.grades],
                "recalibration": made and made.recalibration and recalibrated(made.recalibration),
                "leniency": made and made.leniency and told_leniency(made.leniency),
                "leaks": [leak.to_json() for leak in self.findings.leaks],
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@dataclass(frozen=True)
class Promotion:
    """Whether a version is what sales sees from now on, which it replaced, and why."""

    version: str
    replaced: str | None
    reasons: tuple[str, ...]
    promoted: bool = True

    def to_json(self) -> dict[str, Any]:
        """The ``promote`` object of the interface."""
        return {"promoted": self.promoted, "version": self.version, "replaced": self.replaced, "reasons": list(self.reasons)}


@dataclass(frozen=True)
class ScoringReport:
    """What a scoring run decided; leads that another run has decided are counted in ``already_decided`` alone."""

    version: str
    as_of: str | int | None
    decisions: pd.DataFrame
    already_decided: int
    output: Path | None
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def by(self, column: str) -> dict[str, dict[str, int]]:
        """Counts of each action by the values of one column."""
        counts = pd.crosstab(self.decisions[column].astype("str").fillna("(empty)"), self.decisions["action"])
        counts = counts.reindex(columns=[HAND_OFF, HOLD], fill_value=0).set_axis(["handed_off", "held"], axis="columns")
        return {str(value): row for value, row in counts.to_dict("index").items()}

    def to_json(self) -> dict[str, Any]:
        """The ``score`` object of the interface."""
        return plain(
            {
                "version": self.version,
                "as_of": self.as_of,
                "scored": len(self.decisions),
                "handed_off": int((self.decisions["action"] == HAND_OFF).sum()),
                "held": int((self.decisions["action"] == HOLD).sum()),
                "already_decided": self.already_decided,
                "output": None if self.output is None else str(self.output),
                "by_channel": self.by("channel"),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )


@dataclass(frozen=True)
class Overrides:
    """Held leads that people pulled out, and what became of them: wins that the filter alone would have missed.

    They prove nothing about the filter's share of losses, for people choose whom they pull out; so no other figure counts them.
    """

    pulled_out: int
    taken_up: int
    won: int

    @classmethod
    def of(cls, log: pd.DataFrame, lead_ids: set[str]) -> "Overrides":
        """From what became of decided leads: ``lead_id``, ``accepted`` and ``won``."""
        chosen = log[log["lead_id"].isin(lead_ids)]
        return cls(len(lead_ids), int(chosen["accepted"].sum()), int(chosen["won"].sum()))


@dataclass(frozen=True)
class ValueReport:
    """What the filter has cost and brought since launch."""

    aftermath: Aftermath
    overrides: Overrides
    since: pd.Timestamp
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The ``value`` object of the interface."""
        found = self.aftermath
        return plain(
            {
                "since": self.since.isoformat(),
                "decided": found.decided,
                "settled": found.settled,
                "promise": found.promise.to_json(),
                "overrides": asdict(self.overrides),
                "worth": {
                    unit: {name: value.to_json() | {"words": value.words()} for name, value in policies.items()}
                    for unit, policies in found.worth.items()
                },
                "leniency": found.leniency and told_leniency(found.leniency),
                "warnings": (*self.warnings, *found.notes),
                "seconds": self.seconds,
            }
        )


def doubts(snapshot: Snapshot, recipe: Recipe, evaluation: Evaluation) -> tuple[str, ...]:
    """Everything a reader should know before trusting the figures."""
    return (*snapshot.warnings, *unused(recipe), *evaluation.warnings)


def unused(recipe: Recipe) -> tuple[str, ...]:
    """The lead columns that no model sees, a sentence for each reason."""
    why: dict[str, list[str]] = {}
    for name, reason in recipe.dropped:
        why.setdefault(reason, []).append(name)
    return tuple(f"not used, {reason}: {', '.join(names)}" for reason, names in why.items())


def moment(time: datetime | pd.Timestamp | np.datetime64, clock: Clock) -> str | int | None:
    """A time as people of this source would say it: a date, the number of a row, or nothing where there is no order."""
    if clock == "none":
        return None
    stamp = pd.Timestamp(time)
    return row_of(stamp.to_pydatetime()) if clock == "rows" else stamp.isoformat()


def recalibrated(found: Recalibration) -> dict[str, Any]:
    """What leads worked by lot taught, in figures and in words."""
    words = (
        f"set right on {found.leads:,} leads that sales was asked to work: predicted against real was {found.ratio_before.value:.2f} "
        f"[{found.ratio_before.low:.2f} – {found.ratio_before.high:.2f}] and is {found.ratio_after.value:.2f} "
        f"[{found.ratio_after.low:.2f} – {found.ratio_after.high:.2f}]"
    )
    estimates = {"ratio_before": found.ratio_before.to_json(), "ratio_after": found.ratio_after.to_json()}
    return {"leads": found.leads, "wins": found.wins, **asdict(found.platt), **estimates, "words": words}


def told_leniency(found: Leniency) -> dict[str, Any]:
    """The warning light in figures and in words."""
    return asdict(found) | {"warns": found.warns, "words": found.words()}


def plain(value: Any) -> Any:
    """What JSON can hold: lists for tuples, Python's numbers for numpy's, null for what is no number."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

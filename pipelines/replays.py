"""Replayed months on disk: each is kept when it is done, so that a run that was killed goes on where it stopped."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from features.tables import Clock
from models.backtest import Replayed, Span
from pipelines.results import moment, plain
from pipelines.settings import Settings
from pipelines.sinks import replaced

FORMAT = 1
SECTIONS = ("label", "features", "model", "evaluation", "policy")


@dataclass(frozen=True)
class BacktestReport:
    """What the filter would have done to the leads of every replayed span."""

    replayed: tuple[Replayed, ...]
    clock: Clock
    max_lost_share: float
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    picture: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The ``backtest`` object of the interface."""
        spans = [{**span.to_json(), "from": moment(span.start, self.clock), "to": moment(span.end, self.clock)} for span in self.replayed]
        for span in spans:
            del span["start"], span["end"]
        return plain(
            {
                "spans": spans,
                "total": self.total(),
                "max_lost_share": self.max_lost_share,
                "picture": None if self.picture is None else str(self.picture),
                "warnings": self.warnings,
                "seconds": self.seconds,
            }
        )

    def total(self) -> dict[str, Any]:
        """Sums over the spans; what no span knows is None."""
        counts = ("leads", "taken_up", "customers", "margin", "open", "held", "held_taken_up", "lost", "lost_margin")
        told = {name: [value for span in self.replayed if (value := getattr(span, name)) is not None] for name in counts}
        rivals = {name: sum(span.rivals[name] for span in self.replayed) for name in (self.replayed[0].rivals if self.replayed else ())}
        return {name: sum(values) if values else None for name, values in told.items()} | {"rivals": rivals}


def folder_of(home: Path, fingerprint: str, settings: Settings, until: Any) -> Path:
    """Where the months of one source under one configuration are kept: others have a folder of their own."""
    chosen = {name: TypeAdapter(type(getattr(settings, name))).dump_python(getattr(settings, name), mode="json") for name in SECTIONS}
    key = json.dumps([FORMAT, fingerprint, chosen, str(until)], sort_keys=True)
    return home / "backtests" / hashlib.sha256(key.encode()).hexdigest()[:16]


def once(folder: Path, span: Span, replay: Callable[[], Replayed]) -> Replayed:
    """A span as it was replayed before, or replayed now and kept."""
    kept = folder / f"{span.start:%Y%m%dT%H%M%S}-{span.end:%Y%m%dT%H%M%S}.json"
    if kept.exists():
        return Replayed.from_json(json.loads(kept.read_text(encoding="utf-8")))
    replayed = replay()
    with replaced(kept) as draft:
        draft.write_text(json.dumps(replayed.to_json()), encoding="utf-8")
    return replayed

"""What a version says of itself beside its scorer: until when it knew, whom it learned from, and what its
columns were found guilty of.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from models.evaluation.evaluate import Evaluation
from models.leakage.guard import source_columns
from models.policy.policy import Policy
from models.promotion.rule import Leaking, Rival
from models.registry.published import LEARNED
from models.scoring.scorer import Scorer

RECORD, LEAKS = "record.json", "leaks.json"
LATE, SUSPICIOUS = "known too late", "suspicious"


@dataclass(frozen=True)
class VersionRecord:
    """One version, as it is compared with another.

    Attributes
    ----------
    number, verdict : str
    scorer : Scorer
    policy : Policy
    known_until : datetime or None
        Nothing recorded later was used; None where the version does not say.
    learned : DataFrame or None
        By ``lead_id`` every lead that was there to learn from, with its forward scores ``p_pursue`` and
        ``p_convert``, before calibration: those of a block's model that had not seen the lead's outcome, nor
        any lead of its account; and ``cutoff``, the block's start, after which that model knew nothing. Empty
        where the lead was in no block. None where the version does not say.
    leaks : tuple of dict
        What the leak guard said at training: ``column, verdict, detector, value, why``, and ``trusted`` where
        a person has answered for it.
    """

    number: str
    verdict: str
    scorer: Scorer
    policy: Policy
    known_until: datetime | None
    learned: pd.DataFrame | None
    leaks: tuple[dict[str, Any], ...]

    def forward(self) -> pd.DataFrame:
        """The forward scores by ``lead_id``, set right as the finished models' are."""
        found = self.learned[["p_pursue", "p_convert"]].astype(float)
        return found.assign(
            **{
                f"p_{name}": model.platt.apply(found[f"p_{name}"].to_numpy())
                for name, model in self.scorer.models.items()
            }
        )

    @property
    def rival(self) -> Rival:
        """As the rule sees it: with the leaks that the version reads and nobody has answered for."""
        return Rival(self.number, self.verdict, unanswered(self.leaks, source_columns(self.scorer.recipe)))


def unanswered(leaks: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[Leaking, ...]:
    """The leaks among the columns that are read: known too late, or suspicious without a person's trust."""
    found = []
    for leak in leaks:
        suspected = leak["verdict"] == SUSPICIOUS and not leak.get("trusted")
        if leak["column"] in columns and (leak["verdict"] == LATE or suspected):
            found.append(Leaking(leak["column"], leak["verdict"], leak.get("why") or ""))
    return tuple(found)


def learned_from(lead_ids: pd.Series, evaluation: Evaluation) -> pd.DataFrame:
    """What ``VersionRecord.learned`` says of every lead that was there to learn from."""
    forward = evaluation.forward
    scores = (
        evaluation.uncalibrated[["p_pursue", "p_convert"]].astype("float32").set_index(forward["lead_id"])
    )
    scores["cutoff"] = forward.groupby("block")["as_of"].transform("min").to_numpy()
    return scores.reindex(pd.Index(lead_ids, name="lead_id"))


def write_record(
    folder: Path,
    *,
    lead_ids: pd.Series,
    evaluation: Evaluation,
    known_until: datetime,
    leaks: Sequence[Mapping[str, Any]],
) -> None:
    """Lay what ``read_record`` reads beside a saved scorer.

    Parameters
    ----------
    lead_ids : Series of str
        Every lead that was there to learn from.
    evaluation : Evaluation
        Whose blocks' models gave the forward scores.
    """
    learned_from(lead_ids, evaluation).reset_index().to_parquet(
        folder / LEARNED, index=False, compression="zstd"
    )
    (folder / RECORD).write_text(json.dumps({"known_until": known_until.isoformat()}), encoding="utf-8")
    (folder / LEAKS).write_text(json.dumps(list(leaks), indent=1), encoding="utf-8")


def read_record(folder: Path, *, number: str, verdict: str, scorer: Scorer, policy: Policy) -> VersionRecord:
    """A version's record from its folder; what an older folder lacks is None, or no leaks."""
    told, learned, leaks = folder / RECORD, folder / LEARNED, folder / LEAKS
    until = json.loads(told.read_text(encoding="utf-8"))["known_until"] if told.is_file() else None
    return VersionRecord(
        number=number,
        verdict=verdict,
        scorer=scorer,
        policy=policy,
        known_until=None if until is None else datetime.fromisoformat(until),
        learned=pd.read_parquet(learned).set_index("lead_id") if learned.is_file() else None,
        leaks=tuple(json.loads(leaks.read_text(encoding="utf-8"))) if leaks.is_file() else (),
    )

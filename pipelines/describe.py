"""A training run told in full: what its report says and shows, as one JSON object."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import Clock
from models.challenger import Challenger
from models.check_pictures import spans_of
from models.curves import curves_of
from models.drivers import Moves, moves_of
from models.encoding import encode
from models.evaluation import Evaluation
from models.gaps import gaps
from models.learning import LearningSet
from models.policy import lowest_share_cut
from models.segments import segment_figures
from models.version_record import VersionRecord, learned_from
from pipelines.card import FORMAT, settings_told
from pipelines.notes import read_note
from pipelines.reigning import since_champion
from pipelines.results import TrainingReport, moment, plain
from pipelines.segment_columns import read_groups
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot

JUDGED_LEADS = 100_000  # by segment: more would narrow intervals that are narrow, and take seconds
ALMOST_ALL = 0.99
MOST_DRIVERS = 6  # by segment
OUTCOMES = {"pursue": "pursued", "convert": "converted"}
OF_THE_RUN = ("version", "alias", "seconds")


def card_of(report: TrainingReport, learning: LearningSet, snapshot: Snapshot, settings: Settings, home: Path) -> dict[str, Any]:
    """The ``report`` object of the interface, but for the version's number, which is not known yet."""
    evaluation, scorer, clock = report.evaluation, report.challenger.scorer, report.tables.clock
    result = report.to_json()
    decisive = "convert" if scorer.convert else "pursue"
    sample = evaluation.sample if len(evaluation.sample) else learning.frame  # where no lead could be judged
    moves = {name: moves_of(model.hazard, encode(sample, scorer.categories), scorer.recipe) for name, model in scorer.models.items()}
    drivers = {name: each.by_group() for name, each in moves.items()}
    judged = _judged(learning, evaluation, report.challenger, decisive)
    groups = read_groups(
        snapshot,
        pd.concat([judged["lead_id"], sample["lead_id"].iloc[moves[decisive].rows]]).drop_duplicates(),
        recipe=learning.recipe,
        named_by_user=settings.evaluation.segments,
        audit=settings.features.audit,
        drivers=list(drivers[decisive]["group"]),
    )
    segments = segment_figures(
        judged,
        groups.loc[judged["lead_id"]],
        below=judged["below"].to_numpy() if report.challenger.policy.held_share else None,
        audited=settings.features.audit,
    )
    main, told = list(drivers[decisive]["group"][:MOST_DRIVERS]), settings_told(settings)
    record = VersionRecord(
        number="the new one",
        verdict=evaluation.verdict.word,
        scorer=scorer,
        policy=report.challenger.policy,
        known_until=learning.known_until,
        learned=learned_from(learning.frame["lead_id"], evaluation),
        leaks=tuple(result["leaks"]),
    )
    return plain(
        {
            "format": FORMAT,
            **{key: value for key, value in result.items() if key not in OF_THE_RUN},
            "trained_on": _trained_on(learning, snapshot),
            "outcomes": {name: _outcome(learning, name, clock) for name in learning.names},
            "curves": {name: curves_of(each.judged) for name, each in evaluation.models.items() if each is not None and len(each.judged)},
            "drivers": {name: table.to_dict("records") for name, table in drivers.items()},
            "drivers_by_segment": [
                driven
                for name in groups
                if name not in settings.features.audit and (driven := _driven(moves[decisive], sample, groups[name], main))
            ],
            "by_segment": {"of": decisive, "leads": len(judged), "all": len(evaluation.forward)},
            "segments": [segment.to_json() for segment in segments],
            "gaps": [gap.to_json() for gap in gaps(segments)],
            "audit": list(settings.features.audit),
            "champion": since_champion(record, learning, snapshot, settings, home, told=told),
            "settings": told,
        }
    )


def _judged(learning: LearningSet, evaluation: Evaluation, challenger: Challenger, name: str) -> pd.DataFrame:
    """The judged leads, or some of them evenly over time, as ``segment_figures`` takes them.

    ``below`` is whether a lead is among the lowest-scored of its block, as large a share as the filter holds today: what its cut would have
    held of other blocks depends on how their models and leads differ from today's, and not on the groups.
    """
    forward, policy = evaluation.forward, challenger.policy
    cut_by = [name] if policy.score != "p_both" else list(challenger.scorer.models)
    scores = [challenger.scorer.models[each].platt.apply(evaluation.uncalibrated[f"p_{each}"].to_numpy()) for each in cut_by]
    score, share = np.prod(scores, axis=0), min(policy.held_share, ALMOST_ALL)
    rows = np.flatnonzero(np.isfinite(score) & np.isfinite(forward[f"p_{name}"].to_numpy(float)))
    rows = rows[:: max(1, -(-len(rows) // JUDGED_LEADS))]
    chosen = forward.iloc[rows]
    cuts = pd.Series(score[rows]).groupby(chosen["block"].to_numpy()).transform(lambda block: lowest_share_cut(block.to_numpy(), share))
    accounts = learning.frame.loc[_among(learning.frame["lead_id"], chosen["lead_id"]), "account_id"]  # in the same order
    return pd.DataFrame(
        {
            "lead_id": chosen["lead_id"].to_numpy(),
            "account_id": accounts.to_numpy(),
            "block": chosen["block"].to_numpy(),
            "outcome": chosen[OUTCOMES[name]].to_numpy(float),
            "p": chosen[f"p_{name}"].to_numpy(float),
            "below": score[rows] < cuts.to_numpy(),
        }
    )


def _among(lead_ids: pd.Series, some: pd.Series) -> np.ndarray:
    """Who is among some leads; of a million, pandas would take seconds to tell."""
    return pc.is_in(pa.array(lead_ids, pa.large_string()), value_set=pa.array(some, pa.large_string())).to_numpy(zero_copy_only=False)


def _driven(moves: Moves, sample: pd.DataFrame, groups: pd.Series, main: list[str]) -> dict[str, Any] | None:
    """How strongly the model's main drivers move the leads of each group of a column; None where there are not two groups."""
    found = moves.by_segment(groups.loc[sample["lead_id"].iloc[moves.rows]])
    if len(found) < 2:
        return None
    return {
        "column": groups.name,
        "groups": list(found),
        "drivers": [{"group": group, "strengths": [float(strengths[group]) for strengths in found.values()]} for group in main],
    }


def _trained_on(learning: LearningSet, snapshot: Snapshot) -> dict[str, Any]:
    note, as_of, recipe = read_note(snapshot.folder), learning.frame["as_of"], learning.recipe
    ends = [moment(time, note.clock) for time in (as_of.iloc[0], as_of.iloc[-1])] if len(as_of) else [None, None]
    groups = pd.Series([column.group for column in recipe.columns]).value_counts(sort=False)
    return {
        "source": note.source,
        "fingerprint": snapshot.fingerprint,
        "rows": note.rows,
        "clock": note.clock,
        "from": ends[0],
        "to": ends[1],
        "accounts": int(learning.frame["account_id"].nunique()) if note.has_accounts else None,
        "pursue_days": recipe.horizons.pursue_days,
        "convert_days": recipe.horizons.convert_days,
        "scored": recipe.horizons.scored,
        "reads": {str(group): int(columns) for group, columns in groups.items()},
        "not_read": [{"column": name, "why": why} for name, why in recipe.dropped],
    }


def _outcome(learning: LearningSet, name: str, clock: Clock) -> dict[str, Any]:
    """How many leads are settled, open and unknown, and over time."""
    labels, as_of = learning.labels(name), learning.frame["as_of"].to_numpy("datetime64[us]")
    counts = {state: int((labels.state == state).sum()) for state in ("settled", "open", "unknown")}
    counts |= {"yes": int((labels.outcome == 1).sum()), "no": int((labels.outcome == 0).sum())}
    spans = spans_of(as_of, labels) if clock != "none" and len(as_of) else None
    over_time = [] if spans is None else spans.assign(start=[moment(time, clock) for time in spans["start"]]).to_dict("records")
    return counts | {"over_time": over_time}

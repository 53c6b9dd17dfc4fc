"""A training run told in full, as one JSON object: its report, its pictures' figures, its segments."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.labels import JUDGED
from features.lead_columns import bare_name
from features.recipe import Recipe
from features.serialization import plain
from features.tables import LEAD_KEYS, Clock, moment, named
from models.dataset import LearningSet
from models.evaluation.evaluate import Evaluation
from models.evaluation.importance import Moves, moves_of
from models.evaluation.performance import curves_of
from models.evaluation.segments import gaps, segment_figures
from models.policy.policy import lowest_share_cut
from models.promotion.record import VersionRecord, learned_from
from models.survival.encoding import encode
from models.training import Challenger
from pipelines.flows.compare import since_champion
from pipelines.flows.register_version import TrainingReport
from pipelines.reports.plots.source import spans_of
from pipelines.settings import Settings
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import read_note
from pipelines.sources.reading.parts import parts
from pipelines.sources.snapshots import Snapshot
from pipelines.version_files import FORMAT, settings_told

JUDGED_LEADS = 100_000  # by segment: more would narrow intervals that are narrow, and take seconds
ALMOST_ALL = 0.99
MOST_DRIVERS = 6  # by segment
OF_THE_RUN = ("version", "alias", "seconds")
USUAL = {
    "channel": ("channel", "leadsource", "source", "leadorigin", "origin", "utmsource"),
    "country": ("country", "countrycode", "market", "region", "state"),
    "owner": ("owner", "leadowner", "accountowner", "salesagent", "salesrep", "rep"),
    "size": (
        "employees",
        "numberofemployees",
        "noofemployees",
        "employeecount",
        "headcount",
        "companysize",
        "accountsize",
        "size",
    ),
}
ENOUGH = 4
MOST_LEVELS = 30  # of a column that nobody named: more groups than that say little each
FEW_VALUES = 6  # numbers that differ so little are told apart one by one
QUARTERS = (0.25, 0.5, 0.75)


def card_of(
    report: TrainingReport, learning: LearningSet, snapshot: Snapshot, settings: Settings, home: Path
) -> dict[str, Any]:
    """The ``report`` object of the interface, but for the version's number, which is not known yet."""
    evaluation, scorer, clock = report.evaluation, report.challenger.scorer, report.tables.clock
    result = report.to_json()
    scored = scorer.score_of.removeprefix("p_")
    driven = scored if scored in scorer.models else "convert"
    sample = evaluation.sample if len(evaluation.sample) else learning.frame  # where no lead could be judged
    moves = {
        name: moves_of(model.hazard, encode(sample, scorer.categories), scorer.recipe)
        for name, model in scorer.models.items()
    }
    drivers = {name: each.by_group() for name, each in moves.items()}
    judged = _judged(learning, evaluation, report.challenger, scored)
    groups = read_groups(
        snapshot,
        pd.concat([judged["lead_id"], sample["lead_id"].iloc[moves[driven].rows]]).drop_duplicates(),
        recipe=learning.recipe,
        named_by_user=settings.evaluation.segments,
        audit=settings.features.audit,
        drivers=list(drivers[driven]["group"]),
    )
    segments = segment_figures(
        judged,
        groups.loc[judged["lead_id"]],
        below=judged["below"].to_numpy() if report.challenger.policy.held_share else None,
        audited=settings.features.audit,
    )
    main, told = list(drivers[driven]["group"][:MOST_DRIVERS]), settings_told(settings)
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
            "curves": {
                name: curves_of(each.judged)
                for name, each in evaluation.models.items()
                if each is not None and len(each.judged)
            },
            "drivers": {name: table.to_dict("records") for name, table in drivers.items()},
            "drivers_by_segment": [
                moved
                for name in groups
                if name not in settings.features.audit
                and (moved := _driven(moves[driven], sample, groups[name], main))
            ],
            "by_segment": {"of": scored, "leads": len(judged), "all": len(evaluation.forward)},
            "segments": segments,
            "gaps": gaps(segments),
            "audit": settings.features.audit,
            "champion": since_champion(record, learning, snapshot, settings, home, told=told),
            "settings": told,
        }
    )


def _judged(learning: LearningSet, evaluation: Evaluation, challenger: Challenger, name: str) -> pd.DataFrame:
    """The judged leads, or some of them evenly over time, as ``segment_figures`` takes them.

    ``below`` is whether a lead is among the lowest-scored of its block, as large a share as the filter holds
    today: what its cut would have held of other blocks depends on how their models and leads differ from
    today's, and not on the groups.
    """
    forward, policy = evaluation.forward, challenger.policy
    calibrated = {
        f"p_{each}": model.platt.apply(evaluation.uncalibrated[f"p_{each}"].to_numpy())
        for each, model in challenger.scorer.models.items()
    }
    score = challenger.scorer.score_from(calibrated)
    share = min(policy.held_share, ALMOST_ALL)
    rows = np.flatnonzero(np.isfinite(score) & np.isfinite(forward[f"p_{name}"].to_numpy(float)))
    rows = rows[:: max(1, -(-len(rows) // JUDGED_LEADS))]
    chosen = forward.iloc[rows]
    cuts = (
        pd.Series(score[rows])
        .groupby(chosen["block"].to_numpy())
        .transform(lambda block: lowest_share_cut(block.to_numpy(), share))
    )
    accounts = learning.frame.loc[
        _among(learning.frame["lead_id"], chosen["lead_id"]), "account_id"
    ]  # in the same order
    return pd.DataFrame(
        {
            "lead_id": chosen["lead_id"].to_numpy(),
            "account_id": accounts.to_numpy(),
            "block": chosen["block"].to_numpy(),
            "outcome": chosen[JUDGED[name].column].to_numpy(float),
            "p": chosen[f"p_{name}"].to_numpy(float),
            "below": score[rows] < cuts.to_numpy(),
        }
    )


def _among(lead_ids: pd.Series, some: pd.Series) -> np.ndarray:
    """Who is among some leads; of a million, pandas would take seconds to tell."""
    return pc.is_in(
        pa.array(lead_ids, pa.large_string()), value_set=pa.array(some, pa.large_string())
    ).to_numpy(zero_copy_only=False)


def _driven(moves: Moves, sample: pd.DataFrame, groups: pd.Series, main: list[str]) -> dict[str, Any] | None:
    """How strongly the model's main drivers move the leads of each group of a column; None where there are
    not two groups.
    """
    found = moves.by_segment(groups.loc[sample["lead_id"].iloc[moves.rows]])
    if len(found) < 2:
        return None
    return {
        "column": groups.name,
        "groups": list(found),
        "drivers": [
            {"group": group, "strengths": [float(strengths[group]) for strengths in found.values()]}
            for group in main
        ],
    }


def _trained_on(learning: LearningSet, snapshot: Snapshot) -> dict[str, Any]:
    note, as_of, recipe = read_note(snapshot.folder), learning.frame["as_of"], learning.recipe
    ends = (
        [moment(time, note.clock) for time in (as_of.iloc[0], as_of.iloc[-1])] if len(as_of) else [None, None]
    )
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
    counts = labels.counts | {"yes": int((labels.outcome == 1).sum()), "no": int((labels.outcome == 0).sum())}
    spans = spans_of(as_of, labels) if clock != "none" and len(as_of) else None
    over_time = (
        []
        if spans is None
        else spans.assign(start=[moment(time, clock) for time in spans["start"]]).to_dict("records")
    )
    return counts | {"over_time": over_time}


def read_groups(
    snapshot: Snapshot,
    lead_ids: pd.Series,
    *,
    recipe: Recipe,
    named_by_user: Sequence[str] | None,
    audit: Sequence[str],
    drivers: Sequence[str],
) -> pd.DataFrame:
    """The groups of some leads by their id, as the leads table has them today.

    Parameters
    ----------
    snapshot : Snapshot
    lead_ids : Series of str
    recipe : Recipe
    named_by_user : sequence of str, optional
        The columns to tell the model apart by. By default those that are usual for it by their names, as far
        as the model reads them; where these are few, filled up with what drives it most.
    audit : sequence of str
        Columns that the model does not see, which come last.
    drivers : sequence of str
        Groups of columns, what drives the model most first.

    Returns
    -------
    DataFrame
        Texts; of numbers, ordered categories of about a quarter of the leads each.
    """
    reader = local_engine()
    try:
        leads = reader.read_parquet(parts(snapshot.folder, "leads"))
        have = [name for name in leads.columns if name not in LEAD_KEYS]
        chosen = list(named_by_user) if named_by_user is not None else _usual(recipe)
        if named_by_user is None:
            read = {each.name: each.kind for each in recipe.attributes if each.kind in ("category", "number")}
            chosen += [name for name in drivers if name in read and name not in chosen][
                : max(0, ENOUGH - len(chosen))
            ]
        wanted = [name for name in dict.fromkeys([*chosen, *audit]) if name in have]
        found = (
            leads.select("lead_id", *wanted).semi_join(named(lead_ids), "lead_id").to_pyarrow().to_pandas()
        )
    finally:
        let_go(reader)
    found = found.drop_duplicates("lead_id").set_index("lead_id").reindex(lead_ids)
    groups = pd.DataFrame({name: _groups(found[name]) for name in wanted}, index=found.index)
    asked_for = {*audit, *(named_by_user or ())}
    return groups[[name for name in wanted if name in asked_for or groups[name].nunique() <= MOST_LEVELS]]


def _usual(recipe: Recipe) -> list[str]:
    """Columns that the model reads and whose names say channel, country, owner or size."""
    names = {
        bare_name(each.name): each.name
        for each in reversed(recipe.attributes)
        if each.kind in ("category", "key", "number", "title")
    }
    return [
        next(names[each] for each in spellings if each in names)
        for spellings in USUAL.values()
        if any(each in names for each in spellings)
    ]


def _groups(values: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(values):
        return values.astype(object).where(values.notna(), None)
    levels = np.sort(values.dropna().unique())
    if len(levels) <= FEW_VALUES:
        return pd.Series(
            pd.Categorical(
                values.map(_said, na_action="ignore"), [_said(level) for level in levels], ordered=True
            ),
            values.index,
        )
    edges = np.unique(values.quantile(QUARTERS, interpolation="lower").to_numpy())
    edges = edges[edges < levels[-1]] if edges[0] < levels[-1] else levels[-2:-1]
    whole = bool((levels == levels.round()).all())
    words = [_said(edges[0]) if edges[0] == levels[0] else f"up to {_said(edges[0])}"]
    words += [_between(low, high, whole=whole) for low, high in pairwise(edges)]
    return pd.cut(values, [-np.inf, *edges, np.inf], labels=[*words, f"over {_said(edges[-1])}"])


def _between(low: float, high: float, *, whole: bool) -> str:
    """What lies above one number and up to another."""
    if not whole:
        return f"over {_said(low)} to {_said(high)}"
    first, last = np.floor(low) + 1, np.floor(high)
    return _said(last) if first >= last else f"{_said(first)} to {_said(last)}"


def _said(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) or abs(number) >= 100 else f"{number:.3g}"

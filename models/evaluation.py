"""Judge the way of learning on leads it could not have known: block by block, each model fitted afresh on what was known before.

For every block the labels are what could be seen at its start, the probabilities are set right on what earlier blocks' scores had come
to by then, and five baselines are fitted on the same leads. Pursue is judged on leads undecided at their as-of time, convert on accepted
leads, both once their whole horizon has been seen. The newest leads are judged once more as a whole, by a fit on all before them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from features.errors import TooLittleDataError
from features.labels import Horizons, Labels, convert_labels, pursue_labels
from features.recipe import Recipe
from models.baselines import opinions
from models.calibration import Platt, fit_platt
from models.encoding import Categories, categories_of, dataset, encode
from models.hazard import HazardParameters, fit_hazard
from models.judging import judge
from models.report import ModelReport
from models.splits import Block, Split, newest_holdout, overlaps, rolling_blocks
from models.verdict import Verdict, overall, verdict_of

FEWEST_EVENTS = 10
SAMPLE = 2_000

Progress = Callable[[int, int], None]
WeightsFor = Callable[[str, Labels, np.ndarray, datetime], np.ndarray | None]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class EvaluationPlan:
    """How a model is judged: the [evaluation] section.

    ``newest`` is a share of the mature leads below 1, or their number. A fit for a block sees at most its ``max_rows`` newest leads.
    """

    blocks: Annotated[int, Field(ge=2, le=50)] = 5
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    newest: Annotated[float, Field(gt=0, lt=1)] | Annotated[int, Field(ge=2)] = 0.2
    resamples: Annotated[int, Field(ge=20, le=10_000)] = 200
    max_rows: Annotated[int, Field(ge=100)] = 200_000
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Both models judged, and what the final fit needs from it.

    Attributes
    ----------
    models : dict
        "pursue" and "convert" to their report, or None where the source cannot tell that outcome.
    forward : DataFrame
        One row per lead of a block, in time order: ``lead_id, as_of, block, p_pursue, p_convert, pursued, converted``. Probabilities
        are those the model of that block would have shown; outcomes are NaN where the lead is not judged.
    platts : dict
        Per model, the calibration of the final fit: on every block's uncalibrated scores.
    uncalibrated : DataFrame
        Beside ``forward`` row by row, the same probabilities before calibration: ``p_pursue, p_convert``.
    sample : DataFrame
        At most 2,000 of the judged leads, evenly over time, with their columns: to show on them what a model counts.
    warnings : tuple of str
    """

    models: dict[str, ModelReport | None]
    forward: pd.DataFrame
    platts: dict[str, Platt]
    uncalibrated: pd.DataFrame
    sample: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the run."""
        return overall({name: None if report is None else report.verdict for name, report in self.models.items()})

    def calibrated(self, name: str) -> np.ndarray:
        """Forward scores of one model on the scale of the final fit, row by row beside ``forward``: what a cut is to be fixed on."""
        return self.platts[name].apply(self.uncalibrated[f"p_{name}"].to_numpy())


@dataclass(frozen=True)
class _Target:
    """One of the two models: how its labels looked at any moment, how they look at the end, and its horizon."""

    name: str
    labels_at: Callable[[datetime], Labels]
    final: Labels
    horizon: float

    @property
    def judged(self) -> np.ndarray:
        return self.final.at_risk & self.final.mature & np.isfinite(self.final.outcome)


def evaluate(
    frame: pd.DataFrame,
    fates: pd.DataFrame,
    *,
    recipe: Recipe,
    horizons: Horizons,
    stages: tuple[str, ...],
    outcome_times: bool,
    known_until: datetime,
    parameters: HazardParameters,
    plan: EvaluationPlan,
    weights_for: WeightsFor | None = None,
    data: tuple[Categories, lgb.Dataset] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge on rolling blocks and on the newest leads.

    Parameters
    ----------
    frame : DataFrame
        ``lead_id, account_id, as_of`` and the recipe's columns, ordered by ``as_of, lead_id``.
    fates : DataFrame
        What became of the same leads, row by row beside ``frame``.
    recipe, horizons, stages, outcome_times
        Of the tables that both came from.
    known_until : datetime
        Nothing recorded later is used, to learn or to judge.
    parameters, plan
        Of the model and of its trial.
    weights_for : function, optional
        ``(model's name, labels as of a moment, rows to fit on, that moment)`` to a weight for every row of ``frame``, or None for equal
        weights. It sees nothing beyond that moment.
    data : categories and dataset, optional
        From ``categories_of`` and ``dataset``, where they exist already.
    progress : function, optional
        Called with (fits done, all fits).
    """
    targets = _targets(fates, horizons, known_until, stages, outcome_times)
    as_of = frame["as_of"].to_numpy("datetime64[us]")
    accounts = pd.factorize(frame["account_id"])[0]
    blocks, newest = _cut(targets, as_of, accounts, plan)
    found = overlaps(blocks, as_of, accounts) + overlaps(newest, as_of, accounts)
    if found:
        raise RuntimeError("training and judging touch; nothing was judged:\n  " + "\n  ".join(found))

    parts = [(block, split) for block in (*blocks, *newest) for split in block.splits]
    trial = _Trial(frame, recipe, parameters, plan, weights_for, data) if parts else None
    block_of = np.zeros(len(frame), int)
    for block in blocks:
        block_of[block.test] = block.number
    reports: dict[str, ModelReport | None] = {"pursue": None, "convert": None}
    raw = {name: np.full(len(frame), np.nan) for name in reports}
    shown = {name: np.full(len(frame), np.nan) for name in reports}
    outcomes = {name: np.full(len(frame), np.nan) for name in reports}
    platts, warnings = {}, []
    for position, target in enumerate(targets):
        judged: dict[bool, list[pd.DataFrame]] = {True: [], False: []}
        best_column = None
        for done, (block, split) in enumerate(parts):
            if progress:
                progress(position * len(parts) + done, len(targets) * len(parts))
            labels = target.labels_at(block.moment)
            try:
                p, rivals, best_column = trial.ask(target, split, block.moment, labels)
            except TooLittleDataError as error:
                warnings.append(f"{target.name}: {_span(block)} was not judged: {error}")
                continue
            past = _past(raw[target.name], labels, accounts, as_of, block, split)
            platt = fit_platt(raw[target.name][past], labels.outcome[past])
            if block.number:
                raw[target.name][split.test], shown[target.name][split.test] = p, platt.apply(p)
            rows = target.judged[split.test]
            table = frame.iloc[split.test[rows]][["lead_id", "account_id", "as_of"]].reset_index(drop=True)
            columns = {"block": block.number, "outcome": target.final.outcome[split.test[rows]], "p": platt.apply(p[rows])}
            judged[block.number > 0].append(table.assign(**columns, **{name: score[rows] for name, score in rivals.items()}))
        outcomes[target.name][target.judged] = target.final.outcome[target.judged]
        seen = target.judged & np.isfinite(raw[target.name])
        platts[target.name] = fit_platt(raw[target.name][seen], target.final.outcome[seen])
        reports[target.name] = _report(target, judged[True], judged[False], best_column, plan)
    if progress:
        progress(1, 1)
    rows = np.flatnonzero(block_of)
    forward = frame.iloc[rows][["lead_id", "as_of"]].reset_index(drop=True)
    forward = forward.assign(
        block=block_of[rows],
        p_pursue=shown["pursue"][rows],
        p_convert=shown["convert"][rows],
        pursued=outcomes["pursue"][rows],
        converted=outcomes["convert"][rows],
    )
    uncalibrated = pd.DataFrame({f"p_{name}": values[rows] for name, values in raw.items()})
    return Evaluation(
        models=reports,
        forward=forward,
        platts=platts,
        uncalibrated=uncalibrated,
        sample=frame.iloc[rows[:: max(1, -(-len(rows) // SAMPLE))]],
        warnings=tuple(warnings),
    )


class _Trial:
    """The leads prepared once for every fit."""

    def __init__(self, frame, recipe, parameters, plan, weights_for, data):
        self.frame = frame
        self.categories = data[0] if data else categories_of(frame, recipe)
        self.data = data[1] if data else dataset(frame, self.categories)
        self.columns = [column.name for column in recipe.columns]
        self.parameters, self.plan, self.weights_for = parameters, plan, weights_for

    def ask(self, target: _Target, split: Split, start: datetime, labels: Labels) -> tuple[np.ndarray, dict[str, np.ndarray], str | None]:
        """Uncalibrated probabilities and baselines' scores for a split's leads, learned before its start; and the best single column.

        Raises
        ------
        TooLittleDataError
            With fewer than 10 outcomes known at the split's start.
        """
        rows = split.train[labels.at_risk[split.train]][-self.plan.max_rows :]
        events = int(np.nansum(labels.outcome[rows]))
        if events < FEWEST_EVENTS:
            raise TooLittleDataError(f"only {events} leads with the outcome were known at its start; {FEWEST_EVENTS} are needed.")
        weights = self.weights_for(target.name, labels, rows, start) if self.weights_for else None
        hazard = fit_hazard(self.data, labels, horizon=target.horizon, parameters=self.parameters, weights=weights, rows=rows)
        test = self.frame.iloc[split.test]
        p = hazard.probability(hazard.raw(encode(test, self.categories)))
        # Baselines know no censoring: they learn from leads whose whole horizon was seen, or, where these tell nothing, from all settled.
        told = rows[labels.mature[rows] & np.isfinite(labels.outcome[rows])]
        if len(np.unique(labels.outcome[told])) < 2:
            told = rows[np.isfinite(labels.outcome[rows])]
        rivals = opinions(self.frame.iloc[told], labels.outcome[told], test, self.columns)
        return p, rivals.scores, rivals.best_column


def _targets(
    fates: pd.DataFrame, horizons: Horizons, known_until: datetime, stages: tuple[str, ...], outcome_times: bool
) -> tuple[_Target, ...]:
    makers = {"pursue": (pursue_labels, horizons.pursue_days), "convert": (convert_labels, horizons.convert_days)}
    if "accepted" not in stages:
        del makers["pursue"]
    targets = []
    for name, (labels_of, days) in makers.items():

        def labels_at(moment: datetime, labels_of=labels_of) -> Labels:
            return labels_of(fates, horizons, moment, stages, outcome_times)

        targets.append(_Target(name=name, labels_at=labels_at, final=labels_at(known_until), horizon=days))
    return tuple(targets)


def _cut(
    targets: tuple[_Target, ...], as_of: np.ndarray, accounts: np.ndarray, plan: EvaluationPlan
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Blocks and holdout by the leads that convert can be judged on; by pursue's where those are too few."""
    for target in reversed(targets):
        blocks = rolling_blocks(as_of, accounts, target.judged, target.final.outcome == 1, blocks=plan.blocks, test_share=plan.test_share)
        if blocks:
            newest = newest_holdout(as_of, accounts, target.judged, newest=plan.newest)
            return blocks, () if newest is None else (newest,)
    return (), ()


def _past(raw: np.ndarray, labels: Labels, accounts: np.ndarray, as_of: np.ndarray, block: Block, split: Split) -> np.ndarray:
    """Leads scored in earlier blocks whose outcome was fully known when this block began, of none of the split's accounts."""
    past = (as_of < block.start) & np.isfinite(raw) & labels.at_risk & labels.mature & np.isfinite(labels.outcome)
    return past & ~np.isin(accounts, accounts[split.test])


def _report(
    target: _Target, judged: list[pd.DataFrame], newest: list[pd.DataFrame], best_column: str | None, plan: EvaluationPlan
) -> ModelReport:
    outcome = target.final.outcome[target.judged]
    tables = [pd.concat(parts, ignore_index=True) if parts else pd.DataFrame() for parts in (judged, newest)]
    figures = [judge(table, resamples=plan.resamples, seed=plan.seed) if len(table) else None for table in tables]
    return ModelReport(
        settled=len(outcome),
        positives=int(outcome.sum()),
        figures=figures[0],
        newest=figures[1],
        verdict=verdict_of(figures[0], figures[1]),
        best_column=best_column,
        judged=tables[0],
        judged_newest=tables[1],
    )


def _span(block: Block) -> str:
    return f"block {block.number}" if block.number else "the newest holdout"

"""Judge the way of learning on leads it could not have known: block by block, each model fitted afresh on
what was known before.

For every block the labels are what could be seen at its start, the probabilities are set right on what
earlier blocks' scores had come to by then, and five baselines are fitted on the same leads. Pursue is judged
on leads undecided at their as-of time, convert on accepted leads, and their product on all leads: each once its
whole horizon has been seen. The newest leads are judged once more as a whole, by a fit on all before them.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from features.errors import TooLittleDataError
from features.labels import JUDGED, Labels
from models.dataset import MODELS, LearningSet
from models.evaluation.baselines import BASELINES, Opinions, opinions
from models.evaluation.performance import judge
from models.evaluation.report import Choice, ModelReport, Verdict, choose, verdict_of
from models.evaluation.settings import EvaluationPlan
from models.evaluation.splits import Block, Split, newest_holdout, overlaps, rolling_blocks
from models.scoring.calibration import Platt, fit_platt
from models.scoring.scorer import Score
from models.survival.hazard import HazardParameters, fit_hazard

FEWEST_EVENTS = 10
SAMPLE = 2_000
NEWEST = "the fit before the newest leads"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Both models and their product judged, and what the final fit needs from it.

    Attributes
    ----------
    models : dict
        "pursue", "convert" and "both" to their report, or None where the source cannot tell that outcome.
    choice : Choice
        Which of them is the score, and the verdict of the run.
    forward : DataFrame
        One row per lead of a block, in time order: ``lead_id, as_of, block, p_pursue, p_convert, p_both,
        pursued, converted, customer``. Probabilities are those the model of that block would have shown, and
        ``p_pursue`` is 1 for a lead that sales had taken up by then; outcomes are NaN where the lead is not
        judged.
    platts : dict
        Per model, the calibration of the final fit: on every block's uncalibrated scores.
    uncalibrated : DataFrame
        Beside ``forward`` row by row, the same probabilities before calibration: ``p_pursue, p_convert``.
    starts : dict
        Per block, when its fit's knowledge ended; 0 is the newest leads.
    sample : DataFrame
        At most 2,000 of the judged leads, evenly over time, with their columns: to show on them what a model
        counts.
    warnings : tuple of str
    """

    models: dict[str, ModelReport | None]
    choice: Choice
    forward: pd.DataFrame
    platts: dict[str, Platt]
    uncalibrated: pd.DataFrame
    starts: dict[int, datetime]
    sample: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the run."""
        return self.choice.verdict

    def calibrated(self, name: str) -> np.ndarray:
        """Forward scores of one model on the scale of the final fit, row by row beside ``forward``: what a
        cut is to be fixed on.
        """
        return self.platts[name].apply(self.uncalibrated[f"p_{name}"].to_numpy())

    def scores(self) -> pd.DataFrame:
        """Every row on which a figure was computed, and what it was scored by.

        Returns
        -------
        data frame
            The rows of ``forward``, then the judged newest leads as block 0: a lead of both stands twice, for
            two fits have scored it. Beside the columns of ``forward``: ``scored_by``, the fit, and
            ``fitted_until``, when its knowledge ended; per model and baseline, such as ``convert_logistic``,
            what that baseline says, NaN where the lead was not judged.
        """
        parts = [self.forward, pd.DataFrame({"lead_id": [], "as_of": []}).astype(self.forward.dtypes[:2])]
        for name, report in self.models.items():
            for place, judged in enumerate((report.judged, report.judged_newest) if report else ()):
                if len(judged):
                    parts[place] = _joined(parts[place], judged, name, with_model=place == 1)
        columns = [*self.forward, *(f"{name}_{rival}" for name in self.models for rival in BASELINES)]
        forward, newest = (part.reindex(columns=columns) for part in parts)
        newest["block"] = 0
        newest = newest.sort_values(["as_of", "lead_id"]).astype(forward.dtypes)
        scores = pd.concat([forward, newest], ignore_index=True) if len(newest) else forward
        by = scores["block"].map(lambda block: f"the fit before block {block}" if block else NEWEST)
        until = scores["block"].map(self.starts).astype("datetime64[us]")
        scores.insert(3, "scored_by", by.astype(str))
        scores.insert(4, "fitted_until", until)
        return scores


def evaluate(
    learning: LearningSet,
    plan: EvaluationPlan,
    parameters: HazardParameters,
    *,
    score: Score = "p_both",
    brief: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge on rolling blocks and on the newest leads.

    Parameters
    ----------
    learning : LearningSet
    plan, parameters
        Of the trial and of the model. As many fits run side by side as there are threads, each on one.
    score : "p_both" or "p_convert"
        Which chance is to be the score; another one is where it is no better than chance.
    brief : bool
        Give forward scores and what is calibrated on them alone: no newest leads, no baselines, no verdict
        worth reading.
    progress : function, optional
        Called with (fits done, all fits).
    """
    accounts = pd.factorize(learning.frame["account_id"])[0]
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    finals = {name: learning.labels(name) for name in learning.judged_names}
    blocks, newest = _cut({name: finals[name] for name in learning.names}, as_of, accounts, plan)
    newest = () if brief else newest
    found = overlaps(blocks, as_of, accounts) + overlaps(newest, as_of, accounts)
    if found:
        raise RuntimeError("training and judging touch; nothing was judged:\n  " + "\n  ".join(found))

    parts = [(block, split) for block in (*blocks, *newest) for split in block.splits]
    trials = [
        _Trial(name, block, split, final.judged[split.test])
        for name, final in finals.items()
        for block, split in parts
        if name in MODELS or not brief
    ]
    one_thread = replace(parameters, threads=1)
    answers = _asked(
        trials, learning, plan, one_thread, workers=parameters.threads, rivals=not brief, progress=progress
    )
    reports: dict[str, ModelReport | None] = dict.fromkeys(JUDGED)
    raw, shown, outcomes = ({name: np.full(len(as_of), np.nan) for name in reports} for _ in range(3))
    platts, warnings, to_report = {}, [], {}
    chances: dict[tuple[int, int], list[np.ndarray]] = {}  # of each model, by block and first lead
    for name, final in finals.items():
        judged: dict[bool, list[pd.DataFrame]] = {True: [], False: []}
        best_column = None
        for trial, answer in zip(trials, answers, strict=True):
            if trial.name != name:
                continue
            if isinstance(answer, TooLittleDataError):
                warnings.append(f"{name}: {trial.span} was not judged: {answer}")
                continue
            test, rows = trial.split.test, trial.split.test[trial.judged]
            place = (trial.block.number, int(test[0]))
            if answer.p is None:
                if len(chances.get(place, ())) < len(MODELS):
                    continue
                p = np.prod(chances[place], axis=0)
            else:
                past = _past(raw[name], answer.known, accounts, as_of, trial)
                platt = fit_platt(raw[name][past], final.outcome[past])
                own = np.where(learning.taken[test], 1.0, answer.p) if name == "pursue" else answer.p
                p = platt.apply(own)
                chances.setdefault(place, []).append(p)
                if trial.block.number:
                    raw[name][test] = own
            if trial.block.number:
                shown[name][test] = p
            if answer.rivals is not None:
                table = learning.frame.iloc[rows][["lead_id", "account_id", "as_of"]].reset_index(drop=True)
                table = table.assign(
                    block=trial.block.number,
                    outcome=final.outcome[rows],
                    p=p[trial.judged],
                    **answer.rivals.scores,
                )
                judged[trial.block.number > 0].append(table)
                best_column = answer.rivals.best_column
        told = final.judged
        outcomes[name][told] = final.outcome[told]
        to_report[name] = (final, judged[True], judged[False], best_column, plan)
        if name not in MODELS:
            continue
        seen = told & np.isfinite(raw[name])
        platts[name] = fit_platt(raw[name][seen], final.outcome[seen])
    with ThreadPoolExecutor(parameters.threads) as pool:
        reports |= zip(to_report, pool.map(lambda told: _report(*told), to_report.values()), strict=True)

    block_of = np.zeros(len(as_of), int)
    for block in blocks:
        block_of[block.test] = block.number
    rows = np.flatnonzero(block_of)
    forward = learning.frame.iloc[rows][["lead_id", "as_of"]].reset_index(drop=True)
    forward = forward.assign(
        block=block_of[rows],
        **{f"p_{name}": shown[name][rows] for name in JUDGED},
        **{words.column: outcomes[name][rows] for name, words in JUDGED.items()},
    )
    return Evaluation(
        models=reports,
        choice=choose(reports, score),
        forward=forward,
        platts=platts,
        uncalibrated=pd.DataFrame({f"p_{name}": raw[name][rows] for name in MODELS}),
        starts={block.number: block.moment for block in (*blocks, *newest)},
        sample=learning.frame.iloc[rows[:: max(1, -(-len(rows) // SAMPLE))]],
        warnings=tuple(warnings),
    )


def _joined(scores: pd.DataFrame, judged: pd.DataFrame, name: str, *, with_model: bool) -> pd.DataFrame:
    """Scores beside which the baselines' stand, and the model's own and the outcome where they are not there."""
    names = {rival: f"{name}_{rival}" for rival in BASELINES}
    if with_model:
        names |= {"p": f"p_{name}", "outcome": JUDGED[name].column}
    table = judged[["lead_id", "as_of", *names]].rename(columns=names)
    return scores.merge(table, on=["lead_id", "as_of"], how="outer" if with_model else "left")


def first_judged(learning: LearningSet, plan: EvaluationPlan) -> datetime | None:
    """When the first lead to be judged was scored; None where there is nothing to judge."""
    accounts = pd.factorize(learning.frame["account_id"])[0]
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    labels = {name: learning.labels(name) for name in learning.names}
    blocks, newest = _cut(labels, as_of, accounts, plan)
    return min((block.moment for block in (*blocks, *newest)), default=None)


@dataclass(frozen=True)
class _Trial:
    """One model to be fitted on a split's leads before a block, and asked about those in it, of whom
    ``judged`` can be judged; of "both", only the baselines.
    """

    name: str
    block: Block
    split: Split
    judged: np.ndarray

    @property
    def span(self) -> str:
        return f"block {self.block.number}" if self.block.number else "the newest holdout"


@dataclass(frozen=True)
class _Answer:
    """What a trial's fit says of the split's leads.

    ``p`` are uncalibrated probabilities of all, None of "both", ``rivals`` what the baselines say of those to be judged.
    ``known`` says of every lead there is whether its outcome was fully known when the block began.
    """

    p: np.ndarray | None
    rivals: Opinions | None
    known: np.ndarray


def _asked(
    trials: Sequence[_Trial],
    learning: LearningSet,
    plan: EvaluationPlan,
    parameters: HazardParameters,
    *,
    workers: int,
    rivals: bool,
    progress: Progress | None,
) -> list[_Answer | TooLittleDataError]:
    """The trials' answers, in their order."""
    if not trials:
        return []
    learning.data  # noqa: B018  before the workers would each make their own
    answers = []
    with ThreadPoolExecutor(workers) as pool:
        for answer in pool.map(
            lambda trial: _answer(trial, learning, plan, parameters, rivals=rivals), trials
        ):
            answers.append(answer)
            if progress:
                progress(len(answers), len(trials))
    return answers


def _answer(
    trial: _Trial, learning: LearningSet, plan: EvaluationPlan, parameters: HazardParameters, *, rivals: bool
) -> _Answer | TooLittleDataError:  # fmt: skip
    labels = learning.labels(trial.name, at=trial.block.moment)
    test, train = trial.split.test, trial.split.train
    rows = train[labels.at_risk[train]][-plan.max_rows :]
    events, p = int(np.nansum(labels.outcome[rows])), None
    if trial.name in MODELS:
        if events < FEWEST_EVENTS:
            return TooLittleDataError(
                f"only {events} leads with the outcome were known at its start; {FEWEST_EVENTS} are needed."
            )
        hazard = fit_hazard(
            learning.encoded,
            labels,
            horizon=learning.horizon(trial.name),
            parameters=parameters,
            rows=rows,
            data=learning.data,
        )
        p = hazard.probability(hazard.raw(learning.encoded.iloc[test], threads=parameters.threads))
    if not rivals:
        return _Answer(p=p, rivals=None, known=labels.judged)
    # Baselines know no censoring: they learn from leads whose whole horizon was seen, or, where these tell
    # nothing, from all settled, or else from all, as if who has not come yet never would.
    told, outcome = rows[labels.judged[rows]], labels.outcome
    if len(np.unique(outcome[told])) < 2:
        told = rows[np.isfinite(outcome[rows])]
    if len(np.unique(outcome[told])) < 2:
        told, outcome = rows, np.nan_to_num(outcome)
    columns = [column.name for column in learning.recipe.columns]
    said = opinions(
        learning.frame.iloc[told], outcome[told], learning.frame.iloc[test[trial.judged]], columns
    )
    return _Answer(p=p, rivals=said, known=labels.judged)


def _cut(
    finals: Mapping[str, Labels], as_of: np.ndarray, accounts: np.ndarray, plan: EvaluationPlan
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Blocks and holdout by the leads that convert can be judged on; by pursue's where those are too few."""
    for final in reversed(finals.values()):
        judged = final.judged
        blocks = rolling_blocks(
            as_of, accounts, judged, final.outcome == 1, blocks=plan.blocks, test_share=plan.test_share
        )
        if blocks:
            newest = newest_holdout(as_of, accounts, judged, newest=plan.newest)
            return blocks, () if newest is None else (newest,)
    return (), ()


def _past(
    raw: np.ndarray, known: np.ndarray, accounts: np.ndarray, as_of: np.ndarray, trial: _Trial
) -> np.ndarray:
    """Leads scored in earlier blocks whose outcome was fully known when this block began, of none of the
    split's accounts.
    """
    past = known & np.isfinite(raw) & (as_of < trial.block.start)
    return past & ~np.isin(accounts, accounts[trial.split.test], kind="table")


def _report(
    final: Labels,
    judged: list[pd.DataFrame],
    newest: list[pd.DataFrame],
    best_column: str | None,
    plan: EvaluationPlan,
) -> ModelReport:
    outcome = final.outcome[final.judged]
    tables = [pd.concat(parts, ignore_index=True) if parts else pd.DataFrame() for parts in (judged, newest)]
    figures = [
        judge(table, resamples=plan.resamples, seed=plan.seed) if len(table) else None for table in tables
    ]
    return ModelReport(
        settled=len(outcome),
        positives=int(outcome.sum()),
        figures=figures[0],
        newest=figures[1],
        verdict=verdict_of(figures[0], figures[1], settled=len(outcome), positives=int(outcome.sum())),
        best_column=best_column,
        judged=tables[0],
        judged_newest=tables[1],
    )

"""The final fit: both models on all that is known, calibrated on forward scores, with a certified policy.

Kept from the fit are the accounts whose wins certify the cut, and nobody where nothing can be certified.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.labels import JUDGED, Labels
from features.outcomes import realised_margins
from models.dataset import LearningSet
from models.evaluation.evaluate import Evaluation
from models.evaluation.metrics import area, average_precision, counts_by_score
from models.policy.arms import FORCED
from models.policy.economics import fit_economics
from models.policy.policy import Policy
from models.policy.policy_fit import Withheld, newest_of, policy_of, withhold
from models.policy.selective_labels import (
    FEWEST_FORCED,
    Leniency,
    Recalibration,
    Worked,
    leniency,
    recalibrate,
    worked_as_measured,
    worked_by_luck,
    worked_within_bounds,
)
from models.policy.settings import PolicySettings
from models.scoring.calibration import Platt
from models.scoring.grades import GradeFigures, grade_figures
from models.scoring.scorer import Score, Scorer, Target, fit_scorer, grade_edges
from models.scoring.selection import Selection, fit_selection
from models.survival.encoding import categorical_columns
from models.survival.hazard import HazardParameters

REP = "owner"  # the lead's column that says who got it
DELIVERED = -1  # beside the numbers of blocks


@dataclass(frozen=True)
class Challenger:
    """What a training run ends in.

    Attributes
    ----------
    scorer : Scorer
    policy : Policy
    grades : tuple of GradeFigures
        What leads of each grade came to.
    recalibration : Recalibration or None
        What the leads that sales was asked to work taught; None where there were too few.
    leniency : Leniency or None
        Whether reps see something that the model does not; None where it cannot be told.
    withheld : Withheld
        The leads that what is cut has not learned from.
    known_until : datetime
        Nothing recorded later was learned from.
    worked : Worked or None
        What would become of the newest leads if sales worked them all; None where sales is not seen to choose.
    withheld_scores : DataFrame
        The withheld leads as this very version scores them, in the columns of ``Evaluation.forward``, as block
        ``DELIVERED``.
    """

    scorer: Scorer
    policy: Policy
    grades: tuple[GradeFigures, ...]
    recalibration: Recalibration | None
    leniency: Leniency | None
    withheld: Withheld
    known_until: datetime
    worked: Worked | None
    withheld_scores: pd.DataFrame

    def scores(self, judged: pd.DataFrame) -> pd.DataFrame:
        """The scores of an evaluation, ``Evaluation.scores()``, and those of this very version below them."""
        own = self.withheld_scores.assign(scored_by="the delivered version", fitted_until=self.known_until)
        own = own.reindex(columns=judged.columns).astype(judged.dtypes)
        return pd.concat([judged, own], ignore_index=True) if len(own) else judged

    def on_withheld(self) -> dict[str, float | None]:
        """AUC and average precision of this very version's score on the withheld leads; None where there are none."""
        name = self.scorer.score_of
        outcome = _came_true(self.withheld_scores, name)
        told = np.isfinite(outcome)
        counts = counts_by_score(self.withheld_scores[name].to_numpy(float)[told], outcome[told])
        if len(np.unique(outcome[told])) < 2:
            return {"auc": None, "average_precision": None}
        return {"auc": float(area(counts)[0]), "average_precision": float(average_precision(counts)[0])}


def fit_challenger(
    learning: LearningSet,
    evaluation: Evaluation,
    parameters: HazardParameters,
    settings: PolicySettings,
    *,
    moment: Callable[[Any], Any] = pd.Timestamp.isoformat,
) -> Challenger:
    """Fit a scorer on all settled and open leads, and certify its policy on the accounts kept from it.

    No chance that the score is made of has learned from these accounts; another has learned from all. Where
    their wins certify no cut after all, it is fitted again with them. Calibration comes from the evaluation's
    forward scores.

    Parameters
    ----------
    moment : function
        Words a time for the promise.

    Raises
    ------
    TooLittleDataError
        If there is no outcome at all to learn from.
    """
    decisive = _decisive(learning)
    withheld = withhold(
        learning.labels(decisive),
        learning.frame["as_of"].to_numpy("datetime64[us]"),
        learning.frame["account_id"].to_numpy(),
        settings,
        logged=learning.logged,
    )
    fitted = partial(_fitted, learning, evaluation, parameters, settings, moment=moment)
    challenger = fitted(withheld)
    if len(withheld.wins) and not challenger.policy.promise.certified:
        promise = challenger.policy.promise
        challenger = fitted(withheld.nobody())
        challenger = replace(challenger, policy=replace(challenger.policy, promise=promise))
    return challenger


def _fitted(
    learning: LearningSet,
    evaluation: Evaluation,
    parameters: HazardParameters,
    settings: PolicySettings,
    withheld: Withheld,
    *,
    moment: Callable[[Any], Any],
) -> Challenger:
    """A challenger that has learned from everybody but the accounts withheld."""
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")
    accounts = pd.factorize(learning.frame["account_id"])[0]
    labels = {name: found for name in learning.names if (found := learning.labels(name)).at_risk.any()}
    decisive = _decisive(learning)
    score_of = evaluation.choice.score
    scored = score_of.removeprefix("p_")
    parts = (scored,) if scored in labels else tuple(labels)
    asked, came_true = _asked(learning, learning.labels(decisive))
    learn = withheld.learn & ~asked

    targets: dict[str, Target | None] = {"pursue": None, "convert": None}
    for name, label in labels.items():
        weights = learn.astype(float) if name in parts and not learn.all() else None
        targets[name] = Target(label, evaluation.platts.get(name, Platt()), weights)
    forward = {name: evaluation.calibrated(name) for name in labels}
    scorer = fit_scorer(
        learning.frame,
        **targets,
        recipe=learning.recipe,
        parameters=parameters,
        score=score_of,
        grade_scores=_told(_product(forward, parts)),
        data=(learning.categories, learning.encoded, learning.data),
    )

    def chance(rows: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        scores = scorer.score_encoded(learning.encoded.iloc[rows], learning.taken_days[rows])
        return np.prod([scores[f"p_{name}"] for name in names], axis=0)

    rows = np.flatnonzero(asked)
    recalibration = (
        recalibrate(chance(rows, (decisive,)), came_true[rows], accounts[rows]) if len(rows) else None
    )
    if recalibration:
        forward[decisive] = recalibration.platt.apply(forward[decisive])
        scorer = replace(
            scorer,
            **{
                decisive: replace(
                    scorer.models[decisive], platt=scorer.models[decisive].platt.then(recalibration.platt)
                )
            },
            worked_by="forced",
            level_error=recalibration.level_error,
            grade_edges=grade_edges(_product(forward, parts)),
        )

    selection = luck_of(learning, scorer, learn) if scorer.worked_by == "bounds" else None
    if isinstance(selection, Selection):
        scorer = replace(scorer, selection=selection, worked_by="luck")

    def if_worked(rows: np.ndarray) -> np.ndarray:
        scores = scorer.score_encoded(learning.encoded.iloc[rows], learning.taken_days[rows])
        return scores["p_worked"].fillna(scores[f"p_{decisive}"]).to_numpy()

    margins = realised_margins(learning.fates, settings.margin_share)
    economics = fit_economics(learning, if_worked, margins, settings, threads=parameters.threads)
    score = _product(forward, parts)
    policy = policy_of(
        withheld,
        partial(chance, names=parts),
        as_of,
        margins,
        settings,
        economics,
        forward=score[np.isfinite(score)],
        leads=learning.frame,
        moment=moment,
    )
    return Challenger(
        scorer=scorer,
        policy=policy,
        grades=grade_figures(scorer.grades(score), score, _came_true(evaluation.forward, scorer.score_of)),
        recalibration=recalibration,
        leniency=_leniency(learning, evaluation, forward[decisive]) if decisive == "convert" else None,
        withheld=withheld,
        known_until=learning.known_until,
        worked=_worked(learning, scorer, recalibration, selection),
        withheld_scores=_scored(learning, scorer, np.flatnonzero(~withheld.learn)),
    )


def luck_of(learning: LearningSet, scorer: Scorer, learn: np.ndarray) -> Selection | str | None:
    """What the luck of who got them tells of leads that sales passes over, or why it tells nothing; None where
    nobody is said to have got them. Leads given out by skill tell nothing.

    Parameters
    ----------
    scorer : Scorer
        With both models.
    learn : array of bool
        Leads that may be learned from.
    """
    reps = learning.fates["rep"].where(learning.dealt).to_numpy(object)
    if learning.fates["rep"].isna().all():
        return None
    of_rep = {
        column.name
        for column in learning.recipe.columns
        if column.group == REP or any(value == REP for _, value in column.arguments)
    }

    def chances(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        encoded = learning.encoded.iloc[rows]
        return scorer.pursue.probability(encoded), scorer.convert.probability(encoded)

    return fit_selection(
        learning.encoded,
        categorical_columns(learning.categories),
        of_rep=[place for place, name in enumerate(learning.encoded.columns) if name in of_rep],
        pursue=learning.labels("pursue"),
        convert=learning.labels("convert"),
        use=learn,
        chances=chances,
        reps=reps,
        accounts=pd.factorize(learning.frame["account_id"])[0],
    )


def _worked(
    learning: LearningSet,
    scorer: Scorer,
    recalibration: Recalibration | None,
    selection: Selection | str | None,
) -> Worked | None:
    """What would become of the newest leads if sales worked them all."""
    if scorer.worked_by is None:
        return None
    rows = newest_of(len(learning.frame))
    scores = scorer.score_encoded(learning.encoded.iloc[rows], learning.taken_days[rows])
    p_pursue, p_convert = scores["p_pursue"].to_numpy(), scores["p_convert"].to_numpy()
    if recalibration:
        return worked_as_measured(p_convert, recalibration)
    as_of = learning.frame["as_of"].to_numpy("datetime64[us]")[rows[0] :]
    days = (as_of[-1] - as_of[0]) / np.timedelta64(1, "D")
    forcing = {
        "leads_a_week": 7 * len(as_of) / days if days >= 7 else np.nan,
        "horizon_days": learning.recipe.horizons.both.days,
    }
    if isinstance(selection, Selection):
        return worked_by_luck(p_pursue, p_convert, selection, **forcing)
    return worked_within_bounds(p_pursue, p_convert, luck=selection, **forcing)


def _scored(learning: LearningSet, scorer: Scorer, rows: np.ndarray) -> pd.DataFrame:
    """Some leads as a version scores them, with what became of them where that can be judged."""
    table = learning.frame.iloc[rows][["lead_id", "as_of"]].reset_index(drop=True)
    table["block"] = DELIVERED
    scores = scorer.score_encoded(learning.encoded.iloc[rows], learning.taken_days[rows])
    for name, words in JUDGED.items():
        table[f"p_{name}"] = scores[f"p_{name}"].to_numpy()
        labels = learning.labels(name)
        table[words.column] = np.where(labels.judged, labels.outcome, np.nan)[rows]
    return table


def _decisive(learning: LearningSet) -> str:
    """The outcome that is promised about: to become a customer, where anybody could."""
    return "convert" if "convert" in learning.names and learning.labels("convert").at_risk.any() else "pursue"


def _asked(learning: LearningSet, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Leads that sales was asked to work and whose time is over, and whether they were won; nobody where
    there are too few to learn from.

    Who was not worked although sales was asked counts as not won: whoever may choose among these leads brings
    the old selection back.
    """
    nobody = np.zeros(len(learning.frame), bool)
    if learning.logged is None:
        return nobody, nobody
    over = learning.fates["as_of"] + learning.recipe.horizons.both <= learning.known_until
    asked = (learning.logged["arm"] == FORCED).to_numpy() & (labels.mature | over.to_numpy())
    won = asked & (labels.outcome == 1)
    return (asked, won) if asked.sum() >= FEWEST_FORCED and won.any() else (nobody, nobody)


def _product(forward: dict[str, np.ndarray], parts: tuple[str, ...]) -> np.ndarray:
    """The score of judged leads, made of these chances."""
    return np.prod([forward[name] for name in parts], axis=0)


def _told(scores: np.ndarray) -> np.ndarray | None:
    """Forward scores, or None where no block could be judged: then the fit's own have to serve."""
    return scores if np.isfinite(scores).any() else None


def _came_true(forward: pd.DataFrame, score: Score) -> np.ndarray:
    """Whether what the score is the chance of came true for judged leads, NaN where that is unknown."""
    return forward[JUDGED[score.removeprefix("p_")].column].to_numpy(float)


def _leniency(learning: LearningSet, evaluation: Evaluation, chance: np.ndarray) -> Leniency | None:
    """The warning light, on the judged leads and by the reps who took them."""
    forward, fates = evaluation.forward, learning.fates[learning.dealt]
    rep = fates.dropna(subset=["rep"]).set_index("lead_id")["rep"].reindex(forward["lead_id"])
    if rep.isna().all():
        return None
    offered = fates.groupby("rep").size()
    taken = (fates["accepted_at"] < learning.known_until).groupby(fates["rep"]).sum()
    known = np.isfinite(forward["converted"].to_numpy(float)) & np.isfinite(chance) & rep.notna().to_numpy()
    acceptance = {name: (int(taken[name]), int(offered[name])) for name in offered.index}
    return leniency(
        forward["converted"].to_numpy(float)[known], chance[known], rep.to_numpy()[known], acceptance
    )

"""How the delivered version ranks leads that came later, and how every block compares with the better of logistic
regression and LightGBM alone.

    python benchmarks/delivered.py [NAME ...] [--data ../shared/data]

For each data set: the version that `train` would have delivered as of a moment, on all later leads whose horizon has
passed (AUC, average precision, the share with the outcome); then a line for each block of the evaluation of all leads. Both rivals
learn from the same leads, those of before the block whose whole horizon had been seen. Which one is the better is known only
afterwards, and each block's difference has a standard error: over all blocks stands what is left of chance.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from features.tables import row_time
from models.dataset import LearningSet
from models.evaluation.evaluate import Evaluation, evaluate
from models.evaluation.texts import with_texts_that_tell
from models.evaluation.uncertainty import beaten
from models.survival.encoding import categorical_columns, encode
from models.training import fit_challenger
from pipelines.flows.dataset import learning_set
from pipelines.settings import Settings, load_settings
from pipelines.sources.snapshots import pull

HERE = Path(__file__).resolve().parent
LATE = datetime(2030, 1, 1)
PLAIN = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "verbose": -1, "num_threads": 2}
ROUNDS = 100
FEWEST = 20  # later leads with the outcome, and without
IN_ORDER = {
    "table": "leads.csv",
    "lead_id": "Prospect ID",
    "channel": "Lead Source",
    "order": "rows",
    "empty": ["Select"],
}
# By name: example, what is changed in it, as of when the version is delivered (or a share of the leads), and until when
# its later leads came.
CASES = {
    "uci_bank": ("uci_bank", {}, row_time(32_950), row_time(10**6)),
    "olist": ("olist", {"label": {"convert_days": 60}}, datetime(2018, 4, 1), datetime(2018, 6, 1)),
    "loan_applications": ("loan_applications", {}, 0.8, LATE),
    "loan_applications_1h": ("loan_applications", {"label": {"delay": "1h"}}, 0.8, LATE),
    "x_education": ("x_education", {}, 0.8, row_time(10**6)),
    "x_education_in_order": ("x_education", {"source": {"leads": IN_ORDER}}, 0.8, row_time(10**6)),
    "simulator": (
        None,
        {"source": {"url": "simulated:?leads=20000&start=2024-01-01"}},
        datetime(2025, 6, 1),
        LATE,
    ),
}


def learned(name: str, data: Path) -> tuple[LearningSet, Settings]:
    """All leads of a case, and its settings."""
    example, changed, _, _ = CASES[name]
    home = Path(tempfile.mkdtemp())
    if example is not None:
        folder = in_order(data / example, home) if name == "x_education_in_order" else data / example
        changed = changed | {"source": changed.get("source", {}) | {"url": f"files:{folder}"}}
    settings = load_settings(example and HERE.parent / "examples" / f"{example}.toml", changed, environ={})
    with closing(pull(settings.source, settings.label, home=home, until=LATE)) as snapshot:
        return learning_set(snapshot.tables, settings), settings


def in_order(folder: Path, home: Path) -> Path:
    """The leads of a folder by their number, which rises with time: the publisher's file begins with the newest."""
    (home / "sorted").mkdir()
    leads = pd.read_csv(folder / "leads.csv", dtype=str)
    leads.iloc[leads["Lead Number"].astype(int).argsort()].to_csv(home / "sorted" / "leads.csv", index=False)
    return home / "sorted"


def delivered(name: str, leads: LearningSet, settings: Settings) -> Iterator[str]:
    """Each chance of the delivered version on later leads, in words."""
    _, _, at, until = CASES[name]
    as_of = leads.frame["as_of"].to_numpy("datetime64[us]")
    if isinstance(at, float):
        at = leads.frame["as_of"].iloc[int(at * len(as_of))].to_pydatetime()
    known = with_texts_that_tell(leads.until(at), settings.evaluation, settings.model)
    plan = replace(settings.evaluation, resamples=20)
    evaluation = evaluate(known, plan, settings.model, score=settings.policy.score)
    challenger = fit_challenger(known, evaluation, settings.model, settings.policy)
    scorer = challenger.scorer
    for outcome_of in leads.judged_names:
        labels = leads.labels(outcome_of)
        later = (as_of >= np.datetime64(at, "us")) & (as_of < np.datetime64(until, "us")) & labels.judged
        rows = np.flatnonzero(later)
        outcome = labels.outcome[rows]
        if min(outcome.sum(), (1 - outcome).sum()) < FEWEST:
            continue
        encoded = encode(leads.frame.iloc[rows], scorer.categories)
        score = scorer.score_encoded(encoded, leads.taken_days[rows])[f"p_{outcome_of}"].to_numpy()
        yield (
            f"{name}, delivered {outcome_of}{' (the score)' if scorer.score_of == f'p_{outcome_of}' else ''}: "
            f"AUC {roc_auc_score(outcome, score):.4f}, AP {average_precision_score(outcome, score):.4f}, "
            f"base rate {outcome.mean():.3f}, {len(rows):,} later leads, {len(challenger.withheld.wins)} wins withheld"
        )


def plain_trees(
    leads: LearningSet, evaluation: Evaluation, name: str, block: int, lead_ids: set[str]
) -> dict[str, float]:
    """What LightGBM alone says of a block's leads."""
    at = evaluation.starts[block]
    labels = leads.labels(name, at=at)
    as_of = leads.frame["as_of"].to_numpy("datetime64[us]")
    inside = leads.frame["lead_id"].isin(lead_ids).to_numpy()
    accounts = set(leads.frame["account_id"][inside])
    before = (as_of < np.datetime64(at, "us")) & ~leads.frame["account_id"].isin(accounts).to_numpy()
    told = np.flatnonzero(before & labels.judged)
    outcome = labels.outcome
    if len(np.unique(outcome[told])) < 2:
        told, outcome = np.flatnonzero(before & labels.at_risk), np.nan_to_num(outcome)
    if len(np.unique(outcome[told])) < 2:
        return {}
    data = lgb.Dataset(
        leads.encoded.to_numpy()[told],
        outcome[told],
        categorical_feature=categorical_columns(leads.categories),
        free_raw_data=False,
    )
    trees = lgb.train(PLAIN, data, ROUNDS)
    rows = np.flatnonzero(inside)
    return dict(
        zip(leads.frame["lead_id"].iloc[rows], trees.predict(leads.encoded.to_numpy()[rows]), strict=True)
    )


def error_of_difference(score: np.ndarray, other: np.ndarray, outcome: np.ndarray) -> float:
    """The standard error of the difference between two scores' AUC on the same leads (DeLong et al. 1988)."""
    yes, no = outcome == 1, outcome == 0
    of_yes, of_no = (
        np.array([beaten(each[some], each[others]) / others.sum() for each in (score, other)])
        for some, others in ((yes, no), (no, yes))
    )
    return float(np.sqrt(np.var(of_yes[0] - of_yes[1]) / yes.sum() + np.var(of_no[0] - of_no[1]) / no.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(CASES))
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    behind = []
    for name in given.names or CASES:
        if CASES[name][0] is not None and not (given.data / CASES[name][0]).is_dir():
            continue
        leads, settings = learned(name, given.data)
        for words in delivered(name, leads, settings):
            print(words, flush=True)
        evaluation = evaluate(leads, replace(settings.evaluation, resamples=20), settings.model)
        for outcome, report in evaluation.models.items():
            if report is None or report.figures is None:
                continue
            if report.newest is not None:
                area, precision = report.newest.auc.value, report.newest.average_precision.value
                print(
                    f"{name}, {outcome}, newest {report.newest.rows:,} by one fit on all before: AUC {area:.4f}, AP {precision:.4f}",
                    flush=True,
                )
            for block, judged in report.judged.groupby("block"):
                said = judged["lead_id"].map(
                    plain_trees(leads, evaluation, outcome, int(block), set(judged["lead_id"]))
                )
                if said.isna().all():  # nobody was known of whom could be learned
                    continue
                outcome_of = judged["outcome"].to_numpy()
                ours, lines, trees = (each.to_numpy() for each in (judged["p"], judged["logistic"], said))
                areas = [roc_auc_score(outcome_of, each) for each in (ours, lines, trees)]
                better = lines if areas[1] >= areas[2] else trees
                behind.append((max(areas[1:]) - areas[0], error_of_difference(ours, better, outcome_of)))
                print(
                    f"{name}, {outcome}, block {block}: ours {areas[0]:.4f}, logistic {areas[1]:.4f}, LightGBM {areas[2]:.4f}, "
                    f"behind the better one by {behind[-1][0]:+.4f} (standard error {behind[-1][1]:.4f})",
                    flush=True,
                )
    by, error = np.array(behind).T
    most = (by / error).max()
    chance = norm.sf(0.005 / error).sum()
    print(
        f"{len(by)} blocks: behind the better one of two, chosen by what it did in that block, by {by.mean():+.4f} on average "
        f"(standard error {np.sqrt((error**2).sum()) / len(by):.4f}); by more than .005 in {(by > 0.005).sum()} "
        f"({chance:.1f} would be of a model that is just as good as the one of them that is named beforehand), "
        f"by {most:.2f} standard errors at most; ahead by more than that in {(by / error < -most).sum()}"
    )


if __name__ == "__main__":
    main()

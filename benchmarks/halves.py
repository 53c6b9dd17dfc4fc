"""The two halves of a hazard, and their mean, on leads that came after those it learned from.

    python benchmarks/halves.py [--data ../shared/data]

A line for each data set, outcome and moment: AUC of the lines alone, of the trees alone, of both, and of plain
logistic regression, on all later leads whose horizon has passed. The real data sets are those of ``examples/``.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np

from features.tables import row_time
from models.dataset import LearningSet
from models.evaluation.baselines import opinions
from models.evaluation.metrics import auc
from models.survival.hazard import HazardParameters, fit_hazard
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull

HERE = Path(__file__).resolve().parent
CUTS = (0.5, 0.65, 0.8)
FEWEST = 50  # later leads to judge on
WORLDS = {
    "market 1": (None, {"source": {"url": "simulated:?seed=1"}}, row_time(10**9)),
    "market 2": (None, {"source": {"url": "simulated:?seed=2"}}, row_time(10**9)),
    "eight slow months": (
        None,
        {"source": {"url": "simulated:?leads=10000&months=8&slow=1"}},
        row_time(10**9),
    ),
    "uci_bank": ("uci_bank", {}, row_time(10**6)),
    "olist": ("olist", {"label": {"convert_days": 60}}, datetime(2020, 1, 1)),
    "x_education": ("x_education", {}, row_time(10**6)),
    "loan_applications": ("loan_applications", {}, datetime(2020, 1, 1)),
    "loan_applications, an hour later": (
        "loan_applications",
        {"label": {"delay": "1h"}},
        datetime(2020, 1, 1),
    ),
}


def learning(example: str | None, changed: dict, until: datetime) -> LearningSet:
    """The leads of an example, or of a made-up market."""
    settings = load_settings(example and HERE.parent / "examples" / f"{example}.toml", changed)
    with closing(
        pull(settings.source, settings.label, home=Path(tempfile.mkdtemp()), until=until)
    ) as snapshot:
        return learning_set(snapshot.tables, settings)


def judged(leads: LearningSet, name: str) -> Iterator[tuple[float, int, dict[str, float]]]:
    """At each cut that can be judged: the cut, later leads with the outcome, and the AUC of each scorer on all later leads."""
    as_of = leads.frame["as_of"].to_numpy("datetime64[us]")
    final = leads.labels(name)
    for cut in CUTS:
        at = leads.frame["as_of"].iloc[int(cut * len(as_of))].to_pydatetime()
        known, rows = np.flatnonzero(as_of < at), np.flatnonzero((as_of >= at) & final.judged)
        outcome = final.outcome[rows]
        if len(rows) < FEWEST or len(np.unique(outcome)) < 2:
            continue
        labels = leads.labels(name, at=at)
        hazard = fit_hazard(
            leads.encoded,
            labels,
            horizon=leads.horizon(name),
            parameters=HazardParameters(),
            rows=known,
            data=leads.data,
        )
        later = leads.encoded.iloc[rows]
        told = known[labels.judged[known]]
        columns = [column.name for column in leads.recipe.columns]
        rivals = opinions(leads.frame.iloc[told], labels.outcome[told], leads.frame.iloc[rows], columns)
        scores = {
            "lines": hazard.linear.raw(later),
            "trees": hazard.booster.predict(later.to_numpy(), raw_score=True),
            "both": hazard.raw(later),
            "logistic": rivals.scores["logistic"],
        }
        yield cut, int(outcome.sum()), {scorer: auc(outcome, score) for scorer, score in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| data | outcome | cut at | later yeses | lines | trees | both | logistic regression |")
    print("|---|---|---|---|---|---|---|---|")
    for title, (example, changed, until) in WORLDS.items():
        if example is not None and not (arguments.data / example).is_dir():
            continue
        leads = learning(example, changed, until)
        for name in leads.names:
            for cut, yeses, found in judged(leads, name):
                figures = " | ".join(f"{value:.3f}" for value in found.values())
                print(f"| {title} | {name} | {cut:.0%} | {yeses:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

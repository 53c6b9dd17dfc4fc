"""False alarms of the leak guard on tables in which nothing leaks: those that packages ship, and, where they are, those
of ../shared/data without the columns that are known to leak.

python benchmarks/clean_tables.py [NAME ...]

A column that is the answer, or the time until it, is no column of a lead and is left out. What is said of rows is told
beside and holds nothing up; it is counted apart.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

from models.leakage.findings import Findings
from models.leakage.guard import find_leaks
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY.parent / "shared" / "data"


def shipped(loader: Callable, of: Callable[[pd.Series], pd.Series]) -> Callable[[], pd.DataFrame]:
    """A table of scikit-learn with a yes or no as its answer."""

    def table() -> pd.DataFrame:
        frame = loader(as_frame=True).frame
        return frame.drop(columns="target").assign(answer=of(frame["target"]))

    return table


def survival(
    file: str, answer: str, *out: str, yes: Callable[[pd.Series], pd.Series] | None = None, **reading
) -> Callable[[], pd.DataFrame]:
    """A table of lifelines: whether something happened, without when."""

    def table() -> pd.DataFrame:
        frame = pd.read_csv(str(files("lifelines.datasets") / file), **reading)
        said = frame[answer] if yes is None else yes(frame[answer])
        return frame.drop(columns=[answer, *out]).assign(answer=said.astype(int))

    return table


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "breast_cancer": shipped(datasets.load_breast_cancer, lambda each: each),
    "digits": shipped(datasets.load_digits, lambda each: each % 2),
    "diabetes": shipped(datasets.load_diabetes, lambda each: each > each.median()),
    "iris": shipped(datasets.load_iris, lambda each: each == 2),
    "wine": shipped(datasets.load_wine, lambda each: each == 1),
    "rossi": survival("rossi.csv", "arrest", "week"),
    "gbsg2": survival("gbsg2.csv", "cens", "time"),
    "lymph_node": survival(
        "lymph_node.csv", "censrec", "id", "rectime", "survtime", "censdead", "recdate", "deathdate"
    ),
    "lung": survival("lung.csv", "status", "time", yes=lambda each: each == 2),
    "stanford_heart": survival("stanford_heart.csv", "event", "start", "stop", "id"),
    # Whether a reign or a seat has ended is a matter of when it began; so the answer is another one.
    "dd": survival(
        "dd.csv",
        "democracy",
        "regime",
        "ctryname",
        "cowcode2",
        "politycode",
        "leaderspellreg",
        "ehead",
        "observed",
        yes=lambda each: each == "Democracy",
    ),
    "canadian_senators": survival(
        "canadian_senators.csv",
        "reason",
        "Name",
        "Term (yyyy.mm.dd)",
        "end_date",
        "observed",
        "diff_days",
        yes=lambda each: each == "Death",
    ),
    "kidney_transplant": survival("kidney_transplant.csv", "death", "time"),
    "recur": survival("recur.csv", "EVENT", "ID", "TIME0", "TIME1", "CENSOR", yes=lambda each: each > 1),
    "regression": survival("regression.csv", "E", "T"),
    "divorce": survival(
        "divorce.dat", "div", "id", "years", yes=lambda each: each == "Yes", sep=r"\s{2,}", engine="python"
    ),
    "larynx": survival("larynx.csv", "death", "time"),
    "waltons": survival("waltons_dataset.csv", "E", "T"),
    "merrell": survival(
        "merrell1955.csv",
        "dead",
        "id",
        "year_month_of_last_observation",
        *("time_elapsed_between_estimated_onset_and_diagnosis_(months)",),
        usecols=range(8),
    ),
    "interval_diabetes": survival("interval_diabetes.csv", "right", yes=np.isfinite, usecols=[1, 2, 3]),
    "nh4": survival("nh4.csv", "Censored", "NH4.mg.per.L", "NH4.Orig.mg.per.L", usecols=range(1, 7)),
    "mice": survival("mice.csv", "u", "l", yes=np.isfinite, usecols=[1, 2, 3]),
    "lymphoma": survival("lymphoma.csv", "Censor", "Time"),
    "multicenter_aids": survival("multicenter_aids_cohort.tsv", "D", "T", "i", sep="\t"),
}
EXAMPLES = {  # with every column that the publisher's notes call known too late left out
    "uci_bank": ("duration",),
    "x_education": (
        *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Lead Number"),
        *(
            f"Asymmetrique {each}"
            for each in ("Activity Index", "Profile Index", "Activity Score", "Profile Score")
        ),
    ),
    "maven_crm": ("account", "close_value"),
    "olist": (),
    "loan_applications": (),
}


@dataclass(frozen=True)
class Looked:
    """One table, and what the guard said of it."""

    name: str
    rows: int
    columns: int
    findings: Findings

    @property
    def alarms(self) -> tuple[str, ...]:
        """The columns that it suspects, with the detector."""
        return tuple(
            f"{leak.column} ({leak.detector})" for leak in self.findings.leaks if leak.verdict != "ok"
        )


def looked(name: str, folder: Path) -> Looked:
    """Have the guard look at a table."""
    if name in EXAMPLES:
        changed = {"source": {"url": f"files:{DATA / name}"}, "features": {"exclude": list(EXAMPLES[name])}}
        settings = load_settings(REPOSITORY / "examples" / f"{name}.toml", changed, environ={})
    else:
        table = TABLES[name]()
        # Rows come in the order of the answer here and there; nothing says that it is time.
        table = table.assign(answer=table["answer"].astype(int)).sample(frac=1, random_state=0)
        table.reset_index(drop=True).to_csv(folder / "leads.csv", index_label="lead_id")
        source = {
            "url": f"files:{folder}",
            "leads": {"table": "leads.csv", "order": "none"},
            "outcome": {"column": "answer", "won": ["1"], "lost": ["0"]},
        }
        settings = load_settings(None, {"source": source}, environ={})
    with closing(
        pull(settings.source, settings.label, home=folder / "home", until=datetime(2030, 1, 1))
    ) as snapshot:
        learning = learning_set(snapshot.tables, settings)
        findings = find_leaks(learning, snapshot.tables.leads.to_pyarrow().to_pandas())
    return Looked(name, len(learning.frame), len(findings.leaks), findings)


def main(names: list[str]) -> None:
    """Print a line for each table, and the sums."""
    known = [*TABLES, *(name for name in EXAMPLES if (DATA / name).is_dir())]
    most = alarms = 0
    print("table | rows | columns | false alarms | of rows\n---|---:|---:|---|---")
    for name in names or known:
        with tempfile.TemporaryDirectory() as folder:
            found = looked(name, Path(folder))
        told = ", ".join(each.kind for each in found.findings.rows)
        print(
            f"{name} | {found.rows:,} | {found.columns} | {', '.join(found.alarms) or '–'} | {told or '–'}",
            flush=True,
        )
        most, alarms = max(most, len(found.alarms)), alarms + len(found.alarms)
    print(f"\n{len(names or known)} tables, {alarms} false alarms, at most {most} in one table")


if __name__ == "__main__":
    main(sys.argv[1:])

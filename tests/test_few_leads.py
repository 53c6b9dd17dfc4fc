"""Few leads, or leads that are all alike: training ends in a verdict or in one sentence, never in a traceback."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest

from pipelines.simulation.market import simulate_tables
from tests.commands import QUICK, leadsieve, written

pytestmark = pytest.mark.slow
SOURCE = """
[source]
url = "files:."
[source.leads]
table = "leads.csv"
lead_id = "lead_id"
created_at = "created_at"
account_id = "account_id"
channel = "channel"
owner = "owner"
[source.outcomes]
table = "outcomes.csv"
lead_id = "lead_id"
stage = "stage"
occurred_at = "occurred_at"
"""
VERDICTS = {"too little data", "no better than chance", "weak", "ready"}


def alike(column: str):
    def change(tables: dict[str, pa.Table]) -> None:
        leads = tables["leads"]
        place = leads.column_names.index(column)
        tables["leads"] = leads.set_column(place, column, pa.array(["the same"] * len(leads)))

    return change


def without(*stages: str):
    def change(tables: dict[str, pa.Table]) -> None:
        outcomes = tables["outcomes"]
        tables["outcomes"] = outcomes.filter(pc.invert(pc.is_in(outcomes["stage"], pa.array(stages))))

    return change


def pure(tables: dict[str, pa.Table]) -> None:
    """Customers in the older half alone: later blocks have one class."""
    outcomes = tables["outcomes"]
    middle = pc.quantile(outcomes["occurred_at"].cast("int64"), 0.5)[0].as_py()
    late = pc.and_(
        pc.greater(outcomes["occurred_at"].cast("int64"), int(middle)), pc.equal(outcomes["stage"], "won")
    )
    tables["outcomes"] = outcomes.filter(pc.invert(late))


SHAPES = {
    "one account": alike("account_id"),
    "one owner": alike("owner"),
    "one channel": alike("channel"),
    "no wins": without("won"),
    "no losses": without("lost"),
    "nobody was taken up": without("accepted", "won", "lost"),
    "nobody was turned down": without("rejected"),
    "no outcomes": without("accepted", "rejected", "won", "lost"),
    "late blocks of one class": pure,
}


def trained(folder, tables):
    for name in ("leads", "outcomes"):
        pyarrow.csv.write_csv(tables[name], folder / f"{name}.csv")
    written(folder, {"c.toml": SOURCE + QUICK})
    return leadsieve(
        "train", "--config", folder / "c.toml", "--as-of", "2025-06-01", "--json", home=folder / "home"
    )


def ends_well(done) -> None:
    assert "Traceback" not in done.err
    assert done.code in (0, 3, 4), done.err
    if done.out:
        assert json.loads(done.out)["verdict"] in VERDICTS
    else:
        assert done.err.strip()


@pytest.mark.parametrize("months", [3, 10])
@pytest.mark.parametrize("leads", [10, 30, 100, 300, 700, 1000])
def test_however_few_leads_there_are_training_says_what_they_are_enough_for(tmp_path, leads, months):
    done = trained(tmp_path, simulate_tables(f"simulated:?leads={leads}&months={months}&start=2024-01-01"))
    ends_well(done)
    if done.code == 0:  # it is not much, and what it is the chance of is said
        assert done.json["score"] in ("p_both", "p_pursue")


@pytest.mark.parametrize("shape", SHAPES)
def test_leads_that_are_all_alike_in_something_are_told_from_a_bug(tmp_path, shape):
    tables = simulate_tables("simulated:?leads=700&months=10&start=2024-01-01")
    SHAPES[shape](tables)
    ends_well(trained(tmp_path, tables))

"""Ids that two tables write in two ways are joined where that is one to one, and said; a lead that comes twice
counts once.
"""

from datetime import datetime
from pathlib import Path

import pytest

from features.errors import ContractError
from features.labels import Horizons
from pipelines.sources.mapping import SourceSettings
from pipelines.sources.snapshots import Snapshot, pull

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

NOW = datetime(2026, 6, 1)


def pulled(
    folder: Path, leads: list[str], outcomes: list[str], *, dates: list[str] | None = None
) -> Snapshot:
    dates = dates or [f"2026-01-{day:02d}" for day in range(1, len(leads) + 1)]
    told = [f"{lead},{day},{number}" for number, (lead, day) in enumerate(zip(leads, dates, strict=True))]
    (folder / "leads.csv").write_text("\n".join(["lead_id,created_at,size", *told]) + "\n")
    rows = [f"{lead},accepted,2026-03-01" for lead in outcomes]
    (folder / "outcomes.csv").write_text("\n".join(["lead_id,stage,occurred_at", *rows]) + "\n")
    return pull(SourceSettings(url=f"files:{folder}"), Horizons(), home=folder / "home", until=NOW)


@pytest.mark.parametrize(
    ("leads", "outcomes", "without"),
    [
        (["1", "2", "3"], ["1.0", "3.0"], "'.0' at their end"),
        (["0017", "0018", "0020"], ["17", "20"], "leading zeros"),
        (["AB1", "AB2", "AB3"], ["ab1", "ab3"], "capitals"),
        (
            ["00Q5g0000000001", "00Q5g0000000002", "00Q5g0000000003"],
            ["00Q5g0000000001EAB", "00Q5g0000000003EAB"],
            "the last three characters of their long form",
        ),
        (["007", "008", "009"], ["7.0", "9.0"], "'.0' at their end and leading zeros"),
    ],
)
def test_ids_that_differ_in_how_they_are_written_are_joined_and_that_is_said(
    tmp_path, leads, outcomes, without
):
    snapshot = pulled(tmp_path, leads, outcomes)
    joined = snapshot.tables.outcomes.select("lead_id").to_pyarrow()["lead_id"].to_pylist()
    assert sorted(joined) == [leads[0], leads[2]]
    assert snapshot.warnings[0] == (
        f"outcomes: 2 rows join their leads without {without}, one to one, such as '{outcomes[0]}'"
    )
    snapshot.close()


@pytest.mark.slow
def test_ids_that_would_become_one_are_not_joined_and_the_two_are_named(tmp_path):
    with pytest.raises(
        ContractError, match=r"without leading zeros 2 would be, but '07' and '7' would be one id"
    ):
        pulled(tmp_path, ["7", "07", "9"], ["007", "009"])


def test_ids_that_are_written_alike_are_left_as_they_are(tmp_path):
    snapshot = pulled(tmp_path, ["1.0", "2", "A", "a"], ["1.0", "A"])
    assert not snapshot.warnings
    snapshot.close()


def test_of_a_lead_that_comes_twice_the_newest_row_counts_and_that_is_said(tmp_path):
    snapshot = pulled(
        tmp_path, ["1", "2", "1", "3"], ["1"], dates=["2026-01-01", "2026-01-02", "2026-01-05", "2026-01-06"]
    )
    rows = snapshot.tables.leads.select("lead_id", "size").to_pyarrow().to_pylist()
    assert sorted((row["lead_id"], row["size"]) for row in rows) == [("1", 2), ("2", 1), ("3", 3)]
    assert snapshot.warnings[0] == (
        "leads: 1 lead comes more than once, such as '1': the newest row of each counts, the last of those of one time"
    )
    snapshot.close()


def test_where_most_rows_repeat_an_id_another_column_is_advised_and_no_row_dropped(tmp_path):
    with pytest.raises(ContractError, match="Map the column whose value is another for each lead"):
        pulled(tmp_path, ["1"] * 7 + ["2"], ["1"])

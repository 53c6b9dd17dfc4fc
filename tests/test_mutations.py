"""Inputs changed at random are read as what they are, or refused in a sentence; more of them by ``tests.mutations``."""

import math
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ContractError
from tests.mutations import run
from tests.pulling import pulled, rows

RUNS = 30
pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words


@pytest.mark.slow
def test_no_changed_input_ends_in_a_traceback_leaves_half_a_snapshot_or_reads_a_value_as_another():
    told = []
    ends, faults = run(RUNS, 11, told=told.append)
    assert (faults, told) == (0, [])
    assert min(ends["read"], ends["refused"]) > RUNS / 5  # it is neither all refused nor all taken


def test_a_parquet_file_damaged_in_its_middle_is_named_and_nothing_is_stored(tmp_path):
    table = {"lead_id": [f"{at:032}" for at in range(5000)], "created_at": [None] * 5000}
    pq.write_table(pa.table(table), tmp_path / "leads.parquet")
    content = bytearray((tmp_path / "leads.parquet").read_bytes())
    content[200:4000] = bytes(3800)
    with pytest.raises(ContractError, match=r"'leads.parquet' is damaged or breaks off.*Export it again"):
        pulled(tmp_path, {"leads.parquet": bytes(content)})
    assert not list(tmp_path.glob("home/snapshots/*"))


def test_numbers_that_no_integer_holds_are_words_where_words_are_wanted(tmp_path):
    values = [math.inf, -math.inf, 1e300, math.nan, 4711.0, 0.5]
    table = {
        "lead_id": [f"L{at}" for at in range(6)],
        "created_at": [datetime(2026, 1, 1)] * 6,
        "channel": values,
    }
    pq.write_table(pa.table(table), tmp_path / "leads.parquet")
    found = dict(rows(pulled(tmp_path, {}).tables.leads, "lead_id", "channel"))
    assert [found[f"L{at}"] for at in range(6)] == ["inf", "-inf", "1e+300", "nan", "4711", "0.5"]


@pytest.mark.parametrize("damage", ["cut", "middle", "empty"])
def test_a_damaged_duckdb_file_is_named(tmp_path, damage):
    path = tmp_path / "crm.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(
            "CREATE TABLE leads AS SELECT md5(i::TEXT) lead_id, TIMESTAMP '2026-01-01' created_at FROM range(90000) t(i)"
        )
    content = path.read_bytes()
    half = len(content) // 2
    broken = {
        "cut": content[:half],
        "middle": content[:half] + bytes(300_000) + content[half + 300_000 :],
        "empty": b"",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(ContractError, match=r"'crm.duckdb' is (not a DuckDB file|damaged or breaks off)"):
        pulled(tmp_path, {}, url=f"duckdb:{path}")

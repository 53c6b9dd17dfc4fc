"""Files of decisions: whole or not there, and harmless in a spreadsheet."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import UnreachableError, UsageError
from pipelines.sinks import tables
from pipelines.sinks.tables import write_decisions, write_parquet
from tests.conftest import REPOSITORY

DECISIONS = pd.DataFrame(
    {
        "lead_id": ["a", "b"],
        "as_of": pd.to_datetime(["2026-01-01", "2026-01-01"]).astype("datetime64[us]"),
        "p_both": [0.25, np.nan],
        "channel": pd.Categorical(["paid", None]),
        "reasons": [["many visits", "size is 50"], []],
    }
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_csv_holds_every_row_and_empty_cells_for_what_is_unknown(tmp_path):
    first, second = rows_of(write_decisions(DECISIONS, tmp_path / "new" / "out.csv"))
    assert first == {
        "lead_id": "a",
        "as_of": "2026-01-01 00:00:00.000000",
        "p_both": "0.25",
        "channel": "paid",
        "reasons": "many visits; size is 50",
    }
    assert (second["p_both"], second["channel"], second["reasons"]) == ("", "", "")


def test_a_parquet_file_gives_the_table_back(tmp_path):
    back = pd.read_parquet(write_decisions(DECISIONS, tmp_path / "out.PARQUET"))
    pd.testing.assert_frame_equal(
        back.drop(columns="reasons"),
        DECISIONS.drop(columns="reasons"),
        check_dtype=False,
        check_categorical=False,
    )
    assert back["as_of"].dtype == "datetime64[us]"
    assert back["reasons"].tolist() == ["many visits; size is 50", ""]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+49 30 1", "-5", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")']
)
@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(tmp_path, cell, dtype):
    table = pd.DataFrame({"lead_id": pd.Series([cell, "plain=1"], dtype=dtype)})
    assert [row["lead_id"] for row in rows_of(write_decisions(table, tmp_path / "out.csv"))] == [
        f"'{cell}",
        "plain=1",
    ]


def test_a_heading_or_a_list_that_a_spreadsheet_would_run_gets_an_apostrophe_too(tmp_path):
    table = pd.DataFrame({"=cmd": ["x"], "reasons": [["=1+1", "b"]]})
    assert rows_of(write_decisions(table, tmp_path / "out.csv")) == [{"'=cmd": "x", "reasons": "'=1+1; b"}]


def test_negative_numbers_stay_numbers(tmp_path):
    table = pd.DataFrame({"value": [-1.5, 2.0], "rank": [-1, 2]})
    assert rows_of(write_decisions(table, tmp_path / "out.csv"))[0] == {"value": "-1.5", "rank": "-1"}


def test_parquet_keeps_texts_as_they_are(tmp_path):
    table = pd.DataFrame({"lead_id": ["=1+1"]})
    assert pd.read_parquet(write_decisions(table, tmp_path / "out.parquet"))["lead_id"].tolist() == ["=1+1"]


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"neither a \.csv nor a \.parquet"):
        write_decisions(DECISIONS, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_that_name_is_refused(tmp_path):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_decisions(DECISIONS, tmp_path / "out.csv")


def test_a_place_that_cannot_be_written_is_refused_with_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"out\.csv' cannot be written"):
        write_decisions(DECISIONS, tmp_path / "file" / "out.csv")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_write_that_fails_midway_leaves_the_old_file_and_no_draft(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"out{suffix}"
    path.write_text("old")

    def broken(table, draft, **options):
        Path(draft).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.pyarrow.csv, "write_csv", broken)
    monkeypatch.setattr(tables.pyarrow.parquet, "write_table", broken)
    with pytest.raises(UnreachableError, match="No space left"):
        write_decisions(DECISIONS, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


WRITES = """
import os, sys
from pathlib import Path
from pipelines.files import replaced
os.getpid = lambda: 4_190_000  # a container's number, which means nothing outside it
with replaced(Path(sys.argv[1])) as draft:
    draft.write_text("theirs")
    print("writing", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_draft_is_swept_when_its_run_is_dead_and_not_before(tmp_path, killed):
    path = tmp_path / "out.csv"
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout.readline() == "writing\n"
        if killed:
            running.kill()
            running.wait()
        write_decisions(DECISIONS, path)
        ours = path.read_text()
        if not killed:
            assert len(list(tmp_path.iterdir())) == 3, "the other's draft and its lock stay"
            running.communicate("go on\n")
            assert running.returncode == 0
    assert path.read_text() == (ours if killed else "theirs")
    assert list(tmp_path.iterdir()) == [path]


def test_scores_are_written_whatever_the_file_is_called(tmp_path):
    assert pd.read_parquet(write_parquet(DECISIONS[["lead_id"]], tmp_path / "scores"))[
        "lead_id"
    ].tolist() == ["a", "b"]


def test_the_given_table_is_not_changed(tmp_path):
    before = DECISIONS.copy(deep=True)
    write_decisions(DECISIONS, tmp_path / "out.csv")
    pd.testing.assert_frame_equal(DECISIONS, before)


@pytest.mark.slow
def test_a_million_rows_take_seconds(tmp_path):
    count = 1_000_000
    table = pd.DataFrame(
        {
            "lead_id": [f"L{row}" for row in range(count)],
            "p_both": np.random.default_rng(1).random(count),
            "reasons": [["a", "b"]] * count,
        }
    )
    began = time.perf_counter()
    write_decisions(table, tmp_path / "out.csv")
    assert (
        time.perf_counter() - began < 60
    )  # about 2 s on a machine of its own; a busy one must not fail for it

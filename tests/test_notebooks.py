"""The notebooks run as they stand, hold no code of their own, and are kept without what they said."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest

from models.policy.risk_control import cut_table
from pipelines.reports.plots.policy import cut_picture
from tests.conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
CALLS = {
    "1-explore": "check_source",
    "2-as-of": "story",
    "3-train-and-compare": "train_leads",
    "4-choose-the-cut": "cut_table",
}


def code(path: Path) -> list[str]:
    cells = nbformat.read(path, 4).cells
    return [
        "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for cell in cells
        if cell.cell_type == "code"
    ]


def test_there_is_a_notebook_for_each_step():
    assert {path.stem for path in NOTEBOOKS} == set(CALLS)
    assert all(name in "\n".join(code(path)) for path in NOTEBOOKS for name in [CALLS[path.stem]])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_is_kept_without_outputs_and_defines_nothing(path):
    cells = nbformat.read(path, 4).cells
    for cell in cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    nodes = [node for source in code(path) for node in ast.walk(ast.parse(source))]
    assert not [
        node
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
    ]
    assert sum(len(source.splitlines()) for source in code(path)) <= 60


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_one_line_names_the_source(path):
    assert (
        sum('desk = bench("simulated:' in line for source in code(path) for line in source.splitlines()) == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_promises(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("LEADSIEVE_HOME", str(tmp_path / "home"))
    book = nbformat.read(path, 4)
    NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert [output for output in outputs if "text/html" in output.get("data", {})], "a table"


# ── what notebooks call ──


def test_a_table_of_cuts_says_what_each_promise_needs_holds_and_loses():
    random = np.random.default_rng(1)
    scores = random.random(2000)
    won = np.where(random.random(2000) < 0.1, np.nan, random.random(2000) < scores / 5)
    table = cut_table(scores, won, shares=(0.02, 0.05, 0.2)).set_index("max_lost_share")
    wins = scores[won == 1]
    assert table["needed"].tolist() == [149, 59, 14]
    assert set(table["wins"]) == {len(wins)}
    assert table.loc[0.05, "held_share"] == np.mean(scores < table.loc[0.05, "cut"])
    assert (table["lost_share"] <= table.index).all()
    assert table["cut"].is_monotonic_increasing

    few = np.where(np.cumsum(won == 1) <= 60, won, 0.0)
    table = cut_table(scores, few, shares=(0.02, 0.05))
    assert table["cut"].isna().tolist() == [True, False]
    assert [text.get_text() for text in cut_picture(scores, few, table).axes[0].texts][1:] == [
        f"at most 5 % lost: holds {table['held_share'][1]:.0%}"
    ]


def test_without_a_win_nothing_is_promised_and_the_picture_is_there_all_the_same():
    table = cut_table(np.linspace(0, 1, 50), np.zeros(50))
    assert table["cut"].isna().all()
    assert cut_picture(np.linspace(0, 1, 50), np.zeros(50), table).axes[0].get_xlim() == (0, 1)

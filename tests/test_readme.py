"""The README keeps its word: every command in it runs, in its order, in a newcomer's folder."""

import re
import shlex

import pyarrow.compute as pc
import pyarrow.csv
import pytest
import typer

from app.cli import app
from pipelines.simulation.market import simulate_tables
from tests.commands import QUICK, leadsieve
from tests.conftest import REPOSITORY
from tests.test_writeback import receiving

BLOCKS = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
LINES = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]
COMMANDS = typer.main.get_command(app).commands
SERVING = {"desk"}  # runs until it is stopped; other tests do that


def test_every_target_that_the_readme_makes_is_in_the_makefile():
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    made = [words[1] for words in LINES if words[:1] == ["make"]]
    assert made == ["demo", "test"]
    assert set(made) <= set(targets)


@pytest.mark.slow
def test_every_command_of_the_readme_runs_as_it_stands(tmp_path, monkeypatch):
    (tmp_path / "exports").mkdir()
    tables = simulate_tables("simulated:?leads=5000&months=14&gamma=0&start=2025-01-01")
    for name, table in tables.items():
        pyarrow.csv.write_csv(table, tmp_path / "exports" / f"{name}.csv")
    leads = tables["leads"].slice(4_900)
    new = leads.set_column(0, "lead_id", pc.binary_join_element_wise("new-", leads["lead_id"], ""))
    pyarrow.csv.write_csv(new, tmp_path / "new.csv")
    monkeypatch.chdir(tmp_path)
    with receiving() as hook:
        (tmp_path / "crm.toml").write_text(
            f'[source]\nurl = "files:exports"\n{QUICK}\n[writeback]\nwebhook = "{hook.url}"\n'
        )
        _run_all(tmp_path)
    assert hook.came


def _run_all(folder):
    commands = [words[1:] for words in LINES if words[:1] == ["leadsieve"]]
    assert {words[0] for words in commands} == set(COMMANDS) - {"demo", "serve"}
    for words in commands:
        if words[0] in SERVING:
            continue
        said = leadsieve(*words, home=folder / "home", LEADSIEVE_WEBHOOK_SECRET="a key of the tests")
        refused = words[0] == "promote" and "--force" not in words and "was not promoted" in said.out
        assert said.code == (4 if refused else 0), f"leadsieve {shlex.join(words)}: {said.out}{said.err}"
    assert (folder / "decisions.csv").stat().st_size > 1000
    assert (folder / "new.parquet").exists()
    assert (folder / "judged.parquet").exists()

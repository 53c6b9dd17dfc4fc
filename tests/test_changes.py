"""A look at a source tells whether there may be something new, and the scoring flow runs for nothing else."""

import os
import threading

import pytest

from features.errors import UnreachableError
from pipelines.flows import deployments
from pipelines.sources.changes import look_at
from pipelines.sources.mapping import SourceSettings
from tests.commands import SIMULATED, written


def test_a_look_at_files_changes_when_one_is_written_or_comes(tmp_path):
    written(tmp_path, {"leads.csv": "lead_id,created_at\n1,2026-01-01\n"})
    settings = SourceSettings(url=f"files:{tmp_path}")
    first = look_at(settings)
    assert look_at(settings) == first
    os.utime(tmp_path / "leads.csv", ns=(1, 1))
    second = look_at(settings)
    assert second != first
    written(tmp_path, {"events.csv": "lead_id,kind,occurred_at\n"})
    assert look_at(settings) != second


def test_made_up_leads_never_change():
    settings = SourceSettings(url=SIMULATED)
    assert look_at(settings) == look_at(settings)


def test_a_look_at_a_server_changes_with_a_row_and_with_a_newer_time(postgres):
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS looked_at")
        connection.execute("CREATE TABLE looked_at (lead_id text, created_at timestamp, changed timestamp)")
        connection.execute("INSERT INTO looked_at VALUES ('1', '2026-01-01', '2026-01-01')")
        settings = SourceSettings(url=postgres, leads={"table": "looked_at"})
        looks = [look_at(settings), look_at(settings)]
        connection.execute("UPDATE looked_at SET changed = '2026-01-02'")
        looks.append(look_at(settings))
        connection.execute("INSERT INTO looked_at VALUES ('2', '2025-01-01', '2025-01-01')")
        looks.append(look_at(settings))
        connection.execute("DROP TABLE looked_at")
    assert looks[0] == looks[1]
    assert len(set(looks[1:])) == 3


@pytest.mark.parametrize(
    ("looks", "runs"),
    [
        pytest.param("aaaa", 1, id="nothing new: the first look alone runs it"),
        pytest.param("aabb", 2, id="something new"),
        pytest.param("a!ab", 2, id="out of reach for a moment"),
    ],
)
def test_the_scoring_flow_runs_when_a_look_finds_something_new(monkeypatch, looks, runs):
    left, ran, pauses = list(looks), [], []

    class Waited(threading.Event):
        def wait(self, timeout=None):
            pauses.append(timeout)
            return not left

    def look(source):
        if (found := left.pop(0)) == "!":
            raise UnreachableError("it does not answer.")
        return found

    monkeypatch.setattr(deployments, "look_at", look)
    deployments.score_what_is_new(
        SourceSettings(url=SIMULATED), 1, "north", Waited(), run=lambda name, **_: ran.append(name)
    )
    assert ran == ["score/north"] * runs
    assert pauses == [0, *[30] * len(looks)], "the first look comes at once"

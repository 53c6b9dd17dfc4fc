"""What may go from a home, what stays, and what is said of it."""

from datetime import datetime, timedelta

import pytest

from pipelines.maintenance.retention import prune, unneeded
from pipelines.settings import load_settings
from pipelines.sources.manifest import read_note
from pipelines.sources.snapshots import pull
from tests.commands import leadsieve

NOW = datetime(2026, 6, 20)


@pytest.fixture
def home(tmp_path):
    """Snapshots of a file that grew by a lead a day, from April on."""
    folder = tmp_path / "export"
    folder.mkdir()
    lines = ["lead_id,created_at,channel"]
    for day in range(60):
        moment = datetime(2026, 4, 20) + timedelta(days=day)
        lines.append(f"L{day},{moment:%Y-%m-%d},web")
        if day % 6 == 0:
            (folder / "leads.csv").write_text("\n".join(lines) + "\n")
            settings = load_settings(None, {"source": {"url": f"files:{folder}"}})
            pull(settings.source, settings.label, home=tmp_path / "home", until=moment).close()
    return tmp_path / "home"


def pulled(home):
    notes = (read_note(folder) for folder in (home / "snapshots").glob("[!.]*"))
    return sorted(note.pulled_until[:10] for note in notes)


def keeping(days):
    return load_settings(None, {"retention": {"snapshot_days": days}})


def test_the_newest_the_last_of_each_month_and_what_is_younger_stay(home):
    found = prune(keeping(20), home, NOW, done=True)
    assert pulled(home) == ["2026-04-26", "2026-05-26", "2026-06-01", "2026-06-07", "2026-06-13"]
    assert (len(found.snapshots), found.kept, found.runs) == (5, 5, None)
    assert all(each.bytes > 0 and each.source.startswith("files:") for each in found.snapshots)


def test_a_look_removes_nothing_and_names_the_same(home):
    before = pulled(home)
    looked = prune(keeping(20), home, NOW, done=False)
    assert pulled(home) == before
    assert looked.snapshots == prune(keeping(20), home, NOW, done=True).snapshots


def test_a_snapshot_that_a_version_learned_from_stays(home):
    notes = {folder: read_note(folder) for folder in (home / "snapshots").glob("[!.]*")}
    gone = unneeded(notes, set(), before=NOW)
    learned = next(iter(gone.values())).fingerprint
    assert learned not in {note.fingerprint for note in unneeded(notes, {learned}, before=NOW).values()}


def test_where_nothing_is_said_everything_stays(home):
    before = pulled(home)
    assert prune(load_settings(None), home, NOW, done=True).snapshots == ()
    assert pulled(home) == before


def test_prefects_old_runs_are_asked_for_with_the_day_before_which_they_go(home):
    asked = []
    settings = load_settings(None, {"retention": {"run_days": 7}})
    found = prune(settings, home, NOW, done=True, old_runs=lambda *given: asked.append(given) or 12)
    assert (found.runs, asked) == (12, [(datetime(2026, 6, 13), True)])


def test_the_command_lists_first_and_removes_when_told(home, tmp_path):
    config = tmp_path / "keep.toml"
    config.write_text("[retention]\nsnapshot_days = 1\n")
    given = ("prune", "--config", config)
    listed = leadsieve(*given, home=home)
    assert "To be removed: " in listed.out
    assert "leadsieve prune --yes" in listed.out
    before = len(pulled(home))
    removed = leadsieve(*given, "--yes", "--json", home=home).json
    assert removed["done"]
    assert len(pulled(home)) == before - len(removed["snapshots"]) == removed["kept"]
    assert "Nothing is old enough to go" in leadsieve(*given, home=home).out
    assert "names neither" in leadsieve("prune", home=home).out

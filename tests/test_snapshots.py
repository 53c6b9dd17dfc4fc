"""Snapshots: immutable, fingerprinted, stored once, whole or not at all; and the leads of a file beside them."""

import json
import os
import subprocess
import sys
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.contracts import breaches
from features.errors import ContractError, UsageError
from features.labels import Horizons
from pipelines.sources import snapshots
from pipelines.sources.lead_lookup import Dossiers
from pipelines.sources.manifest import noted_and_held, read_note
from pipelines.sources.mapping import LeadsSource, OutcomeColumn, SourceSettings
from pipelines.sources.reading.parts import copied, full_columns, largest, own_size, parts
from pipelines.sources.snapshots import Snapshot, pull
from pipelines.store.database import Store
from pipelines.store.erasure import forget
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words

NOW = datetime(2026, 6, 1)
LEADS = "lead_id,created_at,size,city\n1,2026-01-01,5,Bonn\n2,2026-01-02,7,Rome\n"
EVENTS = (
    "lead_id,kind,occurred_at,recorded_at\n1,visit,2026-01-03,2026-01-04\n2,visit,2026-02-03,2026-02-04\n"
)
OUTCOMES = "lead_id,stage,occurred_at\n1,accepted,2026-01-05\n2,won,2026-03-05\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "source").mkdir()
    for name, text in (("leads", LEADS), ("events", EVENTS), ("outcomes", OUTCOMES)):
        (tmp_path / "source" / f"{name}.csv").write_text(text)
    return tmp_path


def pulled(folder: Path, *, until: datetime = NOW, leads_file: Path | None = None, **settings) -> Snapshot:
    source = SourceSettings(**{"url": f"files:{folder / 'source'}"} | settings)
    return pull(source, Horizons(), home=folder / "home", until=until, leads_file=leads_file)


def stored(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in (folder / "home" / "snapshots").rglob("*")
        if path.is_file()
    }


def ids(table) -> list[str]:
    return sorted(table.select("lead_id").to_pyarrow()["lead_id"].to_pylist())


def test_a_snapshot_holds_the_tables_and_says_where_they_are_from(folder):
    snapshot = pulled(folder)
    assert snapshot.stored
    assert sorted(path.name for path in snapshot.folder.iterdir()) == [
        "events.parquet",
        "leads.parquet",
        "outcomes.parquet",
        "snapshot.json",
    ]
    note = json.loads((snapshot.folder / "snapshot.json").read_text())
    assert note["fingerprint"] == snapshot.fingerprint == snapshot.folder.name
    assert note["rows"] == snapshot.counts == {"leads": 2, "events": 2, "outcomes": 2}
    assert (note["clock"], note["stages"], note["newest"]) == (
        "time",
        ["accepted", "won"],
        "2026-03-05T00:00:00",
    )
    assert snapshot.warnings == (
        "1 lead was won and never accepted on record: that counts as accepted when won",
    )
    assert snapshot.tables.end == datetime(2026, 3, 5, 0, 0, 0, 1)


def test_pulling_again_reads_and_stores_nothing(folder, monkeypatch):
    first = pulled(folder)
    before = stored(folder)

    def never(*args, **kwargs):
        raise AssertionError("the source was read again")

    monkeypatch.setattr(snapshots, "_store", never)
    again = pulled(folder)
    assert (again.stored, again.fingerprint, again.warnings, again.counts) == (
        False,
        first.fingerprint,
        first.warnings,
        first.counts,
    )
    assert stored(folder) == before
    assert ids(again.tables.leads) == ["1", "2"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda folder: (
                (folder / "source" / "leads.csv").write_text(LEADS + "3,2026-01-03,8,Bern\n") and {}
            ),
            id="the data",
        ),
        pytest.param(lambda folder: {"leads": LeadsSource(attributes=["size"])}, id="the mapping"),
        pytest.param(lambda folder: {"timezone": "Europe/Rome"}, id="the time zone"),
    ],
)
@pytest.mark.slow
def test_what_changes_the_rows_makes_a_new_snapshot_and_keeps_the_old_one(folder, change):
    first = pulled(folder)
    before = stored(folder)
    second = pulled(folder, **change(folder))
    assert second.stored
    assert second.fingerprint != first.fingerprint
    assert stored(folder).items() > before.items()


def test_neither_the_moment_nor_the_place_of_the_files_makes_a_new_snapshot(folder):
    first = pulled(folder, until=datetime(2026, 1, 4))
    (folder / "source").rename(folder / "elsewhere")
    second = pulled(folder, url=f"files:{folder / 'elsewhere'}", extracted_at="2026-05-05T00:00:00Z")
    assert (second.stored, second.fingerprint) == (False, first.fingerprint)


def test_only_what_was_recorded_before_the_moment_is_handed_out(folder):
    tables = pulled(folder, until=datetime(2026, 1, 4)).tables
    assert tables.events.count().to_pyarrow().as_py() == 0
    assert tables.end == datetime(2026, 1, 4)
    tables = pulled(folder, extracted_at="2026-02-04T01:00:00+01:00").tables
    assert ids(tables.events) == ["1"]
    assert tables.end == datetime(2026, 2, 4)


def test_a_date_in_the_far_future_does_not_stretch_time(folder):
    (folder / "source" / "leads.csv").write_text(LEADS + "3,2099-01-01,8,Bern\n")
    tables = pulled(folder).tables
    assert tables.end == NOW
    assert ids(tables.leads) == ["1", "2"]


@pytest.mark.slow
def test_a_breach_leaves_nothing_behind_and_what_was_there_stays(folder):
    pulled(folder)
    before = stored(folder)
    (folder / "source" / "leads.csv").write_text(LEADS + ",2026-01-03,8,Bern\n")
    with pytest.raises(
        ContractError,
        match=r"table 'leads' breaks its contract in 1 place; nothing was stored\.\n  lead_id: 1 row is empty",
    ):
        pulled(folder)
    assert stored(folder) == before
    assert len(list((folder / "home" / "snapshots").iterdir())) == 1


def test_a_snapshot_of_another_format_is_refused_in_a_sentence(folder):
    snapshot = pulled(folder)
    snapshot.close()
    note = snapshot.folder / "snapshot.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"format": 1}))
    with pytest.raises(UsageError, match=r"is of format 1, and this leadsieve reads 5; .* Remove the folder"):
        read_note(snapshot.folder)


KILLED = """
import os, sys
from pathlib import Path
from datetime import datetime
from features.labels import Horizons
from pipelines.sources import snapshots
from pipelines.sources.lead_lookup import Dossiers
from pipelines.sources.mapping import SourceSettings
def die(*args, **more): os.kill(os.getpid(), 9)
snapshots._judge = die
snapshots.pull(SourceSettings(url=sys.argv[1]), Horizons(), home=Path(sys.argv[2]), until=datetime(2026, 6, 1))
"""


@pytest.mark.slow
def test_a_pull_that_was_killed_leaves_nothing_that_counts_and_the_next_one_cleans_up(folder):
    arguments = [sys.executable, "-c", KILLED, f"files:{folder / 'source'}", str(folder / "home")]
    died = subprocess.run(
        arguments, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False
    )
    assert died.returncode == -9
    left = list((folder / "home" / "snapshots").iterdir())
    assert {file.suffix for file in left} == {".draft", ".lock"}
    assert all(file.name.startswith(".") for file in left)
    snapshot = pulled(folder)
    assert snapshot.stored
    assert list((folder / "home" / "snapshots").iterdir()) == [snapshot.folder]


ELSEWHERE = """
import os, sys
from pathlib import Path
from datetime import datetime
from features.labels import Horizons
from pipelines.sources import snapshots
from pipelines.sources.lead_lookup import Dossiers
from pipelines.sources.mapping import SourceSettings
os.getpid = lambda: 4_190_000  # a container's number, which means nothing outside it
inner = snapshots._judge
def wait(*args, **more):
    print("judging", flush=True)
    sys.stdin.readline()
    return inner(*args, **more)
snapshots._judge = wait
until = datetime(2026, 6, 1)
print(snapshots.pull(SourceSettings(url=sys.argv[1]), Horizons(), home=Path(sys.argv[2]), until=until).folder)
"""


@pytest.mark.slow
def test_a_pull_is_not_swept_away_by_one_in_another_container(folder):
    (folder / "other").mkdir()
    (folder / "other" / "leads.csv").write_text(LEADS + "3,2026-01-03,8,Bern\n")
    arguments = [sys.executable, "-c", ELSEWHERE, f"files:{folder / 'other'}", str(folder / "home")]
    with subprocess.Popen(
        arguments,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout.readline() == "judging\n"
        ours = pulled(folder)
        theirs = Path(running.communicate("go on\n")[0].strip())
    assert running.returncode == 0
    assert set((folder / "home" / "snapshots").iterdir()) == {ours.folder, theirs}


@pytest.mark.slow
def test_two_pulls_of_the_same_at_once_keep_one_snapshot(folder, monkeypatch):
    inner = snapshots._judge

    def meanwhile(*args, **more):
        monkeypatch.setattr(snapshots, "_judge", inner)
        assert pulled(folder).stored
        return inner(*args, **more)

    monkeypatch.setattr(snapshots, "_judge", meanwhile)
    second = pulled(folder)
    assert not second.stored
    assert list((folder / "home" / "snapshots").iterdir()) == [second.folder]


def test_tables_that_stand_ready_are_used_and_others_are_not(folder):
    (folder / "source" / "events.csv").write_text("person,what\n1,visit\n")
    snapshot = pulled(folder)
    assert snapshot.tables.events is None
    assert (
        "table 'events' was not used: it has no column 'lead_id', and no [source.events] says which to use"
        in snapshot.warnings
    )


def test_without_a_source_there_is_nothing_to_pull(tmp_path):
    with pytest.raises(UsageError, match="no source is named"):
        pull(None, Horizons(), home=tmp_path, until=NOW)


@pytest.mark.slow
def test_simulated_leads_are_a_source_like_any_other(folder):
    url = "simulated:?leads=200&months=3&seed=7"
    first, again = pulled(folder, url=url), pulled(folder, url=url)
    assert first.counts["leads"] > 0
    assert (first.stored, again.stored, again.fingerprint) == (True, False, first.fingerprint)


# ── new leads ──


def test_new_leads_join_the_source_just_before_the_moment_and_replace_those_it_has(folder):
    file = folder / "new.csv"
    file.write_text("lead_id,size,city\n2,70,Oslo\n9,9,Bonn\n")
    snapshot = pulled(folder, leads_file=file)
    assert ids(snapshot.new_leads) == ["2", "9"]
    found = {row["lead_id"]: row for row in snapshot.tables.leads.to_pyarrow().to_pylist()}
    assert sorted(found) == ["1", "2", "9"]
    assert (found["2"]["size"], found["2"]["created_at"]) == (70.0, datetime(2026, 1, 2))
    assert found["9"]["created_at"] == NOW - timedelta(microseconds=1)
    assert snapshot.tables.end == NOW
    assert ids(pulled(folder).tables.leads) == ["1", "2"], "they are not kept"


def test_a_column_that_new_leads_lack_is_no_column_of_the_leads(folder):
    (folder / "new.csv").write_text("lead_id,created_at,city\n9,2026-05-31,Bonn\n")
    assert pulled(folder, leads_file=folder / "new.csv").tables.leads.columns == (
        "lead_id",
        "account_id",
        "created_at",
        "city",
    )


def test_what_is_wrong_with_new_leads_is_named_and_no_lead_is_scored(folder):
    (folder / "new.csv").write_text("lead_id,created_at,size\n9,2026-07-01,many\n9,,5\n")
    with pytest.raises(ContractError) as raised:
        pulled(folder, leads_file=folder / "new.csv")
    assert str(raised.value) == (
        "table 'new.csv' breaks its contract in 4 places; no lead was scored.\n"
        "  size: 1 row holds no number in 'size', such as 'many'. Mend them at the source, or name such words in [source.leads] empty.\n"
        "  created_at: 1 row is empty, row 2. Fill them at the source, or drop them with [source.leads] drop_incomplete = true.\n"
        "  lead_id: 1 row repeats an id, such as '9'. Keep one row per lead at the source.\n"
        "  created_at: 1 row is created at or after 2026-06-01 00:00:00 UTC, such as lead '9'. "
        "Score them later, or name the time zone in [source] timezone."
    )
    with pytest.raises(UsageError, match="there is no file"):
        pulled(folder, leads_file=folder / "no.csv")


def test_new_rows_follow_the_last_one_where_row_order_is_time(folder):
    (folder / "source" / "calls.csv").write_text("size,deal\n1,yes\n2,no\n3,no\n")
    (folder / "new.csv").write_text("size\n10\n20\n")
    mapping = {
        "leads": LeadsSource(table="calls.csv", order="rows"),
        "outcome": OutcomeColumn(column="deal", won=["yes"], lost=["no"]),
    }
    snapshot = pulled(folder, leads_file=folder / "new.csv", **mapping)
    assert ids(snapshot.new_leads) == ["row 4", "row 5"]
    found = snapshot.tables.leads.order_by("created_at").to_pyarrow().to_pydict()
    assert found["size"] == [1.0, 2.0, 3.0, 10.0, 20.0]
    assert snapshot.tables.end == datetime(2000, 1, 1, 0, 0, 4, 1)


# ── real data ──


@pytest.mark.parametrize(
    ("name", "counts", "stages", "end"),
    [
        (
            "loan_applications",
            {"leads": 6508, "events": 106989, "outcomes": 9369},
            ("accepted", "won", "lost"),
            "2011-12-15",
        ),
        ("uci_bank", {"leads": 41188, "outcomes": 41188}, ("won", "lost"), "2000-01-01"),
        ("x_education", {"leads": 9240, "outcomes": 9240}, ("won", "lost"), "2000-01-01"),
        ("olist", {"leads": 5998, "outcomes": 780}, ("won",), "2018-11-14"),
        ("maven_crm", {"leads": 8300, "outcomes": 6711}, ("won", "lost"), "2017-12-31"),
    ],
)
def test_the_examples_read_the_real_data(name, counts, stages, end, shared_data, tmp_path):
    content = tomllib.loads((REPOSITORY / "examples" / f"{name}.toml").read_text())
    source = SourceSettings.model_validate(content["source"] | {"url": f"files:{shared_data / name}"})
    snapshot = pull(source, Horizons(), home=tmp_path, until=NOW)
    assert snapshot.counts == counts
    assert snapshot.tables.stages == stages
    assert f"{snapshot.tables.end:%Y-%m-%d}" == end
    assert breaches(snapshot.tables) == []


@pytest.mark.parametrize("harm", ["emptied", "cut", "gone", "note emptied"])
@pytest.mark.slow
def test_a_damaged_snapshot_is_found_out_and_pulled_again(folder, harm):
    first = pulled(folder)
    before = ids(first.tables.leads)
    first.close()
    file = first.folder / "snapshot.json" if harm == "note emptied" else parts(first.folder, "leads")[0]
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: 0 if "emptied" in harm else -20])
    again = pulled(folder)
    assert ids(again.tables.leads) == before
    assert again.warnings[-1] == "the snapshot of these data was damaged, so they were pulled again"
    again.close()
    assert pulled(folder).warnings == first.warnings, "it is whole again"


@pytest.mark.slow
def test_the_newest_snapshot_is_the_one_pulled_last_whatever_the_clock_said(folder):
    pulled(folder, until=datetime(2030, 1, 1)).close()
    (folder / "source" / "leads.csv").write_text(LEADS + "3,2026-01-03,9,Ulm\n")
    last = pulled(folder, until=NOW)
    lookup = Dossiers(folder / "home", None)
    assert last.stored
    assert lookup.newest() == last.folder
    parts(last.folder, "leads")[0].write_bytes(b"")
    assert Dossiers(folder / "home", None).newest() != last.folder, "a damaged one is passed over"
    lookup.close()
    last.close()


def grown(folder: Path, rows: int) -> Snapshot:
    """A pull of an export with so many leads, each with an event."""
    at = [f"2025-{1 + row % 12:02d}-01" for row in range(rows)]
    leads = "".join(f"L{row:06d},{when}\n" for row, when in enumerate(at))
    events = "".join(f"L{row:06d},visit,{when}\n" for row, when in enumerate(at))
    (folder / "source" / "leads.csv").write_text(f"lead_id,created_at\n{leads}")
    (folder / "source" / "events.csv").write_text(f"lead_id,kind,occurred_at\n{events}")
    (folder / "source" / "outcomes.csv").unlink(missing_ok=True)
    return pulled(folder)


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory) -> Path:
    """A home with the snapshots of an export before and after leads were added at its end."""
    folder = tmp_path_factory.mktemp("nights")
    (folder / "source").mkdir()
    for rows in (130_000, 131_000):
        grown(folder, rows).close()
    return folder / "home"


def numbered(home: Path) -> list[Path]:
    return sorted(home.glob("snapshots/[!.]*"), key=lambda folder: read_note(folder).number)


def test_what_an_export_had_before_lies_on_the_disk_once(two_nights):
    first, second = (
        {part.name: part.stat().st_ino for part in folder.glob("*/*")} for folder in numbered(two_nights)
    )
    shared = first.keys() & second.keys()
    assert (len(first), len(second), len(shared)) == (4, 4, 2)
    assert all(first[name] == second[name] for name in shared)


@pytest.mark.slow
def test_who_is_forgotten_leaves_shared_parts_too_and_these_stay_shared(two_nights, tmp_path):
    home = tmp_path / "home"
    copied(two_nights, home)
    store = Store(f"sqlite:///{home / 'store.db'}")
    forget(store, home, "L000007", at=NOW, by="ann")
    folders = numbered(home)
    for folder in folders:
        note, held = noted_and_held(folder)
        assert note.rows == held
        for name in ("leads", "events"):
            assert "L000007" not in set(pd.read_parquet(folder / f"{name}.parquet")["lead_id"])
    states = [part.stat() for folder in folders for part in folder.glob("*/*")]
    assert sorted(state.st_nlink for state in states) == [1] * 4 + [2] * 4
    assert not any(b"L000007" in file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_a_copy_of_a_home_takes_no_more_of_the_disk_than_the_home(two_nights, tmp_path):
    copied(two_nights, tmp_path / "copy")
    kinds = [{file.stat().st_ino: file.stat().st_size for file in home.rglob("*/*.parquet/*")} for home in (two_nights, tmp_path / "copy")]  # fmt: skip
    assert sorted(kinds[0].values()) == sorted(kinds[1].values())
    assert own_size(numbered(two_nights)[0]) < sum(kinds[0].values()) / 2


def test_a_snapshot_that_has_lost_a_part_is_not_whole(two_nights, tmp_path):
    copied(two_nights, tmp_path / "home")
    folder = numbered(tmp_path / "home")[0]
    parts(folder, "events")[0].unlink()
    assert noted_and_held(folder) is None


@pytest.mark.slow
def test_a_row_that_is_refused_is_named_by_its_place_in_the_export(folder):
    (folder / "source" / "events.csv").unlink()
    (folder / "source" / "outcomes.csv").unlink()
    rows = [f"L{row:06d},2025-01-01" for row in range(260_000)]
    rows[250_000] = ",2025-01-01"
    (folder / "source" / "leads.csv").write_text("lead_id,created_at\n" + "\n".join(rows) + "\n")
    with pytest.raises(ContractError, match=r"row 250001"):
        pulled(folder)


def test_what_the_files_say_of_themselves_is_what_they_hold(folder):
    snapshot = pulled(folder)
    for name in snapshot.counts:
        table = getattr(snapshot.tables, name).to_pyarrow()
        filled = {column for column in table.column_names if not table[column].null_count}
        assert full_columns(snapshot.folder, name) == filled
    created = snapshot.tables.leads.created_at.to_pyarrow().to_pylist()
    assert largest(snapshot.folder, "leads", "created_at") == max(created)


def test_a_column_with_a_gap_is_not_full(folder):
    source = folder / "source" / "leads.csv"
    source.write_text(source.read_text() + "3,2026-01-03,,Bern\n")
    assert full_columns(pulled(folder).folder, "leads") == {"lead_id", "account_id", "created_at", "city"}

"""A person is forgotten: nothing about them is left in any file, the decision stays without a name, and no
pull brings them back.
"""

import re
from datetime import timedelta
from unittest.mock import Mock

import pandas as pd
import pytest
import sqlalchemy as sa

from features.errors import UsageError
from models.registry.published import LEARNED, Publication
from pipelines.deciding import known as at_hand
from pipelines.flows.dataset import pull_source
from pipelines.sources import snapshots
from pipelines.sources.engine import let_go, local_engine
from pipelines.sources.manifest import read_note
from pipelines.sources.reading.parts import parts
from pipelines.sources.snapshots import opened
from pipelines.store import erasure
from pipelines.store.answers import give
from pipelines.store.database import Store
from pipelines.store.schema import forgotten_table, metadata, worklist_table
from tests.commands import Said, leadsieve, written
from tests.desks import NOW, make_desk

TEXTS = [
    b"Ann Smith",
    b"ann@acme.example",
    b"ann smith",
    b"+44 20 1234",
    b"rang her, is moving house",
    b'"L1"',
    b"'L1'",
]


@pytest.fixture
def desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    made = make_desk(tmp_path, store=store_url)
    made.browser()
    give(
        made.store,
        "L1",
        "rejected",
        turn=0,
        who="ann",
        at=NOW,
        reason="other",
        words="rang her, is moving house",
    )
    return made


def forgetting(desk, *words: str) -> Said:
    return leadsieve("forget", *words, "--config", desk.home.parent / "crm.toml", home=desk.home)


def everything(desk) -> bytes:
    """What is in files and in the store's tables."""
    files = [
        file.read_bytes() for file in desk.home.rglob("*") if file.is_file() and file.suffix != ".parquet"
    ]
    with desk.store.reading() as connection:
        rows = [repr(connection.execute(sa.select(table)).all()).encode() for table in metadata.sorted_tables]
    return b"".join(files + rows)


def lead_ids(desk) -> set[str]:
    """Of every table of every snapshot."""
    found = set()
    for folder in (desk.home / "snapshots").glob("[!.]*"):
        engine = local_engine()
        tables = opened(folder, read_note(folder), connection=engine)
        for table in (tables.leads, tables.events, tables.outcomes):
            found |= set(table.lead_id.to_pyarrow().to_pylist())
        assert read_note(folder).rows["leads"] == tables.leads.count().to_pyarrow().as_py()
        let_go(engine)
    return found


def test_nothing_of_a_person_is_left_and_no_pull_brings_it_back(desk):
    assert "L1" in lead_ids(desk)
    written(desk.home / "pulled" / "of-a-server", {"leads.parquet": "L1, ann smith"})
    said = forgetting(desk, "L1", "--json")
    assert said.code == 0, said.err
    assert said.json == {
        "forgotten": True,
        "snapshots": 1,
        "rows": {"leads": 1, "events": 2, "outcomes": 0},
        "decisions": 1,
        "answers": 1,
    }
    assert lead_ids(desk) == {"L2", "L3", "L4", "L5", "L6"}
    assert not (desk.home / "pulled").exists(), "the copies of a server's tables may hold the person"
    kept = everything(desk)
    assert not [text for text in TEXTS if text in kept]

    with (desk.home.parent / "exports" / "leads.csv").open("a") as more:
        more.write("L9,2026-03-01 12:00,A9,New One,CEO,Ninth,n@ninth.example,,DE,event,north\n")
    snapshot = pull_source(desk.settings, home=desk.home, until=NOW + timedelta(days=1))
    assert set(snapshot.tables.leads.lead_id.to_pyarrow().to_pylist()) == {"L2", "L3", "L4", "L5", "L6", "L9"}
    snapshot.close()
    assert lead_ids(desk) == {"L2", "L3", "L4", "L5", "L6", "L9"}


def test_the_decision_stays_without_a_name_and_the_list_shows_nobody(desk):
    before = desk.store.decisions(lead_ids=["L1"]).iloc[0]
    forgetting(desk, "L1")
    log = desk.store.decisions()
    after = log[log["lead_id"].str.startswith("forgotten-")].iloc[0]
    assert len(log) == 5
    assert (after["p_convert"], after["action"], after["arm"], after["reasons"]) == (
        before["p_convert"],
        before["action"],
        before["arm"],
        [],
    )
    browser = desk.browser("admin", role="admin")
    for address in ("/queue", "/queue?list=rejected", "/held", "/audit"):
        assert "Ann Smith" not in browser.get(address).text
    assert browser.get(f"/leads/{after['lead_id']}").status_code == 404
    assert "erased" in browser.get("/audit").text


def test_who_is_forgotten_before_or_while_the_desk_lists_new_decisions_is_not_on_it(desk):
    for lead_id in ("L2", "L4"):
        with desk.store.writing() as connection:
            row = dict(
                connection.execute(sa.select(worklist_table).where(worklist_table.c.lead_id == lead_id))
                .mappings()
                .one()
            )
            connection.execute(worklist_table.delete().where(worklist_table.c.lead_id == lead_id))
    forgetting(desk, "L2")  # before the desk had listed the decision
    forgetting(desk, "L4")
    with desk.store.writing() as connection:
        connection.execute(
            worklist_table.insert().values(**row)
        )  # by a desk that had read the decision a moment earlier
    text = desk.browser("bob").get("/queue").text
    assert re.findall(r'id="lead-([^"]+)"', text) == ["L3"]


def test_who_is_nowhere_cannot_be_forgotten_and_forgetting_twice_is_no_harm(desk):
    said = forgetting(desk, "L77")
    assert (said.code, "nothing was changed" in said.err) == (2, True)
    assert forgetting(desk, "L1").code == 0
    assert forgetting(desk, "L1").code == 2


def test_a_run_that_was_killed_between_the_files_and_their_note_is_mended_by_the_next(desk, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(erasure, "_settle", Mock(side_effect=[None, KeyboardInterrupt]))
        with pytest.raises(KeyboardInterrupt):
            erasure.forget(desk.store, desk.home, "L1", at=NOW, by="a test")
    assert forgetting(desk, "L1").code == 0
    assert lead_ids(desk) == {"L2", "L3", "L4", "L5", "L6"}


def test_a_pull_that_began_before_somebody_was_forgotten_brings_nobody_back(desk, monkeypatch):
    judge = snapshots._judge

    def meanwhile(*given, **more):
        monkeypatch.setattr(snapshots, "_judge", judge)
        erasure.forget(desk.store, desk.home, "L1", at=NOW, by="a test")
        return judge(*given, **more)

    monkeypatch.setattr(snapshots, "_judge", meanwhile)
    with (desk.home.parent / "exports" / "leads.csv").open("a") as more:
        more.write("L9,2026-03-01 12:00,A9,New One,CEO,Ninth,n@ninth.example,,DE,event,north\n")
    snapshot = pull_source(desk.settings, home=desk.home, until=NOW + timedelta(days=1))
    assert "L1" not in snapshot.tables.leads.lead_id.to_pyarrow().to_pylist()
    snapshot.close()
    assert lead_ids(desk) == {"L2", "L3", "L4", "L5", "L6", "L9"}


def test_a_scoring_run_that_began_before_somebody_was_forgotten_decides_the_others(world, home, monkeypatch):
    propose, gone = at_hand.propose, []

    def meanwhile(champion, leads, said, **more):
        gone.append(leads["lead_id"].iloc[0])
        erasure.forget(Store(f"sqlite:///{home}/store.db"), home, gone[0], at=NOW, by="a test")
        return propose(champion, leads, said, **more)

    monkeypatch.setattr(at_hand, "propose", meanwhile)
    said = leadsieve("score", "--config", world / "quick.toml", "--json", home=home)
    decided = Store(f"sqlite:///{home}/store.db").decided()
    assert len(decided) == said.json["scored"] > 50
    assert gone[0] not in decided


def test_versions_say_no_more_that_they_learned_from_somebody(tmp_path, monkeypatch):
    desk = make_desk(tmp_path)
    files = desk.home / "artifacts" / "models" / "m-1" / "scorer"
    files.mkdir(parents=True)
    (files / "scorer.json").write_text("{}")
    pd.DataFrame({"lead_id": ["L1", "L2"], "p_both": [0.1, 0.2]}).to_parquet(files / LEARNED)
    broken = desk.home / "artifacts" / "models" / "m-0" / LEARNED
    broken.parent.mkdir()
    broken.write_bytes(b"PAR1 L1")
    publication = Publication(desk.home)
    publication.publish("3", files, "2026-01-01T00:00:00")

    with monkeypatch.context() as killed:
        killed.setattr(Publication, "publish", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            erasure.forget(desk.store, desk.home, "L1", at=NOW, by="a test")
    assert forgetting(desk, "L1").code == 0
    there = publication.intact()
    assert (there.version, there.since) == ("3", "2026-01-01T00:00:00")
    for folder in (files, desk.home / there.folder):
        assert pd.read_parquet(folder / LEARNED)["lead_id"].tolist() == ["L2"]
    assert not broken.exists()
    assert not [*(desk.home / "tmp").iterdir()]


def test_a_snapshot_that_cannot_be_read_any_more_goes_as_a_whole(desk):
    (folder,) = (desk.home / "snapshots").glob("[!.]*")
    parts(folder, "events")[0].write_bytes(b"PAR1 L1")
    assert forgetting(desk, "L1").code == 0
    assert not folder.exists(), "whoever else is in it can be pulled again"


def test_a_damaged_snapshot_stays_where_nobody_is_forgotten(desk):
    (folder,) = (desk.home / "snapshots").glob("[!.]*")
    parts(folder, "events")[0].write_bytes(b"PAR1 L1")
    said = forgetting(desk, "nobody")
    assert said.code == 2
    assert "nothing was changed" in said.err
    assert folder.exists()


def test_who_was_forgotten_cannot_be_told_from_the_store_alone_and_a_missing_key_is_said(desk):
    forgetting(desk, "L1")
    key = desk.home / "forget.key"
    assert key.stat().st_mode & 0o077 == 0
    with desk.store.reading() as connection:
        assert key.read_text() not in repr(connection.execute(sa.select(forgotten_table)).all())
    key.unlink()
    with pytest.raises(UsageError, match=r"forget\.key' is missing.*leads: 1.*Copy it from the home"):
        pull_source(desk.settings, home=desk.home, until=NOW)

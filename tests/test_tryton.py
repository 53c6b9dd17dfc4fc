"""Tryton both ways, on a real server: what its leads said and when is pulled, decisions are written and read back by its
own client.
"""

import itertools
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.crm.connector import Lead, open_crm
from pipelines.crm.mirror import pulled
from pipelines.crm.tryton import Tryton as Door
from pipelines.settings import load_settings
from tests import tryton_server
from tests.commands import QUICK, Said, command, leadsieve
from tests.conftest import made_once
from tests.tryton_server import Tryton

pytestmark = [pytest.mark.slow, pytest.mark.outside]
KILLS = 3  # by hand 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    made = made_once(tryton_server.make, "tryton", tmp_path_factory)
    with tryton_server.serving(made, tmp_path_factory.mktemp("server") / "tryton") as found:
        yield found


@pytest.fixture
def crm(server: Tryton, monkeypatch: pytest.MonkeyPatch) -> Tryton:
    """The database as it was made."""
    monkeypatch.setenv("TRYTON_KEY", server.key)
    return server.restored()


def run(crm: Tryton, *words: object, home: Path) -> Said:
    config = home.parent / "tryton.toml"
    config.write_text(f'[source]\nurl = "{crm.url}"\n{QUICK}')
    said = leadsieve(*words, "--config", config, "--json", home=home, TRYTON_KEY=crm.key)
    assert said.code == 0, said.err
    return said


@pytest.fixture(scope="module")
def learned(server: Tryton, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a champion that learned from the CRM."""
    home = tmp_path_factory.mktemp("learned") / "home"
    trained = run(server.restored(), "train", home=home)
    assert trained.code == 0, trained.err
    assert trained.json["verdict"] in ("ready", "weak")
    assert run(server, "promote", "--why", "it is the first", home=home).code == 0
    return home


@pytest.fixture
def home(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "home"))


def rows_of(crm: Tryton, file: Path | None = None) -> dict[str, list[dict]]:
    with closing(open_crm(crm.url)) as door:
        return {name: table.to_pylist() for name, table in pulled(door, file).items()}


def test_a_lead_says_what_its_record_said_when_it_was_created_and_what_came_later_are_events_and_outcomes(
    crm,
):
    with closing(sqlite3.connect(crm.file)) as database:
        history = database.execute(
            "SELECT id, coalesce(write_date, create_date), create_date, state, amount, comment FROM sale_opportunity__history ORDER BY id, __id"
        ).fetchall()
    found = rows_of(crm)
    leads = {row["lead_id"]: row for row in found["leads"]}
    assert len(leads) == 300
    expected_stages, expected_changes = set(), set()
    for lead_id in {row[0] for row in history}:
        said = [row for row in history if row[0] == lead_id]
        assert leads[str(lead_id)]["created_at"] == datetime.fromisoformat(said[0][2])
        assert leads[str(lead_id)]["amount"] == float(said[0][4])
        words = {"opportunity": "accepted", "won": "won"}
        for before, now in itertools.pairwise(said):
            moment = datetime.fromisoformat(now[1])
            if float(before[4]) != float(now[4]):
                expected_changes.add((str(lead_id), moment, float(now[4])))
            if before[3] != now[3]:
                taken = any(each[3] == "opportunity" for each in said)
                stage = words.get(now[3]) or {
                    "lost": "lost",
                    "cancelled": "lost" if taken else "rejected",
                }.get(now[3])
                if stage:
                    expected_stages.add((str(lead_id), stage, moment))
    assert {
        (row["lead_id"], row["stage"], row["recorded_at"]) for row in found["outcomes"]
    } == expected_stages
    changes = [row for row in found["events"] if row["kind"] == "amount changed"]
    assert {(row["lead_id"], row["recorded_at"], row["value"]) for row in changes} == expected_changes
    assert expected_changes
    assert sum(row["kind"] == "note" for row in found["events"]) == 156


def test_a_later_pull_asks_for_what_changed_alone_and_ends_with_what_a_full_one_brings(
    crm, tmp_path, monkeypatch
):
    file = tmp_path / "mirror.db"
    rows_of(crm, file)
    with closing(sqlite3.connect(crm.file)) as database:
        query = "SELECT id FROM sale_opportunity WHERE state = 'lead' AND id <> 298 ORDER BY id"
        (mended,), *_ = database.execute(query).fetchall()
    crm.act(
        ("write", mended, {"comment": "as of today"}),
        ("note", 20, "called"),
        ("create", None, {"reference": "new", "description": "fair"}),
        ("cancel", 298, None),
        ("delete", 298, None),
    )
    read = []
    plain = Door._read
    monkeypatch.setattr(Door, "_read", lambda self, ids: read.extend(ids) or plain(self, ids))
    again = rows_of(crm, file)
    assert set(read) - {296} == {mended, 20, 301}  # 296 changed last before: it is asked for again
    assert again == rows_of(crm)
    assert "298" not in {row["lead_id"] for row in again["leads"]}
    assert len(again["leads"]) == 300


def test_a_pull_that_is_killed_goes_on_where_it_was(crm, tmp_path):
    file, pages = tmp_path / "mirror.db", []

    class Killed(Door):
        def pages(self, since, known):
            for number, page in enumerate(super().pages(since, known)):
                if number == 1 and not pages:
                    pages.append(len(known))
                    raise KeyboardInterrupt
                yield page

    with closing(open_crm(crm.url)) as door:
        door.__class__ = Killed
        with pytest.raises(KeyboardInterrupt):
            pulled(door, file)
        pages.append(None)
        known: list[int] = []
        plain = door._read
        door._read = lambda ids: known.extend(ids) or plain(ids)
        told = {name: table.to_pylist() for name, table in pulled(door, file).items()}
    assert len(known) < 300
    assert told == rows_of(crm)


def test_decisions_are_written_read_back_by_the_client_and_a_change_there_is_pulled_and_decided_once(
    crm, home
):
    scored = run(crm, "score", home=home).json
    assert scored["scored"] > 3
    written = run(crm, "writeback", home=home).json
    assert written["targets"] == [
        {"name": crm.url, "queued": scored["scored"], "sent": scored["scored"], "waiting": 0, "dead": 0}
    ]
    there = crm.act()
    ours = {
        lead_id: lead
        for lead_id, lead in there.items()
        if any(note.startswith("Leadsieve: ") for note in lead["notes"])
    }
    assert len(ours) == scored["scored"]
    for lead_id, chance, grade, reasons in decided(home):
        (note,) = [note for note in ours[lead_id]["notes"] if note.startswith("Leadsieve: ")]
        assert ours[lead_id]["chance"] == round(chance, 4)
        assert f"grade {grade}" in note
        assert all(reason in note for reason in reasons[:6])
    assert run(crm, "writeback", home=home).json["targets"][0]["queued"] == 0

    crm.act(
        ("create", None, {"reference": "new", "description": "fair"}),
        ("opportunity", int(next(iter(ours))), None),
    )
    again = run(crm, "score", home=home).json
    assert again["scored"] == 1
    assert run(crm, "score", home=home).json["scored"] == 0
    assert run(crm, "writeback", home=home).json["targets"][0]["sent"] == 1
    assert notes_of(crm.act()) == {**dict.fromkeys(ours, 1), "301": 1}


def decided(home: Path) -> list[tuple[str, float, str, list[str]]]:
    with closing(sqlite3.connect(home / "store.db")) as store:
        rows = store.execute("SELECT lead_id, score, grade, reasons FROM current_decisions").fetchall()
    return [(lead_id, score, grade, json.loads(reasons)) for lead_id, score, grade, reasons in rows]


def notes_of(there: dict[str, dict]) -> dict[str, int]:
    """How many notes of ours each opportunity has."""
    counts = {
        lead_id: sum(note.startswith("Leadsieve: ") for note in lead["notes"])
        for lead_id, lead in there.items()
    }
    return {lead_id: count for lead_id, count in counts.items() if count}


def test_what_the_crm_refuses_is_told_in_its_words_the_rest_goes_on_and_it_can_be_sent_again(crm, home):
    scored = run(crm, "score", home=home).json["scored"]
    refused = next(lead_id for lead_id, *_ in decided(home))
    crm.act(("lost", int(refused), None))
    written = run(crm, "writeback", home=home).json
    assert (written["targets"][0]["sent"], written["targets"][0]["dead"]) == (scored - 1, 1)
    (dead,) = written["dead"]
    assert dead["lead_id"] == refused
    assert "not allowed to modify" in dead["said"]
    assert run(crm, "writeback", "--list", home=home).json["dead"] == [dead]

    crm.act(("lead", int(refused), None))
    assert run(crm, "writeback", home=home).json["targets"][0]["sent"] == 0
    assert run(crm, "writeback", "--again", home=home).json["targets"][0]["sent"] == 1
    assert notes_of(crm.act())[refused] == 1


def test_a_key_that_is_not_valid_is_told_without_being_shown(crm, home):
    config = home.parent / "crm.toml"
    config.write_text(f'[source]\nurl = "{crm.url}"\n')
    for words in (("score",), ("writeback",)):
        run(crm, "score", home=home)
        said = leadsieve(*words, "--config", config, home=home, TRYTON_KEY="not-the-key")
        assert said.code == 5
        assert "TRYTON_KEY" in said.err
        assert "not-the-key" not in said.err + said.out
    assert "TRYTON_KEY is not set" in leadsieve("score", "--config", config, home=home, TRYTON_KEY="").err


def test_whoever_is_forgotten_leaves_the_mirror_and_the_outbox_and_comes_back_with_no_pull(crm, home):
    run(crm, "score", home=home)
    run(crm, "writeback", home=home)
    gone = next(lead_id for lead_id, *_ in decided(home))
    config = home.parent / "tryton.toml"
    assert leadsieve("forget", gone, "--config", config, home=home).code == 0
    assert not list((home / "crm").glob("*.db"))
    run(crm, "score", home=home)
    (mirror,) = (home / "crm").glob("*.db")
    for file, query in (
        (mirror, "SELECT lead_id FROM lead"),
        (home / "store.db", "SELECT lead_id FROM outbox"),
    ):
        with closing(sqlite3.connect(file)) as database:
            there = {lead_id for (lead_id,) in database.execute(query)}
        assert there
        assert gone not in there


DIES = """
import os, signal
import httpx
plain, seen = httpx.Client.send, [0]
def send(self, *given, **more):
    seen[0] += 1
    if seen[0] == {last} and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = plain(self, *given, **more)
    if seen[0] == {last}:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
httpx.Client.send = send
"""


def test_a_run_that_is_killed_before_or_after_any_request_loses_nothing_and_writes_nothing_twice(crm, home):
    """All 300 leads are decided, so that many are refused, too: those that are over."""
    scored = run(crm, "score", "--all", home=home).json["scored"]
    config = home.parent / "tryton.toml"
    draw, killed = random.Random(11), 0
    for _ in range(KILLS):
        dies = DIES.format(last=draw.randrange(1, 2 * scored // KILLS), before=draw.random() < 0.5)
        killed += command("writeback", "--config", config, home=home, before=dies).returncode == -9
    assert killed >= KILLS - 1
    last = run(crm, "writeback", home=home).json
    assert last["targets"][0]["waiting"] == 0
    there = crm.act()
    assert notes_of(there) == {lead_id: 1 for lead_id, *_ in decided(home)}
    over = {lead_id for lead_id, lead in there.items() if lead["state"] not in ("lead", "opportunity")}
    assert {each["lead_id"] for each in last["dead"]} == {lead_id for lead_id, *_ in decided(home)} & over
    with closing(sqlite3.connect(crm.file)) as database:
        history = database.execute(
            "SELECT id, count(*) FROM sale_opportunity__history WHERE conversion_probability <> 0.5 GROUP BY id"
        ).fetchall()
    open_ = {str(lead_id): times for lead_id, times in history}
    assert open_ == {
        lead_id: 1 for lead_id, chance, *_ in decided(home) if lead_id not in over and round(chance, 4) != 0.5
    }


def test_pulls_that_are_killed_at_any_request_end_with_what_one_alone_brings(crm, tmp_path):
    config, draw, killed = tmp_path / "crm.toml", random.Random(5), 0
    config.write_text(f'[source]\nurl = "{crm.url}"\n')
    for _ in range(KILLS):
        dies = DIES.format(last=draw.randrange(1, 60), before=draw.random() < 0.5)
        killed += command("check", "--config", config, home=tmp_path / "home", before=dies).returncode == -9
    assert killed >= KILLS - 1
    assert leadsieve("check", "--config", config, home=tmp_path / "home").code == 0
    (mirror,) = (tmp_path / "home" / "crm").glob("*.db")
    assert rows_of(crm, mirror) == rows_of(crm)


def test_a_first_configuration_is_written_from_a_look_at_it(crm, tmp_path):
    config = tmp_path / "crm.toml"
    words = ("init", crm.url, "--output", config, "--json")
    assert "TRYTON_KEY is not set" in leadsieve(*words, home=tmp_path / "home", TRYTON_KEY="").err
    said = leadsieve(*words, home=tmp_path / "home", TRYTON_KEY=crm.key)
    assert (said.code, said.json["remains"]) == (0, []), said.err
    settings = load_settings(config, environ={})
    assert (settings.source.url, settings.source.leads.created_at) == (crm.url, "created_at")
    assert crm.key not in config.read_text()


def test_every_revision_is_read_with_few_requests():
    from pipelines.crm.tryton import _stabbed

    draw = random.Random(3)
    spans = []
    for lead_id in range(200):
        moments = sorted(
            datetime(2026, 1, 1 + draw.randrange(28), draw.randrange(24), draw.randrange(60))
            for _ in range(3)
        )
        spans += [
            (until, moment, lead_id)
            for moment, until in zip(moments, [*moments[1:], datetime.max], strict=True)
            if moment < until
        ]
    read = [(asked, moment, lead_id) for asked, some in _stabbed(list(spans)) for moment, lead_id in some]
    assert len(read) == len(spans)
    until = {(moment, lead_id): end for end, moment, lead_id in spans}
    assert all(moment <= asked < until[moment, lead_id] for asked, moment, lead_id in read)
    assert len({asked for asked, *_ in read}) < len(spans) / 10


def test_a_lead_whose_first_record_was_taken_up_already_is_accepted_from_the_start():
    from pipelines.crm.tryton import _lead

    born = {
        "create_date": {
            "year": 2026,
            "month": 1,
            "day": 1,
            "hour": 0,
            "minute": 0,
            "second": 0,
            "microsecond": 0,
        },
        "state": "opportunity",
    }
    lead: Lead = _lead(1, [(datetime(2026, 1, 1), born)], [], lambda record: {})
    assert [row["stage"] for row in lead.outcomes] == ["accepted"]

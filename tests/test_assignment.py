"""The right desk: owner first, then the team's turn or skill, and room; taken, passed on, and back to the pool, all
on record.
"""

from collections import Counter
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from features.labels import Horizons
from models.policy.assignment import AssignmentSettings, Record, Turns, skills
from pipelines.flows.value import by_luck
from pipelines.settings import load_settings
from pipelines.sources.lead_lookup import Dossiers
from pipelines.sources.snapshots import pull
from pipelines.store.access.users import add_person
from pipelines.store.database import Store
from pipelines.store.schema import assignments_table
from pipelines.store.work.assignment import moves_of
from pipelines.store.work.skill import TrackRecords
from tests.desks import LEADS, NOW, PASSWORD, hidden, make_desk
from tests.test_desk_queue import names

ON = """[assignment]
owners = {north = "ann"}
column = "country"
teams = {US = ["bob"]}
others = ["bob", "cid"]
answer_hours = 24
"""


@pytest.fixture
def desk(tmp_path):
    made = make_desk(tmp_path, more=ON)
    for name, role in (("ann", "rep"), ("bob", "rep"), ("cid", "rep"), ("max", "ops")):
        add_person(made.store, name, role, PASSWORD, at=made.now, by="a test")
    return made


def signed_in(desk, name):
    browser = desk.browser()
    browser.sign_in(name, PASSWORD)
    return browser


def on_desks(desk) -> dict[str, str | None]:
    log = assignments_table.c
    with desk.store.reading() as connection:
        rows = connection.execute(sa.select(log.lead_id, log.person).order_by(log.entry)).all()
    return dict(rows)


def test_a_lead_comes_to_its_owner_else_to_who_has_its_account_else_to_the_teams_turn(desk):
    ann = signed_in(desk, "ann")
    # L1, L2 are north's; L3's account has L2; L4 is from the US; L5 is held
    assert on_desks(desk) == {"L1": "ann", "L2": "ann", "L3": "ann", "L4": "bob"}
    assert names(ann.get("/queue").text) == ["Ann Smith", "Bob Braun", "Cleo Diaz"]
    assert names(signed_in(desk, "max").get("/queue").text)[-1] == "Dora Eng"  # ops sees all


@pytest.mark.parametrize(
    ("room", "had", "expected"),
    [
        pytest.param({}, {}, ["a", "b", "c", "a"], id="by turn among equals"),
        pytest.param({}, {"a": 2}, ["b", "c", "b", "c"], id="who had fewer this week comes first"),
        pytest.param({"a": 1, "b": 0, "c": 3}, {}, ["c", "c", "a", "c"], id="who has most room left"),
        pytest.param({"a": 1, "b": 0, "c": 0}, {}, ["a", None, None, None], id="nobody has room: the pool"),
    ],
)
def test_the_next_of_a_team_has_most_room_and_waited_longest(room, had, expected):
    turns = Turns(AssignmentSettings(others=("a", "b", "c"), capacity=room), dict(had), ["a", "b", "c"])
    given = []
    for _ in expected:
        given.append(turns.next_of(["a", "b", "c"]))
        if given[-1]:
            turns.give(given[-1])
    assert given == expected


def test_leads_are_passed_on_by_who_has_them_taken_by_anybody_and_all_of_it_is_on_record(desk):
    ann, bob = signed_in(desk, "ann"), signed_in(desk, "bob")
    form = {"token": hidden(bob.get("/queue").text), "to": "cid", "lead": ["0:L1", "0:L4"]}
    bob.client.post("/assign", data=form)
    assert "You passed 1 lead on to cid. 1 not: they are on another&#39;s desk." in bob.get("/queue").text
    ann.answer("L4", "accepted", page="/queue?list=open")
    assert [(to, why) for _, _, to, why in moves_of(desk.store, "L4")] == [
        ("bob", "turn"),
        ("cid", "passed on"),
        ("ann", "taken"),
    ]
    story = ann.get("/leads/L4").text
    assert all(words in story for words in ("On the desk of cid", "by turn", "passed on, by bob"))
    assert bob.client.post("/assign", data={**form, "to": "nobody"}).status_code == 400


def test_what_is_not_answered_in_time_goes_back_to_the_pool_and_ops_sees_it(desk):
    signed_in(desk, "ann")
    desk.later(hours=25)
    boss = signed_in(desk, "max")
    assert set(on_desks(desk).values()) == {None}
    assert len(names(boss.get("/queue?list=pool").text)) == 4
    page = boss.get("/team").text
    assert "4 in the pool" in page
    assert signed_in(desk, "ann").get("/team").status_code == 403
    assert names(signed_in(desk, "bob").get("/queue").text) == []


@pytest.mark.parametrize("seed", range(5))
def test_by_skill_leads_are_shared_in_proportion_to_what_each_won_as_slow_exact_counting_finds(seed):
    random = np.random.default_rng(seed)
    records = {}
    for person in "abcd":
        settled = int(random.integers(0, 200))
        records[person] = Record(settled, int(random.integers(0, settled // 4 + 1)))
    room = {person: int(random.integers(0, 60)) for person in "abcd"} if seed % 2 else {}
    turns = Turns(AssignmentSettings(others=tuple("abcd"), capacity=room), {}, list("dbca"))
    skill = skills(turns.settings.others, records)
    given = []
    for _ in range(200):
        person = turns.next_of("abcd", skill)
        given.append(person)
        if person:
            turns.give(person)

    won, settled = (sum(each[place] for each in records.values()) for place in (1, 0))
    rate, had = Fraction(won, settled), Counter()
    for person in given:
        quotients = {
            each: (own.won + 20 * rate) / (own.settled + 20) / (had[each] + 1)
            for each, own in records.items()
            if had[each] < room.get(each, 201)
        }
        best = max(quotients.values(), default=None)
        assert quotients.get(person) == (best and pytest.approx(best, rel=1e-12))  # of equals, either
        had[person] += 1


def test_few_leads_hardly_move_a_skill_and_a_team_that_won_nothing_has_none():
    found = skills("abcd", {"a": Record(1_000, 200), "b": Record(1_000, 100), "c": Record(1, 1)})
    assert found["a"] / found["b"] == pytest.approx(2, abs=0.05)
    assert found["c"] == pytest.approx(1.27, abs=0.01)
    assert found["d"] == pytest.approx(1)
    assert skills("ab", {"a": Record(50, 0)}) == skills("ab", {}) == {}


def test_a_record_holds_what_was_known_at_the_beginning_of_the_day_as_slow_counting_finds(tmp_path):
    """Of 400 leads with owners, answers, wins before and after their time, and desks of their own."""
    random = np.random.default_rng(7)
    began, at = datetime(2026, 1, 1), datetime(2026, 6, 1, 15)
    leads, outcomes = [], []
    for number in range(400):
        created = began + timedelta(hours=int(random.integers(0, 151 * 24)))
        owner, country = random.choice(["north", "south", ""]), random.choice(["DE", "US", "FR", ""])
        leads.append((f"L{number}", created, owner, country))
        if random.random() < 0.7:
            answered = created + timedelta(days=float(random.uniform(0, 20)))
            outcomes.append((f"L{number}", "accepted", answered, random.choice(["ann", "bob", "north"])))
            if random.random() < 0.5:
                outcomes.append(
                    (f"L{number}", "won", answered + timedelta(days=float(random.uniform(1, 60))), "")
                )
    (tmp_path / "exports").mkdir()
    for name, rows, columns in (
        ("leads", leads, ["lead_id", "created_at", "owner", "country"]),
        ("outcomes", outcomes, ["lead_id", "stage", "occurred_at", "rep"]),
    ):
        pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "exports" / f"{name}.csv", index=False)
    (tmp_path / "crm.toml").write_text(
        '[source]\nurl = "files:exports"\n[label]\npursue_days = 10\nconvert_days = 20\ndelay = "1d"\n[assignment]\nby = "skill"\n'
        'owners = {north = "ann"}\ncolumn = "country"\nteams = {DE = ["ann", "bob"]}\nothers = ["ann", "bob", "south"]\n'
    )
    settings = load_settings(tmp_path / "crm.toml", environ={})
    pull(settings.source, settings.label, home=tmp_path / "home", until=datetime(2026, 7, 1)).close()
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    moves = [
        (f"L{random.integers(400)}", random.choice(["ann", "bob", None]), began + timedelta(days=float(day)))
        for day in random.uniform(0, 160, 150)
    ]
    moves.sort(key=lambda move: move[2])
    with store.writing() as connection:
        rows = [{"lead_id": i, "person": p, "at": t, "by": "x", "why": "turn"} for i, p, t in moves]
        connection.execute(assignments_table.insert(), rows)
        records = TrackRecords(Dossiers(tmp_path / "home", None), settings.assignment, settings.label)
        found = records.as_of(connection, at)

    midnight, time = datetime(2026, 6, 1), timedelta(days=31)
    twin = {}
    for lead_id, created, owner, country in leads:
        if created + time > midnight:
            continue
        held = [person for moved, person, when in moves if moved == lead_id and person and when < midnight]
        known = [each for each in outcomes if each[0] == lead_id and each[2] < midnight]
        answerer = max((rep for _, stage, _, rep in known if stage == "accepted"), default=None)
        person = held[-1] if held else owner or answerer
        if person is None:
            continue
        person = {"north": "ann"}.get(person, person)
        won = any(stage == "won" and when <= created + time for _, stage, when, _ in known)
        team = "DE" if country == "DE" else None
        settled, wins = twin.get((team, person), (0, 0))
        twin[team, person] = (settled + 1, wins + won)
    assert {
        (team, person): tuple(record) for team, people in found.items() for person, record in people.items()
    } == twin
    assert sum(wins for _, wins in twin.values()) > 20
    by_turn = AssignmentSettings(others=("ann",))
    assert TrackRecords(Dossiers(tmp_path / "home", None), by_turn, Horizons()).as_of(None, at) == {}


@pytest.mark.slow
def test_by_skill_is_marked_on_each_lead_said_on_the_team_page_and_left_out_of_what_luck_tells(tmp_path):
    old = "".join(
        f"{who}{n},2025-06-01 10:00,{who}{n},x,,,,,FR,event,{who}\n"
        for who in ("bob", "cid")
        for n in range(40)
    )
    desk = make_desk(
        tmp_path,
        leads=LEADS + old,
        outcomes="".join(f"bob{n},won,2025-07-01 09:00,,\n" for n in range(40)),
        decisions=[
            (lead_id, lead_id, 0.1, 1.0, "A", "hand off", "policy")
            for lead_id in ("L1", *(f"N{n}" for n in range(9)))
        ],
        more='[assignment]\nby = "skill"\nothers = ["bob", "cid"]\nowners = {east = "cid"}\n',
    )
    for name, role in (("bob", "rep"), ("cid", "rep"), ("max", "ops")):
        add_person(desk.store, name, role, PASSWORD, at=desk.now, by="a test")
    boss = signed_in(desk, "max")
    # 40 wins of 40 against none of 40, with twenty more of each at the half that both together won: .83 against .17
    assert Counter(on_desks(desk).values()) == {"bob": 9, "cid": 1}
    assert {why for n in range(9) for *_, why in moves_of(desk.store, f"N{n}")} == {"skill"}
    assert "by skill: who won more of such leads before" in boss.get("/leads/N1").text
    assert "tells nothing of who is better" in " ".join(boss.get("/team").text.split())
    logged = desk.store.beside(pd.Series(["L2", "N1", "N2"]))
    assert logged["by_skill"].tolist() == [False, True, True]
    judged = pd.DataFrame({"lead_id": ["L2", "N1"], "rep": ["ann", "bob"]})
    kept, (words,) = by_luck(judged, desk.store)
    assert kept["rep"].fillna("").tolist() == ["ann", ""]
    assert words.startswith(
        '1 lead was given out by skill ([assignment] by = "skill"): who got it was not luck'
    )


def test_where_a_team_has_won_nothing_yet_skill_goes_by_turn_and_says_so(tmp_path):
    desk = make_desk(tmp_path, more='[assignment]\nby = "skill"\nothers = ["bob", "cid"]\n')
    for name in ("bob", "cid"):
        add_person(desk.store, name, "rep", PASSWORD, at=NOW, by="a test")
    signed_in(desk, "bob")
    assert sorted(Counter(on_desks(desk).values()).values()) == [2, 2]
    assert {why for *_, why in moves_of(desk.store, "L1")} == {"turn"}

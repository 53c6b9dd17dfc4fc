"""The right desk: owner first, then the team's turn and room; taken, passed on, and back to the pool, all on
record.
"""

import pytest
import sqlalchemy as sa

from models.policy.assignment import AssignmentSettings, Turns
from pipelines.store.schema import assignments_table
from pipelines.store.users import add_person
from pipelines.store.work.assignment import moves_of
from tests.desks import PASSWORD, hidden, make_desk
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
    assert "On the desk of cid" in ann.get("/leads/L4").text
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

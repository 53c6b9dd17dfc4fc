"""Who sees and moves what of whom: a rep, the manager of a team, ops and administrators, asked of the server."""

import re

import pytest

from pipelines.settings import load_settings
from pipelines.store.access import users
from pipelines.store.access.api_keys import make_key
from pipelines.store.access.users import add_person
from pipelines.store.answers import give
from pipelines.store.work.assignment import moves_of
from pipelines.store.work.teams import Teams
from tests.commands import leadsieve
from tests.desks import NOW, PASSWORD, hidden, make_desk
from tests.test_desk_queue import csv_ids, names

ON = """[assignment]
owners = {north = "ann", south = "cid"}
others = ["ann"]
[alignment]
teams = {"South" = ["south", "old rep", "sue"]}
"""
PEOPLE = (("ann", "rep", "North"), ("bob", "rep", "North"), ("cid", "rep", None), ("mia", "manager", "North"), ("max", "ops", "North"),
          ("eve", "admin", None))  # fmt: skip


def with_people(folder):
    """A desk on which ann, bob and cid have answered a lead each."""
    made = make_desk(folder, more=ON)
    for name, role, team in PEOPLE:
        add_person(made.store, name, role, PASSWORD, at=made.now, by="a test", team=team)
    made.browser()  # which fills the list
    for name, lead in (("ann", "L1"), ("bob", "L2"), ("cid", "L4")):
        give(made.store, lead, "accepted", turn=0, who=name, at=NOW)
    made.later(minutes=1)
    return made


@pytest.fixture
def desk(tmp_path):
    return with_people(tmp_path)


@pytest.fixture(scope="module")
def quiet_desk(tmp_path_factory):
    """One on which nothing is changed."""
    return with_people(tmp_path_factory.mktemp("desk"))


def browser_of(desk, name):
    found = desk.browser()
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def options(page: str, name: str) -> list[str]:
    found = re.search(rf'<select name="{name}">(.*?)</select>', page, re.DOTALL)
    return re.findall('value="([^"]+)"', found.group(1)) if found else []


REPS = ["ann", "bob", "cid", "old rep"]


@pytest.mark.parametrize(
    ("who", "figures_of", "desks", "takes_from_bob", "files"),
    [
        pytest.param("ann", ["ann"], None, False, False, id="a rep: the own figures, the own desk"),
        pytest.param("mia", ["ann", "bob"], ["ann", "bob", "max", "mia"], True, False, id="a manager: the own team"),
        pytest.param("max", [], [name for name, _, _ in sorted(PEOPLE)], True, True, id="ops: every desk, nobody's figures"),
        pytest.param("eve", REPS, [name for name, _, _ in sorted(PEOPLE)], True, True, id="an admin: all"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_each_role_sees_and_moves_what_is_its_own_and_no_more(
    quiet_desk, who, figures_of, desks, takes_from_bob, files
):
    browser = browser_of(quiet_desk, who)
    assert options(browser.get("/alignment").text, "rep") == figures_of
    asked = {name: browser.get("/alignment", params={"rep": name}).status_code for name in (*REPS, "xy")}
    assert asked == {name: 200 if name in figures_of else 403 for name in (*REPS, "xy")}
    assert options(browser.get("/alignment").text, "team") == ["North", "South"]  # of a team for everybody
    page = browser.get("/team")
    assert page.status_code == (403 if desks is None else 200)
    assert re.findall('<th scope="row">(.*?)</th>', page.text) == (desks or [])
    assert ("Taken this week" in page.text) == (who in ("mia", "eve"))
    form = {"token": hidden(browser.get("/queue").text), "lead": "1:L2", "to": "bob"}
    assert browser.client.post("/assign", data=form).status_code == (303 if takes_from_bob else 400)
    assert browser.get("/upload").status_code == (200 if files else 403)


def test_a_manager_passes_leads_on_inside_the_team_and_has_its_list(desk):
    mia, ann = browser_of(desk, "mia"), browser_of(desk, "ann")
    listed = mia.get("/queue")
    assert '<a href="/queue?list=team" data-list="team" aria-current="page">' in listed.text
    assert names(listed.text) == []
    ann.answer("L1", "undone", page="/queue?list=mine")
    assert names(mia.get("/queue").text) == ["Ann Smith"]
    assert csv_ids(mia.get("/export.csv?list=team").text) == ["L1"]
    assert csv_ids(ann.get("/export.csv?list=team").text) == [
        "L1",
        "L3",
    ]  # there is no such list for a rep
    form = {"token": hidden(listed.text), "lead": "2:L1"}
    for to, code in (("cid", 400), ("bob", 303), ("", 303)):
        assert mia.client.post("/assign", data={**form, "to": to}).status_code == code, to
    assert [(to, by) for _, by, to, _ in moves_of(desk.store, "L1")][-2:] == [("bob", "mia"), (None, "mia")]
    theirs = mia.client.post("/assign", data={**form, "lead": "0:L3", "to": "ann"})
    assert (theirs.status_code, "on another&#39;s desk" in theirs.text) == (400, True)  # cid's, of no team


@pytest.mark.slow
def test_a_team_is_settled_by_command_and_by_page_and_a_manager_has_one(desk):
    eve, mia = browser_of(desk, "eve"), browser_of(desk, "mia")
    token = hidden(eve.get("/people").text)
    eve.client.post("/people/team", data={"token": token, "name": "cid", "team": "North"})
    assert "cid is of team North." in eve.get("/people").text
    assert options(mia.get("/alignment").text, "rep") == ["ann", "bob", "cid"]  # at once
    assert eve.client.post("/people/team", data={"token": token, "name": "mia"}).status_code == 400
    forged = {"token": hidden(mia.get("/queue").text), "name": "mia", "team": "South"}
    assert mia.client.post("/people/team", data=forged).status_code == 403

    def said(*words: str):
        return leadsieve("user", *words, "--config", desk.home.parent / "crm.toml", home=desk.home)

    assert said("team", "cid", "South").out == "cid is of team South\n"
    assert said("add", "joe", "--role", "manager").err == "a manager needs a team; nobody was added.\n"
    assert "joe can sign in as manager" in said("add", "joe", "--role", "manager", "--team", "South").out
    assert "cid  rep  South\n" in said("list").out
    assert [each.team for each in users.people(desk.store) if each.role == "manager"] == ["South", "North"]
    with pytest.raises(users.UsageError, match="no role of a key"):
        make_key(desk.store, "CRM", "manager", at=NOW, by="eve")


@pytest.mark.slow
def test_an_owner_who_answers_leads_is_a_person_and_no_team(desk):
    source = desk.home.parent / "exports" / "outcomes.csv"
    source.write_text(source.read_text() + "L1,rejected,2026-03-01 12:00,north,no need\n")
    config = desk.home.parent / "crm.toml"
    config.write_text('[source]\nurl = "files:exports"\n')
    run = ("alignment", "--config", config, "--as-of", NOW.isoformat(), "--json")
    told = leadsieve(*run, home=desk.home).json
    assert (told["choices"]["team"], told["joined_teams"]) == (["small teams"], ["south"])
    assert {each["team"] for each in told["feedback"]["teams"]} == {"small teams"}
    assert "no team is known of 2 people who answer leads" in told["warnings"][-1]
    config.write_text(
        config.read_text() + '[alignment]\nteams = {N = ["north", "n", "m"], S = ["south", "old rep", "s"]}\n'
    )
    told = leadsieve(*run, home=desk.home).json
    assert (told["choices"]["team"], told["joined_teams"], told["warnings"]) == (["N", "S"], [], [])


@pytest.mark.slow
def test_no_figure_of_a_team_is_that_of_one_person(desk):
    config = desk.home.parent / "crm.toml"
    config.write_text(config.read_text().replace(', "sue"', ""))  # two people are left in South
    desk.settings = load_settings(config, environ={})
    eve = browser_of(desk, "eve")
    page = eve.get("/alignment").text
    assert options(page, "team") == ["small teams"]
    assert "so these are counted together as small teams: North and South." in page
    assert eve.get("/alignment?team=South").status_code == 400
    assert '<th scope="row">South</th>' not in page


@pytest.mark.parametrize(
    ("answered", "together"),
    [
        pytest.param({"A": "abc", "B": "def"}, "", id="three people each"),
        pytest.param(
            {"A": "abc", "B": "de", "C": "fghi"}, "AB", id="what is left of all, without C, is of five people"
        ),
        pytest.param({"A": "a", "B": "bc", "C": "def"}, "AB", id="three small ones together are enough"),
        pytest.param({"A": "", "B": "bcd", "C": "efg"}, "AB", id="a team of which nobody is known"),
        pytest.param({"A": "ab"}, "A", id="one alone"),
        pytest.param({"A": "abx"}, "A", id="who belongs to another team does not count"),
    ],
)
def test_small_teams_are_counted_together_until_they_are_three_people(answered, together):
    assert Teams({"x": "X"}, {}, frozenset()).joined(answered) == set(together)

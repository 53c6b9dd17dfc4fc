"""Where reps see their own leads alone: every page, list, file and form, by person."""

import re

import pytest

from pipelines.store import worklist
from pipelines.store.access.api_keys import make_key
from pipelines.store.access.users import add_person
from pipelines.store.answers import history
from pipelines.store.work.assignment import pass_on
from pipelines.store.work.notes import add_note, notes_of
from tests.desks import NOW, PASSWORD, hidden, make_desk
from tests.test_desk_queue import csv_ids, names
from tests.test_managers import ON, PEOPLE, browser_of

NAMES = {"L1": "Ann Smith", "L2": "Bob Braun", "L3": "Cleo Diaz", "L4": "Dora Eng", "L5": "Edo Held"}
# L1 is on ann's desk, L2 on bob's, L3 on cid's; L4 is in the pool, and L5 is held. ann and bob are of mia's team.
SEEN = {"ann": "L1 L4 L5", "bob": "L2 L4 L5", "cid": "L3 L4 L5", "mia": "L1 L2 L4 L5", "max": "L1 L2 L3 L4 L5", "eve": "L1 L2 L3 L4 L5"}  # fmt: skip
EVERYBODY = [pytest.param(who, seen.split(), id=who) for who, seen in SEEN.items()]


def with_desks(folder, **more):
    made = make_desk(folder, more=f"{ON}[desk]\nown_leads_only = true\n", **more)
    for name, role, team in PEOPLE:
        add_person(made.store, name, role, PASSWORD, at=made.now, by="a test", team=team)
    made.browser()  # which fills the list
    for lead, to in (("L2", "bob"), ("L4", None)):
        pass_on(made.store, [lead], to, who="eve", at=NOW, anybodys=True)
    return made


@pytest.fixture
def desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    return with_desks(tmp_path, store=store_url)


@pytest.fixture(scope="module")
def quiet_desk(tmp_path_factory):
    """One on which nothing is changed."""
    return with_desks(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def browsers(quiet_desk):
    return {who: browser_of(quiet_desk, who) for who in SEEN}


def shown(ids) -> set[str]:
    return {NAMES[each] for each in ids}


@pytest.mark.parametrize(("who", "seen"), EVERYBODY)
@pytest.mark.slow
def test_lists_counts_and_search_hold_what_one_sees_and_no_more(browsers, who, seen):
    browser, waiting = browsers[who], shown(set(seen) - {"L5"})
    for more in ("", "&rows=compact", "&sort=name", "&q=e", "&country=", "&assigned_to="):
        assert set(NAMES.values()) & words_of(browser.get(f"/queue?list=open{more}").text) == waiting, more
    assert names(browser.get("/held").text) == ["Edo Held"]
    page = browser.get("/queue?list=open").text
    assert re.search(r'data-list="open"[^>]*>Waiting\s*<[^>]*>(\d+)<', page).group(1) == str(len(waiting))
    assert sum(map(int, re.findall(r"<option value=\"[A-Z]{2}\">[A-Z]{2} \((\d+)\)", page))) == len(waiting)
    for lead, name in NAMES.items():
        found = browser.get(f"/queue?list=open&q={name}").text
        assert names(found) == ([name] if name in waiting else []), lead
    for owner in ("ann", "bob", "cid"):
        theirs = {"ann": {"L1"}, "bob": {"L2"}, "cid": {"L3"}}[owner] & set(seen)
        assert set(names(browser.get(f"/queue?list=open&assigned_to={owner}").text)) == shown(theirs), owner
    for name in ("mine", "snoozed", "accepted", "rejected"):
        assert names(browser.get(f"/queue?list={name}").text) == [], name
    assert names(browser.get("/queue?list=pool").text) == ["Dora Eng"]


def words_of(page: str) -> set[str]:
    return {name for name in NAMES.values() if name in page}


@pytest.mark.parametrize(("who", "seen"), EVERYBODY)
def test_a_leads_page_by_address_its_account_and_its_neighbours_hold_no_others(browsers, who, seen):
    browser = browsers[who]
    nowhere = browser.get("/leads/nowhere")
    for lead in NAMES:
        page = browser.get(f"/leads/{lead}?of=%2Fqueue%3Flist%3Dopen&at=1")
        assert page.status_code == (200 if lead in seen else 404), lead
        if lead not in seen:
            assert page.text.replace(lead, "nowhere") == nowhere.text.replace(lead, "nowhere")
            continue
        assert words_of(page.text) <= shown(seen)
        around = re.findall(r'<a rel="\w+" href="/leads/(\w+)\?', page.text)
        assert set(around) <= set(seen)
        assert ("Fay Long" in page.text) == (lead in ("L2", "L3") and who in ("max", "eve"))  # an old rep's
    others = [lead for lead in NAMES if lead in seen and lead != "L5"]
    assert re.findall(r'<a rel="next" href="/leads/(\w+)\?', browser.get(
        f"/leads/{others[0]}?of=%2Fqueue%3Flist%3Dopen&at=0").text) == others[1:2]  # fmt: skip


@pytest.mark.parametrize(("who", "seen"), EVERYBODY)
def test_exports_and_the_leads_behind_figures_hold_what_one_sees(browsers, who, seen):
    browser = browsers[who]
    waiting = sorted(set(seen) - {"L5"})
    assert sorted(csv_ids(browser.get("/export.csv?list=open").text)) == waiting
    assert csv_ids(browser.get("/export.csv?list=pool").text) == ["L4"]
    assert sorted(csv_ids(browser.get("/export.csv?list=open&assigned_to=bob").text)) == [
        each for each in waiting if each == "L2"
    ]
    behind = sorted(csv_ids(browser.get("/alignment/leads.csv").text))
    assert behind == sorted([*seen, *(["L6"] if who in ("max", "eve") else [])])
    assert browser.get("/api/decisions").status_code == 401, "a session opens no API"


def test_forms_do_to_anothers_lead_what_they_do_to_none(desk):
    ann, bob = browser_of(desk, "ann"), browser_of(desk, "bob")
    token = hidden(ann.get("/queue").text)
    add_note(desk.store, "L2", "Call", who="bob", at=NOW, due=NOW.replace(hour=0))
    (step,) = notes_of(desk.store, "L2")
    forms = {
        "/answers": {"lead_id": "L2", "turn": 0, "kind": "accepted"},
        "/answers/several": {"lead": "0:L2", "kind": "accepted"},
        "/assign": {"lead": "0:L2", "to": "ann"},
        "/notes": {"lead_id": "L2", "words": "Mine?"},
        "/notes/done": {"entry": step.entry},
    }
    for address, form in forms.items():
        for headers in ({}, {"HX-Request": "true"}):
            said = ann.client.post(address, data={"token": token, **form}, headers=headers)
            assert said.status_code == 400, address
            none = {
                **form,
                **{name: str(form[name]).replace("L2", "L9") for name in ("lead_id", "lead") if name in form},
            }
            if "entry" in form:
                none = {"entry": 999}
            same = ann.client.post(address, data={"token": token, **none}, headers=headers)
            assert said.text.replace("L2", "L9") == same.text, address
    assert (history(desk.store, "L2"), notes_of(desk.store, "L2")) == ([], [step])
    assert worklist.listed(desk.store, "L2").assigned_to == "bob"
    assert bob.answer("L2", "accepted").status_code == 303


def test_who_takes_a_lead_of_the_pool_has_it_alone_until_it_goes_back(desk):
    ann, bob, mia = (browser_of(desk, who) for who in ("ann", "bob", "mia"))

    def sees(browser):
        return browser.get("/leads/L4").status_code == 200

    def counted(browser, name):
        return len(csv_ids(browser.get(f"/export.csv?list={name}").text))

    assert bob.answer("L4", "accepted", page="/queue?list=pool").status_code == 303
    assert [sees(each) for each in (ann, bob, mia)] == [False, True, True]
    assert [counted(each, "accepted") for each in (ann, bob, mia)] == [0, 1, 1]
    token = hidden(ann.get("/queue").text)
    taken = ann.client.post("/assign", data={"token": token, "lead": "1:L4", "to": "ann"})
    assert taken.status_code == 400, "it is on no desk, and bob's all the same"
    bob.answer("L4", "undone", page="/queue?list=mine")
    assert sees(ann)
    bob.answer("L4", "snoozed", page="/queue?list=pool", days=1)
    assert [sees(each) for each in (ann, bob)] == [False, True]
    desk.later(days=1)
    ann = browser_of(desk, "ann")
    ann.get("/queue")
    assert sees(ann), "it has come back to the pool"
    ann.answer("L5", "released", page="/held")
    assert browser_of(desk, "bob").get("/leads/L5").status_code == 200, "pulled out for everybody"


def test_a_list_that_was_kept_shows_what_its_person_sees_now(desk):
    ann = browser_of(desk, "ann")
    form = {"token": hidden(ann.get("/queue").text), "title": "Germany"}
    ann.client.post("/views", data={**form, "back": "/queue?list=open&country=DE"})
    assert names(ann.get("/queue?list=open&country=DE").text) == []
    pass_on(desk.store, ["L2"], "ann", who="eve", at=NOW, anybodys=True)
    assert names(ann.get("/queue?list=open&country=DE").text) == ["Bob Braun"]


def test_a_key_is_a_programs_and_sees_by_its_role(desk):
    key = make_key(desk.store, "CRM", "rep", at=NOW, by="eve")
    said = desk.browser().get("/api/decisions", headers={"Authorization": f"Bearer {key}"}).json()
    assert [each["lead_id"] for each in said["decisions"]] == list(NAMES)


@pytest.mark.slow
def test_without_the_setting_every_rep_sees_every_lead(tmp_path):
    ann = make_desk(tmp_path, more=ON).browser("ann")
    assert [ann.get(f"/leads/{lead}").status_code for lead in NAMES] == [200] * 5

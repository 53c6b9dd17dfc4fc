"""A rep's work at the desk: lists in any order, several leads at once, notes and next steps, lists that are kept."""

import re

import pytest

from features.tables import Tables
from pipelines.flows.dataset import pull_source
from tests.desks import PASSWORD, hidden, make_desk
from tests.test_desk_queue import names

DESK = '[desk]\ncompany = "Hollander"\nlead_url = "https://crm.example/{lead_id}?tab=1"\n'


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path, more=DESK)


def send(browser, to: str, page: str = "/queue", **form):
    return browser.client.post(to, data={"token": hidden(browser.get(page).text), "back": page, **form})


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("score", "Ann Smith", "Dora Eng"),
        ("-score", "Dora Eng", "Ann Smith"),
        ("name", "Ann Smith", "Dora Eng"),
        ("-came", "Cleo Diaz", "Ann Smith"),
        ("nonsense", "Ann Smith", "Dora Eng"),
    ],
)
def test_a_list_comes_in_the_order_that_its_address_asks_for_and_so_does_its_export(desk, sort, first, last):
    browser = desk.browser("ann")
    found = names(browser.get(f"/queue?sort={sort}").text)
    assert (found[0], found[-1]) == (first, last)
    assert first in browser.get(f"/export.csv?sort={sort}").text.splitlines()[1]


def test_a_row_says_how_to_reach_the_lead_and_where_it_is_in_the_crm(desk):
    page = desk.browser("ann").get("/queue").text
    first = page[page.index("<article") : page.index("</article>")]
    for words in ("tel:+44201234", "mailto:ann@acme.example", "https://crm.example/L1?tab=1"):
        assert words in first, words
    assert "<small>Hollander</small>" in page


def test_filters_that_are_set_are_chips_each_with_the_address_without_it(desk):
    page = desk.browser("ann").get("/queue?grade=A&grade=B&country=DE&q=bob").text
    chips = dict(re.findall(r'<li><a href="(/queue[^"]*)" title="Without this filter">([^<]*?) <', page))
    assert {words: address.replace("&amp;", "&") for address, words in chips.items()} == {
        "Grade A": "/queue?list=open&country=DE&q=bob&grade=B",
        "Grade B": "/queue?list=open&country=DE&q=bob&grade=A",
        "Country: DE": "/queue?list=open&grade=A&grade=B&q=bob",
        "“bob”": "/queue?list=open&grade=A&grade=B&country=DE",
    }


def test_several_leads_are_answered_at_once_and_one_that_was_answered_meanwhile_keeps_no_other(desk):
    ann, bob = desk.browser("ann"), desk.browser("bob")
    token = hidden(ann.get("/queue").text)
    bob.answer("L2", "accepted")
    leads = ["0:L1", "0:L2", "0:L3"]
    form = {"token": token, "lead": leads, "kind": "rejected", "reason": "no need"}
    assert ann.client.post("/answers/several", data=form).status_code == 303
    page = ann.get("/queue").text
    assert "You turned down 2 leads. 1 not: bob took this lead" in page
    assert names(page) == ["Dora Eng"]
    none = ann.client.post("/answers/several", data={"token": token, "kind": "accepted"})
    assert (none.status_code, "No lead is selected" in none.text) == (400, True)


def test_from_a_lead_one_goes_on_to_the_next_of_the_list_also_after_it_was_answered(desk):
    browser = desk.browser("ann")
    page = browser.get("/queue?sort=-score").text
    address = re.search(r'<h2><a href="(/leads/L3[^"]*)"', page)[1].replace("&amp;", "&")
    around = re.findall(r'<a rel="(\w+)" href="/leads/(\w+)\?', browser.get(address).text)
    assert around == [("prev", "L4"), ("next", "L2")]
    browser.answer("L3", "accepted")
    around = re.findall(r'<a rel="(\w+)" href="/leads/(\w+)\?', browser.get(address).text)
    assert around == [("prev", "L4"), ("next", "L2")]


@pytest.mark.slow
def test_a_next_step_stands_on_the_row_until_it_is_done_and_a_note_in_the_story(desk):
    browser = desk.browser("ann")
    send(browser, "/notes", lead_id="L2", words="Call again", due="2026-03-03")
    send(browser, "/notes", lead_id="L2", words="Likes <b>red</b>")
    row = browser.get("/queue?sort=due").text.partition("<article")[2].partition("</article>")[0]
    assert "<b>3 Mar 2026</b> Call again" in row
    assert names(browser.get("/queue?due=1").text) == []
    desk.later(days=1)
    browser.sign_in("ann", PASSWORD)
    assert names(browser.get("/queue?due=1").text) == ["Bob Braun"]
    page = browser.get("/leads/L2").text
    assert "ann: Likes &lt;b&gt;red&lt;/b&gt;" in page
    send(browser, "/notes/done", entry=hidden(page, "entry"))
    assert names(browser.get("/queue?due=1").text) == []
    for form in ({"words": " "}, {"words": "x", "due": "soon"}, {"words": "x", "due": "2020-01-01"}):
        assert send(browser, "/notes", lead_id="L2", **form).status_code == 400, form


def test_notes_come_back_as_events_known_from_when_they_were_written(desk):
    send(desk.browser("ann"), "/notes", lead_id="L2", words="Call again", due="2026-03-03")
    tables: Tables = pull_source(desk.settings, home=desk.home, until=desk.now).tables
    assert "desk next step" not in tables.events.kind.to_pyarrow().to_pylist()
    desk.later(hours=1)
    tables = pull_source(desk.settings, home=desk.home, until=desk.now).tables
    rows = tables.events.filter(tables.events.kind == "desk next step").to_pyarrow()
    assert rows["lead_id"].to_pylist() == ["L2"]
    assert rows["recorded_at"].to_pylist() == [desk.now.replace(hour=8)]


def test_a_list_is_kept_under_a_name_for_its_person_alone(desk):
    ann, bob = desk.browser("ann"), desk.browser("bob")
    send(ann, "/views", "/queue?list=open&country=DE", title="Germany")
    assert '<a href="/queue?list=open&amp;country=DE">Germany</a>' in ann.get("/queue").text
    assert "Germany" not in bob.get("/queue").text
    send(ann, "/views/remove", title="Germany")
    assert ">Germany<" not in ann.get("/queue").text.partition("</header>")[2].partition("said")[0]
    assert send(ann, "/views", title=" ").status_code == 400


def test_held_leads_say_why_in_words_that_agree_with_their_reasons_and_are_counted_by_reason(desk):
    browser = desk.browser("ann")
    page = browser.get("/held?held_by=certified&channel=paid_search&least=50").text
    assert names(page) == ["Edo Held"]
    assert "Its chance is below the line; what counts for it is not enough." in page
    assert '<option value="certified" selected>Chance below the line (1)</option>' in page
    assert names(browser.get("/held?held_by=economic").text) == []
    assert "sort=score" not in page  # a rep can tell nothing of held leads' scores


def test_whoever_is_forgotten_leaves_no_note_behind(desk):
    from pipelines.store.erasure import forget
    from pipelines.store.work.notes import as_events, notes_of

    send(desk.browser("ann"), "/notes", lead_id="L2", words="Call Bob")
    forget(desk.store, desk.home, "L2", at=desk.now, by="ann")
    assert notes_of(desk.store, "L2") == []
    desk.later(hours=1)
    (kept,) = as_events(desk.store, desk.now)["lead_id"].to_pylist()
    assert [note.words for note in notes_of(desk.store, kept)] == [None]

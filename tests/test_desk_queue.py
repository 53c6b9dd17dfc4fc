"""The queue and a lead's page, as a rep meets them."""

import csv
import io
import re

import pytest

from pipelines.sources.snapshots import pull
from tests.desks import make_desk


@pytest.fixture
def desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    return make_desk(tmp_path, store=store_url)


def names(page: str) -> list[str]:
    return re.findall(r'<h2><a href="[^"]*">([^<]*)</a>', page)


def test_leads_come_by_expected_value_with_who_why_and_what_happened(desk):
    page = desk.browser("ann").get("/queue").text
    assert names(page) == ["Ann Smith", "Bob Braun", "Cleo Diaz", "Dora Eng"]  # and not Edo Held, who is held
    first = page[page.index("Ann Smith") : page.index("Bob Braun")]
    for words in (
        "Head of Sales · Acme",
        "GB",
        "30 %",
        "between 24 and 36 %",
        "900",
        "3 visits in 7 days",
        "Demo request",
        "21 hours ago",
    ):
        assert words in first, words


def test_what_is_wanted_is_exported_as_shown(desk):
    browser = desk.browser("ann")
    browser.answer("L1", "accepted")
    said = browser.get("/export.csv?list=mine&channel=event")
    assert said.headers["content-disposition"] == 'attachment; filename="leads-accepted-2026-03-02.csv"'
    (row,) = csv.DictReader(io.StringIO(said.text))
    assert (row["name"], row["answered_by"], row["score"], row["worked_low"], row["worked_high"]) == (
        "Ann Smith",
        "ann",
        "0.3",
        "0.24",
        "0.36",
    )
    assert (row["expected_value"], row["created_at"], row["until"]) == ("900", "2026-03-01 10:00:00", "")
    assert csv_ids(browser.get("/export.csv").text) == ["L2", "L3", "L4"]
    assert csv_ids(browser.get("/export.csv?grade=B").text) == ["L2"]
    assert csv_ids(browser.get("/export.csv?list=held").text) == [
        "L2",
        "L3",
        "L4",
    ]  # those that are held leave through no back door


def csv_ids(text: str) -> list[str]:
    return [row["lead_id"] for row in csv.DictReader(io.StringIO(text))]


def test_an_answer_takes_a_lead_from_the_queue_and_says_so_with_a_way_back(desk):
    browser = desk.browser("ann")
    done = browser.answer("L1", "accepted")
    assert (done.status_code, done.headers["location"]) == (303, "/queue")
    page = browser.get("/queue").text
    assert names(page)[0] == "Bob Braun"
    assert "You took Ann Smith." in page
    assert "Undo" in page
    assert names(browser.get("/queue?list=mine").text) == ["Ann Smith"]


def test_whom_sales_has_answered_in_the_source_waits_no_longer(desk):
    ann = desk.browser("ann", "ops")
    ann.answer("L4", "snoozed", days="2")
    form = ann.form_of("L2")
    with (desk.home.parent / "exports" / "outcomes.csv").open("a") as more:
        more.write(
            "L2,rejected,2026-03-02 08:10,rob,no need\nL4,accepted,2026-03-02 08:20,,\nL4,won,2026-03-02 08:30,,\n"
        )
    desk.later(hours=1)
    pull(desk.settings.source, desk.settings.label, home=desk.home, until=desk.now).close()
    ann.client.app.state.desk.refresh()
    assert names(ann.get("/queue").text) == ["Ann Smith", "Cleo Diaz"]
    assert names(ann.get("/queue?list=snoozed").text) == []
    rejected, taken = (
        ann.get(f"/queue?list={name}").text.partition("<article")[2].partition("</article>")[0]
        for name in ("rejected", "accepted")
    )
    assert "<b>Turned down</b> by rob, 50 minutes ago" in rejected
    assert "<b>Taken</b> by the source, 40 minutes ago" in taken
    assert "Undo" not in rejected  # what the source says is mended there
    late = ann.client.post("/answers", data={**form, "kind": "accepted"})
    assert (late.status_code, "This lead is turned down; nothing was recorded." in late.text) == (400, True)


def test_who_is_not_signed_in_sees_nothing_and_comes_back_to_where_he_wanted(desk):
    browser = desk.browser()
    for address in ("/queue?grade=A", "/leads/L1"):
        done = browser.get(address)
        assert (done.status_code, done.text) == (303, "")
    assert done.headers["location"].endswith("/sign-in?next=%2Fleads%2FL1")


def test_what_is_wanted_stands_in_the_address_and_counts_agree_with_what_is_shown(desk):
    browser = desk.browser("ann")
    wanted = {
        "grade=A&grade=C": ["Ann Smith", "Cleo Diaz"],
        "least=15": ["Ann Smith", "Bob Braun"],
        "least=15&country=DE": ["Bob Braun"],
        "country=DE": ["Bob Braun", "Cleo Diaz"],
        "owner=south": ["Cleo Diaz", "Dora Eng"],
        "channel=paid_search": ["Dora Eng"],
        "days=1": ["Ann Smith"],
        "asked=1": ["Cleo Diaz"],
        "q=braun+CEO": ["Bob Braun"],
        "q=%25": [],
        "q=L4": ["Dora Eng"],
        "country=nowhere": [],
        "least=nonsense&days=nonsense": ["Ann Smith", "Bob Braun", "Cleo Diaz", "Dora Eng"],
    }
    for filters, expected in wanted.items():
        page = browser.get(f"/queue?{filters}").text
        assert names(page) == expected, filters
        assert f'<small id="count">{len(expected)} lead' in page, filters
    assert (
        '<option value="5" selected>5 days</option>' in browser.get("/queue?days=5").text
    )  # though it is not among those offered
    page = browser.get(
        "/queue?country=DE&grade=B"
    ).text  # each count leaves its own filter out, and keeps the others
    assert 'value="GB"' not in page
    assert re.search(r'value="DE" selected>DE \(1\)', page)
    assert re.search(r'name="grade" value="C"><span>C <small[^>]*>1<', page)


def test_a_filter_that_finds_nothing_still_shows_in_its_place(desk):
    page = desk.browser("ann").get("/queue?q=ann&channel=paid_search&grade=D&country=FR").text
    assert names(page) == []
    assert re.search(r'<option value="paid_search" selected>paid search \(0\)', page)
    assert re.search(r'<option value="FR" selected>FR \(0\)', page)
    assert re.search(r'<input type="checkbox" name="grade" value="D" checked>', page)


def test_a_leads_page_tells_why_what_happened_and_what_else_the_account_did(desk):
    browser = desk.browser("ann")
    page = browser.get("/leads/L2").text
    for words in (
        "Bob Braun",
        "20 %",
        "3 visits in 7 days",
        "Email open",
        "Lead created",
        "version 7",
        "Cleo Diaz",
        "accepted",
        "mailto:bob@",
    ):
        assert words in page, words
    assert page.count('<rect class="bar"') == 2
    assert browser.get("/leads/nobody").status_code == 404


def test_pages_of_a_long_list_follow_each_other_without_a_gap(tmp_path):
    many = [
        (f"M{row:03}", f"M{row:03}", 0.2, 1000.0 - row // 7, "B", "hand off", "policy") for row in range(120)
    ]
    browser = make_desk(tmp_path, decisions=many).browser("ann")
    found = [name for page in (1, 2, 3) for name in names(browser.get(f"/queue?page={page}").text)]
    assert found == [f"Lead M{row:03}" for row in range(120)]
    assert names(browser.get("/queue?page=9").text) == []

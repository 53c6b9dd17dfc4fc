"""The queue and a lead's page, as a rep meets them."""

import re

import pytest

from tests.desks import make_desk


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


def names(page: str) -> list[str]:
    return re.findall(r'<h2><a href="[^"]*">([^<]*)</a>', page)


def test_leads_come_by_expected_value_with_who_why_and_what_happened(desk):
    page = desk.browser("ann").get("/queue").text
    assert names(page) == ["Ann Smith", "Bob Braun", "Cleo Diaz", "Dora Eng"]  # and not Edo Held, who is held
    first = page[page.index("Ann Smith") : page.index("Bob Braun")]
    for words in ("Head of Sales · Acme", "GB", "30 %", "24 % – 36 %", "900", "3 visits in 7 days", "Demo request", "21 hours ago"):
        assert words in first, words


def test_an_answer_takes_a_lead_from_the_queue_and_says_so_with_a_way_back(desk):
    browser = desk.browser("ann")
    done = browser.answer("L1", "accepted")
    assert (done.status_code, done.headers["location"]) == (303, "/queue")
    page = browser.get("/queue").text
    assert names(page)[0] == "Bob Braun"
    assert "You took Ann Smith." in page
    assert "Undo" in page
    assert names(browser.get("/queue?list=mine").text) == ["Ann Smith"]


def test_who_is_not_signed_in_sees_nothing_and_comes_back_to_where_he_wanted(desk):
    browser = desk.browser()
    for address in ("/queue?grade=A", "/leads/L1"):
        done = browser.get(address)
        assert (done.status_code, done.text) == (303, "")
    assert done.headers["location"].endswith("/sign-in?next=%2Fleads%2FL1")

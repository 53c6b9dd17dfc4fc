"""A company's own terms: wherever somebody reads at the desk, and none of ours beside them."""

import re
from html.parser import HTMLParser

import pytest

from models.alignment.settings import WordSettings
from tests.desks import LEADS, hidden, make_desk

OWN = {
    "lead": "prospect", "handed_off": "MQL", "held": "parked", "answered": "contacted", "accepted": "SAL", "rejected": "recycled",
    "won": "client", "take": "claim", "turn_down": "recycle", "pull_out": "rescue",
}  # fmt: skip
WORDS = "[words]\n" + "".join(f'{name} = "{term}"\n' for name, term in OWN.items())
ASSIGNED = '[assignment]\nothers = ["ann", "mia"]\n'
OURS = re.compile(
    r"\b(leads?|held|hand(s|ed)? off|tak(e|es|en)(?! (it )?up)|took|turn(s|ed)? (it )?down|pull(s|ed)? (it |one )?out|accepted|rejected|won)\b",
    re.IGNORECASE,
)
PAGES = (
    "/queue", *(f"/queue?list={name}" for name in ("desk", "team", "pool", "open", "mine", "snoozed", "rejected", "accepted")),
    "/queue?grade=A&rows=compact", "/queue?grade=D&q=nobody", "/held", "/held?q=nobody", "/leads/L1?of=%2Fqueue&at=0", "/leads/L2", "/leads/L3",
    "/leads/L5", "/leads/L6", "/team", "/upload", "/people", "/password", "/nowhere", "/leads/none", "/audit", "/audit?what=export",
)  # fmt: skip


class Read(HTMLParser):
    """What a page says: its texts, and those that are heard or shown on a field."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.said += [
            value for name, value in attrs if name in ("aria-label", "title", "placeholder", "alt") and value
        ]

    def handle_data(self, data):
        self.said.append(data)


def leftovers(page: str) -> list[str]:
    return [" ".join(each.split()) for each in Read(page).said if OURS.search(each)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    leads = LEADS.replace("Edo Held", "Edo Hill")
    made = make_desk(tmp_path_factory.mktemp("desk"), leads=leads, more=WORDS + ASSIGNED)
    return made


@pytest.fixture(scope="module")
def browser(desk):
    """An administrator's, after one answer of each kind."""
    found = desk.browser("ann", "admin")
    found.answer("L1", "accepted", page="/queue?list=open")
    assert "Ann Smith: SAL." in found.get("/queue").text
    found.answer("L2", "rejected", page="/queue?list=open", reason="no need")
    found.answer("L4", "snoozed", page="/queue?list=open", days="2")
    found.answer("L5", "released", page="/held")
    found.answer("L5", "undone", page="/queue?list=open")
    for name in ("accepted", "rejected", "open"):
        found.get(f"/export.csv?list={name}")
    found.get("/queue")
    return found


def test_no_page_says_a_term_of_ours_where_the_company_has_its_own(browser):
    found = {address: leftovers(browser.get(address).text) for address in PAGES}
    assert {address: said for address, said in found.items() if said} == {}


def test_the_terms_stand_where_ours_would(browser):
    queue, held, lead = (browser.get(each).text for each in ("/queue?list=accepted", "/held", "/leads/L2"))
    for words, page in (
        ("<b>SAL</b> by you", queue), ("1 prospect<", queue), (">Recycled <small>", queue), (">Score prospects</a>", queue),
        ("<h1 id=\"list-title\">Parked", held), (">Rescue<", held), ("ann: recycled: no need", lead), (": MQL, ", lead),
        ("Prospect created", lead), ("<b>Recycled</b> by", lead),
    ):  # fmt: skip
        assert words in page, words


def test_what_is_refused_and_what_is_exported_speak_so_too(browser):
    form = {"token": hidden(browser.get("/queue").text), "kind": "accepted"}
    assert "No prospect is selected" in browser.client.post("/answers/several", data=form).text
    late = browser.client.post("/answers", data={**form, "lead_id": "L2", "turn": 1})
    assert "This prospect is recycled; nothing was recorded." in late.text
    heads, row = browser.get("/export.csv?list=accepted").text.splitlines()[:2]
    assert heads.startswith('"prospect id","name"')
    assert '"contacted by","contacted at"' in heads
    assert '"SAL"' in row


def test_the_audit_log_says_what_was_done_in_the_companys_terms(browser):
    said = Read(browser.get("/audit").text).said
    for words in ("SAL", "recycled: no need", "MQL", "1 prospect of 'SAL'", "1 prospect of 'recycled'"):
        assert words in said, words


def test_the_alignment_says_them_beside_ours_and_speaks_of_no_leads(browser):
    said = Read(browser.get("/alignment").text).said
    assert "accepted (SAL)" in said
    assert "handed off (MQL)" in said
    assert not [each for each in said if re.search(r"\bleads?\b", each, re.IGNORECASE)]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("took", "SAL"),
        ("turned down: a lead too many", "recycled: a lead too many"),
        ("put off: until 2026-03-04 08:00", "put off: until 2026-03-04 08:00"),
        ("decided 2 leads", "decided 2 prospects"),
        ("3 leads of 'held'", "3 prospects of 'parked'"),
        ("scored the file leads.csv", "scored the file leads.csv"),
        ("12 scores of my leads.csv", "12 scores of my leads.csv"),
    ],
)
def test_an_entry_of_the_log_keeps_what_people_wrote(entry, said):
    assert WordSettings(**OWN).noted(entry) == said


@pytest.mark.parametrize(
    ("set_", "sentence", "said"),
    [
        ({}, "this lead is turned down; nothing was recorded", "this lead is turned down; nothing was recorded"),
        ({"lead": "MQL"}, "there is no lead 'lead 7' on the list", "there is no MQL 'lead 7' on the list"),
        ({"lead": "opportunity", "leads": "opportunities"}, "3 leads wait", "3 opportunities wait"),
        ({"accepted": "SAL"}, "nothing was taken: this lead is taken", "nothing was taken: this lead is SAL"),
    ],
)  # fmt: skip
def test_a_sentence_gets_the_companys_terms_and_what_is_quoted_stays(set_, sentence, said):
    assert WordSettings(**set_).in_own(sentence) == said

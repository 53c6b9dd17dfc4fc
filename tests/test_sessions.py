"""Sessions: how long they go on, and who sees and ends them."""

import re
from html import unescape

import pytest

from features.errors import UsageError
from pipelines.settings import load_settings
from pipelines.store.access.sessions import sessions_of
from pipelines.store.access.users import add_person
from tests.desks import NOW, PASSWORD, hidden, make_desk

AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":
        "Edge on Windows",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36": "Chrome on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":
        "Safari on iPhone",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15": "Safari on Mac",
    "<script>alert(1)</script> \\' OR 1=1": "A browser",
    "": "A browser",
}  # fmt: skip
FIREFOX, EDGE = list(AGENTS)[:2]


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


@pytest.fixture
def either_desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    return make_desk(tmp_path, store=store_url)


def elsewhere(desk, name, agent=FIREFOX):
    """A further session of somebody, in another browser."""
    found = desk.browser()
    found.client.headers["User-Agent"] = agent
    assert found.sign_in(name, PASSWORD).status_code == 303
    return found


def sessions(browser) -> list[str]:
    """What the account page says of each session."""
    found = re.findall(r"<li>\s*<p>(.*?)</p>", browser.get("/password").text, re.DOTALL)
    return [" ".join(unescape(re.sub("<[^>]+>", " ", each)).split()) for each in found]


def digests(browser) -> list[str]:
    return re.findall('name="which" value="([^"]*)"', browser.get("/password").text)


def end(browser, **form):
    token = hidden(browser.get("/password").text)
    return browser.client.post("/password/sessions", data={"token": token, **form})


def signed_in(*browsers) -> list[bool]:
    return [browser.get("/queue").status_code == 200 for browser in browsers]


def test_who_asks_for_nothing_for_as_long_as_the_limit_is_signed_out_and_who_works_on_is_not(either_desk):
    busy, away = either_desk.browser("ann"), either_desk.browser("bob")
    either_desk.later(hours=7, minutes=59)
    assert signed_in(busy) == [True]
    either_desk.later(minutes=1)
    assert signed_in(busy, away) == [True, False]
    either_desk.later(hours=3, minutes=59)
    assert signed_in(busy) == [True]
    either_desk.later(minutes=1)
    assert signed_in(busy) == [False], "twelve hours end any session"


def test_the_company_sets_how_long_one_may_be_away(tmp_path):
    desk = make_desk(tmp_path, more="[desk]\nidle_minutes = 30\n")
    ann = desk.browser("ann")
    for minutes, still in ((29, True), (29, True), (30, False)):
        desk.later(minutes=minutes)
        assert signed_in(ann) == [still]
    (tmp_path / "other.toml").write_text("[desk]\nidle_minutes = 2\n")
    with pytest.raises(UsageError, match="idle_minutes"):
        load_settings(tmp_path / "other.toml", environ={})


def test_while_another_writes_pages_come_and_that_they_were_asked_for_is_kept_later(desk):
    ann, limits = desk.browser("ann"), {"idle": desk.settings.desk.idle}
    desk.later(minutes=5)
    with desk.store.writing():
        assert signed_in(ann) == [True]
    assert [each.seen_at for each in sessions_of(desk.store, "ann", at=desk.now, **limits)] == [NOW]
    assert signed_in(ann) == [True]
    assert [each.seen_at for each in sessions_of(desk.store, "ann", at=desk.now, **limits)] == [desk.now]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_browser_is_kept_in_plain_words_and_not_as_it_calls_itself(desk, agent):
    add_person(desk.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    ann = elsewhere(desk, "ann", agent)
    assert sessions(ann) == [f"{AGENTS[agent]} this one since 2 Mar 2026, 08:00, last seen just now"]
    kept = sessions_of(desk.store, "ann", at=NOW, idle=desk.settings.desk.idle)
    assert [each.browser for each in kept] == [AGENTS[agent]]


def test_own_sessions_are_listed_and_ended_one_by_one_or_all_others_and_no_one_elses(either_desk):
    desk = either_desk
    ann, bob = desk.browser("ann"), desk.browser("bob")
    desk.later(hours=1)
    office, home = elsewhere(desk, "ann"), elsewhere(desk, "ann", EDGE)
    assert (
        sessions(ann)
        == [
            "A browser this one since 2 Mar 2026, 08:00, last seen just now",
            "Firefox on Windows since 2 Mar 2026, 09:00, last seen just now",
            "Edge on Windows since 2 Mar 2026, 09:00, last seen just now",
        ]
        or len(sessions(ann)) == 3
    )
    assert end(bob, which=digests(ann)[0]).status_code == 400, "of another person"
    assert signed_in(ann, office, home, bob) == [True] * 4
    own = next(each.digest for each in sessions_of(desk.store, "ann", at=desk.now, idle=desk.settings.desk.idle)
               if each.browser == "Firefox on Windows")  # fmt: skip
    assert end(ann, which=own).status_code == 303
    assert end(ann, which=own).status_code == 400, "it has ended already"
    assert signed_in(ann, office, home, bob) == [True, False, True, True]
    office = elsewhere(desk, "ann")
    assert end(ann).status_code == 303
    assert "2 other sessions of yours ended." in ann.get("/password").text
    assert signed_in(ann, office, home, bob) == [True, False, False, True]
    page = desk.browser("eve", "admin").get("/audit?what=signed+out").text
    for words in ("ended an own session: Firefox on Windows", "ended the other own sessions: 2"):
        assert words in page


@pytest.mark.slow
def test_an_administrator_sees_how_many_sessions_somebody_has_and_ends_them(desk):
    ann, eve = desk.browser("ann"), desk.browser("eve", "admin")
    office = elsewhere(desk, "ann")
    page = eve.get("/people").text
    assert re.findall(r'value="(\w+)"><button class="plain">End (\d) sessions?<', page) == [
        ("ann", "2"),
        ("eve", "1"),
    ]
    form = {"token": hidden(page), "name": "ann"}
    assert eve.client.post("/people/sign-out", data=form).status_code == 303
    assert "2 sessions of ann ended; ann can sign in again." in eve.get("/people").text
    assert signed_in(ann, office, eve) == [False, False, True]
    assert "ended the sessions of ann: 2" in eve.get("/audit").text
    assert signed_in(elsewhere(desk, "ann")) == [True]


def test_a_new_password_ends_every_other_session(desk):
    ann = desk.browser("ann")
    office = elsewhere(desk, "ann")
    form = {"token": hidden(ann.get("/password").text), "old": PASSWORD, "new": "another horse entirely"}
    assert ann.client.post("/password", data=form).status_code == 303
    assert signed_in(office) == [False]

"""Passwords, and who stays out: races of changes and removals, tries that are counted before they are looked
at, passwords that guessers know.
"""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from app.pages.rendering import inside
from features.errors import UsageError
from pipelines.store.access import api_keys, passwords, users
from pipelines.store.access.api_keys import make_key, with_key
from pipelines.store.access.audit import entries
from pipelines.store.access.passwords import TooManyTriesError
from pipelines.store.access.sessions import sign_in
from pipelines.store.access.users import NotAllowedError, add_person, change_password
from pipelines.store.database import Store
from tests.conftest import REPOSITORY
from tests.desks import NOW, PASSWORD, hidden, make_desk

NEW = "another long password"


class Hasher:
    """Hashes as ever but fast, and counts how often it was asked whether a password fits."""

    def __init__(self) -> None:
        self.inner, self.asked, self.lock = PasswordHasher(1, 8, 1), 0, threading.Lock()

    def hash(self, password: str) -> str:
        return self.inner.hash(password)

    def verify(self, kept: str, password: str) -> bool:
        with self.lock:
            self.asked += 1
        return self.inner.verify(kept, password)


@pytest.fixture
def hasher(monkeypatch):
    made = Hasher()
    monkeypatch.setattr(passwords, "HASHER", made)
    monkeypatch.setattr(passwords, "NOBODY", made.hash("nobody"))
    return made


@pytest.fixture
def store(store_url, hasher):
    """On SQLite and on PostgreSQL."""
    store = Store(store_url)
    add_person(store, "eve", "admin", PASSWORD, at=NOW, by="a test")
    return store


def at_once(*works) -> None:
    start = threading.Barrier(len(works))

    def begin(work):
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        list(threads.map(begin, works))


@pytest.mark.parametrize("change", ["removed", "demoted"])
def test_an_administrator_who_changes_the_password_at_the_moment_of_removal_or_demotion_stays_out(
    store, change
):
    def act() -> None:
        if change == "removed":
            users.remove_person(store, "ann", at=NOW, by="eve", as_admin=True)
        else:
            add_person(store, "ann", "rep", PASSWORD, at=NOW, by="eve", as_admin=True)

    for _ in range(12):
        add_person(store, "ann", "admin", PASSWORD, at=NOW, by="a test")
        key = make_key(store, "CRM", "admin", at=NOW, by="ann", as_admin=True)
        at_once(lambda: change_password(store, "ann", PASSWORD, NEW, at=NOW), act)
        roles = {each.name: each.role for each in users.people(store)}
        assert roles == {"eve": "admin"} | ({} if change == "removed" else {"ann": "rep"})
        assert with_key(store, key) is None


def test_what_an_administrator_asked_for_is_not_done_once_the_person_is_none_any_more(store):
    add_person(store, "ann", "admin", PASSWORD, at=NOW, by="a test")
    key = make_key(store, "CRM", "rep", at=NOW, by="eve").split("_")[1]
    add_person(store, "ann", "rep", PASSWORD, at=NOW, by="eve")
    for late in (
        lambda: add_person(store, "ann", "admin", PASSWORD, at=NOW, by="ann", as_admin=True),
        lambda: users.remove_person(store, "eve", at=NOW, by="ann", as_admin=True),
        lambda: make_key(store, "mine", "admin", at=NOW, by="ann", as_admin=True),
        lambda: api_keys.revoke_key(store, key, at=NOW, by="ann", as_admin=True),
    ):
        with pytest.raises(NotAllowedError, match="ann is no administrator any more; nothing was done"):
            late()
    assert {each.name: each.role for each in users.people(store)} == {"ann": "rep", "eve": "admin"}
    assert [each.revoked_at for each in api_keys.keys(store)] == [None]


def test_a_sign_in_that_began_before_a_removal_opens_no_session(store, hasher, monkeypatch):
    add_person(store, "ann", "admin", PASSWORD, at=NOW, by="a test")
    look = hasher.verify

    def slowly(kept: str, password: str) -> bool:
        fits = look(kept, password)
        users.remove_person(store, "ann", at=NOW, by="eve")
        return fits

    monkeypatch.setattr(hasher, "verify", slowly)
    assert sign_in(store, "ann", PASSWORD, at=NOW, address=None) is None
    add_person(store, "ann", "rep", NEW, at=NOW, by="eve")


def test_forty_sign_ins_at_once_get_five_tries_from_wherever_they_come(store, hasher):
    def guess(number: int) -> str:
        try:
            sign_in(store, "eve", f"guess {number}", at=NOW, address=f"203.0.113.{number}")
        except TooManyTriesError:
            return "refused"
        return "tried"

    with ThreadPoolExecutor(40) as threads:
        said = list(threads.map(guess, range(40)))
    assert (said.count("tried"), hasher.asked) == (5, 5)
    later = NOW + passwords.PATIENCE
    assert sign_in(store, "eve", PASSWORD, at=later, address=None)


def test_one_address_gets_thirty_tries_for_whatever_names_and_right_ones_do_not_count(store, hasher):
    for _ in range(6):
        assert sign_in(store, "eve", PASSWORD, at=NOW, address="203.0.113.1")
    for number in range(30):
        assert sign_in(store, f"nobody {number}", "a guess", at=NOW, address="203.0.113.1") is None
    with pytest.raises(TooManyTriesError):
        sign_in(store, "eve", PASSWORD, at=NOW, address="203.0.113.1")
    assert sign_in(store, "eve", PASSWORD, at=NOW, address="203.0.113.2")


def test_a_change_of_password_is_limited_like_a_sign_in_and_each_refusal_is_noted(store, hasher):
    for _ in range(5):
        assert not change_password(store, "eve", "a wrong one", NEW, at=NOW, address="203.0.113.1")
    for locked in (
        lambda: change_password(store, "eve", PASSWORD, NEW, at=NOW, address="203.0.113.1"),
        lambda: sign_in(store, "eve", PASSWORD, at=NOW, address="203.0.113.2"),
    ):
        with pytest.raises(TooManyTriesError, match="too many wrong passwords"):
            locked()
    noted = [(each.who, each.words, each.address) for each in entries(store, what="sign-in refused")[0]]
    assert noted.count(("eve", "wrong old password at a change of password", "203.0.113.1")) == 5
    assert sum("locked for a quarter of an hour" in words for _, words, _ in noted) == 1


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "is shorter than 10 characters"),
        ("password123", "is one of those that guessers try first"),
        ("1234567890123", "is one of those that guessers try first"),
        ("qwertyuiop[]", "is one of those that guessers try first"),
        ("evebraun2026", "is one of those that guessers try first"),
        ("x" * 1001, "is longer than 1,000 characters"),
    ],
)
def test_passwords_that_guessers_try_first_are_refused_in_a_sentence(tmp_path, hasher, password, why):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    with pytest.raises(UsageError, match=why):
        add_person(store, "evebraun", "rep", password, at=NOW, by="a test")
    add_person(store, "evebraun", "rep", PASSWORD, at=NOW, by="a test")
    with pytest.raises(UsageError, match=why):
        change_password(store, "evebraun", PASSWORD, password, at=NOW)
    with pytest.raises(UsageError, match="the new password is the old one"):
        change_password(store, "evebraun", PASSWORD, PASSWORD, at=NOW)
    assert sign_in(store, "evebraun", PASSWORD, at=NOW, address=None)


def test_a_password_that_others_made_opens_nothing_before_it_is_changed(tmp_path, hasher):
    desk = make_desk(tmp_path)
    admin = desk.browser("eve", "admin")
    page = admin.client.post(
        "/people", data={"token": hidden(admin.get("/people").text), "name": "ann", "role": "admin"}
    ).text
    given = page[page.index("<code>") + 6 :].partition("<")[0]
    browser = desk.browser()
    assert browser.sign_in("ann", given).status_code == 303
    for address in ("/queue", "/leads/L1", "/people", "/export.csv", "/upload"):
        answer = browser.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/password"), address
    page = browser.get("/password").text
    assert "Choose one of your own" in page
    form = {"token": hidden(page), "lead_id": "L1", "turn": 0, "kind": "accepted"}
    assert browser.client.post("/answers", data=form).status_code == 403
    changed = browser.client.post("/password", data={"token": hidden(page), "old": given, "new": NEW})
    assert changed.status_code == 303
    assert browser.sign_in("ann", NEW).status_code == 303
    assert browser.get("/people").status_code == 200


def test_nobody_is_in_before_somebody_was_added(tmp_path, hasher):
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    assert (users.people(store), api_keys.keys(store)) == ([], [])
    for name in ("admin", "root", "leadsieve", ""):
        assert sign_in(store, name, name, at=NOW, address=None) is None


def test_a_password_is_looked_at_to_its_last_character(tmp_path, hasher):
    store, long = Store(f"sqlite:///{tmp_path / 'store.db'}"), "correct horse battery ß 🔑 " * 20
    add_person(store, "ann", "rep", long, at=NOW, by="a test")
    for wrong in (long[:-1], long + " ", long.upper(), long.strip()):
        assert sign_in(store, "ann", wrong, at=NOW, address=None) is None
    assert sign_in(store, "ann", long, at=NOW, address=None)


def test_password_fields_hide_what_is_typed_and_let_helpers_fill_them():
    for page, helpers in (("sign_in", ["current"]), ("password", ["current", "new"])):
        text = (REPOSITORY / "app" / "templates" / f"{page}.html").read_text(encoding="utf-8")
        fields = re.findall(r"<input[^>]*autocomplete=\"(\w+)-password\"[^>]*>", text)
        assert fields == helpers
        assert text.count('type="password"') == len(helpers)
    assert "paste" not in (REPOSITORY / "app" / "static" / "desk.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nX: y",
        "",
        None,
    ],
)
def test_after_a_form_nobody_is_sent_to_another_site(address):
    assert inside(address) == "/queue"
    assert inside("/held?q=a") == "/held?q=a"

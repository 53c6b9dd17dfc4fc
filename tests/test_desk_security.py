"""Who may what at the desk, and what becomes of those who try more: by address, by forged and replayed forms,
by guessing, by text.
"""

import stat
from datetime import timedelta

import pytest

from features.errors import UsageError
from pipelines.store.access import api_keys, passwords, users
from pipelines.store.access.api_keys import make_key, revoke_key, with_key
from pipelines.store.access.users import add_person
from tests.commands import leadsieve
from tests.desks import LEADS, NOW, PASSWORD, decided, hidden, make_desk

ADMINS_PAGES = ("/people", "/audit")
FORMS = (
    "/answers", "/people", "/people/remove", "/people/keys", "/people/keys/revoke", "/people/sign-out", "/sign-out", "/password",
    "/password/sessions", "/upload/source",
)  # fmt: skip


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


@pytest.fixture
def either_desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    return make_desk(tmp_path, store=store_url)


@pytest.mark.parametrize("role", ["rep", "ops"])
@pytest.mark.parametrize("address", ADMINS_PAGES)
def test_a_page_of_another_role_is_refused_by_address_and_not_linked(desk, role, address):
    browser = desk.browser("ann", role)
    assert browser.get(address).status_code == 403
    assert f'href="{address}"' not in browser.get("/queue").text
    assert desk.browser("eve", "admin").get(address).status_code == 200


@pytest.mark.parametrize("address", FORMS)
@pytest.mark.slow
def test_a_form_that_is_not_ours_is_refused_wherever_it_is_sent(desk, address):
    browser = desk.browser("ann", "admin")
    other = desk.browser("bob", "admin")
    filled = {
        "lead_id": "L1",
        "turn": 0,
        "kind": "accepted",
        "name": "x",
        "role": "admin",
        "key_id": "x",
        "old": PASSWORD,
        "new": "12345678901",
        "source": 0,
    }
    stolen, unsigned = hidden(other.get("/people").text), hidden(desk.browser().get("/sign-in").text)
    for token in ("", "nonsense", "ü", stolen, unsigned):
        assert browser.client.post(address, data={**filled, "token": token}).status_code in (400, 403), token
    for origin in ("https://evil.example", "http://["):
        foreign = browser.client.post(address, data=filled, headers={"Origin": origin})
        assert (foreign.status_code, foreign.text) == (
            403,
            "This form came from another site; nothing was done.",
        )
    assert [each.name for each in users.people(desk.store)] == ["ann", "bob"]
    assert api_keys.keys(desk.store) == []


@pytest.mark.parametrize(
    ("role", "addresses"), [("rep", (*FORMS[1:6], "/upload/source")), ("ops", FORMS[1:6])]
)
def test_a_form_of_another_role_is_refused_by_address_though_its_token_is_right(desk, role, addresses):
    admin, browser = desk.browser("eve", "admin"), desk.browser("ann", role)
    key = make_key(desk.store, "CRM", "rep", at=NOW, by="eve").split("_")[1]
    filled = {"name": "eve", "role": "admin", "key_id": key, "source": 0}
    for address in addresses:
        made = hidden(browser.get("/queue").text)
        assert browser.client.post(address, data={**filled, "token": made}).status_code == 403, address
    assert {each.name: each.role for each in users.people(desk.store)} == {"ann": role, "eve": "admin"}
    assert [each.revoked_at for each in api_keys.keys(desk.store)] == [None]
    token = hidden(admin.get("/people").text)
    assert (
        admin.client.post("/people/keys/revoke", data={"key_id": key, "token": token}).status_code == 303
    )  # who may, can


def test_a_form_that_is_sent_twice_does_nothing_the_second_time(either_desk):
    browser = either_desk.browser("ann")
    form = {**browser.form_of("L1"), "kind": "accepted"}
    assert browser.client.post("/answers", data=form).status_code == 303
    again = browser.client.post("/answers", data=form)
    assert (again.status_code, "you took this lead a moment ago" in again.text.lower()) == (409, True)
    browser.get("/queue")  # which says once what was done
    assert (
        browser.form_of("L2")["token"] == form["token"] != either_desk.browser("bob").form_of("L2")["token"]
    )


def test_two_reps_at_once_one_takes_the_lead_and_the_other_reads_who(either_desk):
    ann, bob = either_desk.browser("ann"), either_desk.browser("bob")
    forms = [each.form_of("L1") for each in (ann, bob)]
    assert ann.client.post("/answers", data={**forms[0], "kind": "accepted"}).status_code == 303
    late = bob.client.post("/answers", data={**forms[1], "kind": "rejected", "reason": "no need"})
    assert (
        late.status_code,
        "Ann took this lead a moment ago; your answer was not recorded." in late.text,
    ) == (409, True)


NEW = "another long password"


@pytest.mark.parametrize("change", ["removed", "demoted"])
def test_who_is_removed_or_demoted_while_changing_the_password_stays_so(either_desk, change, monkeypatch):
    store, browser = either_desk.store, either_desk.browser("ann", "admin")
    inner = passwords.HASHER

    class Slow:
        """Hashes as ever, and lets an administrator be faster."""

        verify = staticmethod(inner.verify)

        @staticmethod
        def hash(password: str) -> str:
            monkeypatch.setattr(passwords, "HASHER", inner)
            if change == "removed":
                users.remove_person(store, "ann", at=NOW, by="eve")
            else:
                add_person(store, "ann", "rep", PASSWORD, at=NOW, by="eve")
            return inner.hash(password)

    form = {"token": hidden(browser.get("/password").text.split("</header>")[1]), "old": PASSWORD, "new": NEW}
    monkeypatch.setattr(passwords, "HASHER", Slow)
    assert browser.client.post("/password", data=form).status_code in (400, 403)
    after = {each.name: each.role for each in users.people(store)}
    assert after == ({} if change == "removed" else {"ann": "rep"})
    assert either_desk.browser().sign_in("ann", NEW).status_code == 401


def test_a_new_password_or_role_ends_the_sessions_and_the_keys_of_a_person_alone(either_desk):
    store, browser = either_desk.store, either_desk.browser("ann", "admin")
    keys = {who: make_key(store, "CRM", "admin", at=NOW, by=who) for who in ("ann", "bob")}
    form = {"token": hidden(browser.get("/password").text.split("</header>")[1]), "old": PASSWORD, "new": NEW}
    assert browser.client.post("/password", data=form).status_code == 303
    assert [each.role for each in users.people(store)] == ["admin"]
    assert browser.get("/queue").status_code == 303, "has to sign in again"
    assert with_key(store, keys["ann"]) is None
    assert with_key(store, keys["bob"]).role == "admin"
    assert either_desk.browser().sign_in("ann", NEW).status_code == 303

    key = make_key(store, "CRM", "admin", at=NOW, by="ann")
    add_person(store, "ann", "rep", PASSWORD, at=NOW, by="eve")
    assert with_key(store, key) is None


def test_who_guesses_passwords_has_to_wait_and_nobody_learns_who_exists(either_desk):
    add_person(either_desk.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    browser = either_desk.browser()
    wrong = [browser.sign_in(name, "wrong password") for name in ("ann", "nobody")]
    assert [each.status_code for each in wrong] == [401, 401]
    assert wrong[0].text == wrong[1].text
    for _ in range(4):
        browser.sign_in("ann", "wrong password")
    assert browser.sign_in("ann", PASSWORD).status_code == 429
    either_desk.later(minutes=16)
    assert browser.sign_in("ann", PASSWORD).status_code == 303


def test_who_forwards_addresses_that_nobody_trusts_guesses_no_longer(desk):
    browser = desk.browser()
    said = []
    for number in range(7):
        browser.client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        said.append(browser.sign_in("ann", "wrong password").status_code)
    assert said == [401] * 5 + [429] * 2


def test_a_session_ends_when_its_person_signs_out_is_removed_or_has_been_away_for_a_day(either_desk):
    browser = either_desk.browser("ann")
    cookie = browser.client.cookies["leadsieve"]
    browser.client.post(
        "/sign-out", data={"token": hidden(browser.get("/password").text.split("</header>")[0])}
    )
    browser.client.cookies.set("leadsieve", cookie)
    assert browser.get("/queue").status_code == 303  # the old cookie opens nothing

    browser = either_desk.browser("bob")
    users.remove_person(either_desk.store, "bob", at=NOW, by="a test")
    assert browser.get("/queue").status_code == 303
    browser = either_desk.browser("cleo")
    either_desk.later(hours=13)
    assert browser.get("/queue").status_code == 303


def test_a_cookie_is_signed_kept_from_scripts_and_of_no_use_to_who_reads_the_store(desk):
    browser = desk.browser()
    add_person(desk.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    said = browser.sign_in("ann", PASSWORD).headers.get_list("set-cookie")[0]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    value = browser.client.cookies["leadsieve"]
    kept = b"".join(file.read_bytes() for file in desk.home.glob("store.db*"))
    assert value.split(".")[0].strip('"').encode() not in kept
    assert PASSWORD.encode() not in kept
    browser.client.cookies.set("leadsieve", value[:-3] + "abc")
    assert browser.get("/queue").status_code == 303
    assert stat.S_IMODE((desk.home / "desk.secret").stat().st_mode) == 0o600


def test_every_answer_carries_the_policy_and_no_page_holds_inline_script_or_style(desk):
    browser = desk.browser("ann", "admin")
    for address in ("/sign-in", "/queue", "/leads/L1", "/held", "/people", "/audit", "/password", "/nowhere"):
        said = browser.get(address)
        assert said.headers["content-security-policy"].startswith(
            "default-src 'none'; object-src 'none'; script-src 'self';"
        )
        assert said.headers["x-frame-options"] == "DENY"
        assert said.headers["cache-control"] == "no-store"
        assert not [
            bad for bad in ("<script>", " style=", " onclick=", "<style", "javascript:") if bad in said.text
        ], address
    assert browser.get("/queue", headers={"Host": "evil.example"}).status_code == 400


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE answers; --",
    '=HYPERLINK("http://evil")',
    "{{ 7 * 7 }}",
    "%' OR 1=1 --",
    '"><img src=x>',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text_in_pages_and_disarmed_in_exports(tmp_path, store_url, text):
    cell = '"' + text.replace('"', '""') + '"'
    row = f"L1,2026-03-01 10:00,A1,{cell},{cell},{cell},a@b.example,,{cell},{cell},{cell}"
    desk = make_desk(
        tmp_path,
        leads="\n".join([LEADS.splitlines()[0], row, *LEADS.splitlines()[2:]]) + "\n",
        store=store_url,
    )
    browser = desk.browser("ann", "admin")
    browser.answer("L2", "rejected", reason="other", words=text)
    browser.client.post(
        "/people/keys", data={"token": _token(browser, "/people/keys"), "name": text, "role": "rep"}
    )
    browser.client.post("/people", data={"token": _token(browser, "/people"), "name": text, "role": "rep"})
    desk.browser().sign_in(text, text)
    assert text[:5] in " ".join(each.name for each in api_keys.keys(desk.store))
    pages = [
        browser.get(address).text for address in ("/queue", "/leads/L1", "/leads/L2", "/audit", "/people")
    ]
    pages.append(
        browser.get(
            "/queue",
            params={"q": text, "channel": text, "owner": text, "list": text, "least": text, "days": text},
        ).text
    )
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
    table = browser.get("/export.csv").text
    assert not [
        line for line in table.splitlines() if line.startswith(("=", '"=')) or ',"=' in line or ",=" in line
    ]
    assert browser.get("/queue").status_code == 200  # and all tables are still there


def test_characters_that_no_database_takes_are_no_bug(either_desk):
    browser, odd = either_desk.browser("ann", "admin"), "a\x00b"
    for address in ("/queue", "/held", "/audit", "/export.csv", "/sign-in"):
        names = ("q", "channel", "country", "owner", "grade", "list", "what", "next")
        assert browser.get(address, params=dict.fromkeys(names, odd)).status_code in (200, 303, 400), address
    assert browser.get("/leads/a%00b").status_code in (400, 404)
    assert browser.answer("L1", "rejected", reason="other", words=odd).status_code in (303, 400)
    assert either_desk.browser().sign_in(odd, odd).status_code in (400, 401)
    for action in ("/people", "/people/keys"):
        sent = {"token": _token(browser, action), "name": odd, "role": "rep"}
        assert browser.client.post(action, data=sent).status_code == 400, action
    key = {"Authorization": f"Bearer {make_key(either_desk.store, 'CRM', 'ops', at=NOW, by='ann')}"}
    said = [browser.get("/api/decisions", params={"owner": owner}, headers=key) for owner in ("south", odd)]
    assert [len(each.json().get("decisions", [])) for each in said] == [3, 0]
    assert said[1].status_code in (200, 422)
    assert browser.get("/api/decisions", headers={"Authorization": "Bearer ls_%00_x"}).status_code == 401


def test_a_key_is_shown_once_opens_until_it_is_revoked_and_the_store_cannot_open_with_it(either_desk):
    browser = either_desk.browser("ann", "admin")
    page = browser.client.post(
        "/people/keys", data={"token": _token(browser, "/people/keys"), "name": "CRM", "role": "rep"}
    ).text
    key = page[page.index("ls_") :].partition("<")[0]
    assert key not in browser.get("/people").text
    assert with_key(either_desk.store, key).role == "rep"
    assert with_key(either_desk.store, key + "x") is None
    assert with_key(either_desk.store, key[:12]) is None
    (listed,) = api_keys.keys(either_desk.store)
    revoke_key(either_desk.store, listed.key_id, at=NOW, by="a test")
    assert with_key(either_desk.store, key) is None


def _token(browser, action: str, page: str = "/people") -> str:
    text = browser.get(page).text
    form = text[text.index(f'action="{action}"') :]
    return hidden(form[: form.index("</form>")])


def test_the_audit_log_has_every_answer_override_export_login_key_and_person(either_desk):
    browser = either_desk.browser("ann", "admin")
    browser.answer("L1", "rejected", reason="no budget")
    browser.answer("L5", "released", page="/held")
    browser.get("/export.csv?grade=B")
    make_key(either_desk.store, "CRM", "rep", at=NOW, by="ann")
    page = browser.get("/audit").text
    for words in (
        "turned down: no budget",
        "override",
        "pulled out",
        "1 lead of &#39;open&#39;",
        "signed in",
        "made key",
        "added ann as admin",
    ):
        assert words in page, words


@pytest.mark.slow
def test_arms_are_on_no_page_and_in_no_export_for_a_rep(desk):
    browser = desk.browser("ann")
    shown = [
        browser.get(address).text
        for address in ("/queue", "/held", "/leads/L4", "/leads/L1", "/leads/L5", "/export.csv")
    ]
    telling = ("pass-through", "pass_through", "forced", "propensity", "policy", " arm ")
    assert not [word for word in telling for page in shown if word in page]
    # The rank of a held lead would tell as well.
    assert [" of its run" in browser.get(f"/leads/{lead_id}").text for lead_id in ("L1", "L5")] == [
        True,
        False,
    ]
    held = browser.get("/held").text
    assert (
        "1.0 %" not in held
    )  # beside the chances of held leads, those of the queue that passed by lot would show
    assert "1.0 %" in desk.browser("opal", "ops").get("/held").text


def test_a_proxy_is_believed_only_where_it_was_named(tmp_path):
    header = {"X-User": "ann"}
    plain = make_desk(tmp_path / "plain")
    add_person(plain.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    assert plain.browser().get("/queue", headers=header).status_code == 303
    behind = make_desk(
        tmp_path / "behind", more='[desk]\nidentity_header = "X-User"\nproxies = ["testclient"]\n'
    )
    add_person(behind.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    assert behind.browser().get("/queue", headers=header).status_code == 200
    assert behind.browser().get("/queue", headers={"X-User": "nobody"}).status_code == 303
    forwarded = {**header, "X-Forwarded-For": "203.0.113.5"}  # what any proxy adds
    assert behind.browser().get("/queue", headers=forwarded).status_code == 200
    elsewhere = make_desk(
        tmp_path / "elsewhere", more='[desk]\nidentity_header = "X-User"\nproxies = ["203.0.113.5"]\n'
    )
    add_person(elsewhere.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    assert elsewhere.browser().get("/queue", headers=forwarded).status_code == 303
    with pytest.raises(UsageError, match="identity_header needs proxies"):
        make_desk(tmp_path / "nobody", more='[desk]\nidentity_header = "X-User"\n')


def test_behind_tls_cookies_are_of_this_host_alone_and_pages_of_tls_alone(tmp_path):
    desk = make_desk(tmp_path, more='[desk]\nproxies = ["testclient"]\n')
    add_person(desk.store, "ann", "rep", PASSWORD, at=NOW, by="a test")
    browser = desk.browser()
    browser.client.base_url = "https://testserver"
    browser.client.headers["X-Forwarded-Proto"] = "https"
    for name in ("__Host-leadsieve_before", "__Host-leadsieve"):
        said = browser.get("/sign-in") if name.endswith("before") else browser.sign_in("ann", PASSWORD)
        kept = next(each for each in said.headers.get_list("set-cookie") if each.startswith(f"{name}="))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(kept.split("; "))
        assert said.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert browser.get("/queue").status_code == 200
    gone = browser.client.post("/sign-out", data={"token": hidden(browser.get("/queue").text)})
    assert gone.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.get("/queue").status_code == 303


@pytest.mark.slow
def test_who_signs_in_again_has_a_new_session_and_the_old_one_ends(desk):
    browser = desk.browser("ann")
    token, old = hidden(browser.get("/password").text), browser.client.cookies["leadsieve"]
    sent = {"name": "ann", "password": PASSWORD, "token": token}
    assert browser.client.post("/sign-in", data=sent).status_code == 303
    assert browser.client.cookies["leadsieve"] != old
    assert browser.get("/queue").status_code == 200
    browser.client.cookies.set("leadsieve", old)
    browser.client.cookies = {"leadsieve": old}
    assert browser.get("/queue").status_code == 303


def test_sessions_of_a_person_are_ended_from_the_terminal(desk):
    ann, bob = desk.browser("ann"), desk.browser("bob")
    elsewhere = desk.browser()
    elsewhere.sign_in("ann", PASSWORD)
    said = leadsieve("user", "sign-out", "ann", "--json", home=desk.home)
    assert said.json["name"] == "ann"
    assert [browser.get("/queue").status_code for browser in (ann, elsewhere, bob)] == [303, 303, 200]
    assert desk.browser().sign_in("ann", PASSWORD).status_code == 303, "may sign in again"
    assert leadsieve("user", "sign-out", "nobody", home=desk.home).code == 2


def test_people_and_keys_from_the_command_line(desk):
    added = leadsieve("user", "add", "ann", "--role", "ops", "--json", home=desk.home).json
    assert desk.browser().sign_in("ann", added["password"]).status_code == 303
    assert leadsieve("user", "list", "--json", home=desk.home).json == {
        "people": [{"name": "ann", "role": "ops", "team": None}]
    }
    key = leadsieve("key", "make", "CRM", "--json", home=desk.home).json["key"]
    assert with_key(desk.store, key).name.startswith("CRM")
    assert leadsieve("key", "revoke", key.split("_")[1], home=desk.home).code == 0
    assert with_key(desk.store, key) is None
    assert "revoked" in leadsieve("key", "list", home=desk.home).out
    assert leadsieve("user", "remove", "ann", home=desk.home).code == 0
    assert leadsieve("user", "remove", "ann", home=desk.home).code == 2


def test_new_decisions_and_leads_that_were_put_off_come_onto_the_list_by_themselves(desk):
    browser = desk.browser("ann")
    browser.answer("L1", "snoozed", days="1")
    assert "Ann Smith" not in browser.get("/queue").text.split("<article", 1)[1]
    desk.store.record(decided([("X9", "X9", 0.4, 5000.0, "A", "hand off", "policy")]))
    desk.later(days=1)
    browser = desk.browser("bob")
    assert "Lead X9" in browser.get("/queue").text
    assert browser.get("/queue").text.index("Lead X9") < browser.get("/queue").text.index("Ann Smith")
    assert desk.now - NOW == timedelta(days=1)

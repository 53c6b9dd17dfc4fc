"""Coming in through the company: who is let in, as what, and every forgery that is not."""

import json
import time
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk

from features.errors import UsageError
from pipelines.cli.main import main
from pipelines.settings import load_settings
from pipelines.store.access.api_keys import make_key, with_key
from pipelines.store.access.audit import entries
from pipelines.store.access.users import add_person, people, remove_person
from pipelines.version_files import settings_told
from tests.desks import PASSWORD, hidden, make_desk
from tests.openid_provider import KEY, form_address, provider, signed, unsigned

ROLES = 'rep = ["sales"]\nmanager = ["sales leads"]\nadmin = ["it"]'


@pytest.fixture(scope="module")
def one():
    with provider() as running:
        yield running


@pytest.fixture
def company(one):
    one.watched.forge, one.watched.described = None, {}
    one.watched.asked.clear()
    return one


def desk_with(company, folder, *, store=None, **more):
    """A desk of now, whose people the company signs in."""
    made = make_desk(folder, store=store, more=company.settings(**{"label": '"Acme"', **more}))
    made.now = datetime.now(UTC).replace(tzinfo=None)
    return made


@pytest.fixture
def desk(company, tmp_path):
    return desk_with(company, tmp_path, role='"groups"', roles=ROLES, team='"department"', create="true")


def set_out(browser, next="/queue") -> str:
    """Where the button leads."""
    page = browser.get("/sign-in", params={"next": next})
    answer = browser.get(form_address(page.text))
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def come_back(browser, address: str):
    """The way back that the provider leads to."""
    assert address.startswith("http://testserver/sign-in/company/back?")
    return browser.get(address.removeprefix("http://testserver"))


def come_in(browser, company, subject: str, next="/queue"):
    return come_back(browser, company.signs_in(set_out(browser, next), subject))


def refusals(desk) -> list[str]:
    """What the audit log says of those who did not come in."""
    found = entries(desk.store, what="refused")[0] + entries(desk.store, what="sign-in refused")[0]
    return [entry.words for entry in found]


def said(answer) -> str:
    """The sentence in which somebody is refused."""
    assert answer.status_code in (403, 503), answer.text
    sentence = unescape(answer.text.partition('role="alert">')[2].partition("<")[0])
    return sentence[:1].lower() + sentence[1:]


def roles_at(desk) -> dict[str, str]:
    return {each.name: each.role for each in people(desk.store)}


def test_who_is_signed_in_by_the_company_comes_to_the_page_that_was_asked_for(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales", "football"], department="North")
    browser = desk.browser()
    sent = browser.get("/held").headers["Location"]
    answer = browser.get(form_address(browser.get(sent).text))
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == ["http://testserver/sign-in/company/back"]
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    assert asked["scope"] == ["openid profile email"]
    back = come_back(browser, company.signs_in(answer.headers["Location"], "u1"))
    assert (back.status_code, back.headers["Location"]) == (303, "/held")
    assert "leadsieve_way" not in browser.client.cookies
    assert browser.get("/held").status_code == 200
    assert [(each.name, each.role, each.team, each.by_company) for each in people(desk.store)] == [
        ("ann", "rep", "North", True)
    ]
    assert [entry.what for entry in entries(desk.store)[0]] == ["signed in", "person"]
    assert "Acme signs you in" in browser.get("/password").text


def test_a_desk_starts_and_lets_passwords_in_while_the_provider_is_down_and_says_so_of_the_provider(
    company, tmp_path
):
    desk = desk_with(company, tmp_path, issuer='"http://127.0.0.1:9"')
    browser = desk.browser("ann")
    assert browser.get("/queue").status_code == 200
    answer = desk.browser().get("/sign-in/company")
    assert answer.status_code == 503
    assert "Acme&#39;s sign-in cannot be asked (nothing answers there); nobody was signed in." in answer.text
    assert "Traceback" not in answer.text


def test_a_provider_that_goes_away_between_is_a_sentence(desk, company):
    browser = desk.browser()
    address = company.signs_in(set_out(browser), "u1")
    company.watched.described = {"token_endpoint": "http://127.0.0.1:9/token"}
    desk.later(minutes=9)
    browser.client.app.state.desk.provider._description = None
    answer = come_back(browser, address)
    assert (answer.status_code, "cannot be asked" in answer.text) == (503, True)


def test_a_provider_that_calls_itself_something_else_is_not_believed(desk, company):
    company.watched.described = {"issuer": "https://elsewhere.example"}
    answer = desk.browser().get("/sign-in/company")
    assert answer.status_code == 400
    assert "calls itself https://elsewhere.example" in answer.text


def test_a_way_back_of_another_browser_or_without_a_way_out_opens_nothing(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    mine, other = desk.browser(), desk.browser()
    address = company.signs_in(set_out(other), "u1")  # whoever sends me this link wants me in as u1
    assert "has set out on no such way" in said(come_back(mine, address))
    set_out(mine)
    assert "belongs to another sign-in" in said(come_back(mine, address))
    assert people(desk.store) == []
    assert len(refusals(desk)) == 2


def test_a_code_opens_the_desk_once(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    browser = desk.browser()
    address = company.signs_in(set_out(browser), "u1")
    way = browser.client.cookies["leadsieve_way"]
    assert come_back(browser, address).status_code == 303
    thief = desk.browser()
    thief.client.cookies.set("leadsieve_way", way)
    assert "the provider said 'invalid_grant' to the code" in said(come_back(thief, address))
    assert thief.get("/queue").status_code == 303


def test_a_code_that_somebody_else_was_given_is_of_no_use_without_the_proof(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    victim, thief = desk.browser(), desk.browser()
    stolen = parse_qs(urlsplit(company.signs_in(set_out(victim), "u1")).query)["code"][0]
    own = parse_qs(urlsplit(set_out(thief)).query)["state"][0]
    answer = thief.get("/sign-in/company/back", params={"code": stolen, "state": own})
    assert "invalid_grant" in said(answer)


def test_a_way_that_took_too_long_or_was_changed_is_none(desk, company):
    browser = desk.browser()
    address = company.signs_in(set_out(browser), "u1")
    desk.later(minutes=11)
    assert "longer than ten minutes" in said(come_back(browser, address))
    browser.client.cookies.set(
        "leadsieve_way", "eyJzdGF0ZSI6IngifQ.forged", domain="testserver.local", path="/"
    )
    assert "has set out on no such way" in said(come_back(browser, address))


def public_as_secret(claims):
    """Signed with the provider's public key, as if that were a secret of both."""
    text = json.dumps(KEY.as_dict(private=False))
    return signed(claims, alg="HS256", key=jwk.OctKey.import_key(text.encode().ljust(64)))


FORGERIES = {
    "of another nonce": lambda claims: signed(claims | {"nonce": "another"}),
    "without a nonce": lambda claims: signed({key: claims[key] for key in claims if key != "nonce"}),
    "for another audience": lambda claims: signed(claims | {"aud": "another desk"}),
    "for another audience, and said to be asked for by this desk": lambda claims: signed(
        claims | {"aud": "another desk", "azp": "leadsieve"}
    ),
    "without an audience": lambda claims: signed({key: claims[key] for key in claims if key != "aud"}),
    "of another issuer": lambda claims: signed(claims | {"iss": "https://elsewhere.example"}),
    "that has run out": lambda claims: signed(claims | {"exp": int(time.time()) - 3600}),
    "of tomorrow": lambda claims: signed(claims | {"iat": int(time.time()) + 86400}),
    "that nobody signed": unsigned,
    "signed with what is public": public_as_secret,
    "signed by somebody else": lambda claims: signed(claims, key=jwk.RSAKey.generate_key(2048)),
    "of no sense": lambda claims: "x.y.z",
    "without a subject": lambda claims: signed({key: claims[key] for key in claims if key != "sub"}),
}


def test_no_token_opens_the_desk_that_is_forged_or_for_somebody_else(desk, company):
    company.knows("u1", preferred_username="ann", groups=["it"])
    browser = desk.browser()
    for what, forge in FORGERIES.items():
        company.watched.forge = forge
        assert "ID token is not good" in said(come_in(browser, company, "u1")), f"a token {what}"
        assert browser.get("/queue").status_code == 303, f"a token {what}"
    assert people(desk.store) == []
    noted = [words for words in refusals(desk) if "the provider's ID token is not good" in words]
    assert len(noted) == len(FORGERIES)
    company.watched.forge = signed  # the same in good order opens it: nothing else was wrong
    assert come_in(browser, company, "u1").status_code == 303


def test_no_algorithm_is_taken_because_the_provider_says_it_takes_it(desk, company):
    company.knows("u1", preferred_username="ann", groups=["it"])
    for forge, name in ((unsigned, "none"), (public_as_secret, "HS256")):
        company.watched.forge, company.watched.described = (
            forge,
            {"id_token_signing_alg_values_supported": [name]},
        )
        assert "ID token is not good" in said(come_in(desk.browser(), company, "u1"))


def test_after_coming_in_nobody_is_sent_to_another_site(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    for next in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ):
        browser = desk.browser()
        address = browser.get("/sign-in/company", params={"next": next}).headers["Location"]
        assert come_back(browser, company.signs_in(address, "u1")).headers["Location"] == "/queue", next


def test_what_the_provider_refuses_is_told_in_a_sentence_and_as_text(desk, company):
    browser = desk.browser()
    state = parse_qs(urlsplit(set_out(browser)).query)["state"][0]
    told = {"error": "<script>alert(1)</script>", "state": state}
    answer = browser.get("/sign-in/company/back", params=told)
    assert answer.status_code == 403
    assert "the provider said &#39;&lt;script&gt;alert(1)&lt;/script&gt;&#39;" in answer.text


def test_an_answer_that_says_it_is_of_another_provider_is_none(desk, company):
    browser = desk.browser()
    address = company.signs_in(set_out(browser), "u1")
    assert "another provider sent this" in said(
        come_back(browser, f"{address}&iss=https://elsewhere.example")
    )


def test_roles_are_read_anew_at_each_sign_in_and_with_another_one_sessions_and_keys_end(
    company, tmp_path, store_url
):
    desk = desk_with(company, tmp_path, store=store_url, role='"groups"', roles=ROLES, create="true")
    company.knows("u1", preferred_username="ann", groups=["it", "sales"])
    browser, second = desk.browser(), desk.browser()
    come_in(browser, company, "u1")
    come_in(second, company, "u1")
    assert (roles_at(desk), browser.get("/people").status_code) == ({"ann": "admin"}, 200)
    key = make_key(desk.store, "crm", "admin", at=desk.now, by="ann")
    company.knows("u1", preferred_username="ann", groups=["sales"])
    third = desk.browser()
    assert come_in(third, company, "u1").status_code == 303
    assert (roles_at(desk), third.get("/people").status_code) == ({"ann": "rep"}, 403)
    assert [each.get("/queue").status_code for each in (browser, second)] == [303, 303]
    assert with_key(desk.store, key) is None


def test_whom_the_company_gives_no_role_any_more_is_out(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    browser = desk.browser()
    come_in(browser, company, "u1")
    company.knows("u1", preferred_username="ann", groups=["football"])
    assert "gives ann no role at this desk" in said(come_in(desk.browser(), company, "u1"))
    assert browser.get("/queue").status_code == 303
    assert any("gives ann no role" in words for words in refusals(desk))


def test_whom_an_administrator_removed_is_not_added_anew_until_an_administrator_does(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    browser = desk.browser()
    come_in(browser, company, "u1")
    remove_person(desk.store, "ann", at=desk.now, by="a test")
    assert browser.get("/queue").status_code == 303
    assert "an administrator of this desk has removed you" in said(come_in(browser, company, "u1"))
    company.knows("u1", preferred_username="ann the second", groups=["sales"])
    assert "has removed you" in said(come_in(browser, company, "u1"))
    company.knows("u1", preferred_username="ann", groups=["sales"])
    add_person(desk.store, "ann", "rep", None, at=desk.now, by="a test")
    assert come_in(browser, company, "u1").status_code == 303


def test_a_name_with_a_password_is_not_taken_over_by_whom_the_company_calls_so(desk, company):
    add_person(desk.store, "root", "admin", PASSWORD, at=desk.now, by="a test")
    company.knows("u9", preferred_username="root", groups=["sales"])
    assert "the name root is opened by a password" in said(come_in(desk.browser(), company, "u9"))
    assert roles_at(desk) == {"root": "admin"}
    assert desk.browser().sign_in("root", PASSWORD).status_code == 303


def test_a_name_is_of_whom_the_company_meant_first_whatever_others_are_called_later(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    come_in(desk.browser(), company, "u1")
    company.knows("u2", preferred_username="ann", groups=["it"])
    assert "somebody else of your company is ann" in said(come_in(desk.browser(), company, "u2"))
    company.knows("u1", preferred_username="ann smith", groups=["sales"])  # she has married
    assert come_in(desk.browser(), company, "u1").status_code == 303
    assert roles_at(desk) == {"ann": "rep"}


def test_without_leave_to_add_people_those_alone_come_in_who_were_added(company, tmp_path):
    desk = desk_with(company, tmp_path)
    company.knows("u1", preferred_username="ann")
    assert "nobody called ann may work here" in said(come_in(desk.browser(), company, "u1"))
    add_person(desk.store, "ann", "ops", None, at=desk.now, by="a test")
    assert come_in(desk.browser(), company, "u1").status_code == 303
    assert roles_at(desk) == {"ann": "ops"}


def test_a_manager_without_a_team_is_told_so(company, tmp_path):
    desk = desk_with(company, tmp_path, role='"groups"', roles=ROLES, team='"department"', create="true")
    company.knows("u3", preferred_username="mia", groups=["sales leads"])
    assert "a manager needs a team" in said(come_in(desk.browser(), company, "u3")).lower()
    company.knows("u3", preferred_username="mia", groups=["sales leads"], department="North")
    assert come_in(desk.browser(), company, "u3").status_code == 303


def test_what_the_token_leaves_out_is_asked_for_of_the_same_person(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    company.watched.forge = lambda claims: signed({key: claims[key] for key in claims if key != "groups"})
    assert come_in(desk.browser(), company, "u1").status_code == 303
    assert company.watched.asked[-1] == "/userinfo"
    company.watched.forge = lambda claims: signed(
        {key: claims[key] for key in claims if key != "groups"} | {"sub": "u2"}
    )
    assert "tells of two people at once" in said(come_in(desk.browser(), company, "u1"))


def test_an_address_that_the_provider_has_not_verified_is_nobodys_name(company, tmp_path):
    desk = desk_with(company, tmp_path, name='"email"', role='"groups"', roles=ROLES, create="true")
    company.knows("u1", email="ann@acme.example", email_verified=False, groups=["sales"])
    assert "has not verified" in said(come_in(desk.browser(), company, "u1"))
    company.knows("u1", email="ann@acme.example", email_verified=True, groups=["sales"])
    assert come_in(desk.browser(), company, "u1").status_code == 303


def test_where_passwords_are_off_none_opens_the_desk_and_its_people_come_through_the_company(
    company, tmp_path
):
    desk = desk_with(company, tmp_path, passwords="false")
    add_person(desk.store, "ann", "admin", PASSWORD, at=desk.now, by="a test")
    browser = desk.browser()
    page = browser.get("/sign-in").text
    assert 'type="password"' not in page
    form = {"name": "ann", "password": PASSWORD, "token": hidden(page + '<input name="token" value="">')}
    answer = browser.client.post("/sign-in", data=form)
    assert answer.status_code in (400, 403)
    company.knows("u1", preferred_username="ann")
    assert come_in(browser, company, "u1").status_code == 303
    told = browser.client.post(
        "/people", data={"token": hidden(browser.get("/people").text), "name": "bob", "role": "rep"}
    )
    assert told.status_code == 303
    assert [each.name for each in people(desk.store) if each.by_company] == ["ann", "bob"]
    answer = browser.client.post(
        "/password",
        data={"token": hidden(browser.get("/people").text), "old": PASSWORD, "new": f"{PASSWORD} new"},
    )
    assert (answer.status_code, "no password does" in answer.text) == (400, True)


def test_sessions_of_the_company_end_as_others_do_and_the_provider_has_a_way_out_of_its_own(desk, company):
    company.knows("u1", preferred_username="ann", groups=["sales"])
    browser = desk.browser()
    come_in(browser, company, "u1")
    token = hidden(browser.get("/queue").text)
    kept = dict(browser.client.cookies)
    assert browser.client.post("/sign-out", data={"token": token}).headers["Location"] == "/sign-in"
    browser.client.cookies.update(kept)
    assert browser.get("/queue").status_code == 303
    end = browser.get("/sign-in/company/end").headers["Location"]
    assert end == f"{company.issuer}/oauth2/end_session?client_id=leadsieve"
    come_in(browser, company, "u1")
    desk.later(hours=8, minutes=1)
    assert browser.get("/queue").status_code == 303


def test_who_tries_ways_back_in_masses_waits(desk, company):
    browser = desk.browser()
    answers = [browser.get("/sign-in/company/back").status_code for _ in range(35)]
    assert (answers[:30], answers[30:]) == ([403] * 30, [429] * 5)
    assert company.watched.asked == []


def test_somebody_is_added_in_the_terminal_without_a_password(company, tmp_path, capsys):
    desk = desk_with(company, tmp_path)
    words = ["user", "add", "ann", "--role", "ops", "--no-password", "--json", "--home", str(desk.home)]
    assert main([*words, "--config", str(tmp_path / "crm.toml")]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "ann",
        "role": "ops",
        "team": None,
        "password": None,
    }
    company.knows("u1", preferred_username="ann")
    assert come_in(desk.browser(), company, "u1").status_code == 303
    assert main(words) == 2  # of a configuration without a company
    assert "--no-password needs a company's sign-in" in capsys.readouterr().err


def test_a_desk_without_a_company_says_so(tmp_path):
    answer = make_desk(tmp_path).browser().get("/sign-in/company")
    assert (answer.status_code, "knows no sign-in of a company" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"issuer": '"http://login.example"'}, "desk.oidc.issuer: an issuer is an https:// address"),
        ({"create": "true"}, "desk.oidc: create needs role and roles"),
        ({"role": '"groups"'}, "desk.oidc: role and roles need each other"),
        ({"roles": 'boss = ["x"]', "role": '"groups"'}, "desk.oidc.roles.boss"),
        ({"client_secret": '"${NOT_SET}"'}, "desk.oidc.client_secret needs the environment variable NOT_SET"),
        ({"clientid": '"x"'}, "desk.oidc.clientid: no such key; did you mean 'client_id'?"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused_by_its_key(keys, sentence, company, tmp_path):
    (tmp_path / "c.toml").write_text(company.settings(**keys))
    with pytest.raises(UsageError) as refused:
        load_settings(tmp_path / "c.toml", environ={})
    assert sentence in str(refused.value)


def test_the_secret_comes_from_the_environment_and_stands_in_no_text(company, tmp_path):
    (tmp_path / "c.toml").write_text(company.settings(client_secret='"${OIDC_SECRET}"'))
    settings = load_settings(tmp_path / "c.toml", environ={"OIDC_SECRET": "s3cret of both"})
    assert settings.desk.oidc.client_secret == "s3cret of both"
    assert "s3cret" not in f"{settings!r} {settings.model_dump_json()} {settings_told(settings)}"


def test_what_cookies_are_signed_with_is_registered_with_no_version(tmp_path):
    secret = "a secret that only this desk has, of 40 characters"
    settings = load_settings(None, {"desk": {"secret": secret}}, environ={})
    assert settings.desk.secret == secret
    assert secret not in f"{settings!r} {settings.model_dump_json()} {settings_told(settings)}"

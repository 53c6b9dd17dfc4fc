"""Leads that a program hands in are decided at once: as a scoring run decides, once, and on the desk when the
answer comes.
"""

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.errors import UsageError
from models.policy.arms import PASS_THROUGH
from models.policy.economics import Economics
from pipelines.sources.snapshots import pull
from pipelines.store import arrivals, requests, worklist
from pipelines.store.access.audit import entries
from pipelines.store.access.users import add_person
from pipelines.store.database import Store
from pipelines.store.erasure import forget
from pipelines.store.requests import RequestKey
from tests.apis import Api, as_sent, running_api
from tests.commands import leadsieve
from tests.desks import DECISIONS as LOGGED
from tests.desks import PASSWORD, Browser, make_desk
from tests.desks import decided as as_logged

NOW = datetime(2024, 11, 15, 12, 30)
KEY = "Idempotency-Key"
COMPARED = ("action", "arm", "grade", "cut_by", "owner", "channel", "policy", "version", "account_id")


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory) -> Path:
    """A home in which a scoring run has decided every lead of the source."""
    home = Path(shutil.copytree(world / "home", tmp_path_factory.mktemp("run") / "home"))
    scored = leadsieve(
        "score", "--all", "--config", world / "quick.toml", "--as-of", NOW.isoformat(), "--json", home=home
    )
    assert scored.code == 0, scored.err
    return home


@pytest.fixture(scope="module")
def api(world: Path, tmp_path_factory):
    """A home in which nobody has been decided."""
    home = Path(shutil.copytree(world / "home", tmp_path_factory.mktemp("deciding") / "home"))
    with running_api(home, world / "quick.toml", now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def leads(world: Path) -> list[dict]:
    return [lead for lead in as_sent(world / "home") if lead["created_at"] < NOW.isoformat()]


def store_of(api: Api):
    return api.client.app.state.desk.store


def decide(api: Api, leads: list[dict], *, key: str | None = None, **options):
    headers = {} if key is None else {KEY: key}
    return api.ask("POST", "/decisions", json={"leads": leads}, headers=headers, **options)


def decided(api: Api, leads: list[dict], **options) -> list[dict]:
    answer = decide(api, leads, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["decisions"]


def new(lead: dict, lead_id: str, **more) -> dict:
    """A lead as another one, which the source does not have."""
    return {**lead, "lead_id": lead_id, "account_id": lead_id, **more}


def test_leads_are_decided_as_a_scoring_run_decides_them(api, leads, run, world):
    found = pd.DataFrame(
        [each for start in range(0, 2000, 1000) for each in decided(api, leads[start : start + 1000])]
    )
    with running_api(run, world / "quick.toml", now=NOW) as other:
        logged = store_of(other).decisions().set_index("lead_id").loc[found["lead_id"]].reset_index()
    assert set(found["arm"]) >= {"policy", "pass-through"}
    assert set(found["action"]) == {"hand off", "hold"}
    for column in COMPARED:
        assert (
            found[column].tolist()
            == logged[column].astype(object).where(logged[column].notna(), None).tolist()
        )
    for column in ("score", "p_pursue", "p_convert", "low", "high", "value", "propensity", "cut"):
        assert found[column].to_numpy(float) == pytest.approx(
            logged[column].to_numpy(float), rel=1e-9, nan_ok=True
        ), column
    assert found["reasons"].tolist() == logged["reasons"].tolist()
    assert not found["decided_before"].any()
    noted = entries(store_of(api), what="decision")[0]
    assert [each.words for each in noted] == ["decided 1,000 leads"] * 2
    assert "ops's program" in noted[0].who


def test_whoever_was_decided_keeps_the_first_decision_and_is_flagged(api, leads):
    lead = new(leads[0], "twice")
    first = decided(api, [lead])[0]
    busy = [{"kind": "form", "occurred_at": "2024-11-15T12:10:00Z"}] * 5
    again, other = decided(api, [{**lead, "events": busy}, new(leads[0], "another")])
    assert (first["decided_before"], again["decided_before"], other["decided_before"]) == (False, True, False)
    assert again == first | {"decided_before": True}


def test_the_same_key_gives_the_same_answer_and_another_request_under_it_is_refused(api, leads):
    sent = [new(leads[1], "keyed"), new(leads[2], "keyed too")]
    decided(api, sent[1:])
    first = decide(api, sent, key="a")
    assert [each["decided_before"] for each in first.json()["decisions"]] == [False, True]
    assert decide(api, sent, key="a").json() == first.json()
    assert [each["decided_before"] for each in decided(api, sent, key="b")] == [True, True]
    assert [each["decided_before"] for each in decided(api, sent, key="b")] == [True, True]
    refused = decide(api, sent[:1], key="a")
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("This Idempotency-Key was given to another request")
    assert decided(api, [new(leads[1], "of somebody else")], key="a", role="admin"), (
        "keys are each program's own"
    )


def test_a_scoring_run_leaves_alone_whom_a_program_had_decided_and_the_other_way_round(
    run, world, leads, tmp_path
):
    home = Path(shutil.copytree(run, tmp_path / "home"))
    with running_api(home, world / "quick.toml", now=NOW) as api:
        store = store_of(api)
        before = store.decisions(lead_ids=[leads[0]["lead_id"]]).iloc[0]
        told = decided(api, [leads[0], new(leads[1], "only here")])
        assert [each["decided_before"] for each in told] == [True, False]
        assert (told[0]["batch"], told[0]["arm"]) == (before["batch"], before["arm"])
        later = leadsieve(
            "score",
            "--all",
            "--config",
            world / "quick.toml",
            "--as-of",
            NOW.isoformat(),
            "--json",
            home=home,
        )
        assert later.json["scored"] == 0
        assert len(store.decisions(lead_ids=["only here", leads[0]["lead_id"]])) == 2


def test_a_lead_is_on_the_desk_when_the_answer_comes_though_no_snapshot_knows_it(api, leads):
    event = {"kind": "webinar", "occurred_at": "2024-11-15T12:00:00Z", "channel": "event"}
    arms = api.champions.live.champion.policy.arms
    account = next(name for name in map(str, range(1000)) if arms.draw([name])[0] == PASS_THROUGH)
    sent = new(leads[3], "just came", account_id=account, events=[event])
    sent["attributes"] = {
        **sent["attributes"],
        "email": "nora.newman@fresh.example",
        "job_title": "Head of News",
    }
    answer = decided(api, [sent])[0]
    row = worklist.listed(store_of(api), "just came")
    assert (row.name, "Head of News" in row.about) == ("Nora Newman", True)
    assert (row.state, row.grade, row.score) == ("open", answer["grade"], answer["score"])
    add_person(store_of(api), "ann", "rep", PASSWORD, at=NOW, by="a test")
    browser = Browser(api.client)
    browser.sign_in("ann", PASSWORD)
    queue = browser.get("/queue", params={"q": "nora"}).text
    assert "Nora Newman" in queue
    assert "Webinar" in queue, "what happened last stands on its row"
    page = browser.get("/leads/just came").text
    assert all(words in page for words in ("Nora Newman", "Head of News", "Webinar"))
    told = worklist.reasons(store_of(api), ["just came"])["just came"]
    assert [each.words for each in told] == answer["reasons"] != []


def test_what_cannot_be_decided_is_refused_in_a_sentence(api, leads):
    wrong = decide(api, [{"lead_id": "1", "attributes": {"employee": 3}}])
    assert wrong.json()["detail"] == "one value cannot be used; no lead was decided."
    assert "did you mean 'employees'" in wrong.json()["errors"][0]["detail"]
    many = decide(api, [{"lead_id": str(number)} for number in range(1001)])
    assert (many.status_code, many.json()["errors"][0]["pointer"]) == (422, "/leads")
    assert "1000" in many.json()["errors"][0]["detail"]
    assert decide(api, leads[:1], role="rep").status_code == 403
    assert decide(api, leads[:1], key="k" * 201).json()["errors"][0]["pointer"] == "idempotency-key"
    live, api.champions.live = api.champions.live, None
    try:
        none = decide(api, leads[:1])
    finally:
        api.champions.live = live
    assert (none.status_code, none.headers["Retry-After"]) == (503, "10")
    assert not store_of(api).decided(["1"])


def test_whoever_was_forgotten_is_not_decided_and_nothing_is_kept(api, leads):
    desk = api.client.app.state.desk
    decided(api, [new(leads[4], "goes")])
    forget(desk.store, desk.home, "goes", at=NOW, by="a test")
    assert not desk.dossiers.leads(["goes"])
    refused = decide(api, [new(leads[5], "stays"), new(leads[4], "goes")])
    assert refused.json()["detail"] == "one lead cannot be decided; no lead was decided."
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/leads/1/lead_id"]
    assert not desk.store.decided(["stays", "goes"])


def test_no_hour_of_the_week_is_given_away_twice_and_the_answer_says_who_has_none(api, leads):
    live = api.champions.live
    economics = Economics(None, 1000.0, 0.0, None, 1.0, float(_listed(api)) + 2, {})
    policy = replace(live.champion.policy, cut=None, economics=economics)
    api.champions.live = replace(live, champion=replace(live.champion, policy=policy))
    try:
        first = decide(api, [new(leads[6], "hour 1")]).json()
        second = decide(api, [new(leads[number], f"hour {number}") for number in (2, 3, 4)]).json()
        again = decide(api, [new(leads[number], f"hour {number}") for number in (2, 3, 4)], key="x").json()
    finally:
        api.champions.live = live
    assert ([each["this_week"] for each in first["decisions"]], first["note"]) == ([True], None)
    assert sorted(each["this_week"] for each in second["decisions"]) == [False, False, True]
    assert second["note"].startswith("this week's hours are spent: 2 of these leads are handed off")
    assert again["note"] == second["note"]


def _listed(api: Api) -> int:
    return sum(store_of(api).listed(since=datetime(2024, 11, 11)).values())


def test_what_a_program_told_of_a_lead_is_shown_until_a_snapshot_has_it(tmp_path, store_url):
    desk = make_desk(tmp_path, store=store_url, decisions=[])
    browser = desk.browser("ann")
    lead = {
        "lead_id": "N1",
        "created_at": desk.now,
        "name": "Nora New",
        "company": "Fresh",
        "renewal": desk.now,
    }
    form = {"kind": "form", "occurred_at": desk.now - timedelta(hours=1), "channel": None, "value": None}
    with desk.store.writing() as connection:
        desk.store.add(connection, as_logged(LOGGED[:1]).assign(lead_id="N1"))
        arrivals.keep(desk.store, connection, [lead], {"N1": [form]}, at=desk.now)
    browser.client.app.state.desk.refresh()
    page = browser.get("/leads/N1").text
    assert all(words in page for words in ("Nora New", "Fresh", "Form", "2026-03-02"))
    assert "Form" in browser.get("/queue").text

    with (tmp_path / "exports" / "leads.csv").open("a") as file:
        file.write("N1,2026-03-01 12:00,A9,Nora Newman,CIO,Fresh & Co,,,GB,event,north\n")
    pull(desk.settings.source, desk.settings.label, home=desk.home, until=desk.now).close()
    browser.client.app.state.desk.refresh()
    assert arrivals.waiting(desk.store) == []
    assert "Fresh &amp; Co" in browser.get("/leads/N1").text


def test_a_request_is_known_by_its_key_for_a_day(store_url):
    store, at = Store(store_url), NOW
    request, other = RequestKey.of("crm", "k", "body"), RequestKey.of("crm", "k", "other")
    with store.writing() as connection:
        assert requests.answered(connection, request, at=at) is None
        requests.keep(connection, request, 7, at=at)
        assert requests.answered(connection, request, at=at).batch == 7
        with pytest.raises(UsageError, match="another request"):
            requests.answered(connection, other, at=at)
        assert requests.answered(connection, other, at=at + requests.KEPT) is None
        requests.keep(connection, other, None, at=at + requests.KEPT)
        assert requests.answered(connection, other, at=at + requests.KEPT).batch is None

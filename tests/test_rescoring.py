"""Leads that wait and do something are scored anew: the decision stays as it was, and the desk shows what stands now."""

import json
import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.flows.score import score_leads
from pipelines.home import store_of
from pipelines.settings import load_settings
from pipelines.sources.erased import Forgotten
from pipelines.store import worklist
from pipelines.store.answers import give
from pipelines.store.schema import rescores_table
from pipelines.store.work import rescores
from tests.apis import as_sent, running_api
from tests.commands import command, leadsieve
from tests.desks import NOW, make_desk

FIRST = datetime(2024, 11, 12, 12, 30)
LATER = FIRST + timedelta(days=3)
DIES = """
import os
from pipelines.store.work import rescores
logged = rescores.record
def dies(*given):
    assert logged(*given) > 10
    os.kill(os.getpid(), 9)
rescores.record = dies
"""


@pytest.fixture
def config(world: Path, tmp_path: Path) -> Path:
    config = tmp_path / "crm.toml"
    config.write_text((world / "quick.toml").read_text() + "\n[schedule]\nrescore_days = 14\n")
    return config


def run(config: Path, home: Path, at: datetime, output: Path | None = None):
    return score_leads(load_settings(config, environ={}), home, at, reasons=0, output=output)


def test_who_has_done_something_since_is_scored_anew_once_and_the_decision_stays(home, config, tmp_path):
    store = store_of(load_settings(config, environ={}), home)
    first = run(config, home, FIRST)
    assert first.rescored.leads == 0
    before = store.decisions()
    again = run(config, home, LATER, tmp_path / "out.csv")
    assert again.rescored.leads > 10

    log = store.decisions()
    pd.testing.assert_frame_equal(log[log["lead_id"].isin(before["lead_id"])].reset_index(drop=True), before)
    with store.reading() as connection:
        rows = pd.DataFrame(connection.execute(sa.select(rescores_table)).mappings().all())
    assert set(rows["lead_id"]) <= set(before["lead_id"])
    assert (rows["at"] == LATER).all()
    assert ((rows["since"] >= FIRST) & (rows["since"] < LATER)).all(), "they did it after they were scored"
    first_scores = before.set_index("lead_id")["score"]
    assert (rows["score"].to_numpy() != first_scores[rows["lead_id"]].to_numpy()).any()

    told = pd.read_csv(tmp_path / "out.csv").set_index("lead_id")
    shown = rows[rows["lead_id"].isin(told.index)]
    assert len(shown)
    assert told.loc[shown["lead_id"], "score"].to_numpy() == pytest.approx(shown["score"].to_numpy())
    assert run(config, home, LATER).rescored.leads == 0, "run again, it scores nobody twice"


def test_nobody_is_scored_anew_unless_it_is_asked_for(home, world):
    run(world / "quick.toml", home, FIRST)
    assert run(world / "quick.toml", home, LATER).rescored.leads == 0


def test_who_is_forgotten_while_it_is_scored_leaves_no_score(home, config, monkeypatch):
    from pipelines.deciding import rescoring

    run(config, home, FIRST)
    monkeypatch.setattr(rescoring, "forgotten_of", lambda *_: Everybody())
    assert run(config, home, LATER).rescored.leads == 0


class Everybody(Forgotten):
    def are(self, lead_ids):
        return [True for _ in lead_ids]


@pytest.mark.slow
def test_a_run_that_is_killed_as_it_logs_has_logged_nobody_and_the_next_logs_all(home, config):
    run(config, home, FIRST)
    died = command("score", "--config", config, "--as-of", LATER.isoformat(), home=home, before=DIES)
    assert died.returncode == -signal.SIGKILL, died.stderr
    store = store_of(load_settings(config, environ={}), home)
    with store.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(rescores_table)) == 0
    assert run(config, home, LATER).rescored.leads > 10


# ── a program tells of it ──


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def told(home, config):
    """An API whose clock goes, a lead that it has decided, and the same with something done an hour later."""
    clock = Clock(FIRST)
    with running_api(home, config, clock=clock) as api:
        one = next(lead for lead in as_sent(home) if lead["created_at"] < FIRST.isoformat())
        lead = {**one, "lead_id": "waits", "account_id": "waits", "created_at": None, "events": []}
        lead["created_at"] = (FIRST - timedelta(hours=2)).isoformat()
        first = post(api, lead)
        done = [
            {"kind": "demo_request", "occurred_at": (FIRST + timedelta(minutes=m)).isoformat()}
            for m in (50, 55)
        ]
        clock.now = FIRST + timedelta(hours=1)
        yield api, clock, first, {**lead, "events": done}


def post(api, lead: dict, **headers) -> dict:
    answer = api.ask("POST", "/decisions", json={"leads": [lead]}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["decisions"][0]


def rows_of(api) -> int:
    with api.client.app.state.desk.store.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(rescores_table))


def test_a_decided_lead_that_is_posted_with_something_new_is_scored_anew_in_the_answer_once(told):
    api, clock, first, lead = told
    store = api.client.app.state.desk.store
    logged = store.decisions(lead_ids=["waits"])
    again = post(api, lead)
    now = api.ask("POST", "/scores", json={"leads": [lead]}).json()["scores"][0]
    stands = again["rescored"]
    assert stands["because"] == "demo_request × 2"
    assert {name: stands[name] for name in ("score", "grade", "p_pursue", "reasons")} == {
        name: now[name] for name in ("score", "grade", "p_pursue", "reasons")
    }
    assert stands["score"] != first["score"]
    assert {**again, "rescored": None} == {**first, "decided_before": True}
    pd.testing.assert_frame_equal(store.decisions(lead_ids=["waits"]), logged)
    row = worklist.listed(store, "waits")
    assert (row.score, row.was_score, row.rescored_at) == (stands["score"], first["score"], clock.now)

    clock.now += timedelta(minutes=5)
    assert post(api, lead) == again, "sent once more, nothing is new"
    assert post(api, lead, **{"Idempotency-Key": "k"}) == post(api, lead, **{"Idempotency-Key": "k"}) == again
    assert rows_of(api) == 1


def test_what_a_program_had_not_told_is_new_to_us_however_long_ago_it_was(told):
    api, clock, _, lead = told
    post(api, lead)
    late = {"kind": "webinar", "occurred_at": (FIRST - timedelta(hours=1)).isoformat()}
    for at in (2, 3):
        clock.now = FIRST + timedelta(hours=at)
        found = post(api, {**lead, "events": [*lead["events"], late]})["rescored"]
        assert (found["because"], found["at"]) == ("webinar", (FIRST + timedelta(hours=2)).isoformat())
    assert rows_of(api) == 2


def test_who_was_answered_or_was_decided_long_ago_or_did_nothing_is_not_scored_anew(told):
    api, clock, first, lead = told
    assert post(api, {**lead, "events": []})["rescored"] is None
    clock.now = FIRST + timedelta(days=15)
    assert post(api, lead)["rescored"] is None
    clock.now = FIRST + timedelta(hours=1)
    kind = "accepted" if first["action"] == "hand off" else "released"
    api.ask("POST", "/answers", json={"lead_id": "waits", "kind": kind, "turn": 0})
    if kind == "released":
        api.ask("POST", "/answers", json={"lead_id": "waits", "kind": "accepted", "turn": 1})
    assert worklist.listed(api.client.app.state.desk.store, "waits").state == "accepted"
    assert post(api, lead)["rescored"] is None
    assert rows_of(api) == 0


# ── what the desk makes of it ──


def anew(desk, lead_id: str, at: datetime, **more) -> None:
    scored = {
        **dict.fromkeys(["p_pursue", "p_convert", "p_both", "p_worked", "cut", "cut_by", "p_worked_by"]),
        "lead_id": lead_id,
        "as_of": at,
        "since": at - timedelta(minutes=5),
        "because": "demo_request",
        "low": 0.5,
        "high": 0.7,
        "value": 2000.0,
        "score": 0.6,
        "grade": "A",
        "version": "7",
        "extrapolated": 0,
        "action": "hand off",
        "reasons": ["counts for it: 9 visits in 7 days (usual: 1)"],
        "weights": [1.5],
    } | more
    with desk.store.writing() as connection:
        rescores.record(desk.store, connection, pd.DataFrame([scored]))


def refreshed(browser) -> None:
    browser.client.app.state.desk.refresh()


@pytest.fixture
def desk(tmp_path, store_url):
    return make_desk(tmp_path, store=store_url)


def test_the_queue_shows_the_score_that_stands_since_when_and_what_it_was(desk):
    rep = desk.browser("ann")
    anew(desk, "L3", NOW)
    desk.later(minutes=10)
    refreshed(rep)
    text = rep.get("/queue").text
    row = text[text.index('id="lead-L3"') :][:3000]
    assert "scored anew 10 minutes ago: demo request; grade C before" in " ".join(row.split())
    page = rep.get("/leads/L3").text
    assert "9 visits in 7 days" in page
    assert "Scored anew" in page
    assert worklist.listed(desk.store, "L3").was_score == 0.1
    with desk.store.writing() as connection:
        connection.execute(sa.text("DELETE FROM worklist"))
    refreshed(rep)
    assert worklist.listed(desk.store, "L3").score == 0.6, "of a list that is filled anew, too"


def test_who_was_held_comes_to_the_queue_when_its_score_is_handed_off(desk):
    ops = desk.browser("olga", "ops")
    refreshed(ops)
    assert worklist.listed(desk.store, "L5").state == "held"
    anew(desk, "L5", NOW)
    refreshed(ops)
    assert worklist.listed(desk.store, "L5").state == "open"
    assert rescores.handed_off(desk.store) == {"L5"}
    assert desk.store.decisions().set_index("lead_id").loc["L5", "action"] == "hold", "and is counted as held"


def test_a_score_below_the_cut_takes_nobody_off_the_queue(desk):
    ops = desk.browser("olga", "ops")
    anew(desk, "L1", NOW, action="hold", score=0.001, grade="D")
    refreshed(ops)
    row = worklist.listed(desk.store, "L1")
    assert (row.state, row.grade, row.was_grade) == ("open", "D", "A")


def test_who_was_answered_keeps_what_was_shown_then(desk):
    rep = desk.browser("ann")
    refreshed(rep)
    give(desk.store, "L2", "accepted", turn=0, who="ann", at=NOW)
    anew(desk, "L2", NOW)
    refreshed(rep)
    row = worklist.listed(desk.store, "L2")
    assert (row.state, row.score, row.rescored_at) == ("accepted", 0.2, None)


def test_a_lead_that_is_forgotten_takes_its_scores_along(desk):
    desk.browser()
    anew(desk, "L1", NOW)
    said = leadsieve("forget", "L1", "--config", desk.home.parent / "crm.toml", home=desk.home)
    assert said.code == 0, said.err
    assert rescores.history(desk.store, "L1") == []


def test_programs_read_both_the_decision_and_what_stands(desk):
    from pipelines.store.decision_queries import decisions
    from pipelines.store.filters import DecisionFilter

    anew(desk, "L3", NOW)
    rows, _ = decisions(desk.store, DecisionFilter(), who="x", at=NOW)
    found = {row["lead_id"]: row for row in rows}
    assert (found["L3"]["score"], found["L3"]["rescored"]["score"]) == (0.1, 0.6)
    assert found["L1"]["rescored"] is None
    json.dumps(found["L3"]["rescored"]["reasons"])

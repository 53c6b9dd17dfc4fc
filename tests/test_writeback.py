"""The outbox and the webhook: what is signed, what is tried again and when, what is dead, and what a warehouse reads."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa

from features.errors import UnreachableError, UsageError
from features.serialization import plain
from pipelines.crm.connector import Answer, Line, open_crm
from pipelines.crm.webhook import Webhook
from pipelines.flows.writeback.run import write_back
from pipelines.settings import load_settings
from pipelines.store import outbox
from pipelines.store.database import Store
from pipelines.store.schema import worklist_table

NOW = datetime(2026, 11, 1, 8)
KEY = "a key of the tests"


@dataclass
class Receiver:
    """Answers with the codes that it is given, then with 204, and keeps what came."""

    codes: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes, float]] = field(default_factory=list)
    url: str = ""

    def said(self) -> list[dict]:
        return [json.loads(body)["data"] for _, body, _ in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@contextmanager
def receiving() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            found.came.append((dict(self.headers), body, time.monotonic()))
            code, headers = found.codes.pop(0) if found.codes else (204, {})
            self.send_response(code)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def decide(store: Store, *lead_ids: str, score: float = 0.25) -> None:
    table = {
        "lead_id": lead_ids,
        "as_of": NOW,
        "action": "hand off",
        "version": "1",
        "score": score,
        "grade": "B",
    }
    store.record(pd.DataFrame(table).assign(reasons=[["a reason"]] * len(lead_ids)))


@pytest.fixture
def settings(receiver, store_url, monkeypatch):
    monkeypatch.setenv("LEADSIEVE_WEBHOOK_SECRET", KEY)
    return load_settings(None, {"store": {"url": store_url}, "writeback": {"webhook": receiver.url}})


def target(report) -> dict:
    (found,) = plain(report)["targets"]
    return found


def test_a_message_is_signed_over_id_time_and_body(settings, receiver, store_url, tmp_path):
    decide(Store(store_url), "a")
    assert target(write_back(settings, tmp_path, NOW))["sent"] == 1
    ((headers, body, _),) = receiver.came
    names = {name.lower(): value for name, value in headers.items()}
    signed = f"{names['webhook-id']}.{names['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
    assert names["webhook-signature"] == f"v1,{expected}"
    assert abs(int(names["webhook-timestamp"]) - 1_793_520_000) < 60
    said = json.loads(body)["data"]
    assert (said["lead_id"], said["grade"], said["state"], said["reasons"]) == (
        "a",
        "B",
        "open",
        ["a reason"],
    )
    assert KEY not in body.decode()


def test_what_says_the_same_is_sent_once_and_a_change_is_sent_again(settings, receiver, store_url, tmp_path):
    store = Store(store_url)
    decide(store, "a", "b")
    assert [target(write_back(settings, tmp_path, NOW))["sent"] for _ in range(2)] == [2, 0]
    row = {
        **{column.name: 0 for column in worklist_table.c if isinstance(column.type, sa.Integer | sa.Float)},
        "lead_id": "a",
        "name": "",
        "about": "",
        "sought": "",
        "created_at": NOW,
        "decided_at": NOW,
        "state": "snoozed",
        "until": NOW + timedelta(days=3),
    }
    with store.writing() as connection:
        connection.execute(worklist_table.insert().values(**row))
    assert target(write_back(settings, tmp_path, NOW))["sent"] == 1
    last = receiver.said()[-1]
    assert (last["lead_id"], last["state"], last["until"]) == ("a", "snoozed", "2026-11-04T08:00:00")


def test_what_is_not_taken_for_now_is_sent_again_as_late_as_asked(settings, receiver, store_url, tmp_path):
    decide(Store(store_url), "a")
    receiver.codes = [(429, {"retry-after": "1"})]
    assert target(write_back(settings, tmp_path, NOW))["sent"] == 1
    (_, _, first), (_, _, second) = receiver.came
    assert second - first >= 0.95
    ids = {headers.get("webhook-id") for headers, _, _ in receiver.came}
    assert len(ids) == 1


def test_what_fails_waits_longer_and_longer_keeps_its_order_and_is_dead_at_last(
    settings, receiver, store_url, tmp_path
):
    store = Store(store_url)
    decide(store, "a", "b")
    receiver.codes = [(500, {})]
    first = target(write_back(settings, tmp_path, NOW))
    assert (first["sent"], first["waiting"]) == (1, 1)
    assert target(write_back(settings, tmp_path, NOW + timedelta(seconds=30)))["sent"] == 0
    moment = NOW
    for tries in range(1, outbox.MOST_TRIES):
        moment += outbox.FIRST_WAIT * 2 ** (tries - 1)
        assert target(write_back(settings, tmp_path, moment - timedelta(seconds=1)))["waiting"] == 1
        receiver.codes = [(500, {})]
        left = write_back(settings, tmp_path, moment)
    (dead,) = plain(left)["dead"]
    assert (dead["lead_id"], dead["tries"], dead["said"]) == ("a", 8, "500: Internal Server Error")
    receiver.codes = []
    assert target(write_back(settings, tmp_path, moment))["sent"] == 0
    assert target(write_back(settings, tmp_path, moment, again=True))["sent"] == 1
    assert outbox.counts(store, f"webhook:{receiver.url.split('/')[2]}") == {"sent": 2}


def test_what_is_refused_is_dead_at_once_and_the_rest_goes_on(settings, receiver, store_url, tmp_path):
    decide(Store(store_url), "a", "b", "c")
    receiver.codes = [(204, {}), (410, {})]
    found = plain(write_back(settings, tmp_path, NOW))
    assert (found["targets"][0]["sent"], [each["lead_id"] for each in found["dead"]]) == (2, ["b"])


def test_a_target_that_is_away_ends_the_run_and_what_it_did_not_confirm_waits(
    store_url, tmp_path, monkeypatch
):
    from pipelines.crm import http

    monkeypatch.setattr(http, "BACKOFF", 0.0)
    monkeypatch.setenv("LEADSIEVE_WEBHOOK_SECRET", KEY)
    store = Store(store_url)
    decide(store, "a")
    with receiving() as gone:
        url = gone.url
    away = load_settings(None, {"store": {"url": store_url}, "writeback": {"webhook": url}})
    with pytest.raises(UnreachableError, match="does not answer"):
        write_back(away, tmp_path, NOW)
    assert outbox.counts(store, Webhook(url, KEY, now=NOW).name) == {"waiting": 1}


def test_the_view_has_one_row_for_each_lead_and_nobody_who_was_forgotten(store_url):
    store = Store(store_url)
    decide(store, "a", "forgotten-1")
    with store.reading() as connection:
        rows = connection.execute(sa.text("SELECT lead_id, grade, state FROM current_decisions")).all()
    assert [tuple(row) for row in rows] == [("a", "B", "open")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tryton:https://ann:secret@crm.example/sales", "holds no secret"),
        ("tryton:http://crm.example/sales", "no address of a CRM"),
        ("tryton:crm.example", "no address of a CRM"),
        ("tryton:https://crm.example", "names no database"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_secret(url, said):
    with pytest.raises(UsageError, match=said) as refused:
        open_crm(url)
    assert "secret@" not in str(refused.value)


def test_without_anywhere_to_write_to_nothing_is_done(tmp_path):
    with pytest.raises(UsageError, match="nowhere to write"):
        write_back(load_settings(None), tmp_path, NOW)


def test_a_record_on_which_the_crm_fails_waits_a_refused_one_is_dead_and_the_others_are_written(monkeypatch):
    monkeypatch.setenv("TRYTON_KEY", "a key")
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path.rpartition("/model/")[2]))
        if request.method == "GET":
            there = [{"id": number, "conversion_probability": 0.5, "state": "lead"} for number in (1, 2, 3)]
            return httpx.Response(200, json=there if request.url.path.endswith("sale.opportunity") else [])
        code = {"1": 500, "2": 400}.get(request.url.path.rpartition("/")[2], 200)
        return httpx.Response(code, json={"message": "it is over"} if code == 400 else {})

    with closing(open_crm("tryton:https://crm.example/sales")) as door:
        door._http = httpx.Client(
            transport=httpx.MockTransport(answer), base_url="https://crm.example/sales/rest/model/"
        )
        said = {
            "grade": "A",
            "score": 0.25,
            "state": "open",
            "reasons": [],
            "version": "1",
            "as_of": "2026-11-01T08:00:00",
        }
        answers = list(door.write([Line(number, str(number), said) for number in (1, 2, 3, 4)]))
    assert answers == [
        Answer(1, refused="Internal Server Error", later=True),
        Answer(2, refused="it is over"),
        Answer(3),
        Answer(4, refused="there is no such record"),
    ]
    assert [each for each in asked if each[0] == "POST"] == [("POST", "ir.note")] * 3

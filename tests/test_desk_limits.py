"""What a desk bears: bodies of strangers, too large and too many parts, connections on which nothing comes, a
store that is out of reach, a watcher that has died. And what is noted of what it refused.
"""

import re
import socket
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

import anyio
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi.routing import APIRoute
from pydantic import ValidationError

from app import desk as desk_module
from app import server, sessions
from app.api import routes
from app.api.errors import MOST_ERRORS
from app.api.routes import router as api_router
from app.api.schemas import ScoreRequest
from app.cli import listening
from app.desk import Desk
from app.scoring.uploads import MOST_COLUMNS, MOST_WAITING, BusyError, Uploads, check_columns
from app.sessions import AskedFirst
from app.web import AT_ONCE, PAGES
from features.errors import ContractError, UnreachableError, UsageError
from pipelines.store.access.api_keys import make_key
from pipelines.store.access.audit import MOST_OF_ONE, entries
from pipelines.store.database import Store
from tests.desks import NOW, hidden, make_desk


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


def sent(app, method: str, path: str, parts: list[bytes], **headers: str) -> SimpleNamespace:
    """The answer to a request whose body comes in parts, and how many of them were asked for."""
    said = SimpleNamespace(status=None, headers={}, body=b"", read=0)

    async def receive():
        part = parts[min(said.read, len(parts) - 1)]
        said.read += 1
        return {"type": "http.request", "body": part, "more_body": said.read < len(parts)}

    async def send(message):
        if message["type"] == "http.response.start":
            said.status = message["status"]
            said.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        said.body += message.get("body", b"")

    given = {"host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "scheme": "http", "client": ("203.0.113.9", 1), "server": ("testserver", 80), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()], "state": {},
    }  # fmt: skip
    anyio.run(app, scope, receive, send)
    return said


@pytest.mark.parametrize(
    "path",
    ["/upload", "/upload/source", "/answers", "/people", "/password", "/api/scores", "/api/answers"],
)
def test_nothing_is_read_of_what_strangers_send(desk, path):
    app = desk.browser().client.app
    headers = {"content_type": "multipart/form-data; boundary=x"}
    if path.startswith("/api"):
        headers = {"content_type": "application/json", "authorization": "Bearer ls_12345678_nothing"}
    answer = sent(app, "POST", path, [b"x" * 60_000] * 1000, **headers)
    assert (answer.status, answer.read) == (401, 0)


def test_nothing_is_read_of_what_a_role_may_not_send(desk):
    browser = desk.browser("ann")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    app, key = browser.client.app, make_key(desk.store, "CRM", "rep", at=NOW, by="eve")
    assert [
        (answer.status, answer.read)
        for answer in (
            sent(app, "POST", "/upload", [b"x"] * 9, cookie=cookie),
            sent(app, "POST", "/people", [b"x"] * 9, cookie=cookie),
            sent(app, "POST", "/api/scores", [b"x"] * 9, authorization=f"Bearer {key}"),
        )
    ] == [(403, 0)] * 3


def test_every_address_that_takes_something_asks_first_who_sends_it():
    routes = [route for each in (*PAGES, SimpleNamespace(router=api_router)) for route in each.router.routes]
    taking = [route for route in routes if isinstance(route, APIRoute) and "POST" in route.methods]
    assert len(taking) > 10
    assert not [route.path for route in taking if not isinstance(route, AskedFirst)]


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize(
    ("path", "most"), [("/answers", 64_000), ("/api/answers", 64_000), ("/api/scores", 16_000_000)]
)
def test_a_body_above_its_limit_is_a_413_whether_its_length_is_told_or_not(desk, path, most, told):
    browser, key = desk.browser("ann", "ops"), make_key(desk.store, "CRM", "ops", at=NOW, by="eve")
    headers = {
        "cookie": "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items()),
        "authorization": f"Bearer {key}",
        "content_type": "application/json" if "api" in path else "application/x-www-form-urlencoded",
    }
    headers |= {"content_length": str(most + 1)} if told else {}
    answer = sent(browser.client.app, "POST", path, [b"a" * (most // 10)] * 100, **headers)
    assert answer.status == 413
    assert answer.read <= (0 if told else 12)
    assert f"at most {most:,} bytes; nothing was done." in answer.body.decode()


def test_masses_of_mistakes_are_read_up_to_the_first_parts_that_have_one():
    empty = {"lead_id": "a", "events": [{}] * 10_000}
    for asked in (
        {"leads": [empty] * 1000},
        {"leads": [{"lead_id": "a", "events": [dict.fromkeys(map(str, range(50)))] * 10_000}] * 1000},
        {"leads": [{"lead_id": "a", "attributes": {str(key): [] for key in range(100_000)}}] * 1000},
        {"leads": [{"lead_id": "a", "events": [{}] * 100_000}]},
        {"leads": [{}] * 100_000},
        dict.fromkeys(map(str, range(100_000))),
    ):
        with pytest.raises(ValidationError) as raised:
            ScoreRequest.model_validate(asked)
        assert raised.value.error_count() <= 60_000
    good = {"kind": "visit", "occurred_at": "2026-03-01"}
    late = {
        "leads": [{"lead_id": str(each)} for each in range(37)]
        + [{"lead_id": "z", "events": [good] * 250 + [{}]}]
    }
    with pytest.raises(ValidationError) as raised:
        ScoreRequest.model_validate(late)
    assert {each["loc"] for each in raised.value.errors()} == {
        ("leads", 37, "events", 250, name) for name in ("kind", "occurred_at")
    }


def test_a_body_of_masses_of_objects_is_refused_by_their_count(desk):
    browser, key = desk.browser(), make_key(desk.store, "CRM", "ops", at=NOW, by="eve")
    body = b'{"leads":[{"lead_id":"a","events":[' + b",".join([b"{}"] * 300_000) + b"]}]}"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = browser.client.post("/api/scores", content=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "A request may hold at most 250,000 lists and objects; nothing was done.",
    )
    few = b'{"leads":[{"lead_id":"a","events":[' + b",".join([b"{}"] * 9_000) + b"]}]}"
    answer = browser.client.post("/api/scores", content=few, headers=headers)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, MOST_ERRORS)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_file_of_thousands_of_columns_is_refused_by_its_first_line(tmp_path, mark):
    for encoding in ("utf-8", "utf-16"):
        wide, file = mark.join(f"c{number}" for number in range(32_000)) + "\n1\n", tmp_path / "wide.csv"
        file.write_text(wide, encoding=encoding)
        with (
            file.open("rb") as content,
            pytest.raises(
                UsageError,
                match=r"the first line of 'wide.csv' names more than 2,000 columns; nothing was scored\. Leave only",
            ),
        ):
            check_columns(content, "wide.csv")
    good = mark.join(f"c{number}" for number in range(MOST_COLUMNS)) + "\n" + "1,;\t|" * 5000
    file.write_text(good)
    with file.open("rb") as content:
        check_columns(content, "good.csv")
        assert content.tell() == 0


def test_no_more_files_are_taken_than_can_be_scored_soon(desk):
    champions = SimpleNamespace(live=object(), trouble=None)
    uploads = Uploads(Desk(desk.settings, desk.home, lambda: NOW), champions)
    with closing(uploads):
        for _ in range(MOST_WAITING):
            uploads._begun("leads.csv", "ann")
        with pytest.raises(BusyError, match="wait to be scored; nothing was taken"):
            uploads._begun("leads.csv", "ann")


class Tables:
    """What scoring a file holds."""


def test_a_file_that_failed_says_why_and_holds_nothing_of_what_was_read(desk, monkeypatch):
    seen = []

    def fails(*_given, **_more):
        held = Tables()
        seen.append(weakref.ref(held))
        try:
            raise ValueError("no such column")
        except ValueError as error:
            raise ContractError("nothing can be scored.") from error

    monkeypatch.setattr("app.scoring.uploads.score_apart", fails)
    champions = SimpleNamespace(live=SimpleNamespace(champion=None), trouble=None)
    with closing(Uploads(Desk(desk.settings, desk.home, lambda: NOW), champions)) as uploads:
        upload = uploads._begun("leads.csv", "ann")
        uploads._submit(upload, desk.settings, None, lambda: None)
        assert isinstance(upload.future.exception(30), ContractError)
        assert (upload.trouble, seen[0]()) == ("nothing can be scored.", None)


@pytest.mark.parametrize("address", ["/queue", "/api/decisions"])
def test_work_that_runs_out_of_memory_is_a_503_that_says_when_to_ask_again(desk, monkeypatch, address):
    from duckdb import OutOfMemoryException

    browser, key = desk.browser("ann"), make_key(desk.store, "CRM", "rep", at=NOW, by="eve")
    for error in (MemoryError(), OutOfMemoryException("of 96 MB")):

        def fail(*_given, error=error, **_more):
            raise error

        monkeypatch.setattr("app.pages.queue.shown", fail)
        monkeypatch.setattr("app.api.routes.read_decisions", fail)
        answer = browser.get(address, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "not enough memory for this just now; nothing was done" in answer.text


def test_also_what_a_bug_answers_carries_the_policy(desk, monkeypatch):
    browser, key = desk.browser("ann"), make_key(desk.store, "CRM", "rep", at=NOW, by="eve")

    def fail(*_given, **_more):
        raise RuntimeError

    monkeypatch.setattr("app.pages.queue.shown", fail)
    monkeypatch.setattr("app.api.routes.read_decisions", fail)
    for address in ("/queue", "/api/decisions"):
        answer = browser.get(address, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 500
        assert "Something is wrong with Leadsieve itself" in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_what_was_refused_is_noted_within_bounds(desk):
    browser = desk.browser("ann")
    make_key(desk.store, "CRM", "rep", at=NOW, by="eve")
    browser.get("/people")
    browser.client.post("/answers", data={**browser.form_of("L1"), "kind": "accepted", "token": "forged"})
    browser.client.post("/answers", headers={"Origin": "https://evil.example"})
    browser.get("/api/version", headers={"Authorization": "Bearer ls_12345678_geheim"})
    browser.get("/api/version")  # without a key: nobody has tried anything
    for _ in range(6):
        desk.browser().sign_in("bob", "a wrong password")
    noted = [(each.who, each.words) for each in reversed(entries(desk.store, what="refused")[0])]
    assert noted == [
        ("ann", "may not: GET /people"),
        ("ann", "a form that is not of the session: /answers"),
        ("nobody", "from another site: /answers"),
        ("nobody", "a key that is not in use: 12345678"),
        ("nobody", "too many wrong passwords: /sign-in"),
    ]
    for _ in range(2 * MOST_OF_ONE):
        browser.get("/people")
    assert entries(desk.store, what="refused")[1] == MOST_OF_ONE


def unreachable() -> Store:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Store(f"postgresql://ann@127.0.0.1:{free.getsockname()[1]}/crm")


def test_a_store_that_is_out_of_reach_is_a_503_in_words_and_no_bug(desk):
    browser, key = desk.browser("ann", "admin"), make_key(desk.store, "CRM", "rep", at=NOW, by="eve")
    token = hidden(browser.get("/queue").text)
    browser.client.app.state.desk.__dict__["store"] = unreachable()
    headers = {"Authorization": f"Bearer {key}"}
    for answer in (
        browser.get("/queue"),
        browser.get("/sign-in"),
        browser.get("/people"),
        browser.client.post("/answers", data={"token": token}),
        browser.get("/api/decisions", headers=headers),
        browser.get("/api/health"),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "does not answer; nothing was recorded" in answer.text
    assert browser.get("/nowhere").status_code == 404


def test_whoever_waits_for_another_writer_is_told_so_soon(tmp_path, store_url, monkeypatch):
    monkeypatch.setattr(desk_module, "PATIENCE", 0.2)
    desk = make_desk(tmp_path, store=store_url)
    browser = desk.browser("ann")
    form = {**browser.form_of("L1"), "kind": "accepted"}
    with desk.store.writing():
        answer = browser.client.post("/answers", data=form)
        assert browser.get("/api/health").status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert browser.client.post("/answers", data=form).status_code == 303


def test_health_is_told_while_every_thread_waits_for_a_store_that_is_hung(desk, monkeypatch):
    browser, waiting, go_on = desk.browser("ann"), threading.Barrier(AT_ONCE + 1), threading.Event()

    def hung(*_words, **_more):
        waiting.wait(30)
        go_on.wait(30)
        raise UnreachableError("it does not answer")

    monkeypatch.setattr(routes, "answers", lambda _store: go_on.wait(30))
    monkeypatch.setattr(routes, "PATIENCE", 0.2)
    with browser.client as client, ThreadPoolExecutor(AT_ONCE) as others:
        monkeypatch.setattr(sessions, "in_session", hung)
        pages = [others.submit(client.get, "/queue") for _ in range(AT_ONCE)]
        waiting.wait(30)
        health = client.get("/api/health")
        assert not any(page.done() for page in pages)
        go_on.set()
        assert {page.result().status_code for page in pages} == {503}
    assert (health.status_code, health.json()["detail"]) == (
        503,
        "The store does not answer within 0.2 seconds.",
    )


@pytest.mark.slow
def test_a_server_that_takes_connections_and_says_nothing_is_out_of_reach_within_seconds(monkeypatch):
    monkeypatch.setattr("pipelines.store.postgres.CONNECTING", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store, began = Store(f"postgresql://ann@127.0.0.1:{silent.getsockname()[1]}/crm"), time.monotonic()
        with pytest.raises(UnreachableError):
            store.decided()
        waited = time.monotonic() - began
        for _ in range(100):  # they do not wait in vain one after the other
            with pytest.raises(
                UnreachableError, match="does not answer; nothing was recorded: connection timeout"
            ):
                store.decided()
    assert waited < 10
    assert time.monotonic() - began < waited + 1


def test_limits_of_a_server_are_those_of_the_session(tmp_path, postgres):
    with Store(postgres, patience=5).reading() as connection:
        shown = {
            name: connection.scalar(sa.text(f"SHOW {name}")) for name in ("lock_timeout", "statement_timeout")
        }
    assert shown == {"lock_timeout": "5s", "statement_timeout": "30s"}
    with Store(postgres).reading() as connection:
        shown = {
            name: connection.scalar(sa.text(f"SHOW {name}")) for name in ("lock_timeout", "statement_timeout")
        }
    assert shown == {"lock_timeout": "1min", "statement_timeout": "0"}


def test_health_answers_while_all_threads_are_at_work(desk):
    app, over = desk.browser().client.app, threading.Event()

    async def ask() -> int:
        said = []

        async def send(message):
            said.append(message.get("status"))

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": "/api/health",
            "raw_path": b"/api/health", "query_string": b"", "scheme": "http", "client": None, "server": None, "root_path": "",
            "headers": [(b"host", b"testserver")], "state": {},
        }  # fmt: skip
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, over.wait)
            await anyio.sleep(0)
            with anyio.move_on_after(5):
                await app(scope, receive, send)
            over.set()
        return said[0] if said else 0

    assert anyio.run(ask) == 200


def test_health_tells_when_nothing_looks_for_new_decisions_any_more(desk):
    browser = desk.browser()
    assert browser.get("/api/health").status_code == 200
    died = threading.Thread(target=int)
    died.start()
    died.join()
    browser.client.app.state.api.state.watch = died
    answer = browser.get("/api/health")
    assert (answer.status_code, "looks for no new decisions any more" in answer.json()["detail"]) == (
        503,
        True,
    )


@contextmanager
def running(monkeypatch, **limits):
    """A served app that says ok, and its port."""
    for name, value in limits.items():
        monkeypatch.setattr(server, name, value)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    served: uvicorn.Server = server.server_of(app)
    served.config.lifespan = "off"
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=served.run, args=([door],))
    thread.start()
    try:
        while not served.started:
            time.sleep(0.01)
        yield door.getsockname()[1]
    finally:
        served.should_exit = True
        thread.join()
        door.close()


def asked(port: int, text: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(text)
        return connection.recv(1000)


@pytest.mark.slow
def test_connections_on_which_nothing_comes_are_closed_and_keep_nobody_out(monkeypatch):
    with running(monkeypatch, MOST_CONNECTIONS=20, HEAD_SECONDS=1.0, IDLE_SECONDS=1) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(40)]
        held[0].sendall(b"GET / HTTP/1.1\r\nHost:")  # a head that never ends
        for each in held:
            with suppress(ConnectionResetError):
                assert each.recv(1) == b""  # closed from the other end
            each.close()
        assert re.match(rb"HTTP/1.1 200", asked(port))


def test_a_head_that_is_too_large_is_refused(monkeypatch):
    with running(monkeypatch, LARGEST_HEAD=4_000) as port:
        head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(
            b"X-%d: %s\r\n" % (each, b"y" * 90) for each in range(90)
        )
        assert b"400" in asked(port, head)[:20]
        assert asked(port).startswith(b"HTTP/1.1 200")


def test_an_answer_does_not_wait_for_its_first_part_to_be_acknowledged():
    with listening("127.0.0.1", 0) as door, socket.create_connection(door.getsockname()):
        accepted, _ = door.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

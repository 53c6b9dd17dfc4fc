"""Flows on a schedule, on a real Prefect server: a late run answers as of its scheduled time, and what fails
is told once, and to whom.
"""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from features.errors import UnreachableError, UsageError
from pipelines.home import store_of
from pipelines.reports.render import as_text
from pipelines.settings import load_settings
from tests.commands import brief, leadsieve, written
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
LATE = datetime(2024, 11, 15, 2, tzinfo=UTC)
PATIENCE = 180  # seconds, on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(found: Callable[[], Any], process: subprocess.Popen | None = None) -> Any:
    """Ask again until there is an answer, or until a process that should give it has ended."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process is None or process.poll() is None, "it has ended"
        if answer := found():
            return answer
        time.sleep(0.25)
    pytest.fail("it never came")


@contextmanager
def running(*words: object, folder: Path, api: str = "", **variables: str) -> Iterator[subprocess.Popen]:
    """A process of its own that knows of no Prefect server but the one given; ended as a service is ended."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LEADSIEVE_"))
    }
    environ |= {
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    environ |= {"PREFECT_API_URL": api, "PREFECT_API_SERVICES_SCHEDULER_LOOP_SECONDS": "2"} if api else {}
    environ |= variables
    with (folder / "said.log").open("a") as said:
        # A shell that starts tests in the background has them ignore the signal, and so would every child.
        heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        command = [sys.executable, "-m", *map(str, words)]
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=said, stderr=said, preexec_fn=heeding
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def alarm() -> Iterator[tuple[str, list[str]]]:
    """An address that people would look at, and what came there."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", heard
        server.shutdown()


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server, whose client is this process."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    quiet = {"PREFECT_HOME": str(folder), "PREFECT_LOGGING_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"}
    quiet |= {"PREFECT_LOGGING_TO_API_ENABLED": "false", "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    with (
        running("prefect", "server", "start", "--host", "127.0.0.1", "--port", port, folder=folder) as server,
        patch.dict(os.environ, quiet),
        temporary_settings({PREFECT_API_URL: quiet["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        until(lambda: client.api_healthcheck() is None, server)
        yield quiet["PREFECT_API_URL"]


@pytest.fixture(scope="module")
def served(
    world: Path,
    prefect_server: str,
    alarm: tuple[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A folder from which the flows are served on the Prefect server."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.client.orchestration import get_client

    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(world / "home", folder / "home")
    schedule = '[schedule]\nscore = "0 2 * * *"\nmonitor = "off"\nretrain = "off"\nalignment = "off"\nprune = "off"\noutput = "queue/{date}.csv"\nalert = "custom-webhook/alarm"\n'
    written(folder, {"crm.toml": (world / "quick.toml").read_text() + schedule})
    CustomWebhookNotificationBlock(
        name="alarm", url=alarm[0], json_data={"said": "{{subject}} | {{body}}"}
    ).save("alarm")
    command = ("pipelines.cli.main", "serve", "--config", "crm.toml", "--home", "home")
    with (
        get_client(sync_client=True) as client,
        running(*command, folder=folder, api=prefect_server) as serving,
    ):
        until(lambda: len(client.read_deployments(limit=9, sort="NAME_ASC")) == 6, serving)
        yield folder


def run(flow: str, name: str = "leadsieve", **options: Any) -> Any:
    from prefect.deployments import run_deployment

    return run_deployment(f"{flow}/{name}", timeout=PATIENCE, poll_interval=0.5, **options)


def test_a_late_run_decides_as_of_the_time_it_was_scheduled_for(world, served, tmp_path):
    from prefect.client.orchestration import get_client

    done = run("score", scheduled_time=LATE)
    assert done.state.name == "Completed", done.state.message
    with get_client(sync_client=True) as client:
        kept = client.request("GET", "/artifacts/{key}/latest", path_params={"key": "score"}).json()

    home = Path(shutil.copytree(world / "home", tmp_path / "home"))
    then = ("--as-of", LATE.isoformat(), "--output", tmp_path / "then.csv", "--json")
    expected = leadsieve("score", "--config", world / "quick.toml", *then, home=home)
    assert expected.json["as_of"] == "2024-11-15T02:00:00"
    assert expected.json["scored"] > 20
    assert (served / "queue" / "2024-11-15.csv").read_bytes() == (tmp_path / "then.csv").read_bytes()
    pd.testing.assert_frame_equal(decided(served / "home"), decided(home))
    assert f"scored {expected.json['scored']} leads as of 2024-11-15 02:00" in done.state.message
    assert kept["flow_run_id"] == str(done.id)
    assert '"counted_at": "2024-11-15T02:00:00"' in (served / "home/alignment/figures.json").read_text()
    for channel, counts in expected.json["by_channel"].items():
        assert f"| {as_text(channel)} | {counts['handed_off']} | {counts['held']} |" in kept["data"]


def decided(home: Path) -> pd.DataFrame:
    from pipelines.store.database import Store

    return Store(f"sqlite:///{home / 'store.db'}").decisions()


def test_runs_are_scheduled_as_configured_and_a_flow_that_is_off_is_not(served):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        when = {each.id: each for each in client.read_deployments(limit=9, sort="NAME_ASC")}
        schedules = {
            client.read_flow(each.flow_id).name: [s.schedule.cron for s in each.schedules]
            for each in when.values()
        }
        assert schedules == {
            "score": ["0 2 * * *"],
            "monitor": [],
            "retrain": [],
            "alignment": [],
            "prune": [],
            "writeback": [],
        }
        coming = until(
            lambda: [
                each
                for each in client.read_flow_runs(limit=50, offset=0, sort="EXPECTED_START_TIME_ASC")
                if each.auto_scheduled
            ]
        )
    assert {(each.expected_start_time.hour, each.expected_start_time.minute) for each in coming} == {(2, 0)}


def logs_of(client: Any, run: Any) -> str:
    """All lines that a run logged, once the last one is there."""
    wanted = {"limit": 200, "offset": 0, "logs": {"flow_run_id": {"any_": [str(run.id)]}}}
    lines = [line["message"] for line in client.request("POST", "/logs/filter", json=wanted).json()]
    return "\n".join(lines) if f"Finished in state Failed({run.state.message!r})" in lines else ""


def test_a_run_that_fails_says_why_in_a_sentence_tells_people_and_hides_passwords(served, alarm):
    from prefect.client.orchestration import get_client

    url = f"postgresql://ann:hidden-word@127.0.0.1:{free_port()}/crm"
    written(served, {"down.toml": f'[source]\nurl = "{url}"'})
    before = len(decided(served / "home"))
    done = run("score", parameters={"config": str(served / "down.toml"), "home": str(served / "home")})
    assert done.state.name == "Failed"
    assert done.state.message.startswith("postgresql://ann:***@127.0.0.1")
    assert "does not let us in" in done.state.message
    assert len(done.state.message.splitlines()) == 1
    assert len(decided(served / "home")) == before

    heard = until(lambda: alarm[1])
    assert len(heard) == 1
    assert json.loads(heard[0])["said"] == f"leadsieve: score Failed | {done.state.message}"
    with get_client(sync_client=True) as client:
        logs = until(lambda: logs_of(client, done))
        runs = client.request("POST", "/flow_runs/filter", json={"limit": 200, "offset": 0}).text
        tasks = client.request("POST", "/task_runs/filter", json={"limit": 200, "offset": 0}).text
        tables = client.request("POST", "/artifacts/filter", json={"limit": 200, "offset": 0}).text
    assert logs.count(done.state.message) == 1
    assert "Traceback" not in logs
    for told in (logs, runs, tasks, tables, (served / "said.log").read_text(), *heard):
        assert "hidden-word" not in told


@pytest.mark.usefixtures("prefect_server")
def test_old_runs_are_counted_first_and_then_removed(served, prefect_server, monkeypatch):
    from pipelines.flows.runs import remove_old

    for _ in range(2):
        assert run("prune").state.message.startswith("Nothing is to go")
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    longer_ago, tomorrow = datetime(2020, 1, 1), datetime.now() + timedelta(days=1)
    assert remove_old(longer_ago, True) == 0
    there = remove_old(tomorrow, False)
    assert there >= 2
    assert remove_old(tomorrow, True) == there
    assert remove_old(tomorrow, False) == 0


def test_only_our_own_runs_are_asked_for_whatever_prefect_marks_scheduled_runs_with(
    prefect_server, tmp_path, monkeypatch
):
    from prefect import tags

    from pipelines.flows import deployments

    asked = []
    monkeypatch.setattr(deployments, "remove_old", lambda before, done, tag: asked.append(tag) or 0)
    (tmp_path / "crm.toml").write_text("[retention]\nrun_days = 30\n")
    with tags("auto-scheduled"):
        state = deployments.prune(
            tmp_path / "crm.toml", tmp_path / "home", as_of="2026-01-01", return_state=True
        )
    assert state.is_completed(), state.message
    assert asked == ["leadsieve"]


def test_retraining_promotes_only_by_rule_and_says_so(world, home):
    from pipelines.flows.deployments import retrain
    from pipelines.home import registry_of
    from pipelines.settings import load_settings

    with brief():
        state = retrain(world / "quick.toml", home, as_of=LATE, return_state=True)
    assert state.name == "Completed", state.message
    registry = registry_of(load_settings(None), home)
    newest = registry.versions()[0]
    assert newest.tags["as_of"] == "2024-11-15T02:00:00"
    promoted = registry.champion() == "2"
    assert ("is the champion now" in state.message) is promoted
    assert ("was not promoted: sales sees no change" in state.message) is not promoted


@pytest.mark.usefixtures("prefect_server")
def test_prefects_own_kind_of_time_is_a_time_like_any_other(world, home, monkeypatch):
    from prefect.types._datetime import create_datetime_instance

    from pipelines.flows import deployments

    planned = create_datetime_instance(LATE)
    monkeypatch.setattr(deployments, "flow_run", SimpleNamespace(scheduled_start_time=planned))
    assert type(deployments.scheduled(None)) is datetime
    done = deployments.monitor(world / "quick.toml", home, return_state=True)
    assert done.is_completed(), done.message


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("verdict", "state"), [("steady", "Completed"), ("watch", "Watch"), ("retrain", "Retrain")]
)
def test_the_state_of_a_monitoring_run_is_called_after_its_verdict_so_that_people_can_be_told(
    world, home, monkeypatch, verdict, state
):
    from pipelines.flows import deployments, monitor

    real = monitor.health_of
    monkeypatch.setattr(
        monitor, "health_of", lambda *found, **told: replace(real(*found, **told), word=verdict)
    )
    done = deployments.monitor(world / "quick.toml", home, as_of=LATE, return_state=True)
    assert (done.name, done.message.partition(":")[0]) == (state, f"version 1 · {verdict}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('score = "daily"', "schedule.score: 'daily' is no cron text: say it like"),
        ('timezone = "Mars"', "schedule.timezone: 'Mars' is no time zone"),
        ('alert = "slack"', "schedule.alert: 'slack' is no block of Prefect"),
        (
            'score = "99 2 * * *"',
            "schedule.score: Prefect cannot read '99 2 * * *' as a cron text; nothing is served",
        ),
        (
            'alert = "slack-webhook/sales"',
            "schedule.alert: Prefect has no block 'slack-webhook/sales'; nothing is served",
        ),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused_before_anything_is_served(
    prefect_server, tmp_path, line, said
):
    folder = written(tmp_path, {"c.toml": f"[schedule]\n{line}\n"})
    refused = leadsieve(
        "serve",
        "--config",
        folder / "c.toml",
        home=tmp_path / "home",
        PREFECT_API_URL=prefect_server,
    )
    assert refused.code == 2
    assert said in refused.err


def test_a_prefect_server_that_does_not_answer_is_out_of_reach(tmp_path):
    with running(
        "pipelines.cli.main",
        "serve",
        "--home",
        "home",
        folder=tmp_path,
        api=f"http://127.0.0.1:{free_port()}/api",
    ) as serving:
        assert serving.wait(timeout=PATIENCE) == 5
    assert "does not answer; nothing is served." in (tmp_path / "said.log").read_text()


def test_prefect_yaml_deploys_the_flows_by_module_path_as_the_configuration_schedules_them():
    import yaml
    from prefect.flows import load_flow_from_entrypoint

    from pipelines.schedule_settings import ScheduleSettings

    told = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    for each in told["deployments"]:
        flow = load_flow_from_entrypoint(each["entrypoint"])
        due = getattr(ScheduleSettings(), flow.name)
        assert [entry["cron"] for entry in each["schedules"]] == ([] if due == "off" else [due])
        flow.validate_parameters(each["parameters"])


def test_prefects_own_command_deploys_prefect_yaml_and_a_worker_scores(prefect_server, world, home, tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    shutil.copy(world / "quick.toml", tmp_path / "crm.toml")
    told = (REPOSITORY / "prefect.yaml").read_text().replace("/srv/leadsieve", str(tmp_path))
    written(tmp_path, {"prefect.yaml": told.replace("- name: leadsieve\n", "- name: by-a-worker\n")})
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="leadsieve", type="process"))
        with running("prefect", "deploy", "--all", folder=tmp_path, api=prefect_server) as command:
            assert command.wait(PATIENCE) == 0, (tmp_path / "said.log").read_text()
        with running(
            *("prefect", "worker", "start", "--pool", "leadsieve"), folder=tmp_path, api=prefect_server
        ):
            state = run("score", name="by-a-worker").state
    assert state.name == "Completed"
    assert state.message.startswith("version 1 scored ")


# ── new leads of grade A ──


def test_the_message_of_new_a_leads_has_their_ids_and_links_and_nothing_else_of_them():
    from pipelines.reports.summaries import a_leads

    rows = [("L 2/x", "A", "hand off", 2), ("L1", "A", "hand off", 1), ("L3", "B", "hand off", 3)]
    rows += [("L4", "A", "hold", 4)]
    decisions = pd.DataFrame(rows, columns=["lead_id", "grade", "action", "rank"])
    decisions = decisions.assign(owner="ann", channel="event", reasons=[["title: CEO"]] * 4)
    title, body = a_leads(decisions, desk="https://leads.example.com/")
    assert title == "2 new leads of grade A"
    assert body.splitlines() == [
        "- [L1](https://leads.example.com/leads/L1)",
        "- [L 2/x](https://leads.example.com/leads/L%202%2Fx)",
    ]
    assert a_leads(decisions, desk=None)[1].splitlines() == ["- L1", "- L 2/x"]
    assert a_leads(decisions[decisions["grade"] == "B"], desk=None) is None


@pytest.mark.usefixtures("prefect_server")
def test_the_scheduled_scoring_tells_a_block_of_new_a_leads_once_and_decides_where_it_does_not_answer(
    world, home, alarm, tmp_path
):
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    from pipelines.flows.deployments import score

    alarm[1].clear()
    said = {"said": "{{subject}} | {{body}}"}
    CustomWebhookNotificationBlock(name="best", url=alarm[0], json_data=said).save("best")
    gone = f"http://127.0.0.1:{free_port()}/"
    CustomWebhookNotificationBlock(name="deaf", url=gone, json_data={}).save("deaf")
    base = (world / "quick.toml").read_text()
    files = {
        f"{name}.toml": f'{base}[schedule]\na_leads = "custom-webhook/{name}"\n[desk]\nurl = "https://desk.example"\n'
        for name in ("best", "deaf")
    }
    folder = written(tmp_path, files)
    state = score(folder / "best.toml", home, as_of="2024-11-12T12:30:00", return_state=True)
    assert state.name == "Completed", state.message
    told = json.loads(alarm[1].pop())["said"]
    assert "grade A | - [L" in told
    assert "(https://desk.example/leads/L" in told
    score(folder / "best.toml", home, as_of="2024-11-12T12:30:00", return_state=True)
    assert alarm[1] == []
    state = score(folder / "deaf.toml", home, as_of="2024-11-15T12:30:00", return_state=True)
    assert "custom-webhook/deaf' did not take the leads of grade A" in state.message
    store = store_of(load_settings(folder / "deaf.toml", environ={}), home)
    assert store.decisions()["as_of"].nunique() == 2, "its leads are decided all the same"


# ── the digest ──


@pytest.fixture(scope="module")
def aligned(world) -> dict[str, Any]:
    asked = ("alignment", "--config", world / "quick.toml", "--as-of", "2025-01-01", "--json")
    return leadsieve(*asked, home=world / "home").json


@pytest.mark.usefixtures("prefect_server")
def test_a_service_that_takes_pictures_gets_two_and_the_way_to_each_figure(aligned, alarm):
    from prefect.blocks.notifications import AppriseNotificationBlock
    from pydantic import SecretStr

    from pipelines.flows.alignment.digest import pictures, send
    from pipelines.reports.alignment import digest

    class JsonWebhook(AppriseNotificationBlock):
        _block_type_name = "Json Webhook"
        _block_type_slug = "json-webhook"

    alarm[1].clear()
    JsonWebhook(url=SecretStr(alarm[0].replace("http", "json"))).save("both")
    send(aligned, *digest(aligned, desk="https://leads.example.com/"), block="json-webhook/both")
    told = json.loads(alarm[1].pop())
    assert told["title"] == "What became of the leads: 1 to talk about"
    assert "[See the figure](https://leads.example.com/alignment#feedback)" in told["message"]
    assert "[All figures](https://leads.example.com/alignment)" in told["message"]
    assert [each["filename"] for each in told["attachments"]] == ["funnel.png", "quarter.png"]
    for each, picture in zip(told["attachments"], pictures(aligned).values(), strict=True):
        assert base64.b64decode(each["base64"]) == picture
        assert picture.startswith(b"\x89PNG")


@pytest.mark.usefixtures("prefect_server")
def test_the_scheduled_flow_sends_its_sentences_to_the_block_that_is_named(world, home, alarm, tmp_path):
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    from pipelines.flows.deployments import alignment

    alarm[1].clear()
    CustomWebhookNotificationBlock(
        name="digest", url=alarm[0], json_data={"said": "{{subject}} | {{body}}"}
    ).save("digest")
    more = '[schedule]\ndigest = "custom-webhook/digest"\n'
    folder = written(tmp_path, {"crm.toml": (world / "quick.toml").read_text() + more})
    state = alignment(folder / "crm.toml", home, as_of="2025-01-01", return_state=True)
    assert state.name == "Completed", state.message
    said = json.loads(alarm[1].pop())["said"]
    assert said.startswith(f"What became of the leads: 1 to talk about | {state.message}")
    assert "Fewer than half of the leads are answered within the 24 hours agreed on" in said
    assert '"counted_at": "2025-01-01T00:00:00"' in (home / "alignment/figures.json").read_text()


@pytest.mark.usefixtures("prefect_server")
def test_a_block_that_is_not_there_or_does_not_answer_is_a_sentence(aligned):
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    from pipelines.flows.alignment.digest import send

    with pytest.raises(UsageError, match="no notification block 'slack-webhook/nobody'"):
        send(aligned, "title", "words", block="slack-webhook/nobody")
    CustomWebhookNotificationBlock(name="gone", url=f"http://127.0.0.1:{free_port()}/", json_data={}).save(
        "gone"
    )
    with pytest.raises(UnreachableError, match="block 'custom-webhook/gone' did not take the digest"):
        send(aligned, "title", "words", block="custom-webhook/gone")

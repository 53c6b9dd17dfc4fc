"""Prefect beside us: single commands need none, and the one that `serve` starts lets nobody in who has not the secret."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from features.errors import ContractError, UnreachableError, UsageError
from pipelines.flows import runs
from pipelines.prefect_server import address_of, prefect_server, secret_of
from pipelines.reports.render import terminal
from tests.commands import SIMULATED, written
from tests.conftest import REPOSITORY

PATIENCE = 180  # seconds, on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environ(folder: Path) -> dict[str, str]:
    """An environment that knows of no Prefect server."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LEADSIEVE_"))
    }
    return kept | {"PYTHONPATH": str(REPOSITORY), "HOME": str(folder), "DO_NOT_TRACK": "1"}


def leadsieve(*words: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environ(folder) | variables, capture_output=True, text=True, check=False
    )


@contextmanager
def serving(folder: Path, port: int):
    """``leadsieve serve`` on a home, in a process of its own."""
    command = [sys.executable, "-m", "app.cli", "serve", "--home", "home", "--port", str(port)]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--config", "crm.toml"], cwd=folder, stdout=log, stderr=log,
            env=environ(folder) | {"PREFECT_LOGGING_LEVEL": "DEBUG"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    """A folder whose home is served, the address of its Prefect API, and the process that serves it."""
    folder = written(tmp_path_factory.mktemp("served"), {"crm.toml": f'[source]\nurl = "{SIMULATED}"\n'})
    with serving(folder, free_port()) as process:
        end = time.monotonic() + PATIENCE
        while (address := address_of(folder / "home")) is None:
            assert process.poll() is None, (folder / "serve.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        last = f"{address}/deployments/name/alignment/leadsieve"  # registered after the others
        while httpx.get(last, headers=signed_in(folder)).status_code != 200:
            assert process.poll() is None, (folder / "serve.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        yield folder, address, process


@contextmanager
def asking(folder: Path, address: str):
    """A client of the Prefect server that serves a home."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: secret_of(folder / "home")}),
        get_client(sync_client=True) as client,
    ):
        yield client


def signed_in(folder: Path) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(secret_of(folder / "home").encode()).decode()}


@pytest.mark.slow
def test_whoever_has_not_the_secret_is_refused_and_no_page_of_another_origin_is_answered(served):
    folder, address, _ = served
    listing = f"{address}/deployments/filter"
    wrong = {"Authorization": "Basic " + b64encode(b"leadsieve:guess").decode()}
    for headers in ({}, wrong):
        assert httpx.post(listing, json={}, headers=headers).status_code in (401, 403)
        for path in ("csrf-token?client=me", "admin/settings", "deployments/name/score/leadsieve"):
            assert httpx.get(f"{address}/{path}", headers=headers).status_code == 401
    assert (
        httpx.get(f"{address}/deployments/name/score/leadsieve", headers=signed_in(folder)).status_code == 200
    )
    foreign = httpx.options(
        listing, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert foreign.headers.get("access-control-allow-origin") not in ("*", "http://evil.example")
    # with the secret, but as a form of another page would send it: without the token
    assert httpx.post(listing, json={}, headers=signed_in(folder)).status_code == 403


@pytest.mark.slow
def test_what_the_server_keeps_is_its_owners_alone(served):
    folder, *_ = served
    secret = folder / "home" / "prefect" / "server.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert re.fullmatch(r"\S{40,}", secret.read_text())
    for file in (folder / "home" / "prefect").glob("*.db*"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert secret.read_text() not in (folder / "serve.log").read_text()
    with (
        pytest.raises(UsageError, match="is served already"),
        prefect_server(folder / "home", free_port(), environ(folder)),
    ):
        pass


@pytest.mark.slow
def test_a_command_on_a_home_that_is_served_is_a_run_without_parameters_and_with_the_words_of_the_terminal(
    served,
):
    folder, address, _ = served
    done = leadsieve("check", "--config", "crm.toml", "--home", "home", folder=folder)
    assert done.returncode == 0, done.stderr
    from prefect.client.schemas.filters import FlowFilter

    with asking(folder, address) as client:
        (run,) = client.read_flow_runs(flow_filter=FlowFilter(name={"any_": ["check-source"]}))
        (artifact,) = client.read_artifacts(limit=1, sort="CREATED_DESC")
    assert run.state.type.value == "COMPLETED"
    assert run.parameters == {}
    assert run.tags == ["leadsieve"]
    assert artifact.flow_run_id == run.id
    assert terminal(artifact.data) == done.stdout.removesuffix("\n")


@pytest.mark.slow
def test_without_a_server_a_whole_one_runs_beside_and_plans_the_runs_until_it_is_stopped(served):
    """The last test of a home that is served, which is served no more after it."""
    folder, address, process = served
    log, page = folder / "serve.log", address.removesuffix("api")
    end = time.monotonic() + PATIENCE
    with asking(folder, address) as client:
        # whoever serves them has begun to look
        while not client.read_flow_runs(limit=9) or "scheduled flow runs" not in log.read_text():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
    assert "<html" in httpx.get(page).text
    assert page.removesuffix("/") in log.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 0
    assert "All deployments have been paused" in log.read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)


@pytest.mark.slow
def test_a_server_that_is_killed_with_us_leaves_a_note_that_misleads_nobody(tmp_path):
    folder = written(tmp_path, {"crm.toml": f'[source]\nurl = "{SIMULATED}"\n'})
    note = folder / "home" / "prefect" / "server.json"
    port = free_port()
    with serving(folder, port) as process:
        end = time.monotonic() + PATIENCE
        while not note.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        process.kill()
        process.wait()
    assert note.exists()
    assert address_of(folder / "home") is None
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    pytest.fail("the server outlived the command")


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                UnreachableError, match=f"cannot be started at http://127.0.0.1:{port}; nothing is served"
            ),
            prefect_server(tmp_path, port, environ(tmp_path)),
        ):
            pass


@pytest.mark.slow
def test_a_single_command_starts_no_server_and_does_not_load_prefect(tmp_path):
    written(tmp_path, {"crm.toml": '[source]\nurl = "simulated:?leads=300&months=6"\n'})
    code = """
import sys
from app.cli import main
code = main(["check", "--config", "crm.toml", "--home", "home", "--json"])
assert "prefect" not in sys.modules
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 4), done.stderr
    assert json.loads(done.stdout)["readiness"]
    assert not (tmp_path / "home" / "prefect").exists()


@pytest.mark.slow
def test_a_prefect_server_that_does_not_answer_is_said_in_a_sentence_and_nothing_is_done(tmp_path):
    written(tmp_path, {"crm.toml": '[source]\nurl = "simulated:?leads=300&months=6"\n'})
    dead = f"http://ann:hidden-word@127.0.0.1:{free_port()}/api"
    done = leadsieve(
        "check", "--config", "crm.toml", "--home", "home", folder=tmp_path,
        PREFECT_API_URL=dead, PREFECT_API_REQUEST_TIMEOUT="5", PREFECT_CLIENT_MAX_RETRIES="0",
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "does not answer; nothing was done. Start it, or unset PREFECT_API_URL." in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden-word" not in done.stderr


@pytest.mark.parametrize(("error", "tries"), [(UnreachableError, 3), (ContractError, 1), (ValueError, 1)])
def test_only_what_is_out_of_reach_is_tried_again(monkeypatch, error, tries):
    monkeypatch.setattr(runs, "PAUSE", 0.0)
    asked = []

    @runs.retried
    def pull():
        asked.append(1)
        raise error("no")

    with pytest.raises(error, match="no"):
        pull()
    assert len(asked) == tries

"""How long a lead takes to the desk: from a new row in a PostgreSQL with ``score_minutes = 1``, and from a request to
``/api/decisions``. Everything runs as it would: the server of Prefect, ``leadsieve serve`` and ``leadsieve desk``, each a
process of its own.

    python -m benchmarks.to_the_desk
"""

import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from pipelines.simulation.market import simulate_tables
from tests.postgres_server import postgres

TIMES, REQUESTS, LONGEST = 3, 20, 300
CONFIG = """
[source]
url = "{url}"
[source.leads]
updated_at = "updated_at"
[source.events]
updated_at = "updated_at"
[source.outcomes]
updated_at = "updated_at"
[evaluation]
blocks = 3
resamples = 40
[schedule]
score_minutes = 1
score = "off"
monitor = "off"
retrain = "off"
alignment = "off"
prune = "off"
"""


def main() -> None:
    """Print what was measured."""
    with ExitStack() as ending:
        server = ending.enter_context(postgres())
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        address = f"postgresql://tester:x@127.0.0.1:{server.con.info.port}/postgres"
        today = datetime.now(UTC).date()
        for name, table in simulate_tables(f"simulated:?leads=5000&months=12&end={today}").items():
            rows = table.to_pandas() if hasattr(table, "to_pandas") else pd.read_parquet(table)
            when = "created_at" if name == "leads" else "occurred_at"
            server.create_table(name, rows.assign(updated_at=rows[when]))
        (folder / "crm.toml").write_text(CONFIG.format(url=address))
        home = folder / "home"
        told = ["--config", str(folder / "crm.toml"), "--home", str(home)]
        for words in (["train"], ["promote"], ["score"]):
            subprocess.run([_program(), *words, *told], check=True, capture_output=True)
        key = json.loads(_said("key", "make", "crm", "--role", "ops", "--json", *told))["key"]
        ports = _free(), _free()
        for words in (["serve", "--port", str(ports[0])], ["desk", "--port", str(ports[1])]):
            log = ending.enter_context((folder / f"{words[0]}.log").open("w"))
            process = subprocess.Popen(
                [_program(), *words, *told], stdout=log, stderr=log, start_new_session=True
            )
            ending.callback(_end, process)
        _first_run(home, server)
        print("from a new row to the desk:", _shown([_row(home, server, number) for number in range(TIMES)]))
        desk = f"http://127.0.0.1:{ports[1]}/api/decisions"
        print("from a request to the desk:", _shown([_request(home, desk, key, n) for n in range(REQUESTS)]))


def _row(home: Path, server, number: int) -> float:
    lead = f"fresh {number}"
    server.raw_sql(
        f"INSERT INTO leads (lead_id, account_id, created_at, updated_at) VALUES ('{lead}', '{lead}', {_now()}, {_now()})"
    ).close()
    server.con.commit()
    return _waited(home, lead)


def _first_run(home: Path, server) -> None:
    print("the first run ended after", round(_row(home, server, -1), 1), "s")


def _now() -> str:
    return f"timestamp '{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}'"


def _request(home: Path, desk: str, key: str, number: int) -> float:
    lead = f"asked {number}"
    created = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    body = {"leads": [{"lead_id": lead, "created_at": created}]}
    asked = urllib.request.Request(
        desk,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(asked) as answer:
        answer.read()
    _waited(home, lead)
    return time.perf_counter() - begun


def _waited(home: Path, lead: str) -> float:
    """Seconds until a lead is on the desk's list."""
    begun = time.perf_counter()
    with closing(sqlite3.connect(home / "store.db", timeout=30)) as store:
        while not store.execute("SELECT 1 FROM worklist WHERE lead_id = ?", [lead]).fetchall():
            if time.perf_counter() - begun > LONGEST:
                raise SystemExit(f"'{lead}' did not come within {LONGEST} seconds")
            time.sleep(0.01)
    return time.perf_counter() - begun


def _shown(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s, of {len(seconds)}"


def _said(*words: str) -> str:
    return subprocess.run([_program(), *words], check=True, capture_output=True, text=True).stdout


def _program() -> str:
    return str(Path(sys.executable).with_name("leadsieve"))


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _end(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

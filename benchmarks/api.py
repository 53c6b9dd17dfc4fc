"""How fast the API scores a lead with its events, alone and for fifty clients at once, and what memory it
takes.

``python benchmarks/api.py --leads 100000`` makes a market, trains on it, decides its leads, serves the desk
and asks it.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

PORT = 8499
COMMAND = [sys.executable, "-m", "app.cli"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--home", type=Path, help="a home that has a champion already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.home or trained(Path(scratch) / "home", given.leads)
        key = run("key", "make", "benchmark", "--role", "ops", "--json", home=home)["key"]
        server = subprocess.Popen([*COMMAND, "desk", "--port", str(PORT), "--home", str(home)])
        try:
            report(home, key, server.pid, given)
        finally:
            server.terminate()
            server.wait()


def trained(home: Path, leads: int) -> Path:
    source = f"simulated:?leads={leads}&months=24"
    run("train", "--source", source, "--json", home=home)
    run("promote", "--json", home=home)
    run("score", "--all", "--source", source, "--json", home=home)  # so that the desk's list is full
    return home


def run(*words: str, home: Path) -> dict:
    done = subprocess.run(
        [*COMMAND, *words, "--home", str(home)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def report(home: Path, key: str, process: int, given: argparse.Namespace) -> None:
    begun = time.perf_counter()
    while ask("/health", key)["status"] != "ok":
        time.sleep(0.2)
    print(f"ready after {time.perf_counter() - begun:.1f} s")
    bodies = requests(home)
    events = np.mean([body.count(b'"kind"') for body in bodies])
    for body in bodies[:20]:
        ask("/scores", key, body)
    before = processor_seconds(process)
    alone = np.array([timed(key, bodies[i % len(bodies)]) for i in range(given.requests)])
    spent = 1000 * (processor_seconds(process) - before) / given.requests
    print(
        f"one lead with {events:.0f} events: p50 {told(alone, 50)} ms, p99 {told(alone, 99)} ms, {spent:.1f} ms of the processor"
    )
    print(f"  memory {memory(process)} MB")
    begun, before = time.perf_counter(), processor_seconds(process)
    with ThreadPoolExecutor(given.clients) as clients:
        together = np.array(
            list(clients.map(lambda i: timed(key, bodies[i % len(bodies)]), range(given.requests)))
        )
    rate = given.requests / (time.perf_counter() - begun)
    spent = 1000 * (processor_seconds(process) - before) / given.requests
    print(
        f"{given.clients} clients: {rate:.0f} requests/s, p50 {told(together, 50)} ms, p99 {told(together, 99)} ms, no error, "
        f"{spent:.1f} ms of the processor each"
    )
    print(f"  memory {memory(process)} MB")
    many = json.dumps(
        {"leads": [lead for body in bodies for lead in json.loads(body)["leads"]][:1000]}
    ).encode()
    print(f"1,000 leads in one request: {timed(key, many):.2f} s")
    print(f"  memory {memory(process)} MB")


def processor_seconds(process: int) -> float:
    """What a process has had of the processors so far: unlike the clock on the wall, it does not tell of
    others on the machine.
    """
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> int:
    """Resident megabytes."""
    line = next(
        line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) // 1024


def requests(home: Path) -> list[bytes]:
    """The newest thousand leads of the snapshot, each a request with its events."""
    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    leads = pd.read_parquet(folder / "leads.parquet").nlargest(1000, "created_at")
    events = pd.read_parquet(folder / "events.parquet")
    events = events[events["lead_id"].isin(leads["lead_id"])]
    of_lead = {lead_id: rows.drop(columns="lead_id") for lead_id, rows in events.groupby("lead_id")}
    named = [
        name
        for name in ("lead_id", "account_id", "created_at", "channel", "campaign", "owner")
        if name in leads
    ]
    made = []
    for lead in rows(leads):
        sent = {name: lead.pop(name) for name in named}
        sent |= {
            "attributes": lead,
            "events": rows(of_lead[sent["lead_id"]]) if sent["lead_id"] in of_lead else [],
        }
        made.append(json.dumps({"leads": [sent]}).encode())
    return made


def rows(table: pd.DataFrame) -> list[dict]:
    return json.loads(table.to_json(orient="records", date_format="iso", date_unit="us"))


HELD = threading.local()  # every client holds one connection, as programs do


def ask(path: str, key: str, body: bytes | None = None) -> dict:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for _ in range(300):
        if not hasattr(HELD, "connection"):
            HELD.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        try:
            HELD.connection.request("GET" if body is None else "POST", f"/api{path}", body, headers)
            answer = HELD.connection.getresponse()
            told = answer.read()
        except ConnectionRefusedError:
            HELD.connection.close()
            time.sleep(0.2)
        else:
            if answer.status != 200:
                sys.exit(f"{answer.status}: {told[:300]!r}")
            return json.loads(told)
    raise TimeoutError("the server does not come up")


def timed(key: str, body: bytes) -> float:
    begun = time.perf_counter()
    ask("/scores", key, body)
    return time.perf_counter() - begun


def told(seconds: np.ndarray, percentile: int) -> str:
    return f"{1000 * np.percentile(seconds, percentile):.1f}"


if __name__ == "__main__":
    main()

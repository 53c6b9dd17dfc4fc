"""The queue with 100,000 leads: how long the server takes for a first page, filters, a search and a lead.

python benchmarks/desk.py [LEADS]
"""

import json
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from app.web import create_app
from pipelines.home import store_of
from pipelines.settings import Settings, load_settings
from pipelines.store.access.users import add_person

if TYPE_CHECKING:
    import pandas as pd

TIMES = 9
PASSWORD = "only for a benchmark"
ADDRESSES = {
    "first page": "/queue",
    "by grade": "/queue?grade=A&grade=B",
    "by channel and country": "/queue?channel=organic&country=DE",
    "by chance": "/queue?least=20",
    "search": "/queue?q=anna+company12",
    "last page": "/queue?page=2000",
    "export of a filter": "/export.csv?grade=A",
}


def main(leads: int) -> dict:
    """Pull simulated leads, decide all of them as a run would have, and ask for every page several times."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = load_settings(None, {"source": {"url": f"simulated:?leads={leads}&months=12"}}, environ={})
        now = prepared(settings, home)
        add_person(store_of(settings, home), "ann", "rep", PASSWORD, at=now, by="benchmark")
        began = time.perf_counter()
        client = signed_in(settings, home, now)
        filled = time.perf_counter() - began
        on_desks(home)
        lead = client.get("/queue").text.partition('href="/leads/')[2].partition('"')[0]
        addresses = {**ADDRESSES, "a lead": f"/leads/{lead}"}
        measured = {name: seconds(client, address) for name, address in addresses.items()}
        desk = settings.desk.model_copy(update={"own_leads_only": True})
        own = signed_in(settings.model_copy(update={"desk": desk}), home, now)
        measured_own = {name: seconds(own, address) for name, address in ADDRESSES.items()}
    return {
        "leads": leads,
        "fill": round(filled, 2),
        "seconds": measured,
        "seconds of who sees own leads only": measured_own,
    }


def signed_in(settings: Settings, home: Path, now: datetime) -> TestClient:
    """A browser in which ann is signed in, at a desk whose list is filled."""
    app = create_app(settings, home, lambda: now, hosts=("testserver",))
    app.state.desk.refresh()
    client = TestClient(app)
    token = client.get("/sign-in").text.rpartition('name="token" value="')[2].partition('"')[0]
    client.post("/sign-in", data={"name": "ann", "password": PASSWORD, "token": token})
    return client


def on_desks(home: Path) -> None:
    """Put every other lead on one of ten desks, the first of them ann's."""
    with closing(sqlite3.connect(home / "store.db")) as connection, connection:
        connection.execute(
            "UPDATE worklist SET assigned_to = CASE rowid % 20 WHEN 0 THEN 'ann' ELSE 'rep ' || (rowid % 20) END WHERE rowid % 2 = 0"
        )


def prepared(settings: Settings, home: Path) -> datetime:
    """Make snapshot and decisions in a process of its own: what that takes is not the desk's memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_prepare, (settings, home))


def _prepare(settings: Settings, home: Path) -> datetime:
    import pyarrow.parquet as pq

    from pipelines.sources.reading.parts import parts
    from pipelines.sources.snapshots import pull

    snapshot = pull(settings.source, settings.label, home=home, until=datetime(2100, 1, 1))
    now = snapshot.tables.end
    leads = snapshot.tables.leads.select("lead_id", "account_id", "channel", "owner").to_pyarrow().to_pandas()
    snapshot.close()
    for part in parts(snapshot.folder, "outcomes"):  # sales has answered nobody: all of them wait
        pq.write_table(pq.read_table(part).slice(0, 0), part)
    store_of(settings, home).record(decisions(leads, now))
    return now


def decisions(leads: "pd.DataFrame", now: datetime) -> "pd.DataFrame":
    """Decisions as a scoring run records them, all handed off."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    chance = rng.beta(2, 12, len(leads))
    return pd.DataFrame(
        {
            "lead_id": leads["lead_id"], "account_id": leads["account_id"], "channel": leads["channel"], "owner": leads["owner"],
            "as_of": now - timedelta(hours=1), "p_convert": chance, "score": chance, "low": chance * 0.8, "high": chance * 1.2, "value": 5000 * chance - 60,
            "grade": np.array(list("DCBA"))[np.digitize(chance, [0.07, 0.14, 0.22])], "action": "hand off", "version": "1",
            "reasons": [["counts for it: employees is 753 (usual: 56)", "counts against it: country is ES (usual: DE)"]] * len(leads),
        }
    )  # fmt: skip


def seconds(client: TestClient, address: str) -> dict[str, float]:
    """Median and the slowest, and the processor's own time, which other processes do not lengthen."""
    taken, worked = [], []
    for _ in range(TIMES):
        began, busy = time.perf_counter(), time.process_time()
        assert client.get(address).status_code == 200, address
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - busy)
    return {
        "median": round(median(taken), 3),
        "slowest": round(max(taken), 3),
        "processor": round(median(worked), 3),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if sys.argv[1:] else 100_000), indent=1))

"""An API to ask: a home with a champion, its keys, and the source's own leads as a program would send them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from starlette.testclient import TestClient

from app.web import create_app
from pipelines.home import store_of
from pipelines.settings import load_settings
from pipelines.store.access.api_keys import make_key

NOW = datetime(2026, 3, 2, 8, 0)
CANONICAL = ("lead_id", "account_id", "created_at", "channel", "campaign", "owner")


@dataclass(frozen=True)
class Api:
    """A running app and keys for it."""

    home: Path
    client: TestClient
    keys: dict[str, str]

    def ask(self, method: str, path: str, *, role: str | None = "ops", **options: Any):
        headers = options.pop("headers", {}) | (
            {} if role is None else {"Authorization": f"Bearer {self.keys[role]}"}
        )
        return self.client.request(method, f"/api{path}", headers=headers, **options)

    @property
    def champions(self):
        return self.client.app.state.champions


@contextmanager
def running_api(
    home: Path,
    config: Path | None,
    *,
    every: float = 3600,
    now: datetime = NOW,
    clock: Callable[[], datetime] | None = None,
) -> Iterator[Api]:
    """The API of a home, ready to score, which looks for a new champion every so many seconds; its clock
    stands still, unless one is given.
    """
    settings = load_settings(config, environ={})
    store = store_of(settings, home)
    keys = {
        role: make_key(store, f"a {role}'s program", role, at=now, by="a test")
        for role in ("rep", "ops", "admin")
    }
    app = create_app(settings, home, clock or (lambda: now), hosts=("testserver",))
    app.state.champions.every = every
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.champions.look()
        assert app.state.champions.trouble is None
        yield Api(home, client, keys)


def as_sent(home: Path) -> list[dict[str, Any]]:
    """Every lead of the newest snapshot with its events, as JSON."""
    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    leads, events = (pd.read_parquet(folder / f"{name}.parquet") for name in ("leads", "events"))
    of_lead: dict[str, list[dict]] = {}
    for lead_id, event in zip(events["lead_id"], plain(events.drop(columns="lead_id")), strict=True):
        of_lead.setdefault(lead_id, []).append(event)
    return [_lead(lead, of_lead) for lead in plain(leads)]


def _lead(lead: dict[str, Any], events: dict[str, list[dict]]) -> dict[str, Any]:
    own = {name: lead[name] for name in CANONICAL if name in lead}
    return own | {
        "attributes": {name: lead[name] for name in lead if name not in CANONICAL},
        "events": events.get(lead["lead_id"], []),
    }


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them, to the microsecond."""
    columns = {
        name: values.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if pd.api.types.is_datetime64_any_dtype(values)
        else values
        for name, values in table.items()
    }
    texts = pd.DataFrame(columns).astype(object)
    return texts.where(table.notna(), None).to_dict("records")

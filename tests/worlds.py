"""Small made-up worlds, full of ties, gaps, late records and odd names: the same for the same seed."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import Tables, row_time

START = datetime(2024, 3, 1)
KINDS = ["page view", "page_view", "Page_View", "call {in}", "form", "mail"]
TITLES = [
    "CEO",
    "Head of Marketing",
    "VP Sales",
    "Vertriebsleiter",
    "Sales Manger",
    "Praktikantin",
    "Directeur financier",
    "",
    None,
    "Baker",
]
EMAILS = [
    "ann@acme.com",
    "Bob@ACME.com ",
    "c@gmail.com",
    "d@yahoo.co.uk",
    "e@gmx.de",
    "f@mail.acme.co.uk",
    None,
    "no address",
]
INTERESTS = ["Demo", "Fair, abroad", "Call|back", "(none)"]
STAGES = ("accepted", "rejected", "won", "lost")


@dataclass(frozen=True)
class World:
    """The canonical tables as pandas frames, and what ``Tables`` says of them."""

    leads: pd.DataFrame
    events: pd.DataFrame | None
    outcomes: pd.DataFrame
    clock: str = "time"
    outcome_times: bool = True
    stages: tuple[str, ...] = STAGES
    has_accounts: bool = True
    end: datetime = START + timedelta(days=200)

    def shuffled(self, seed: int) -> "World":
        """The same rows in another order."""
        mixed = {
            name: getattr(self, name).sample(frac=1, random_state=seed)
            for name in ("leads", "events", "outcomes")
            if getattr(self, name) is not None
        }
        return replace(self, **mixed)

    def tables(self, connection: ibis.BaseBackend) -> Tables:
        """The world on an engine, under names of its own."""

        def put(frame: pd.DataFrame, name: str):
            return connection.create_table(f"{name}_{next(_NUMBERS)}", arrow(frame), temp=True)

        return Tables(
            leads=put(self.leads, "leads"),
            events=None if self.events is None else put(self.events, "events"),
            outcomes=put(self.outcomes, "outcomes"),
            clock=self.clock, outcome_times=self.outcome_times, stages=self.stages, end=self.end, has_accounts=self.has_accounts,
            lists={name: ";" for name in ("interests",) if name in self.leads},
        )  # fmt: skip


_NUMBERS = iter(range(10**9))


def arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame with the canonical types: text, float64, timestamp."""

    def dtype(column: pd.Series) -> pa.DataType:
        if pd.api.types.is_datetime64_any_dtype(column):
            return pa.timestamp("us")
        return pa.float64() if pd.api.types.is_numeric_dtype(column) else pa.string()

    return pa.table(
        {name: pa.Array.from_pandas(frame[name], type=dtype(frame[name])) for name in frame.columns}
    )


def written(world: World, folder: Path) -> Path:
    """A world as Parquet files, the events as a folder of two."""
    for name in ("leads", "outcomes"):
        pq.write_table(arrow(getattr(world, name)), folder / f"{name}.parquet")
    events = arrow(world.events)
    (folder / "events").mkdir()
    for part, rows in enumerate((events[:100], events[100:])):
        pq.write_table(rows, folder / "events" / f"{part}.parquet")
    return folder


def random_world(seed: int, leads: int = 60) -> World:
    """Leads of few accounts over half a year; times fall on a coarse grid, so that many coincide."""
    rng, apart = np.random.default_rng(seed), np.random.default_rng(seed + 1_000)
    created = np.sort(_times(rng, leads, days=150))
    table = pd.DataFrame(
        {
            "lead_id": [f"L{i:03}" for i in rng.permutation(leads)],
            "account_id": [f"A{i}" for i in rng.integers(0, leads // 4, leads)],
            "created_at": created,
            "channel": rng.choice(np.array(["ads", "event", None], dtype=object), leads),
            "campaign": rng.choice(np.array([f"c{i}" for i in range(5)] + [None], dtype=object), leads),
            "Size, people": np.where(
                rng.random(leads) < 0.2, np.nan, rng.integers(1, 500, leads).astype(float)
            ),
            "founded": pd.Series(_times(rng, leads, days=150)).mask(rng.random(leads) < 0.2),
            "job_title": rng.choice(np.array(TITLES, dtype=object), leads),
            "e-mail": rng.choice(
                np.array(EMAILS, dtype=object), leads, p=[0.2, 0.1, 0.2, 0.1, 0.1, 0.1, 0.15, 0.05]
            ),
            "constant": "same",
            "interests": [
                None if at % 9 == 4 else "; ".join(apart.permutation(INTERESTS)[: apart.integers(0, 4)])
                for at in range(leads)
            ],
        }
    )
    who = rng.integers(0, leads, leads * 8)
    occurred = created[who] + _lags(rng, len(who), days=40) - np.timedelta64(20, "D")
    events = pd.DataFrame(
        {
            "lead_id": table["lead_id"].to_numpy()[who],
            "kind": rng.choice(KINDS, len(who)),
            "occurred_at": occurred,
            "recorded_at": occurred
            + np.where(rng.random(len(who)) < 0.3, _lags(rng, len(who), days=10), np.timedelta64(0, "us"))
            - np.timedelta64(1, "D"),
            "channel": rng.choice(np.array(["web", "phone", None], dtype=object), len(who)),
            "value": np.where(rng.random(len(who)) < 0.5, np.nan, rng.normal(10, 5, len(who))),
        }
    )
    chains = []
    for lead_id, born in zip(table["lead_id"], created, strict=True):
        for stage in rng.choice(STAGES, size=rng.integers(0, 4)):  # in any order, some twice: sources do that
            at = born + _lags(rng, 1, days=120)[0]
            chains.append(
                (
                    lead_id,
                    stage,
                    at,
                    at + _lags(rng, 1, days=3)[0],
                    100.0 * rng.integers(1, 9) if stage == "won" else np.nan,
                )
            )
    outcomes = pd.DataFrame(chains, columns=["lead_id", "stage", "occurred_at", "recorded_at", "amount"])
    return World(leads=table, events=events, outcomes=outcomes)


def row_world(seed: int, leads: int = 60) -> World:
    """A flat export without times: each row's outcome is known from the next row on."""
    rng = np.random.default_rng(seed)
    times = np.array([row_time(i) for i in range(leads)], dtype="datetime64[us]")
    ids = [f"L{i:03}" for i in range(leads)]
    table = pd.DataFrame(
        {
            "lead_id": ids,
            "account_id": ids,
            "created_at": times,
            "campaign": rng.choice(["a", "b", "c"], leads),
            "size": rng.random(leads),
        }
    )
    told = rng.random(leads) < 0.9
    stage = rng.choice(["won", "lost"], leads)
    outcomes = pd.DataFrame({"lead_id": ids, "stage": stage, "occurred_at": times, "recorded_at": times})[
        told
    ]
    return World(
        table,
        None,
        outcomes,
        clock="rows",
        outcome_times=False,
        stages=("won", "lost"),
        has_accounts=False,
        end=row_time(leads),
    )


def _times(rng: np.random.Generator, count: int, days: int) -> np.ndarray:
    return np.datetime64(START, "us") + _lags(rng, count, days)


def _lags(rng: np.random.Generator, count: int, days: int) -> np.ndarray:
    """Lags on a grid of half a day, one in ten with microseconds."""
    lag = rng.integers(0, 2 * days, count) * np.timedelta64(43_200_000_000, "us")
    return lag + np.where(rng.random(count) < 0.1, rng.integers(0, 10**9, count), 0) * np.timedelta64(1, "us")

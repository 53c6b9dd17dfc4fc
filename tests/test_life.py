"""The life of many leads against a model of it: whatever is done in whatever order, amid kills and with clocks that
jump, nobody is decided twice, nothing acknowledged is lost, there is one champion, and who was forgotten stays so.

``LEADSIEVE_EXAMPLES=200`` (with ``--timeout=0``) tries as many lives instead of a few; one that fails is printed and
kept by hypothesis.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.desk import Desk
from features.errors import UsageError
from models.registry import published
from models.registry.published import Publication
from pipelines.flows.dataset import pull_source
from pipelines.settings import load_settings
from pipelines.store import erasure
from pipelines.store.answers import give
from pipelines.store.database import Store
from pipelines.store.erasure import forget, forgotten_of
from pipelines.store.schema import answers_table, metadata, worklist_table

START = datetime(2026, 3, 2, 8)
WHO = st.sampled_from(["ann", "bob"])
WHICH = st.integers(0, 30)  # of the leads that there are, counted round
EXAMPLES = int(os.environ.get("LEADSIEVE_EXAMPLES", "3"))


class Model:
    """What is to be true, as plainly as it can be said."""

    def __init__(self) -> None:
        self.source: list[str] = []
        self.pulled: set[str] = set()
        self.gone: set[str] = set()
        self.decided: dict[str, tuple[str, str]] = {}  # champion and action
        self.answers: dict[str, list[tuple[str, str, datetime | None]]] = {}
        self.states: dict[str, str] = {}
        self.reigns: list[str] = []

    def score(self, action: str) -> set[str]:
        new = self.pulled - self.gone - self.decided.keys()
        self.decided |= dict.fromkeys(new, (self.reigns[-1], action))
        return new

    def refresh(self, now: datetime) -> None:
        for lead in self.decided.keys() - self.states.keys():
            self.states[lead] = self.after(lead)
        for lead, state in self.states.items():
            if state == "snoozed" and self.answers[lead][-1][2] <= now:
                self.states[lead] = "open"

    def after(self, lead: str) -> str:
        """The state that the answers lead to."""
        given = self.answers.get(lead, [])
        if not given:
            return "held" if self.decided[lead][1] == "hold" else "open"
        kind = given[-1][0]
        if kind == "undone":
            return "held" if given[-2][0] == "released" else "open"
        return "open" if kind == "released" else kind

    def may(self, lead: str, kind: str, who: str) -> bool:
        state, given = self.states.get(lead), self.answers.get(lead)
        if kind == "undone":
            return bool(state and given) and given[-1][0] != "undone" and given[-1][1] == who
        return state in (["held"] if kind == "released" else ["open", "snoozed"])

    def answer(self, lead: str, kind: str, who: str, until: datetime | None) -> None:
        self.answers.setdefault(lead, []).append((kind, who, until))
        self.states[lead] = self.after(lead)

    def forget(self, lead: str) -> None:
        self.gone.add(lead)
        for kept in (self.decided, self.answers, self.states):
            kept.pop(lead, None)


class Life(RuleBasedStateMachine):
    """The real thing beside the model."""

    store: Store
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        with self.store.writing() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "exports").mkdir(parents=True)
        (self.folder / "exports" / "outcomes.csv").write_text(
            "lead_id,stage,occurred_at\nX,rejected,2020-02-02\n"
        )
        for version in "1234":
            (self.folder / version).mkdir()
            (self.folder / version / "scorer.json").write_text(version)
        self.home, self.now, self.model, self.forgotten = self.folder / "home", START, Model(), 0
        config = self.folder / "c.toml"
        url = self.store.url.render_as_string(hide_password=False)
        config.write_text(f'[source]\nurl = "files:{self.folder}/exports"\n[store]\nurl = "{url}"\n')
        self.settings = load_settings(config, environ={})
        self.desk = Desk(self.settings, self.home, lambda: self.now)
        self.come(2)
        self.pull()
        self.promote("1")

    def lead(self, which: int) -> str | None:
        there = sorted(self.model.decided)
        return there[which % len(there)] if there else None

    def killed(self, place: object, name: str, work: Callable[[], object]) -> None:
        with (
            patch.object(place, name, side_effect=KeyboardInterrupt),
            suppress(KeyboardInterrupt, UsageError),
        ):
            work()

    @rule(count=st.integers(1, 3))
    def come(self, count: int) -> None:
        self.model.source += [f"L{len(self.model.source) + place}" for place in range(count)]
        rows = [f"{lead},2020-01-01" for lead in ["X", *self.model.source]]
        (self.folder / "exports" / "leads.csv").write_text("\n".join(["lead_id,created_at", *rows, ""]))

    @rule()
    def pull(self) -> None:
        snapshot = pull_source(self.settings, home=self.home, until=self.now)
        ids = set(snapshot.tables.leads.lead_id.to_pyarrow().to_pylist()) - {"X"}
        snapshot.close()
        assert ids == set(self.model.source) - self.model.gone
        self.model.pulled = ids

    def decisions(self, action: str) -> pd.DataFrame:
        ids = sorted(self.model.pulled)  # who was forgotten since the pull among them
        there = forgotten_of(self.store, self.home).are(ids)
        ids = [lead for lead, gone in zip(ids, there, strict=True) if not gone]
        made = {"lead_id": ids * 2, "as_of": self.now, "action": action, "version": self.model.reigns[-1]}
        return pd.DataFrame(made).assign(score=0.5, value=1.0, grade="B")

    @rule(action=st.sampled_from(["hand off", "hold"]), dies=st.booleans())
    def score(self, action: str, dies: bool) -> None:
        decisions = self.decisions(action)
        if dies:
            self.killed(sa.Connection, "commit", lambda: self.store.record(decisions))
        recorded = self.store.record(decisions)["lead_id"].tolist()
        assert sorted(recorded) == sorted(self.model.score(action))

    @rule()
    def look(self) -> None:
        self.desk.refresh()
        self.model.refresh(self.now)

    @rule(which=WHICH, kind=st.sampled_from(["accepted", "rejected", "snoozed", "released", "undone"]), who=WHO, seen=st.booleans(), dies=st.booleans())  # fmt: skip
    def answer(self, which: int, kind: str, who: str, seen: bool, dies: bool) -> None:
        if not (lead := self.lead(which)):
            return
        turn = len(self.model.answers.get(lead, [])) - (not seen)
        until = self.now + timedelta(days=2) if kind == "snoozed" else None
        words = {"turn": turn, "who": who, "at": self.now, "until": until, "reason": "no need"}

        def given() -> None:
            give(self.store, lead, kind, **words)

        if dies:
            self.killed(sa.Connection, "commit", given)
        elif seen and self.model.may(lead, kind, who):
            given()
            self.model.answer(lead, kind, who, until)
        else:
            with pytest.raises(UsageError):
                given()

    @rule(version=st.sampled_from("1234"))
    def promote(self, version: str) -> None:
        Publication(self.home).publish(version, self.folder / version)
        self.model.reigns.append(version)

    @precondition(lambda self: len(self.model.reigns) > 1)
    @rule()
    def roll_back(self) -> None:
        self.model.reigns.pop()
        Publication(self.home).publish(self.model.reigns[-1], self.folder / self.model.reigns[-1])

    @rule(version=st.sampled_from("1234"), at=st.sampled_from(["synced", "sha256", "described"]))
    def promotion_dies(self, version: str, at: str) -> None:
        self.killed(published, at, lambda: Publication(self.home).publish(version, self.folder / version))

    @rule(
        which=WHICH,
        dies=st.sampled_from(
            [None, "_written_without", "_settle", "_unlearn", "_make_anonymous", "sweep_uploads"]
        ),
    )
    def forget(self, which: int, dies: str | None) -> None:
        there = sorted(self.model.pulled | self.model.decided.keys())
        if not there or (lead := there[which % len(there)]) in self.model.gone:
            return

        def gone() -> None:
            forget(self.store, self.home, lead, at=self.now, by="a test")

        if dies:
            self.killed(erasure, dies, gone)
        with suppress(UsageError):  # nobody is left to forget
            gone()
        self.forgotten += lead in self.model.decided
        self.model.forget(lead)

    @rule()
    def empty_the_list(self) -> None:
        with self.store.writing() as connection:
            connection.execute(worklist_table.delete())
        self.model.states.clear()

    @rule(days=st.integers(-3, 3))
    def jump(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=1)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        model, log = self.model, self.store.decisions()
        named = log[~log["lead_id"].str.startswith("forgotten-")]
        found = {row.lead_id: (row.version, row.action) for row in named.itertuples()}
        assert found == model.decided
        assert len(log) - len(named) == self.forgotten
        with self.store.reading() as connection:
            given: dict[str, list[tuple]] = {}
            for row in connection.execute(sa.select(answers_table).order_by(answers_table.c.turn)):
                if not row.lead_id.startswith("forgotten-"):
                    given.setdefault(row.lead_id, []).append((row.kind, row.who, row.until))
            listed = dict(
                connection.execute(sa.select(worklist_table.c.lead_id, worklist_table.c.state)).all()
            )
        assert given == model.answers
        assert listed == model.states
        assert Publication(self.home).intact().version == model.reigns[-1]
        for file in self.home.glob("snapshots/[!.]*/leads.parquet"):
            assert not set(pd.read_parquet(file)["lead_id"]) & model.gone

    def teardown(self) -> None:
        self.desk.dossiers.close()


@pytest.fixture
def lives(store_url: str, tmp_path: Path) -> type[Life]:
    """On SQLite and on PostgreSQL."""
    return type("Life", (Life,), {"store": Store(store_url), "folder": tmp_path / "life"})


def test_whatever_is_done_in_whatever_order_the_store_and_the_home_are_as_a_model_says(lives):
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            derandomize=EXAMPLES < 10,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

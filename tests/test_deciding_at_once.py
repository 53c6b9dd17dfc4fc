"""Many programs and a scoring run decide the same leads at the same time: each lead once, and everybody is told
the same.
"""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from pipelines.deciding import known as at_hand
from pipelines.flows import score
from pipelines.settings import load_settings
from pipelines.store import worklist
from pipelines.store.access.audit import entries
from pipelines.store.filters import DecisionFilter
from tests.apis import as_sent, running_api

NOW = datetime(2024, 11, 15, 12, 30)
CLIENTS, EACH, A_REQUEST = 50, 12, 6
FIRST = 5  # answers that are given before the run records what it decided
SAME = ("arm", "propensity", "action", "score", "grade", "batch", "version", "this_week", "reasons", "owner")


@pytest.mark.slow
def test_programs_and_a_run_decide_each_lead_once_lose_none_and_are_told_the_same(
    world: Path, home: Path, store_url: str, tmp_path: Path, monkeypatch
):
    config = tmp_path / "crm.toml"
    config.write_text(
        (world / "quick.toml").read_text() + f'\n[store]\nurl = "{store_url}"\n[schedule]\nrescore_days = 7\n'
    )
    known = [lead for lead in as_sent(home) if lead["created_at"] < NOW.isoformat()][-300:]
    unknown = [{**lead, "lead_id": f"new {number}"} for number, lead in enumerate(known[:20])]
    leads = [*known, *unknown]
    began, enough = threading.Event(), threading.Semaphore(0)
    propose = at_hand.propose

    def overtaken(*given, **options):
        proposed = propose(*given, **options)
        began.set()
        for _ in range(FIRST):
            assert enough.acquire(timeout=30)
        return proposed

    monkeypatch.setattr(at_hand, "propose", overtaken)

    def client(number: int) -> list[dict]:
        mine = np.random.default_rng(number).permutation(len(leads))[:EACH].tolist()
        assert began.wait(60)
        told = []
        for part in range(EACH // A_REQUEST):
            places = mine[part * A_REQUEST : (part + 1) * A_REQUEST]
            sent = {"json": {"leads": [leads[place] for place in places]}}
            for _ in range(1 + part % 2):  # as a program does that did not hear the answer
                answer = api.ask(
                    "POST", "/decisions", headers={"Idempotency-Key": f"{number} {part}"}, **sent
                )
                assert answer.status_code == 200, answer.text
            enough.release()
            told += answer.json()["decisions"]
        return told

    with running_api(home, config, now=NOW) as api, ThreadPoolExecutor(CLIENTS + 1) as pool:
        run = pool.submit(
            score.score_leads, load_settings(config, environ={}), home, NOW, everything=True, reasons=0
        )
        told = [each for answers in pool.map(client, range(CLIENTS)) for each in answers]
        report = run.result()
        desk = api.client.app.state.desk
        desk.refresh()
        log = desk.store.decisions()
        listed = worklist.every(desk.store, DecisionFilter(), "lead_id", "state", "grade", most=10_000)
        rows = {row[0]: row[1:] for part in listed for row in zip(*part.values(), strict=True)}
        noted = entries(desk.store, what="decision")[0]

    assert log["lead_id"].is_unique
    logged = {row["lead_id"]: row for row in log.to_dict("records")}
    assert {lead["lead_id"] for lead in known} <= set(logged)
    assert {each["lead_id"] for each in told} <= set(logged)
    assert not [each for each in told if each["rescored"]], "nobody has done anything new"
    for each in told:
        row = logged[each["lead_id"]]
        assert [each[name] for name in SAME] == [
            None if row[name] != row[name] else row[name] for name in SAME
        ]

    by_run = set(report.decisions["lead_id"])
    firsts = Counter(each["lead_id"] for each in told if not each["decided_before"])
    assert len(by_run) + len(firsts) == len(logged), "whoever decided first says so, and nobody else"
    assert not by_run & set(firsts)
    assert set(firsts.values()) == {1}
    assert len(firsts) >= FIRST, "programs came first"
    assert by_run & {each["lead_id"] for each in told}, "and so did the run"
    batches = log.groupby("batch")["lead_id"].nunique()
    assert batches.index.tolist() == list(range(1, len(batches) + 1))
    assert sum(int(each.words.split()[1]) for each in noted) == len(firsts)
    assert {lead_id: (state == "held", grade) for lead_id, (state, grade) in rows.items()} == {
        lead_id: (row["action"] == "hold", row["grade"]) for lead_id, row in logged.items()
    }

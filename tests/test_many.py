"""Ten scoring runs and a hundred reps at the same time: nobody is decided twice, of those who answer a lead at once
one wins, and nothing that was acknowledged is lost.
"""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import sqlalchemy as sa

from app.desk import Desk as App
from features.errors import UnreachableError
from pipelines.store.answers import TooLateError, give
from pipelines.store.schema import WORK, answers_table, assignments_table
from tests.desks import LEADS, NOW, decided, make_desk

SCORERS, REPS, EACH, COUNT = 10, 100, 3, 30
THREADS = 40  # that the desk answers with
IDS = [f"M{number}" for number in range(COUNT)]


def test_ten_scorers_and_a_hundred_reps_leave_one_history_that_holds_all_they_were_told(tmp_path, store_url):
    more = "".join(f"{lead},2026-03-01 10:00,A{lead},,,,,,,event,north\n" for lead in IDS)
    desk = make_desk(tmp_path, leads=LEADS + more, decisions=[], store=store_url)

    def score(number: int) -> set[str]:
        chosen = random.Random(number).sample(IDS, COUNT * 2 // 3)
        rows = [(lead, f"A{lead}", 0.2, 500.0, "B", "hand off", "policy") for lead in chosen]
        return set(desk.store.record(decided(rows))["lead_id"])

    with ThreadPoolExecutor(SCORERS) as scorers:
        recorded = list(scorers.map(score, range(SCORERS)))
    log = desk.store.decisions()
    assert log["lead_id"].is_unique
    assert Counter(lead for mine in recorded for lead in mine) == Counter(log["lead_id"])
    assert set(log["lead_id"]) == set(IDS)

    app = App(desk.settings, desk.home, lambda: NOW)
    app.refresh()

    def work(number: int) -> list[tuple[str, int, str]]:
        """What a rep was told to be kept."""
        draw, kept = random.Random(number), []
        for step in range(EACH):
            lead, who = draw.choice(IDS), f"rep {number}"
            with app.store.reading() as connection:
                turn, state = connection.execute(
                    sa.select(WORK.turn, WORK.state).where(WORK.lead_id == lead)
                ).one()
            kind = "accepted" if state == "open" else "undone"
            try:
                answer = give(
                    app.store, lead, kind, turn=turn, who=who, at=NOW + timedelta(seconds=step), anybodys=True
                )
            except (TooLateError, UnreachableError):  # somebody was faster, or wrote for too long
                continue
            kept.append((lead, answer.turn, who))
        return kept

    with ThreadPoolExecutor(THREADS) as reps:
        told = [each for kept in reps.map(work, range(REPS)) for each in kept]
    with app.store.reading() as connection:
        columns = answers_table.c
        there = connection.execute(
            sa.select(columns.lead_id, columns.turn, columns.who, columns.kind).order_by(
                columns.lead_id, columns.turn
            )
        ).all()
        listed = dict(connection.execute(sa.select(WORK.lead_id, WORK.state)).all())
        assert connection.scalar(sa.select(sa.func.count()).select_from(assignments_table)) == 0
    app.dossiers.close()
    assert {(lead, turn, who) for lead, turn, who, _ in there} == set(told)
    assert len(told) > REPS / 4
    for lead in IDS:
        steps = [(turn, kind) for name, turn, _, kind in there if name == lead]
        kinds = [("accepted", "undone")[at % 2] for at in range(len(steps))]
        assert steps == list(enumerate(kinds, 1)), "turns follow each other, and nobody takes what is taken"
        assert listed[lead] == ("accepted" if len(steps) % 2 else "open")

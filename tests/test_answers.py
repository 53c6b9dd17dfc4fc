"""Answers: what may be answered when, who wins where two answer at once, and what training makes of it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pandas as pd
import pytest

from features.errors import UsageError
from pipelines.flows.dataset import pull_source
from pipelines.flows.value import Overrides
from pipelines.store import answers, worklist
from pipelines.store.answers import TooLateError, give
from pipelines.store.schema import worklist_table
from tests.conftest import REPOSITORY
from tests.desks import NOW, make_desk


@pytest.fixture
def desk(tmp_path, store_url):
    """On SQLite and on PostgreSQL."""
    made = make_desk(tmp_path, store=store_url)
    made.browser()  # fills the list
    return made


def answer(desk, lead_id, kind, turn, who="ann", **more):
    return give(desk.store, lead_id, kind, turn=turn, who=who, at=desk.now, **more)


def state(desk, lead_id) -> str:
    return worklist.listed(desk.store, lead_id).state


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        pytest.param("rejected", {}, "say why", id="turned down without a reason"),
        pytest.param("rejected", {"reason": "because"}, "say why", id="for a reason that is not on the list"),
        pytest.param(
            "rejected", {"reason": "other", "words": "  "}, "a few words", id="other, without words"
        ),
        pytest.param("snoozed", {"until": NOW}, "within the next year", id="put off until now"),
        pytest.param(
            "snoozed", {"until": NOW + timedelta(days=500)}, "within the next year", id="put off for good"
        ),
        pytest.param("released", {}, "this lead is waiting", id="pulled out though it is not held"),
        pytest.param("undone", {}, "this lead is waiting", id="undone though nobody answered"),
        pytest.param("loved", {}, "is no answer", id="no answer at all"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence_and_leaves_no_trace(desk, kind, more, said):
    with pytest.raises(UsageError, match=said):
        answer(desk, "L1", kind, 0, **more)
    assert answers.history(desk.store, "L1") == []
    assert state(desk, "L1") == "open"


def emptied(desk) -> None:
    with desk.store.writing() as connection:
        connection.execute(worklist_table.delete())


def test_a_list_that_was_emptied_comes_back_with_what_was_answered(desk):
    answer(desk, "L1", "rejected", 0, reason="no budget")
    answer(desk, "L2", "snoozed", 0, until=NOW + timedelta(days=2))
    answer(desk, "L3", "accepted", 0)
    answer(desk, "L3", "undone", 1)
    answer(desk, "L5", "released", 0)
    answer(desk, "L5", "undone", 1)
    before = [worklist.listed(desk.store, f"L{number}") for number in range(1, 6)]
    emptied(desk)
    desk.browser()
    assert [worklist.listed(desk.store, f"L{number}") for number in range(1, 6)] == before
    answer(desk, "L3", "accepted", 2)
    assert [each.turn for each in answers.history(desk.store, "L3")] == [1, 2, 3]


def test_a_lead_whose_row_knows_nothing_of_its_answers_is_refused_in_a_sentence(desk):
    answer(desk, "L1", "accepted", 0)
    with desk.store.writing() as connection:
        connection.execute(worklist_table.update().values(state="open", turn=0))
    for turn in (0, 1):
        with pytest.raises(TooLateError, match="took this lead"):
            answer(desk, "L1", "rejected", turn, reason="no need")


def test_answers_are_added_and_what_is_undone_is_as_it_was_before(desk):
    answer(desk, "L1", "rejected", 0, reason="no budget")
    answer(desk, "L1", "undone", 1)
    answer(desk, "L1", "accepted", 2)
    assert [each.kind for each in answers.history(desk.store, "L1")] == ["rejected", "undone", "accepted"]
    assert state(desk, "L1") == "accepted"
    answer(desk, "L5", "released", 0)
    assert state(desk, "L5") == "open"
    answer(desk, "L5", "undone", 1)
    assert state(desk, "L5") == "held"


def test_only_who_answered_undoes_it_unless_the_role_says_so(desk):
    answer(desk, "L1", "accepted", 0)
    with pytest.raises(UsageError, match="only ann can undo"):
        answer(desk, "L1", "undone", 1, who="bob")
    answer(desk, "L1", "undone", 1, who="bob", anybodys=True)
    assert state(desk, "L1") == "open"


def test_of_many_who_answer_at_once_one_wins_and_the_others_hear_who(desk):
    def take(number: int) -> str:
        try:
            answer(desk, "L1", "accepted", 0, who=f"rep {number}")
            return "won"
        except TooLateError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(take, range(8)))
    assert said.count("won") == 1
    winner = answers.history(desk.store, "L1")[0].who
    assert [each for each in said if each != "won"] == [
        f"{winner} took this lead a moment ago; your answer was not recorded."
    ] * 7
    assert len(answers.history(desk.store, "L1")) == 1


def test_a_lead_that_was_put_off_comes_back_on_its_day(desk):
    answer(desk, "L1", "snoozed", 0, until=NOW + timedelta(days=1))
    assert worklist.wake(desk.store, now=NOW + timedelta(hours=23)) == 0
    assert state(desk, "L1") == "snoozed"
    assert worklist.wake(desk.store, now=NOW + timedelta(days=1)) == 1
    assert state(desk, "L1") == "open"


def outcomes(desk, until) -> list[tuple]:
    snapshot = pull_source(desk.settings, home=desk.home, until=until)
    try:
        table = snapshot.tables.outcomes.order_by("recorded_at").to_pyarrow().to_pylist()
    finally:
        snapshot.close()
    return [(row["lead_id"], row["stage"], row["recorded_at"], row["rep"], row["reason"]) for row in table]


def test_the_next_pull_knows_an_answer_from_the_moment_it_was_given(desk):
    answer(desk, "L1", "accepted", 0)
    answer(desk, "L2", "rejected", 0, reason="no need")
    answer(desk, "L4", "accepted", 0)
    desk.later(hours=1)
    answer(desk, "L4", "undone", 1)
    found = outcomes(desk, desk.now + timedelta(hours=1))
    assert found[1:] == [("L1", "accepted", NOW, "ann", None), ("L2", "rejected", NOW, "ann", "no need")]
    assert outcomes(desk, NOW) == found[:1]  # at the very moment: not yet known


def test_answers_much_newer_than_the_source_wait_for_it_and_that_is_said(desk):
    desk.later(days=30)
    answer(desk, "L1", "accepted", 0)
    snapshot = pull_source(desk.settings, home=desk.home, until=desk.now + timedelta(days=1))
    assert "1 answers of the desk are much newer" in snapshot.warnings[-1]
    assert snapshot.tables.end < NOW  # else 30 days would count in which nobody has looked
    snapshot.close()


def test_where_the_source_knows_no_acceptance_answers_change_nothing(tmp_path):
    desk = make_desk(
        tmp_path,
        more='[source.outcomes]\ntable = "outcomes"\noccurred_at = "occurred_at"\nstage_is = "won"\n',
    )
    desk.browser()
    answer(desk, "L1", "accepted", 0)
    snapshot = pull_source(desk.settings, home=desk.home, until=NOW + timedelta(days=1))
    assert "every lead counts as worked" in snapshot.warnings[-1]
    assert snapshot.tables.outcomes.count().to_pyarrow().as_py() == 1
    snapshot.close()


def test_nothing_in_the_code_changes_or_removes_an_answer_but_forgetting_a_person():
    files = [file for folder in ("pipelines", "app") for file in (REPOSITORY / folder).rglob("*.py")]
    changing = re.compile(r"\b(answers|audit)(_table)?\.(update|delete)\(")
    assert [file.name for file in files if changing.search(file.read_text())] == ["erasure.py"]


def test_held_leads_that_people_pulled_out_are_counted_as_overrides_and_undoing_takes_that_back(desk):
    answer(desk, "L5", "released", 0)
    assert answers.pulled_out(desk.store) == {"L5"}
    answer(desk, "L5", "accepted", 1)
    answer(desk, "L5", "undone", 2)  # the taking, not the pulling out
    assert answers.pulled_out(desk.store) == {"L5"}
    log = pd.DataFrame({"lead_id": ["L1", "L5"], "accepted": [True, True], "won": [True, False]})
    assert Overrides.of(log, answers.pulled_out(desk.store)) == Overrides(pulled_out=1, taken_up=1, won=0)


def test_a_pulled_out_lead_that_is_put_back_is_no_override(desk):
    answer(desk, "L5", "released", 0)
    answer(desk, "L5", "undone", 1)
    assert answers.pulled_out(desk.store) == set()

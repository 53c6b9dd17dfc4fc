"""The leak guard on how columns are written, on two of them together, and on whose leads they are filled for: each
with a leak that is planted and a twin that is clean.
"""

import numpy as np
import pandas as pd
import pytest

from models.leakage.marks import measured
from tests.test_leakage import Market, judged, suspected


def clock(minutes: np.ndarray) -> np.ndarray:
    return np.array([f"{int(each) // 60 % 24:02d}:{int(each) % 60:02d}" for each in minutes], object)


def market(**made) -> Market:
    """A market of which each column is made from the market itself."""
    found = Market()
    found.columns |= {name: make(found) for name, make in made.items()}
    return found


def listened(of: Market, *, more: float) -> np.ndarray:
    """Minutes on the telephone, more of them with those who are won."""
    return np.where(of.won, more, 0.0) + 5 + 4 * np.abs(of.noise)


START = np.random.default_rng(9).uniform(0, 1_430, 3_000)


@pytest.mark.parametrize(("more", "leaks"), [(20.0, True), (1.0, False)])
def test_two_times_of_day_that_tell_an_outcome_only_together_are_suspected(more, leaks):
    found = market(
        call_start=lambda of: clock(START), call_end=lambda of: clock(START + listened(of, more=more))
    )
    assert suspected(judged(found)) == (dict.fromkeys(("call_start", "call_end"), "pairs") if leaks else {})


@pytest.mark.parametrize(("more", "leaks"), [(20.0, True), (1.0, False)])
def test_two_numbers_that_tell_an_outcome_only_together_are_suspected(more, leaks):
    found = market(first=lambda of: START, second=lambda of: START + listened(of, more=more))
    assert suspected(judged(found)) == (dict.fromkeys(("first", "second"), "pairs") if leaks else {})


def test_two_good_numbers_that_add_little_together_are_clean():
    found = market(
        size=lambda of: of.noise + 0.8 * of.won, income=lambda of: of.random.normal(size=3_000) + 0.8 * of.won
    )
    assert suspected(judged(found)) == {}


CITIES = np.random.default_rng(8).choice(["berlin", "paris", "rome"], 3_000).astype(object)


@pytest.mark.parametrize("leaks", [True, False])
def test_a_field_that_is_retyped_for_those_who_are_won_is_suspected_by_how_it_is_written(leaks):
    def city(of: Market) -> np.ndarray:
        retyped = (of.won if leaks else of.noise > 0.5) & (of.random.random(3_000) < 0.7)
        return np.where(retyped, [each.title() for each in CITIES], CITIES).astype(object)

    found = suspected(judged(market(city=city)))
    assert set(found) == ({"city"} if leaks else set())


@pytest.mark.parametrize("leaks", [True, False])
def test_an_amount_whose_digits_behind_the_point_come_with_a_win_is_suspected(leaks):
    def amount(of: Market) -> np.ndarray:
        exact = np.where(of.random.random(3_000) < 0.9, of.won if leaks else of.noise > 0.5, of.noise > 0)
        return np.where(exact, 0.25, 0.0) + np.floor(500 + 90 * of.noise)

    assert suspected(judged(market(amount=amount))) == ({"amount": "formats"} if leaks else {})


def test_a_word_that_is_good_news_is_no_way_of_writing():
    def size(of: Market) -> np.ndarray:
        return np.where(of.won & (of.random.random(3_000) < 0.6), "LARGE", "small").astype(object)

    assert suspected(judged(market(size=size))).get("size") != "formats"


@pytest.mark.parametrize("leaks", [True, False])
def test_what_is_filled_only_where_somebody_was_in_touch_is_suspected(leaks):
    """Who was in touch is no outcome: as many of those who are won as of the others."""
    touched = np.random.default_rng(7).random(3_000) < 0.5
    asked = touched if leaks else np.random.default_rng(6).random(3_000) < 0.5
    found = market(
        contacted=lambda of: np.where(touched, "Y", "N").astype(object),
        budget=lambda of: of.filled(asked),
        timing=lambda of: np.where(asked & (of.noise > -1), of.noise, np.nan),
    )
    assert suspected(judged(found)) == (dict.fromkeys(("budget", "timing"), "company") if leaks else {})


def test_copies_of_a_suspicious_column_and_what_is_filled_only_with_it_are_suspected_too():
    def note(of: Market) -> np.ndarray:
        return of.filled(np.where(of.won, of.random.random(3_000) < 0.9, of.random.random(3_000) < 0.1))

    found = market(note=note)
    found.columns["follow_up"] = np.where(found.random.random(3_000) < 0.2, found.columns["note"], np.nan)
    found.columns["other"] = np.where(found.random.random(3_000) < 0.5, found.random.random(3_000), np.nan)
    assert suspected(judged(found)) == {"note": "strength", "follow_up": "company"}


def test_a_clock_past_midnight_goes_on():
    kind, minutes = measured(pd.Series(["23:50", None, "00:10:30"]))
    assert kind == "time of day"
    assert minutes.tolist()[::2] == [1430.0, 10.5]
    assert measured(pd.Series(["12:5x", "later"])) is None

"""What rows give away: people who stand in a table twice, rows sorted by outcome, and a system that carries all wins."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.clean_tables import looked
from models.leakage.guard import find_leaks
from models.leakage.rows import same_people
from tests.test_leakage import Market, suspected


def told(market: Market) -> dict[str, object]:
    return {each.kind: each for each in find_leaks(market.learning, market.raw).rows}


def addresses(count: int) -> np.ndarray:
    return np.array([f"ann.{place}@acme.com" for place in range(count)], object)


def test_who_stands_there_twice_is_counted_exactly_and_nearly_and_on_both_sides_of_a_split():
    market = Market()
    mail = addresses(3_000)
    mail[2_900:2_950] = mail[:50]  # newest leads that are old ones again
    mail[2_950:2_970] = [f"Ann{place}+crm@ACME.com" for place in range(50, 70)]
    market.columns["mail"] = mail
    found = told(market)["the same person"]
    assert found.leads == 140
    assert "140 of 3,000 leads are of 70 people" in found.words
    assert "(100 exactly, 40 nearly)" in found.words
    assert "140 of them on both sides of a split at the newest fifth" in found.words


def test_people_of_their_own_are_nobody_else():
    market = Market()
    market.columns["mail"] = addresses(3_000)
    market.columns["domain"] = np.array(["acme.com"] * 3_000, object)
    assert told(market) == {}


def test_a_telephone_number_is_the_same_however_it_is_written():
    people = same_people(
        pd.DataFrame({"phone": ["+49 (0)30 1234567", "030 123 45 67", None, "", "12", "12"]})
    )
    assert people[0] == people[1]
    assert len(set(people[1:])) == 5


@pytest.mark.parametrize("copies", [60, 0])
def test_without_an_address_rows_that_say_the_same_of_everything_are_one_person(copies):
    market = Market()
    columns = {f"measure_{place}": market.random.normal(size=3_000) for place in range(5)}
    columns["colour"] = market.random.choice(["red", "blue"], 3_000).astype(object)
    for name, values in columns.items():
        values[3_000 - copies :] = values[:copies]
        market.columns[name] = values
    found = told(market)
    assert set(found) == ({"the same person"} if copies else set())
    if copies:
        assert found["the same person"].leads == 120


def test_rows_of_few_plain_answers_are_alike_by_chance():
    market = Market()
    for place in range(8):
        market.columns[f"answer_{place}"] = market.random.choice(["yes", "no"], 3_000).astype(object)
    assert told(market) == {}


@pytest.mark.parametrize("sort", [True, False])
def test_rows_that_are_sorted_by_outcome_are_told(sort):
    market = Market(dates=False)
    if sort:
        market.won, market.lost = np.sort(market.won), ~np.sort(market.won)
    market.columns["size"] = market.noise
    found = told(market)
    assert set(found) == ({"sorted by outcome"} if sort else set())
    if sort:
        assert "won and not won change 1 times" in found["sorted by outcome"].words


@pytest.mark.parametrize("alone", [True, False])
def test_a_system_that_carries_all_wins_is_told(alone):
    market = Market()
    market.columns["source_system"] = np.where(
        market.won & alone | (market.random.random(3_000) < 0.3), "crm", "web form"
    ).astype(object)
    found = told(market)
    assert set(found) == ({"one system has all wins"} if alone else set())
    if alone:
        assert "‘source_system’ crm" in found["one system has all wins"].words


@pytest.mark.parametrize("dates", [True, False])
def test_without_dates_what_a_system_goes_on_scoring_is_suspected_by_its_name_and_what_comes_with_it(dates):
    market = Market(dates=dates)
    watched = market.random.random(3_000) < 0.5
    market.columns |= {
        "Activity Score": market.filled(watched),
        "Profile Score": np.where(watched, market.random.normal(size=3_000), np.nan),
        "credit_score": market.random.normal(size=3_000),
    }
    found = suspected(find_leaks(market.learning, market.raw))
    assert found == ({} if dates else dict.fromkeys(("Activity Score", "Profile Score"), "company"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "wine", "digits", "lung", "gbsg2", "divorce", "dd", "lymph_node"])
def test_in_a_clean_table_of_the_real_world_at_most_one_column_is_suspected(name, tmp_path):
    """All of them: ``python benchmarks/clean_tables.py``."""
    assert len(looked(name, tmp_path).alarms) <= 1

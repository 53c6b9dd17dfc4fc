"""Who fits into the week: close to the best list there is, and one by one nearly as good as with hindsight."""

import itertools

import numpy as np
import pytest

from features.errors import UsageError
from models.policy.capacity import shadow_price, stream, value_per_hour, week_list

ITEMS = 15


def best_possible(value, hours, capacity):
    """The slow twin: try every subset."""
    picks = np.array(list(itertools.product([False, True], repeat=len(value))))
    return float((picks @ value)[picks @ hours <= capacity + 1e-9].max())


@pytest.mark.parametrize("seed", range(12))
def test_the_list_is_at_most_one_lead_short_of_the_best_one(seed):
    rng = np.random.default_rng(seed)
    value, hours, capacity = (
        rng.normal(50, 60, ITEMS),
        rng.choice([0.5, 1.0, 2.5, 4.0], ITEMS),
        rng.uniform(4, 20),
    )
    chosen = week_list(value, hours=hours, capacity=capacity)
    assert hours[chosen].sum() <= capacity
    best = best_possible(value, hours, capacity)
    assert best - value.max() <= value[chosen].sum() <= best + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_where_every_lead_takes_as_long_it_is_the_best_list(seed):
    value = np.random.default_rng(seed).normal(20, 60, ITEMS)
    chosen = week_list(value, hours=2.0, capacity=9.0)
    assert value[chosen].sum() == pytest.approx(best_possible(value, np.full(ITEMS, 2.0), 9.0))


@pytest.mark.parametrize(
    ("value", "hours", "capacity", "expected"),
    [
        pytest.param([3, 9, 5], 1, 2, [False, True, True], id="the most valuable ones"),
        pytest.param([3, 9, 5], 1, 0, [False, False, False], id="no capacity: nobody"),
        pytest.param(
            [3, 9, -5, 0],
            1,
            None,
            [True, True, False, False],
            id="no limit: everybody who is worth something",
        ),
        pytest.param(
            [3, -9, 0],
            1,
            5,
            [True, False, False],
            id="nobody who costs more than he brings, though there is room",
        ),
        pytest.param(
            [7, 7, 7, 7], 1, 2, [True, True, False, False], id="all worth the same: the earlier ones"
        ),
        pytest.param([np.nan, 1, np.nan], 1, 5, [False, True, False], id="value unknown: never by value"),
        pytest.param([np.nan, np.nan], 1, None, [False, False], id="no value known at all"),
        pytest.param(
            [10, 9, 8], [1, 5, 3], 4, [True, False, True], id="what no longer fits makes room for what does"
        ),
        pytest.param([10, 9], [10, 1], 1, [False, True], id="value per hour decides"),
        pytest.param([5, 1, 0], [0, 1, 0], 1, [True, True, False], id="what takes no time always fits"),
        pytest.param(
            [1] * 4,
            0.1,
            0.3,
            [True, True, True, False],
            id="three tenths fit, though binary fractions miss by a hair",
        ),
        pytest.param([], 1, 5, [], id="no leads"),
    ],
)
def test_the_weeks_list(value, hours, capacity, expected):
    hours = np.array(hours, dtype=float)
    assert week_list(np.array(value, dtype=float), hours=hours, capacity=capacity).tolist() == expected


def test_of_many_leads_worth_the_same_the_earlier_come_first():
    chosen = week_list(np.tile([1.0, 2.0], 500), hours=1.0, capacity=700)
    assert np.flatnonzero(~chosen).tolist() == list(range(400, 1000, 2))


@pytest.mark.parametrize(
    ("capacity", "team_capacity", "expected"),
    [
        pytest.param(
            1,
            {"north": 1, "south": 2},
            "10 11 0 1",
            id="every team its own hours, the others what is left to them",
        ),
        pytest.param(1, {"north": 0}, "00 10 0 0", id="teams without hours of their own share the rest"),
        pytest.param(None, {"north": 1}, "10 11 1 1", id="or have no limit"),
        pytest.param(0, {"north": 1}, "10 00 0 0", id="or have none"),
        pytest.param(3, {}, "11 10 0 0", id="no team named: one list for all"),
        pytest.param(3, None, "11 10 0 0", id="teams alone change nothing"),
        pytest.param(0, {"west": 5}, "00 00 0 0", id="a team without leads lends nobody its hours"),
    ],
)
def test_teams_have_lists_of_their_own(capacity, team_capacity, expected):
    teams = np.array(["north", "north", "south", "south", None, "east"], dtype=object)
    value = np.array([9.0, 8.0, 7.0, 6.0, 4.0, 5.0])
    chosen = week_list(value, hours=1.0, capacity=capacity, teams=teams, team_capacity=team_capacity)
    assert chosen.tolist() == [each == "1" for each in expected.replace(" ", "")]


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_hours_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match=r"empty 1 times, such as .*; no list was made"):
        week_list(np.ones(3), hours=np.array([1.0, wrong, 1.0]), capacity=5)
    with pytest.raises(UsageError):
        week_list(np.ones(3), hours=wrong, capacity=5)


def weeks_of(*values):
    """Values and week numbers of one week after another."""
    return np.concatenate(values).astype(float), np.repeat(
        np.arange(len(values)), [len(each) for each in values]
    )


@pytest.mark.parametrize(
    ("weeks", "capacity", "price"),
    [
        pytest.param([[9, 7, 5, 3]], 2, 7, id="the last lead that got onto the list"),
        pytest.param([[9, 7, 5, 3], [9, 6, 5], [8, 2, 1]], 2, 6, id="the middle of the weeks"),
        pytest.param([[9, 7, 5, 3]], 4, 0, id="slack: an hour has no price"),
        pytest.param([[9, 7, -5, 0, np.nan]], 2, 0, id="leads worth nothing do not fill a week"),
        pytest.param([[9, 7, 5], [1], [2]], 1, 0, id="mostly slack"),
        pytest.param([[9, 7]], 0, np.inf, id="no capacity"),
        pytest.param([[9, 7]], None, 0, id="no limit"),
        pytest.param([[4, 4, 4]], 1, 4, id="all worth the same"),
        pytest.param([[9, 7, 5], [], [0]], 1, 0, id="weeks in which nothing came"),
        pytest.param([[]], 1, 0, id="no past"),
    ],
)
def test_an_hour_costs_what_the_last_lead_on_the_list_brought(weeks, capacity, price):
    value, week = weeks_of(*weeks)
    assert shadow_price(value, 1.0, week, capacity=capacity) == pytest.approx(price)


def test_only_the_last_weeks_set_the_price():
    value, week = weeks_of(*([[50, 40]] * 9), *([[5, 4]] * 8))
    assert shadow_price(value, 1.0, week, capacity=1) == pytest.approx(5)
    assert shadow_price(value, 1.0, week, capacity=1, weeks=17) == pytest.approx(50)


def test_a_short_lead_that_fills_the_rest_of_the_week_does_not_set_the_price():
    value, hours = np.array([10.0, 18.0, 0.1]), np.array([1.0, 2.0, 0.5])
    assert week_list(value, hours=hours, capacity=2).tolist() == [True, False, True]
    assert shadow_price(value, hours, np.zeros(3, dtype=int), capacity=2) == pytest.approx(10)


def test_a_lead_that_no_week_could_hold_does_not_set_the_price():
    assert (
        shadow_price(np.array([900.0, 5.0]), np.array([30.0, 1.0]), np.zeros(2, dtype=int), capacity=2) == 0.0
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_weeks_own_price_gives_the_weeks_own_list(seed):
    value = np.random.default_rng(seed).normal(10, 20, 100)
    price = shadow_price(value, 1.0, np.zeros(100, dtype=int), capacity=20)
    assert (stream(value, 1.0, price) == week_list(value, hours=1.0, capacity=20)).all()


@pytest.mark.parametrize(
    ("value", "price", "worked"),
    [
        pytest.param(10, 4, True, id="worth more than its two hours"),
        pytest.param(8, 4, False, id="exactly the price"),
        pytest.param(1, 0, True, id="slack: whatever is worth something"),
        pytest.param(0, 0, False, id="worth nothing"),
        pytest.param(-1, 0, False, id="worth less"),
        pytest.param(1e9, np.inf, False, id="no capacity"),
        pytest.param(np.nan, 0, False, id="value unknown"),
    ],
)
def test_a_lead_is_worked_if_it_is_worth_more_than_its_hours(value, price, worked):
    assert stream(np.array([value], dtype=float), 2.0, price).tolist() == [worked]


def test_value_per_hour_is_empty_where_the_value_is():
    assert value_per_hour(np.array([np.nan, 3.0]), 2.0) == pytest.approx([np.nan, 1.5], nan_ok=True)


def regret_of_streaming(*, seed: int, per_week: float, share: float, weeks: int = 208) -> float:
    """Share of what weekly lists with hindsight earn that is missed by working leads as they come, at the
    last eight weeks' price.

    Leads arrive by a Poisson process, and differ in chance, margin and hours. What streaming takes waits in a
    queue, and what is left there at the end has earned nothing.
    """
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(weeks), rng.poisson(per_week, weeks))
    value = rng.beta(1.2, 9, len(week)) * rng.lognormal(8, 0.8, len(week)) - 60
    hours = rng.choice([0.5, 1.0, 2.0], len(week))
    capacity = share * hours[value > 0].sum() / weeks
    hindsight = earned = 0.0
    queue: list[int] = []
    for number in range(8, weeks):
        now, past = np.flatnonzero(week == number), (week < number) & (week >= number - 8)
        hindsight += value[now][week_list(value[now], hours=hours[now], capacity=capacity)].sum()
        price = shadow_price(value[past], hours[past], week[past], capacity=capacity)
        queue += now[stream(value[now], hours[now], price)].tolist()
        left = capacity
        while queue and hours[queue[0]] <= left:
            left -= hours[queue[0]]
            earned += value[queue.pop(0)]
    return 1 - earned / hindsight


@pytest.mark.slow
@pytest.mark.parametrize(("per_week", "share"), [(40, 0.5), (120, 0.2), (120, 0.5), (120, 0.9), (400, 0.5)])
def test_working_leads_as_they_come_costs_less_than_three_percent(per_week, share):
    regrets = [regret_of_streaming(seed=seed, per_week=per_week, share=share) for seed in range(6)]
    assert max(regrets) < 0.03

"""Credit for wins: what each rule gives on paths that can be divided by hand, and that nothing is lost or made up."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from models.alignment.attribution import RULES, Touches, attribution, removal, shares, transitions

PATHS = [  # touches in their order, and whether the lead was won
    ("abc", True), ("ab", True), ("ab", False), ("a", False), ("bc", True), ("c", False), ("cab", False), ("b", True),
]  # fmt: skip


def touches_of(paths: list[tuple[str, bool]], *, days: float = 7.0, most: int = 15) -> Touches:
    """One touch each ``days`` days."""
    lead = np.repeat(np.arange(len(paths)), [len(path) for path, _ in paths])
    day = np.concatenate([days * np.arange(len(path)) for path, _ in paths])
    mixed = np.random.default_rng(0).permutation(len(lead))
    names = pd.Categorical(
        list("".join(path for path, _ in paths)), categories=sorted(set("".join(path for path, _ in paths)))
    )
    return Touches.of(lead[mixed], names[mixed], day[mixed], most=most)


def divided(paths: list[tuple[str, bool]], *, margin: float = 10.0, resamples: int = 50, seed: int = 1):
    won = np.array([each for _, each in paths])
    return attribution(
        touches_of(paths),
        won,
        margin * won,
        np.arange(len(paths)),
        half_life=7.0,
        resamples=resamples,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("rule", "path", "given"),
    [
        ("first", "abcb", [1, 0, 0, 0]),
        ("last", "abcb", [0, 0, 0, 1]),
        ("linear", "abcb", [0.25, 0.25, 0.25, 0.25]),
        ("position", "abcb", [0.4, 0.1, 0.1, 0.4]),
        ("position", "ab", [0.5, 0.5]),
        ("position", "a", [1]),
        ("decay", "abc", [1 / 7, 2 / 7, 4 / 7]),  # a half-life apart
        ("shapley", "abcb", [1 / 3, 1 / 3, 1 / 3, 0]),
    ],
)
def test_a_rule_divides_a_win_among_the_touches_of_its_lead(rule, path, given):
    assert shares(touches_of([(path, True)]), 7.0)[rule].tolist() == pytest.approx(given)


def test_a_chain_of_three_channels_loses_without_each_what_is_solved_by_hand():
    """Two leads in three start at a, one at b. From a half go on to b, half are lost. From b half are won, a
    quarter goes on to c, a quarter is lost. From c half are won.

    Won from c: 1/2. From b: 1/2 + 1/4 · 1/2 = 5/8. From a: 1/2 · 5/8 = 5/16. In all: 2/3 · 5/16 + 1/3 · 5/8 = 5/12.
    Without a: 1/3 · 5/8 = 5/24, so 5/24 is lost. Without b: all 5/12. Without c: b wins 1/2, a 1/4, in all
    2/3 · 1/4 + 1/3 · 1/2 = 1/3, so 1/12 is lost. Together 17/24: a 5/17, b 10/17, c 2/17.
    """
    moves = np.zeros((4, 5))
    moves[0, [1, 4]] = 2, 2
    moves[1, [2, 3, 4]] = 1, 2, 1
    moves[2, [3, 4]] = 1, 1
    moves[3, [0, 1]] = 2, 1
    assert removal(moves.reshape(1, -1), 3)[0].tolist() == pytest.approx([5 / 17, 10 / 17, 2 / 17])


def test_removal_by_the_inverse_is_removal_by_leaving_a_channel_out_and_solving_again():
    touches = touches_of(PATHS)
    won = np.array([each for _, each in PATHS])
    counts = np.asarray(transitions(touches, won, np.arange(len(won)), len(won)).sum(axis=0)).reshape(4, 5)
    rates = counts / counts.sum(axis=1, keepdims=True)

    def wins(left: list[int]) -> float:
        inner, to_win = rates[np.ix_(left, left)], rates[left, 3]
        return float(rates[3, left] @ np.linalg.solve(np.eye(len(left)) - inner, to_win))

    lost = np.array([wins([0, 1, 2]) - wins([each for each in range(3) if each != out]) for out in range(3)])
    assert removal(counts.reshape(1, -1), 3)[0] == pytest.approx(lost / lost.sum())


def test_shapley_is_the_mean_over_all_orders_in_which_channels_could_have_come():
    names, won = "abc", [frozenset(path) for path, each in PATHS if each]

    def worth(coalition: frozenset[str]) -> int:
        return sum(path <= coalition for path in won)

    found = {each.channel: each.wins["shapley"].value for each in divided(PATHS).credits}
    for name in names:
        others = [each for each in names if each != name]
        value = sum(
            factorial(size) * factorial(len(others) - size) / factorial(len(names))
            * (worth(frozenset(chosen) | {name}) - worth(frozenset(chosen)))
            for size in range(len(names))
            for chosen in combinations(others, size)
        )  # fmt: skip
        assert found[name] == pytest.approx(value)


def test_credit_adds_up_to_the_wins_and_to_the_margin_by_every_rule():
    found = divided([*PATHS, ("", True)])
    assert (found.wins, found.unattributed, found.margin) == (4, 1, 40.0)
    for rule in RULES:
        assert sum(each.wins[rule].value for each in found.credits) == pytest.approx(4)
        assert sum(each.margin[rule].value for each in found.credits) == pytest.approx(40)
    assert {each.channel: each.leads for each in found.credits} == {"a": 5, "b": 6, "c": 4}
    assert 0 < found.moved <= 1


def test_rules_agree_where_each_lead_has_one_touch_and_wins_without_a_touch_are_not_made_up():
    found = divided([("a", True), ("a", False), ("b", True)])
    assert found.moved == pytest.approx(0)
    assert all(each.wins[rule].value == pytest.approx(1) for each in found.credits for rule in RULES)
    nothing = divided([("", True), ("a", False)])
    assert (nothing.wins, nothing.unattributed, nothing.credits) == (0, 1, ())
    assert divided([("", True)]).unattributed == 1  # where there is no channel at all


def test_rare_channels_are_joined_and_none_of_their_wins_is_lost():
    joined = touches_of([("aab", True), ("acd", True), ("a", False)], most=1)
    assert joined.names == ("a", "other")
    assert np.bincount(joined.channel).tolist() == [4, 3]


@pytest.mark.slow
def test_the_interval_of_a_channel_that_does_nothing_covers_its_fair_share():
    """Six channels come by chance, a lead of one to three of them; none moves the chance of winning, so each
    earns a sixth.
    """
    draw, kept, runs = np.random.default_rng(7), dict.fromkeys(RULES, 0), 60
    for run in range(runs):
        paths = [
            ("".join(draw.choice(list("abcdef"), draw.integers(1, 4))), draw.random() < 0.15)
            for _ in range(600)
        ]
        found = divided(paths, resamples=100, seed=run)
        nothing = next(each for each in found.credits if each.channel == "a")
        for rule in RULES:
            kept[rule] += nothing.wins[rule].low <= found.wins / 6 <= nothing.wins[rule].high
    assert min(kept.values()) / runs >= 0.85, kept


def test_touches_of_some_leads_are_numbered_anew():
    part = touches_of(PATHS).rows(np.array([False, True, False, False, True, False, False, False]))
    assert part.lead.tolist() == [0, 0, 1, 1]
    assert [part.names[each] for each in part.channel] == ["a", "b", "b", "c"]

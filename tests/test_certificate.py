"""The filter's promise: what is certified, what is refused and in which words, and whether promises are kept
in worlds that are known.
"""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from benchmarks.evidence_promise import (
    DISTANCE,
    METHODS,
    SCORES,
    WINS,
    conformal_risk_control,
    empirical_quantile,
    margin_grid,
    picture,
    post_launch_grid,
    promise_grid,
)
from features.errors import TooLittleDataError
from features.serialization import dump, load
from models.policy.margin_risk_control import TooFewWinsError, certified_margin_cut, margin_cap
from models.policy.risk_control import (
    Halves,
    Promise,
    certified_cut,
    certify,
    halves_differ,
    lost_share_bound,
    wins_needed,
)

LEVELS = {"max_lost_share": 0.05, "confidence": 0.95}
RISING = np.linspace(0.01, 1.0, 100)
CONTINUOUS = SCORES[0]


def wins(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that differ from win to win, and a day for each, in no order."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2025-03-01") + np.linspace(0, 166, number).astype(int)
    return rng.beta(2, 9, number), rng.permutation(days)


# --- how many wins it takes ---


@pytest.mark.parametrize(
    ("share", "confidence", "needed"),
    [
        (0.10, 0.95, 29),
        (0.05, 0.95, 59),
        (0.02, 0.95, 149),
        (0.05, 0.99, 90),
        (0.5, 0.75, 2),
        (0.9, 0.99, 2),
        (0.5, 0.1, 1),
        pytest.param(0.3, 0.51, 2, id="exactly two, but for binary fractions"),
    ],
)
def test_wins_needed_are_the_fewest_that_certify_anything(share, confidence, needed):
    assert wins_needed(share, confidence) == needed
    certified_cut(np.arange(needed), max_lost_share=share, confidence=confidence)
    with pytest.raises(TooFewWinsError) as error:
        certified_cut(np.arange(needed - 1), max_lost_share=share, confidence=confidence)
    assert (error.value.wins, error.value.needed) == (needed - 1, needed)


def test_too_few_wins_are_too_little_data_and_say_how_many_are_missing():
    with pytest.raises(TooLittleDataError, match=r"^17 more wins are needed: 42 of 59$"):
        certified_cut(np.arange(42), **LEVELS)
    assert str(TooFewWinsError(wins=58, needed=59)) == "1 more win is needed: 58 of 59"


@pytest.mark.parametrize(
    ("share", "confidence"), [(0, 0.95), (1, 0.95), (0.05, 0), (0.05, 1), (np.nan, 0.95)]
)
def test_shares_and_confidences_outside_their_range_are_refused(share, confidence):
    levels = {"max_lost_share": share, "confidence": confidence}
    for refused in (
        lambda: wins_needed(share, confidence),
        lambda: certified_cut(RISING, **levels),
        lambda: certified_margin_cut(RISING, RISING, cap=1.0, **levels),
    ):
        with pytest.raises(ValueError, match="between 0 and 1"):
            refused()


# --- the cut for customers ---


@pytest.mark.parametrize(
    ("number", "k"),
    [
        pytest.param(59, 1, id="just enough: below the lowest score of all"),
        pytest.param(92, 1, id="one short of a loss"),
        pytest.param(93, 2, id="one win may be lost"),
        pytest.param(400, 13, id="twelve may be lost, where twenty would be the share itself"),
    ],
)
def test_the_cut_is_the_highest_order_statistic_that_the_binomial_allows(number, k):
    scores = np.random.default_rng(1).permutation(np.arange(1.0, number + 1))
    assert certified_cut(scores, **LEVELS) == k
    assert binom.cdf(k - 1, number, 0.05) <= 0.05 < binom.cdf(k, number, 0.05)


def test_the_chance_of_breaking_the_promise_is_the_tail_of_a_beta_distribution_and_never_above_what_is_allowed():
    for number in (29, 59, 100, 412, 3_000):
        for share in (0.1, 0.2, 0.3):
            k = certified_cut(np.arange(1, number + 1), max_lost_share=share, confidence=0.95)
            # The share below the k-th of n uniform scores is Beta(k, n - k + 1).
            drawn = np.random.default_rng(0).beta(k, number - k + 1, 20_000)
            assert np.mean(drawn > share) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20_000)


def test_among_equal_scores_nobody_at_the_cut_is_held():
    scores = np.repeat([0.1, 0.2, 0.3], [5, 200, 195])
    cut = certified_cut(scores, **LEVELS)
    assert cut == 0.2
    assert np.mean(scores < cut) == 5 / 400


def test_the_order_of_wins_and_any_rising_change_of_the_scale_leave_the_held_leads_alone():
    scores, _ = wins(300)
    cut = certified_cut(scores, **LEVELS)
    assert certified_cut(scores[::-1], **LEVELS) == cut
    assert certified_cut(np.log(scores), **LEVELS) == np.log(cut)


def test_the_more_may_be_lost_and_the_less_confidence_is_asked_the_higher_the_cut():
    scores, _ = wins(300)
    by_share = [
        certified_cut(scores, max_lost_share=share, confidence=0.95) for share in (0.01, 0.02, 0.05, 0.1, 0.3)
    ]
    by_confidence = [
        certified_cut(scores, max_lost_share=0.05, confidence=confidence)
        for confidence in (0.999, 0.99, 0.95, 0.5)
    ]
    assert by_share == sorted(set(by_share))
    assert by_confidence == sorted(set(by_confidence))


def test_a_win_without_a_score_is_the_callers_error():
    with pytest.raises(ValueError, match="every win needs a score"):
        certified_cut(np.append(RISING, np.nan), **LEVELS)
    with pytest.raises(ValueError, match="every win needs a score"):
        certified_margin_cut(np.append(RISING, np.nan), np.ones(101), cap=1.0, **LEVELS)


# --- the cut for margin ---


@pytest.mark.parametrize("number", [59, 60, 92, 300, 1_000])
def test_with_equal_margins_the_money_form_promises_almost_what_the_customer_form_does(number):
    scores, _ = wins(number)
    margin = certified_margin_cut(scores, np.full(number, 700.0), cap=500.0, **LEVELS)
    customers = certified_cut(scores, **LEVELS)
    assert margin <= customers
    assert np.mean(scores < customers) - np.mean(scores < margin) <= 0.006


def test_bisection_finds_what_walking_every_cut_upward_finds():
    def passes(cut: float) -> bool:
        """The wealth of the gambler, win by win."""
        wealth, square = 1.0, 1.0
        for place, (score, y) in enumerate(zip(scores, np.minimum(margins / 900, 1), strict=True), start=1):
            stake = min(np.sqrt(2 * np.log(20) / (250 * 0.05 * 0.95 * square / place)), 1 / 0.95)
            wealth *= 1 - stake * y * ((score < cut) - 0.05)
            square += y**2
            if wealth >= 20:
                return True
        return False

    rng = np.random.default_rng(5)
    scores, margins = np.round(rng.beta(2, 9, 250), 2), 400 * np.exp(rng.normal(size=250))
    passed = None
    for cut in np.unique(scores):
        if not passes(cut):
            break
        passed = cut
    assert passed is not None
    assert certified_margin_cut(scores, margins, cap=900, **LEVELS) == passed


def test_a_win_below_the_cut_costs_by_its_margin():
    rng = np.random.default_rng(2)
    scores = rng.permutation(np.arange(400.0))
    poor_below = np.where(scores < 40, 10.0, 100.0)
    rich_below = np.where(scores < 40, 100.0, 10.0)
    poor, equal, rich = (
        certified_margin_cut(scores, margins, cap=100.0, **LEVELS)
        for margins in (poor_below, np.full(400, 100.0), rich_below)
    )
    assert poor > equal > rich
    assert equal == pytest.approx(11, abs=1)


def test_the_currency_does_not_matter_and_a_loss_counts_as_nothing():
    scores, _ = wins(400)
    margins = 1_000 * np.exp(np.random.default_rng(3).normal(0, 0.8, 400))
    cut = certified_margin_cut(scores, margins, cap=2_800, **LEVELS)
    assert certified_margin_cut(scores, margins / 1_000, cap=2.8, **LEVELS) == cut
    margins[:20] = 0
    without = certified_margin_cut(scores, margins, cap=2_800, **LEVELS)
    margins[:20] = -1e9
    assert certified_margin_cut(scores, margins, cap=2_800, **LEVELS) == without


def test_the_lowest_score_is_tested_too_and_says_how_many_wins_are_needed():
    with pytest.raises(TooFewWinsError) as error:
        certified_margin_cut(RISING[:58], np.ones(58), cap=1.0, **LEVELS)
    assert (error.value.wins, error.value.needed) == (58, 59)
    with pytest.raises(TooFewWinsError) as error:
        certified_margin_cut(RISING, np.full(100, 0.25), cap=1.0, **LEVELS)
    needed = error.value.needed
    assert 4 * 59 - 10 < needed < 4 * 59
    certified_margin_cut(np.arange(needed), np.full(needed, 0.25), cap=1.0, **LEVELS)


def test_a_score_that_all_wins_share_is_certified_and_holds_none_of_them():
    assert certified_margin_cut(np.full(100, 0.3), np.ones(100), cap=1.0, **LEVELS) == 0.3


def test_many_wins_are_certified_in_a_moment():
    scores, _ = wins(20_000)
    cut = certified_margin_cut(scores, np.random.default_rng(4).lognormal(9, 0.8, 20_000), cap=2e4, **LEVELS)
    assert 0.04 < np.mean(scores < cut) < 0.06


@pytest.mark.parametrize(
    ("margins", "cap", "said"),
    [
        (np.ones(99), 1.0, "needs a score and a margin"),
        (np.full(100, np.nan), 1.0, "needs a score and a margin"),
        (np.zeros(100), 1.0, "no win has a positive margin"),
        (np.ones(100), 0.0, "cap must be positive"),
        (np.ones(100), np.nan, "cap must be positive"),
        (np.ones(100), np.inf, "cap must be positive"),
    ],
)
def test_margins_that_cannot_be_meant_are_refused(margins, cap, said):
    with pytest.raises(ValueError, match=said):
        certified_margin_cut(RISING, margins, cap=cap, **LEVELS)


def test_the_cap_is_a_quantile_of_positive_margins():
    margins = np.concatenate([np.arange(1.0, 102.0), [np.nan, np.inf, -5.0, 0.0]])
    assert margin_cap(margins) == 91.0
    assert margin_cap(margins, share=0.8) == 81.0
    with pytest.raises(TooLittleDataError, match="none of 2 older wins"):
        margin_cap(np.array([0.0, np.nan]))


# --- once the filter runs ---


def test_five_percent_through_a_tenth_takes_571_wins_with_none_below_the_cut():
    bounds = [
        lost_share_bound(held_wins=0, wins=number, pass_through=0.1, confidence=0.95)
        for number in (569, 570, 571)
    ]
    assert bounds[0] > bounds[1] > 0.05 >= bounds[2]
    assert bounds[1] == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("held", "number", "passing", "bound"),
    [
        pytest.param(0, 0, 0.1, 1.0, id="no win says nothing"),
        pytest.param(7, 7, 0.1, 1.0, id="all wins below the cut"),
        pytest.param(0, 1_000, 0.0, 1.0, id="nothing below the cut is ever seen"),
        pytest.param(0, 59, 1.0, 1 - 0.05 ** (1 / 59), id="everything is seen: the exact limit of a share"),
        pytest.param(1, 93, 1.0, 0.0501, id="one of 93, seen in full"),
    ],
)
def test_the_bound_at_its_ends(held, number, passing, bound):
    assert lost_share_bound(
        held_wins=held, wins=number, pass_through=passing, confidence=0.95
    ) == pytest.approx(bound, abs=1e-3)


def test_the_bound_falls_with_wins_seen_and_with_pass_through_and_rises_with_wins_below_the_cut():
    def bound(held=3, number=400, passing=0.1):
        return lost_share_bound(held_wins=held, wins=number, pass_through=passing, confidence=0.95)

    assert bound(held=2) < bound() < bound(held=4)
    assert bound(number=500) < bound() < bound(number=300)
    assert bound(passing=0.2) < bound() < bound(passing=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"held_wins": 5, "wins": 4},
        {"held_wins": -1},
        {"pass_through": 1.1},
        {"pass_through": -0.1},
        {"confidence": 1},
    ],
)
def test_counts_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="cannot be"):
        lost_share_bound(**({"held_wins": 0, "wins": 10, "pass_through": 0.1, "confidence": 0.95} | wrong))


# --- the two halves ---


def test_halves_that_are_alike_do_not_differ_and_halves_that_moved_do():
    scores, _ = wins(200)
    alike, moved = halves_differ(scores), halves_differ(scores + 0.1 * (np.arange(200) >= 100))
    assert not alike.differ
    assert moved.differ
    assert moved.p_value < 0.01 < alike.p_value
    assert moved.newer_median == pytest.approx(np.median(scores[100:]) + 0.1)
    assert moved.older_median == np.median(scores[:100])


def test_halves_too_few_to_tell_or_all_equal_never_differ():
    assert not halves_differ(np.arange(19.0)).differ
    assert halves_differ(np.arange(20.0)).differ
    assert not halves_differ(np.array([])).differ
    assert halves_differ(np.full(50, 0.3)) == Halves(
        differ=False, p_value=1.0, older_median=0.3, newer_median=0.3
    )


# --- everything together, in words ---


def test_a_certificate_says_what_is_promised_on_what_and_what_ends_it():
    scores, days = wins(412)
    certificate = certify(scores, days, **LEVELS)
    assert certificate.cut == certified_cut(scores, **LEVELS)
    assert certificate.promise == Promise(
        of="customers",
        max_lost_share=0.05,
        confidence=0.95,
        wins=412,
        start=datetime(2025, 3, 1),
        end=datetime(2025, 8, 14),
        certified=True,
        why="at most 5 % of the customers you win today would be held back, with 95 % confidence; certified on 412 wins between "
        "2025-03-01 and 2025-08-14 that the model has not learned from; void if the way leads turn into customers changes (new product, prices, market or channels)",
    )


def test_a_certificate_about_margin_is_that_of_the_wins_whose_margin_is_known_in_the_order_of_time():
    scores, days = wins(412)
    margins = np.random.default_rng(6).lognormal(9, 0.8, 412)
    margins[:12] = np.nan
    certificate = certify(
        scores, days, of="margin", margins=margins, cap=12_300.4, max_lost_share=0.025, confidence=0.95
    )
    order = 12 + np.argsort(days[12:], kind="stable")
    assert certificate.cut == certified_margin_cut(
        scores[order], margins[order], cap=12_300.4, max_lost_share=0.025, confidence=0.95
    )
    assert certificate.promise.wins == 400
    assert certificate.promise.why.startswith(
        "at most 2.5 % of the margin of the customers you win today would be held back, counting at most 12,300 a customer, "
        "with 95 % confidence; certified on 400 wins with a known margin between"
    )


@pytest.mark.parametrize(
    ("moment", "span"),
    [
        pytest.param(
            lambda time: (time - pd.Timestamp("2025-03-01")).days * 100 + 1_200,
            "between row 1,200 and row 17,800",
            id="rows",
        ),
        pytest.param(lambda time: None, "", id="no order at all"),
        pytest.param(pd.Timestamp.isoformat, "between 2025-03-01 and 2025-08-14", id="times in full"),
        pytest.param("{:%d %b %Y}".format, "between 01 Mar 2025 and 14 Aug 2025", id="words of one's own"),
    ],
)
def test_the_window_is_told_as_the_source_tells_time(moment, span):
    why = certify(*wins(412), **LEVELS, moment=moment).promise.why
    assert why.split("; ")[1] == " ".join(
        f"certified on 412 wins {span} that the model has not learned from".split()
    )


SOME, _ = wins(412)
REFUSALS = {
    "too few": (SOME[:42], {}, "17 more wins are needed: 42 of 59"),
    "none": (SOME[:0], {}, "there is no win yet; at least 59 are needed"),
    "all alike": (
        np.full(80, 0.3),
        {},
        "all 80 wins have the same score: nothing tells them apart, and no cut would hold a lead",
    ),
    "risen": (
        np.repeat([0.14, 0.22], 50) + np.tile([-0.01, 0.01], 50),
        {},
        "the scores of wins rose: median 0.140 in the older half of 100 wins, 0.220 in the newer; "
        "the two halves disagree, so the next weeks need not look like them",
    ),
    "fallen": (
        np.linspace(0.9, 0.1, 100),
        {},
        "the scores of wins fell: median 0.702 in the older half of 100 wins, 0.298 in the newer",
    ),
    "no margins": (
        SOME,
        {"of": "margin", "cap": 1.0},
        "412 of 412 wins have no margin on record, more than a tenth",
    ),
    "some margins": (
        SOME,
        {"of": "margin", "cap": 1.0, "margins": np.where(np.arange(412) < 42, np.nan, 5.0)},
        "42 of 412 wins have no margin on record, more than a tenth: nothing can be said of margin",
    ),
    "no profit": (
        SOME,
        {"of": "margin", "cap": 1.0, "margins": np.full(412, -3.0)},
        "none of 412 wins has a positive margin: there is nothing that could be lost",
    ),
    "no cap": (
        SOME,
        {"of": "margin", "margins": np.ones(412)},
        "what one customer may count at most is fixed on older wins",
    ),
    "too few for margin": (
        SOME[:80],
        {"of": "margin", "cap": 4.0, "margins": np.ones(80)},
        "more wins are needed: 80 of 2",
    ),
    "none for margin": (
        SOME[:0],
        {"of": "margin", "cap": 1.0, "margins": SOME[:0]},
        "there is no win yet; at least 59 are needed",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_promised_is_refused_in_one_sentence_that_says_why(case):
    scores, given, why = REFUSALS[case]
    days = np.datetime64("2025-03-01") + np.arange(len(scores))
    certificate = certify(scores, days, **LEVELS, **given)
    assert certificate.cut is None
    assert not certificate.promise.certified
    assert why in certificate.promise.why
    assert (certificate.promise.start is None) == (certificate.promise.wins == 0)


def test_a_win_without_a_score_or_a_time_and_lists_of_different_lengths_are_the_callers_error():
    scores, days = wins(100)
    for wrong in (
        lambda: certify(np.append(scores[1:], np.nan), days, **LEVELS),
        lambda: certify(scores, np.append(days[1:], np.datetime64("NaT")), **LEVELS),
        lambda: certify(scores[1:], days, **LEVELS),
        lambda: certify(scores, days, of="margin", margins=np.ones(99), cap=1.0, **LEVELS),
    ):
        with pytest.raises(ValueError, match=r"score and a time|same length|does not match"):
            wrong()


def test_inputs_are_left_as_they_were():
    scores, days = wins(100)
    margins = np.ones(100)
    before = [values.copy() for values in (scores, days, margins)]
    certify(scores, days, of="margin", margins=margins, cap=1.0, **LEVELS)
    for values, kept in zip((scores, days, margins), before, strict=True):
        np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize("number", [0, 42, 412])
def test_a_promise_comes_back_from_json_as_it_was(number):
    promise = certify(*wins(number), **LEVELS).promise
    told = ["of", "max_lost_share", "confidence", "wins", "from", "to", "certified", "why"]
    assert list(promise.to_json()) == told
    assert load(Promise, json.loads(json.dumps(dump(promise)))) == promise


def test_the_ends_of_the_window_are_worded_as_asked():
    promise = certify(*wins(412), **LEVELS).promise
    told = promise.to_json(lambda time: 7 if time == promise.start else 9)
    assert (told["from"], told["to"]) == (7, 9)
    assert promise.to_json()["from"] == "2025-03-01T00:00:00"


# --- are promises kept? ---


def violations(cut, kind, number: int, runs: int, seed: int = 0) -> tuple[float, float]:
    """The share of runs in which a method loses more than 5 % of winners, and the mean share that it loses."""
    rng = np.random.default_rng(seed)
    edges = np.array([kind.edge(cut(kind.of(rng.normal(DISTANCE, 1, number)))) for _ in range(runs)])
    lost = norm.cdf(edges - DISTANCE)
    return float(np.mean(lost > 0.05 + 1e-9)), float(lost.mean())


def tolerated(runs: int) -> float:
    return 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_the_worlds_tell_exactly_who_is_held():
    normal = np.random.default_rng(0).normal(DISTANCE, 1, 2_000)
    for kind in SCORES:
        scores = kind.of(normal)
        for cut in (0.0, 0.0437, 0.2, *scores[:5]):
            np.testing.assert_array_equal(scores < cut, normal < kind.edge(cut) - 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCORES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("number", WINS)
def test_the_certified_cut_keeps_its_promise_whatever_the_scores_look_like(kind, number):
    assert violations(METHODS["certified (ours)"], kind, number, runs=2_000)[0] <= tolerated(2_000)


@pytest.mark.slow
@pytest.mark.parametrize("number", WINS)
def test_the_empirical_quantile_and_conformal_risk_control_break_it_in_about_half_of_the_runs(number):
    assert violations(empirical_quantile, CONTINUOUS, number, runs=1_000)[0] > 0.4
    assert violations(conformal_risk_control, CONTINUOUS, number, runs=1_000)[0] > 0.35


@pytest.mark.slow
@pytest.mark.parametrize("method", ["MAPIE fixed sequence", "MAPIE, ten times finer"])
def test_mapie_keeps_the_promise_too_and_dares_less(method):
    for number in (100, 400):
        theirs, their_loss = violations(METHODS[method], CONTINUOUS, number, runs=400)
        ours, our_loss = violations(METHODS["certified (ours)"], CONTINUOUS, number, runs=400)
        assert max(theirs, ours) <= tolerated(400)
        assert our_loss >= their_loss


@pytest.mark.slow
def test_the_promise_about_capped_margin_is_kept_also_where_poor_leads_bring_the_most():
    table = margin_grid(runs=400, seed=1)
    assert (table["violations"] <= tolerated(400)).all(), table
    assert (table["certified"] > 0.95).all(), table
    assert (table["lost"] > 0.01).all(), "a promise that is kept by holding nobody is no use"


@pytest.mark.slow
def test_the_bound_of_a_running_filter_holds():
    table = post_launch_grid(runs=1_000, seed=1)
    assert (table["above"] <= tolerated(1_000)).all(), table


def test_the_evidence_has_a_row_for_every_method_and_can_be_drawn():
    table = promise_grid(runs=2)
    assert len(table) == len(METHODS) * len(WINS) * len(SCORES)
    assert table.notna().all(axis=None)
    words = {text.get_text() for axes in picture(table).axes for text in axes.texts}
    assert {
        "empirical quantile",
        "conformal risk control",
        "MAPIE fixed sequence",
        "certified (ours)",
    } <= words

"""What a customer brings: medians that little data cannot pull away, trees only where they foretell better,
absurd figures left out.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError
from features.serialization import dump, load
from models.policy.margins import Margins, fit_margins

COLUMNS = {"channel": ("ads", "fair", "web"), "employees": None, "noise": None}


def world(wins: int, *, size: float = 0.5, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Won leads, their margins, and the medians that these were drawn around; ``size`` is the weight of the
    number of employees.
    """
    rng = np.random.default_rng(seed)
    employees = rng.lognormal(4, 1, wins)
    channel = rng.choice(3, wins, p=[0.5, 0.2, 0.3])
    frame = pd.DataFrame(
        {
            "channel": pd.Categorical.from_codes(channel, categories=["web", "fair", "ads"]),
            "employees": employees,
            "noise": rng.normal(size=wins),
        }
    )
    median = np.exp(8 + np.array([0.0, 0.5, -0.2])[channel] + size * (np.log(employees) - 4))
    return frame, median * rng.lognormal(0, 0.8, wins), median


def flat(margins, channel="web") -> tuple[pd.DataFrame, np.ndarray]:
    """Wins of one channel with given margins."""
    return pd.DataFrame({"channel": pd.Categorical([channel] * len(margins))}), np.array(margins, dtype=float)


def fitted(frame, margin, **options) -> Margins | None:
    return fit_margins(frame, margin, categories=options.pop("categories", COLUMNS), threads=1, **options)


def error(margins: Margins, frame: pd.DataFrame, median: np.ndarray) -> float:
    return float(np.abs(np.log(margins.expected(frame, threads=1) / median)).mean())


def test_a_segment_with_few_wins_keeps_close_to_all_and_one_with_many_to_itself():
    few, many = flat([100.0] * 20, "fair"), flat([1000.0] * 180, "web")
    margins = fitted(
        pd.concat([few[0].astype(str), many[0].astype(str)]).astype("category"), np.append(few[1], many[1])
    )
    assert margins.overall == pytest.approx(1000)
    # 20 wins of its own against 20 of the whole: halfway in logarithms.
    assert margins.medians == pytest.approx({"fair": np.sqrt(100 * 1000), "web": 1000})


def test_a_segment_that_is_empty_or_new_is_worth_what_all_are():
    frame, margin, _ = world(200)
    margins = fitted(frame, margin)
    others = pd.DataFrame({"channel": pd.Categorical(["referral", None, "fair"])})
    assert margins.expected(others) == pytest.approx(
        [margins.overall, margins.overall, margins.medians["fair"]]
    )


@pytest.mark.parametrize(
    ("segment", "frame"),
    [
        pytest.param(None, world(50)[0], id="no segment wanted"),
        pytest.param("region", world(50)[0], id="no such column"),
        pytest.param(
            "channel",
            pd.DataFrame({"channel": pd.Categorical([None] * 50)}),
            id="a column that is empty throughout",
        ),
    ],
)
def test_without_segments_there_is_one_median_for_all(segment, frame):
    margin = world(50)[1]
    margins = fitted(frame, margin, segment=segment)
    assert margins.medians == {}
    assert set(margins.expected(frame)) == {margins.overall}


def test_with_many_wins_trees_find_what_the_segments_do_not_tell():
    margins = fitted(*world(1500)[:2])
    fresh, _, median = world(3000, seed=2)
    assert margins.model is not None
    assert error(margins, fresh, median) < 0.6 * error(replace(margins, model=None), fresh, median)


@pytest.mark.parametrize("seed", range(5))
def test_trees_that_foretell_no_better_are_not_kept(seed):
    assert fitted(*world(1500, size=0.0, seed=seed)[:2]).model is None


def test_below_three_hundred_wins_there_are_no_trees():
    frame, margin, _ = world(300, size=1.0)
    assert fitted(frame, margin).model is not None
    margin[0] = np.nan
    assert fitted(frame, margin).model is None


@pytest.mark.parametrize(
    "categories",
    [
        pytest.param({}, id="no column"),
        pytest.param({"noise": None}, id="a column that is empty throughout"),
        pytest.param({"channel": ()}, id="a category without a value"),
    ],
)
def test_columns_that_tell_nothing_leave_the_medians(categories):
    frame, margin, _ = world(400)
    assert fitted(frame.assign(noise=np.nan), margin, categories=categories).model is None


def test_the_expected_margin_is_the_median_whatever_the_tail():
    """Margins skewed even in logarithms: as many wins above it as below."""
    frame, _, median = world(4000)
    margin = median * np.exp(np.random.default_rng(7).exponential(1.0, len(median)))
    margins = fitted(frame[:2000], margin[:2000])
    assert margins.model is not None
    assert np.mean(margin[2000:] > margins.expected(frame[2000:], threads=1)) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("margin", "overall", "wins", "said"),
    [
        pytest.param([10, 20, 30], 20, 3, [], id="nothing to say"),
        pytest.param(
            [10, 20, np.nan, 30], 20, 3, ["The margin of 1 of 4 wins (25%) is missing."], id="missing"
        ),
        pytest.param(
            [10, 20, 0, -5, 30], 20, 3, ["Margins of 0 or below, left out: 2 of 5."], id="not positive"
        ),
        pytest.param(
            [10, 20, 20, 30, 2_001],
            20,
            4,
            ["more than 100 times the median of 20, left out: 1 of 5, such as 2,001. Check"],
            id="absurd",
        ),
        pytest.param([10, 20, 20, 30, 2_000], 20, 5, [], id="a hundred times is large, not absurd"),
        pytest.param([10, 20, 20, 30, np.inf], 20, 4, ["left out: 1 of 5, such as inf"], id="infinite"),
        pytest.param(
            [np.nan, -1, 10, 10, 9_999_999],
            10,
            2,
            ["(20%) is missing", "left out: 1 of 5", "such as 9,999,999"],
            id="everything at once",
        ),
    ],
)
def test_margins_that_cannot_be_meant_are_left_out_and_said(margin, overall, wins, said):
    margins = fitted(*flat(margin))
    assert (margins.overall, margins.wins) == (pytest.approx(overall), wins)
    assert len(margins.notes) == len(said)
    assert all(part in note for part, note in zip(said, margins.notes, strict=True))


@pytest.mark.parametrize("margin", [[], [np.nan], [0.0, -1.0], [np.inf, np.inf], [-np.inf, np.nan]])
def test_without_a_usable_margin_there_is_nothing_to_expect(margin):
    assert fitted(*flat(margin)) is None


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_what_is_expected_is_above_nothing_and_never_empty(size):
    margins = fitted(*world(600, size=size)[:2])
    odd = pd.DataFrame(
        {
            "channel": pd.Categorical([None, "new", "web", "fair"]),
            "employees": [np.nan, np.inf, -1e30, 1e30],
            "noise": [np.nan, 0.0, -np.inf, 1.0],
        }
    )
    expected = margins.expected(odd)
    assert np.isfinite(expected).all()
    assert (expected > 0).all()
    assert margins.expected(odd[:0]).shape == (0,)


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_margins_come_back_from_json_as_they_were(size):
    frame, margin, _ = world(600, size=size)
    margin[:3] = np.nan
    margins = fitted(frame, margin)
    back = load(Margins, json.loads(json.dumps(dump(margins), allow_nan=False)))
    assert back == margins
    assert (back.expected(frame) == margins.expected(frame)).all()


def test_the_same_wins_give_the_same_margins_on_any_number_of_threads():
    frame, margin, _ = world(600)
    once, again = (fit_margins(frame, margin, categories=COLUMNS, threads=threads) for threads in (1, 2))
    assert (once.expected(frame, threads=1) == again.expected(frame, threads=2)).all()


def test_rows_are_found_by_their_place_not_by_their_index():
    frame, margin, _ = world(600)
    shuffled = frame.set_axis(np.random.default_rng(3).integers(0, 5, 600))
    assert (fitted(shuffled, margin).expected(frame) == fitted(frame, margin).expected(frame)).all()


def test_nothing_that_was_handed_in_is_changed():
    frame, margin, _ = world(400)
    before = frame.copy(), margin.copy()
    fitted(frame, margin)
    pd.testing.assert_frame_equal(frame, before[0])
    assert (margin == before[1]).all()


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_a_matrix_without_the_columns_is_refused(size):
    margins = fitted(*world(600, size=size)[:2])
    with pytest.raises(ContractError, match="channel"):
        margins.expected(pd.DataFrame({"noise": [1.0]}))

from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.splits import Split, newest_holdout, overlaps, rolling_blocks

DAY = np.timedelta64(1, "D")
START = np.datetime64("2026-01-01T00:00:00", "us")


def world(seed: int, leads: int = 1200, accounts: int = 800, days: int = 120):
    """Leads of random days (many on the same), of accounts that recur, most of them mature."""
    random = np.random.default_rng(seed)
    as_of = np.sort(START + random.integers(0, days, leads) * DAY)
    account = np.array([f"a{n}" for n in random.integers(0, accounts, leads)])
    mature = (as_of < START + (days - 20) * DAY) & (random.random(leads) < 0.8)
    return as_of, account, mature, random.random(leads) < 0.3


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("accounts", [15, 800, 10_000])
def test_no_block_overlaps_its_training_part_in_time_or_account(seed, accounts):
    as_of, account, mature, events = world(seed, accounts=accounts)
    blocks = rolling_blocks(as_of, account, mature, events)
    newest = newest_holdout(as_of, account, mature)
    assert len(blocks) >= 2
    assert overlaps(blocks, as_of, account) == []
    assert overlaps([newest], as_of, account) == []


@pytest.mark.parametrize("seed", range(4))
def test_blocks_hold_the_newest_half_of_the_mature_leads_in_about_equal_numbers(seed):
    as_of, account, mature, events = world(seed)
    blocks = rolling_blocks(as_of, account, mature, events, blocks=5)
    sizes = [mature[block.test].sum() for block in blocks]
    per_day = np.bincount(((as_of - START) / DAY).astype(int)[mature]).max()
    assert len(blocks) == 5
    assert abs(sum(sizes) - mature.sum() / 2) <= per_day
    assert max(sizes) - min(sizes) <= 2 * per_day
    assert as_of[blocks[-1].test].max() == as_of[mature].max()


def test_equal_times_never_stand_on_both_sides_of_a_cut():
    as_of = np.repeat(START + np.arange(6) * DAY, 50)
    account = np.arange(300).astype(str)
    blocks = rolling_blocks(as_of, account, np.ones(300, bool), np.arange(300) % 2 == 0, blocks=5)
    assert [np.unique(as_of[block.test]).tolist() for block in blocks] == [
        [START + day * DAY] for day in (3, 4, 5)
    ]


def test_a_block_holds_the_immature_leads_of_its_span_too():
    as_of = START + np.arange(200) * DAY
    mature = np.arange(200) % 2 == 0
    blocks = rolling_blocks(as_of, np.arange(200), mature, np.arange(200) % 4 == 0, blocks=2)
    assert [list(np.unique(np.diff(block.test))) for block in blocks] == [[1], [1]]


@pytest.mark.parametrize(
    ("wins", "expected"),
    [
        pytest.param(100, 5, id="twenty wins a block: all five"),
        pytest.param(35, 3, id="thirty-five wins are enough for three"),
        pytest.param(19, 0, id="nineteen wins are not enough for two"),
    ],
)
def test_fewer_blocks_are_cut_where_one_would_hold_fewer_than_ten_wins(wins, expected):
    as_of = START + np.arange(1000) * DAY
    events = np.zeros(1000, bool)
    events[500 + np.linspace(0, 499, wins).astype(int)] = True
    assert len(rolling_blocks(as_of, np.arange(1000), np.ones(1000, bool), events)) == expected


def test_blocks_are_short_of_losses_as_they_are_of_wins():
    as_of = START + np.arange(1000) * DAY
    events = np.ones(1000, bool)
    events[500 + np.linspace(0, 499, 35).astype(int)] = False
    assert len(rolling_blocks(as_of, np.arange(1000), np.ones(1000, bool), events)) == 3


def test_no_leads_give_no_blocks():
    nothing = np.zeros(0, bool)
    assert rolling_blocks(np.zeros(0, "datetime64[us]"), np.zeros(0, int), nothing, nothing) == ()
    assert newest_holdout(np.zeros(0, "datetime64[us]"), np.zeros(0, int), nothing) is None


def test_accounts_that_are_always_there_are_judged_in_groups_by_a_fit_on_the_others():
    as_of, account, mature, events = world(0, accounts=15)
    blocks = rolling_blocks(as_of, account, mature, events)
    for block in blocks:
        before = (as_of < block.start).sum()
        assert len(block.splits) == 3
        assert all(len(split.train) > before / 2 for split in block.splits)


@pytest.mark.parametrize(("newest", "rows"), [(0.25, 50), (8, 8), (200, None)])
def test_the_newest_holdout_is_a_share_or_a_number_of_mature_leads(newest, rows):
    as_of = START + np.arange(200) * DAY
    block = newest_holdout(as_of, np.arange(200), np.ones(200, bool), newest=newest)
    assert (None if block is None else block.test.tolist()) == (
        None if rows is None else list(range(200 - rows, 200))
    )


def test_the_check_finds_what_overlaps():
    as_of = START + np.arange(100) * DAY
    account = np.arange(100)
    first, second = rolling_blocks(as_of, account, np.ones(100, bool), np.arange(100) % 2 == 0, blocks=2)
    late = replace(first, splits=(Split(test=first.test, train=np.arange(60)),))
    assert "trains on a lead of" in overlaps([late], as_of, account)[0]
    account[first.test[0]] = 3
    assert "1 accounts on both sides, such as" in overlaps([first], as_of, account)[0]
    assert overlaps([second, second], as_of, account) == ["blocks 2 and 2 share leads or time"]
    twice = replace(second, splits=second.splits * 2)
    assert overlaps([twice], as_of, account) == ["block 2 judges a lead twice"]

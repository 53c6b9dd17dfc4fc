"""Where to cut time so that a model is judged on leads it could not have known: rolling-origin blocks and one
newest holdout.

Blocks walk back from the newest mature lead, because the near past resembles the future most. A block holds
every lead of its span of time, mature or not; only mature ones count when the cuts are chosen and when the
model is judged. What is trained on for a block was scored before the block began, belongs to no account of
the block, and is labelled as of the block's start. Where the same accounts come back all the time, that would
leave next to nothing to learn from: the block's accounts are then judged in three groups, each by a fit on
the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pandas as pd

FEWEST_OF_EACH = 10
FEWEST_BLOCKS = 2
ACCOUNT_GROUPS = 3
FEWEST_LEFT = 0.5
ENOUGH = 50_000


@dataclass(frozen=True)
class Split:
    """Leads to judge, and what may be learned from before them: row numbers, ascending."""

    test: np.ndarray
    train: np.ndarray


@dataclass(frozen=True)
class Block:
    """One span of time to judge in.

    Attributes
    ----------
    number : int
        1 for the oldest block; 0 for the newest holdout.
    start, end : datetime64
        The block's leads have ``start <= as_of < end``. Labels for training are those known at ``start``.
    splits : tuple of Split
        Usually one; several, with a share of the block's accounts each, where accounts recur.
    """

    number: int
    start: np.datetime64
    end: np.datetime64
    splits: tuple[Split, ...]

    @property
    def test(self) -> np.ndarray:
        """Every lead of the block, as row numbers, ascending."""
        return np.sort(np.concatenate([split.test for split in self.splits]))

    @property
    def moment(self) -> datetime:
        """The start as a datetime, for functions that take a moment."""
        return pd.Timestamp(self.start).to_pydatetime()


def rolling_blocks(
    as_of: np.ndarray,
    accounts: np.ndarray,
    mature: np.ndarray,
    events: np.ndarray,
    *,
    blocks: int = 5,
    test_share: float = 0.5,
) -> tuple[Block, ...]:
    """Cut the newest ``test_share`` of the mature leads into blocks of about equal numbers.

    Parameters
    ----------
    as_of : array of datetime64, shape (n,)
        When each lead was scored. Equal times never stand on both sides of a cut.
    accounts : array, shape (n,)
        The account behind each lead.
    mature : array of bool, shape (n,)
        Leads whose whole horizon has been seen.
    events : array of bool, shape (n,)
        Leads that had the outcome; read where mature only.
    blocks, test_share
        The number of blocks wished for, and the share of mature leads in them.

    Returns
    -------
    tuple of Block
        Oldest first. Fewer than wished where a block would otherwise hold fewer than 10 leads with the
        outcome or fewer than 10 without; none at all where not even two such blocks can be had.
    """
    times, won = as_of[mature], np.asarray(events, bool)[mature]
    order = np.argsort(times, kind="stable")
    times, won = times[order], won[order]
    first = len(times) - round(len(times) * test_share)
    for number in range(blocks, FEWEST_BLOCKS - 1, -1):
        cuts = _cuts(times, first, number)
        if len(cuts) == number + 1 and _enough(times, won, cuts):
            return tuple(_block(i + 1, cuts[i], cuts[i + 1], as_of, accounts) for i in range(number))
    return ()


def newest_holdout(
    as_of: np.ndarray, accounts: np.ndarray, mature: np.ndarray, *, newest: float | int = 0.2
) -> Block | None:
    """The last mature leads, to be judged once by a model fitted on all before.

    Where their accounts are judged in groups and the first holds 50,000 leads, it alone is judged: more would
    tell nothing new.

    Parameters
    ----------
    as_of, accounts, mature
        As for :func:`rolling_blocks`.
    newest : float or int
        A share of the mature leads below 1, or their number.

    Returns
    -------
    Block or None
        Numbered 0; None where nothing would be left to learn from.
    """
    times = np.sort(as_of[mature])
    rows = newest if isinstance(newest, int) else round(len(times) * newest)
    if not 0 < rows < len(times):
        return None
    block = _block(0, times[len(times) - rows], _just_after(times[-1]), as_of, accounts)
    if len(block.splits[0].test) >= ENOUGH:
        block = replace(block, splits=block.splits[:1])
    return block if any(len(split.train) for split in block.splits) else None


def overlaps(blocks: Sequence[Block], as_of: np.ndarray, accounts: np.ndarray) -> list[str]:
    """Every way in which training and judging touch, in words; an empty list is what we want.

    Written without the code that cuts, so that it can find that code's mistakes.
    """
    found = []
    for block in blocks:
        for split in block.splits:
            test, train = as_of[split.test], as_of[split.train]
            if len(train) and len(test) and train.max() >= test.min():
                found.append(
                    f"block {block.number} trains on a lead of {train.max()}, and its first lead to judge is of {test.min()}"
                )
            shared = np.intersect1d(
                pd.unique(accounts[split.test]), pd.unique(accounts[split.train]), assume_unique=True
            )
            if len(shared):
                found.append(
                    f"block {block.number} has {len(shared)} accounts on both sides, such as {shared[0]!r}"
                )
            if len(test) and (test.min() < block.start or test.max() >= block.end):
                found.append(f"block {block.number} holds leads outside its span")
        if len(np.unique(block.test)) < len(block.test):
            found.append(f"block {block.number} judges a lead twice")
    for older, newer in pairwise(blocks):
        if older.end > newer.start or len(np.intersect1d(older.test, newer.test)):
            found.append(f"blocks {older.number} and {newer.number} share leads or time")
    return found


def _cuts(times: np.ndarray, first: int, number: int) -> np.ndarray:
    """Distinct boundaries of ``number`` blocks over the sorted times from position ``first`` on."""
    if first >= len(times):
        return times[:0]
    positions = first + np.arange(number) * (len(times) - first) // number
    return np.unique(np.append(times[positions], _just_after(times[-1])))


def _enough(times: np.ndarray, won: np.ndarray, cuts: np.ndarray) -> bool:
    positions = np.searchsorted(times, cuts)
    total = np.append(0, np.cumsum(won))
    wins = np.diff(total[positions])
    losses = np.diff(positions) - wins
    return min(wins.min(), losses.min()) >= FEWEST_OF_EACH


def _just_after(time: np.datetime64) -> np.datetime64:
    return time.astype("datetime64[us]") + np.timedelta64(1, "us")


def _block(
    number: int, start: np.datetime64, end: np.datetime64, as_of: np.ndarray, accounts: np.ndarray
) -> Block:
    inside, before = (as_of >= start) & (as_of < end), as_of < start
    codes = pd.factorize(accounts)[0]
    whole = _split(inside, before, codes)
    if len(whole.train) >= FEWEST_LEFT * before.sum():
        return Block(number=number, start=start, end=end, splits=(whole,))
    groups = [
        _split(inside & (codes % ACCOUNT_GROUPS == group), before, codes) for group in range(ACCOUNT_GROUPS)
    ]
    return Block(
        number=number, start=start, end=end, splits=tuple(split for split in groups if len(split.test))
    )


def _split(test: np.ndarray, before: np.ndarray, codes: np.ndarray) -> Split:
    judged = np.zeros(codes.max(initial=-1) + 1, bool)
    judged[codes[test]] = True
    return Split(test=np.flatnonzero(test), train=np.flatnonzero(before & ~judged[codes]))

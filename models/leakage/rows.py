"""What rows give away, whatever their columns say: people who stand in a table twice, rows that are sorted by outcome,
and a system that carries all wins.

No column is to blame, so nothing is held up: it is told, with its number and what mends it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.labels import OUTCOMES
from models.dataset import LearningSet
from models.leakage.samples import FEWEST, has_dates

Kind = Literal["the same person", "sorted by outcome", "one system has all wins"]

ADDRESS = re.compile(r"\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*")
TELEPHONE = re.compile(r"phone|mobile|telefon|\btel\b|fax", re.IGNORECASE)
SYSTEM = re.compile(r"channel|source|system|origin|platform|import", re.IGNORECASE)
DIGITS = 7  # of a telephone number, at least; the last nine are the same with and without a country's code
FEWEST_TWINS = 10
ALIKE_COLUMNS = 6
BY_CHANCE = 1e-6  # how many other rows would say the same of everything, were columns independent
NEWEST_SHARE = 0.2
SORTED = 0.05  # changes from one row's outcome to the next, of those that there would be in any order
ALL_WINS, OF_LEADS = 0.98, 0.75
EXPECTED_ELSEWHERE = 20.0


@dataclass(frozen=True)
class RowFinding:
    """Something about rows that makes figures too good, or teaches what is not so.

    Attributes
    ----------
    kind : str
    leads : int
        How many leads it is about.
    words : str
    """

    kind: Kind
    leads: int
    words: str


def about_rows(learning: LearningSet, raw: pd.DataFrame) -> tuple[RowFinding, ...]:
    """Look at rows: who stands there twice, in which order, and where wins come from.

    Parameters
    ----------
    learning : LearningSet
    raw : DataFrame
        The leads table as it is today, with ``lead_id``, of the leads that are looked at.
    """
    places = pd.Index(learning.frame["lead_id"]).get_indexer(raw["lead_id"])
    raw, places = raw[places >= 0], places[places >= 0]
    order = np.argsort(places, kind="stable")
    raw, places = raw.iloc[order].reset_index(drop=True), places[order]
    found = (_twice(learning, raw, places), _sorted(learning), _one_system(learning, raw, places))
    return tuple(each for each in found if each is not None)


def same_people(raw: pd.DataFrame, *, nearly: bool = True) -> np.ndarray:
    """A number for each row, equal for rows of one person: by e-mail address and telephone number, or, where a table has
    neither, by saying the same in all columns.

    Parameters
    ----------
    nearly : bool
        Addresses that differ in capitals, dots or a tag are one, and telephone numbers however they are written.
    """
    keys = list(_contacts(raw, nearly=nearly))
    if not keys:
        keys = [_alike(raw)]
    pairs = [pd.Series(np.arange(len(key)), key).dropna() for key in keys]
    links = []
    for rows in pairs:
        rows = rows[rows.index.notna()]
        first = rows.groupby(level=0).transform("min")
        links.append(np.stack([rows.to_numpy(), first.to_numpy()]))
    one, other = np.concatenate(links, axis=1) if links else np.zeros((2, 0), int)
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(raw), len(raw)))
    return connected_components(graph, directed=False)[1]


def _contacts(raw: pd.DataFrame, *, nearly: bool) -> Iterator[np.ndarray]:
    """What each row's person can be reached by, as text, None where there is nothing; an array for each column."""
    for name in raw:
        if name == "lead_id" or not pd.api.types.is_string_dtype(raw[name]):
            continue
        row, values = pd.factorize(raw[name])  # of a few hundred campaigns each is looked at once
        if not len(values):
            continue
        filled = pd.Series(values.astype(object)).astype(str)
        is_address = filled.str.fullmatch(ADDRESS.pattern)
        if is_address[row[row >= 0]].mean() >= 0.8:
            kept = filled[is_address]
            key = kept.map(_address) if nearly else kept
        elif TELEPHONE.search(name):
            digits = filled.str.replace(r"\D", "", regex=True)
            enough = digits.str.len() >= DIGITS
            key = digits[enough].str[-9:] if nearly else filled[enough]
        else:
            continue
        key = key.astype(object).reindex(range(-1, len(values)))  # -1 is a row without a value
        yield key.where(key.notna(), None).to_numpy()[row + 1]


def _address(text: str) -> str:
    """An e-mail address without what makes no difference to whom it reaches."""
    local, _, domain = text.strip().casefold().rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"


def _alike(raw: pd.DataFrame) -> np.ndarray:
    """Rows that say the same of everything, where so much is said that hardly two would by chance; None for others."""
    columns = raw.drop(columns=["lead_id", "created_at", "account_id"], errors="ignore")
    told = columns.notna().sum(axis=1).to_numpy()
    surprise = np.zeros(len(raw))
    codes = np.zeros(columns.shape, int)
    for place, name in enumerate(columns):
        codes[:, place] = pd.factorize(columns[name])[0]
        seen = np.bincount(codes[:, place] + 1)
        surprise += np.where(codes[:, place] < 0, 0.0, -np.log(seen[codes[:, place] + 1] / max(len(raw), 1)))
    rare = (told >= ALIKE_COLUMNS) & (len(raw) * np.exp(-surprise) < BY_CHANCE)
    row = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(str).astype(object)
    return np.where(rare, row, None)


def _twice(learning: LearningSet, raw: pd.DataFrame, places: np.ndarray) -> RowFinding | None:
    """People who stand under several accounts: one of their leads may be learned from and another judged on."""
    account = pd.factorize(learning.frame["account_id"].to_numpy()[places])[0]
    nearly = _apart(same_people(raw), account)
    several = nearly >= 0
    if several.sum() < FEWEST_TWINS:
        return None
    exactly = _apart(same_people(raw, nearly=False), account)
    people = pd.Series(nearly[several])
    # Where there is no order, the leads to judge on are drawn, and anybody's twin may be on the other side.
    newest = np.arange(len(raw))[several] >= (1 - NEWEST_SHARE) * len(raw)
    crossing = int(pd.Series(newest).groupby(people.to_numpy()).transform("nunique").gt(1).sum())
    same = int((exactly >= 0).sum())
    ways = f"{same:,} exactly" + (f", {several.sum() - same:,} nearly" if several.sum() > same else "")
    return RowFinding(
        "the same person",
        int(several.sum()),
        f"{several.sum():,} of {len(raw):,} leads are of {people.nunique():,} people who stand under several accounts ({ways}): "
        f"{crossing:,} of them on both sides of a split at the newest fifth, so that a model is judged on whom it has learned from. "
        "Name what tells people apart as account_id, or join their leads at the source",
    )


def _apart(people: np.ndarray, account: np.ndarray) -> np.ndarray:
    """Whose rows are of several accounts; -1 for everybody else."""
    accounts = pd.Series(account).groupby(people).transform("nunique").to_numpy()
    return np.where(accounts > 1, people, -1)


def _sorted(learning: LearningSet) -> RowFinding | None:
    """Whether an outcome hardly ever changes from one row to the next: rows are ordered by it, and not by time."""
    for name in learning.names:
        labels = learning.labels(name)
        outcome = labels.outcome[labels.judged]
        wins = int((outcome == 1).sum())
        if min(wins, len(outcome) - wins) < FEWEST:
            continue
        changes = int((outcome[1:] != outcome[:-1]).sum())
        expected = 2 * wins * (len(outcome) - wins) / len(outcome)
        if changes < SORTED * expected:
            did = OUTCOMES[name].did
            time = "Their dates" if has_dates(learning) else "Their order"
            return RowFinding(
                "sorted by outcome",
                len(outcome),
                f"the {len(outcome):,} settled leads are sorted by outcome: from one to the next, {did} and not {did} change {changes:,} "
                f"times, and {expected:,.0f} would be expected. {time} cannot be that of time, and blocks of it judge nothing",
            )
    return None


def _one_system(learning: LearningSet, raw: pd.DataFrame, places: np.ndarray) -> RowFinding | None:
    """Whether all wins come from one channel or system, though other ones have many leads."""
    labels = learning.labels("convert")
    known = labels.judged[places]
    won = labels.outcome[places][known] == 1
    if won.sum() < FEWEST:
        return None
    for name in raw:
        if not SYSTEM.search(name) or pd.api.types.is_numeric_dtype(raw[name]):
            continue
        said = raw[name].astype(object).where(raw[name].notna(), "(empty)").to_numpy()[known]
        wins = pd.Series(said[won]).value_counts()
        one = said == wins.index[0]
        elsewhere = float((~one).sum() * won.mean())
        if (
            wins.iloc[0] >= ALL_WINS * won.sum()
            and one.mean() <= OF_LEADS
            and elsewhere >= EXPECTED_ELSEWHERE
        ):
            return RowFinding(
                "one system has all wins",
                int((~one).sum()),
                f"{wins.iloc[0]:,} of {won.sum():,} wins are of ‘{name}’ {wins.index[0]}, which has {one.mean():.0%} of the leads; the others would "
                f"have about {elsewhere:,.0f} at the same rate. Are wins recorded there alone? Then leads from elsewhere are open, and not lost",
            )
    return None

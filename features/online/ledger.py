"""What was known of a source's leads at every moment, kept in memory: looked up for one lead at a time.

``features.outcome_rates`` adds up all of it for many at once.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.as_of import DAY
from features.online.columns import Column
from features.outcome_rates import MILESTONES, SUMS, facts_of, is_daily, keys_of, milestones, moment_of
from features.recipe import Recipe
from features.tables import Tables

NONE = -1  # the number of a text that is not there
MANY = 200  # texts from which on all are looked up in one table, which takes milliseconds to make
EPOCH = datetime(1970, 1, 1)
# Of each sum: the milestone at which a lead adds to it, and what it adds, where that is not simply 1.
OWN = {
    "decided": ("decided_at", None),
    "accepted": ("decided_at", "accepted"),
    "settled": ("settled_at", None),
    "won": ("settled_at", "won"),
    "leads": ("created_at", None),
}


@dataclass(frozen=True)
class SortedTexts:
    """Different texts, numbered in the order of their UTF-8 bytes.

    A dict takes some 120 bytes for each, and a process that has once made a hundred thousand small objects
    stays as large.

    Attributes
    ----------
    texts : array of large_string
    ends : array of int64, shape (n + 1,)
        Where each begins in ``content``, and where the last one ends.
    content : memoryview
        The bytes of all of them, one after the other.
    """

    texts: pa.Array
    ends: np.ndarray
    content: memoryview

    @classmethod
    def of(cls, texts: pa.Array) -> "SortedTexts":
        """Of texts that are in order, each there once."""
        texts = texts.cast(pa.large_string())
        _, ends, content = texts.buffers()
        bounds = (
            np.frombuffer(ends, np.int64)[texts.offset :][: len(texts) + 1]
            if len(texts)
            else np.zeros(1, np.int64)
        )
        return cls(texts, bounds, memoryview(content or b""))

    def number(self, text: str) -> int | None:
        """A text's number, None where it is not there."""
        sought, count = text.encode(errors="surrogatepass"), len(self.texts)
        at = bisect_left(range(count), sought, key=self._at)
        return at if at < count and self._at(at) == sought else None

    def numbers(self, texts: pa.Array) -> np.ndarray:
        """The number of each of many texts, ``NONE`` where it is not there."""
        return pc.fill_null(pc.index_in(texts.cast(pa.large_string()), self.texts), NONE).to_numpy()

    def each(self, texts: Sequence[str | None]) -> np.ndarray:
        """The number of each text, ``NONE`` where it is not there: looked for one by one where they are few."""
        if len(texts) > MANY:
            return self.numbers(pa.array(texts, pa.large_string()))
        found = {text: NONE if text is None else _or_none(self.number(text)) for text in set(texts)}
        return np.array([found[text] for text in texts], dtype=int)

    def _at(self, number: int) -> bytes:
        return bytes(self.content[self.ends[number] : self.ends[number + 1]])


def microseconds(time: datetime) -> int:
    """A time as whole microseconds since 1970."""
    return (time - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Ledger:
    """Facts by key and moment, added up: what the leads of one key had come to, asked for any moment.

    Attributes
    ----------
    values : SortedTexts
        Of the key.
    starts : array of int, shape (n_values + 1,)
        Where each value's moments begin.
    moments : array of int64, shape (n_moments,)
        Rising within a value.
    totals : array of int32, shape (n_moments + 1, n_sums)
        Sums over all moments before one, of all values before it too.
    """

    values: SortedTexts
    starts: np.ndarray
    moments: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, facts: ir.Table, key: str, sums: Sequence[str]) -> "Ledger":
        """The facts of a table with the key, ``moment`` and the columns to be summed."""
        facts = facts.filter(facts[key].notnull())
        by_moment = facts.group_by(key, "moment").aggregate(
            **{name: facts[name].sum().cast("int32") for name in sums}
        )
        rows = by_moment.order_by(key, "moment").to_pyarrow()
        values = (
            rows[key].combine_chunks().dictionary_encode()
        )  # numbered as they come, and they come in order
        totals = np.zeros((len(rows) + 1, len(sums)), dtype=np.int32)
        for position, name in enumerate(sums):
            totals[1:, position] = np.cumsum(rows[name].to_numpy())
        return cls(
            values=SortedTexts.of(values.dictionary),
            starts=np.searchsorted(values.indices.to_numpy(), np.arange(len(values.dictionary) + 1)),
            moments=rows["moment"].cast(pa.int64()).to_numpy(),
            totals=totals,
        )

    def before(self, codes: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """The sums over the facts of each value, by its number, that were known strictly before a moment; shape
        (n, n_sums).
        """
        starts = self.starts[np.maximum(codes, 0)]
        places = [
            start
            if code == NONE
            else start + np.searchsorted(self.moments[start : self.starts[code + 1]], moment)
            for code, start, moment in zip(codes.tolist(), starts.tolist(), moments.tolist(), strict=True)
        ]
        return self.totals[places] - self.totals[starts]

    def latest(self, code: int, moment: int, *, but: int | None) -> int | None:
        """The last moment of a value strictly before a moment; ``but`` is one that does not count, unless it
        is there twice.
        """
        if code == NONE:
            return None
        start, end = self.starts[code : code + 2]
        at = start + np.searchsorted(self.moments[start:end], moment)
        if (
            but is not None
            and at > start
            and self.moments[at - 1] == but
            and self.totals[at, 0] - self.totals[at - 1, 0] == 1
        ):
            at -= 1
        return int(self.moments[at - 1]) if at > start else None


@dataclass(frozen=True)
class Histories:
    """The past of every key of a recipe, as one snapshot knows it.

    Leads that are asked about together do not count for each other, and of a lead that the snapshot has, its
    own past never counts.

    Attributes
    ----------
    keys : mapping of str or None to str
        As ``features.outcome_rates.keys_of`` names them.
    ledgers : mapping of str to Ledger
        By a key's name: sums of ``SUMS``; those of the account end with the leads themselves.
    created : Ledger or None
        When the leads of each account were created.
    leads : SortedTexts
        Ids of the snapshot's leads.
    own : mapping of str to array
        What each of them added: the numbers of its keys' values, and its milestones.
    end : int
        Nothing that became known from then on is counted, in microseconds.
    daily : mapping of str to bool
        Which keys are looked up as of midnight.
    """

    keys: Mapping[str | None, str]
    ledgers: Mapping[str, Ledger]
    created: Ledger | None
    leads: SortedTexts
    own: Mapping[str, np.ndarray]
    end: int
    daily: Mapping[str, bool]

    @classmethod
    def of(cls, tables: Tables, recipe: Recipe) -> "Histories":
        """Add up everything that a recipe may ask of these tables' past."""
        keys = keys_of(recipe)
        ledgers, daily, created = {}, {}, None
        with milestones(tables, recipe, keys).cache() as marks:
            for key, name in keys.items():
                account = key == "account_id"
                daily[name] = is_daily(key, tables)
                facts = facts_of(marks, name, tables, account=account)
                facts = facts.mutate(moment=moment_of(facts.known_at, daily=daily[name]))
                ledgers[name] = Ledger.of(facts, name, (*SUMS, "leads") if account else SUMS)
                if account:
                    one = marks.select(name, moment=marks.created_at, leads=1)
                    created = Ledger.of(one, name, ("leads",))
            leads = (
                marks.select("lead_id", *keys.values(), *MILESTONES, "accepted_at")
                .to_pyarrow()
                .sort_by("lead_id")
            )
        own = {name: ledgers[name].values.numbers(leads[name].combine_chunks()) for name in keys.values()}
        for name in (*MILESTONES, "accepted_at"):
            values = leads[name]
            own[name] = (
                values.cast(pa.int64()).to_numpy()
                if pa.types.is_timestamp(values.type)
                else values.to_numpy()
            )
        ids = SortedTexts.of(leads["lead_id"].combine_chunks())
        return cls(keys, ledgers, created, ids, own, microseconds(tables.end), daily)

    def beside(
        self,
        lead_ids: Sequence[str],
        created_at: np.ndarray,
        as_of: np.ndarray,
        values: Mapping[str, Sequence[str | None]],
    ) -> dict[str, Column]:
        """What was known of the other leads with the same keys.

        Parameters
        ----------
        lead_ids : sequence of str
        created_at, as_of : array of int64
            In microseconds.
        values : mapping
            Of each key by its name; None where a lead has none.

        Returns
        -------
        dict
            ``{key}_{sum}``, empty where it has no such key; of the account also ``{key}_leads`` and
            ``{key}_previous_created_at``.
        """
        own = self.leads.each(lead_ids)
        found = {}
        for key, name in self.keys.items():
            given = ["everyone"] * len(own) if key is None else values[name]
            codes = self.ledgers[name].values.each(given)
            there = None if None not in given else np.array([value is not None for value in given])
            itself = (own != NONE) & (codes != NONE) & (self.own[name][np.maximum(own, 0)] == codes)
            sums = self._others(name, codes, as_of, np.where(itself, own, NONE))
            counted = (*SUMS, "leads") if key == "account_id" else SUMS
            for position, column in enumerate(counted):
                found[f"{name}_{column}"] = Column(sums[:, position], there)
            if key == "account_id":
                at_creation = self.created.values.each(given)
                previous = [
                    self.created.latest(
                        code, moment, but=int(self.own["created_at"][number]) if mine else None
                    )
                    for code, moment, number, mine in zip(
                        at_creation.tolist(), created_at.tolist(), own.tolist(), itself.tolist(), strict=True
                    )
                ]
                there = np.array([moment is not None for moment in previous])
                found[f"{name}_previous_created_at"] = Column(
                    np.array([moment or 0 for moment in previous], dtype=np.int64), there
                )
        return found

    def days_taken(self, lead_ids: Sequence[str], as_of: np.ndarray, delay: timedelta) -> np.ndarray:
        """For how many days sales has had each lead by a moment in microseconds, as ``features.outcomes.days_taken``
        counts them; NaN where it has not taken it up, as far as the snapshot knows.
        """
        days = np.full(len(lead_ids), np.nan)
        numbers = self.leads.each(lead_ids)
        for row in np.flatnonzero(numbers != NONE).tolist():
            number, moment = numbers[row], int(as_of[row])
            taken = int(self.own["accepted_at"][number])
            if taken < min(moment, self.end):
                start = max(taken, int(self.own["created_at"][number]) + delay // timedelta(microseconds=1))
                days[row] = max(moment - start, 0) / DAY
        return days

    def _others(self, name: str, codes: np.ndarray, as_of: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The sums of a key without what each lead itself added to them, by its number; ``NONE`` where it added nothing."""
        daily = self.daily[name]
        sums = self.ledgers[name].before(codes, _midnight(as_of) if daily else as_of)
        if (own == NONE).all():
            return sums
        for position, (at, result) in zip(range(sums.shape[1]), OWN.values(), strict=False):
            moment = self.own[at][own]
            before = _midnight(moment) < _midnight(as_of) if daily else moment < as_of
            known = (own != NONE) & (moment < self.end) & before
            sums[:, position] -= np.where(known, 1 if result is None else self.own[result][own], 0)
        return sums


def _midnight(moment: np.ndarray) -> np.ndarray:
    return moment - moment % DAY


def _or_none(number: int | None) -> int:
    return NONE if number is None else number

"""What was decided on how columns of text are read: told once, kept with the snapshot, and held to by the next pull."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipelines.sources.reading.formats import COMMA, ISO, NUMBERS, POINT

TakenFor = Literal["number", "time", "yes or no", "list", "words"]
Because = Literal["", "alone", "told", "before"]
WHY = {"": "", "alone": "which alone fits", "before": "as in the pull before"}


@dataclass(frozen=True)
class ReadAs:
    """How one column of text was read.

    Attributes
    ----------
    table : str
        The section of the mapping: leads, events or outcomes.
    column : str
    taken_for : "number", "time", "yes or no", "list" or "words"
    way : str
        The decimal mark, the format or the separator; nothing where every engine reads the column alike.
    filled, unread, empty : int
        Values that stand there, those of them that the way does not read, and placeholders that count as empty.
    example : str
    because : "alone", "told", "before" or nothing
        No other way fits, the configuration says so, an earlier pull did, or there was nothing to decide.
    key : str
        Of the configuration, which decides.
    """

    table: str
    column: str
    taken_for: TakenFor
    way: str = ""
    filled: int = 0
    unread: int = 0
    empty: int = 0
    example: str = ""
    because: Because = ""
    key: str = ""

    @property
    def worth_telling(self) -> bool:
        """Whether anything was done to values, or lost."""
        return bool(self.way or self.unread or self.empty)

    @property
    def how(self) -> str:
        """The way in words, and why it is this one."""
        if self.taken_for == "words":
            return f"words; nearly all fit {named_way(self.way)}" if self.way else "words"
        if not self.way:
            return "plainly"
        why = f"as [source.{self.table}] {self.key} says" if self.because == "told" else WHY[self.because]
        way = f"told apart at '{self.way}'" if self.taken_for == "list" else named_way(self.way)
        return f"{way}, {why}" if why else way

    @property
    def sentence(self) -> str:
        """The same for whoever sees no table."""
        if self.taken_for == "words":
            return (
                f"{self.table}: {self.filled - self.unread:,} of {self.filled:,} values of '{self.column}' fit "
                f"{named_way(self.way)} and {self.unread:,} do not, such as '{self.example}', so that they are words; "
                f"name those that mean nothing in [source.{self.table}] empty"
            )
        verb = "" if self.taken_for == "list" else "read by "
        gaps = f"; {self.empty:,} placeholders count as empty" if self.empty else ""
        return f"{self.table}: '{self.column}' is written like '{self.example}' and {verb}{self.how}{gaps}"


def named_way(way: str) -> str:
    """A way in words."""
    return f"the {way}" if way in NUMBERS else f"'{way}'"


def earlier_way(read: ReadAs | None) -> str | None:
    """The way in which a column was read before; a plain number has a decimal point, and a plain time is ISO's."""
    if read is None or read.taken_for not in ("number", "time", "list"):
        return None
    return read.way or {"number": POINT, "time": ISO}.get(read.taken_for)


def by_column(reads: Iterable[ReadAs]) -> dict[tuple[str, str], ReadAs]:
    """Readings by table and column."""
    return {(each.table, each.column): each for each in reads}


def ways_of(reads: Iterable[ReadAs], table: str) -> dict[str, str]:
    """The columns of a table that were not read plainly, each with its way."""
    return {
        each.column: each.way
        for each in reads
        if each.table == table and each.way and each.taken_for in ("number", "time")
    }


def lists_of(reads: Iterable[ReadAs]) -> Mapping[str, str]:
    """Columns of leads that hold several values at once, each with what stands between them."""
    return {each.column: each.way for each in reads if each.table == "leads" and each.taken_for == "list"}


def changed(was: str, found: str, column: str, table: str, key: str, rows: int) -> tuple[str, str]:
    """What is wrong with a column that is written in another way than last time, and what decides."""
    value = {POINT: ".", COMMA: ","}.get(found, found)
    return (
        f"'{column}' was read by {named_way(was)} in the pull before, which {rows:,} of its values are not written by; "
        f"all fit {named_way(found)}",
        f'Write it as before, or say which: [source.{table}] {key} = {{ "{column}" = "{value}" }}',
    )

"""A column's value beside its usual value, as people would say it to each other."""

import re

import numpy as np
import pandas as pd

from features.definitions.activity import events_of_kind
from features.definitions.attributes import AT_SOURCE, MEMBERSHIP
from features.definitions.history import SHARE
from features.online.rows import Rows
from features.register import Column
from models.scoring.scorer import Scorer

SMALL = 0.1  # from which on more than one digit says something
MORE = "{value} more"  # of a difference, which may be a negative one
DAYS = "{value} days"
AGO = " was {value} days ago"
LONG_NAME = 2  # words
COUNTED = ("events", "kinds", "leads")
YES_NO = "1 yes, 0 no"
DAYS_A_YEAR = 365.25
KEY = re.compile(r"[0-9a-f-]{16,}", re.IGNORECASE)  # of a database: nobody reads it out
NOUNS = re.compile(  # whose plural is known; of other kinds of event, so many are counted
    r"(?:view|open|click|visit|download|call|form|webinar|meeting|mail|message|chat|request|session|event|search|purchase|login|sign-?up"
    r"|registration|subscription|answer|quote|note|order|ticket|demo|reply|enquiry|inquiry)",
    re.IGNORECASE,
)


class Wording:
    """Puts a column's value beside its usual value."""

    def __init__(self, scorer: Scorer, frame: pd.DataFrame | Rows):
        self.columns = scorer.recipe.columns
        self.addresses = [each.name for each in scorer.recipe.attributes if each.kind == "email"]
        self.usual = scorer.usual
        self.frame = frame
        self.values: dict[str, np.ndarray] = {}

    def of(self, row: int, position: int, *, raises: bool) -> str:
        """Such as ``counts for it: 12 visits in 7 days (usual: 3)``; who counts is the model."""
        column = self.columns[position]
        value, usual = self.values_of(column.name)[row], self.usual[column.name]
        said = sentence(column, value, usual)
        if (key := dict(column.arguments).get("key")) in self.addresses:  # by its domain
            said = said.replace(f"its {key} has", "its company has")
        return f"counts {'for' if raises else 'against'} it: {plainly(said)}"

    def values_of(self, name: str) -> np.ndarray:
        """A column's values, taken from the frame when first told of: few of them ever are."""
        if name not in self.values:
            self.values[name] = np.asarray(self.frame[name], dtype=object)
        return self.values[name]


def sentence(column: Column, value: object, usual: object) -> str:
    """What a column says of a lead, and what is usual where that is another thing."""
    if value is None or pd.isna(value):
        return nothing(column)
    words, tell = column.words, shown
    if len(plainly(column.group).split()) > LONG_NAME:  # such as a form's question
        words = words.replace(f"{column.group} is {{value}}", f"{column.group}: {{value}}")
    if column.unit == SHARE:
        tell = percent
        if usual in (0.0, 1.0):  # of a time of which only one outcome was known
            usual = None
    elif column.unit == MEMBERSHIP:
        usual, tell = None, included
    elif MORE in words:
        words, tell = words.replace(MORE, "{value}"), difference
    elif column.unit == YES_NO:
        tell = yes_or_no
    elif AGO in words and float(str(value)) < 0:  # a date that lies ahead
        words, usual, tell = words.replace(AGO, " is in {value}"), None, duration
    elif DAYS in words:
        words, tell = words.replace(DAYS, "{value}"), duration
    elif column.unit in COUNTED:
        tell = count
        if column.feature == events_of_kind.__name__:
            kind = str(dict(column.arguments)["kind"])
            words = words.replace(f"{{value}} {kind}", of_kind(kind, one=value == 1))
    said = singular(words.replace("{value}", tell(value)))
    alike = usual is None or "{value}" not in words or tell(usual) == tell(value)
    if alike:
        return said
    return f"{said} (usual: {'none' if tell is count and usual == 0 else tell(usual)})"


def nothing(column: Column) -> str:
    """What it says where a lead has no value."""
    if column.empty == "no such event on record":
        return f"no {column.group} on record"
    return f"{column.group}: {'not known' if column.empty == AT_SOURCE else column.empty}"


def plainly(words: str) -> str:
    """Without the underscores that a source has in names."""
    return words.replace("_", " ").replace("account id", "account")


def of_kind(kind: str, *, one: bool = False) -> str:
    """So many events of a kind, to be put a number into: ``{value} page views``, or ``{value} × A_SUBMITTED``."""
    if one:
        return f"{{value}} {kind}"
    last = re.split(r"[\s_-]", kind)[-1]
    if not NOUNS.fullmatch(last):
        return f"{{value}} × {kind}"
    if last.endswith("y"):
        return f"{{value}} {kind[:-1]}ies"
    return f"{{value}} {kind}{'es' if last.endswith(('ch', 's', 'x')) else 's'}"


def count(value: float) -> str:
    """How many; none is ``no``."""
    return "no" if value == 0 else shown(value)


def yes_or_no(value: float) -> str:
    """An answer."""
    return "yes" if value else "no"


def duration(value: float) -> str:
    """How long, to the hour within two days, and to the day or year beyond."""
    days = abs(float(value))
    if days < 1 / 24:
        return "less than an hour"
    for many, one, least in (
        (days / DAYS_A_YEAR, "year", 2.0),
        (days, "day", 2.0),
        (24 * days, "hour", 0.0),
    ):
        if many >= least:
            return f"{many:,.0f} {one}{'' if round(many) == 1 else 's'}"
    raise AssertionError(days)


def percent(value: object) -> str:
    """A share as people say it: two digits that count, and never more than three."""
    return "empty" if value is None or pd.isna(value) else f"{float(f'{100 * value:.2g}'):g} %"


def included(value: float) -> str:
    """Whether a cell of several values includes one of them."""
    return "include" if value else "do not include"


def difference(value: float) -> str:
    """More or fewer by so many: nobody has ``-0.5 more``."""
    many = round(abs(value), 1) if abs(value) < SMALL * 100 else abs(value)
    return "no more" if many == 0 else f"{shown(many)} {'more' if value > 0 else 'fewer'}"


def singular(words: str) -> str:
    """One of a thing, where there is one: ``1 day``, and not ``1 days``."""
    return re.sub(r"(?<![\d.,])1 ((?:other |won |accepted )?)(day|event|lead|kind)s\b", r"1 \1\2", words)


def shown(value: object) -> str:
    """A value as people write it: whole numbers whole, others with three digits that count, small ones with one."""
    if value is None or pd.isna(value):
        return "empty"
    if isinstance(value, str):
        return f"{value[:6]}…" if KEY.fullmatch(value) else value
    number = float(value)
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) >= SMALL else f"{number:.1g}"

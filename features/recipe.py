"""Which columns the matrix has: read off the data once, kept with the model, and followed to the letter ever
after.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from pydantic import Field, field_serializer
from pydantic.dataclasses import dataclass as checked_dataclass

from features.definitions import attributes, emails
from features.errors import UsageError
from features.labels import Horizons
from features.personal import BIRTH, NAMES
from features.register import REGISTER, Column, Feature, FeatureFile, told_apart
from features.tables import LEAD_KEYS, Tables

INDEX = ("lead_id", "account_id", "as_of")
AT_ONCE = 100  # columns in one query
MOST_MEMBERS = 30  # of a column whose cells hold several values
FEWEST_OF_MEMBER, RARE_MEMBER = 5, 0.01  # leads, and their share, from which on a member is a feature
TITLE_NAMES = ("title", "jobtitle", "position", "role", "jobrole", "function", "jobfunction")


@checked_dataclass(frozen=True)
class FeatureSettings:
    """What a user may say about features; the [features] section of a configuration.

    Attributes
    ----------
    windows_days : tuple of float
        Lengths of the windows in which events are counted.
    exclude : tuple of str
        Lead columns that nobody may use: protected, or known to leak.
    audit : tuple of str
        Lead columns that are no features either, and by whose groups the model is audited: protected ones.
    trusted : tuple of str
        Lead columns that look as if they knew the outcome, and are known not to.
    personal : tuple of str
        Lead columns with names, salutations or dates of birth that may be used all the same.
    titles : tuple of str, optional
        Lead columns that hold job titles; found by their names if not given.
    max_kinds : int
        How many kinds of event, the commonest, get columns of their own.
    max_levels : int
        Of a column of more different texts than this the outcome rates are looked up, too.
    files : tuple of Path
        Python files with features of one's own, beside those that come with the program.
    """

    windows_days: tuple[float, ...] = (1, 7, 30)
    exclude: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    titles: tuple[str, ...] | None = None
    max_kinds: int = Field(default=12, ge=1)
    max_levels: int = Field(default=100, ge=2)
    files: tuple[Path, ...] = ()

    @field_serializer("files", when_used="json")
    def _without_folders(self, files: tuple[Path, ...]) -> tuple[str, ...]:
        return tuple(file.name for file in files)


@dataclass(frozen=True)
class Attribute:
    """A lead column and what it is taken for."""

    name: str
    kind: Literal["number", "category", "date", "title", "email", "key", "calendar", "list"]


@dataclass(frozen=True)
class Recipe:
    """All that is needed to compute the same columns again, from other tables.

    Attributes
    ----------
    attributes : tuple of Attribute
        A column may be there twice: a title of few different texts is a category too.
    event_kinds, event_channels : tuple of str
        Commonest first.
    rate_keys : tuple of str
        Lead columns whose outcome rates are looked up; of e-mail columns the company's domain.
    has_accounts, acceptance : bool
        Whether the source knows accounts, and the stage "accepted".
    columns : tuple of Column
        In the order of the matrix.
    dropped : tuple of (str, str)
        Lead columns that are not used, and why.
    lists : tuple of (str, str, tuple of str)
        Lead columns whose cells hold several values: what stands between those, and the commonest of them.
    files : tuple of FeatureFile
        The team's own files that some of the features stand in.
    """

    attributes: tuple[Attribute, ...]
    event_kinds: tuple[str, ...]
    event_channels: tuple[str, ...]
    event_value: bool
    windows_days: tuple[float, ...]
    rate_keys: tuple[str, ...]
    has_accounts: bool
    acceptance: bool
    horizons: Horizons
    columns: tuple[Column, ...]
    dropped: tuple[tuple[str, str], ...]
    files: tuple[FeatureFile, ...] = ()
    lists: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that two recipes share only if they are the same."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for ``from_dict``."""
        plain = asdict(self)
        plain["horizons"]["delay"] = self.horizons.delay / timedelta(days=1)
        return json.loads(json.dumps(plain))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Recipe":
        """The recipe that ``to_dict`` wrote."""
        horizons = plain["horizons"] | {"delay": timedelta(days=plain["horizons"]["delay"])}
        made = {
            "attributes": tuple(Attribute(**each) for each in plain["attributes"]),
            "columns": tuple(
                Column(**each | {"arguments": _frozen(each["arguments"])}) for each in plain["columns"]
            ),
            "dropped": _frozen(plain["dropped"]),
            "lists": _frozen(plain["lists"]),
            "files": tuple(FeatureFile(**each) for each in plain["files"]),
            "horizons": Horizons(**horizons),
        }
        rest = {each.name: plain[each.name] for each in fields(cls) if each.name not in made}
        return cls(**made, **{name: _frozen(value) for name, value in rest.items()})

    def columns_of(self, of: str) -> tuple[Column, ...]:
        """The columns whose features read one kind of table: "lead", "events", "account" or "key"."""
        return tuple(column for column in self.columns if REGISTER[column.feature].of == of)


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def recipe_for(tables: Tables, settings: FeatureSettings, horizons: Horizons) -> Recipe:
    """Decide from the data which columns to compute.

    Only the leads' own columns and the kinds of event are looked at, never an outcome.

    Parameters
    ----------
    tables : Tables
        Those that the model will be fitted on.
    settings : FeatureSettings
    horizons : Horizons
        When an outcome counts as settled in the outcome rates.

    Raises
    ------
    UsageError
        If one of the settings' files has not been loaded.
    """
    found, dropped = _attributes(tables, settings)
    kinds, channels, value = _event_columns(tables, settings.max_kinds)
    named = {each.name: each.kind for each in found if each.kind in ("key", "email")}
    present = [name for name in ("channel", "campaign", "owner") if name in {each.name for each in found}]
    keys = [
        *present,
        *(["account_id"] if tables.has_accounts else []),
        *(name for name in named if name not in present),
    ]
    ingredients = {
        "attributes": found,
        "event_kinds": kinds,
        "event_channels": channels,
        "event_value": value,
        "windows_days": tuple(sorted(settings.windows_days)),
        "rate_keys": tuple(keys) if tables.outcomes is not None else (),
        "has_accounts": tables.has_accounts,
        "acceptance": "accepted" in tables.stages,
        "horizons": horizons,
        "dropped": dropped,
        "files": _loaded(settings.files),
        "lists": tuple(
            (each.name, tables.lists[each.name], _members(tables.leads, each.name, tables.lists[each.name]))
            for each in found
            if each.kind == "list"
        ),
    }
    columns = tuple(_columns(Recipe(columns=(), **ingredients)))
    names = told_apart((column.name for column in columns), taken=(*INDEX, "created_at"))
    columns = tuple(
        Column(**asdict(column) | {"name": name, "arguments": column.arguments})
        for column, name in zip(columns, names, strict=True)
    )
    return Recipe(columns=columns, **ingredients)


def in_order(files: tuple[FeatureFile, ...] = ()) -> list[Feature]:
    """The program's own features, then those of files: their order is that of columns, and with it what a
    model learns.
    """
    return [each for file in (None, *files) for each in REGISTER.values() if each.file == file]


def _loaded(files: tuple[Path, ...]) -> tuple[FeatureFile, ...]:
    """The settings' files as they were loaded."""
    loaded = {each.file.name: each.file for each in REGISTER.values() if each.file is not None}
    absent = [file.name for file in files if file.name not in loaded]
    if absent:
        raise UsageError(f"the features of {', '.join(absent)} are not loaded; nothing was computed.")
    return tuple(loaded[file.name] for file in files)


def _columns(recipe: Recipe) -> Iterator[Column]:
    """Every registered feature for everything it is repeated for."""
    for each in in_order(recipe.files):
        if _possible(each, recipe):
            spans = {
                "attribute": [
                    attribute.name for attribute in recipe.attributes if attribute.kind in each.attributes
                ],
                "kind": recipe.event_kinds,
                "kinds": [recipe.event_kinds],
                "channel": recipe.event_channels,
                "days": recipe.windows_days,
                "key": recipe.rate_keys,
            }
            for some in _of_lists(recipe) if each.attributes == ("list",) else [spans]:
                for values in product(*(some[name] for name in each.repeated_for)):
                    yield each.column_for(dict(zip(each.repeated_for, values, strict=True)))


def _of_lists(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """What is to be gone through for each column whose cells hold several values: each has values of its own."""
    for name, mark, found in recipe.lists:
        yield {"attribute": [name], "mark": [mark], "member": found}


def _members(leads: ir.Table, name: str, mark: str) -> tuple[str, ...]:
    """The values that cells of a column hold, commonest first, without the rare ones."""
    cells = leads.filter(leads[name].notnull()).select(value=attributes.parted(leads[name], mark).split(mark))
    rows = cells.count().to_pyarrow().as_py()
    counts = cells.unnest("value").group_by("value").aggregate(rows=ibis._.count())
    common = counts.filter((counts.rows >= max(FEWEST_OF_MEMBER, RARE_MEMBER * rows)) & (counts.value != ""))
    found = common.order_by(ibis.desc("rows"), "value").limit(MOST_MEMBERS)
    return tuple(found.to_pyarrow()["value"].to_pylist())


def _possible(feature: Feature, recipe: Recipe) -> bool:
    """Whether the data have what a feature reads."""
    reads = {
        "lead": True,
        "events": bool(recipe.event_kinds),
        "account": recipe.has_accounts,
        "key": bool(recipe.rate_keys),
    }
    needs = {None: True, "value": recipe.event_value, "accepted": recipe.acceptance}
    return reads[feature.of] and needs[feature.needs]


def _event_columns(tables: Tables, most: int) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The commonest kinds of event, the commonest channels, and whether events have values."""
    if tables.events is None:
        return (), (), False
    events = tables.events
    kinds = _commonest(events, "kind", most)
    channels = _commonest(events, "channel", 6) if "channel" in events.columns else ()
    return kinds, channels, "value" in events.columns


def _commonest(table: ir.Table, column: str, most: int) -> tuple[str, ...]:
    counts = table.filter(table[column].notnull()).group_by(column).aggregate(rows=ibis._.count())
    return tuple(counts.order_by(ibis.desc("rows"), column).limit(most).to_pyarrow()[column].to_pylist())


def _attributes(
    tables: Tables, settings: FeatureSettings
) -> tuple[tuple[Attribute, ...], tuple[tuple[str, str], ...]]:
    """What each lead column is taken for, and why others are not used."""
    leads = tables.leads
    used, dropped = [], []
    candidates = []
    for name in leads.columns:
        if name in LEAD_KEYS:
            continue
        if name in settings.audit:
            dropped.append((name, "kept for auditing alone"))
        elif name in settings.exclude:
            dropped.append((name, "excluded by the configuration"))
        elif _plain(name) in PERSONAL and name not in settings.personal:
            dropped.append((name, "about the person; [features] personal names what is used all the same"))
        elif name in INDEX:
            dropped.append((name, "its name is one of ours; rename it at the source"))
        else:
            candidates.append(name)
    about = _looked_at(leads, candidates)
    rows = about["rows"]
    for i, name in enumerate(candidates):
        kinds, reason = _kinds(
            name,
            leads[name].type(),
            {key: about[f"{key}_{i}"] for key in ("filled", "levels", "addresses", "whole")},
            rows,
            tables,
            settings,
        )
        used.extend(Attribute(name, kind) for kind in kinds)
        if reason:
            dropped.append((name, reason))
    if tables.clock == "time":
        used.append(Attribute("created_at", "calendar"))
    return tuple(used), tuple(dropped)


def _plain(name: str) -> str:
    """A column's name without case, accents, blanks and signs."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


PERSONAL = frozenset(_plain(name) for name in (*NAMES, *BIRTH))


def _looked_at(leads: ir.Table, names: list[str]) -> dict[str, Any]:
    """Rows, and of each column how many are filled, how many different, how many e-mail addresses and how
    many whole numbers.
    """
    filled = leads.aggregate(
        rows=leads.count(), **{f"filled_{i}": leads[name].count() for i, name in enumerate(names)}
    )
    about = filled.to_pyarrow().to_pylist()[0]
    about |= {f"{key}_{i}": 0 for key in ("levels", "addresses", "whole") for i in range(len(names))}
    # Exports may have a thousand columns, most of them empty, and an engine counts what is different in memory.
    there = [i for i in range(len(names)) if about[f"filled_{i}"]]
    for at in range(0, len(there), AT_ONCE):
        measures = {}
        for i in there[at : at + AT_ONCE]:
            column = leads[names[i]]
            measures[f"levels_{i}"] = column.nunique()
            if isinstance(column.type(), dt.String):
                measures[f"addresses_{i}"] = leads.count(where=emails.is_address(column))
            elif isinstance(column.type(), dt.Numeric):
                measures[f"whole_{i}"] = leads.count(where=column == column.floor())
        about |= leads.aggregate(**measures).to_pyarrow().to_pylist()[0]
    return about


def _kinds(
    name: str, dtype: dt.DataType, about: dict[str, int], rows: int, tables: Tables, settings: FeatureSettings
) -> tuple[tuple[str, ...], str]:
    """What one column is taken for, or why it is not used."""
    filled, levels = about["filled"], about["levels"]
    if filled == 0:
        return (), "empty in every row"
    if levels == 1 and filled == rows:
        return (), "the same in every row"
    if isinstance(dtype, dt.Timestamp | dt.Date):
        return (
            (("date",), "")
            if tables.clock == "time"
            else ((), "a date, and the leads themselves have no time it could be measured from")
        )
    if not isinstance(dtype, dt.String):
        if levels == rows > 1000 and about["whole"] == rows:
            return (), "a whole number of its own in every row: an identifier"
        return ("number",), ""
    if name in tables.lists:
        return ("list",), ""
    if about["addresses"] >= 0.8 * filled:
        return ("email",), ""
    if name in (settings.titles or ()) or (settings.titles is None and _plain(name) in TITLE_NAMES):
        return ("title", "category") if levels <= settings.max_levels else ("title",), ""
    if levels <= min(settings.max_levels, max(50, 0.5 * filled)):
        return ("category",), ""
    if levels > 0.5 * filled:
        return (), f"{levels} different texts in {filled} rows: an identifier or free text"
    return ("key",), ""

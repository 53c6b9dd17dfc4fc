"""Which columns the matrix has: read off the data once, kept with the model, and followed to the letter ever
after.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from features.definitions import attributes
from features.definitions.free_text import PARTS, TOO_LITTLE, TextModel, learn_texts
from features.errors import UsageError
from features.labels import Horizons
from features.lead_columns import INDEX, Attribute, FeatureSettings, attributes_of
from features.register import REGISTER, Column, Feature, FeatureFile, told_apart
from features.serialization import dump
from features.tables import Tables

MOST_MEMBERS = 30  # of a column whose cells hold several values
FEWEST_OF_MEMBER, RARE_MEMBER = 5, 0.01  # leads, and their share, from which on a member is a feature


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
    texts : tuple of TextModel
        What turns free texts into numbers, one for each such column.
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
    texts: tuple[TextModel, ...] = ()
    lists: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that two recipes share only if they are the same."""
        return hashlib.sha256(json.dumps(dump(self), sort_keys=True).encode()).hexdigest()[:16]

    def without_texts(self, names: Sequence[str], why: str) -> "Recipe":
        """The same without some free texts, and why they are not used."""
        of_texts = {each.name for each in self.columns if dict(each.arguments).get("attribute") in names}
        return replace(
            self,
            attributes=tuple(each for each in self.attributes if each.name not in names),
            columns=tuple(column for column in self.columns if column.name not in of_texts),
            dropped=(*self.dropped, *((name, why) for name in names)),
            texts=tuple(each for each in self.texts if each.attribute not in names),
        )

    def columns_of(self, of: str) -> tuple[Column, ...]:
        """The columns whose features read one kind of table: "lead", "events", "account" or "key"."""
        return tuple(column for column in self.columns if REGISTER[column.feature].of == of)


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
    found, dropped = attributes_of(tables, settings)
    texts = learn_texts(tables, [each.name for each in found if each.kind == "text"])
    unlearned = [name for name, model in texts.items() if model is None]
    found = tuple(each for each in found if each.name not in unlearned)
    dropped = (*dropped, *((name, TOO_LITTLE) for name in unlearned))
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
        "texts": tuple(model for model in texts.values() if model is not None),
        "lists": tuple(
            (each.name, tables.lists[each.name], _members(tables.leads, each.name, tables.lists[each.name]))
            for each in found
            if each.kind == "list"
        ),
    }
    columns = tuple(_columns(Recipe(columns=(), **ingredients)))
    names = told_apart((column.name for column in columns), taken=INDEX)
    columns = tuple(replace(column, name=name) for column, name in zip(columns, names, strict=True))
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
                "part": range(1, PARTS + 1),
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

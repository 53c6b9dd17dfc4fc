"""What each column of the leads is taken for, or why it is not used: a number, a category, a free text; and which
columns tell who somebody is, by the names that exports give them.

Who somebody is decides nothing about the business, and a first name tells sex and origin.
"""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from pydantic import Field, field_serializer
from pydantic.dataclasses import dataclass as checked_dataclass

from features.definitions import emails
from features.tables import LEAD_KEYS, Tables

INDEX = ("lead_id", "account_id", "created_at", "as_of")
AT_ONCE = 100  # columns in one query
FEWEST_DIFFERENT, FEWEST_WORDS = 200, 4.0  # texts, and words of one on the mean
TITLE_NAMES = ("title", "jobtitle", "position", "role", "jobrole", "function", "jobfunction")
NAMES = (
    *(
        "first name",
        "last name",
        "middle name",
        "surname",
        "given name",
        "family name",
        "full name",
        "forename",
    ),
    *("contact name", "person name", "nickname", "salutation", "name prefix", "name suffix", "honorific"),
    *("vorname", "nachname", "familienname", "anrede", "prénom", "nom de famille", "civilité"),
    *("voornaam", "achternaam", "aanhef", "nombre completo", "apellido", "apellidos", "tratamiento"),
)
BIRTH = (
    *("birth date", "birthday", "date of birth", "dob", "birth year", "geburtsdatum", "geburtstag"),
    *("date de naissance", "geboortedatum", "fecha de nacimiento"),
)


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
    kind: Literal["number", "category", "date", "title", "email", "key", "text", "calendar", "list"]


def attributes_of(
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
        elif bare_name(name) in PERSONAL and name not in settings.personal:
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
            {key: about[f"{key}_{i}"] for key in ("filled", "levels", "addresses", "whole", "blanks")},
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


def bare_name(name: str) -> str:
    """A column's name without case, accents, blanks and signs."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


PERSONAL = frozenset(bare_name(name) for name in (*NAMES, *BIRTH))


def _looked_at(leads: ir.Table, names: list[str]) -> dict[str, Any]:
    """Rows, and of each column how many are filled, how many different, how many e-mail addresses, how many
    whole numbers and how many blanks.
    """
    filled = leads.aggregate(
        rows=leads.count(), **{f"filled_{i}": leads[name].count() for i, name in enumerate(names)}
    )
    about = filled.to_pyarrow().to_pylist()[0]
    about |= {
        f"{key}_{i}": 0 for key in ("levels", "addresses", "whole", "blanks") for i in range(len(names))
    }
    # Exports may have a thousand columns, most of them empty, and an engine counts what is different in memory.
    there = [i for i in range(len(names)) if about[f"filled_{i}"]]
    for at in range(0, len(there), AT_ONCE):
        measures = {}
        for i in there[at : at + AT_ONCE]:
            column = leads[names[i]]
            measures[f"levels_{i}"] = column.nunique()
            if isinstance(column.type(), dt.String):
                measures[f"addresses_{i}"] = leads.count(where=emails.is_address(column))
                measures[f"blanks_{i}"] = (column.length() - column.replace(" ", "").length()).sum()
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
    if name in (settings.titles or ()) or (settings.titles is None and bare_name(name) in TITLE_NAMES):
        return ("title", "category") if levels <= settings.max_levels else ("title",), ""
    if levels <= min(settings.max_levels, max(50, 0.5 * filled)):
        return ("category",), ""
    if (
        levels >= FEWEST_DIFFERENT
        and levels > 0.5 * filled
        and about["blanks"] >= (FEWEST_WORDS - 1) * filled
    ):
        return ("text",), ""
    if levels > 0.5 * filled:
        return (), f"{levels} different texts in {filled} rows: an identifier or free text"
    return ("key",), ""

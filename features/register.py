"""The register of features: how each is computed, its unit, and what an empty value means.

A feature is one function. Its first argument is a table of what was known; the names of its further arguments
say for what it is repeated: ``kind`` (of event), ``days`` (a window), ``channel`` (of events), ``attribute``
(of the lead), ``member`` (one value of an attribute that holds several, with ``mark``, what stands between
those), ``key`` (whose past is looked up), ``part`` (of what a text says). Registering it is all there is to do: recipe, matrix and
data dictionary find it here.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import ibis.expr.types as ir

Of = Literal["lead", "events", "account", "key"]
ARGUMENTS = ("attribute", "mark", "member", "kind", "kinds", "channel", "days", "key", "part")
LONGEST_NAME = 60  # PostgreSQL cuts names off at 63 bytes


@dataclass(frozen=True)
class Column:
    """One column of the matrix, and all that a reader of a reason must know of it."""

    name: str
    kind: Literal["number", "category"]
    group: str
    unit: str
    empty: str
    words: str
    feature: str
    arguments: tuple[tuple[str, str | int | float | tuple[str, ...]], ...] = ()
    told: bool = True


@dataclass(frozen=True)
class FeatureFile:
    """A team's own file of features: its name, and the SHA-256 of its text."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Feature:
    """A registered feature function.

    Attributes
    ----------
    of : "lead", "events", "account" or "key"
        Which table the function gets first: a row per lead, the known events, the account's past, a key's
        past outcomes.
    column, group, words : str
        Templates over the function's arguments; ``words`` keeps ``{value}`` for the lead's own value.
    unit, empty : str
        What one unit is, and what an empty value means.
    none : int, float or None
        The value for a lead of which nothing was known.
    attributes : tuple of str
        Kinds of attribute it is made for.
    needs : str or None
        What the data must have: "value" (of events) or "accepted" (the stage).
    told : bool
        Whether people read it as a reason. What says nothing about the lead, such as the hour at which it came
        or on how many others a rate rests, may help a model all the same.
    file : FeatureFile or None
        The team's own file that it stands in; None for those of ``features.definitions``.
    """

    name: str
    compute: Callable[..., ir.Value]
    of: Of
    kind: Literal["number", "category"]
    column: str
    group: str
    words: str
    unit: str
    empty: str
    none: float | None
    attributes: tuple[str, ...]
    needs: str | None
    told: bool = True
    file: FeatureFile | None = None

    @property
    def repeated_for(self) -> tuple[str, ...]:
        """Names of the arguments after the table, in the order in which they are given."""
        return tuple(inspect.signature(self.compute).parameters)[1:]

    @property
    def about(self) -> str:
        """The first paragraph of its docstring."""
        return " ".join(inspect.getdoc(self.compute).split("\n\n")[0].split())

    def column_for(self, arguments: Mapping[str, str | float]) -> Column:
        """The column that these arguments give."""
        plain = {
            name: f"{value:g}" if isinstance(value, float) else str(value)
            for name, value in arguments.items()
        }
        guarded = {name: value.replace("{", "{{").replace("}", "}}") for name, value in plain.items()}
        return Column(
            name=safe_name(self.column.format(**plain)),
            kind=self.kind,
            group=self.group.format(**plain),
            unit=self.unit,
            empty=self.empty,
            words=self.words.format(value="{value}", **guarded),
            feature=self.name,
            arguments=tuple(arguments.items()),
            told=self.told,
        )


REGISTER: dict[str, Feature] = {}


def feature(
    *,
    of: Of,
    column: str,
    group: str,
    words: str,
    unit: str,
    empty: str,
    kind: Literal["number", "category"] = "number",
    none: float | None = None,
    attributes: Iterable[str] = (),
    needs: str | None = None,
    told: bool = True,
) -> Callable:
    """Put a function into the register. See ``Feature`` for what the arguments say."""

    def register(compute: Callable) -> Callable:
        if compute.__name__ in REGISTER:
            raise ValueError(f"there is a feature called {compute.__name__} already")
        if not inspect.getdoc(compute):
            raise ValueError(
                f"feature {compute.__name__} has no docstring: the data dictionary would have nothing to say"
            )
        made = Feature(
            name=compute.__name__, compute=compute, of=of, kind=kind, column=column, group=group, words=words,
            unit=unit, empty=empty, none=none, attributes=tuple(attributes), needs=needs, told=told,
        )  # fmt: skip
        _refuse_unusable(made)
        REGISTER[made.name] = made
        return compute

    return register


def _refuse_unusable(made: Feature) -> None:
    """What would only show up once columns are made of it."""
    if made.of not in get_args(Of):
        raise ValueError(f"feature {made.name} is of '{made.of}'; there are {', '.join(get_args(Of))}")
    for name in made.repeated_for:
        if name not in ARGUMENTS:
            raise ValueError(
                f"feature {made.name} takes '{name}'; what a feature can be repeated for is {', '.join(ARGUMENTS)}"
            )
    if ("attribute" in made.repeated_for) != bool(made.attributes):
        raise ValueError(f"feature {made.name} must say attributes=[…] and take 'attribute', or neither")
    try:
        made.column_for(dict.fromkeys(made.repeated_for, "x"))
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"feature {made.name} has a text with a place for {error}, which it does not take"
        ) from error


def safe_name(text: str) -> str:
    """A column name that every engine and LightGBM take: letters, digits and underscores, none too long."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:LONGEST_NAME] or "column"


def told_apart(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The same names, with a number behind those that only differ in case or not at all."""
    used = {name.lower() for name in taken}
    apart = []
    for name in names:
        number, candidate = 2, name
        while candidate.lower() in used:
            candidate = f"{name[: LONGEST_NAME - 4]}_{number}"
            number += 1
        used.add(candidate.lower())
        apart.append(candidate)
    return apart

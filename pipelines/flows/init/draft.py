"""A configuration in the making: what each key is set to and why, and the questions on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.flows.init.columns import Column
from pipelines.flows.init.words import fits

CLOSE = 0.8  # a second answer of so much of the first one's fit is likely, too


@dataclass(frozen=True)
class Option:
    """One answer to a question: what is taken, and what speaks for it."""

    value: Any
    why: str

    @property
    def name(self) -> str:
        """The answer, as it is asked and told."""
        name = getattr(self.value, "name", self.value)
        return "none of these" if name is None else str(name)


Choose = Callable[[str, Sequence[Option]], Option]


@dataclass
class Draft:
    """A configuration in the making: by section and key, values and the comments beside them.

    Attributes
    ----------
    sections : mapping of section to mapping of key to (value, comment)
        As TOML names sections, such as ``source.leads``.
    taken : mapping of str to str
        What each column of the leads was taken for, and why.
    notes : list of str
        What stands above all: tables that are not used, and why.
    """

    sections: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, section: str, key: str, value: Any, why: str = "") -> None:
        self.sections.setdefault(section, {})[key] = (value, why)

    def value(self, section: str, key: str, default: Any = None) -> Any:
        return self.sections.get(section, {}).get(key, (default, ""))[0]

    def exclude(self, column: str, why: str) -> None:
        """Leave a column out of learning, if it is not left out already."""
        listed = self.sections.setdefault("features", {}).setdefault("exclude", ({}, ""))[0]
        listed.setdefault(column, why)
        self.taken[column] = f"excluded: {why}"

    def content(self) -> dict[str, Any]:
        """The sections as a TOML file's reader would give them."""
        content: dict[str, Any] = {}
        for section, keys in self.sections.items():
            at = content
            for part in section.split("."):
                at = at.setdefault(part, {})
            at |= {key: list(value) if key == "exclude" else value for key, (value, _) in keys.items()}
        return content


def likeliest(
    columns: Sequence[Column], role: str, question: str, choose: Choose
) -> tuple[Column, str] | None:
    """The column whose name fits a role best, and a comment that names the second likeliest."""
    ranked = sorted(((fits(each.tidy, role), each) for each in columns), key=lambda each: -each[0])
    ranked = [(fit, each) for fit, each in ranked if fit]
    if not ranked:
        return None
    near = [each for fit, each in ranked if fit > CLOSE * ranked[0][0]]
    if len(near) == 1:
        return near[0], ""
    options = [Option(each, f"such as {each.example!r}") for each in near[:4]]
    chosen = choose(question, options).value
    return chosen, " or ".join(f"'{each.name}'" for each in near[:4] if each is not chosen)


def other_way(why: str, other: str) -> str:
    """A reason, and what else was likely."""
    return f"{why}; or {other}" if other else why

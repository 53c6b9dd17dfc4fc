"""Whose turn it is: the [assignment] section, and who of a team gets the next lead.

That depends on room and turn alone, never on the lead's score: so it stays luck, and what becomes of leads can
be compared between people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as validated

Limit = Annotated[int, Field(ge=0, le=100_000)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class AssignmentSettings:
    """The [assignment] section: whose desk a lead that was handed off comes to. Off unless a team or an owner
    is named.

    Attributes
    ----------
    owners
        Who is meant by an owner of the source: ``{"rep-03" = "ann"}``. An owner that is called like somebody
        who signs in needs no entry.
    column, teams, others
        The column of the leads that says which team a lead is for, the people of each of its values, and
        those for all other values.
    weekly, capacity
        How many leads somebody gets in a week at most, and single people by name. No limit if not given;
        leads of accounts that somebody owns come beyond it.
    answer_hours
        A lead that was not answered within so many hours goes back to the pool; 0 for never.
    """

    owners: dict[str, str] = Field(default_factory=dict)
    column: str | None = None
    teams: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    others: tuple[str, ...] = ()
    weekly: Limit | None = None
    capacity: dict[str, Limit] = Field(default_factory=dict)
    answer_hours: Annotated[float, Field(ge=0, le=8_760)] = 0.0

    @model_validator(mode="after")
    def _teams_have_a_column(self) -> Self:
        if self.teams and not self.column:
            raise ValueError('teams needs column: which column says the team, such as "country"')
        return self

    @property
    def on(self) -> bool:
        """Whether anybody is assigned anything."""
        return bool(self.owners or self.teams or self.others)

    def room(self, person: str) -> float:
        """How many leads somebody may get in a week."""
        limit = self.capacity.get(person, self.weekly)
        return float("inf") if limit is None else limit


@dataclass
class Turns:
    """Who has had how many leads this week, and whose turn it is.

    Attributes
    ----------
    settings : AssignmentSettings
    had : mapping of str to int
        By person, how many came this week.
    order : list of str
        People by when they last got one, the longest ago first.
    """

    settings: AssignmentSettings
    had: dict[str, int]
    order: list[str] = field(default_factory=list)

    def next_of(self, team: Sequence[str]) -> str | None:
        """Who of a team has most room left, by turn among equals; None where nobody has any."""
        free = [each for each in self.order if each in team and self._left(each)[0] > 0]
        return max(free, key=self._left, default=None)  # the first of equals

    def _left(self, person: str) -> tuple[float, int]:
        had = self.had.get(person, 0)
        return self.settings.room(person) - had, -had

    def give(self, person: str) -> None:
        """Count a lead that comes to somebody."""
        self.had[person] = self.had.get(person, 0) + 1
        if person in self.order:
            self.order.remove(person)
        self.order.append(person)

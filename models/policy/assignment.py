"""Whose turn it is: the [assignment] section, and who of a team gets the next lead.

By turn that depends on room and turn alone, so it stays luck, and what becomes of leads can be compared between
people. By skill, whoever wins more of a team's leads gets more of them; that gives the luck up. Neither goes by the
lead's score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as validated

Limit = Annotated[int, Field(ge=0, le=100_000)]
PRIOR = 20.0  # leads won at the team's rate that everybody starts with


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
    by
        Among the people of a team: by turn, or by skill, which gives up the luck of who got a lead.
    answer_hours
        A lead that was not answered within so many hours goes back to the pool; 0 for never.
    """

    owners: dict[str, str] = Field(default_factory=dict)
    column: str | None = None
    teams: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    others: tuple[str, ...] = ()
    weekly: Limit | None = None
    capacity: dict[str, Limit] = Field(default_factory=dict)
    by: Literal["turn", "skill"] = "turn"
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

    def team_of(self, value: object) -> str | None:
        """Which team a lead is for that has a value in ``column``; None for ``others``."""
        return named if (named := str(value)) in self.teams else None

    def people_of(self, team: str | None) -> tuple[str, ...]:
        """The people of a team."""
        return self.others if team is None else self.teams[team]

    def room(self, person: str) -> float:
        """How many leads somebody may get in a week."""
        limit = self.capacity.get(person, self.weekly)
        return float("inf") if limit is None else limit


class Record(NamedTuple):
    """What became of somebody's leads whose time is over."""

    settled: int
    won: int


def skills(team: Sequence[str], records: Mapping[str, Record]) -> dict[str, float]:
    """How many times the team's rate of wins each of its people wins, drawn towards once by few leads; empty where
    the team has won nothing yet.
    """
    own = {person: records.get(person, Record(0, 0)) for person in team}
    won = sum(record.won for record in own.values())
    if not won:
        return {}
    rate = won / sum(record.settled for record in own.values())
    return {
        person: (record.won + PRIOR * rate) / (record.settled + PRIOR) / rate
        for person, record in own.items()
    }


def gives_up_luck(leads: int) -> tuple[str, ...]:
    """What is to be said where so many leads were given out by skill."""
    if not leads:
        return ()
    were, them = ("1 lead was", "it") if leads == 1 else (f"{leads:,} leads were", "them")
    return (
        f'{were} given out by skill ([assignment] by = "skill"): who got {them} was not luck, so nothing is told from '
        f"{them} of what people see and the model does not, and people cannot be compared by what became of {them}",
    )


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

    def next_of(self, team: Sequence[str], skill: Mapping[str, float] | None = None) -> str | None:
        """Who of a team has most room left, by turn among equals; None where nobody has any.

        With ``skill``, who of those with room has had the fewest for it: leads are shared in its proportion, as
        seats are by votes (D'Hondt).
        """
        free = [each for each in self.order if each in team and self._left(each)[0] > 0]
        if skill:
            return max(free, key=lambda each: skill[each] / (self.had.get(each, 0) + 1), default=None)
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

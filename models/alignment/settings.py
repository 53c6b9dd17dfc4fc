"""What both sides have agreed on, and the words that a company has for it: [alignment] and [words]."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

Days = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class AlignmentSettings:
    """The [alignment] section: what marketing and sales have agreed on.

    Attributes
    ----------
    answer_hours : float
        Within how many hours sales answers a lead.
    high_grades, low_grades : tuple of str
        Leads of these grades are overlooked where nobody takes them up, or wasted effort where somebody does.
    half_life_days : float
        After how many days a touch counts half, where credit decays with time.
    quarter_starts : int
        A month, 1 to 12, with which one of the company's quarters begins.
    quarter_end_days : float
        How many days before the next quarter are the end of one.
    teams : dict of str to tuple of str
        The people of each team, as the source calls them. Who signs in is of the team that the desk knows.
    """

    answer_hours: Days = 24.0
    high_grades: tuple[str, ...] = ("A",)
    low_grades: tuple[str, ...] = ("D",)
    half_life_days: Days = 7.0
    quarter_starts: Annotated[int, Field(ge=1, le=12)] = 1
    quarter_end_days: Annotated[float, Field(gt=0, lt=90)] = 14.0
    teams: dict[str, tuple[str, ...]] = Field(default_factory=dict)


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class WordSettings:
    """The [words] section: a company's own terms; an empty one leaves ours alone.

    Attributes
    ----------
    lead, handed_off, held, answered, accepted, rejected, won : str
    """

    lead: str = ""
    handed_off: str = ""
    held: str = ""
    answered: str = ""
    accepted: str = ""
    rejected: str = ""
    won: str = ""

    def beside(self, name: str) -> str:
        """Our word for a stage, and the company's beside it: ``accepted (SAL)``."""
        ours, theirs = name.replace("_", " "), getattr(self, name)
        return f"{ours} ({theirs})" if theirs and theirs != ours else ours

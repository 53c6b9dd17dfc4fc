"""What both sides have agreed on, and the words that a company has for it: [alignment] and [words]."""

import re
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


STAGES = ("handed_off", "held", "answered", "accepted", "rejected", "won")
OURS = {"accepted": "taken", "rejected": "turned down"}  # as the desk says it, where nothing is set
TERMS = {"lead": "lead", "leads": "leads", "taken": "accepted", "turned down": "rejected", "held": "held"}
SPOKEN_OF = re.compile(r"(?<=\s)'[^']*'|\b(leads?|turned down|(?<=is )taken|(?<=is )held)\b")
LISTED = re.compile(r"^(\d.* of )'(\w+)'$")  # what was exported
NAMING = re.compile(r"scored the |[\d,]+ scores of ")  # begins what ends in the name of a file or a source
DID = {
    "accepted": "took",
    "rejected": "turned down",
    "snoozed": "put off",
    "undone": "undid the answer to",
    "released": "pulled out",
}


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class WordSettings:
    """The [words] section: a company's own terms; an empty one leaves ours alone.

    Whatever is read by people asks here for a term.

    Attributes
    ----------
    lead, leads : str
        One, and several of them; several are by default one with an s.
    handed_off, held, answered, accepted, rejected, won : str
        Where a lead is.
    take, turn_down, pull_out : str
        What somebody does with it, on buttons.
    """

    lead: str = ""
    leads: str = ""
    handed_off: str = ""
    held: str = ""
    answered: str = ""
    accepted: str = ""
    rejected: str = ""
    won: str = ""
    take: str = ""
    turn_down: str = ""
    pull_out: str = ""

    def own(self, name: str) -> str:
        """The company's term, empty where it has none."""
        return (
            self.leads or (f"{self.lead}s" if self.lead else "")
            if name == "leads"
            else getattr(self, name, "")
        )

    def said(self, name: str) -> str:
        """The company's term, or ours where it has none; what is no term is said as it is."""
        return self.own(name) or OURS.get(name, name).replace("_", " ")

    def begun(self, name: str) -> str:
        """The same with a capital letter."""
        term = self.said(name)
        return term[:1].upper() + term[1:]

    def counted(self, count: int) -> str:
        """So many leads."""
        return f"{count:,} {self.said('lead' if count == 1 else 'leads')}"

    def did(self, answer: str, whom: str) -> str:
        """What somebody at the desk has just done: ``You took Ann Smith``."""
        own = self.own({"released": "handed_off"}.get(answer, answer))
        return f"{whom}: {own}" if own else f"You {DID[answer]} {whom}"

    def in_own(self, sentence: str) -> str:
        """A sentence of ours with the company's terms; what stands in quotes is data and stays."""
        return SPOKEN_OF.sub(lambda found: self.said(TERMS[found[1]]) if found[1] else found[0], sentence)

    def noted(self, words: str) -> str:
        """An entry of the audit log: what was done in the company's terms, and of lists their names."""
        did, colon, more = words.partition(":")
        for answer, ours in DID.items():
            if did == ours:
                return (self.own({"released": "handed_off"}.get(answer, answer)) or did) + colon + more
        if NAMING.match(words):
            return words
        return LISTED.sub(lambda found: f"{found[1]}'{self.said(found[2])}'", self.in_own(words))

    def beside(self, name: str) -> str:
        """The word for a stage in the source's contract, and the company's beside it: ``accepted (SAL)``."""
        ours, theirs = name.replace("_", " "), self.own(name)
        return f"{ours} ({theirs})" if theirs and theirs != ours else ours

    def for_reports(self) -> dict[str, str]:
        """The terms of a report: stages with ours beside them, and what leads are called."""
        return {name: self.beside(name) for name in STAGES} | {
            each: self.said(each) for each in ("lead", "leads")
        }

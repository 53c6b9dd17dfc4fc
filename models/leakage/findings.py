"""What the leak guard asks for and what it finds: thresholds, a verdict for each column, and how many leads
were looked at.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from models.leakage.rows import RowFinding

Verdict = Literal["known too late", "suspicious", "ok"]
Detector = Literal[
    "knowledge time", "strength", "formats", "pairs", "fresh against mature", "uniqueness", "company"
]
Share = Annotated[float, Field(gt=0, lt=1)]
Times = Annotated[float, Field(gt=1)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class LeakSettings:
    """From where on a column is conspicuous.

    Attributes
    ----------
    changed : float
        Share of leads whose value is not what it was while they were young.
    growth : float
        By how much the AUC that tells fresh leads from mature ones exceeds the AUC that tells mature ones
        from older ones.
    auc, emptiness_auc : float
        With which a column, or its emptiness, tells an outcome alone; exceeded by two standard errors.
    outstanding : float
        Such an AUC is nothing to wonder at within so many robust standard deviations of the other columns',
        if these, together, tell as much.
    one_sided : float
        How many times as common it is to be filled in, to be empty or to say one thing on one side of an
        outcome as on the other.
    frequent : float
        Of one side of an outcome, the least share that says one thing for it to be looked at.
    cost, uniqueness : float
        Leaving it out costs this share of the outcome's entropy, and so many times what any lighter column
        costs.
    rows : int
        At most so many leads are looked at for each outcome, the newest.
    """

    changed: Share = 0.05
    growth: Share = 0.08
    auc: Share = 0.90
    emptiness_auc: Share = 0.65
    outstanding: Annotated[float, Field(gt=0)] = 2.0
    one_sided: Times = 20.0
    frequent: Share = 0.1
    cost: Share = 0.15
    uniqueness: Times = 10.0
    rows: Annotated[int, Field(ge=100)] = 20_000
    seed: int = 0


USUAL = LeakSettings()


@dataclass(frozen=True)
class Leak:
    """What is thought of one column.

    Attributes
    ----------
    column : str
        Of the leads table.
    verdict : "known too late", "suspicious" or "ok"
    detector : str or None
        The weightiest that objects.
    value : float or None
        What that one measured: a share of leads, an AUC, a difference of two, or a share of the outcome's
        entropy.
    why : str
        In words, of all that object; where none does, which could not look.
    trusted : bool
        Whether the configuration vouches for it.
    """

    column: str
    verdict: Verdict
    detector: Detector | None
    value: float | None
    why: str
    trusted: bool = False

    @property
    def stops(self) -> bool:
        """Whether no model may be fitted with it: what is known too late cannot be vouched for, what is
        suspicious can.
        """
        return self.verdict == "known too late" or (self.verdict == "suspicious" and not self.trusted)


@dataclass(frozen=True)
class Looked:
    """On how large a sample a detector worked: leads by what they are, or why it could not look."""

    detector: Detector
    leads: dict[str, int]
    blind: str | None


@dataclass(frozen=True)
class Findings:
    """What the guard found: a verdict for each column, and how closely each detector has looked.

    ``exclude`` and ``trusted`` are the configuration's own lists, which what is to be mended is added to. ``rows``
    is what there is to say of rows, whatever their columns: it is told, and stops nothing.
    """

    leaks: tuple[Leak, ...]
    looked: tuple[Looked, ...]
    exclude: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    rows: tuple[RowFinding, ...] = ()

    def configured(self, *, exclude: Collection[str], trusted: Collection[str]) -> "Findings":
        """The same, with the columns marked for which the configuration vouches."""
        leaks = tuple(replace(leak, trusted=leak.column in trusted) for leak in self.leaks)
        return replace(self, leaks=leaks, exclude=tuple(exclude), trusted=tuple(trusted))

    @property
    def stopping(self) -> tuple[Leak, ...]:
        """The columns because of which no model may be fitted."""
        return tuple(leak for leak in self.leaks if leak.stops)

    def refusal(self, consequence: str) -> str | None:
        """What is wrong, column by column, and what mends it; None where nothing stops. ``consequence`` says
        what did not happen.
        """
        if not (stopping := self.stopping):
            return None
        late = [leak.column for leak in stopping if leak.verdict == "known too late"]
        doubtful = [leak.column for leak in stopping if leak.verdict == "suspicious"]
        several = "1 column seems" if len(stopping) == 1 else f"{len(stopping)} columns seem"
        lines = [f"{several} to know what cannot be known when a lead is scored; {consequence}."]
        lines += [f"  {leak.column}: {leak.verdict}: {leak.why}." for leak in stopping]
        lines.append(
            f"Leave out what is filled in later: [features] exclude = {_listed([*self.exclude, *late, *doubtful])}."
        )
        if doubtful:
            which = "it is" if len(doubtful) == 1 else "one is"
            keep = f"[features] trusted = {_listed([*self.trusted, *doubtful])}"
            lines.append(f"Or, if you know that {which} on record when a lead is scored, keep it: {keep}.")
        if late:
            lines.append(
                f"{', '.join(late)}: known too late, so trusted does not help: the values seen at scoring are others."
            )
        return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    """A list as TOML writes it."""
    return json.dumps(list(names), ensure_ascii=False)

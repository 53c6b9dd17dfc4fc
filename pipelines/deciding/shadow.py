"""A challenger in shadow: it scores the leads that the champion decides, on the same facts, and nobody acts on it.

Whatever keeps it from that is a warning, for the champion's decisions must not wait for a version that nobody has chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from ibis.common.exceptions import IbisError

from features.errors import LeadsieveError
from models.policy.rules import Rule
from models.registry.registry import Registry
from pipelines.deciding.parts import WaitingLeads
from pipelines.version_files import Champion, load_version

# What a version whose files are damaged, or made by another program, comes to when it is read and asked.
FAILURES = (LeadsieveError, OSError, ValueError, LookupError, TypeError, IbisError, duckdb.Error)


@dataclass(frozen=True)
class Shadow:
    """What a challenger would have done.

    Attributes
    ----------
    version : str or None
        None where no version is newer than the champion.
    scored : DataFrame
        As ``propose`` gives it; empty where it could not score.
    warning : str
        Why it could not, "" if it could.
    """

    version: str | None = None
    scored: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"lead_id": pd.Series(dtype="str")}))
    warning: str = ""

    def of(self, lead_ids: pd.Series) -> "Shadow":
        """Of these leads alone."""
        return replace(self, scored=self.scored[self.scored["lead_id"].isin(lead_ids)])

    def to_json(self) -> dict[str, Any] | None:
        """``shadow`` of the ``score`` object of the interface; None where there is no such version."""
        return None if self.version is None else {"version": self.version, "scored": len(self.scored)}


def in_shadow(
    registry: Registry,
    champion: Champion,
    waiting: WaitingLeads,
    *,
    rules: tuple[Rule, ...],
    files: Sequence[Path],
) -> Shadow:
    """What the newest version after the champion would do with the leads that wait: by its own cut, no arm drawn.

    Parameters
    ----------
    rules
        As for ``propose``.
    files : sequence of Path
        The team's own files of features.
    """
    number = None
    try:
        number = next((each.number for each in registry.versions()), None)
        if number is None or int(number) <= int(champion.version):
            return Shadow()
        version = load_version(registry, number, files)
        ours, theirs = version.scorer.recipe, champion.scorer.recipe
        if ours.horizons != theirs.horizons:
            return Shadow(number, warning=_silent(number, "its horizons are not those of the champion"))
        arms = replace(version.policy.arms, pass_through=0.0, forced=0.0)
        alone = replace(version, policy=replace(version.policy, arms=arms))
        scored = waiting.proposed(alone, with_reasons=0, rules=rules).decisions
    except FAILURES as error:
        return Shadow(number, warning=_silent(number, str(error) or type(error).__name__))
    return Shadow(number, scored)


def _silent(number: str | None, why: str) -> str:
    who = f"version {number}" if number else "a newer version"
    return f"{who} could not score beside the champion, whose decisions stand: {why}"

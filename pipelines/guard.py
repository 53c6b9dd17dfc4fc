"""The leak guard as ``check`` and ``train`` run it: on a sample of leads, and on an older pull where there is one."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from models.leak_findings import USUAL, Findings
from models.leak_samples import Drawn, draw
from models.leakage import find_leaks
from models.learning import LearningSet
from pipelines.earlier import earlier_pull, leads_today, young_leads
from pipelines.settings import Settings
from pipelines.snapshots import Snapshot


@dataclass(frozen=True)
class Judged:
    """What the guard found, and on which leads: ``raw`` is the leads table as it is today, of the leads drawn."""

    findings: Findings
    drawn: Drawn
    raw: pd.DataFrame


def judged_columns(
    learning: LearningSet, snapshot: Snapshot, settings: Settings, *, look_up: Callable[[pd.Series], pd.DataFrame] | None = None
) -> Judged:
    """A verdict for every lead column that the model reads, with those marked that the configuration trusts.

    Parameters
    ----------
    learning : LearningSet
    snapshot : Snapshot
        That it was made from; older ones beside it show what columns said before.
    settings : Settings
    look_up : function, optional
        Lead ids to their rows of the matrix, where ``learning.frame`` has the leads' keys alone.
    """
    drawn = draw(learning, USUAL.rows, USUAL.seed)
    leads = learning.frame["lead_id"]
    older = earlier_pull(snapshot, settings.label)
    before = None if older is None else young_leads(older, settings.label, most=USUAL.rows)
    asked = leads.iloc[drawn.rows]
    if before is not None:
        asked = pd.concat([asked, before["lead_id"]]).drop_duplicates()
    raw = leads_today(snapshot, asked)
    found = find_leaks(
        learning,
        raw,
        earlier=before,
        matrix=None if look_up is None else look_up(leads.iloc[drawn.modelled_rows(learning.names)]),
        drawn=drawn,
    )
    features = settings.features
    return Judged(found.configured(exclude=features.exclude, trusted=features.trusted), drawn, raw)


def used_all_the_same(found: Findings, *, force: bool = False) -> tuple[str, ...]:
    """A note for every column that is used though it is suspicious, or more: because the configuration trusts it, or by force."""
    why_used = {True: "used by force", False: "trusted by the configuration"}
    return tuple(
        f"{why_used[leak.stops]} though {leak.verdict}: {leak.column}: {leak.why}"
        for leak in found.leaks
        if leak.verdict != "ok" and (force or not leak.stops)
    )

"""What would change for the leads of today if another version took over, by name: nothing is decided by it. The latest
is kept for the desk.
"""

import json
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.matrix import frame, matrix
from features.serialization import plain
from features.tables import Tables, scoring_cohort, unanswered
from models.policy.decisions import decide_all
from models.policy.policy import HOLD
from models.promotion.record import VersionRecord
from models.promotion.shadow import shadow_record
from models.scoring.grades import GRADES
from pipelines.files import replaced
from pipelines.flows.dataset import pull_source
from pipelines.flows.value import reckoned
from pipelines.home import registry_of, store_of
from pipelines.settings import Settings
from pipelines.sources.lead_lookup import Dossiers
from pipelines.store.decision_queries import said_of
from pipelines.store.erasure import PREVIEW
from pipelines.store.work.shadows import beside
from pipelines.version_files import load_record

LOGGED = (  # of both, where both have it
    *("account_id", "as_of", "arm", "propensity", "action", "cut", "score"),
    *("p_pursue", "p_convert", "p_both"),
)
TOP = 0.1  # of the leads: the list whose overlap is told


def preview(settings: Settings, home: Path, as_of: datetime, versions: tuple[str, str]) -> dict[str, Any]:
    """The ``compare`` object of the interface: leads that still wait, decided by both versions, each with its
    own cut and today's rules; no arm is drawn.
    """
    registry = registry_of(settings, home)
    numbers = [registry.resolve(version) for version in versions]
    records = [load_record(registry, number, settings.features.files) for number in numbers]
    decided = []
    with closing(pull_source(settings, home=home, until=as_of)) as snapshot:
        tables = snapshot.tables
        as_of = min(as_of, tables.end)
        for record in records:
            recipe = record.scorer.recipe
            cohort = unanswered(tables, scoring_cohort(tables, as_of), recipe.horizons.pursue_days)
            policy = replace(
                record.policy,
                rules=settings.policy.rules,
                arms=replace(record.policy.arms, pass_through=0.0, forced=0.0),
            )
            leads = frame(matrix(tables, cohort, recipe), recipe)
            said = said_of(tables, cohort)
            decided.append(
                decide_all(record.scorer, policy, leads, version=record.number, with_reasons=0, said=said)
            )
        shadow = in_shadow(*records, tables, settings, home)
    found = changes(*decided)
    url = settings.source.url if settings.source else None
    dossiers = Dossiers(home, url)
    names = dossiers.portraits([each["lead_id"] for each in found["changes"]])
    dossiers.close()
    for each in found["changes"]:
        each["name"] = names.get(each["lead_id"], each["lead_id"])
    result = {"versions": numbers, "as_of": as_of.isoformat(), **found, "shadow": shadow}
    keep(home, result)
    return result


def changes(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    """Leads that both versions decide, and what the other would do otherwise: who would be held or let go
    first, then who changes grade, the farthest first.

    Parameters
    ----------
    one, other : DataFrame
        ``lead_id, grade, score, action`` as ``decide_all`` gives them.
    """
    columns = ["lead_id", "grade", "score", "action"]
    both = one[columns].merge(other[columns], on="lead_id", suffixes=("", "_then"))
    most = max(1, round(TOP * len(both)))
    best = [
        set(both.sort_values([name, "lead_id"], ascending=[False, True])["lead_id"].head(most))
        for name in ("score", "score_then")
    ]
    held, held_then = both["action"] == HOLD, both["action_then"] == HOLD
    step = both["grade"].map(GRADES.index) - both["grade_then"].map(GRADES.index)
    what = pd.Series("", both.index).mask(step > 0, "better grade").mask(step < 0, "worse grade")
    what = what.mask(held_then & ~held, "held").mask(held & ~held_then, "let go")
    both = both.assign(what=what, far=step.abs(), first=what.isin(["held", "let go"]))
    told = both[both["what"] != ""].sort_values(["first", "far", "lead_id"], ascending=[False, False, True])
    return {
        "leads": len(both),
        "overlap": {"of": most, "shared": len(best[0] & best[1])},
        "held": [int(held.sum()), int(held_then.sum())],
        "counts": {
            name: int((what == name).sum()) for name in ("held", "let go", "better grade", "worse grade")
        },
        "changes": [
            {"lead_id": row.lead_id, "name": None, "what": row.what, "from": row.grade, "to": row.grade_then}
            for row in told.itertuples()
        ],
    }


def in_shadow(
    champion: VersionRecord, challenger: VersionRecord, tables: Tables, settings: Settings, home: Path
) -> dict[str, Any] | None:
    """The record of one version in the shadow of the other; None where it never scored beside it."""
    store = store_of(settings, home)
    if not store.is_there():
        return None
    pairs = beside(store, champion.number, challenger.number, LOGGED)
    if pairs.empty:
        return None
    of = challenger.scorer.score_of
    known = reckoned(pairs, tables, settings)
    came = known["accepted" if of == "p_pursue" else "won"]
    if of == "p_convert":  # a chance of leads that are taken up
        came = came.where(known["accepted"])
    told = pd.DataFrame(
        {
            "account_id": known["account_id"],
            "champion": known[of].astype(float),
            "challenger": known[f"challenger_{of}"].astype(float),
            "came": came.astype(float),
            "won": known["won"],
            "settled": known["settled"] & (known["action"] != HOLD),
            "held": known["score"] < known["cut"].astype(float),
            "would_hold": known["challenger_action"] == HOLD,
        }
    )
    return plain(shadow_record(told, resamples=settings.promotion.resamples, seed=settings.promotion.seed))


def keep(home: Path, result: dict[str, Any]) -> None:
    """Leave a preview for the desk's page, without names: those are looked up when it is shown."""
    bare = [{**each, "name": None} for each in result["changes"]]
    with replaced(home / PREVIEW) as draft:
        draft.write_text(json.dumps({**result, "changes": bare}))


def kept(home: Path) -> dict[str, Any] | None:
    """The latest preview; None where there is none, or somebody was forgotten since."""
    file = home / PREVIEW
    return json.loads(file.read_text()) if file.is_file() else None

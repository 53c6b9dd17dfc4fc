"""Leads that wait, decided wherever they lie: the same of each, whatever the parts."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from features.labels import convert_labels, pursue_labels
from features.matrix import fetch, frame, matrix
from features.outcomes import fates
from features.recipe import FeatureSettings, recipe_for
from features.tables import scoring_cohort, training_cohort
from models.policy.arms import Arms
from models.policy.economics import Economics
from models.policy.policy import Policy
from models.policy.risk_control import Promise
from models.policy.rules import Rule
from models.scoring.scorer import Target, fit_scorer
from models.survival.hazard import HazardParameters
from pipelines.deciding.parts import Proposed, WaitingLeads
from pipelines.deciding.record import put_on_record
from pipelines.store.database import Store
from pipelines.version_files import Champion
from tests.matrices import HORIZONS
from tests.worlds import World, random_world

WORDS = [
    "pricing",
    "contract",
    "budget",
    "urgent",
    "licences",
    "quote",
    "student",
    "thesis",
    "homework",
    "jobs",
    "press",
    "survey",
    "meeting",
    "visit",
    "call",
    "demo",
]
REASONS = 20
LEFT_OUT = ("campaign", "founded", "e-mail", "interests", "owner")  # for Spark takes its time for each
RULES = (Rule(column="channel", values=("event",), reason="fairs are worked elsewhere", handed_off="never"),)
PROMISE = Promise("customers", 0.05, 0.95, 100, None, None, certified=True, why="")


def world_of(seed: int, leads: int = 60) -> World:
    """A random world whose leads have an owner, and some a message."""
    world = random_world(seed, leads)
    draw = np.random.default_rng(seed)
    more = {
        "owner": draw.choice(np.array(["ann", "bob", None], dtype=object), leads),
        "message": [
            None if draw.random() < 0.1 else " ".join(draw.permutation(WORDS)[:6]) for _ in range(leads)
        ],
    }
    return replace(world, leads=world.leads.assign(**more))


@cache
def champion() -> Champion:
    """A version that was fitted on such a world, with arms, worth and a cut in the middle of its scores."""
    world = world_of(1, 800)
    tables = world.tables(ibis.duckdb.connect(threads=2))
    recipe = recipe_for(tables, FeatureSettings(windows_days=(7,), max_kinds=2, exclude=LEFT_OUT), HORIZONS)
    assert recipe.texts
    cohort = training_cohort(tables, HORIZONS.delay)
    leads = frame(matrix(tables, cohort, recipe), recipe)
    known = (fetch(fates(tables, cohort)).to_pandas(), HORIZONS, tables.end, tables.stages, True)
    scorer = fit_scorer(
        leads,
        pursue=Target(pursue_labels(*known)),
        convert=Target(convert_labels(*known)),
        recipe=recipe,
        parameters=HazardParameters(
            rounds=30, learning_rate=0.2, min_rows_in_leaf=5, min_events=5, threads=1
        ),
    )
    cut = float(scorer.score(leads)["score"].median())
    arms = Arms(pass_through=0.3, forced=0.3, salt="s")
    worth = Economics(None, 1000.0, 0.0, 100.0, 1.0, 10.0, {})
    return Champion("3", scorer, Policy(cut, "certified", 0.5, PROMISE, arms, economics=worth))


def waiting(world: World, engine: ibis.BaseBackend, **more) -> WaitingLeads:
    """A world's leads, all of which wait."""
    tables = world.tables(engine)
    return WaitingLeads(tables, scoring_cohort(tables, tables.end), **more)


def proposed(leads: WaitingLeads) -> Proposed:
    """What the champion proposes for them."""
    return leads.proposed(champion(), with_reasons=REASONS, rules=RULES)


@cache
def here(seed: int) -> Proposed:
    """The same in one piece, in this process."""
    found = proposed(waiting(world_of(seed), ibis.duckdb.connect(threads=2)))
    decisions = found.decisions
    # what is compared is there
    assert set(decisions["action"]) == {"hand off", "hold"}
    assert decisions["arm"].nunique() == 3
    assert (decisions["reasons"].str.len() > 0).sum() > REASONS / 2
    assert set(decisions["cut_by"]) >= {"certified", "rule: fairs are worked elsewhere"}
    return found


def decided_alike(found: Proposed, seed: int) -> None:
    """Raise an AssertionError where something else is proposed than of the leads of ``world_of`` in one piece."""
    pd.testing.assert_frame_equal(found.decisions, here(seed).decisions, rtol=1e-9, atol=1e-9)
    assert found.tally == here(seed).tally


def decided_once(found: Proposed, folder: Path) -> None:
    """Raise an AssertionError where what is proposed twice, as by a run that was killed and one that repeats it, is decided
    twice, or by halves.
    """
    store = Store(f"sqlite:///{folder / 'store.db'}")
    recorded = []
    for decisions in (found.decisions.head(20), found.decisions, found.decisions):
        with store.writing() as connection:
            recorded.append(len(put_on_record(champion(), store, decisions, connection)))
    assert recorded == [20, len(found.decisions) - 20, 0]
    log = store.decisions().set_index("lead_id")
    assert log["action"].to_dict() == dict(
        zip(found.decisions["lead_id"], found.decisions["action"], strict=True)
    )

"""The past replayed: nothing of its future is used, what would have been lost is counted right, and a killed
run goes on.
"""

import json
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from features.serialization import dump, load
from models import backtest
from models.backtest import Span, calendar, parts, replay
from models.dataset import LearningSet
from models.evaluation.settings import EvaluationPlan
from models.policy.settings import PolicySettings
from models.survival.hazard import HazardParameters
from pipelines.flows import backtest as flow
from pipelines.flows.dataset import learning_set
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull
from tests.commands import FLAT, QUICK, flat_leads, leadsieve, written

SPAN = Span(datetime(2024, 12, 1), datetime(2025, 1, 1))
SOURCE = "simulated:?leads=5000&months=14"
GIVEN = (EvaluationPlan(), HazardParameters(rounds=30), PolicySettings(max_lost_share=0.2, confidence=0.8))


@pytest.fixture(scope="module")
def learning(tmp_path_factory) -> LearningSet:
    settings = load_settings(None, {"source": {"url": SOURCE}})
    snapshot = pull(
        settings.source, settings.label, home=tmp_path_factory.mktemp("home"), until=datetime(2026, 1, 1)
    )
    with closing(snapshot):
        return learning_set(snapshot.tables, settings)


@pytest.mark.slow
def test_what_would_have_been_held_does_not_depend_on_what_came_later(learning):
    later = np.datetime64(SPAN.start, "us")
    fates = learning.fates.copy()
    for name in ("accepted_at", "rejected_at", "won_at", "lost_at"):
        times = fates[name].to_numpy("datetime64[us]").copy()
        times[times >= later] = np.datetime64("NaT")
        fates[name] = times
    before, after = (replay(each, SPAN, *GIVEN) for each in (learning, replace(learning, fates=fates)))
    assert before.held > 10
    assert (before.held, before.cut, before.wins, before.why) == (
        after.held,
        after.cut,
        after.wins,
        after.why,
    )
    assert (before.customers, after.customers) == (before.customers, 0)


@pytest.mark.slow
def test_the_counts_of_a_span_are_those_of_its_leads(learning):
    found = replay(learning, SPAN, *GIVEN)
    inside = (learning.frame["as_of"] >= SPAN.start) & (learning.frame["as_of"] < SPAN.end)
    won = inside & (learning.labels("convert").outcome == 1)
    assert found.leads == inside.sum()
    assert found.customers == won.sum() > 10
    assert found.taken_up == (inside & learning.fates["accepted_at"].notna()).sum()
    assert found.margin == pytest.approx(learning.fates.loc[won, "margin"].sum())
    assert 0 <= found.lost <= found.held_taken_up <= found.held < found.leads
    assert found.rivals["random"] == pytest.approx(found.held * found.customers / found.leads)
    assert load(backtest.Replayed, json.loads(json.dumps(dump(found)))) == found


def test_with_too_little_to_learn_from_nobody_is_held_and_the_reason_is_told(learning):
    found = replay(learning, Span(datetime(2024, 1, 3), datetime(2024, 1, 20)), *GIVEN)
    assert (found.held, found.basis, found.lost) == (0, "none", 0)
    assert found.why


@pytest.mark.parametrize(("held", "lost"), [(1, 0.0), (2, 0.5), (3, 1.0), (5, 2.0)])
def test_ties_at_a_rivals_cut_are_shared_evenly(held, lost):
    score, won = np.array([0.1, 0.2, 0.2, 0.3, 0.4]), np.array([False, True, False, False, True])
    assert backtest._lost(score, won, held) == lost


def times(first: str, last: str, number: int) -> LearningSet:
    frame = pd.DataFrame({"as_of": pd.date_range(first, last, periods=number)})
    return LearningSet(frame, frame, None, (), outcome_times=True, known_until=datetime(2026, 1, 1))


def test_months_are_calendar_months_that_leave_something_to_learn_from():
    spans = calendar(times("2025-01-10", "2025-12-20", 500), 12)
    assert (spans[0].start, spans[-1]) == (
        datetime(2025, 5, 1),
        Span(datetime(2025, 12, 1), datetime(2026, 1, 1)),
    )
    assert len(calendar(times("2025-01-10", "2025-12-20", 500), 3)) == 3


def test_weeks_begin_on_mondays():
    spans = calendar(times("2025-10-01", "2025-12-17", 500), 4, by="week")
    assert [span.start.weekday() for span in spans] == [0] * 4
    assert spans[-1].start <= datetime(2025, 12, 17) < spans[-1].end


def test_where_rows_are_the_only_time_the_newer_half_is_cut_into_equal_parts():
    learning = times("2025-01-01", "2025-12-31", 1000)
    spans = parts(learning, 4)
    as_of = learning.frame["as_of"]
    sizes = [((as_of >= span.start) & (as_of < span.end)).sum() for span in spans]
    assert sum(sizes) in (499, 500)
    assert max(sizes) - min(sizes) <= 2


@pytest.mark.slow
def test_a_backtest_that_stopped_goes_on_where_it_stopped_and_ends_as_one_that_did_not(tmp_path, monkeypatch):
    config = written(tmp_path, {"c.toml": f'[source]\nurl = "{SOURCE}"\n{QUICK}'}) / "c.toml"
    words = ("backtest", "--config", config, "--last", 3, "--json")
    whole = leadsieve(*words, home=tmp_path / "whole").json
    seen = []

    def stopping(learning, span, *args, **options):
        if len(seen) == 2:
            raise RuntimeError("stopped here")
        seen.append(span)
        return replay(learning, span, *args, **options)

    monkeypatch.setattr(flow, "replay", stopping)
    assert leadsieve(*words, home=tmp_path / "home").code == 1
    assert len(seen) == 2
    seen.clear()
    monkeypatch.setattr(
        flow, "replay", lambda *args, **options: seen.append(args[1]) or replay(*args, **options)
    )
    resumed = leadsieve(*words, home=tmp_path / "home").json
    assert len(seen) == 1, "months that were done are replayed again"
    assert {**resumed, "seconds": None, "picture": None} == {**whole, "seconds": None, "picture": None}
    assert len(whole["spans"]) == 3
    assert whole["total"]["leads"] == sum(span["leads"] for span in whole["spans"])


@pytest.mark.slow
def test_other_settings_are_replayed_anew(tmp_path):
    config = written(tmp_path, {"c.toml": f'[source]\nurl = "{SOURCE}"\n{QUICK}'}) / "c.toml"
    leadsieve("backtest", "--config", config, "--last", 1, home=tmp_path)
    config.write_text(config.read_text() + "[policy]\nmax_lost_share = 0.2\n")
    told = leadsieve("backtest", "--config", config, "--last", 1, "--json", home=tmp_path).json
    assert told["max_lost_share"] == 0.2
    assert len(list((tmp_path / "backtests").iterdir())) == 2


def test_leads_without_any_order_have_no_past_to_replay(tmp_path):
    folder = written(
        tmp_path,
        {"leads.csv": flat_leads(rows=300, signal=0.9), "c.toml": FLAT.replace('"rows"', '"none"') + QUICK},
    )
    said = leadsieve("backtest", "--config", folder / "c.toml", home=tmp_path / "h")
    assert said.code == 2
    assert "no past to replay" in said.err

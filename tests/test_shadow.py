"""A challenger in shadow scores what the champion decides, in silence: logged once, acted on never, told against what came."""

import json
import re
import shutil
import signal
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from features.serialization import plain
from models.promotion.shadow import shadow_record
from pipelines.flows.score import score_leads
from pipelines.home import registry_of, store_of
from pipelines.preview import keep, preview
from pipelines.reports import summaries
from pipelines.settings import load_settings
from pipelines.store.schema import shadow_table
from pipelines.store.work import shadows
from tests.commands import command, leadsieve
from tests.desks import NOW, decided, make_desk

FIRST = datetime(2024, 7, 2, 12, 30)
DIES = """
import os
from pipelines.store.work import shadows
logged = shadows.record
def dies(*given):
    assert logged(*given) > 10
    os.kill(os.getpid(), 9)
shadows.record = dies
"""


# ── the record ──


def paired(*rows: tuple) -> pd.DataFrame:
    columns = ["champion", "challenger", "came", "settled", "held", "would_hold"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(account_id=[f"A{i}" for i in range(len(table))], won=table["came"] == 1)


def test_the_record_of_a_small_table_is_what_a_hand_comes_to():
    pairs = paired(
        # champion, challenger, came, settled, held, would hold
        (0.40, 0.30, 1, True, False, False),
        (0.10, 0.20, 1, True, False, True),  # a win that the challenger would have held
        (0.20, 0.10, 0, True, False, True),
        (0.30, 0.05, 0, True, False, False),
        (0.05, 0.25, 1, True, True, False),  # passed whatever its score
        (0.05, 0.25, 0, False, True, False),  # held: nobody tried it
        (0.90, 0.90, 0, False, False, False),  # still open
        (0.90, 0.01, 0, False, False, True),  # still open
    )
    told = plain(shadow_record(pairs, resamples=100, seed=0))
    assert (told["leads"], told["settled"], told["wins"]) == (8, 5, 3)
    assert told["champion"]["auc"]["value"] == pytest.approx(2 / 6)
    assert told["challenger"]["auc"]["value"] == 1.0
    assert told["ahead"]["value"] == pytest.approx(4 / 6)
    assert told["champion"]["mean_chance"] == pytest.approx(1.05 / 5)
    assert told["champion"]["calibration_ratio"]["value"] == pytest.approx(1.05 / 3)
    assert told["challenger"]["calibration_ratio"]["value"] == pytest.approx(0.90 / 3)
    assert told["held_otherwise"] == {"leads": 3, "settled": 2, "wins": 1}
    assert told["let_go_otherwise"] == {"leads": 2, "settled": 1, "wins": 1}


def test_intervals_hold_the_figures_and_what_both_share_is_no_difference():
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.05, 0.6, 400)
    came = (rng.random(400) < chance).astype(int)
    pairs = paired(*((p, p, c, True, False, False) for p, c in zip(chance, came, strict=True)))
    told = shadow_record(pairs, resamples=200, seed=0)
    for each in (told.champion.auc, told.challenger.auc, told.champion.calibration_ratio):
        assert each.low < each.value < each.high
    assert (told.ahead.value, told.ahead.low, told.ahead.high) == (0, 0, 0), "the draws are paired"


def test_before_anything_is_settled_figures_are_absent_and_said_to_be():
    told = plain(shadow_record(paired((0.4, 0.3, 0, False, False, False)), resamples=100, seed=0))
    assert told["champion"]["auc"] == {"value": None, "low": None, "high": None}
    assert told["champion"]["mean_chance"] is None
    json.dumps(told, allow_nan=False)
    assert "AUC of version 2" not in summaries.compare(compared(told))


def compared(shadow: dict | None) -> dict:
    counts = dict.fromkeys(("held", "let go", "better grade", "worse grade"), 0)
    none = {"leads": 0, "overlap": {"of": 1, "shared": 0}, "held": [0, 0], "counts": counts, "changes": []}
    return {"versions": ["1", "2"], "as_of": "2026-03-01T08:00:00", **none, "shadow": shadow}


# ── the log ──


@pytest.fixture
def desk(tmp_path, store_url):
    return make_desk(tmp_path, store=store_url)


def logged(store) -> pd.DataFrame:
    with store.reading() as connection:
        rows = connection.execute(sa.select(shadow_table).order_by(shadow_table.c.lead_id)).mappings().all()
    return pd.DataFrame([dict(row) for row in rows])


def scored(*lead_ids: str, **more) -> pd.DataFrame:
    told = {
        "as_of": NOW,
        "p_pursue": 0.5,
        "p_convert": 0.2,
        "p_both": np.nan,
        "score": 0.1,
        "grade": "D",
        "version": "9",
        "action": "hold",
        "cut": 0.15,
        "cut_by": "customers",
    } | more
    return pd.DataFrame([{"lead_id": lead_id, **told} for lead_id in lead_ids])


def test_a_decision_and_what_the_challenger_would_do_are_recorded_together_or_not_at_all(desk):
    store = desk.store

    def both(*, fails: bool) -> None:
        with store.writing() as connection:
            store.add(connection, decided([("L7", "A7", 0.2, 1.0, "B", "hand off", "policy")]))
            shadows.record(store, connection, scored("L7"))
            if fails:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        both(fails=True)
    assert logged(store).empty
    assert "L7" not in store.decided()
    both(fails=False)
    assert list(logged(store)["lead_id"]) == ["L7"]
    assert "L7" in store.decided()


def test_both_sides_are_read_side_by_side_of_one_pair_of_versions_alone(desk):
    store = desk.store
    with store.writing() as connection:
        shadows.record(store, connection, scored("L1", "L5"))
        shadows.record(store, connection, scored("L2", version="8"))
    champion = store.decisions()["version"].iloc[0]
    found = shadows.beside(store, champion, "9", ("account_id", "action", "p_convert", "p_both")).set_index(
        "lead_id"
    )
    assert list(found.index) == ["L1", "L5"]
    assert list(found["action"]) == ["hand off", "hold"]
    assert list(found["challenger_action"]) == ["hold", "hold"]
    assert list(found["p_convert"]) == [0.30, 0.01]
    assert list(found["challenger_p_convert"]) == [0.2, 0.2]
    assert found["challenger_p_both"].isna().all()
    assert shadows.beside(store, "another", "9", ("action",)).empty


def test_whoever_is_forgotten_leaves_no_score_in_shadow(desk):
    with desk.store.writing() as connection:
        shadows.record(desk.store, connection, scored("L1", "L2"))
    said = leadsieve("forget", "L1", "--config", desk.home.parent / "crm.toml", home=desk.home)
    assert said.code == 0, said.err
    assert list(logged(desk.store)["lead_id"]) == ["L2"]


def test_reps_see_nothing_of_it_and_who_runs_the_filter_its_record(desk):
    before = desk.browser("ann").get("/queue").text
    with desk.store.writing() as connection:
        shadows.record(desk.store, connection, scored("L1", "L2", "L4"))
    rep = desk.browser()
    rep.sign_in("ann", "correct horse battery")
    bare = [text.split("<main")[1] for text in (before, rep.get("/queue").text)]
    assert without_tokens(bare[0]) == without_tokens(bare[1])
    record = shadow_record(
        paired((0.4, 0.3, 1, True, False, False), (0.3, 0.1, 0, True, False, True)), resamples=100, seed=0
    )
    keep(desk.home, compared(plain(record)))
    text = " ".join(desk.browser("olga", "ops").get("/preview").text.split())
    assert "In shadow" in text
    assert "It would hold 1 lead that the cut of version 1 does not (settled so far: 1, with 0 wins)." in text


def without_tokens(text: str) -> str:
    return re.sub(r'value="[^"]*"', "", text)


# ── the flow ──


@pytest.fixture
def config(world: Path, tmp_path: Path) -> Path:
    config = tmp_path / "crm.toml"
    config.write_text((world / "quick.toml").read_text() + "\n[promotion]\nshadow = true\n")
    return config


@pytest.fixture
def rivals(home: Path, config: Path, tmp_path: Path) -> Path:
    """A home with a second version: the first one's scorer, with a cut of its own."""
    registry = registry_of(load_settings(config, environ={}), home)
    folder = Path(shutil.copytree(registry.download("1"), tmp_path / "second" / "scorer"))
    (policy,) = folder.glob("policy.json")
    told = json.loads(policy.read_text())
    policy.write_text(json.dumps(told | {"cut": 0.1}))
    number = registry.register(
        folder, params={}, metrics={}, tags={"verdict": "ready"}, figures={}, tables={}
    )
    assert number == "2"
    return home


def run(config: Path, home: Path, at: datetime = FIRST):
    return score_leads(load_settings(config, environ={}), home, at, reasons=0)


def test_the_challenger_scores_whom_the_champion_decides_and_changes_nothing(rivals, config, world, tmp_path):
    alone = Path(shutil.copytree(rivals, tmp_path / "alone"))
    unwatched, beside = run(world / "quick.toml", alone), run(config, rivals)
    assert (unwatched.shadow.to_json(), unwatched.to_json()["shadow"]) == (None, None), "off by default"
    assert logged(store_of(load_settings(config, environ={}), alone)).empty
    pd.testing.assert_frame_equal(unwatched.decisions, beside.decisions)

    store = store_of(load_settings(config, environ={}), rivals)
    rows, log = logged(store), store.decisions().sort_values("lead_id", ignore_index=True)
    assert list(rows["lead_id"]) == list(log["lead_id"])
    assert beside.to_json()["shadow"] == {"version": "2", "scored": len(rows)}
    assert set(rows["version"]) == {"2"}
    assert set(log["version"]) == {"1"}
    assert rows["score"].to_numpy() == pytest.approx(log["score"].to_numpy())
    assert list(rows["action"] == "hold") == list(rows["score"] < rows["cut"]), "by its own cut, no arm drawn"
    assert list(rows["action"]) != list(log["action"])
    assert run(config, rivals).to_json()["shadow"] == {"version": "2", "scored": 0}, "nobody twice"
    assert len(logged(store)) == len(rows)


def test_its_record_is_told_against_what_became_of_the_leads(rivals, config):
    run(config, rivals)
    settings = load_settings(config, environ={})
    result = preview(settings, rivals, FIRST + timedelta(days=150), ("1", "2"))
    store, told = store_of(settings, rivals), result["shadow"]
    log, rows = store.decisions().set_index("lead_id"), logged(store).set_index("lead_id")
    assert told["leads"] == len(rows)
    assert 30 < told["settled"] <= (log["action"] != "hold").sum()
    assert told["champion"] == told["challenger"], "the same scorer"
    assert told["ahead"]["value"] == 0
    would = (rows["action"] == "hold") & ~(log["score"] < log["cut"]).loc[rows.index]
    assert told["held_otherwise"]["leads"] == would.sum() > 0
    assert "In shadow" in summaries.compare(result)
    early = preview(settings, rivals, FIRST + timedelta(days=1), ("1", "2"))["shadow"]
    assert (early["settled"], early["champion"]["auc"]["value"]) == (0, None)
    assert preview(settings, rivals, FIRST, ("2", "1"))["shadow"] is None, (
        "one was never in the other's shadow"
    )


@pytest.mark.parametrize("damage", ["policy.json", "scorer.json", "all"])
def test_a_damaged_challenger_is_a_warning_and_the_champion_decides(rivals, config, damage):
    folder = registry_of(load_settings(config, environ={}), rivals).download("2")
    if damage == "all":
        shutil.rmtree(folder)
    else:
        (folder / damage).write_text("{")
    report = run(config, rivals)
    assert len(report.decisions) > 10
    (words,) = [each for each in report.warnings if "version 2 could not score beside the champion" in each]
    assert damage == "all" or f"{damage}' is damaged" in words
    assert report.to_json()["shadow"] == {"version": "2", "scored": 0}


def test_an_older_version_is_no_challenger(rivals, config):
    assert leadsieve("promote", "2", "--force", "--why", "a test", "--who", "ann", home=rivals).code == 0
    report = run(config, rivals)
    assert report.version == "2"
    assert report.shadow.to_json() is None


@pytest.mark.slow
def test_a_challenger_that_reads_other_columns_has_them_looked_up(home, config):
    text = config.read_text()
    config.write_text(f"{text}\n[features]\nwindows_days = [2, 14]\n")
    trained = leadsieve("train", "--config", config, "--json", home=home)
    assert trained.code == 0, trained.err
    config.write_text(text)
    report = run(config, home)
    store = store_of(load_settings(config, environ={}), home)
    rows, log = logged(store), store.decisions().sort_values("lead_id", ignore_index=True)
    assert report.to_json()["shadow"] == {"version": "2", "scored": len(log)}
    assert list(rows["lead_id"]) == list(log["lead_id"])
    assert (rows["score"] != log["score"]).mean() > 0.9
    assert rows["score"].corr(log["score"]) > 0.7, "the same leads"


@pytest.mark.slow
def test_a_run_that_is_killed_as_it_logs_has_decided_nobody_and_the_next_logs_all_once(rivals, config):
    died = command("score", "--config", config, "--as-of", FIRST.isoformat(), home=rivals, before=DIES)
    assert died.returncode == -signal.SIGKILL, died.stderr
    store = store_of(load_settings(config, environ={}), rivals)
    assert not store.decided()
    assert logged(store).empty
    assert run(config, rivals).shadow.to_json()["scored"] == len(store.decided()) > 10
    assert logged(store)["lead_id"].is_unique

import io
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from features.serialization import plain
from models.evaluation.baselines import BASELINES
from models.evaluation.importance import moves_of
from models.evaluation.performance import curves_of, gain, judge, reliability
from models.evaluation.report import ModelReport, Verdict
from models.evaluation.segments import segment_figures
from models.survival.linear import Linear
from pipelines.reports.plots.groups import drivers_picture, grades_picture, groups_picture
from pipelines.reports.plots.model import (
    MOST_GROUPS,
    blocks_picture,
    calibration_picture,
    gain_picture,
    importance_picture,
)


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    random = np.random.default_rng(0)
    p = random.beta(1, 6, 900)
    table = pd.DataFrame(
        {
            "account_id": np.arange(900),
            "as_of": pd.date_range("2026-01-01", periods=900, freq="3h"),
            "block": np.repeat([1, 2, 3], 300),
        }
    )
    table = table.assign(
        outcome=(random.random(900) < p).astype(float),
        p=p,
        **{name: random.random(900) for name in BASELINES},
    )
    return table.assign(newest_first=table["as_of"].astype("int64"))


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def told(judged: pd.DataFrame) -> dict:
    """Judged leads as ``ModelReport`` tells them."""
    figures = judge(judged, resamples=20)
    report = ModelReport(900, 100, figures, None, Verdict("ready", ()), None, judged, judged.iloc[:0])
    return report.to_json(lambda time: f"{time:%d %b %Y}")


def three(judged: pd.DataFrame) -> list:
    """The pictures of judged leads, with their titles Gain, True? and Time."""
    curves, model = curves_of(judged), told(judged)
    table = pd.DataFrame(curves["calibration"])
    return [
        gain_picture(curves["gain"], title="Gain"),
        calibration_picture(table, predicted=curves["predicted"], rate=curves["rate"], title="True?"),
        blocks_picture(model["blocks"], model["auc"], title="Time"),
    ]


def drawn(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file)
    return file.getvalue()


def test_every_picture_is_drawn_and_names_what_it_shows(judged):
    importance = pd.DataFrame(
        {"group": ["visits", "channel"], "strength": [0.8, 0.2], "hint": ["more raises it", ""]}
    )
    gains, true, time = three(judged)
    shown = {
        gains: ("Gain", "model", "naive Bayes", "newest first", "drawing lots", "the best tenth"),
        true: ("True?", "came true", "predicted on average", "as predicted"),
        importance_picture(importance, title="Counts"): ("Counts", "visits", "channel", "more raises it"),
        time: ("Time", "chance", "together", "predicted", "01 Jan 2026", "300 leads"),
    }
    for figure, expected in shown.items():
        assert drawn(figure).startswith(b"\x89PNG")
        assert [word for word in expected if word not in words(figure)] == []


def test_pictures_stand_blocks_without_the_outcome(judged):
    bare = judged.assign(outcome=judged["outcome"].where(judged["block"] != 2, 0.0))
    for figure in three(bare):
        assert drawn(figure)


def test_pictures_of_groups_name_them_and_mark_the_poor_ones(judged):
    judged = judged.assign(
        outcome=(np.arange(len(judged)) % 3 == 0) * 1.0, p=np.where(np.arange(len(judged)) % 2, 0.3, 0.9)
    )
    groups = pd.DataFrame({"channel": np.where(np.arange(len(judged)) % 2, "web", "fair")})
    for below, expected in ((None, "AUC"), ((judged["p"] < 0.5).to_numpy(), "customers held")):
        segments = plain(segment_figures(judged, groups, below=below))
        text = words(figure := groups_picture(segments, title="by channel", outcome="customers", whole=0.6))
        assert drawn(figure)
        assert [
            each for each in ("by channel", "web  ·  450", "▸ fair  ·  450", expected) if each not in text
        ] == []
    grades = [
        {"grade": "A", "leads": 120, "wins": 30, "predicted": 0.2, "rate": 0.25, "low": 0.18, "high": 0.34}
    ]
    assert "A  ·  120 leads" in words(grades_picture(grades, title="Grades"))
    driven = {
        "column": "channel",
        "groups": ["web", "fair"],
        "drivers": [{"group": "visits", "strengths": [0.31, 0.07]}],
    }
    assert [
        each
        for each in ("visits", "web", "0.31", "0.07")
        if each not in words(drivers_picture(driven, title=""))
    ] == []


def test_gain_rises_from_nothing_to_everything_and_equal_scores_draw_lots(judged):
    found = gain(judged, "p")
    assert (found[0], found[-1]) == (0.0, pytest.approx(1.0))
    assert (np.diff(found) >= -1e-12).all()
    assert gain(judged.assign(p=0.5), "p") == pytest.approx(np.linspace(0, 1, 101))


def test_reliability_counts_tenths_with_their_intervals():
    p = np.repeat([0.1, 0.5], 100)
    outcome = np.concatenate([np.repeat([1.0, 0.0], [10, 90]), np.repeat([1.0, 0.0], [40, 60])])
    table = reliability(outcome, p, groups=2)
    assert table["rate"].tolist() == [0.1, 0.4]
    assert ((table["low"] < table["rate"]) & (table["rate"] < table["high"])).all()


def test_importance_sums_the_columns_of_a_group_and_says_which_way_a_number_works():
    random = np.random.default_rng(0)
    block = pd.DataFrame(random.normal(size=(2_000, 5)), columns=["up", "up_too", "down", "rate", "idle"])
    score = block["up"] + block["up_too"] - 0.5 * block["down"] + 0.3 * block["rate"]
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1}
    booster = lgb.train(parameters, lgb.Dataset(block.to_numpy(), label=score.to_numpy()), num_boost_round=40)
    groups = {"up": "visits", "up_too": "visits", "down": "size", "rate": "channel", "idle": "idle"}
    recipe = SimpleNamespace(
        columns=tuple(
            SimpleNamespace(name=name, kind="number", group=group, arguments=())
            for name, group in groups.items()
        ),
        attributes=(
            SimpleNamespace(name="size", kind="number"),
            SimpleNamespace(name="channel", kind="category"),
        ),
    )
    moves = moves_of(SimpleNamespace(linear=Linear({}), booster=booster), block, recipe)
    table = moves.by_group().set_index("group")
    assert list(table.index[:2]) == ["visits", "size"]
    assert table["hint"][["visits", "size", "channel"]].tolist() == [
        "more raises it",
        "more lowers it",
        "",
    ]  # what would more channel be?
    assert table["strength"]["visits"] == pytest.approx(np.abs(block["up"] + block["up_too"]).mean(), rel=0.1)
    within = moves.by_segment(pd.Series(np.where(block["down"] > 0, "large", "small")))
    assert set(within) == {"large", "small"}
    assert within["large"]["size"] == pytest.approx(0.5 * block["down"][block["down"] > 0].mean(), rel=0.2)


def test_more_groups_than_can_be_read_are_summed():
    importance = pd.DataFrame(
        {"group": [f"column {n}" for n in range(40)], "strength": np.linspace(1, 0.1, 40), "hint": ""}
    )
    text = words(importance_picture(importance, title=""))
    assert f"{40 - MOST_GROUPS} others together" in text
    assert "column 39" not in text

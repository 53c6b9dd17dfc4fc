"""The leak guard on columns made to leak in one way each, on planted leaks among honest columns, and on real
tables.
"""

import json
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from features.errors import ContractError
from features.labels import Horizons
from features.matrix import fetch, frame, matrix
from features.outcomes import fates
from features.recipe import recipe_for
from features.serialization import plain
from features.tables import training_cohort
from models.dataset import LearningSet
from models.leakage.detectors import chance_of_so_few, changed, levels_of, strength, value_strength
from models.leakage.findings import LeakSettings
from models.leakage.guard import find_leaks
from models.leakage.samples import Sample, outcome_samples
from pipelines.settings import load_settings
from pipelines.sources.snapshots import pull
from tests.conftest import REPOSITORY

DAY = np.timedelta64(1, "D")
NEVER = np.datetime64("NaT", "us")
END = datetime(2026, 1, 1)


@dataclass
class Market:
    """Leads of some days. Three in ten are won and four in ten lost, after a month on average; what became of
    one shows in no column yet.

    The horizon is 60 days. ``columns`` are the leads table's own, to be added.
    """

    leads: int = 3_000
    seed: int = 1
    dates: bool = True
    days: int = 300
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)
        self.age = np.sort(self.random.uniform(0, self.days, self.leads))[::-1]
        self.delay = self.random.gamma(2.0, 15.0, self.leads)
        lot = self.random.random(self.leads)
        happened = self.delay < self.age
        self.won, self.lost = happened & (lot < 0.3), happened & (lot > 0.6)
        self.noise = self.random.normal(size=self.leads)

    def filled(self, where: np.ndarray) -> np.ndarray:
        """Noise, empty elsewhere."""
        return np.where(where, self.noise, np.nan)

    @property
    def learning(self) -> LearningSet:
        as_of = np.datetime64(END, "us") - (self.age * 86_400_000_000).astype(np.int64) * np.timedelta64(
            1, "us"
        )
        if not self.dates:
            as_of = np.datetime64(END, "us") - np.arange(self.leads, 0, -1) * np.timedelta64(1, "s")
        closed_at = as_of + self.dates * (self.delay * 86_400_000_000).astype(np.int64) * np.timedelta64(
            1, "us"
        )
        keys = {
            "lead_id": [f"{n:05d}" for n in range(self.leads)],
            "account_id": np.arange(self.leads).astype(str),
            "as_of": as_of,
        }
        texts = [name for name, values in self.columns.items() if values.dtype == object]
        features = {
            name: pd.Categorical(v) if name in texts else v
            for name, v in self.columns.items()
            if v.dtype.kind != "M"
        }
        recipe = SimpleNamespace(
            attributes=[
                SimpleNamespace(name=name, kind="category" if name in texts else "number")
                for name in self.columns
            ]
            + [SimpleNamespace(name="created_at", kind="calendar")] * self.dates,
            columns=[
                SimpleNamespace(
                    name=name,
                    kind="category" if name in texts else "number",
                    group=name,
                    arguments=(("attribute", name),),
                )
                for name in features
            ],
            horizons=Horizons(convert_days=60),
        )
        what = {"accepted_at": NEVER, "rejected_at": NEVER, "won_at": np.where(self.won, closed_at, NEVER)}
        fate = pd.DataFrame(
            {**keys, "created_at": as_of, **what, "lost_at": np.where(self.lost, closed_at, NEVER)}
        )
        return LearningSet(
            pd.DataFrame({**keys, **features}),
            fate,
            recipe,
            ("won", "lost"),
            outcome_times=self.dates,
            known_until=END,
        )

    @property
    def raw(self) -> pd.DataFrame:
        return pd.DataFrame({"lead_id": [f"{n:05d}" for n in range(self.leads)], **self.columns})


def judged(market: Market, **others):
    return {leak.column: leak for leak in find_leaks(market.learning, market.raw, **others).leaks}


def suspected(leaks) -> dict[str, str]:
    return {
        leak.column: leak.detector
        for leak in (leaks.values() if isinstance(leaks, dict) else leaks.leaks)
        if leak.verdict != "ok"
    }


# ── knowledge time ──


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("text", "before today changed\n new won 1\n new new 0\n - won 1\n new - 1\n - - 0"),
        ("number", "before today changed\n 1 2 1\n 1.50 1.5 0\n - 0 1\n 0 - 1\n - - 0"),
        ("number then text", "before today changed\n 1 1 0\n 1 one 1\n - one 1\n 2 2.0 0\n - - 0"),
        (
            "date",
            "before today changed\n 2026-01-01 2026-01-02 1\n 2026-01-01 2026-01-01 0\n - 2026-01-01 1\n - - 0",
        ),
    ],
)
def test_a_value_has_changed_if_it_was_another_or_was_empty(kind, table):
    rows = pd.read_csv(StringIO(table), sep=r"\s+", dtype=str, na_values="-")
    before, today = rows["before"], rows["today"]
    if kind == "number":
        before, today = before.astype(float), today.astype(float)
    elif kind == "number then text":
        before = before.astype(float)
    elif kind == "date":
        before, today = pd.to_datetime(before), pd.to_datetime(today)
    assert changed(before, today).tolist() == (rows["changed"] == "1").tolist()


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.0, "ok"), (0.04, "ok"), (0.06, "known too late"), (1.0, "known too late")]
)
def test_a_column_that_differs_for_more_than_a_twentieth_of_leads_is_known_too_late(share, verdict):
    market = Market()
    market.columns = {"score": market.noise, "same": market.random.normal(size=market.leads)}
    earlier = market.raw
    young = earlier.index[-200:]
    earlier.loc[young[: round(200 * share)], "score"] = np.nan
    leaks = judged(market, earlier=earlier.loc[young].sample(frac=1, random_state=0))
    assert leaks["score"].verdict == verdict
    assert leaks["same"].verdict == "ok"
    if verdict != "ok":
        assert (leaks["score"].detector, leaks["score"].value) == ("knowledge time", pytest.approx(share))
        assert f"{share:.0%} of 200 leads" in leaks["score"].why


def test_leads_that_were_old_in_the_earlier_snapshot_hide_no_change():
    market = Market()
    market.columns = {"score": market.noise}
    earlier = market.raw
    earlier.loc[earlier.index[-150:], "score"] = (
        0.0  # a twentieth of all leads, but half of those of the last month
    )
    assert judged(market, earlier=earlier)["score"].verdict == "known too late"


@pytest.mark.parametrize(
    ("rows", "says"), [(0, "0 young leads in the earlier snapshot"), (29, "29 young leads")]
)
def test_an_earlier_snapshot_of_too_few_leads_is_said_to_be_one(rows, says):
    market = Market()
    market.columns = {"score": market.noise}
    leak = judged(market, earlier=market.raw.tail(rows))["score"]
    assert leak.verdict == "ok"
    assert says in leak.why


def test_a_column_that_the_earlier_snapshot_does_not_have_is_judged_by_the_others():
    market = Market()
    market.columns = {"new": market.noise}
    assert judged(market, earlier=market.raw[["lead_id"]])["new"].verdict == "ok"


# ── fresh against mature ──


def test_a_column_that_is_filled_in_with_time_is_suspicious_though_it_tells_no_outcome():
    market = Market()
    market.columns = {"note": market.filled(market.random.exponential(30, market.leads) < market.age)}
    leak = judged(market)["note"]
    assert (leak.verdict, leak.detector) == ("suspicious", "fresh against mature")
    assert leak.value > 0.3


def test_a_count_that_goes_on_growing_for_some_weeks_is_suspicious():
    market = Market()
    market.columns = {"calls": market.random.poisson(1 + 0.05 * np.minimum(market.age, 100)).astype(float)}
    assert suspected(judged(market)) == {"calls": "fresh against mature"}


def test_a_stage_that_is_written_over_is_suspicious():
    market = Market()
    market.columns = {
        "stage": np.where(market.random.exponential(20, market.leads) < market.age, "in work", "new").astype(
            object
        )
    }
    assert suspected(judged(market)) == {"stage": "fresh against mature"}


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_change_with_the_calendar_alone_are_clean(seed):
    market = Market(seed=seed)
    market.columns = {
        "drifting": market.age / 100 + market.noise,
        "seasonal": np.sin(market.age / 58) + market.noise / 3,
        "offer of the month": np.array([f"offer {int(age // 30)}" for age in market.age], dtype=object),
        "asked for 60 days": market.filled(market.age < 60),
        "asked for 15 days": market.filled(market.age < 15),
        "asked for 140 days": market.filled(market.age < 140),
        "ever less answered": market.filled(market.random.random(market.leads) < 0.2 + market.age / 600),
        "at times empty": market.filled(market.random.random(market.leads) < 0.5),
    }
    assert suspected(judged(market)) == {}


def test_what_comes_with_each_winter_is_clean_and_what_is_filled_in_with_time_is_not():
    market = Market(days=540, leads=4_000)
    winter = np.isin(market.age // 45 % 8, (0, 7))
    market.columns = {
        "promotion": np.where(winter, "winter", "none").astype(object),
        "asked in winter": market.filled(~winter),
        "note": market.filled(market.random.exponential(30, market.leads) < market.age),
    }
    found = find_leaks(market.learning, market.raw)
    assert suspected(found) == {"note": "fresh against mature"}
    assert found.looked[2].leads["a year before"] > 200
    market = Market(days=400, leads=4_000)  # nothing to compare a season with
    market.columns = {"promotion": np.where(market.age < 45, "winter", "none").astype(object)}
    assert "fresh leads from mature ones" in judged(market)["promotion"].why


@pytest.mark.parametrize(
    ("dates", "leads", "says"),
    [(False, 3_000, "fresh against mature (no dates)"), (True, 300, "leads in the rarest")],
)
def test_where_ages_cannot_be_compared_it_is_said(dates, leads, says):
    market = Market(dates=dates, leads=leads)
    market.columns = {"note": market.filled(market.random.random(leads) < 0.5)}
    assert says in judged(market)["note"].why


# ── strength ──


def strong(market: Market) -> dict[str, np.ndarray]:
    """Columns that give outcomes away, without dates: each is known by its name."""
    chance = market.random.random(market.leads)
    closed = market.won | market.lost
    return {
        "nearly the outcome": market.won + 0.4 * market.noise,
        "neither low nor high wins": np.where(market.won, 0.2, 1.5) * market.noise,
        "reason": np.where(
            market.won & (chance < 0.95), "deal", np.where(chance < 0.6, "price", "time")
        ).astype(object),
        "filled for most wins": market.filled(np.where(market.won, chance < 0.7, chance < 0.3)),
        "filled once closed": market.filled(np.where(closed, chance < 0.9, chance < 0.4)),
        "filled for few wins and nobody else": market.filled(market.won & (chance < 0.25)),
        "empty for few losses and nobody else": market.filled(~market.lost | (chance > 0.25)),
        "0 but for a third of wins": np.where(market.won & (chance < 0.35), np.abs(market.noise), 0.0),
        "note": np.where(
            market.won & (chance < 0.5),
            "contract signed",
            market.random.choice(["mail", "call"], market.leads),
        ).astype(object),
        "none but for a third of wins": np.where(market.won & (chance < 0.35), "SAVE10", "none").astype(
            object
        ),
    }


@pytest.mark.parametrize("name", strong(Market()))
def test_a_column_that_tells_an_outcome_alone_is_suspicious(name):
    market = Market(dates=False)
    column = strong(market)[name]
    market.columns = {"honest": market.random.normal(size=market.leads), name: column}
    clean = name == "neither low nor high wins"  # its AUC is .8: good, and not too good
    assert suspected(judged(market)) == ({} if clean else {name: "strength"})


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_are_merely_good_are_clean(seed):
    market = Market(dates=False, seed=seed)
    lots = iter(market.random.random((4, market.leads)))
    market.columns = {
        "good score": market.won + market.random.normal(size=market.leads),
        "answered more by those who win": market.filled(next(lots) < np.where(market.won, 0.65, 0.4)),
        "rarely filled, five times by those who win": market.filled(
            next(lots) < np.where(market.won, 0.1, 0.02)
        ),
        "no but for the keen": np.where(next(lots) < np.where(market.won, 0.3, 0.05), "yes", "no").astype(
            object
        ),
        "filled ten times": market.filled(np.isin(np.arange(market.leads), np.flatnonzero(market.won)[:8])),
        "own text": np.array([f"text {n}" for n in range(market.leads)], dtype=object),
        "a word, eight times by those who win": np.where(
            next(lots) < np.where(market.won, 0.24, 0.03), "soon", "later"
        ).astype(object),
        "some": market.random.choice(["a", "b", "c"], market.leads).astype(object),
    }
    assert suspected(judged(market)) == {}


def graded(market: Market) -> dict[str, np.ndarray]:
    """Columns that tell more and more, the last with an AUC of .97."""
    return {
        f"measure {n}": (1.2 + 0.15 * n) * market.won + market.random.normal(size=market.leads)
        for n in range(12)
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_where_many_columns_tell_much_only_one_that_knows_more_than_they_together_is_suspicious(seed):
    market = Market(dates=False, seed=seed)
    market.columns = graded(market)
    assert suspected(judged(market)) == {}
    assert LeakSettings().auc < roc_auc_score(market.won, market.columns["measure 6"])
    market.columns["reason"] = market.won + 0.1 * market.noise
    assert set(suspected(judged(market))) == {"reason"}


@pytest.mark.slow
def test_among_weak_columns_a_strong_one_is_suspicious_though_two_others_tell_as_much_together():
    market = Market(dates=False)
    weak = {f"weak {n}": market.random.normal(size=market.leads) for n in range(9)}
    paid = {"asked": 5 * market.random.normal(size=market.leads)}
    paid["got"] = paid["asked"] + 2.0 * market.won + 0.3 * market.noise
    market.columns = {**weak, **paid, "rating": 2.4 * market.won + market.random.normal(size=market.leads)}
    assert "rating" in suspected(judged(market))


def test_a_new_column_is_not_taken_for_one_that_knows_which_leads_are_open():
    market = Market()
    market.lost = (market.delay < market.age) & ~market.won  # sooner or later all are closed
    market.columns = {
        "asked since": market.filled(market.age < 45),
        "asked until": market.filled(market.age > 230),
    }
    assert (
        roc_auc_score(~(market.won | market.lost), market.age < 45) > 0.9
    )  # whoever forgets the leads' time falls for it
    assert suspected(judged(market)) == {}


def test_a_win_after_the_horizon_is_on_neither_side():
    market = Market()
    late = market.won & (market.delay > 60)
    sample = outcome_samples(market.learning, 20_000, 0)["convert"]
    assert late.sum() > 30
    assert not late[sample.rows].any()
    assert sample.outcome.tolist() == market.won[sample.rows].tolist()


def test_the_newest_mature_leads_are_looked_at_and_no_more_than_asked_for():
    market = Market()
    samples = outcome_samples(market.learning, 400, 0)
    assert {name: len(sample.rows) for name, sample in samples.items()} == {"convert": 400, "closed": 400}
    assert 60 <= market.age[samples["convert"].rows].min() < 61
    assert market.age[samples["convert"].rows].max() < 120
    assert samples["closed"].outcome.sum() == 200


def test_a_strength_is_the_share_of_pairs_of_one_span_ordered_rightly():
    random = np.random.default_rng(3)
    outcome, spans, score = (
        random.random(200) < 0.3,
        np.arange(200) // 100,
        np.round(random.normal(size=200), 1),
    )
    found = strength(score, Sample(np.arange(200), outcome, spans, spans))
    parts = [(spans == span) for span in (0, 1)]
    pairs = [outcome[part].sum() * (~outcome[part]).sum() for part in parts]
    assert found.auc == pytest.approx(
        np.average([roc_auc_score(outcome[part], score[part]) for part in parts], weights=pairs)
    )


def test_a_column_of_values_of_its_own_tells_nothing_out_of_fold():
    random = np.random.default_rng(4)
    sample = Sample(
        np.arange(900), random.random(900) < 0.3, random.integers(3, size=900), np.zeros(900, int)
    )
    assert value_strength(np.arange(900), sample).auc == 0.5


def test_the_chance_of_so_few_without_the_outcome_by_hand():
    outcome = np.arange(100) < 50
    sample = Sample(np.arange(100), outcome, np.zeros(100, int), np.zeros(100, int))
    mark = np.arange(100) < 20
    # Of the 20 marked, one in 20 would lack the outcome, were the mark 19 times as common with it: one
    # expected, none seen.
    assert chance_of_so_few(mark, sample, times=19) == pytest.approx(np.exp(-1))
    assert chance_of_so_few(~mark, sample, times=19) > 0.999
    assert chance_of_so_few(mark & False, sample, times=19) == 1.0


@pytest.mark.parametrize(
    "transform", [np.exp, lambda x: x**3, lambda x: 7 * x - 2], ids=["exp", "cube", "line"]
)
def test_only_the_order_of_numbers_counts(transform):
    values = np.append(np.random.default_rng(5).normal(size=500), [np.nan, np.nan])
    as_of = np.full(502, np.datetime64(END, "us"))
    assert (
        levels_of(pd.Series(values), as_of).tolist()
        == levels_of(pd.Series(transform(values)), as_of).tolist()
    )


def test_a_date_counts_from_the_lead_and_empty_is_a_level_of_its_own():
    as_of = np.datetime64(END, "us") + np.arange(4) * DAY
    dates = pd.Series(np.append(as_of[:3] - 5 * DAY, NEVER))
    assert levels_of(dates, as_of).tolist() == [1, 1, 1, 0]
    assert levels_of(pd.Series(["a", None, "b", "a"]), as_of).tolist() == [1, 0, 2, 1]
    assert levels_of(pd.Series([1.0, np.inf, -np.inf, np.nan]), as_of).tolist() == [2, 3, 1, 0]


# ── uniqueness ──


def calls(market: Market, *, peers: int = 6, strong_peers: int = 0) -> dict[str, np.ndarray]:
    """The length of a call, which tells a great deal, among columns that tell a little."""
    won = market.won.astype(float)
    weak = {f"weak {n}": 0.2 * won + market.random.normal(size=market.leads) for n in range(peers)}
    also = {f"also {n}": 0.9 * won + market.random.normal(size=market.leads) for n in range(strong_peers)}
    return {**weak, **also, "length": 1.35 * won + market.noise}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_a_column_that_the_rest_cannot_replace_is_suspicious(seed):
    market = Market(dates=False, seed=seed, leads=4_000)
    market.columns = calls(market)
    leaks = judged(market)
    assert suspected(leaks) == {"length": "uniqueness"}
    assert leaks["length"].value > 0.15


@pytest.mark.parametrize(
    "others",
    [{"peers": 3}, {"strong_peers": 3}],
    ids=["with too few to compare it with", "with others that cost something, too"],
)
@pytest.mark.slow
def test_a_column_that_is_not_unlike_the_rest_is_clean(others):
    market = Market(dates=False, leads=4_000)
    market.columns = calls(market, **others)
    assert suspected(judged(market)) == {}


@pytest.mark.slow
def test_a_leak_that_is_found_hides_no_other():
    market = Market(dates=False, leads=4_000)
    market.columns = {**calls(market), "reason": np.where(market.won, "deal", "none").astype(object)}
    assert suspected(judged(market)) == {"length": "uniqueness", "reason": "strength"}


# ── the whole ──


def test_every_column_that_the_model_reads_is_answered_for_once_and_in_order():
    market = Market()
    market.columns = {"b": market.noise, "a": market.won.astype(float), "c": market.filled(market.won)}
    leaks = find_leaks(market.learning, market.raw.assign(unused=1.0).sample(frac=1, random_state=1)).leaks
    assert [leak.column for leak in leaks] == ["b", "a", "c"]
    assert json.loads(json.dumps(plain(leaks)))[0] == {
        "column": "b",
        "verdict": "ok",
        "detector": None,
        "value": None,
        "why": "no detector objects; could not look: knowledge time (no earlier snapshot)",
        "trusted": False,
    }
    assert [leak.verdict for leak in leaks] == ["ok", "suspicious", "suspicious"]


def test_the_words_of_every_detector_are_kept():
    market = Market()
    market.columns = {
        "fate": np.where(market.won, "won", np.where(market.lost, "lost", "new")).astype(object)
    }
    leak = judged(market)["fate"]
    assert "alone it tells" in leak.why
    assert "fresh leads from mature ones" in leak.why
    assert leak.detector == "strength"
    earlier = market.raw.assign(fate="new")
    leak = judged(market, earlier=earlier)["fate"]
    assert (leak.verdict, leak.detector) == ("known too late", "knowledge time")


def test_nothing_that_is_handed_in_is_changed_and_a_second_look_says_the_same():
    market = Market(leads=1_000)
    market.columns = {**calls(market), "stage": np.where(market.won, "a", "b").astype(object)}
    learning, raw = market.learning, market.raw
    frame, table = learning.frame.copy(), raw.copy()
    first = find_leaks(learning, raw, earlier=raw)
    pd.testing.assert_frame_equal(learning.frame, frame)
    pd.testing.assert_frame_equal(raw, table)
    assert find_leaks(learning, raw.iloc[::-1], earlier=raw.sample(frac=1, random_state=2)) == first


def hostile(market: Market) -> dict[str, np.ndarray]:
    return {
        "empty": np.full(market.leads, np.nan),
        "empty texts": np.full(market.leads, None, dtype=object),
        "constant": np.ones(market.leads),
        "infinite": np.where(market.noise > 0, np.inf, -np.inf),
        "huge": market.noise * 1e30,
        "date": np.full(market.leads, NEVER),
    }


@pytest.mark.parametrize("leads", [1, 2, 40, 2_000])
def test_odd_columns_and_few_leads_are_clean_and_raise_nothing(leads):
    market = Market(leads=leads)
    market.columns = hostile(market)
    assert suspected(judged(market, earlier=market.raw)) == {}


@pytest.mark.parametrize("outcome", ["nobody", "everybody"])
def test_without_two_kinds_of_lead_it_is_said_that_strength_cannot_be_seen(outcome):
    market = Market(dates=False)
    market.won = np.full(market.leads, outcome == "everybody")
    market.lost = np.full(market.leads, False)
    market.columns = {"score": market.noise}
    assert "strength (fewer than 30 leads on one side of every outcome)" in judged(market)["score"].why


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda raw: raw.drop(columns="lead_id"), "no column lead_id"),
        (lambda raw: raw.drop(columns="score"), "column score"),
        (lambda raw: raw.iloc[5:], "5 of 400 leads"),
        (lambda raw: pd.concat([raw, raw.head(3)]), "repeats 3 leads"),
    ],
    ids=["no ids", "a column absent", "leads absent", "leads twice"],
)
def test_tables_that_do_not_fit_are_refused_in_words(broken, says):
    market = Market(leads=400)
    market.columns = {"score": market.noise}
    with pytest.raises(ContractError, match=says):
        find_leaks(market.learning, broken(market.raw))


@pytest.mark.parametrize(
    "setting", [{"auc": 1.5}, {"changed": 0}, {"one_sided": 1}, {"rows": 1}, {"nonsense": 1}]
)
def test_settings_that_cannot_be_meant_are_refused(setting):
    with pytest.raises(ValidationError):
        LeakSettings(**setting)


# ── planted leaks, and real tables ──


def pulled(home, overrides: dict, config=None) -> tuple[LearningSet, pd.DataFrame]:
    """What is learned from, and the leads table beside it, with no column excluded."""
    settings = load_settings(config, {**overrides, "features": {"exclude": []}}, environ={})
    snapshot = pull(settings.source, settings.label, home=home, until=datetime(2030, 1, 1))
    with closing(snapshot):
        tables = snapshot.tables
        recipe = recipe_for(tables, settings.features, settings.label)
        cohort = training_cohort(tables, settings.label.delay)
        learning = LearningSet(
            frame=frame(matrix(tables, cohort, recipe), recipe),
            fates=fetch(fates(tables, cohort)).to_pandas(),
            recipe=recipe,
            stages=tables.stages,
            outcome_times=tables.outcome_times,
            known_until=tables.end,
        )
        return learning, tables.leads.to_pyarrow().to_pandas()


PLANTED = {"amount", "discount_code", "rating", "activity_count", "last_activity", "lost_reason"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "world"),
    [
        (21, "leads=30000"),
        (22, "leads=10000&months=8"),
        (21, "leads=10000&slow=1"),
        (21, "leads=4000"),
        (22, "leads=4000"),
        (22, "leads=10000&gamma=0"),
    ],
)
def test_every_planted_leak_is_found_and_no_honest_column_is_suspected(tmp_path, world, seed):
    learning, raw = pulled(tmp_path, {"source": {"url": f"simulated:?leaks=1&seed={seed}&{world}"}})
    leaks = find_leaks(learning, raw)
    assert set(suspected(leaks)) == PLANTED
    assert len(leaks.leaks) == 14


@pytest.mark.slow
@pytest.mark.parametrize("seed", [31, 32])
def test_a_world_without_leaks_is_clean(tmp_path, seed):
    assert (
        suspected(find_leaks(*pulled(tmp_path, {"source": {"url": f"simulated:?leads=6000&seed={seed}"}})))
        == {}
    )


REAL = {
    "uci_bank": {"duration"},
    "x_education": {
        *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"),
        *(f"Asymmetrique {of} {how}" for of in ("Activity", "Profile") for how in ("Index", "Score")),
    },
    "maven_crm": {"account", "close_value"},
    "olist": set(),
    "loan_applications": set(),
}


@pytest.mark.parametrize("name", REAL)
def test_the_leaks_of_real_tables_are_found_without_being_told(name, shared_data, tmp_path):
    learning, raw = pulled(
        tmp_path, {"source": {"url": f"files:{shared_data / name}"}}, REPOSITORY / "examples" / f"{name}.toml"
    )
    found = set(suspected(find_leaks(learning, raw)))
    assert found >= REAL[name]
    assert len(found - REAL[name]) <= 1


def test_what_only_won_deals_have_is_found_once_it_is_joined_to_the_leads(shared_data, tmp_path):
    leads = pd.read_csv(shared_data / "olist" / "olist_marketing_qualified_leads_dataset.csv", dtype=str)
    deals = pd.read_csv(shared_data / "olist" / "olist_closed_deals_dataset.csv", dtype=str)
    (tmp_path / "data").mkdir()
    leads.merge(deals.drop(columns="won_date"), on="mql_id", how="left").to_csv(
        tmp_path / "data" / "leads.csv", index=False
    )
    deals.to_csv(tmp_path / "data" / "olist_closed_deals_dataset.csv", index=False)
    source = {"url": f"files:{tmp_path / 'data'}"}
    learning, raw = pulled(tmp_path, {"source": source}, joined(tmp_path))
    leaks = find_leaks(learning, raw)
    of_deals = {leak.column for leak in leaks.leaks} & set(deals.columns)
    assert len(of_deals) >= 10
    assert set(suspected(leaks)) == of_deals


@pytest.mark.slow
def test_measurements_of_which_a_fifth_tell_the_outcome_alone_are_clean(tmp_path):
    cells = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=0)
    cells.to_csv(tmp_path / "leads.csv", index=False)
    outcome = {"column": "target", "won": ["1"], "lost": ["0"]}
    source = {
        "url": f"files:{tmp_path}",
        "leads": {"table": "leads.csv", "order": "rows"},
        "outcome": outcome,
    }
    assert suspected(find_leaks(*pulled(tmp_path / "home", {"source": source}))) == {}


def joined(folder):
    """The example's configuration, reading leads from the joined table."""
    text = (REPOSITORY / "examples" / "olist.toml").read_text()
    path = folder / "joined.toml"
    path.write_text(text.replace("olist_marketing_qualified_leads_dataset.csv", "leads.csv"))
    return path

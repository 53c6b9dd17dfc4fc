"""Features of a team's own, in a file outside the project: used everywhere, and never silently another than a
version was fitted with.
"""

import shutil

import ibis
import pyarrow as pa
import pytest

from app.web import create_app
from features.errors import UsageError
from features.matrix import frame, matrix
from features.online.ledger import Histories
from features.online.prepared import Prepared, PreparedMatrix
from features.recipe import FeatureSettings, recipe_for
from features.register import REGISTER
from features.tables import training_cohort
from pipelines.feature_files import file_of, load_features
from pipelines.settings import load_settings
from tests.apis import NOW, as_sent, running_api
from tests.commands import QUICK, SIMULATED, leadsieve, written
from tests.matrices import HORIZONS, assert_same, computed, framed
from tests.worlds import arrow, random_world

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name

OURS = '''
from features.as_of import in_days
from features.register import feature


@feature(
    of="events", column="days_on_record", group="all events", words="on record for {value} days", unit="days",
    empty="fewer than two events",
)
def days_on_record(known):
    """Days between the first event on record and the latest."""
    return in_days((known.age.max() - known.age.min()).nullif(0))
'''
BODY = "return in_days((known.age.max() - known.age.min()).nullif(0))"


@pytest.fixture(autouse=True)
def register():
    """The register as it was, for whoever comes after."""
    before = dict(REGISTER)
    yield
    REGISTER.clear()
    REGISTER.update(before)


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect(threads=2)


def file(folder, text=OURS, name="our_features.py"):
    return written(folder, {name: text}) / name


@pytest.mark.slow
def test_its_columns_come_after_the_programs_own_and_are_the_same_in_real_time(engine, tmp_path):
    ours, world = file(tmp_path), random_world(1)
    tables = world.tables(engine)
    alone = recipe_for(tables, FeatureSettings(), HORIZONS)
    load_features([ours])
    recipe = recipe_for(tables, FeatureSettings(files=(ours,)), HORIZONS)
    assert [each.name for each in recipe.columns] == [
        *(each.name for each in alone.columns),
        "days_on_record",
    ]
    assert recipe.files == (file_of(ours),)
    assert recipe_for(tables, FeatureSettings(), HORIZONS) == alone

    expected = frame(matrix(tables, training_cohort(tables, HORIZONS.delay), recipe), recipe)
    spans = [
        (times.max() - times.min()).total_seconds() / 86_400
        for lead in expected.itertuples()
        for times in [known_times(world, lead)]
    ]
    assert expected["days_on_record"].fillna(0).tolist() == pytest.approx(spans, rel=1e-6)
    assert (expected["days_on_record"] > 0).sum() > 5

    leads = world.leads.set_index("lead_id", drop=False).loc[expected["lead_id"]]
    prepared = PreparedMatrix(Prepared.of(tables, recipe), Histories.of(tables, recipe), {})
    found = prepared.of(arrow(leads), arrow(world.events), pa.array(expected["as_of"], pa.timestamp("us")))
    assert_same(framed(found, recipe), expected, recipe)


def known_times(world, lead):
    """When the known events of a lead occurred; what is planned for later counts as now."""
    events = world.events
    mine = events[(events.lead_id == lead.lead_id) & (events.recorded_at < lead.as_of)]
    times = mine.occurred_at.clip(upper=lead.as_of)
    return times if len(times) else world.events.occurred_at.head(1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            OURS + "\nraise RuntimeError('no\\nway')", "line 14: RuntimeError: no way", id="it raises"
        ),
        pytest.param(OURS + "\nimport sys; sys.exit(3)", "SystemExit: 3", id="it ends the program"),
        pytest.param("def f(:\n", "line 1: invalid syntax", id="it is not Python"),
        pytest.param("x = 1", "registers no feature", id="it registers nothing"),
        pytest.param(
            OURS.replace("days_on_record(", "events_ever("),
            "a feature called events_ever already",
            id="taken",
        ),
        pytest.param(
            OURS.replace("(known)", "(known, weeks)"), "takes 'weeks'", id="an argument of nobody's"
        ),
        pytest.param(
            OURS.replace("for {value} days", "for {days} days"),
            "a place for 'days'",
            id="a text asks for more",
        ),
        pytest.param(OURS.replace('of="events"', 'of="deals"'), "is of 'deals'", id="a table of nobody's"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence_and_leaves_the_register_alone(
    tmp_path, text, said
):
    before = dict(REGISTER)
    with pytest.raises(UsageError) as refused:
        load_features([file(tmp_path, text)])
    assert said in str(refused.value)
    assert str(tmp_path / "our_features.py") in str(refused.value)
    assert "\n" not in str(refused.value)
    assert before == REGISTER


def test_a_file_that_is_not_there_and_two_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        load_features([tmp_path / "our_features.py"])
    with pytest.raises(UsageError, match=r"two files 'our_features\.py'"):
        load_features([file(tmp_path / "a"), file(tmp_path / "b")])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("return 7", "gives a int", id="no expression"),
        pytest.param(
            "return known.nonsense.sum()", "line 12: AttributeError", id="a column that is not there"
        ),
        pytest.param("return known.age", "gives a value for each event", id="no aggregate"),
        pytest.param("return known.kind.max()", "declared as a number and gives string", id="another type"),
    ],
)
@pytest.mark.slow
def test_a_feature_that_cannot_be_computed_is_refused_in_a_sentence(engine, tmp_path, body, said):
    ours = file(tmp_path, OURS.replace(BODY, body))
    load_features([ours])
    recipe = recipe_for(random_world(0).tables(engine), FeatureSettings(files=(ours,)), HORIZONS)
    with pytest.raises(UsageError) as refused:
        computed(random_world(0), engine, recipe=recipe)
    assert "feature 'days_on_record' of 'our_features.py'" in str(refused.value)
    assert said in str(refused.value)


def test_a_feature_of_a_lead_reads_no_other_lead(engine, tmp_path):
    text = OURS.replace('of="events"', 'of="lead", attributes=["number"]').replace(
        "(known)", "(lead, attribute)"
    )
    ours = file(tmp_path, text.replace(BODY, "return lead[attribute] - lead[attribute].mean()"))
    load_features([ours])
    recipe = recipe_for(random_world(0).tables(engine), FeatureSettings(files=(ours,)), HORIZONS)
    with pytest.raises(UsageError, match="reads other leads' rows"):
        computed(random_world(0), engine, recipe=recipe)


def test_line_ends_do_not_change_a_file_and_anything_else_does(tmp_path):
    ours = file_of(file(tmp_path / "a"))
    assert file_of(file(tmp_path / "b", OURS.replace("\n", "\r\n"))) == ours
    assert file_of(file(tmp_path / "c", OURS.replace("max()", "min()"))) != ours


def test_a_file_that_has_changed_is_loaded_anew(engine, tmp_path):
    ours, tables = file(tmp_path), random_world(0).tables(engine)
    load_features([ours])
    first = recipe_for(tables, FeatureSettings(files=(ours,)), HORIZONS)
    file(tmp_path, OURS.replace("days_on_record", "nights_on_record"))
    load_features([ours])
    second = recipe_for(tables, FeatureSettings(files=(ours,)), HORIZONS)
    assert (first.columns[-1].name, second.columns[-1].name) == ("days_on_record", "nights_on_record")
    assert first.fingerprint != second.fingerprint


@pytest.fixture(scope="module")
def ours_trained(tmp_path_factory):
    """A home whose champion was fitted with a file's features, and the folder of its configuration."""
    folder = written(
        tmp_path_factory.mktemp("ours"),
        {
            "crm.toml": f'[source]\nurl = "{SIMULATED}"\n[features]\nfiles = ["our_features.py"]\n{QUICK}',
            "our_features.py": OURS,
        },
    )
    trained = leadsieve("train", "--config", folder / "crm.toml", "--json", home=folder / "home")
    assert trained.code == 0, trained.err
    promoted = leadsieve("promote", "--config", folder / "crm.toml", home=folder / "home")
    assert promoted.code == 0, promoted.err
    return folder


def test_a_version_that_learned_from_it_is_checked_reported_replayed_scored_and_served(ours_trained):
    config, home = ours_trained / "crm.toml", ours_trained / "home"
    assert leadsieve("check", "--config", config, home=home).code == 0
    assert leadsieve("backtest", "--config", config, "--last", 2, home=home).code == 0
    report = leadsieve("report", "champion", "--config", config, "--json", home=home).json
    assert report["settings"]["features.files"] == ["our_features.py"]
    scored = leadsieve("score", "--config", config, "--all", "--json", home=home)
    assert scored.json["scored"] > 100
    with running_api(home, config) as api:
        recipe = api.champions.live.champion.scorer.recipe
        assert "days_on_record" in [column.name for column in recipe.columns]
        answer = api.ask("POST", "/scores", json={"leads": as_sent(home)[:1]})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        pytest.param(
            lambda ours: ours.write_text(OURS + "\n# as before\n"), "which has changed since", id="changed"
        ),
        pytest.param(lambda ours: ours.unlink(), "which is no longer at", id="gone"),
        pytest.param(
            lambda ours: (ours.parent / "crm.toml").write_text(f'[source]\nurl = "{SIMULATED}"\n{QUICK}'),
            "which [features] files does not name",
            id="not named any more",
        ),
    ],
)
def test_a_version_whose_features_are_not_as_they_were_scores_nobody(ours_trained, tmp_path, change, trouble):
    folder = shutil.copytree(ours_trained, tmp_path / "copy")
    change(folder / "our_features.py")
    config, home = folder / "crm.toml", folder / "home"
    refused = leadsieve("score", "--config", config, home=home)
    said = refused.err.strip().splitlines()[-1]
    assert refused.code == 3
    assert said.startswith("version 1 was fitted with the features of 'our_features.py', " + trouble)
    assert said.endswith("nothing was scored: train again, or bring the file back as it was.")
    desk = create_app(load_settings(config, environ={}), home, lambda: NOW)
    desk.state.champions.look()
    assert desk.state.champions.trouble == said
    desk.state.champions.close()
    (folder / "our_features.py").write_text(OURS)
    (folder / "crm.toml").write_text((ours_trained / "crm.toml").read_text())
    assert leadsieve("score", "--config", config, home=home).code == 0


@pytest.mark.slow
def test_a_broken_file_ends_a_command_with_2_and_a_sentence(tmp_path):
    config = written(
        tmp_path,
        {
            "crm.toml": f'[source]\nurl = "{SIMULATED}"\n[features]\nfiles = ["our_features.py"]\n',
            "our_features.py": "1 / 0",
        },
    )
    for command in ("check", "train"):
        refused = leadsieve(command, "--config", config / "crm.toml", home=tmp_path / "home")
        assert refused.code == 2
        assert "line 1: ZeroDivisionError: division by zero; nothing was computed." in refused.err
        assert "Traceback" not in refused.err

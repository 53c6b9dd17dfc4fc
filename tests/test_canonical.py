"""From a source's own tables to the canonical ones: types, times in UTC, outcomes, orders, and what is left
out.
"""

from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import LeadsieveError
from features.labels import Horizons
from pipelines.sources.connections import open_source
from pipelines.sources.manifest import read_note
from pipelines.sources.mapping import EventsSource, LeadsSource, OutcomeColumn, OutcomesSource, SourceSettings
from pipelines.sources.reading.column_types import lists_of, ways_of
from pipelines.sources.snapshots import pull
from tests.pulling import LEADS, NOW, pulled, refused, rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words


@pytest.mark.slow
def test_all_values_of_a_column_of_text_decide_its_type(tmp_path):
    names = "lead_id,created_at,number,code,mixed,flag,date,word,nothing"
    lines = [
        "1,2026-01-01,1.5,01234,7,TRUE,2020-02-03,a,",
        "2,2026-01-02,nan,5,x,false,,Select,",
        "3,2026-01-03,,6,8,,2020-02-04 10:00,b,",
    ]
    leads = pulled(
        tmp_path, {"leads.csv": "\n".join([names, *lines])}, leads=LeadsSource(empty=["Select"])
    ).tables.leads
    assert rows(leads.drop("account_id", "created_at")) == [
        ("1", 1.5, "01234", "7", 1.0, datetime(2020, 2, 3), "a", None),
        ("2", None, "5", "x", 0.0, None, None, None),
        ("3", None, "6", "8", None, datetime(2020, 2, 4, 10), "b", None),
    ]
    assert leads.schema()["nothing"].is_string()


@pytest.mark.parametrize(
    ("written", "zone", "read"),
    [
        ("2026-03-10 14:05:00", "UTC", datetime(2026, 3, 10, 14, 5)),
        ("2026-03-10 14:05:00", "Europe/Amsterdam", datetime(2026, 3, 10, 13, 5)),
        ("2026-03-10", "America/New_York", datetime(2026, 3, 10, 4)),
        ("2026-03-10T14:05:00+02:00", "Europe/Amsterdam", datetime(2026, 3, 10, 12, 5)),
        ("2026-03-10T14:05:00.123456Z", "Europe/Amsterdam", datetime(2026, 3, 10, 14, 5, 0, 123456)),
    ],
)
def test_times_become_utc(tmp_path, written, zone, read):
    leads = pulled(tmp_path, {"leads.csv": f"lead_id,created_at\n1,{written}\n"}, timezone=zone).tables.leads
    assert rows(leads, "created_at") == [(read,)]


def test_mixed_time_zones_and_what_is_no_time_are_breaches(tmp_path):
    said = refused(
        tmp_path,
        {"leads.csv": "lead_id,created_at\n1,2026-01-01T00:00:00Z\n2,2026-01-01 10:00\n3,soon\n4,\n"},
    )
    assert "1 row carries a time zone in 'created_at', and 1 row carries none" in said
    assert "created_at: 1 row holds no time in 'created_at', such as 'soon'" in said
    assert "created_at: 1 row is empty" in said


def test_typed_files_keep_their_types(tmp_path):
    table = pa.table({
        "lead_id": pa.array([4711.0, 12.0]),
        "created_at": pa.array([datetime(2026, 1, 1), datetime(2026, 1, 2)], pa.timestamp("ns", tz="Europe/Amsterdam")),
        "code": ["12", ""],
        "member": [True, None],
        "tags": [["a"], []],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "leads.parquet")
    snapshot = pulled(tmp_path, {})
    assert rows(snapshot.tables.leads.drop("account_id")) == [
        ("12", datetime(2026, 1, 2), None, None),
        ("4711", datetime(2026, 1, 1), "12", 1.0),
    ]
    assert snapshot.warnings == ("column 'tags' of leads was left out: its type holds no single value",)


def test_a_duckdb_file_is_read_without_being_locked_or_changed(tmp_path):
    file = tmp_path / "crm.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE SCHEMA sales; CREATE TABLE sales.people AS SELECT 1 AS lead_id, TIMESTAMP '2026-01-01' AS created_at"
        )
    before = file.read_bytes()
    snapshot = pulled(tmp_path, {}, url=f"duckdb:{file}", leads=LeadsSource(table="sales.people"))
    assert rows(snapshot.tables.leads) == [("1", "1", datetime(2026, 1, 1))]
    assert file.read_bytes() == before
    (tmp_path / "no.duckdb").write_text("nonsense")
    with pytest.raises(LeadsieveError, match="is not a DuckDB file") as raised:
        open_source(f"duckdb:{tmp_path / 'no.duckdb'}")
    assert raised.value.exit_code == 3


# ── mappings ──

HISTORY = (
    "lead_id,kind,occurred_at\n1,visit,2026-01-03\n1,OK,2026-01-04\n2,LOST,2026-01-05\n2,OK,2026-01-04\n"
)


def history(**changes) -> dict:
    outcomes = {"table": "history", "stage": "kind", "stages": {"accepted": ["OK"], "lost": ["LOST"]}}
    return {"events": EventsSource(table="history", **changes), "outcomes": OutcomesSource(**outcomes)}


def test_kinds_that_mean_a_stage_leave_the_events_unless_kept(tmp_path):
    files = {"leads.csv": LEADS, "history.csv": HISTORY}
    tables = pulled(tmp_path, files, **history()).tables
    assert rows(tables.events, "kind") == [("visit",)]
    assert rows(tables.outcomes, "lead_id", "stage") == [("1", "accepted"), ("2", "accepted"), ("2", "lost")]
    assert tables.stages == ("accepted", "lost")
    assert rows(pulled(tmp_path, files, **history(keep=["OK"])).tables.events, "kind") == [
        ("OK",),
        ("OK",),
        ("visit",),
    ]


def test_an_outcome_column_without_dates_is_known_once_the_horizon_has_passed(tmp_path):
    files = {
        "leads.csv": "lead_id,created_at,deal\n1,2026-01-01,yes\n2,2026-05-20,no\n3,2026-01-01,\n4,2026-01-01,later\n"
    }
    outcome = OutcomeColumn(column="deal", won=["yes"], lost=["no"], open=["later"])
    tables = pulled(tmp_path, files, outcome=outcome).tables
    assert rows(tables.outcomes, "lead_id", "stage", "recorded_at") == [("1", "won", datetime(2026, 1, 31))]
    assert not tables.outcome_times
    assert "deal" not in tables.leads.columns


def test_a_value_of_the_outcome_column_that_no_list_names_is_a_breach(tmp_path):
    files = {"leads.csv": "lead_id,created_at,deal\n1,2026-01-01,1\n2,2026-01-20,perhaps\n"}
    said = refused(tmp_path, files, outcome=OutcomeColumn(column="deal", won=[1]))
    assert (
        "deal: 1 row holds a word that no list names: 'perhaps' (1). Name each in [source.outcome] under won"
        in said
    )


def test_a_stage_word_that_nobody_named_stops_with_the_words_counted(tmp_path):
    history = "lead_id,stage,occurred_at\n1,Won,2026-02-01\n2,Gewonnen,2026-02-01\n2,Neu,2026-01-03\n1,Neu,2026-01-03\n"
    files = {"leads.csv": LEADS, "outcomes.csv": history}
    said = refused(tmp_path, files, outcomes=OutcomesSource(stages={"won": ["Won"]}))
    assert "stage: 3 rows hold a word that no list names: 'Neu' (2), 'Gewonnen' (1)" in said
    assert "Name each in [source.outcomes.stages] under won, lost, accepted, rejected, or open" in said
    named = OutcomesSource(stages={"won": ["Won", "Gewonnen"], "open": ["Neu"]})
    snapshot = pulled(tmp_path, files, outcomes=named)
    assert rows(snapshot.tables.outcomes, "lead_id", "stage") == [("1", "won"), ("2", "won")]
    assert snapshot.tables.stages == ("won",)


def test_a_column_of_dates_for_each_stage_is_a_history(tmp_path):
    leads = "lead_id,created_at,Became SQL,Closed Won,Closed Lost,Deal\n"
    leads += "1,2026-01-01,2026-01-02 09:00,2026-02-01 10:00,,500\n2,2026-01-01,2026-01-05 09:00,,2026-02-02 10:00,0\n"
    leads += "3,2026-01-01,,,,\n"
    stages = {"accepted": "Became SQL", "won": "Closed Won", "lost": "Closed Lost"}
    tables = pulled(tmp_path, {"leads.csv": leads}, leads=LeadsSource(stages=stages, amount="Deal")).tables
    assert rows(tables.outcomes.drop("occurred_at")) == [
        ("1", "accepted", datetime(2026, 1, 2, 9), None),
        ("1", "won", datetime(2026, 2, 1, 10), 500.0),
        ("2", "accepted", datetime(2026, 1, 5, 9), None),
        ("2", "lost", datetime(2026, 2, 2, 10), None),
    ]
    assert tables.stages == ("accepted", "won", "lost")
    assert tables.outcome_times
    assert tables.leads.columns == ("lead_id", "account_id", "created_at")


def test_where_each_lead_stands_now_does_not_tell_when_the_closed_ones_were_taken_up(tmp_path):
    leads = "lead_id,created_at,Stage,Since\n1,2026-01-01,Won,2026-02-01\n2,2026-01-01,SQL,2026-01-02\n3,2026-01-01,Lost,2026-01-09\n"
    outcome = OutcomeColumn(column="Stage", occurred_at="Since", accepted=["SQL"], won=["Won"], lost=["Lost"])
    snapshot = pulled(tmp_path, {"leads.csv": leads}, outcome=outcome)
    assert snapshot.tables.stages == ("won", "lost")
    assert "won and lost imply accepted, but when is not known" in snapshot.warnings[0]


def test_without_dates_a_lost_lead_was_taken_up_where_being_turned_down_is_another_word(tmp_path):
    leads = "lead_id,created_at,r\n1,2026-01-01,bought\n2,2026-01-01,visited\n3,2026-01-01,no show\n"
    outcome = OutcomeColumn(column="r", won=["bought"], lost=["visited"], rejected=["no show"])
    tables = pulled(tmp_path, {"leads.csv": leads}, outcome=outcome).tables
    stages = [("1", "accepted"), ("1", "won"), ("2", "accepted"), ("2", "lost"), ("3", "rejected")]
    assert rows(tables.outcomes, "lead_id", "stage") == stages
    assert tables.stages == ("accepted", "rejected", "won", "lost")


@pytest.mark.parametrize(("wins", "stages"), [(20, ("won",)), (19, ("accepted", "won"))])
def test_where_most_wins_lack_an_acceptance_none_is_guessed(tmp_path, wins, stages):
    leads = "lead_id,created_at\n" + "".join(f"{i},2026-01-01\n" for i in range(30))
    history = "lead_id,stage,occurred_at\n" + "".join(f"{i},won,2026-02-01\n" for i in range(wins))
    history += "29,accepted,2026-01-02\n"
    snapshot = pulled(tmp_path, {"leads.csv": leads, "outcomes.csv": history})
    assert snapshot.tables.stages == stages
    assert any("never accepted on record" in warning for warning in snapshot.warnings)


def test_outcomes_that_are_days_are_compared_with_creation_and_acceptance_by_day(tmp_path):
    leads = "lead_id,created_at\n1,2026-01-01 09:30\n2,2026-01-01 09:30\n"
    history = "lead_id,stage,occurred_at\n1,accepted,2026-01-01\n1,won,2026-01-01\n2,lost,2026-01-03\n"
    tables = pulled(tmp_path, {"leads.csv": leads, "outcomes.csv": history}).tables
    assert rows(tables.outcomes, "lead_id", "stage", "recorded_at") == [
        ("1", "accepted", datetime(2026, 1, 1, 9, 30)),
        ("1", "won", datetime(2026, 1, 1, 9, 30)),
        ("2", "lost", datetime(2026, 1, 3)),
    ]


def test_row_order_is_time_and_rows_without_ids_are_numbered(tmp_path):
    files = {
        "leads.csv": "size,deal\n"
        + "".join(f"{size},{'yes' if size % 2 else 'no'}\n" for size in range(5000))
    }
    outcome = OutcomeColumn(column="deal", won=["yes"], lost=["no"])
    tables = pulled(tmp_path, files, leads=LeadsSource(order="rows"), outcome=outcome).tables
    found = tables.leads.order_by("created_at").to_pyarrow().to_pydict()
    assert found["size"] == list(range(5000))
    assert found["lead_id"][:2] == ["row 1", "row 2"]
    assert found["created_at"][4999] == datetime(2000, 1, 1, 1, 23, 19)
    joined = tables.outcomes.inner_join(tables.leads, "lead_id")
    assert joined.filter(joined.recorded_at != joined.created_at).count().to_pyarrow().as_py() == 0


def test_no_order_at_all_is_said_loudly_and_does_not_depend_on_the_order_of_rows(tmp_path):
    lines = [f"{lead},{lead % 2}" for lead in range(200)]
    orders = []
    for name, order in (("a", lines), ("b", lines[::-1])):
        (tmp_path / name).mkdir()
        files = {"leads.csv": "\n".join(["lead_id,deal", *order, ""])}
        outcome = OutcomeColumn(column="deal", won=[1], lost=[0])
        snapshot = pulled(tmp_path / name, files, leads=LeadsSource(order="none"), outcome=outcome)
        assert snapshot.warnings == ("no dates: random split, figures are optimistic",)
        assert snapshot.tables.clock == "none"
        orders.append(snapshot.tables.leads.order_by("created_at").to_pyarrow()["lead_id"].to_pylist())
    assert orders[0] == orders[1] != [str(lead) for lead in range(200)]


@pytest.mark.slow
def test_what_is_dropped_is_asked_for_and_counted(tmp_path):
    files = {
        "leads.csv": "lead_id,created_at\n1,2026-01-01\n2,\n3,2025-01-01\n4,2026-01-02\n",
        "events.csv": "lead_id,kind,occurred_at\n1,visit,2026-01-01\n2,visit,2026-01-01\n3,visit,2026-01-01\n9,visit,2026-01-01\n",
        "outcomes.csv": "lead_id,stage,occurred_at\n"
        "1,accepted,2026-01-05\n1,won,2026-01-04\n4,lost,2025-12-31\n4,lost,2026-01-31\n9,won,2026-01-09\n",
    }
    snapshot = pulled(
        tmp_path,
        files,
        leads=LeadsSource(drop_incomplete=True, since="2026-01-01"),
        events=EventsSource(drop_unknown_leads=True),
        outcomes=OutcomesSource(drop_unknown_leads=True, drop_inconsistent=True),
    )
    assert snapshot.warnings == (
        "leads: 1 row incomplete was left out ([source.leads] drop_incomplete)",
        "leads: 1 row created before 2026-01-01 was left out ([source.leads] since)",
        "events: 1 row of unknown leads was left out ([source.events] drop_unknown_leads)",
        "outcomes: 1 row of unknown leads was left out ([source.outcomes] drop_unknown_leads)",
        "outcomes: 1 row dated before their lead was created was left out ([source.outcomes] drop_inconsistent)",
        "outcomes: 1 row closed before their lead was accepted was left out ([source.outcomes] drop_inconsistent)",
    )
    assert snapshot.counts == {"leads": 2, "events": 1, "outcomes": 2}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param(["1234,5", "7"], [1234.5, 7.0], id="decimal comma"),
        pytest.param(["€ 1.181,84", "7,00 €"], [1181.84, 7.0], id="euros"),
        pytest.param(['"$1,181.84"', "$7"], [1181.84, 7.0], id="dollars"),
        pytest.param(["45%", "7%"], [45.0, 7.0], id="percent"),
        pytest.param(["1.5", "N/A"], [1.5, None], id="a placeholder"),
        pytest.param(["0000-00-00 00:00:00", "2026-01-02"], [None, datetime(2026, 1, 2)], id="a zero date"),
        pytest.param(["13/02/2026 10:05", "01/02/2026"], [datetime(2026, 2, 13, 10, 5), datetime(2026, 2, 1)], id="day first"),
        pytest.param(['"02/13/2026, 01:05 PM"', ""], [datetime(2026, 2, 13, 13, 5), None], id="twelve hours"),
    ],
)  # fmt: skip
def test_a_column_is_read_in_the_one_way_that_fits_all_its_values(tmp_path, written, read):
    lines = "".join(f"{at},2026-01-01,{value}\n" for at, value in enumerate(written))
    text = "lead_id,created_at,x\n" + lines
    if "," in written[0] and '"' not in written[0]:
        text = text.replace(f"1,2026-01-01,{written[1]}", f'1,2026-01-01,"{written[1]}"').replace(
            f"0,2026-01-01,{written[0]}", f'0,2026-01-01,"{written[0]}"'
        )
    assert [
        value for _, value in rows(pulled(tmp_path, {"leads.csv": text}).tables.leads, "lead_id", "x")
    ] == read


def test_where_two_ways_fit_the_key_that_decides_is_named_and_decides(tmp_path):
    files = {"leads.csv": "lead_id,created_at,x\n1,03/04/2026,5\n2,05/04/2026,6\n"}
    said = refused(tmp_path, files)
    assert "'created_at' fits two ways, '%d/%m/%Y' and '%m/%d/%Y', such as '03/04/2026'" in said
    assert 'Say which: [source.leads] date_format = { "created_at" = "%d/%m/%Y" }' in said
    tables = pulled(tmp_path, files, leads=LeadsSource(date_format="%m/%d/%Y")).tables
    assert rows(tables.leads, "created_at") == [(datetime(2026, 3, 4),), (datetime(2026, 5, 4),)]


def test_an_amount_that_both_decimal_marks_fit_is_refused_until_one_is_named(tmp_path):
    amounts = {"leads.csv": 'lead_id,created_at,x\n1,2026-01-01,"1,234"\n2,2026-01-01,"5,678"\n'}
    assert "'x' fits two ways, the decimal point and the decimal comma" in refused(tmp_path, amounts)
    tables = pulled(tmp_path, amounts, leads=LeadsSource(decimal={"x": ","})).tables
    assert rows(tables.leads, "x") == [(1.234,), (5.678,)]


def test_how_a_column_was_read_is_said_and_holds_for_new_leads(tmp_path):
    files = {"leads.csv": "lead_id,created_at,x\n1,2026-01-01,13/02/2026\n2,2026-01-01,01/02/2026\n"}
    snapshot = pulled(tmp_path, files)
    assert "'x' is written like '13/02/2026' and read by '%d/%m/%Y', which alone fits" in snapshot.warnings[0]
    assert ways_of(read_note(snapshot.folder).columns, "leads") == {"x": "%d/%m/%Y"}
    fresh = tmp_path / "fresh.csv"
    fresh.write_text("lead_id,created_at,x\n9,2026-02-01,03/04/2026\n")
    source = SourceSettings(url=f"files:{tmp_path}")
    again = pull(source, Horizons(convert_days=30), home=tmp_path / "home", until=NOW, leads_file=fresh)
    assert ("9", datetime(2026, 4, 3)) in rows(again.tables.leads, "lead_id", "x")
    fresh.write_text("lead_id,created_at,x\n9,2026-02-01,03/14/2026\n")
    with pytest.raises(LeadsieveError, match="1 row holds no time in 'x'"):
        pull(source, Horizons(convert_days=30), home=tmp_path / "home", until=NOW, leads_file=fresh)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("45992", datetime(2025, 12, 1)),
        ("1764547200000", datetime(2025, 12, 1)),
        ("1764547200", datetime(2025, 12, 1)),
    ],
)
def test_a_named_time_may_be_a_number(tmp_path, written, read):
    tables = pulled(tmp_path, {"leads.csv": f"lead_id,created_at\n1,{written}\n"}).tables
    assert rows(tables.leads, "created_at") == [(read,)]


# ── what was decided before ──


def again(tmp_path, first, second, **leads):
    """What the second content of a file is read as, or refused with, after the first was pulled."""
    pulled(tmp_path, {"leads.csv": first}).close()
    (tmp_path / "leads.csv").write_text(second)
    source = SourceSettings(url=f"files:{tmp_path}", leads=LeadsSource(**leads))
    return pull(source, Horizons(convert_days=30), home=tmp_path / "home", until=NOW)


def leads_with(*values, at="2026-01-01"):
    return "lead_id,created_at,x\n" + "".join(f'{row},{at},"{value}"\n' for row, value in enumerate(values))


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        pytest.param(
            ["1.234,5", "7"], ["1.234", "999"], [1234.0, 999.0], id="points that look like decimals"
        ),
        pytest.param(["12.5", "7"], ["1,234", "7"], [1234.0, 7.0], id="commas that look like decimals"),
        pytest.param(["13/02/2026"], ["01/02/2026"], [datetime(2026, 2, 1)], id="dates that fit two ways"),
    ],
)
def test_tonights_file_is_read_like_last_months(tmp_path, first, second, read):
    snapshot = again(tmp_path, leads_with(*first), leads_with(*second))
    assert rows(snapshot.tables.leads, "x") == sorted([(each,) for each in read], key=str)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            ["1.234,5", "7"],
            ["12.5", "7"],
            '\'x\' was read by the decimal comma in the pull before, which 1 of its values .* decimal = { "x" = "\\." }',
        ),
        (
            ["13/02/2026"],
            ["02/13/2026"],
            'read by \'%d/%m/%Y\' in the pull before, .* date_format = { "x" = "%m/%d/%Y" }',
        ),
    ],
)
def test_a_column_that_is_written_in_another_way_than_last_time_is_refused_and_the_key_named(
    tmp_path, first, second, said
):
    with pytest.raises(LeadsieveError, match=said):
        again(tmp_path, leads_with(*first), leads_with(*second))


def test_the_key_that_decides_wins_over_the_pull_before(tmp_path):
    tables = again(tmp_path, leads_with("1.234,5", "7"), leads_with("12.5", "7"), decimal={"x": "."}).tables
    assert rows(tables.leads, "x") == [(12.5,), (7.0,)]


def test_another_separator_or_encoding_than_last_time_is_said(tmp_path):
    text = leads_with("Köln")
    pulled(tmp_path, {"leads.csv": text}).close()
    said = pulled(tmp_path, {"leads.csv": text.replace(",", ";").encode("cp1252")}).warnings
    assert "leads: the separator is ';', which was ',' in the pull before" in said
    assert any("the encoding is" in each for each in said)


# ── values ──


def test_plain_numbers_whose_points_may_part_thousands_are_refused_until_a_key_decides(tmp_path):
    files = {"leads.csv": leads_with("1.234", "999", "12.500")}
    assert "'x' fits two ways, the decimal point and the decimal comma" in refused(tmp_path, files)
    assert rows(pulled(tmp_path, files, leads=LeadsSource(decimal=",")).tables.leads, "x") == [
        (1234.0,),
        (12500.0,),
        (999.0,),
    ]
    (tmp_path / "other").mkdir()
    fractions = pulled(tmp_path / "other", {"leads.csv": leads_with("0.234", "1.234")})
    assert rows(fractions.tables.leads, "x") == [
        (0.234,),
        (1.234,),
    ]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("Yes", "no"),
        ("Ja", "Nein"),
        ("OUI", "non"),
        ("sí", "no"),
        ("vero", "falso"),
        ("sim", "não"),
        ("ja", "nee"),
    ],
)
def test_yes_and_no_are_1_and_0_in_the_commonest_languages(tmp_path, yes, no):
    snapshot = pulled(tmp_path, {"leads.csv": leads_with(yes, no, "n/a")})
    assert rows(snapshot.tables.leads, "x") == [(0.0,), (1.0,), (None,)]


def test_times_empty_words_and_texts_are_said_by_column(tmp_path):
    head = "lead_id,created_at,seen,code,note\n"
    files = {"leads.csv": head + "1,2026-01-01 12:00,2026-01-01 12:00,007,0\n2,2026-01-02,2026-01-02,8,x\n"}
    mapping = LeadsSource(timezone={"seen": "Europe/Berlin"}, empty={"note": ["0"]}, text=["code"])
    leads = pulled(tmp_path, files, leads=mapping).tables.leads
    assert rows(leads, "created_at", "seen", "code", "note")[0] == (
        datetime(2026, 1, 1, 12),
        datetime(2026, 1, 1, 11),
        "007",
        None,
    )
    with pytest.raises(ValueError, match="no time zone is called 'Mars'"):
        LeadsSource(timezone={"seen": "Mars"})


@pytest.mark.parametrize("separator", ["ab", "", '"', "\n"])
def test_a_separator_is_one_character_or_refused_in_a_sentence(separator):
    with pytest.raises(ValueError, match="is no separator; say one character"):
        LeadsSource(separator=separator)


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        pytest.param(["Mail;Demo", "Demo", "Call; Mail"], ";", id="semicolons"),
        pytest.param(["Mail, Demo", "Demo", "Demo,Mail"], ",", id="commas, in any order"),
        pytest.param(["Berlin, DE", "Bonn, DE", "Paris, FR"], None, id="a city and its country"),
        pytest.param([f"a{n}; b{n}" for n in range(3)], None, id="texts that hold a semicolon"),
    ],
)
def test_cells_that_hold_the_same_few_values_again_and_again_are_lists(tmp_path, cells, mark):
    values = [
        each if mark else f"{each}{row}" * (len(cells[0]) > 9 or 1) for row in range(20) for each in cells
    ]
    values = values if mark or "DE" not in cells[0] else [each for _ in range(20) for each in cells]
    snapshot = pulled(tmp_path, {"leads.csv": leads_with(*values)})
    assert lists_of(read_note(snapshot.folder).columns) == ({"x": mark} if mark else {})
    told = pulled(tmp_path, {"leads.csv": leads_with(*values)}, leads=LeadsSource(list_separator={"x": "/"}))
    assert told.tables.lists == {"x": "/"}

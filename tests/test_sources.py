"""Sources: what can be wrong with an address, a file or a column, and how files of text become typed tables."""

import gzip
import importlib
import traceback

import pytest

from features.errors import UnreachableError, UsageError
from pipelines.addresses import redacted, without_secrets
from pipelines.sources.connections import open_source
from pipelines.sources.mapping import LeadsSource, SourceSettings
from tests.pulling import LEADS, pulled, refused, rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words


# ── addresses ──


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nowhere", UsageError, "'nowhere' is no address of a source; a source is one of files:FOLDER"),
        ("file:exports", UsageError, "did you mean 'files:'?"),
        ("files:/no/such/folder", UsageError, "folder '/no/such/folder' does not exist"),
        ("duckdb:/no/such.duckdb", UsageError, "there is no DuckDB file '/no/such.duckdb'"),
        (
            "postgresql://ann:geheim@host:port/crm",
            UsageError,
            "write special characters of a password as %40",
        ),
        ("simulated:?leeds=3", UsageError, "leeds"),
    ],
)
def test_a_wrong_address_is_a_wrong_usage_and_says_what_is_wrong(url, error, words):
    with pytest.raises(error, match=r".") as raised:
        open_source(url)
    assert words in str(raised.value)
    assert raised.value.exit_code == 2
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("scheme", "driver"),
    [("snowflake", "snowflake.connector"), ("bigquery", "google.cloud.bigquery"), ("spark", "pyspark")],
)
def test_an_absent_extra_is_named_in_one_line(scheme, driver, monkeypatch):
    real = importlib.import_module

    def without(name, *args):
        if name == driver:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(UsageError) as raised:
        open_source(f"{scheme}://somewhere/db")
    assert (
        str(raised.value) == f"{scheme}: needs an extra; install it with: pip install 'leadsieve[{scheme}]'"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@db/crm", "postgresql://ann:***@db/crm"),
        ("postgresql://ann:p@ss/w:rd#?@db/crm", "postgresql://ann:***@db/crm"),
        ("postgresql://db/crm?user=ann&password=pw", "postgresql://db/crm?user=ann&password=***"),
        (
            "snowflake://ann:pw@acc/db?passcode=1&authenticator_token=pw",
            "snowflake://ann:***@acc/db?passcode=***&authenticator_token=***",
        ),
        ("files:exports", "files:exports"),
    ],
)
def test_passwords_are_hidden_wherever_an_address_has_them(url, shown):
    assert redacted(url) == shown
    assert SourceSettings(url=url).model_dump(mode="json")["url"] == shown
    assert "pw" not in repr(SourceSettings(url=url))


def test_a_driver_that_repeats_the_password_is_cut_short():
    url = "postgresql://ann:gehe%21m@db/crm"
    assert (
        without_secrets("no entry for ann with gehe!m or gehe%21m", url) == "no entry for ann with *** or ***"
    )


def test_no_password_is_left_in_a_chain_of_errors(monkeypatch):
    psycopg = pytest.importorskip("psycopg")

    def chatty(*args, **kwargs):
        try:
            raise ValueError("bad conninfo: password=geheim")
        except ValueError as cause:
            raise psycopg.OperationalError("could not log in with geheim") from cause

    monkeypatch.setattr(psycopg, "connect", chatty)
    url = "postgresql://ann:{}@db/crm".format("geheim")
    with pytest.raises(UnreachableError) as raised:
        open_source(url)
    shown = "".join(traceback.format_exception(raised.value)).replace('.format("geheim")', "")
    assert "geheim" not in shown
    assert "could not log in with ***" in str(raised.value)


# ── tables and columns that are not there ──


def test_an_absent_file_is_named_with_those_there_are(tmp_path):
    said = refused(tmp_path, {"leads.csv": LEADS}, leads=LeadsSource(table="lead.csv"))
    assert said == (
        "table 'lead.csv' breaks its contract in 1 place; nothing was stored.\n"
        f"  table: no such table in files:{tmp_path}; it has leads.csv. Did you mean 'leads.csv'."
    )


def test_leads_without_ids_are_told_how_they_can_do_without(tmp_path):
    said = refused(tmp_path, {"leads.csv": "age,y\n30,1\n"}, leads=LeadsSource(order="none"))
    assert (
        'Name the column in [source.leads] lead_id; where row order is time, say [source.leads] order = "rows"'
        in said
    )


def test_all_absent_columns_are_named_at_once(tmp_path):
    said = refused(
        tmp_path,
        {"leads.csv": "Lead_Id,created,size\n1,2026-01-01,5\n"},
        leads=LeadsSource(attributes=["sise"]),
    )
    assert (
        "no such column; there are Lead_Id, created, size. Did you mean 'created'? Name the column in [source.leads] created_at."
        in said
    )
    assert "Did you mean 'size'?" in said
    assert "in 3 places" in said


def test_a_name_that_means_two_files_has_to_be_said_in_full(tmp_path):
    with pytest.raises(UsageError, match=r"may be leads\.csv or leads\.tsv"):
        pulled(tmp_path, {"leads.csv": LEADS, "leads.tsv": LEADS})


@pytest.mark.parametrize("name", ["LEADS.CSV", "Leads.csv", "leads.CSV"])
def test_a_file_whose_name_is_in_capitals_is_found(tmp_path, name):
    assert pulled(tmp_path, {name: LEADS}).counts == {"leads": LEADS.count("\n") - 1}


# ── files that are not CSV ──


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "it looks like an Excel workbook"),
        (b"\x89PNG\r\n\x1a\n", "it looks like a picture"),
        (b"PAR1rest", "it looks like a Parquet file"),
        (b"\xff\xfel\x00e\x00,\x00a", "it breaks off in the middle of a letter"),
        (b"lead_id,created_at\n1,\x00\n", "it holds bytes that no text has"),
        (b"<!DOCTYPE html><html>", "it looks like a web page"),
        (b"  \n", "it is empty"),
        (b"lead_id,created_at\n1,2026-01-01\n2,M\x81ller\n", "neither in UTF-8 nor in Windows-1252"),
        (
            b"lead_id,created_at\n1,2026-01-01\n2,2026-01-01,3\n",
            "line 3 has 3 values where there are 2 columns",
        ),
        (b"some prose\nwithout any table\n", "there is only 'some prose'. Is it a CSV file?"),
    ],
)
def test_a_file_that_is_not_csv_is_told_apart(tmp_path, content, words):
    said = refused(tmp_path, {"leads.csv": content})
    assert words in said
    assert "nothing was stored" in said


def test_a_file_that_is_not_parquet_is_told_apart(tmp_path):
    assert "'leads.parquet' is not a Parquet file" in refused(tmp_path, {"leads.parquet": b"nonsense"})


@pytest.mark.parametrize(("name", "between"), [("leads.csv", ";"), ("leads.tsv", "\t"), ("leads.csv", "|")])
def test_the_separator_is_found_out(tmp_path, name, between):
    assert rows(pulled(tmp_path, {name: LEADS.replace(",", between)}).tables.leads, "lead_id", "size") == [
        ("1", 5.0),
        ("2", 7.0),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LEADS.encode("utf-16"), id="UTF-16"),
        pytest.param(LEADS.replace(",", "\t").encode("utf-16"), id="UTF-16 with tabs"),
        pytest.param(LEADS.replace("\n", "\r").encode(), id="line ends of an old Macintosh"),
        pytest.param(LEADS.replace("\n", "\r\n").encode(), id="line ends of Windows"),
        pytest.param(b"sep=;\r\n" + LEADS.replace(",", ";").replace("\n", "\r\n").encode(), id="a hint"),
        pytest.param(b"\xef\xbb\xbfsep=|\n" + LEADS.replace(",", "|").encode(), id="a hint behind a mark"),
    ],
)
def test_however_a_spreadsheet_writes_text_its_rows_are_the_same(tmp_path, content):
    leads = pulled(tmp_path, {"leads.csv": content}).tables.leads
    assert rows(leads, "lead_id", "size") == [("1", 5.0), ("2", 7.0)]


def test_a_separator_may_be_said_and_a_file_compressed(tmp_path):
    content = gzip.compress(LEADS.replace(",", "^").encode())
    assert pulled(tmp_path, {"leads.csv.gz": content}, leads=LeadsSource(separator="^")).counts == {
        "leads": 2
    }

"""Files as people export them: whatever stands around a table or however it is written, its rows are the same,
and what was taken for granted is said once.
"""

import csv
import gzip
import io
import random
from contextlib import closing

import pytest

from features.errors import ContractError
from pipelines.sources.connections import open_source
from pipelines.sources.mapping import LeadsSource
from pipelines.sources.reading.layout import layout_of
from tests.pulling import pulled, refused, rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 asks DuckDB 2 in its old words

NAMES = ["lead_id", "created_at", "city", "size", "note"]
ROWS = [
    [f"L{at:03d}", f"2026-01-{at + 1:02d} 08:00:00", ["Köln", "Bern", "Łódź"][at % 3], str(at * 1.5), ""]
    for at in range(12)
]
TRUTH = sorted((row[0], row[2], float(row[3])) for row in ROWS)


def text(body=ROWS, names=NAMES, *, between=",", end="\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=between, lineterminator=end).writerows([names, *body])
    return out.getvalue()


def read(folder, content, encoding=None):
    """The rows of a file as it is read, and what is said of it."""
    (folder / "leads.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with closing(open_source(f"files:{folder}")) as source:
        table = source.table("leads", encoding=encoding)
        found = [(lead, city, float(size)) for lead, city, size in rows(table, "lead_id", "city", "size")]
        return found, source.remarks("leads")


WESTERN = text([[*row[:2], row[2].replace("Łódź", "Žilina – €"), *row[3:]] for row in ROWS])


# ── encodings ──


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        pytest.param(text().encode("utf-8-sig"), None, False, id="UTF-8 with a mark"),
        pytest.param(text().encode("utf-16"), None, False, id="UTF-16"),
        pytest.param(b"\xfe\xff" + text().encode("utf-16-be"), None, False, id="UTF-16 of the other end"),
        pytest.param(text().encode("windows-1250"), "windows-1250", False, id="named"),
        pytest.param(WESTERN.encode("windows-1252"), None, True, id="Windows-1252"),
    ],
)
def test_letters_are_right_in_every_usual_encoding_and_a_guess_is_said(tmp_path, content, encoding, said):
    found, warnings = read(tmp_path, content, encoding)
    western = [(lead, city.replace("Łódź", "Žilina – €"), size) for lead, city, size in TRUTH]
    assert found == (western if said else TRUTH)
    assert [each for each in warnings if "was read as Windows-1252" in each] == list(warnings)
    assert len(warnings) == said


def test_a_broken_letter_among_whole_ones_is_damage_and_no_other_encoding(tmp_path):
    said = refused(tmp_path, {"leads.csv": text().encode().replace("Łódź".encode(), "Łódź".encode()[1:], 1)})
    assert "it holds bytes that are no text in UTF-8, about at line 4" in said


def test_bytes_of_no_usual_encoding_ask_for_its_name(tmp_path):
    said = refused(tmp_path, {"leads.csv": text().encode("windows-1250").replace(b"\x9f", b"\x8d")})
    assert (
        'neither in UTF-8 nor in Windows-1252; name its encoding, such as encoding = "windows-1250"' in said
    )


def test_an_encoding_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="no encoding is called 'latin-42'"):
        LeadsSource(encoding="latin-42")


# ── lines around the table ──

FOOTERS = {
    "a report's": '\n"Grand Totals (12 records)"\n"Confidential"\n"Copyright (c) Example, Inc."\n',
    "without quotes, with a comma": "Confidential, do not share\nCopyright (c) 2026 Example, Inc.\n",
    "padded": ",,,,\nGrand Totals,,,,\nConfidential,,,,\n",
    "with a sum": "Total,,,99.0,\n",
    "with a count": "12 records,,,,\nExported by Ann on 2026-02-01,,,,\n",
    "in German": "Summe: 12,,,,\nVertraulich,,,,\n",
}
TITLES = {
    "a report's": "Leads of all teams\nFilter: all\n\n",
    "padded": "Leads of all teams,,,,\n,,,,\n",
    "with commas": '"Leads, all teams"\nas of 2026-02-01\n',
}


@pytest.mark.parametrize("footer", FOOTERS.values(), ids=FOOTERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_footer_below_the_last_row_is_no_lead_and_is_said(tmp_path, footer, end):
    found, warnings = read(tmp_path, (text() + footer).replace("\n", end))
    assert found == TRUTH
    assert len(warnings) == 1
    assert "below its last row" in warnings[0]


@pytest.mark.parametrize("title", TITLES.values(), ids=TITLES)
@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_title_lines_above_the_names_are_no_names_and_are_said(tmp_path, title, between):
    found, warnings = read(tmp_path, title.replace(",,,,", 4 * between) + text(between=between))
    assert found == TRUTH
    assert len(warnings) == 1
    assert "above the names of its columns" in warnings[0]


@pytest.mark.parametrize("blank", ["\n", ",,,,\n", "\n\n,,,,\n,,,,\n"])
def test_blank_lines_around_a_table_say_nothing_and_are_not_mentioned(tmp_path, blank):
    assert read(tmp_path, "\n\n" + text() + blank) == (TRUTH, ())


def test_everything_at_once_is_read_like_the_plain_file(tmp_path):
    content = WESTERN.replace("\n", "\r\n").encode("windows-1252")
    found, warnings = read(tmp_path, b"Leads\r\n\r\n" + content + b"\r\nTotal \x96 12,,,,\r\n")
    assert [row[0] for row in found] == [row[0] for row in TRUTH]
    assert "Žilina – €" in {row[1] for row in found}
    assert len(warnings) == 3


def test_a_line_that_does_not_fit_below_title_lines_is_named_by_its_place_in_the_file(tmp_path):
    assert "line 17 has 6 values" in refused(
        tmp_path, {"leads.csv": "Leads\n\n\n" + text() + "L9,b,c,d,e,f\n"}
    )


def test_a_last_row_that_is_short_or_empty_is_never_taken_for_a_footer(tmp_path):
    chance = random.Random(5)
    ends = [["L012", *([""] * 4)], ["L012"], ["L0"], ["x7f3q", "", "", "", ""], ["4711", "", "", "", ""]]
    for at in range(40):
        full = ["L012", "2026-02-01 08:00:00", "Bern", "3", "Total of nothing"]
        kept = {0} | set(chance.sample(range(1, 5), chance.randrange(4)))
        ends.append([cell if place in kept else "" for place, cell in enumerate(full)])
        if at % 2:
            ends[-1] = ends[-1][: chance.randrange(1, 6)]
    for last in ends:
        (tmp_path / "leads.csv").write_text(text() + ",".join(last) + "\n")
        assert layout_of(tmp_path / "leads.csv").below == (), last


@pytest.mark.parametrize(("begins", "last"), [("Lead ", "Lead of nobody"), ("Total ", "Total of all")])
def test_where_rows_themselves_look_like_a_footer_the_last_one_is_judged_as_a_row(tmp_path, begins, last):
    body = [[begins + row[0], *row[1:]] for row in ROWS]
    said = refused(tmp_path, {"leads.csv": text(body) + last + ",,,,\n"})
    assert "created_at: 1 row is empty" in said


@pytest.mark.parametrize("between", [",", ";", "|"])
def test_a_row_of_data_is_never_taken_for_the_names(tmp_path, between):
    """A line of names with fewer cells than the rows is refused as it always was."""
    body = [[*row, "x", "y", "z"] for row in ROWS]
    assert "nothing was stored" in refused(tmp_path, {"leads.csv": text(body, between=between)})


def test_the_separator_is_the_one_that_makes_rows_of_one_width(tmp_path):
    body = [[row[0], row[1], f"{row[2]}, {row[2]}, {row[2]}", row[3].replace(".", ","), ""] for row in ROWS]
    plain = (
        "\n".join(";".join(row) for row in [[*NAMES[:4], "note, or two, or, three, or, four"], *body]) + "\n"
    )
    snapshot = pulled(tmp_path, {"leads.csv": plain})
    assert rows(snapshot.tables.leads, "lead_id", "size") == [(lead, size) for lead, _, size in TRUTH]


def test_a_name_and_a_cell_may_break_over_lines(tmp_path):
    names = [*NAMES[:3], "size", "note\nof sales"]
    body = [[*row[:4], "one\nTotal 2 calls\nthree"] for row in ROWS]
    snapshot = pulled(tmp_path, {"leads.csv": text(body, names)})
    assert rows(snapshot.tables.leads, "note of sales") == [("one\nTotal 2 calls\nthree",)] * 12
    assert snapshot.warnings == ()


def test_a_file_without_a_last_line_end_is_read_and_said(tmp_path):
    found, warnings = read(tmp_path, text().rstrip("\n"))
    assert found == TRUTH
    assert warnings == ("leads.csv ends without a line end: if its last row is cut off, export it again",)


# ── rows that continue a lead ──


def test_rows_without_id_or_time_below_a_lead_continue_it_and_are_said(tmp_path):
    body = [each for row in ROWS for each in (row, ["", "", "", "", "call back"])]
    snapshot = pulled(tmp_path, {"leads.csv": text(body)})
    assert rows(snapshot.tables.leads, "lead_id", "city", "size") == TRUTH
    said = "12 rows have neither id nor time and few cells at all, such as 'call back' in 'note'"
    assert [said in each for each in snapshot.warnings] == [True]


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(["", "2026-01-05 08:00:00", "", "", ""], id="a time alone"),
        pytest.param(["", "", "Bern", "3", "x"], id="most cells"),
    ],
)
def test_a_lead_that_lost_its_id_is_no_such_row(tmp_path, lost):
    assert "lead_id: 1 row is empty" in refused(tmp_path, {"leads.csv": text([*ROWS[:5], lost, *ROWS[5:]])})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(text().encode() * 50)[:-40], id="breaks off"),
        pytest.param(b"\x1f\x8b" + gzip.compress(text().encode())[2:12] + b"xx" * 30, id="damaged"),
        pytest.param(text().encode(), id="none at all"),
    ],
)
def test_an_archive_that_cannot_be_unpacked_is_refused_in_a_sentence(tmp_path, content):
    with pytest.raises(ContractError, match="it is no gzip archive, or one that is damaged or breaks off"):
        pulled(tmp_path, {"leads.csv.gz": content})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\xef\xbb\xbf", b"\xff\xfe\n\x00", b" \n"])
def test_a_file_of_marks_and_blanks_alone_is_empty(tmp_path, content):
    assert "it is empty" in refused(tmp_path, {"leads.csv": content})

"""Pages that stand alone."""

import random
import re

import jinja2
import pytest
from matplotlib.figure import Figure

from pipelines.reports import page as pages
from pipelines.reports import render
from pipelines.reports.formats import chances, estimate, money, number, percent, sentence, short

HOSTILE = "<script>alert('x')</script>"
TEMPLATE = """
{{ part("shares", title) }}

{{ word }}

{{ table(["name", "share"], rows, numbers=[1]) }}

{{ bullets(rows[0]) }}

{{ picture("a line", "a " ~ word, word) }}

###### More {{ word }}

{{ code(word) }}

## The last
"""


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


@pytest.fixture
def words(monkeypatch) -> str:
    loader = jinja2.ChoiceLoader([jinja2.DictLoader({"trial.md": TEMPLATE}), render.TEMPLATES.loader])
    monkeypatch.setattr(render.TEMPLATES, "loader", loader)
    rows = [[HOSTILE, percent(0.125)], ["nothing", percent(None)]]
    return render.markdown("trial", title=HOSTILE, word=HOSTILE, rows=rows)


@pytest.fixture
def made(words) -> str:
    return pages.page(HOSTILE, words, {"a line": drawn()}, verdicts=[pages.Verdict(HOSTILE, "good")])


def test_what_the_data_say_is_text_on_a_page_and_never_part_of_it(made):
    assert "<script" not in made
    assert (
        made.count("&lt;script&gt;") == 13
    )  # the title of the page twice, that of the part in the contents and in the name of its table too
    assert made.count('scope="row">&lt;script&gt;') == 1


def test_a_page_asks_nobody_for_anything(made):
    assert not re.findall(r"""(?:(?:src|href)=["']|url\()(?!data:|#)""", made)
    assert "@import" not in made


def test_a_picture_says_what_it_shows_and_the_same_one_gives_the_same_text(made):
    assert re.search(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="a &lt;script&gt;', made)
    assert re.search(r"<figcaption>&lt;script&gt;", made)
    assert pages.as_uri(drawn()) == pages.as_uri(drawn())


def test_contents_lead_to_named_parts_and_what_is_folded_ends_with_the_next_heading(made):
    assert '<a href="#shares">&lt;script&gt;' in made
    assert '<h2 id="shares">&lt;script&gt;' in made
    assert re.search(
        r"<details><summary>More .*</summary>\n<pre>.*</pre>\n</details>\n<h2>The last</h2>", made, re.DOTALL
    )


def test_numbers_stand_to_the_right_and_an_absent_one_is_a_dash(made):
    assert '<td class="number">12.5 %</td>' in made
    assert '<td class="number">–</td>' in made
    assert '<th class="number" scope="col">share</th>' in made


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param(number(1234567.0), "1,234,567", id="thousands"),
        pytest.param(number(float("nan")), "–", id="no number"),
        pytest.param(number(-0.04, 1), "0.0", id="nothing has no sign"),
        pytest.param(number(-1.25, 2, sign=True), "−1.25", id="a minus"),
        pytest.param(number(0.5, 1, sign=True), "+0.5", id="a plus"),
        pytest.param(percent(0.125), "12.5 %", id="share"),
        pytest.param(money(-1234.5, "EUR"), "−EUR 1,234", id="amount"),
        pytest.param(money(12, "€"), "€12", id="amount in one letter"),
        pytest.param(estimate({"value": 0.5, "low": 0.4, "high": 0.6}, 1), "0.5 [0.4 – 0.6]", id="estimate"),
        pytest.param(estimate({"value": 0.5, "low": None, "high": None}, 1), "0.5", id="without an interval"),
        pytest.param(
            estimate({"value": 0.5, "low": 0.4, "high": 0.6}, 0, words=percent),
            "50 % [40 % – 60 %]",
            id="of shares",
        ),
        pytest.param(estimate(None), "–", id="no estimate"),
        pytest.param(chances(0.2801, 0.2849), "28 %", id="a range narrower than its rounding is one number"),
        pytest.param(chances(0.0412, 0.0414), "4.1 %", id="and so is one of small chances"),
        pytest.param(chances(0.244, 0.331), "between 24 and 33 %", id="a range that is wider"),
        pytest.param(chances(0.0412, 0.0997), "between 4.1 and 10 %", id="a small chance keeps a decimal"),
        pytest.param(chances(None, 0.3), "–", id="no range"),
        pytest.param(short("2026-03-01T08:15:00", 16), "2026-03-01 08:15", id="time"),
        pytest.param(short(1200), "row 1,200", id="row"),
    ],
)
def test_a_figure_is_written_in_one_way(written, shown):
    assert written == shown


# ── the terminal ──


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_text_and_tables_within_its_width_and_pipes_get_no_style(words, width):
    plain = render.terminal(words, width=width, styled=False)
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= width
    assert plain.startswith(HOSTILE)
    assert "a line" not in plain
    ends = [line for line in plain.splitlines() if line.endswith(("   share", " 12.5 %", "   –"))]
    assert len(ends) == 4  # one of them an item of the list
    assert {len(line) for line in ends if line.startswith("  ")} == {len(ends[0])}
    assert "\x1b" in render.terminal(words, width=width, styled=True)


def test_nothing_is_cut_off_in_a_list_or_a_table_however_narrow():
    long = "1" * 200
    rows = [["a word", long, "3"], ["x", "2", "the end"]]
    for words in (
        render.bullets([f"{long} the end"]),
        render.table(["one", "two", "three"], rows, numbers=[1]),
    ):
        plain = render.terminal(words, width=50, styled=False)
        assert plain.count("1") == 200
        assert max(map(len, plain.splitlines())) <= 50
        assert "the end" in plain


def test_a_path_or_a_line_to_copy_that_is_longer_than_the_terminal_is_wide_stays_whole():
    path = "/".join(["folder"] * 30)
    words = f"all decisions: {path}\n\n{render.code(path)}"
    assert render.terminal(words, width=80, styled=False).split("\n\n") == [
        f"all decisions: {path}",
        f"  {path}",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("it is so", "It is so."),
        ("it is so.", "It is so."),
        ("pass_through = 0.05: 5 %", "pass_through = 0.05: 5 %."),
        ("forced = 0: none", "forced = 0: none."),
    ],
)
def test_a_sentence_begins_with_a_capital_letter_unless_a_setting_comes_first(words, said):
    assert sentence(words) == said


@pytest.mark.slow
def test_what_the_data_say_is_read_as_written_wherever_it_stands_in_markdown():
    draw = random.Random(1)
    pieces = [*"ab1 -+#=*_`~[]()!<>|\\&;:.\"'/ ", "amp;", "http://", "**", "__", "](", "]: ", "1. ", "\n"]
    for _ in range(4000):
        words = "".join(draw.choice(pieces) for _ in range(draw.randint(1, 12)))
        shown = render.as_text(words)
        for around in ("{}", "- {}", "1. {}", "| a |\n| --- |\n| {} |", "what: {}"):
            tokens = pages.PARSER.parse(around.format(shown))
            inline = [each for token in tokens if token.type == "inline" for each in token.children]
            assert {each.type for each in inline} <= {"text", "text_special"}, words
            assert "".join(each.content for each in inline).endswith(" ".join(words.split())), words

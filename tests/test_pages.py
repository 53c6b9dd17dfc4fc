"""Pages that stand alone."""

import random
import re

import jinja2
import pytest
from matplotlib.figure import Figure

from pipelines.reports import page as pages
from pipelines.reports import render
from pipelines.reports.formats import number, percent, sentence

TEMPLATE = """{% extends "base.html" %}{% from "parts.html" import picture, table, verdict, list %}
{% block title %}{{ title }}{% endblock %}
{% block main %}{{ verdict(word, "good") }}{{ table(["name", "share"], rows, numbers=[1], caption="Shares") }}{{ list(rows[0]) }}
{{ picture(figure, "a line", word) }}{% endblock %}"""
HOSTILE = "<script>alert('x')</script>"


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


@pytest.fixture
def made(monkeypatch) -> str:
    loader = jinja2.ChoiceLoader([jinja2.DictLoader({"trial.html": TEMPLATE}), pages.TEMPLATES.loader])
    monkeypatch.setattr(pages.TEMPLATES, "loader", loader)
    rows = [[HOSTILE, percent(0.125)], ["nothing", percent(None)]]
    return pages.page("trial.html", title=HOSTILE, word=HOSTILE, rows=rows, figure=drawn())


def test_what_the_data_say_is_text_on_a_page_and_never_part_of_it(made):
    assert "<script" not in made
    assert made.count("&lt;script&gt;") == 6  # the title twice


def test_a_page_asks_nobody_for_anything(made):
    assert not re.findall(r"""(?:(?:src|href)=["']|url\()(?!data:)""", made)
    assert "@import" not in made


def test_a_picture_says_what_it_shows_and_the_same_one_gives_the_same_text(made):
    assert re.search(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="a line">', made)
    assert pages._as_uri(drawn()) == pages._as_uri(drawn())


def test_numbers_stand_to_the_right_and_an_absent_one_is_a_dash(made):
    assert '<td class="number">12.5 %</td>' in made
    assert '<td class="number">–</td>' in made
    assert number(1234567.0) == "1,234,567"
    assert number(float("nan")) == "–"


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

"""Pages that stand alone."""

import re

import jinja2
import pytest
from matplotlib.figure import Figure

from pipelines.reports import render
from pipelines.reports.summaries import sentence

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
    loader = jinja2.ChoiceLoader([jinja2.DictLoader({"trial.html": TEMPLATE}), render.TEMPLATES.loader])
    monkeypatch.setattr(render.TEMPLATES, "loader", loader)
    rows = [[HOSTILE, render._percent(0.125)], ["nothing", render._percent(None)]]
    return render.page("trial.html", title=HOSTILE, word=HOSTILE, rows=rows, figure=drawn())


def test_what_the_data_say_is_text_on_a_page_and_never_part_of_it(made):
    assert "<script" not in made
    assert made.count("&lt;script&gt;") == 6  # the title twice


def test_a_page_asks_nobody_for_anything(made):
    assert not re.findall(r"""(?:(?:src|href)=["']|url\()(?!data:)""", made)
    assert "@import" not in made


def test_a_picture_says_what_it_shows_and_the_same_one_gives_the_same_text(made):
    assert re.search(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="a line">', made)
    assert render._as_uri(drawn()) == render._as_uri(drawn())


def test_numbers_stand_to_the_right_and_an_absent_one_is_a_dash(made):
    assert '<td class="number">12.5 %</td>' in made
    assert '<td class="number">–</td>' in made
    assert render._number(1234567.0) == "1,234,567"
    assert render._number(float("nan")) == "–"


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

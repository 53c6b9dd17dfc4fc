"""What a suspicious column gives away: its values as a few groups in words, with the outcome's share of each."""

import numpy as np
import pytest

from models.leakage.profiles import profile
from models.leakage.samples import draw
from pipelines.reports.plots.source import column_picture
from tests.test_leakage import END, Market


def told(**columns: np.ndarray):
    """The groups of the only column, each with its share of wins."""
    market = Market(leads=600)
    market.columns = {name: make(market) for name, make in columns.items()}
    [name] = columns
    return profile(market.learning, market.raw, draw(market.learning, 10_000, 0), name)


def scored(market: Market, days: np.ndarray) -> np.ndarray:
    """Days after each lead was to be scored, as times."""
    as_of = np.datetime64(END, "us") - (market.age * 86_400_000_000).astype(np.int64) * np.timedelta64(
        1, "us"
    )
    return as_of + (days * 86_400_000_000).astype(np.int64) * np.timedelta64(1, "us")


@pytest.mark.parametrize(
    ("days", "groups"),
    [
        pytest.param(
            [-400, -2.5, 0.5, 30],
            ["400 days before", "2.5 days before", "0.5 days after", "30 days after"],
            id="as single days",
        ),
        pytest.param(range(12), [f"{n} – {n + 1} days after" for n in (0, 2, 4, 6, 8, 10)], id="after"),
        pytest.param(
            np.arange(-5.5, 12.5), ["3.5 – 5.5 days before", "2.5 before – 0.5 days after"], id="across"
        ),
    ],
)
def test_a_date_is_told_in_days_from_when_the_lead_was_to_be_scored(days, groups):
    days = np.array(list(days), dtype=float)
    found = told(closed_on=lambda market: scored(market, np.resize(days, market.leads)))
    assert [words for words, _, _ in found.groups][: len(groups)] == groups


def test_numbers_and_texts_are_told_in_order_and_emptiness_last():
    found = told(amount=lambda market: np.where(market.won, np.arange(market.leads) % 3 * 1000.0, np.nan))
    assert [words for words, _, _ in found.groups] == ["0", "1,000", "2,000", "(empty)"]
    assert [share for _, _, share in found.groups] == pytest.approx([1, 1, 1, 0], abs=0.01)
    words = np.array([*"aaaabbbccdefghi"], dtype=object)
    found = told(word=lambda market: np.resize(words, market.leads))
    assert [said for said, _, _ in found.groups][:3] == ["a", "b", "c"]
    assert found.groups[-1][0] == "(others)"


def test_a_long_name_and_long_values_stay_inside_the_picture():
    name = "what matters most to you when you choose among all of our courses and seminars"
    values = np.array([f"{'very ' * 20}{end}" for end in "abc"], dtype=object)
    figure = column_picture(told(**{name: lambda market: np.resize(values, market.leads)}))
    figure.draw_without_rendering()
    texts = [figure.axes[0].title, *figure.texts, *figure.axes[0].get_yticklabels()]
    assert all(
        text.get_window_extent().x1 <= figure.bbox.x1 and text.get_window_extent().x0 >= 0 for text in texts
    )

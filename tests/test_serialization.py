"""What is kept comes back as it was, and what is told is JSON."""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from features.serialization import Floats, dump, load, plain


@dataclass(frozen=True)
class Inner:
    heights: Floats
    words: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Outer:
    terms: dict[int, Inner]
    figure: float | None
    at: datetime | None
    until: date
    delay: timedelta


AT = datetime(2026, 3, 4, 5, 6, 7, 8)
OUTER = Outer({3: Inner(np.array([0.1, 1 / 3]), (("a", "b"),))}, 0.1 + 0.2, AT, AT.date(), timedelta(hours=1))


def test_what_is_kept_is_read_again_to_the_bit():
    again = load(Outer, json.loads(json.dumps(dump(OUTER))))
    assert again.terms[3].heights.tobytes() == OUTER.terms[3].heights.tobytes()
    assert (again.figure, again.at, again.until, again.delay, again.terms[3].words) == (
        OUTER.figure, AT, AT.date(), timedelta(hours=1), (("a", "b"),),
    )  # fmt: skip


@pytest.mark.parametrize("figure", [np.inf, -np.inf, np.nan])
def test_infinity_and_nan_are_kept(figure):
    again = load(Outer, json.loads(json.dumps(dump(replace(OUTER, figure=figure)))))
    np.testing.assert_array_equal(again.figure, figure)
    again = load(Inner, json.loads(json.dumps(dump(Inner(np.array([np.inf, -np.inf, np.nan]))))))
    np.testing.assert_array_equal(again.heights, [np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("field", ["figure", "terms"])
def test_a_field_too_few_or_too_many_is_never_read(field):
    values = dump(OUTER)
    with pytest.raises(ValidationError, match="further"):
        load(Outer, values | {"further": 1})
    with pytest.raises(ValidationError, match="more"):
        load(Outer, values | {"terms": {"3": values["terms"]["3"] | {"more": 1}}})
    del values[field]
    with pytest.raises(ValidationError, match=field):
        load(Outer, values)


def test_what_is_told_is_json_and_null_where_there_is_no_figure():
    told = plain({"figures": (np.float32(0.5), np.nan, np.int64(3), np.bool_(True)), "of": Inner(np.nan)})
    assert json.loads(json.dumps(told, allow_nan=False)) == {
        "figures": [0.5, None, 3, True], "of": {"heights": None, "words": []},
    }  # fmt: skip
    assert plain(replace(OUTER, terms={}))["at"] == "2026-03-04T05:06:07.000008"

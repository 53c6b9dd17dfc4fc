"""What a column of text holds: its values without the blanks around them, and how many read as what."""

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.engine import local_engine
from pipelines.sources.reading.columns import BLANKS, profiles, word

CHARACTERS = f"aé1.,;-:/~!{BLANKS}\u00fc\U0001f600\u0301\u200d"
KINDS = (
    *("2024-01-05", "2024-01-05 10:00:00Z", "2024-01-05 10:00", "31/12/2024", "1.234", "12", "007", "1e3"),
    *("yes", "nein", "n/a", "-", "nan", "a;b", "a|b", "a,b", "Maria", " ", "", None, "unknown"),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return local_engine(tmp_path_factory.mktemp("engine"))


@given(texts=st.lists(st.text(CHARACTERS, max_size=6), min_size=1, max_size=300), mostly_plain=st.booleans())
@settings(max_examples=12, deadline=None)
def test_blanks_of_every_kind_around_a_text_are_no_part_of_it(engine, texts, mostly_plain):
    table = ibis.memtable({"text": texts}, schema={"text": "string"})
    read = engine.to_pyarrow(
        table.select(at=ibis.row_number(), text=word(table.text, mostly_plain=mostly_plain))
    ).sort_by("at")
    assert read["text"].to_pylist() == [text.strip(BLANKS) or None for text in texts]


@given(texts=st.lists(st.sampled_from(KINDS), min_size=1, max_size=200), only_time=st.booleans())
@settings(max_examples=12, deadline=None)
@pytest.mark.slow
def test_values_looked_at_once_each_are_counted_as_those_of_every_row(engine, texts, only_time):
    engine.create_table(
        "texts",
        ibis.memtable({"a": texts, "b": texts[::-1]}, schema={"a": "string", "b": "string"}),
        temp=True,
        overwrite=True,
    )
    table, times = engine.table("texts"), ["a"] if only_time else []

    def found(*, by_column):
        return profiles(table, ["a", "b"], lambda _: ("unknown",), times, by_column=by_column)

    assert found(by_column=True) == found(by_column=False)

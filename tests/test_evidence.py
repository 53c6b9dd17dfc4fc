"""The page of evidence comes from one command."""

import re

import pytest

from benchmarks.evidence import written


@pytest.mark.slow
def test_a_few_runs_make_the_whole_page_with_its_pictures(tmp_path):
    page = written(tmp_path / "docs", scale=0.01)
    text = page.read_text(encoding="utf-8")
    for picture in re.findall(r"\]\((evidence-\w+\.png)\)", text):
        assert (page.parent / picture).stat().st_size > 10_000
    assert text.count("\n|---|") == 9
    assert "nan" not in text

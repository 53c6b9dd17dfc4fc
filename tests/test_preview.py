"""Before a promotion: which leads another version would decide otherwise, by name."""

import pandas as pd

from pipelines.preview import changes, keep, kept
from pipelines.reports import summaries
from tests.commands import leadsieve
from tests.desks import make_desk


def decided(*rows: tuple[str, str, float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["lead_id", "grade", "score", "action"])


def test_who_would_be_held_or_let_go_comes_first_then_who_changes_grade_and_the_lists_are_compared():
    one = decided(
        ("L1", "A", 0.9, "hand off"), ("L2", "B", 0.5, "hand off"), ("L3", "D", 0.1, "hold"), ("L4", "C", 0.2, "hand off"), ("L5", "A", 0.8, "hand off")
    )  # fmt: skip
    other = decided(
        ("L1", "B", 0.5, "hand off"), ("L2", "D", 0.1, "hold"), ("L3", "C", 0.3, "hand off"), ("L4", "C", 0.2, "hand off"), ("L6", "A", 0.9, "hand off")
    )  # fmt: skip
    found = changes(one, other)
    told = [(each["lead_id"], each["what"], each["from"], each["to"]) for each in found["changes"]]
    assert told == [("L2", "held", "B", "D"), ("L3", "let go", "D", "C"), ("L1", "worse grade", "A", "B")]
    assert (found["leads"], found["held"], found["overlap"]) == (4, [1, 1], {"of": 1, "shared": 1})
    assert found["counts"] == {"held": 1, "let go": 1, "better grade": 0, "worse grade": 1}
    for each in found["changes"]:
        each["name"] = "Ann Smith"
    said = summaries.compare({"versions": ["1", "2"], **found, "shadow": None})
    assert "**Held:** Ann Smith (L2, B → D)." in said


def shown(tmp_path):
    desk = make_desk(tmp_path)
    found = changes(
        decided(("L1", "A", 0.9, "hand off"), ("L2", "B", 0.5, "hand off"), ("L3", "D", 0.1, "hold")),
        decided(("L1", "B", 0.5, "hand off"), ("L2", "D", 0.1, "hold"), ("L3", "C", 0.3, "hand off")),
    )
    keep(desk.home, {"versions": ["1", "2"], "as_of": "2026-03-01T08:00:00", **found})
    return desk


def test_the_desk_shows_the_latest_comparison_by_name_to_who_runs_the_filter(tmp_path):
    desk = shown(tmp_path)
    assert desk.browser("ann").get("/preview").status_code == 403
    text = " ".join(desk.browser("olga", "ops").get("/preview").text.split())
    assert "version 2 would do otherwise than version 1" in text
    for name, lead in (("Ann Smith", "L1"), ("Bob Braun", "L2"), ("Cleo Diaz", "L3")):
        assert f'<a href="/leads/{lead}">{name}</a>' in text
    assert "Would be held" in text
    assert "Of the 1 best of each, 1 are the same" in text


def test_the_desk_says_how_to_compare_where_nobody_has(tmp_path):
    text = make_desk(tmp_path).browser("olga", "ops").get("/preview").text
    assert "leadsieve compare" in text


def test_a_comparison_names_nobody_who_was_forgotten(tmp_path):
    desk = shown(tmp_path)
    assert "Ann" not in (desk.home / "preview.json").read_text(), "names are looked up when it is shown"
    desk.browser()
    said = leadsieve("forget", "L1", "--config", desk.home.parent / "crm.toml", home=desk.home)
    assert said.code == 0, said.err
    assert kept(desk.home) is None

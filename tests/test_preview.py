"""Before a promotion: which leads another version would decide otherwise, by name."""

import pandas as pd

from pipelines.preview import changes, words


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
    said = words({"versions": ["1", "2"], **found})
    assert "**Held:** Ann Smith (L2, B → D)." in said

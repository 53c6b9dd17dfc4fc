"""A watched champion: rows and choices for its template, for the terminal and as one page with its pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from features.labels import OUTCOMES
from pipelines.files import replaced
from pipelines.reports.formats import number, sentence, when
from pipelines.reports.page import Verdict, page
from pipelines.reports.render import markdown
from pipelines.reports.summaries import retrain

Result = Mapping[str, Any]

VERDICTS = {
    "steady": Verdict("steady: leave it as it is", "good"),
    "watch": Verdict("watch: something needs a look, nothing calls for training", "doubtful"),
    "retrain": Verdict("retrain: what it foretells does not come true any more", "bad"),
}
STANDS_OUT = 2.5  # standard deviations


def monitor(result: Result, *, page: Path | None = None) -> str:
    """The verdict first, why, and what to do; then the figures it rests on, and hints marked as hints."""
    return _markdown(result, pictures=(), page=page and str(page), whole=False)


def monitor_page(result: Result, pictures: Mapping[str, Figure]) -> str:
    """The same as HTML with every segment and the pictures."""
    decided = f"{number(result['decided'])} leads decided by version {result['version']}"
    return page(
        f"Version {result['version']}, watched",
        _markdown(result, pictures=pictures, page=None, whole=True),
        pictures,
        verdicts=[VERDICTS[result["verdict"]]],
        foot=decided + ("." if result["as_of"] is None else f", {when(result['as_of'])}."),
    )


def write_page(result: Result, pictures: Mapping[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(monitor_page(result, pictures), encoding="utf-8")
    return path


def _markdown(result: Result, *, pictures: Any, page: str | None, whole: bool) -> str:
    return markdown(
        "monitor",
        **{
            **result,
            "verdict": VERDICTS[result["verdict"]].words,
            "retrained": result["retrained"] and Markup(retrain(result["retrained"])),
        },
        outcomes=[_outcome(name, result, whole=whole) for name in result["watched"]],
        weeks=max((len(found["weeks"]) for found in result["watched"].values()), default=0),
        light=[
            hint["words"] for hint in result["hints"] if not hint["serious"]
        ],  # others are among the reasons
        hint_rows=[
            [
                each["about"],
                "look at the data" if each["serious"] else "a hint alone",
                sentence(each["words"]),
            ]
            for each in result["hints"]
        ],
        pictures=bool(pictures),
        page=page,
        whole=whole,
    )


def _outcome(name: str, result: Result, *, whole: bool) -> dict[str, Any]:
    """A row a segment: all leads, the grades and whatever stands out, or every one."""
    since = {
        (alarm["column"], alarm["group"]): alarm["since"]
        for alarm in result["alarms"]
        if alarm["outcome"] == name
    }
    segments = result["watched"][name]["segments"]
    shown = [
        each
        for each in segments
        if whole
        or each["column"] in (None, "grade")
        or (each["column"], each["group"]) in since
        or abs(each["z"][-1]) >= STANDS_OUT
    ]
    rows = [_segment(each, since.get((each["column"], each["group"]))) for each in shown]
    return {"came": OUTCOMES[name].did, "rows": rows, "more": len(segments) - len(shown)}


def _segment(each: Result, since: str | None) -> list[str]:
    ratio = f"× {number(each['observed'] / each['expected'], 2)}" if each["expected"] >= 1 else "–"
    return [
        "all leads" if each["column"] is None else f"{each['column']} {each['group']}",
        number(each["observed"]),
        number(each["expected"]),
        ratio,
        number(each["z"][-1], 1, sign=True),
        f"since {since}" if since else "",
    ]

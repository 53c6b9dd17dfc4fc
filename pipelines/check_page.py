"""A checked source as one HTML page with its pictures."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipelines.pages import page
from pipelines.sinks import replaced
from pipelines.wording import percent
from pipelines.wording_check import QUESTIONS, about, day, sample, words_of

MOODS = {"ready": "good", "ready, without a promise": "doubtful", "too little data": "bad"}
OVER_TIME = "over time: "


def write_page(result: dict[str, Any], pictures: dict[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(check_page(result, pictures), encoding="utf-8")
    return path


def check_page(result: dict[str, Any], pictures: dict[str, Figure]) -> str:
    """The ``check`` object of the interface and its pictures, as HTML."""
    ready, leaks = result["readiness"], {leak["column"]: leak for leak in result["leaks"]}
    counts = ("settled", "open", "unknown", "positives", "negatives")
    return page(
        "check.html",
        ready=ready,
        moods=MOODS,
        outcomes=[
            [words, *([f"{found[key]:,}" for key in counts] if (found := ready["outcomes"][name]) else ["–"] * 5)]
            for name, words in QUESTIONS.items()
        ],
        over_time=[(name.removeprefix(OVER_TIME), figure) for name, figure in pictures.items() if name.startswith(OVER_TIME)],
        columns=[(name, figure) for name, figure in pictures.items() if not name.startswith(OVER_TIME)],
        promises=[_promise(each) for each in ready["promises"]],
        mend=result["mend"],
        leaks=[
            _column(column, leaks.get(column["column"]))
            for column in sorted(result["tables"]["leads"]["columns"], key=lambda each: _order(leaks.get(each["column"])))
        ],
        detectors=[[each["detector"], sample(each)] for each in result["detectors"]],
        held=[_table(name, held) for name, held in result["tables"].items()],
        words=words_of(result["tables"]),
        warnings=result["warnings"],
        as_of=result["as_of"],
    )


def _table(name: str, held: dict[str, Any] | None) -> list[str]:
    if held is None:
        return [name, "none", "", "", ""]
    return [name, f"{held['rows']:,}", day(held["from"]), day(held["to"]), about(name, held)]


def _promise(each: dict[str, Any]) -> list[str]:
    needed, missing = ("–", each["why"]) if each["needed"] is None else (f"{each['needed']:,}", f"{each['missing']:,}")
    told = ["", missing] if each["needed"] is None else [missing, ""]
    if each["configured"]:
        told[1] = f"{told[1]} as configured".strip()
    return [f"{100 * each['max_lost_share']:g} %", each["of"], needed, *told]


def _column(column: dict[str, Any], leak: dict[str, Any] | None) -> list[str]:
    taken = column["used_as"] or f"not used: {column['not_used']}"
    verdict, why = ("", "") if leak is None else (leak["verdict"] + (", trusted" if leak["trusted"] else ""), leak["why"])
    return [column["column"], percent(column["empty"]), taken, verdict, "" if verdict == "ok" else why]


def _order(leak: dict[str, Any] | None) -> int:
    """What is to be looked at first."""
    return 3 if leak is None else ("known too late", "suspicious", "ok").index(leak["verdict"])

"""A checked source as one HTML page with its pictures."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipelines.pages import page
from pipelines.sinks import replaced
from pipelines.wording import percent, when
from pipelines.wording_check import about, day, not_promised, outcome_notes, outcome_rows, promise_rows, sample, wins, words_of

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
    problem, *others = (result["mend"] or "").splitlines() or [None]
    return page(
        "check.html",
        ready=ready,
        moods=MOODS,
        outcomes=outcome_rows(ready),
        notes=outcome_notes(ready),
        over_time=[(name.removeprefix(OVER_TIME), figure) for name, figure in pictures.items() if name.startswith(OVER_TIME)],
        columns=[(name, figure) for name, figure in pictures.items() if not name.startswith(OVER_TIME)],
        promises=promise_rows(ready),
        wins=wins(ready),
        unpromised=not_promised(ready),
        problem=problem,
        trusted=any(leak["trusted"] for leak in result["leaks"]),
        mends=[_mend(line) for line in others if not line.startswith(" ")],
        leaks=[
            _column(column, leaks.get(column["column"]))
            for column in sorted(result["tables"]["leads"]["columns"], key=lambda each: _order(leaks.get(each["column"])))
        ],
        detectors=[[each["detector"], sample(each)] for each in result["detectors"]],
        held=[_table(name, held) for name, held in result["tables"].items()],
        words=words_of(result["tables"]),
        warnings=result["warnings"],
        when="" if result["as_of"] is None else when(result["as_of"]),
    )


def _table(name: str, held: dict[str, Any] | None) -> list[str]:
    if held is None:
        return [name, "none", "", "", ""]
    return [name, f"{held['rows']:,}", day(held["from"]), day(held["to"]), about(name, held)]


def _mend(line: str) -> tuple[str, str]:
    """What to do in words, and what to write into the configuration."""
    words, section, key = line.removesuffix(".").partition("[features]")
    return (words, f"{section}\n{key.strip()}") if section else (line, "")


def _column(column: dict[str, Any], leak: dict[str, Any] | None) -> list[str]:
    taken = column["used_as"] or f"not used: {column['not_used']}"
    verdict, why = ("", "") if leak is None else (leak["verdict"] + (", trusted" if leak["trusted"] else ""), leak["why"])
    return [column["column"], percent(column["empty"]), taken, verdict, "" if verdict == "ok" else why]


def _order(leak: dict[str, Any] | None) -> int:
    """What is to be looked at first."""
    return 3 if leak is None else ("known too late", "suspicious", "ok").index(leak["verdict"])

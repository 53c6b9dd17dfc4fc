"""A watched champion as one HTML page with its pictures."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipelines.pages import page
from pipelines.sinks import replaced
from pipelines.wording_monitor import CAPITAL, TOLD, retrained, rows_of

MOODS = {"steady": "good", "watch": "doubtful", "retrain": "bad"}
ABOUT = {"serious": "look at the data", "plain": "a hint alone"}


def write_page(result: dict[str, Any], pictures: dict[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(monitor_page(result, pictures), encoding="utf-8")
    return path


def monitor_page(result: dict[str, Any], pictures: dict[str, Figure]) -> str:
    """The ``monitor`` object of the interface and its pictures, as HTML."""
    heads = ["segment", *(head for outcome in result["watched"] for head in (CAPITAL[outcome], "foretold", "ratio", "z", "alarm"))]
    return page(
        "monitor.html",
        result=result,
        told=TOLD[result["verdict"]],
        mood=MOODS[result["verdict"]],
        pictures=pictures,
        heads=heads,
        numbers=[place for place, head in enumerate(heads) if head not in ("segment", "alarm")],
        rows=rows_of(result["watched"], result["alarms"]),
        hints=[[hint["words"], hint["about"], ABOUT["serious" if hint["serious"] else "plain"]] for hint in result["hints"]],
        retrained=retrained(result["retrained"]) if result["retrained"] else [],
    )

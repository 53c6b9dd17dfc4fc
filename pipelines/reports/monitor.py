"""A watched champion in words for the terminal, and as one HTML page with its pictures."""

import textwrap
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from pipelines.files import replaced
from pipelines.reports.page import page
from pipelines.reports.plain import text, wrapped

TOLD = {
    "steady": "steady: leave it as it is",
    "watch": "watch: something needs a look, nothing calls for training",
    "retrain": "retrain: what it foretells does not come true any more",
}
STANDS_OUT = 2.5
CAPITAL = {"pursue": "taken up", "convert": "won"}
MOODS = {"steady": "good", "watch": "doubtful", "retrain": "bad"}
ABOUT = {"serious": "look at the data", "plain": "a hint alone"}


def monitored(result: dict[str, Any], *, page: Path | None = None) -> str:
    """The verdict first, why, and what to do; then the figures it rests on, and hints marked as hints."""
    lines = [
        f"version {result['version']} · {TOLD[result['verdict']]}",
        *(line for reason in result["reasons"] for line in bullet(reason, "·")),
    ]
    if result["steps"]:
        lines += [
            "",
            "What to do",
            *(line for at, step in enumerate(result["steps"], 1) for line in bullet(step, f"{at}.")),
        ]
    if result["retrained"]:
        lines += [
            "",
            "Trained anew, as the configuration asks",
            *(line for each in retrained(result["retrained"]) for line in wrapped(each)),
        ]
    if result["watched"]:
        weeks = len(next(iter(result["watched"].values()))["weeks"])
        lines += [
            "",
            f"Outcomes against what was foretold: {result['decided']:,} leads decided, the last {weeks} week{'s' * (weeks != 1)}",
        ]
        lines.append(_segments(result))
    hints = [
        hint["words"] for hint in result["hints"] if not hint["serious"]
    ]  # the serious ones are among the reasons
    if hints:
        lines += [
            "",
            "Hints: none of them alone says that the model is wrong",
            *(line for words in hints for line in bullet(words, "·")),
        ]
    if result["promise"]:
        lines += ["", "Is the promise kept?", *wrapped(result["promise"]["why"])]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    lines += [f"page: {page}"] * (page is not None)
    lines.append(" · ".join(f"{name} {spent:.1f} s" for name, spent in result["seconds"].items()))
    return "\n".join(lines)


def retrained(found: dict[str, Any]) -> list[str]:
    """What training at an alarm has come to."""
    if found["version"] is None:
        return [f"nothing was registered: {found['verdict']}", *found["reasons"]]
    said = "is the champion now" if found["promoted"] else "was not promoted: sales sees no change"
    return [f"version {found['version']} ({found['verdict']}) {said}", *found["reasons"]]


def rows_of(watched: dict[str, Any], alarms: list[dict[str, Any]]) -> list[list[str]]:
    """A row a segment: its name, and of each outcome how many came, how many were expected, the ratio, z, and
    since when it alarms.
    """
    raised = {(each["outcome"], each["column"], each["group"]): each["since"] for each in alarms}
    names = list(
        dict.fromkeys(
            (each["column"], each["group"]) for found in watched.values() for each in found["segments"]
        )
    )
    rows = []
    for column, group in names:
        row = ["all leads" if column is None else f"{column} {group}"]
        for outcome, found in watched.items():
            each = next(
                (each for each in found["segments"] if (each["column"], each["group"]) == (column, group)),
                None,
            )
            row += [""] * 5 if each is None else _figures(each, raised.get((outcome, column, group)))
        rows.append(row)
    return rows


def _figures(each: dict[str, Any], since: str | None) -> list[str]:
    ratio = f"× {each['observed'] / each['expected']:.2f}" if each["expected"] >= 1 else "–"
    return [
        f"{each['observed']:,}",
        f"{each['expected']:,.0f}",
        ratio,
        f"{each['z'][-1]:+.1f}".replace("-", "−"),
        f"since {since}" if since else "",
    ]


def _segments(result: dict[str, Any]) -> str:
    """All leads, the grades, and whatever else stands out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  segment")
    for outcome in result["watched"]:
        for head in (CAPITAL[outcome], "foretold", "ratio", "z"):
            table.add_column(head, justify="right")
        table.add_column("alarm")
    rows = rows_of(result["watched"], result["alarms"])
    shown = [row for row in rows if row[0].startswith(("all leads", "grade ")) or _stands_out(row)]
    for name, *figures in shown:
        table.add_row(f"  {name}", *figures)
    if len(rows) > len(shown):
        table.add_row(f"  and {len(rows) - len(shown)} more, as foretold")
    return text(table)


def _stands_out(row: list[str]) -> bool:
    return any(row[5::5]) or any(abs(float(z.replace("−", "-") or 0)) >= STANDS_OUT for z in row[4::5])


def bullet(words: str, mark: str) -> list[str]:
    return textwrap.wrap(words, 128, initial_indent=f"  {mark} ", subsequent_indent=" " * (3 + len(mark)))


def write_page(result: dict[str, Any], pictures: dict[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(monitor_page(result, pictures), encoding="utf-8")
    return path


def monitor_page(result: dict[str, Any], pictures: dict[str, Figure]) -> str:
    """The ``monitor`` object of the interface and its pictures, as HTML."""
    heads = [
        "segment",
        *(
            head
            for outcome in result["watched"]
            for head in (CAPITAL[outcome], "foretold", "ratio", "z", "alarm")
        ),
    ]
    return page(
        "monitor.html",
        result=result,
        told=TOLD[result["verdict"]],
        mood=MOODS[result["verdict"]],
        pictures=pictures,
        heads=heads,
        numbers=[place for place, head in enumerate(heads) if head not in ("segment", "alarm")],
        rows=rows_of(result["watched"], result["alarms"]),
        hints=[
            [hint["words"], hint["about"], ABOUT["serious" if hint["serious"] else "plain"]]
            for hint in result["hints"]
        ],
        retrained=retrained(result["retrained"]) if result["retrained"] else [],
    )

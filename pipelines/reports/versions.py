"""Promotions, rollbacks and the list of versions in words."""

import textwrap
from typing import Any

from rich.table import Table

from pipelines.reports.summaries import short, text

WIDTH = 132
HOW = {"forced": "forced", "rollback": "rollback", "by rule": ""}
NONE_YET = "no version has been registered yet. Train one first: leadsieve train"


def promotion(result: dict[str, Any]) -> str:
    """What sales sees from now on, or that it sees no change, and every reason."""
    if result["promoted"]:
        instead = "" if result["replaced"] is None else f" instead of version {result['replaced']}"
        lines = [f"version {result['version']} is the champion{instead}: from now on sales sees its scores"]
    else:
        lines = [f"version {result['version']} was not promoted: sales sees no change"]
    lines += [line for reason in result["reasons"] for line in _bullet(reason)]
    if not result["promoted"]:
        lines.append(f"To promote it all the same: leadsieve promote {result['version']} --force --why TEXT")
    return "\n".join(lines)


def versions(result: dict[str, Any]) -> str:
    """A line for each version, and below it for each time that it was the champion."""
    if not result["versions"]:
        return NONE_YET
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in ("version", "", "trained", "as of", "leads", "verdict", "AUC"):
        table.add_column(heading, justify="right" if heading in ("version", "leads", "AUC") else "left")
    for version in result["versions"]:
        leads, auc = version["leads"], version["auc"]
        table.add_row(
            version["version"],
            version["alias"] or "",
            _minute(version["trained_at"]),
            _minute(version["as_of"]),
            "–" if leads is None else f"{leads:,}",
            version["verdict"] or "–",
            "–" if auc is None else f"{auc:.3f}",
        )
    lines = [text(table), ""]
    lines += [line for version in result["versions"] for line in _history(version)]
    return "\n".join(lines).rstrip()


def _history(version: dict[str, Any]) -> list[str]:
    """When a version was champion and why, and that it was refused."""
    lines = []
    for reign in reversed(version["champion"]):
        until = f"to {_minute(reign['to'])}" if reign["to"] else "until now"
        notes = [
            HOW[reign["how"]],
            f"by {reign['who']}" if reign["who"] else "",
            f"instead of version {reign['replaced']}" if reign["replaced"] else "",
        ]
        said = ", ".join(note for note in notes if note)
        why = reign["why"] or (reign["reasons"] or [""])[0]
        lines += _bullet(
            f"version {version['version']} champion from {_minute(reign['from'])} {until}{f', {said}' if said else ''}: {why}"
        )
    if version["refused"]:
        lines += _bullet(
            f"version {version['version']} refused {_minute(version['refused']['at'])}: {version['refused']['reasons'][0]}"
        )
    return lines


def _bullet(words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent="  · ", subsequent_indent="    ")


def _minute(time: str | None) -> str:
    """A time to the minute, or the number of a row."""
    if time in (None, "", "None"):
        return "–"
    return short(int(time) if time.isdigit() else time, 16)

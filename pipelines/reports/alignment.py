"""What marketing and sales read together: rows for its template, for the terminal, as one page and on the desk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipelines.files import replaced
from pipelines.reports.formats import estimate, number, percent, short
from pipelines.reports.page import page
from pipelines.reports.render import markdown

Result = Mapping[str, Any]
TITLE = "What became of the leads"
STEPS = ("handed_off", "held", "answered", "accepted", "won")
STATES = {
    "won": "won",
    "in work": "taken up, still open",
    "waiting": "waiting, still open",
    "held": "held back",
    "lost": "lost",
    "no end": "taken up, no end on record",
    "rejected": "turned down",
    "unanswered": "never answered",
}


def definitions(words: Mapping[str, str], agreed: Mapping[str, Any]) -> dict[str, str]:
    """What each figure counts, in one sentence."""
    pursue, convert = (number(agreed[name]) for name in ("pursue_days", "convert_days"))
    return {
        "leads": f"every {words['lead']} that was created in the period",
        "handed_off": f"{words['handed_off']}: the filter gave it to sales, or a person pulled it out; empty before launch",
        "held": f"{words['held']}: the filter keeps it back; it is not deleted",
        "answered": f"{words['answered']}: sales took it up or turned it down, or it was closed",
        "accepted": f"{words['accepted']}: sales took it up; a win without that on record counts as taken up",
        "won": f"{words['won']}: became a customer, by now",
        "open": f"open: unanswered for less than {pursue} days, or taken up and undecided for less than {convert}. Open is not lost",
        "before": "a year before: the leads of the same months a year earlier, as they stood a year earlier, so that both had as much time",
        "times": f"among leads that had the whole time for it ({pursue} days to be answered, {convert} to be won), so that slow ones count too",
        "interval": "in brackets: where the figure would lie in 19 of 20 such periods by chance alone, accounts drawn again",
    }


def alignment(result: Result, *, page: Path | None = None) -> str:
    """Markdown of all figures, for the terminal."""
    return _markdown(result, pictures=(), page=page and str(page), whole=False)


def alignment_page(result: Result, pictures: Mapping[str, Figure]) -> str:
    """The same as HTML that stands alone, with pictures."""
    return page(TITLE, body(result, pictures), pictures, foot=f"As of {short(result['as_of'], 16)} (UTC).")


def body(result: Result, pictures: Mapping[str, Figure]) -> str:
    """The words of a page."""
    return _markdown(result, pictures=pictures, page=None, whole=True)


def write_page(result: Result, pictures: Mapping[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(alignment_page(result, pictures), encoding="utf-8")
    return path


def _markdown(result: Result, *, pictures: Any, page: str | None, whole: bool) -> str:
    words, found = result["words"], result["funnel"]
    said = {**definitions(words, result["agreed"])}
    return markdown(
        "alignment",
        **result,
        said=said,
        heads=["month", "leads", *(words[step] for step in STEPS), "open"],
        cohorts=[_cohort(each) for each in (*found["months"], found["total"])],
        steps=[_step(step, found, words) for step in STEPS],
        waits=[_wait(stage, each, words) for stage, each in found["times"].items()],
        period=period(result),
        pictures=bool(pictures),
        page=page,
        whole=whole,
    )


def period(result: Result) -> str:
    """Which leads it is about, in words."""
    asked = result["asked"]
    until = f"before {asked['until']}" if "until" in asked else f"until {short(result['as_of'])}"
    named = [
        f"{name} {asked[name]}" for name in ("channel", "campaign", "team", "rep", "grade") if name in asked
    ]
    return ", ".join([f"created from {asked['since']} {until}", *named])


def share(found: Result, places: int = 1) -> str:
    """A share with its interval; a dash where there is nothing to count."""
    return estimate(found["share"], places, words=percent) if found["of"] else "–"


def _cohort(each: Result) -> list[str]:
    before_launch = not _decided(each)
    shares = [
        "–"
        if before_launch and step in ("handed_off", "held")
        else percent(each["steps"][step]["share"]["value"], 0)
        for step in STEPS
    ]
    return [each["month"] or "all", number(each["leads"]), *shares, number(each["open"])]


def _decided(each: Result) -> int:
    """How many leads of a cohort the filter has decided: none before launch."""
    return each["steps"]["handed_off"]["count"] + each["steps"]["held"]["count"]


def _step(step: str, found: Result, words: Mapping[str, str]) -> list[str]:
    total, before = found["total"]["steps"][step], found["before"]
    if before and step in ("handed_off", "held") and not _decided(before):
        before = None
    moved = found["changes"].get(step) if before else None
    return [
        words[step],
        f"{number(total['count'])} of {number(total['of'])}",
        share(total),
        share(before["steps"][step]) if before else "–",
        _moved(moved),
    ]


def _moved(moved: Result | None) -> str:
    """A change in words, and whether chance alone explains it."""
    if moved is None or moved["low"] is None:
        return "–"
    points = f"{number(100 * moved['value'], 1, sign=True)} points"
    if moved["low"] > 0 or moved["high"] < 0:
        return f"{points}, more than chance"
    return f"{points}, may be chance"


def _wait(stage: str, each: Result, words: Mapping[str, str]) -> list[str]:
    start = "taken up" if stage == "won" else "came to sales"
    return [
        f"{start} → {words[stage]}",
        number(each["of"]),
        estimate(each["median"], 1),
        estimate(each["p90"], 1),
        number(each["waiting"]),
    ]

"""A checked source: rows and choices for its template, for the terminal and as one page with its pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from features.labels import OUTCOMES
from pipelines.files import replaced
from pipelines.reports.formats import number, percent, short, when
from pipelines.reports.page import Verdict, page
from pipelines.reports.render import markdown

Result = Mapping[str, Any]

VERDICTS = ("known too late", "suspicious", "ok")  # what is to be looked at first
SHOWN_WORDS = 8
MOST_EMPTY = 20  # columns that get a row each though nothing is in them
MOODS = {"ready": "good", "ready, without a promise": "doubtful", "too little data": "bad"}
OVER_TIME = "over time: "


def check(result: Result, *, page: Path | None = None, every: bool = False) -> str:
    """Readiness first, then the columns' verdicts, then what the tables hold; of ``every`` column how it was read."""
    return _markdown(result, pictures=(), page=page and str(page), whole=False, every=every)


def check_page(result: Result, pictures: Mapping[str, Figure]) -> str:
    """The same as HTML with its pictures."""
    ready = result["readiness"]["verdict"]
    columns = (
        Verdict("no column stops training", "good")
        if result["mend"] is None
        else Verdict("columns know too much: train would stop", "bad")
    )
    return page(
        "Check of a source",
        _markdown(result, pictures=pictures, page=None, whole=True),
        pictures,
        verdicts=[Verdict(ready, MOODS[ready]), columns],
        foot="Nothing was trained."
        + ("" if result["as_of"] is None else f" All is {when(result['as_of'])}."),
    )


def write_page(result: Result, pictures: Mapping[str, Figure], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(check_page(result, pictures), encoding="utf-8")
    return path


def _markdown(result: Result, *, pictures: Any, page: str | None, whole: bool, every: bool = False) -> str:
    ready, leaks = result["readiness"], {leak["column"]: leak for leak in result["leaks"]}
    problem, *others = (result["mend"] or "").splitlines() or [None]
    return markdown(
        "check",
        **result,
        ready=ready,
        outcomes=_outcomes(ready),
        early=_early(ready),
        promises=_promises(ready),
        unpromised=list(dict.fromkeys(each["why"] for each in ready["promises"] if each["needed"] is None)),
        counts=_counts(result["leaks"]),
        problem=problem,
        mends=[_mend(line) for line in others if not line.startswith(" ")],
        columns=_columns(result["tables"]["leads"]["columns"], leaks),
        read=[_read(each) for each in result["values"] if every or each["told"]],
        looked=[[each["detector"], sample(each)] for each in result["detectors"]],
        held=[_table(name, held) for name, held in result["tables"].items()],
        words=_words(result["tables"]),
        over_time=[name for name in pictures if name.startswith(OVER_TIME)],
        of_columns=[name for name in pictures if not name.startswith(OVER_TIME)],
        page=page,
        whole=whole,
    )


def _outcomes(ready: Result) -> list[list[str]]:
    """Of each outcome that the source tells, the leads by what is known of it."""
    counts = ("settled", "open", "unknown", "positives", "negatives")
    return [
        [f"{words.did.capitalize()}?", *(number(found[key]) for key in counts)]
        for name, words in OUTCOMES.items()
        if (found := ready["outcomes"][name])
    ]


def _early(ready: Result) -> int:
    """Outcomes of leads whose horizon is not over."""
    return sum(
        found["settled"] - found["positives"] - found["negatives"]
        for found in ready["outcomes"].values()
        if found
    )


def _promises(ready: Result) -> list[list[str]]:
    """Which promise needs how many wins, of those that could be made."""
    return [
        [
            f"{100 * each['max_lost_share']:g} %",
            each["of"],
            number(each["needed"]),
            number(each["missing"]),
            "← configured" * each["configured"],
        ]
        for each in ready["promises"]
        if each["needed"] is not None
    ]


def _counts(leaks: list[Result]) -> list[str]:
    """How many columns have which verdict."""
    counts = {verdict: sum(leak["verdict"] == verdict for leak in leaks) for verdict in VERDICTS}
    trusted = sum(leak["trusted"] for leak in leaks if leak["verdict"] == "suspicious")
    return [f"{count} {verdict}" for verdict, count in counts.items() if count] + [
        f"{trusted} of them trusted"
    ] * bool(trusted)


def _mend(line: str) -> tuple[str, str]:
    """What to do in words, and what to write into the configuration."""
    words, section, key = line.removesuffix(".").partition("[features]")
    return (words, f"{section}\n{key.strip()}") if section else (line, "")


def _read(value: Result) -> list[str]:
    """What one column was taken for, how it was read, and what was not."""
    lost = [f"{value['unread']:,} of {value['filled']:,}"] * bool(value["unread"])
    gaps = [f"{value['empty']:,} placeholders are empty"] * bool(value["empty"])
    name = value["column"] if value["table"] == "leads" else f"{value['table']}.{value['column']}"
    return [name, value["taken_for"], value["how"], ", ".join(lost + gaps) or "none", value["example"]]


def _columns(columns: list[Result], leaks: Mapping[str, Result]) -> list[list[str]]:
    """A row for each column, those to be looked at first; very many empty ones are one row together."""
    empty = [column for column in columns if column["empty"] == 1]
    together = empty if len(empty) > MOST_EMPTY else []
    rows = [
        _column(column, leaks.get(column["column"]))
        for column in sorted(columns, key=lambda each: _order(leaks.get(each["column"])))
        if column not in together
    ]
    return rows + [[f"{len(together):,} more", percent(1), "not used: empty in every row", "", ""]] * bool(
        together
    )


def _column(column: Result, leak: Result | None) -> list[str]:
    """How empty a column is, taken for what, and what is thought of it."""
    verdict = "" if leak is None else leak["verdict"] + ", trusted" * leak["trusted"]
    measured = leak is not None and leak["detector"] is not None
    return [
        column["column"],
        percent(column["empty"]),
        column["used_as"] or f"not used: {column['not_used']}",
        verdict,
        f"{leak['detector']} {number(leak['value'], 2)}" if measured else "",
    ]


def _order(leak: Result | None) -> int:
    return len(VERDICTS) if leak is None else VERDICTS.index(leak["verdict"])


def sample(looked: Result) -> str:
    """On how many leads a detector worked, or why it could not."""
    if looked["blind"]:
        return f"not at all: {looked['blind']}"
    kinds = looked["leads"]
    if looked["detector"] in ("strength", "uniqueness", "formats", "pairs", "company"):
        told = (f"{number(count)} to tell who is {kind}" for kind, count in kinds.items())
        return f"the newest settled leads, {', '.join(told)}"
    then = ("young then", "a year before")
    return ", ".join(
        f"{number(count)} leads {kind}" if kind in then else f"{number(count)} {kind} leads"
        for kind, count in kinds.items()
    )


def _table(name: str, held: Result | None) -> list[str]:
    if held is None:
        return [name, "none", "", "", ""]
    days = [short(held[end]) or "no dates" for end in ("from", "to")]
    return [name, number(held["rows"]), *days, _about(name, held)]


def _about(name: str, held: Result) -> str:
    """What else there is to say of a table in one line."""
    if name == "leads":
        return "no accounts" if held["accounts"] is None else f"{number(held['accounts'])} accounts"
    if name == "events":
        return f"of {number(held['leads'])} leads"
    worth = [
        f"{number(held[f'won_with_{what}'])} wins with {words}"
        for what, words in (("amount", "an amount"), ("margin", "a margin"))
        if held[f"won_with_{what}"] is not None
    ]
    return ", ".join(([] if held["dated"] else ["no dates of their own"]) + (worth or ["no amounts"]))


def _words(tables: Result) -> list[str]:
    """The stages and the kinds of event with their rows, commonest first."""
    lines = []
    for name, key in (("outcomes", "stages"), ("events", "kinds")):
        if tables[name] is not None:
            words = list(tables[name][key].items())
            more = [f"and {len(words) - SHOWN_WORDS} more kinds"] * (len(words) > SHOWN_WORDS)
            shown = [f"{word} {number(rows)}" for word, rows in words[:SHOWN_WORDS]]
            lines.append(f"{key}: " + " · ".join(shown + more))
    return lines

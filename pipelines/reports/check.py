"""A checked source in words for the terminal, and as one HTML page with its pictures."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from pipelines.files import replaced
from pipelines.reports.formats import percent, short, when
from pipelines.reports.page import page
from pipelines.reports.plain import text, wrapped

QUESTIONS = {"pursue": "Taken up by sales?", "convert": "Won?"}
VERDICTS = ("known too late", "suspicious", "ok")
SHOWN_WORDS = 8
NEXT = {True: "Next: leadsieve train", False: "Mend this first; leadsieve train would stop here"}
MOODS = {"ready": "good", "ready, without a promise": "doubtful", "too little data": "bad"}
OVER_TIME = "over time: "


def checked(result: dict[str, Any], *, page: Path | None = None) -> str:
    """Readiness first, then the columns' verdicts, then what the tables hold."""
    ready = result["readiness"]
    lines = [f"Is there enough to learn from?  {ready['verdict']}"]
    lines += [line for reason in ready["reasons"] for line in wrapped(reason)]
    lines += [*_told(ready), "", *_leaks(result), ""]
    lines += ["What do the tables hold?", text(_tables(result["tables"]))]
    lines += [line for words in words_of(result["tables"]) for line in wrapped(words)]
    lines += ["", text(_columns(result)), *(f"note: {warning}" for warning in result["warnings"])]
    lines += [f"page: {page}"] * (page is not None)
    lines.append(" · ".join(f"{name} {spent:.1f} s" for name, spent in result["seconds"].items()))
    lines.append(NEXT[result["passes"]])
    return "\n".join(lines)


def outcome_rows(ready: dict[str, Any]) -> list[list[str]]:
    """Of each outcome that the source tells, the leads by what is known of it."""
    counts = ("settled", "open", "unknown", "positives", "negatives")
    return [
        [words, *(f"{found[key]:,}" for key in counts)]
        for name, words in QUESTIONS.items()
        if (found := ready["outcomes"][name])
    ]


def outcome_notes(ready: dict[str, Any]) -> list[str]:
    """What the counts do not say themselves."""
    pursue, convert = ready["outcomes"]["pursue"], ready["outcomes"]["convert"]
    untold = "every lead counts as worked: the source does not say which ones sales took up"
    unknown = f"unknown: {convert['unknown']:,} leads that sales did not take up; whether they would have been won nobody can know"
    early = sum(
        found["settled"] - found["positives"] - found["negatives"] for found in (pursue, convert) if found
    )
    young = f"yes and no leave out {early:,} outcomes of leads whose horizon is not over yet: among those, only fast ones are known"
    return [untold] * (pursue is None) + [young] * bool(early) + [unknown] * bool(convert["unknown"])


def promise_rows(ready: dict[str, Any]) -> list[list[str]]:
    """Which promise needs how many wins, of those that could be made."""
    return [
        [
            f"{100 * each['max_lost_share']:g} %",
            each["of"],
            f"{each['needed']:,}",
            f"{each['missing']:,}",
            "← configured" * each["configured"],
        ]
        for each in ready["promises"]
        if each["needed"] is not None
    ]


def not_promised(ready: dict[str, Any]) -> list[str]:
    """Why some promise could not be made, however many wins there were."""
    return [
        f"nothing about margin: {why}"
        for why in dict.fromkeys(each["why"] for each in ready["promises"] if each["needed"] is None)
    ]


def wins(ready: dict[str, Any]) -> str:
    """The wins that a promise could rest on."""
    known = ready["margins_known"]
    margins = (
        "" if known is None else f", {percent(known) if known else 'none'} of them with a margin or an amount"
    )
    return f"{ready['wins']:,} settled wins, one an account{margins}"


def _told(ready: dict[str, Any]) -> list[str]:
    outcomes = _plain("  outcome", "settled", "open", "unknown", "yes", "no", numbers=range(1, 6))
    promises = _plain("  lose at most", "of the", "wins needed", "missing", "", numbers=(2, 3))
    for table, rows in ((outcomes, outcome_rows(ready)), (promises, promise_rows(ready))):
        for first, *others in rows:
            table.add_row(f"  {first}", *others)
    notes, unpromised = (
        [line for each in lines for line in wrapped(each)]
        for lines in (outcome_notes(ready), not_promised(ready))
    )
    return [
        text(outcomes),
        *notes,
        "",
        f"What could a filter promise?  {wins(ready)}",
        text(promises),
        *unpromised,
    ]


def _leaks(result: dict[str, Any]) -> list[str]:
    """What is wrong with columns, the mends, and how closely each detector has looked."""
    counts = {verdict: sum(leak["verdict"] == verdict for leak in result["leaks"]) for verdict in VERDICTS}
    trusted = sum(leak["trusted"] for leak in result["leaks"] if leak["verdict"] == "suspicious")
    said = [f"{count} {verdict}" for verdict, count in counts.items() if count] + [
        f"{trusted} of them trusted"
    ] * bool(trusted)
    lines = [f"Which columns know too much?  {', '.join(said) or 'there are no columns'}"]
    lines += [line for each in (result["mend"] or "").splitlines() for line in wrapped(each.strip())]
    for each in result["detectors"]:
        lines.append(f"  looked: {each['detector']}, {sample(each)}")
    return lines


def sample(looked: dict[str, Any]) -> str:
    """On how many leads a detector worked, or why it could not."""
    if looked["blind"]:
        return f"not at all: {looked['blind']}"
    kinds = looked["leads"]
    if looked["detector"] in ("strength", "uniqueness"):
        return "the newest settled leads, " + ", ".join(
            f"{count:,} to tell who is {kind}" for kind, count in kinds.items()
        )
    then = ("young then", "a year before")
    return ", ".join(
        f"{count:,} leads {kind}" if kind in then else f"{count:,} {kind} leads"
        for kind, count in kinds.items()
    )


def _tables(tables: dict[str, Any]) -> Table:
    table = _plain("  table", "rows", "from", "to", "", numbers=(1,))
    for name, held in tables.items():
        if held is None:
            table.add_row(f"  {name}", "none", "", "", "")
            continue
        table.add_row(f"  {name}", f"{held['rows']:,}", day(held["from"]), day(held["to"]), about(name, held))
    return table


def about(name: str, held: dict[str, Any]) -> str:
    """What else there is to say of a table in one line."""
    if name == "leads":
        return "no accounts" if held["accounts"] is None else f"{held['accounts']:,} accounts"
    if name == "events":
        return f"of {held['leads']:,} leads"
    worth = [
        f"{held[f'won_with_{what}']:,} wins with {words}"
        for what, words in (("amount", "an amount"), ("margin", "a margin"))
        if held[f"won_with_{what}"] is not None
    ]
    return ", ".join(([] if held["dated"] else ["no dates of their own"]) + (worth or ["no amounts"]))


def words_of(tables: dict[str, Any]) -> list[str]:
    """The stages and the kinds of event with their rows, commonest first."""
    lines = []
    for name, key in (("outcomes", "stages"), ("events", "kinds")):
        if tables[name] is not None:
            words = list(tables[name][key].items())
            more = [f"and {len(words) - SHOWN_WORDS} more kinds"] * (len(words) > SHOWN_WORDS)
            lines.append(
                f"{key}: " + " · ".join([f"{word} {rows:,}" for word, rows in words[:SHOWN_WORDS]] + more)
            )
    return lines


def _columns(result: dict[str, Any]) -> Table:
    """Every lead column: how empty, taken for what, and what is thought of it."""
    verdicts = {leak["column"]: leak for leak in result["leaks"]}
    table = _plain("  column", "empty", "taken for", "verdict", "measured", numbers=(1,))
    for column in result["tables"]["leads"]["columns"]:
        leak = verdicts.get(column["column"])
        measured = (
            "" if leak is None or leak["detector"] is None else f"{leak['detector']} {leak['value']:.2f}"
        )
        table.add_row(
            f"  {column['column']}",
            percent(column["empty"]),
            column["used_as"] or f"not used: {column['not_used']}",
            "" if leak is None else leak["verdict"] + (", trusted" if leak["trusted"] else ""),
            measured,
        )
    return table


def _plain(*heads: str, numbers: Any) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place in set(numbers) else "left")
    return table


def day(time: str | int | None) -> str:
    """A time to the day, or the number of a row."""
    return short(time) or "no dates"


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
        over_time=[
            (name.removeprefix(OVER_TIME), figure)
            for name, figure in pictures.items()
            if name.startswith(OVER_TIME)
        ],
        columns=[(name, figure) for name, figure in pictures.items() if not name.startswith(OVER_TIME)],
        promises=promise_rows(ready),
        wins=wins(ready),
        unpromised=not_promised(ready),
        problem=problem,
        trusted=any(leak["trusted"] for leak in result["leaks"]),
        mends=[_mend(line) for line in others if not line.startswith(" ")],
        leaks=[
            _column(column, leaks.get(column["column"]))
            for column in sorted(
                result["tables"]["leads"]["columns"], key=lambda each: _order(leaks.get(each["column"]))
            )
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
    verdict, why = (
        ("", "")
        if leak is None
        else (leak["verdict"] + (", trusted" if leak["trusted"] else ""), leak["why"])
    )
    return [column["column"], percent(column["empty"]), taken, verdict, "" if verdict == "ok" else why]


def _order(leak: dict[str, Any] | None) -> int:
    """What is to be looked at first."""
    return 3 if leak is None else ("known too late", "suspicious", "ok").index(leak["verdict"])

"""Results in words, for the terminal; read from the same objects that ``--json`` prints."""

import io
import textwrap
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

QUESTIONS = {"pursue": "Will sales pursue it?", "convert": "Will it become a customer?"}
BASELINES = {
    "base_rate": "everyone alike",
    "newest_first": "newest first",
    "best_column": "one best column",
    "logistic": "logistic regression",
    "naive_bayes": "a CRM's naive Bayes",
}
WORTH = {
    "margin": "a customer brings",
    "cost_per_lead": "working a lead costs",
    "price_of_an_hour": "an hour of sales is worth",
}
SHOWN = 5  # leads, and no more: a summary
NEXT_AFTER_TRAINING = "Next: leadsieve promote, then leadsieve score --output decisions.csv"
# What a policy's cut is on.
CUT_ON = {
    "p_convert": "chance to become a customer, if worked,",
    "p_pursue": "chance to be taken up",
    "p_both": "chance to be taken up and become a customer",
}
RIVALS = {
    "random": "chance",
    "newest_first": "newest first",
    "best_column": "best column",
    "logistic": "logistic",
    "naive_bayes": "naive Bayes",
}
SHOWN_REASONS = 12
SHOWN_RIVALS = ("random", "logistic", "naive_bayes")


def training(result: dict[str, Any]) -> str:
    """A training run: the verdict first, then the figures it rests on."""
    version = (
        "nothing registered" if result["version"] is None else f"version {result['version']} (challenger)"
    )
    lines = [f"{version} · {result['verdict']}", *(f"  {reason}" for reason in result["reasons"]), ""]
    lines += [_judged(name, model) for name, model in result["models"].items() if model is not None]
    if result["policy"] is not None:
        lines.append(_filter(result))
    lines += [f"note: {warning}" for warning in result["warnings"]]
    lines.append(f"{result['leads']:,} leads, {when(result['as_of'])} · {_durations(result['seconds'])}")
    if result["version"] is not None:
        lines.append(NEXT_AFTER_TRAINING)
    return "\n".join(lines)


def scoring(result: dict[str, Any], decisions: pd.DataFrame) -> str:
    """A scoring run: how many, from where, and the best of them with their reasons."""
    lines = [
        f"version {result['version']} scored {result['scored']:,} leads {when(result['as_of'])}: "
        f"{result['handed_off']:,} handed off, {result['held']:,} held back"
        + (f"; {result['already_decided']:,} were decided before" if result["already_decided"] else "")
    ]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    if result["handed_off"] + result["held"]:
        lines += ["", _by_channel(result["by_channel"]), _best(decisions)]
    if result["output"]:
        lines.append(f"all decisions: {result['output']}")
    return "\n".join(lines)


def tour(trained: dict[str, Any], scored: dict[str, Any], decisions: pd.DataFrame, home: str) -> str:
    """The tour: made-up leads from raw tables to a queue."""
    return "\n".join(
        [
            "",
            "HOW GOOD IS THE MODEL?",
            training(trained).removesuffix(NEXT_AFTER_TRAINING),
            "WHO IS HANDED OFF, WHO IS HELD?",
            scoring(scored, decisions),
            "",
            "WHERE TO LOOK NEXT",
            f"  mlflow ui --backend-store-uri sqlite:///{home}/mlflow.db    versions, figures, pictures",
            "  examples/                                   configurations for your own export",
            "  leadsieve train --source files:FOLDER       a folder with leads.csv, events.csv, outcomes.csv",
        ]
    )


def _judged(name: str, model: dict[str, Any]) -> str:
    """One model's figures with their intervals, its blocks in time order, and what it must beat."""
    head = (
        f"{QUESTIONS[name]}  {model['verdict']}\n"
        f"  {model['settled']:,} settled leads, {model['positives']:,} yes ({percent(model['base_rate'])})"
    )
    if model["auc"] is None:
        return f"{head}\n"
    head += ", judged on later leads only"
    figures = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    figures.add_row("  AUC", _estimate(model["auc"]), "1 is perfect, .5 is chance")
    figures.add_row(
        "  lift at 10 %", _estimate(model["lift_at_10_percent"], 2), "yeses among the best tenth, against all"
    )
    figures.add_row(
        "  calibration", _estimate(model["calibration_ratio"], 2), "predicted against real, 1 is true"
    )
    for key, words in BASELINES.items():
        baseline = model["baselines"].get(key)
        if baseline is not None:
            figures.add_row(
                f"  {words}", _estimate(baseline["auc"]), "AUC of a baseline" if key == "base_rate" else ""
            )
    blocks = "  AUC block by block  " + " · ".join(_number(block["auc"], 3) for block in model["blocks"])
    newest = model.get("newest")
    if newest:
        blocks += f"\n  newest {newest['rows']:,} leads by one fit on all before  {_estimate(newest['auc'])}"
    return f"{head}\n{text(figures)}\n{blocks}\n"


def _filter(result: dict[str, Any]) -> str:
    """What the filter does and promises, what a lead is worth to it, and what the grades have come to."""
    policy, value = result["policy"], result["policy"]["value"]
    if policy["cut"] is None:
        held = "holds nobody"
    else:
        held = f"holds leads whose {CUT_ON[policy['score']]} is below {percent(policy['cut'])}: {percent(policy['held_share'])} of the newest"
    lines = [
        "Whom does the filter hold?  "
        + {"none": "nobody", "configured": "not certified"}.get(policy["basis"], policy["basis"])
    ]
    lines += [f"  {held}", *wrapped(policy["promise"]["why"])]
    lines += [line for each in policy["arms"]["words"] for line in wrapped(each)]
    if value is not None:
        lines += wrapped(
            " · ".join(f"{words} {value[key]:,.0f}" for key, words in WORTH.items() if value[key])
        )
        lines += [line for note in value["notes"] for line in wrapped(note)]
    if result["grades"]:
        grades = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
        for grade in result["grades"]:
            came = f"{percent(grade['rate'])} [{percent(grade['low'])} – {percent(grade['high'])}]"
            grades.add_row(
                f"  grade {grade['grade']}",
                came,
                f"of {grade['leads']:,} leads became customers, {percent(grade['predicted'])} expected",
            )
        lines.append(text(grades))
    for told in (result["recalibration"], result["leniency"]):
        lines += wrapped(told["words"]) if told else []
    return "\n".join(lines) + "\n"


def wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, 128, initial_indent="  ", subsequent_indent="  ")


def _by_channel(counts: dict[str, dict[str, int]]) -> str:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("  channel")
    table.add_column("handed off", justify="right")
    table.add_column("held", justify="right")
    ordered = sorted(counts.items(), key=lambda item: -sum(item[1].values()))
    for channel, row in ordered[:8]:
        table.add_row(f"  {channel}", f"{row['handed_off']:,}", f"{row['held']:,}")
    if len(ordered) > 8:
        table.add_row(f"  and {len(ordered) - 8} more", "", "")
    return text(table) + "\n"


def _best(decisions: pd.DataFrame) -> str:
    """The best leads, as a rep would read them."""
    ranked = decisions.sort_values(["rank", "lead_id"]).head(SHOWN)
    lines = ["The first to call, and what the model counts for and against them"]
    for lead in ranked.itertuples():
        chances = [
            f"{percent(p)} {words}"
            for p, words in ((lead.p_pursue, "pursued"), (lead.p_convert, "won if worked"))
            if p == p
        ]
        if lead.low == lead.low:
            chances[-1] += f" ({percent(lead.low)} – {percent(lead.high)})"
        worth = f", worth {lead.value:,.0f}" if lead.value == lead.value else ""
        lines.append(f"  {lead.lead_id}  grade {lead.grade}  {', '.join(chances)}{worth}")
        lines += [f"      {reason}" for reason in lead.reasons]
    return "\n".join(lines) + "\n"


def text(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _estimate(estimate: dict[str, float | None] | None, digits: int = 3) -> str:
    if estimate is None or estimate["value"] is None:
        return "–"
    interval = (
        ""
        if estimate["low"] is None
        else f" [{_number(estimate['low'], digits)} – {_number(estimate['high'], digits)}]"
    )
    return _number(estimate["value"], digits) + interval


def sentence(words: str) -> str:
    """Words with a capital letter, unless a setting comes first, and one full stop."""
    first = words.partition(" ")[0]
    begun = words if "_" in first or words.startswith(f"{first} = ") else words[:1].upper() + words[1:]
    return f"{begun.rstrip('.')}." if words else ""


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def when(as_of: str | int | None) -> str:
    """An as-of time to the minute, a row's number, or that there is no order."""
    return "(no dates)" if as_of is None else f"as of {short(as_of, 16)}"


def short(time: str | int | None, letters: int = 10) -> str:
    """A time that ``--json`` prints to the day, or to so many letters, or the number of a row; nothing where
    there is no order.
    """
    return (
        "" if time is None else f"row {time:,}" if isinstance(time, int) else time[:letters].replace("T", " ")
    )


def _durations(seconds: dict[str, float]) -> str:
    return " · ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())


def replayed(result: dict[str, Any]) -> str:
    """A line a span, then the sum of all, then what sales' own choice did."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in (
        "  from",
        "leads",
        "held",
        "",
        "filter",
        "customers",
        "lost",
        "",
        *(RIVALS[name] for name in SHOWN_RIVALS),
    ):
        table.add_column(heading, justify="left" if heading in ("  from", "filter") else "right")
    for span in result["spans"]:
        basis = (
            f"certified on {span['wins']:,} wins"
            if span["basis"] == "certified"
            else {"configured": "not certified"}.get(span["basis"], "no cut")
        )
        table.add_row(f"  {short(span['from'])}", *_counts(span, basis))
    total = result["total"]
    table.add_row("  all", *_counts(total, ""), style="bold")
    lines = ["What the filter would have held, and the customers that this would have cost", text(table)]
    promised = percent(result["max_lost_share"])
    lines.append(
        f"  promised: at most {promised} lost; on the right, customers that others would have lost by holding as many leads"
    )
    if total["taken_up"] is not None:
        spared = f"{total['held_taken_up']:,} ({percent(_share(total['held_taken_up'], total['taken_up']))})"
        lines.append(
            f"  by its own choice sales worked {total['taken_up']:,} of these leads and won {total['customers']:,}; the filter would have "
            f"spared it {spared} of them, {total['lost']:,} customers among these"
        )
    if total["margin"]:
        lines.append(
            f"  margin lost: {total['lost_margin']:,.0f} of {total['margin']:,.0f} ({percent(total['lost_margin'] / total['margin'])})"
        )
    if total["open"]:
        lines.append(f"  {total['open']:,} of these leads may still become customers")
    uncertified = [span for span in result["spans"] if span["basis"] != "certified"]
    lines += [f"  {short(span['from'])}: {span['why']}" for span in uncertified[-SHOWN_REASONS:]]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    lines.append(
        f"picture: {result['picture']} · "
        + " · ".join(f"{name} {spent:.1f} s" for name, spent in result["seconds"].items())
    )
    return "\n".join(lines)


def _counts(span: dict[str, Any], basis: str) -> list[str]:
    lost = percent(_share(span["lost"], span["customers"]))
    return [
        f"{span['leads']:,}",
        f"{span['held']:,}",
        percent(_share(span["held"], span["leads"])),
        basis,
        f"{span['customers']:,}",
        f"{span['lost']:,}",
        lost,
        *(f"{span['rivals'][name]:.1f}" for name in SHOWN_RIVALS),
    ]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def valued(result: dict[str, Any]) -> str:
    """The promise first, then what handing off was worth, each figure with what it rests on."""
    lines = [
        f"{result['settled']:,} of {result['decided']:,} leads decided since {result['since'][:10]} are settled",
        "",
    ]
    lines += ["Is the promise kept?", *wrapped(result["promise"]["why"])]
    if (overrides := result["overrides"])["pulled_out"]:
        said = f"people pulled out {overrides['pulled_out']:,} held leads; {overrides['taken_up']:,} were taken up, {overrides['won']:,} won"
        lines += [
            "",
            *wrapped(
                f"{said}. These customers the filter alone would have missed; people chose them, so no other figure counts them"
            ),
        ]
    for unit, policies in result["worth"].items():
        lines += ["", f"What was a decided lead worth, in {unit}?"]
        for name, value in policies.items():
            what = "the filter, against everybody handed off" if name == "difference" else name
            lines += wrapped(f"{what}: {value['words']}")
    if result["leniency"]:
        lines += ["", "Do reps see something that the model does not?", *wrapped(result["leniency"]["words"])]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    return "\n".join(lines)

"""The words of every result that needs no page: what is chosen and added up for its template."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from features.labels import JUDGED
from pipelines.reports import shadow
from pipelines.reports.formats import chance, chances, estimate, minute, number, percent, short
from pipelines.reports.render import markdown

Result = Mapping[str, Any]

BASELINES = {
    "base_rate": "everyone alike",
    "newest_first": "newest first",
    "best_column": "one best column",
    "logistic": "logistic regression",
    "naive_bayes": "a CRM's naive Bayes",
}
# What a policy's cut is on.
CUT_ON = {
    "p_convert": "chance to become a customer once taken up",
    "p_pursue": "chance to be taken up",
    "p_both": "chance to be taken up and become a customer",
}
RIVALS = ("random", "logistic", "naive_bayes")
SHOWN_CHANGES = 20  # of each kind
SHOWN_LEADS, SHOWN_CHANNELS, SHOWN_REASONS, SHOWN_COLUMNS, SHOWN_DEAD = 5, 8, 12, 40, 20


def init(result: Result) -> str:
    """A first configuration: what the columns were taken for, what could be otherwise, what is to be mended."""
    rows = [[name, taken] for name, taken in result["columns"].items() if taken != "not used: empty"]
    asked = [[each["question"], each["taken"], " · ".join(each["others"])] for each in result["questions"]]
    shown = {"columns": rows[:SHOWN_COLUMNS], "more": len(result["columns"]) - len(rows[:SHOWN_COLUMNS])}
    return markdown("init", **result | shown | {"questions": asked})


def promote(result: Result) -> str:
    """What sales sees from now on, or that it sees no change, and every reason."""
    return markdown("promote", **result)


def versions(result: Result) -> str:
    """A row for each version, and below it each time that it was the champion."""
    rows = [
        [
            version["version"],
            version["alias"] or "",
            minute(version["trained_at"]),
            minute(version["as_of"]),
            number(version["leads"]),
            version["verdict"] or "–",
            number(version["auc"], 3),
        ]
        for version in result["versions"]
    ]
    return markdown("versions", versions=result["versions"], rows=rows)


def prune(result: Result, *, asked: bool) -> str:
    """What went or would go, a row a snapshot."""
    snapshots, runs = result["snapshots"], result["runs"]
    rows = [
        [each["snapshot"], minute(each["pulled"]), number(each["bytes"] / 1e6, 1), each["source"]]
        for each in snapshots
    ]
    size = sum(each["bytes"] for each in snapshots) / 1e6
    what = [f"{_counted(len(snapshots), 'snapshot')} of {number(size, 1)} MB"] if snapshots else []
    what += [f"{_counted(runs, 'run')} of Prefect's"] if runs else []
    return markdown(
        "prune",
        asked=asked,
        done=result["done"],
        rows=rows,
        runs=runs,
        what=" and ".join(what),
        stay=_counted(result["kept"], "snapshot"),
    )


def _counted(things: int, of: str) -> str:
    return f"{number(things)} {of}{'s' * (things != 1)}"


def train(result: Result, *, in_demo: bool = False) -> str:
    """A training run: the verdict first, then the figures it rests on."""
    models = [
        model | {"question": JUDGED[name].question, "rows": _judged(model) if model["auc"] else []}
        for name in order_of(result)
        if (model := result["models"][name]) is not None
    ]
    facts = {**result, "models": models, "grade_rows": _grades(result)}
    return markdown("train", **facts, cut_on=CUT_ON, in_demo=in_demo)


def order_of(result: Result) -> list[str]:
    """What was judged, the score first."""
    score = result["score"].removeprefix("p_")
    return sorted(result["models"], key=lambda name: (name != score, list(JUDGED).index(name)))


def _judged(model: Result) -> list[list[str]]:
    """A model's figures with their intervals, and what it must beat."""
    rows = [
        ["AUC", estimate(model["auc"]), "1 is perfect, .5 is chance"],
        [
            "average precision",
            estimate(model["average_precision"]),
            "how pure the top is, the base rate is chance",
        ],
        ["lift at 10 %", estimate(model["lift_at_10_percent"], 2), "yeses among the best tenth, against all"],
        ["calibration", estimate(model["calibration_ratio"], 2), "predicted against real, 1 is true"],
    ]
    rivals = [(words, model["baselines"].get(key)) for key, words in BASELINES.items()]
    return rows + [[words, estimate(rival["auc"]), "AUC of a baseline"] for words, rival in rivals if rival]


def _grades(result: Result) -> list[list[str]]:
    return [
        [
            grade["grade"],
            number(grade["leads"]),
            percent(grade["predicted"]),
            estimate(grade | {"value": grade["rate"]}, 1, words=percent),
        ]
        for grade in result["grades"] or ()
    ]


def score(result: Result, decisions: pd.DataFrame) -> str:
    """A scoring run: how many, from where, and the best of them with their reasons."""
    ordered = sorted(result["by_channel"].items(), key=lambda item: -sum(item[1].values()))
    channels = [
        [channel, number(counts["handed_off"]), number(counts["held"])]
        for channel, counts in ordered[:SHOWN_CHANNELS]
    ]
    if len(ordered) > SHOWN_CHANNELS:
        channels.append([f"and {len(ordered) - SHOWN_CHANNELS} more", "", ""])
    ranked = decisions.sort_values(["rank", "lead_id"]).head(SHOWN_LEADS)
    return markdown("score", **result, channels=channels, best=[_lead(lead) for lead in ranked.itertuples()])


def writeback(result: Result) -> str:
    """What was written to other systems, and what they did not take."""
    targets = [
        [each["name"], *(number(each[name]) for name in ("queued", "sent", "waiting", "dead"))]
        for each in result["targets"]
    ]
    dead = [[each["lead_id"], each["target"], each["said"] or ""] for each in result["dead"]]
    sent = number(sum(each["sent"] for each in result["targets"]))
    more = len(dead[SHOWN_DEAD:])
    return markdown("writeback", targets=targets, dead=dead[:SHOWN_DEAD], sent=sent, more=more)


def _lead(lead: Any) -> dict[str, Any]:
    """A lead as a rep would read it."""
    facts = [f"grade {lead.grade}", f"score {chance(lead.score)}"]
    if lead.p_pursue == lead.p_pursue and lead.p_convert == lead.p_convert:
        facts.append(f"{chance(lead.p_pursue)} taken up, of those {chance(lead.p_convert)} won")
    if lead.low == lead.low and lead.p_worked_by:
        facts.append(f"if worked {chances(lead.low, lead.high)}")
    if lead.value == lead.value:
        known = lead.p_worked == lead.p_worked
        facts.append(f"worth {number(lead.value)} {'if worked' if known else 'once taken up'}")
    return {
        "lead_id": lead.lead_id,
        "facts": facts,
        "reasons": lead.reasons,
    }


def backtest(result: Result) -> str:
    """A row a span, then the sum of all, then what others would have lost and what sales' own choice did."""
    spans = [(short(span["from"]), span, _basis(span)) for span in result["spans"]]
    named = [*spans, ("all", result["total"], "")]
    rivals = [
        [name, number(span["lost"], 1), *(number(span["rivals"][rival], 1) for rival in RIVALS)]
        for name, span, _ in named
    ]
    uncertified = [span for span in result["spans"] if span["basis"] != "certified"]
    return markdown(
        "backtest",
        **result,
        rows=[_replayed(*each) for each in named],
        rivals=rivals,
        uncertified=uncertified[-SHOWN_REASONS:],
        share=_share,
    )


def _basis(span: Result) -> str:
    if span["basis"] == "certified":
        return f"certified on {number(span['wins'])} wins"
    return "not certified" if span["basis"] == "configured" else "no cut"


def _replayed(name: str, span: Result, basis: str) -> list[str]:
    return [
        name,
        number(span["leads"]),
        number(span["held"]),
        percent(_share(span["held"], span["leads"])),
        number(span["customers"]),
        number(span["lost"]),
        percent(_share(span["lost"], span["customers"])),
        basis,
    ]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def value(result: Result) -> str:
    """The promise first, then what handing off was worth, each figure with what it rests on."""
    return markdown("value", **result)


def retrain(result: Result) -> str:
    """What training anew has come to."""
    return markdown("retrain", **result)


def demo(result: Result, decisions: pd.DataFrame, home: Path, config: Path) -> str:
    """The demonstration: made-up leads from raw tables to a queue."""
    parts = {"trained": train(result["train"], in_demo=True), "scored": score(result["score"], decisions)}
    return markdown(
        "demo", **{name: Markup(words) for name, words in parts.items()}, home=str(home), config=str(config)
    )


def compare(result: Result) -> str:
    """Who would be decided otherwise, by name; of very many the first."""
    told = []
    for what in result["counts"]:
        those = [each for each in result["changes"] if each["what"] == what]
        names = [
            f"{each['name']} ({each['lead_id']}, {each['from']} → {each['to']})"
            for each in those[:SHOWN_CHANGES]
        ]
        if those:
            told.append([what, names, max(0, len(those) - SHOWN_CHANGES)])
    return markdown("compare", **result, told=told, beside=shadow.told(result["shadow"], result["versions"]))


def a_leads(decisions: pd.DataFrame, *, desk: str | None) -> tuple[str, str] | None:
    """The title of a message and its Markdown: the new leads of grade A that are handed off, the best first, by id and
    with the way to each at the desk; None without one. Of a person it says nothing else, for a service outside hears it.
    """
    best = decisions[(decisions["grade"] == "A") & (decisions["action"] != "hold")]
    if best.empty:
        return None
    ids = best.sort_values(["rank", "lead_id"])["lead_id"].tolist()
    at = desk and desk.rstrip("/")
    shown = [(lead_id, at and f"{at}/leads/{quote(lead_id, safe='')}") for lead_id in ids[:SHOWN_CHANGES]]
    title = "A new lead of grade A" if len(ids) == 1 else f"{len(ids):,} new leads of grade A"
    return title, markdown("a_leads", leads=shown, more=len(ids) - len(shown))

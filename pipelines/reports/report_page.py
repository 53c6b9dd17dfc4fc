"""A version's report as one HTML page that stands alone: the same card gives the same page, whenever it is
written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.files import replaced
from pipelines.reports.formats import percent, sentence, short
from pipelines.reports.page import page
from pipelines.reports.report_pictures import (
    driver_pictures,
    grade_picture,
    model_pictures,
    segment_pictures,
    time_pictures,
)
from pipelines.reports.report_words import SHOWN_WORRIES, answers, decisive, gap_words, poor_words, worries
from pipelines.reports.summaries import BASELINES, CUT_ON, QUESTIONS

Card = Mapping[str, Any]
PAGE = "report.html"
SHOWN_POOR = 8
NO_BREAK = "\N{NO-BREAK SPACE}"
FIGURES = {
    "auc": (
        "AUC",
        3,
        "of two leads, one with the outcome: how often it has the higher score. ½ is chance, 1 perfect",
    ),
    "average_precision": ("average precision", 3, "how pure the top of the list is; the base rate is chance"),
    "lift_at_10_percent": ("lift at 10 %", 2, "outcomes among the best tenth, against a tenth by lot"),
    "log_loss": ("log-loss", 4, "how far off the probabilities are; smaller is better"),
    "brier": ("Brier score", 4, "mean squared error of the probabilities; smaller is better"),
    "calibration_ratio": ("calibration", 2, "mean prediction against what came true; 1 is exact"),
}
WORTH = {
    "margin": "a customer brings",
    "cost_per_lead": "working a lead costs",
    "hours_per_lead": "hours a lead takes",
    "weekly_capacity": "hours sales has in a week",
    "price_of_an_hour": "an hour of sales is worth",
}


def write_report(card: Card, version: str, path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(report_page(card, version), encoding="utf-8")
    return path


def report_page(card: Card, version: str) -> str:
    """The ``report`` object of the interface as HTML."""
    troubles = worries(card)
    return page(
        "report.html",
        version=version,
        card=card,
        answers=answers(card),
        worries=troubles[:SHOWN_WORRIES],
        more_worries=troubles[SHOWN_WORRIES:],
        decisive=decisive(card),
        trained=_trained(card),
        known_until=known_until(card),
        outcomes=[
            [QUESTIONS[name], *(f"{found[key]:,}" for key in ("settled", "open", "unknown", "yes", "no"))]
            for name, found in card["outcomes"].items()
        ],
        over_time=time_pictures(card),
        models=[_model(card, name) for name in ("convert", "pursue") if card["models"][name]],
        grades=[
            [
                each["grade"],
                f"{each['leads']:,}",
                f"{each['wins']:,}",
                percent(each["predicted"]),
                _within(each, percent),
            ]
            for each in card["grades"] or ()
        ],
        grade_picture=grade_picture(card),
        promise=card["policy"]["promise"],
        filter_words=_filter(card),
        worth=_worth(card["policy"]["value"]),
        driver_pictures=driver_pictures(card),
        segments=segment_pictures(card, audited=False),
        segment_rows=_segments(card, audited=False),
        poor=_poor(card),
        audits=segment_pictures(card, audited=True),
        audit_rows=_segments(card, audited=True),
        gaps={
            column: [
                (gap_words(gap), gap["beyond_chance"]) for gap in card["gaps"] if gap["column"] == column
            ]
            for column in card["audit"]
        },
        leaks=_leaks(card),
        champion=_champion(card),
        settings=[[key, _value(value)] for key, value in card["settings"].items()],
        not_read=[[each["column"], each["why"]] for each in card["trained_on"]["not_read"]],
    )


def _trained(card: Card) -> list[list[str]]:
    on = card["trained_on"]
    tables = ", ".join(f"{rows:,} {name}" for name, rows in on["rows"].items())
    span = f"{short(on['from'])} to {short(on['to'])}" if on["from"] is not None else "without dates"
    accounts = "" if on["accounts"] is None else f" of {on['accounts']:,} accounts"
    scored = f", {on['scored']}" if on["clock"] == "time" else ""
    won = f"a customer within {on['convert_days']:g} days"
    taken_up = (
        f"taken up within {on['pursue_days']:g} days; {won} of being taken up"
        if "pursue" in card["outcomes"]
        else won
    )
    reads = sum(on["reads"].values())
    return [
        ["source", on["source"]],
        ["data", f"{on['fingerprint']} (fingerprint): {tables}"],
        ["leads", f"{card['leads']:,}{accounts}, {span}{scored}"],
        ["known until", known_until(card) or "–"],
        ["outcomes", taken_up if on["clock"] == "time" else "as the table tells them, whenever they came"],
        ["columns", f"{reads:,} in {len(on['reads'])} groups"],
    ]


def known_until(card: Card) -> str:
    """Up to when the version knew, to the minute; nothing where there is no order."""
    return short(card["as_of"], 16)


def _model(card: Card, name: str) -> dict[str, Any]:
    model = card["models"][name]
    pictures = model_pictures(card, name) if name in card["curves"] else {}
    if model["auc"] is None:
        return {
            "name": name,
            "question": QUESTIONS[name],
            "model": model,
            "pictures": pictures,
            "judged": False,
        }
    return {
        "name": name,
        "question": QUESTIONS[name],
        "model": model,
        "pictures": pictures,
        "judged": True,
        "figures": [
            [words, _estimate(model[key], places), about] for key, (words, places, about) in FIGURES.items()
        ],
        "blocks": [
            [
                f"{short(block['from'])} – {short(block['to'])}"
                if block["from"] is not None
                else f"part {place}",
                f"{block['rows']:,}",
                f"{block['positives']:,}",
                _within({"rate": block["auc"], "low": block["auc_low"], "high": block["auc_high"]}, _three),
                _number(block["average_precision"], 3),
                _number(block["calibration_ratio"], 2),
            ]
            for place, block in enumerate(model["blocks"], start=1)
        ],
        "baselines": [_baseline(BASELINES[key], rival) for key, rival in model["baselines"].items() if rival],
        "newest": _newest(model["newest"]),
    }


def _baseline(words: str, rival: Mapping[str, Any]) -> list[str]:
    column = f" ({rival['column']})" if rival.get("column") else ""
    return [
        f"{words}{column}",
        _estimate(rival["auc"], 3),
        _estimate(rival["lift_at_10_percent"], 2),
        _signed(rival["ahead"]),
    ]


def _newest(newest: Mapping[str, Any] | None) -> str:
    if newest is None:
        return ""
    return (
        f"The newest {newest['rows']:,} leads as a whole, by one fit on all before them: AUC {_estimate(newest['auc'], 3)}, "
        f"lift {_estimate(newest['lift_at_10_percent'], 2)}, calibration {_estimate(newest['calibration_ratio'], 2)}."
    )


def _filter(card: Card) -> list[str]:
    policy = card["policy"]
    lines = []
    if policy["cut"] is not None:
        whose = "certified" if policy["basis"] == "certified" else "configured, not certified"
        lines.append(
            f"The cut ({whose}): leads whose {CUT_ON[policy['score']]} is below {percent(policy['cut'])} are held back, "
            f"{percent(policy['held_share'])} of the newest."
        )
    lines += [sentence(words) for words in policy["arms"]["words"]]
    lines += [sentence(told["words"]) for told in (card["recalibration"], card["leniency"]) if told]
    return lines


def _worth(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "rows": [[words, f"{value[key]:,.0f}"] for key, words in WORTH.items() if value[key]],
        "notes": [sentence(note) for note in value["notes"]],
    }


def _segments(card: Card, *, audited: bool) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for each in card["segments"]:
        if each["audited"] == audited:
            row = [
                each["group"],
                f"{each['leads']:,}",
                _estimate(each["base_rate"], percent),
                percent(each["predicted"]),
            ]
            row += [_estimate(each["ratio"], 2), _estimate(each["auc"], 2), _estimate(each["held"], percent)]
            found.setdefault(each["column"], []).append(
                [*row, _estimate(each["held_wins"], percent), each["poor"] or ""]
            )
    return found


def _poor(card: Card) -> list[str]:
    """The poor groups of the columns that the model sees, the largest first."""
    poor = [each for each in card["segments"] if each["poor"] and not each["audited"]]
    poor.sort(key=lambda each: -each["leads"])
    words = [poor_words(each) for each in poor[:SHOWN_POOR]]
    return words + (
        [f"So it does in {len(poor) - SHOWN_POOR} more groups, marked ▸ below."]
        if len(poor) > SHOWN_POOR
        else []
    )


def _leaks(card: Card) -> list[list[str]]:
    order = ("known too late", "suspicious", "ok")
    found = sorted(card["leaks"], key=lambda leak: order.index(leak["verdict"]))
    return [
        [
            leak["column"],
            leak["verdict"] + (", trusted" if leak["trusted"] else ""),
            "" if leak["verdict"] == "ok" else leak["why"],
        ]
        for leak in found
    ]


def _champion(card: Card) -> dict[str, Any] | None:
    champion = card["champion"]
    if champion is None or champion["obstacle"]:
        return champion
    promise, theirs = card["policy"]["promise"], champion["promise"]
    rows = [
        ["verdict", champion["verdict"] or "–", card["verdict"]],
        ["known until", short(champion["known_until"]) or "–", short(card["as_of"]) or "–"],
        ["promise", _promised(theirs), _promised(promise)],
        ["cut", percent(champion["cut"]), percent(card["policy"]["cut"])],
        ["leads held", percent(champion["held_share"]), percent(card["policy"]["held_share"])],
    ]
    changed = champion["settings"]
    return {
        **champion,
        "rows": rows,
        "figures": [_difference(each) for each in champion["differences"]],
        "changed": None
        if changed is None
        else [[each["key"], _value(each["champion"]), _value(each["now"])] for each in changed],
    }


def _difference(each: Mapping[str, Any]) -> list[str]:
    loss = each["kind"] == "loss"
    words = f"log-loss of {each['what']}" if loss else f"{each['what']} among the leads that sales would work"
    values = [f"{each[side]:.4f}" if loss else f"{each[side]:,.0f}" for side in ("champion", "challenger")]
    worse = [
        _number(100 * each[key] if each[key] is not None else None, 1, sign=True) + " %"
        for key in ("worse", "at_worst")
    ]
    return [words, *values, *worse, f"{100 * each['allowed']:g} %", "yes" if each["harmless"] else "no"]


def _promised(promise: Mapping[str, Any]) -> str:
    if not promise["certified"]:
        return "nothing"
    return f"at most {100 * promise['max_lost_share']:g} % of {promise['of']}, on {promise['wins']:,} wins"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _within(each: Mapping[str, Any], words: Any) -> str:
    if each["rate"] is None:
        return "–"
    if each["low"] is None:
        return words(each["rate"])
    interval = f"[{words(each['low'])} – {words(each['high'])}]"
    return f"{words(each['rate'])} {interval.replace(' ', NO_BREAK)}"


def _estimate(estimate: Mapping[str, Any] | None, places: Any) -> str:
    if estimate is None:
        return "–"
    words = places if callable(places) else (lambda value: _number(value, places))
    return _within({"rate": estimate["value"], "low": estimate["low"], "high": estimate["high"]}, words)


def _signed(estimate: Mapping[str, Any]) -> str:
    return _within(
        {"rate": estimate["value"], "low": estimate["low"], "high": estimate["high"]},
        lambda value: _number(value, 3, sign=True),
    )


def _three(value: float | None) -> str:
    return _number(value, 3)


def _number(value: float | None, places: int, *, sign: bool = False) -> str:
    return "–" if value is None else f"{value:{'+' if sign else ''}.{places}f}".replace("-", "−")

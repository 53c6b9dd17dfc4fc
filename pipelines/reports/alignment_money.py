"""The rows and sentences of what wins bring and of who gets the credit for them."""

from collections.abc import Mapping
from typing import Any

from pipelines.reports.alignment_parts import MEASURES, chance, moved, named, percents
from pipelines.reports.formats import estimate, money, number, percent

Result = Mapping[str, Any]
MANY = 100  # wins, from which parts of one are not told
HARDLY = 0.0005  # of the wins: nothing that would show
BRINGS = {"more margin": "more margin than deals", "more deals": "more deals than margin"}
RULES = {
    "first": "first touch",
    "last": "last touch",
    "linear": "linear",
    "position": "position",
    "decay": "time decay",
    "markov": "Markov",
    "shapley": "Shapley",
}


# ── margin ──


def _measured(found: Result, measure: str, currency: str) -> str:
    """A mean of a measure with its interval."""
    if measure == "margin":
        return estimate(found, words=lambda value, _places, sign: money(value, currency))
    return percents(found, 1)


def weeks(found: Result, currency: str) -> list[list[str]]:
    """A row a week of the quarter."""
    return [
        [
            str(each["week"]),
            number(each["wins"]),
            *(_measured(each["means"][measure], measure, currency) for measure in found["measures"]),
        ]
        for each in found["weeks"]
    ]


def last_days(found: Result, currency: str) -> list[list[str]]:
    """A row a measure: the end of the quarters, the rest of them, and how deals of like size differ."""
    rows = []
    for measure, each in found["last_days"].items():
        apart = each["difference"]
        if apart["low"] is None:
            said = "too few to say"
        elif measure == "margin":
            said = f"{'+' if apart['value'] > 0 else ''}{money(apart['value'], currency)}, {chance(apart)}"
        else:
            said = moved(apart)
        rows.append(
            [
                MEASURES[measure],
                *(_measured(each[part], measure, currency) for part in ("last", "rest")),
                said,
            ]
        )
    return rows


def brings(found: Result, currency: str) -> list[list[str]]:
    """A row a channel or team: its shares of deals and of margin, and what a win of it brings."""
    return [
        [
            f"{each['by']} {named(each['group'])}",
            number(each["wins"]),
            percent(each["of_wins"], 0),
            percent(each["of_margin"], 0),
            _measured(each["per_win"], "margin", currency),
            BRINGS.get(each["says"], each["says"]),
        ]
        for each in sorted(found["brings"], key=lambda each: (each["by"], -(each["of_margin"] or 0)))
    ]


# ── credit ──


def rules(found: Result) -> dict[str, str]:
    """The rules that need a column: where each win has one touch, they all say the same."""
    return RULES if (found["moved"] or 0) >= HARDLY else {"last": "wins"}


def credit(found: Result) -> list[list[str]]:
    """A row a channel, a column a rule: wins, and the interval over rules and chance together."""
    return [
        [
            named(each["channel"]),
            number(each["leads"]),
            *(
                number(each["wins"][rule]["value"], 0 if found["wins"] >= MANY else 1)
                for rule in rules(found)
            ),
            _over_rules(each["wins"]),
        ]
        for each in found["credits"]
    ]


def credit_margin(found: Result, currency: str) -> list[list[str]]:
    return [
        [named(each["channel"]), *(money(each["margin"][rule]["value"], currency) for rule in rules(found))]
        for each in found["credits"]
    ]


def _over_rules(wins: Mapping[str, Result]) -> str:
    lows, highs = ([each[end] for each in wins.values() if each[end] is not None] for end in ("low", "high"))
    return f"{number(min(lows))} – {number(max(highs))}" if lows else "–"


def campaigns(found: list[Result], currency: str, *, most: int) -> list[list[str]]:
    """The campaigns that brought most wins."""
    return [
        [
            each["channel"],
            number(each["leads"]),
            estimate(each["wins"]["last"], 0),
            estimate(each["margin"]["last"], words=lambda value, _places, sign: money(value, currency)),
        ]
        for each in found[:most]
    ]


def apart(found: Result) -> str:
    """How far the rules disagree."""
    if not found["wins"]:
        return "no win has a channel on record, so there is nothing to share out"
    one, other = (RULES[rule] for rule in found["apart"])
    said = f"{number(found['wins'])} wins are shared out; " + (
        f"the rules that differ most, {one} and {other}, give {percent(found['moved'])} of them to other channels"
        if (found["moved"] or 0) >= HARDLY
        else "each customer met one channel, and every rule says the same"
    )
    without = found["unattributed"]
    return said + (
        f"; {number(without)} more win{'s have' if without != 1 else ' has'} no channel on record"
        if without
        else ""
    )

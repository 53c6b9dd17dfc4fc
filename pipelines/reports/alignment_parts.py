"""The rows and sentences of each part of the alignment: answers, the score, effort and credit."""

from collections.abc import Mapping
from typing import Any

from pipelines.reports.formats import estimate, money, number, percent

Result = Mapping[str, Any]
HARDLY = 0.0005  # of the wins: nothing that would show
MEASURES = {
    "margin": "margin a win",
    "margin_share": "margin, of the amount",
    "discount": "discount off the list",
}
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


def share(found: Result, places: int = 1) -> str:
    """A share with its interval; a dash where there is nothing to count."""
    return estimate(found["share"], places, words=percent) if found["of"] else "–"


def counted(found: Result) -> str:
    return f"{number(found['count'])} of {number(found['of'])}"


def moved(found: Result | None) -> str:
    """A change in points, and whether chance alone explains it."""
    if found is None or found["low"] is None:
        return "–"
    return f"{number(100 * found['value'], 1, sign=True)} points, {_chance(found)}"


def beyond(found: Result) -> bool:
    """Whether an interval leaves nothing out."""
    return found["low"] is not None and (found["low"] > 0 or found["high"] < 0)


# ── what to talk about ──


def talk(found: list[Result], words: Mapping[str, str], agreed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each finding as a sentence, with the part of the page that has its figure."""
    return [(_found(each, words, agreed), each["where"]) for each in found]


def _found(each: Result, words: Mapping[str, str], agreed: Mapping[str, Any]) -> str:
    shown = estimate(each["figure"], 0, words=percent)
    if each["kind"] == "agreement":
        return f"fewer than half of the {words['leads']} are answered within the {number(agreed['answer_hours'])} hours agreed on: {shown}"
    if each["kind"] == "change":
        points = number(100 * each["figure"]["value"], 1, sign=True)
        return f"the share of {words['leads']} that were {words[each['about']]} moved by {points} points since a year before"
    if each["kind"] == "month":
        points, share_then = (
            abs(100 * each["figure"]["value"]),
            "more" if each["figure"]["value"] > 0 else "fewer",
        )
        return (
            f"{share_then} of the {words['leads']} of {each['detail']} were {words[each['about']]} within a week than of the three months "
            f"before, by {number(points, 1)} points"
        )
    if each["kind"] == "quarter":
        figure = each["figure"]
        by = f"{number(abs(100 * figure['value']), 1)} points"
        return (
            f"in the last {number(agreed['quarter_end_days'])} days of a quarter, {MEASURES[each['about']]} is {by} "
            f"{'higher' if figure['value'] > 0 else 'lower'} than at other times, on deals of like size"
        )
    if each["kind"] == "promise":
        return f"{words['leads']} of grade {each['about']} were won in {shown} of cases, {each['detail']} than the score promised"
    return f"most {words['leads']} of channel {each['about']} that are turned down are so for one reason, {each['detail']}: {percent(each['figure']['value'], 0)}"


# ── answers ──


def teams(found: Result) -> list[list[str]]:
    """A row a team, those that leave most unanswered first, and all."""
    rows = sorted(found["teams"], key=lambda each: -each["unanswered"])
    return [
        [
            each["team"] or "all",
            number(each["answered"]["of"]),
            share(each["answered"], 0),
            share(each["in_time"], 0),
            estimate(each["wait"]["median"], 1),
            number(each["unanswered"]),
        ]
        for each in [*(rows if len(rows) > 1 else []), found["whole"]]
    ]


def reasons(found: Result, by: str) -> list[list[str]]:
    """A row a group: how many of the answered were turned down, and the commonest reasons."""
    return [
        [
            each["group"] or "all",
            counted(each["rejected"]),
            share(each["rejected"], 0),
            ", ".join(
                f"{reason} {percent(count / each['rejected']['count'], 0)}"
                for reason, count in list(each["reasons"].items())[:3]
            ),
        ]
        for each in found["reasons"]
        if each["by"] == by
    ]


def sooner(found: Result, hours: float, words: Mapping[str, str]) -> list[str]:
    """Whether answering sooner goes with more wins here, and why that is no proof."""
    soon, later, leads = found["soon"], found["later"], words["leads"]
    if not soon["of"] or not later["of"]:
        return [
            f"too few {leads} were taken up long enough ago to compare those answered soon with the others"
        ]
    said = (
        f"of {leads} taken up within {number(hours)} hours {share(soon)} were won ({counted(soon)}), "
        f"of those taken up later {share(later)} ({counted(later)})"
    )
    alike, verdict = found["alike"], "here, answering sooner does not clearly go with more wins"
    if beyond(alike):
        verdict = f"here, answering sooner goes with {'more' if alike['low'] > 0 else 'fewer'} wins"
    proof = f"this is no proof: whoever answers soon may pick other {leads} first; only {leads} drawn by lot could show it"
    among = f"among {leads} of the same channel and grade the difference is {moved(alike)}"
    return [said, f"{verdict}: {among}", proof]


# ── the score ──


def grades(found: Result) -> list[list[str]]:
    """A row a grade: what was promised, what happened, and what that says."""
    return [_graded(each, each["grade"]) for each in found["grades"]]


def months(found: Result) -> list[list[str]]:
    return [_graded(each, f"{each['month']} {each['grade']}") for each in found["months"]]


def _graded(each: Result, name: str) -> list[str]:
    expected = each["promised"] * each["won"]["of"]
    return [
        name,
        number(each["won"]["of"]),
        f"{number(expected, 1)} ({percent(each['promised'])})",
        f"{number(each['won']['count'])} ({share(each['won'])})",
        {"fewer": "fewer than promised", "more": "more than promised"}.get(each["says"], each["says"]),
    ]


def trust(found: Result, words: Mapping[str, str]) -> str:
    """In one sentence: can the grades be trusted?"""
    if not found["over"]:
        return (
            f"it cannot be told yet: no {words['lead']} that sales got was scored {number(found['days'])} days ago or more, "
            "and before that its time is not over"
        )
    said = {each["says"] for each in found["grades"]}
    order = {
        True: "better grades were won more often",
        False: "a worse grade was won more often than a better one",
        None: f"too few {words['leads']} to say whether better grades are won more often",
    }[found["ordered"]]
    wrong = [each["grade"] for each in found["grades"] if each["says"] in ("fewer", "more")]
    if wrong:
        kept = f"the chances shown for {', '.join(wrong)} did not come true"
    elif "as promised" in said:
        kept = "what was promised is what happened, as far as chance lets one see"
    else:
        return order
    return f"{order}; {kept}"


# ── effort ──


def overlooked(found: Result, leniency: str | None, currency: str, words: Mapping[str, str]) -> list[str]:
    """Good leads that nobody took up: how many, what they may have been worth, and how sure that is."""
    gold, leads = found["overlooked"], words["leads"]
    names = " and ".join(gold["grades"])
    if not gold["leads"]["of"]:
        return [f"no {words['lead']} of grade {names} is old enough to be called overlooked"]
    lines = [
        (
            f"of {number(gold['leads']['of'])} {leads} of grade {names} that sales got, {number(gold['leads']['count'])} were not "
            f"taken up ({share(gold['leads'])}): {number(gold['turned_down'])} turned down, {number(gold['unanswered'])} never answered"
        )
    ]
    if gold["leads"]["count"]:
        lines.append(
            f"worked, for {number(gold['hours']['value'])} hours, they might have brought up to {number(gold['most']['high'])} customers"
            f"{_worth(found, gold['most_margin']['high'], currency)}, were they as good as those that sales takes up; sales may have "
            "seen what the model does not, and then they are fewer, down to none"
        )
    if gold["lot_wins"]["value"] is not None:
        wins, worth = gold["lot_wins"], gold["lot_margin"]
        lines.append(
            f"of such {leads} that were worked by lot, {share(gold['by_lot'])} were won ({counted(gold['by_lot'])}): that is proof. It says "
            f"that {number(wins['low'])} to {number(wins['high'])} customers were left lying{_worth(found, worth['high'], currency, worth['low'])}"
        )
    elif gold["by_lot"]["of"]:
        lines.append(
            f"only {number(gold['by_lot']['of'])} such {leads} were worked by lot and have had their time: too few to say"
        )
    elif gold["taken_up"]["of"]:
        lines.append(
            f"of such {leads} that sales chose to take up, {share(gold['taken_up'])} were won ({counted(gold['taken_up'])}); "
            "they may be the better ones. Leads worked by lot would tell: [policy] forced"
        )
    return lines if leniency is None else [*lines, leniency]


def _worth(found: Result, most: float | None, currency: str, least: float | None = None) -> str:
    """What these customers bring, where it is known."""
    if found["win_margin"]["value"] is None:
        return ""
    return (
        f", or {money(most, currency)}"
        if least is None
        else f", or {money(least, currency)} to {money(most, currency)}"
    )


def wasted(found: Result, currency: str, words: Mapping[str, str]) -> list[str]:
    """Poor leads that were worked: how many, the hours, and what they brought beside the others."""
    poor = found["wasted"]
    names = " and ".join(poor["grades"])
    if not poor["leads"]["of"]:
        return [
            f"no {words['lead']} that was decided and taken up is old enough to say what came of the work"
        ]
    lines = [
        (
            f"of {number(poor['leads']['of'])} {words['leads']} that were taken up, {number(poor['leads']['count'])} had grade {names} "
            f"({share(poor['leads'])}); {number(poor['won']['count'])} of them were won"
        ),
        f"they took {estimate(poor['hours'], 0)} hours, at {number(found['hours_per_lead'], 1)} a {words['lead']}",
    ]
    if found["win_margin"]["value"] is not None and poor["leads"]["count"]:
        own, other = (
            estimate(poor[name], words=lambda value, _places, sign: money(value, currency))
            for name in ("own_margin", "other_margin")
        )
        lines.append(f"an hour on them brought {own}, an hour on the other {words['leads']} taken up {other}")
    return lines


# ── margin ──


def _measured(found: Result, measure: str, currency: str) -> str:
    """A mean of a measure with its interval."""
    if measure == "margin":
        return estimate(found, words=lambda value, _places, sign: money(value, currency))
    return estimate(found, 1, words=percent)


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
            said = f"{'+' if apart['value'] > 0 else ''}{money(apart['value'], currency)}, {_chance(apart)}"
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


def _chance(found: Result) -> str:
    return "more than chance" if beyond(found) else "may be chance"


def brings(found: Result, currency: str) -> list[list[str]]:
    """A row a channel or team: its shares of deals and of margin, and what a win of it brings."""
    return [
        [
            f"{each['by']} {each['group']}",
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
            each["channel"],
            number(each["leads"]),
            *(number(each["wins"][rule]["value"], 1) for rule in rules(found)),
            _over_rules(each["wins"]),
        ]
        for each in found["credits"]
    ]


def credit_margin(found: Result, currency: str) -> list[list[str]]:
    return [
        [each["channel"], *(money(each["margin"][rule]["value"], currency) for rule in rules(found))]
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
        return "no win has a touch on record, so there is nothing to divide"
    one, other = (RULES[rule] for rule in found["apart"])
    said = f"{number(found['wins'])} wins are divided; " + (
        f"between {one} and {other}, the two rules that differ most, {percent(found['moved'])} of them change hands"
        if (found["moved"] or 0) >= HARDLY
        else "each has one touch, and every rule says the same"
    )
    without = found["unattributed"]
    return said + (
        f"; {number(without)} more win{'s have' if without != 1 else ' has'} no touch on record"
        if without
        else ""
    )

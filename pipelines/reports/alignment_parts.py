"""The rows and sentences of each part of the alignment: answers, the score, effort and credit."""

from calendar import month_name
from collections.abc import Mapping
from typing import Any

from models.alignment.book import NOTHING, SMALL_TEAMS
from pipelines.reports.formats import estimate, money, number, percent

Result = Mapping[str, Any]
MEASURES = {
    "margin": "margin per win",
    "margin_share": "margin in % of the price",
    "discount": "discount off the list price",
}


def share(found: Result, places: int = 1) -> str:
    """A share with its interval; a dash where there is nothing to count."""
    return percents(found["share"], places) if found["of"] else "–"


def percents(found: Result, places: int) -> str:
    """An estimate in per cent, whose interval says so once."""
    return estimate(found, places, words=percent).replace(" % –", " –")


def waited(found: Result) -> str:
    """Days, or hours or minutes where they are few: ``9.1 hours [8.4 – 10.0]``."""
    days = found["value"]
    if days is None:
        return "–"
    unit, size = ("days", 1) if days >= 2 else ("hours", 24) if days >= 1 / 24 else ("minutes", 24 * 60)
    scaled = {name: end and end * size for name, end in found.items()}
    value, _, interval = estimate(scaled, 1 if unit != "minutes" else 0).partition(" ")
    return f"{value} {unit if value not in ('1', '1.0') else unit.removesuffix('s')} {interval}".rstrip()


def named(value: str) -> str:
    """A channel or the like, as the source calls it, with spaces for its underscores."""
    return value.replace("_", " ").strip()


def month(text: str) -> str:
    """``2026-10`` in words."""
    year, number_ = text.split("-")
    return f"{month_name[int(number_)]} {year}"


def counted(found: Result) -> str:
    return f"{number(found['count'])} of {number(found['of'])}"


def moved(found: Result | None) -> str:
    """A change in points, and whether chance alone explains it."""
    if found is None or found["low"] is None:
        return "–"
    return f"{number(100 * found['value'], 1, sign=True)} points, {chance(found)}"


def chance(found: Result) -> str:
    return "more than chance" if beyond(found) else "may be chance"


def beyond(found: Result) -> bool:
    """Whether an interval leaves nothing out."""
    return found["low"] is not None and (found["low"] > 0 or found["high"] < 0)


# ── what to talk about ──


def talk(found: list[Result], words: Mapping[str, str], agreed: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each finding as a sentence, with the part of the page that has its figure."""
    return [(_found(each, words, agreed), each["where"]) for each in found]


def _found(each: Result, words: Mapping[str, str], agreed: Mapping[str, Any]) -> str:
    shown = percents(each["figure"], 0)
    if each["kind"] == "agreement":
        return f"fewer than half of the {words['leads']} are answered within the {number(agreed['answer_hours'])} hours agreed on: {shown}"
    if each["kind"] == "change":
        points = number(abs(100 * each["figure"]["value"]), 1)
        share_now = "more" if each["figure"]["value"] > 0 else "fewer"
        return f"{share_now} of the {words['leads']} were {words[each['about']]} than a year before, by {points} points"
    if each["kind"] == "month":
        points, share_then = (
            abs(100 * each["figure"]["value"]),
            "more" if each["figure"]["value"] > 0 else "fewer",
        )
        return (
            f"{share_then} of the {words['leads']} of {month(each['detail'])} were {words[each['about']]} within a week than of the three months "
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
    return f"most {words['leads']} of channel {named(each['about'])} that are turned down are so for one reason, {each['detail']}: {percent(each['figure']['value'], 0)}"


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
            waited(each["wait"]["median"]),
            number(each["unanswered"]),
        ]
        for each in [*(rows if len(rows) > 1 else []), found["whole"]]
    ]


def joined(names: list[str]) -> str:
    """Why some teams have no figures of their own; empty where all have."""
    if not names:
        return ""
    those = _all_of([named(each) for each in names])
    return (
        f"figures of a team of fewer than three people would tell what one person does, so these are counted together as {SMALL_TEAMS}: {those}. "
        "Who is of which team is said in [alignment] teams"
    )


def reasons(found: Result, by: str) -> list[list[str]]:
    """A row a group: how many of the answered were turned down, and the commonest reasons; none where there is
    but the group of those that have no name.
    """
    groups = [each for each in found["reasons"] if each["by"] == by]
    if [each["group"] for each in groups] == [NOTHING]:
        return []
    return [
        [
            named(each["group"] or "all"),
            counted(each["rejected"]),
            share(each["rejected"], 0),
            ", ".join(
                f"{reason} {percent(count / each['rejected']['count'], 0)}"
                for reason, count in list(each["reasons"].items())[:3]
            ),
        ]
        for each in groups
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
    proof = f"this is no proof: whoever answers soon may pick the better {leads} first. Only a trial could show it: {leads} picked at random, and answered at once"
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
        f"{number(expected, 0 if expected >= 10 else 1)} ({percent(each['promised'])})",
        f"{number(each['won']['count'])} ({share(each['won'])})",
        {"fewer": "fewer than promised", "more": "more than promised"}.get(each["says"], each["says"]),
    ]


def trust(found: Result, words: Mapping[str, str]) -> str:
    """In one sentence: can the grades be trusted?"""
    if not found["over"]:
        return (
            f"too early to say: a {words['lead']} has {number(found['days'])} days to be taken up and won, and none that sales got was scored "
            "so long ago"
        )
    said = {each["says"] for each in found["grades"]}
    order = {
        True: "better grades were won more often, or as often",
        False: "a worse grade was clearly won more often than a better one",
        None: f"too few {words['leads']} to say whether better grades are won more often",
    }[found["ordered"]]
    wrong = [each["grade"] for each in found["grades"] if each["says"] in ("fewer", "more")]
    if wrong:
        kept = f"the chances shown for {_all_of(wrong)} did not come true"
    elif "as promised" in said:
        kept = "what was promised is what happened, as far as chance lets one see"
    else:
        return order
    return f"{order}; {kept}"


def _all_of(names: list[str]) -> str:
    """Several in a sentence: ``A, B and C``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def held_back(found: Result, words: Mapping[str, str]) -> str:
    """What became of those that the filter kept back."""
    if not found["held"]:
        return f"no {words['lead']} that was held back has had its whole time yet"
    won = found["held_won"]
    return (
        f"{number(found['held'])} {words['leads']} that were held back have had their whole time: {number(found['held_accepted'])} were "
        f"taken up all the same, and {number(won)} became {'a customer' if won == 1 else 'customers'}"
    )


def promise(found: Result) -> str:
    """What became of the filter's promise, in words that need no statistics."""
    most, wins, held = percent(found["max_lost_share"], 0), found["wins"], found["held_wins"]
    seen = f"of {number(wins)} customers that count since launch, {number(held) if held else 'none'} had been below the line and let through at random"
    if found["kept"] is None:
        more = found["wins_missing"]
        needs = (
            f"about {number(more)} more customers would tell"
            if more
            else "more customers alone would not tell"
        )
        return (
            f"{seen}; whether at most {most} of customers are lost, as promised, cannot be said yet: {needs}"
        )
    verdict = "is kept" if found["kept"] else "is broken: lower the cut, or train anew"
    return f"{seen}; the promise that at most {most} of customers are lost {verdict}"


# ── effort ──


def overlooked(found: Result, leniency: str | None, currency: str, words: Mapping[str, str]) -> list[str]:
    """Good leads that nobody took up: how many, what they may have been worth, and how sure that is."""
    gold, leads = found["overlooked"], words["leads"]
    names = " and ".join(gold["grades"])
    if not gold["leads"]["of"]:
        return [
            f"too early to say: no {words['lead']} of grade {names} has waited long enough to be called overlooked"
        ]
    if not gold["leads"]["count"]:
        return [f"all {number(gold['leads']['of'])} {leads} of grade {names} that sales got were taken up"]
    lines = [
        (
            f"of {number(gold['leads']['of'])} {leads} of grade {names} that sales got, {number(gold['leads']['count'])} were not "
            f"taken up ({share(gold['leads'])}): {number(gold['turned_down'])} turned down, {number(gold['unanswered'])} never answered"
        )
    ]
    lines.append(
        f"working them would have taken {estimate(gold['hours'], 0)} hours and brought at most {number(gold['most']['high'])} customers"
        f"{_worth(found, gold['most_margin']['high'], currency)}, were they as good as the {leads} that sales takes up. Sales may have known better: "
        "then it would have been fewer, or none"
    )
    if gold["lot_wins"]["value"] is not None:
        wins, worth = gold["lot_wins"], gold["lot_margin"]
        lines.append(
            f"of such {leads} that sales was asked to work because they were picked at random, {share(gold['by_lot'])} were won ({counted(gold['by_lot'])}). "
            f"That shows what such {leads} are worth: between {number(wins['low'])} and {number(wins['high'])} customers were left lying{_worth(found, worth['high'], currency, worth['low'])}"
        )
    elif gold["by_lot"]["of"]:
        lines.append(
            f"only {number(gold['by_lot']['of'])} such {leads} were picked at random to be worked and have had their time: too few to say"
        )
    elif gold["taken_up"]["of"]:
        lines.append(
            f"of such {leads} that sales chose to take up, {share(gold['taken_up'])} were won ({counted(gold['taken_up'])}); "
            f"they may be the better ones. Working some {leads} picked at random would tell: [policy] forced"
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
        return [f"too early to say: no {words['lead']} that was scored and taken up has had its whole time"]
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

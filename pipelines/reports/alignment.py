"""What marketing and sales read together: rows for its template, for the terminal, as one page and on the desk."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup

from models.alignment.book import NAMED
from pipelines.files import replaced
from pipelines.reports import alignment_money as money
from pipelines.reports import alignment_parts as parts
from pipelines.reports.alignment_parts import moved, share
from pipelines.reports.formats import number, percent, short
from pipelines.reports.render import as_text, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, Any]
LISTED, MOST_LISTED, MOST_CAMPAIGNS = 10, 200, 15


def definitions(words: Mapping[str, str], agreed: Mapping[str, Any]) -> dict[str, str]:
    """What each figure counts, in one sentence."""
    pursue, convert = (number(agreed[name]) for name in ("pursue_days", "convert_days"))
    lead, leads = words["lead"], words["leads"]
    return {
        "leads": f"every {lead} that was created in the period",
        "handed_off": f"{words['handed_off']}: the filter gave it to sales, or a person pulled it out; empty before launch",
        "held": f"{words['held']}: the filter keeps it back; it is not deleted",
        "answered": f"{words['answered']}: sales took it up or turned it down, or it was closed",
        "accepted": f"{words['accepted']}: sales took it up; a win without that on record counts as taken up",
        "won": f"{words['won']}: became a customer, by now",
        "open": f"open: unanswered for less than {pursue} days, or taken up and undecided for less than {convert}. Open is not lost",
        "before": f"a year before: the {leads} of the same months one year earlier, counted as things stood then, so that both had the same time",
        "times": f"only {leads} that had the whole time for it ({pursue} days to be answered, {convert} to be won): with younger ones, of which only the quick ones are there yet, it would look too quick",
        "in_time": f"in time: answered within the {number(agreed['answer_hours'])} hours agreed on; {leads} that came less than that ago are left out",
        "unanswered": f"never answered: {pursue} days have passed, and no answer is on record",
        "reasons": f"turned down, of the answered {leads} of each group; the shares of reasons are of those turned down",
        "grades": f"only {leads} that sales got and whose time to be won is over; promised is the chance to be taken up and won that was shown when the {lead} was scored",
        "overlooked": f"{leads} of the best grades that sales got, and turned down or never answered",
        "wasted": f"{leads} of the poorest grades that sales took up of its own accord",
        "latest": f"what happened within a week of coming to sales, so that all {leads} had the same time; the month is the newest of which every {lead} has had that week",
        "quarter": (
            f"all quarters together, by the day of the win; the last days are the last {number(agreed['quarter_end_days'])} of a quarter. The last column compares "
            "deals of about the same size. Other customers may buy at the end of a quarter than before it, so this shows what happens and not why"
        ),
        "brings": "more margin than deals: a win of theirs brings clearly more than one of the others, by more than luck explains; alike: no clear difference",
        "touches": f"a touch is a contact through a channel: the one that brought the {lead}, and those of its events until sales answered",
        "by_lot": f"sales was asked to work some {leads} that were picked at random. What was won of them shows what the {leads} of a channel are worth, whoever chooses whom to call, and counts for more than the rules below",
        "credit": "each rule shares every win out among the channels that the customer met before it. That tells what came before wins and not what caused them: what a channel brings is told only by a trial, in which it is left out for people picked at random",
        "rules": (
            f"first and last touch get all; linear: equal parts; position: {number(40)} % first, {number(40)} % last, the rest between; time decay: a touch "
            f"{number(agreed['half_life_days'])} days earlier counts half; Markov: how many wins would be missing if everybody who comes to the channel were lost there, "
            f"reckoned from the ways of all {leads}, won or not; Shapley: equal parts for the different channels of a {lead}"
        ),
        "interval": f"in brackets: how far luck alone may have moved the figure; 19 times in 20 the true one lies in between. Few {leads} make it wide",
    }


def alignment(result: Result, *, page: Path | None = None) -> str:
    """Markdown of all figures, for the terminal."""
    return _markdown(result, pictures=(), page=page and str(page), whole=False)


def digest(result: Result, *, desk: str | None) -> tuple[str, str]:
    """The title of a message, and its Markdown: how the leads stand, what to talk about, and where the figures are."""
    words, total = result["words"], result["funnel"]["total"]
    told = parts.talk(result["talk"], words, result["agreed"])
    body = markdown(
        "alignment_digest",
        counted=_counted(result),
        period=period(result),
        steps=[
            (words[step], total["steps"][step])
            for step in total["steps"]
            if step not in ("handed_off", "held")
        ],
        talk=told,
        desk=desk and desk.rstrip("/"),
    )
    return f"{title(result)}: {len(told) or 'nothing'} to talk about", body


def alignment_page(result: Result, pictures: Mapping[str, "Figure"]) -> str:
    """The same as HTML that stands alone, with pictures."""
    from pipelines.reports.page import page  # which loads matplotlib; the desk imports this module, too

    words = f"{as_text(_counted(result))}, {as_text(period(result))}.\n\n{body(result, pictures)}"
    return page(title(result), words, pictures, foot=f"As of {short(result['as_of'], 16)} (UTC).")


def body(result: Result, pictures: Mapping[str, Any], *, leads_at: str | None = None) -> str:
    """The words of a page; ``leads_at`` is the address below which leads have pages of their own."""
    return _markdown(result, pictures=pictures, page=None, whole=True, leads_at=leads_at)


def write_page(result: Result, pictures: Mapping[str, "Figure"], path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(alignment_page(result, pictures), encoding="utf-8")
    return path


def _markdown(
    result: Result, *, pictures: Any, page: str | None, whole: bool, leads_at: str | None = None
) -> str:
    words, found = result["words"], result["funnel"]
    said = definitions(words, result["agreed"])
    return markdown(
        "alignment",
        **{name: result[name] for name in ("agreed", "events", "warnings", "seconds")},
        counted=_counted(result),
        lead=words["lead"],
        leads=words["leads"],
        said=said,
        heads=["month", words["leads"], *(words[step] for step in found["total"]["steps"]), "open"],
        cohorts=[_cohort(each) for each in (*found["months"], found["total"])],
        counts=[_counts(each) for each in (*found["months"], found["total"])] if whole else [],
        steps=[_step(step, found, words) for step in found["total"]["steps"]],
        before=found["before"],
        still_open=found["total"]["open"],
        latest=found["latest"] and found["latest"] | {"month": parts.month(found["latest"]["month"])},
        latest_steps=[
            _latest(step, found["latest"], words) for step in (found["latest"] or {}).get("steps", ())
        ],
        waits=[_wait(stage, found, words) for stage in found["times"]],
        period=period(result),
        talk=parts.talk(result["talk"], words, result["agreed"]),
        **_feedback(result, whole=whole),
        **_score(result, whole=whole),
        **_effort(result, whole=whole, leads_at=leads_at),
        **_margin(result, whole=whole),
        **_credit(result, whole=whole),
        pictures=bool(pictures),
        page=page,
        whole=whole,
    )


def title(result: Result) -> str:
    """What the page is called."""
    return f"What became of the {result['words']['leads']}"


def _counted(result: Result) -> str:
    count, words = result["leads"], result["words"]
    return f"{number(count)} {words['lead' if count == 1 else 'leads']}"


def period(result: Result) -> str:
    """Which leads it is about, in words."""
    asked = result["asked"]
    until = f"before {asked['until']}" if "until" in asked else f"until {short(result['as_of'])}"
    named = [f"{name} {asked[name]}" for name in NAMED if name in asked]
    return ", ".join([f"created from {asked['since']} {until}", *named])


def _cohort(each: Result) -> list[str]:
    before_launch = not _decided(each)
    shares = [
        "–"
        if before_launch and step in ("handed_off", "held")
        else percent(each["steps"][step]["share"]["value"], 0)
        for step in each["steps"]
    ]
    return [each["month"] or "all", number(each["leads"]), *shares, number(each["open"])]


def _counts(each: Result) -> list[str]:
    """The same with what was counted, and intervals."""
    steps = each["steps"].values()
    return [
        each["month"] or "all",
        *(f"{number(step['count'])}: {share(step)}" if step["count"] else "–" for step in steps),
    ]


def _decided(each: Result) -> int:
    """How many leads of a cohort the filter has decided: none before launch."""
    return each["steps"]["handed_off"]["count"] + each["steps"]["held"]["count"]


def _step(step: str, found: Result, words: Mapping[str, str]) -> list[str]:
    total, before = found["total"]["steps"][step], found["before"]
    row = [words[step], parts.counted(total), share(total)]
    if step in ("handed_off", "held") and not _decided(found["total"]):
        row = [words[step], "–", "–"]
    if before is None:
        return row
    if step in ("handed_off", "held") and not (_decided(before) and _decided(found["total"])):
        return [*row, "–", "–"]
    return [*row, share(before["steps"][step]), moved(found["changes"].get(step))]


def _latest(step: str, found: Result, words: Mapping[str, str]) -> list[str]:
    now, before = found["steps"][step]
    return [words[step], parts.counted(now), share(now), share(before), moved(found["changes"][step])]


def _wait(stage: str, found: Result, words: Mapping[str, str]) -> list[str]:
    times, before = found["times"], found["times_before"].get(stage)
    start, each = "taken up" if stage == "won" and "accepted" in times else "came to sales", times[stage]
    return [
        f"{start} → {words[stage]}",
        number(each["of"]),
        parts.waited(each["median"]),
        parts.waited(each["p90"]),
        *([parts.waited(before["median"])] if before else []),
        number(each["waiting"]),
    ]


def _feedback(result: Result, *, whole: bool) -> dict[str, Any]:
    found, hours, words = result["feedback"], result["agreed"]["answer_hours"], result["words"]
    if found is None:
        return {"answers_told": False}
    after = found["afterwards"]
    return {
        "answers_told": True,
        "teams": parts.teams(found),
        "joined": parts.joined(result["joined_teams"]),
        "reasons": parts.reasons(found, "all")[0] if after["rejected"] else None,
        "reasons_by": {
            by: rows
            for by in (("channel", "campaign", "month") if whole else ("channel",))
            if after["rejected"] and (rows := parts.reasons(found, by))
        },
        "afterwards": [
            f"of {number(after['rejected'])} {words['leads']} that were turned down, {number(after['accepted']['count'])} were taken up later "
            f"({share(after['accepted'])}), and {number(after['won']['count'])} were won ({share(after['won'])})",
            f"in {number(after['account_won']['count'])} cases the account became a customer later by another {words['lead']} ({share(after['account_won'])})",
        ]
        if after["rejected"]
        else [],
        "sooner": parts.sooner(found["sooner"], hours, words),
    }


def _score(result: Result, *, whole: bool) -> dict[str, Any]:
    found = result["scored"]
    return {
        "trust": parts.trust(found, result["words"]),
        "decided": found["decided"],
        "held_back": parts.held_back(found, result["words"]),
        "grades": parts.grades(found),
        "grade_months": parts.months(found) if whole else [],
        "promise": result["promise"] and parts.promise(result["promise"]),
    }


def _effort(result: Result, *, whole: bool, leads_at: str | None) -> dict[str, Any]:
    found, currency = result["effort"], result["currency"]
    if found is None:
        return {}
    most = MOST_LISTED if whole else LISTED
    return {
        "overlooked": parts.overlooked(found, result["leniency"], currency, result["words"]),
        "wasted": parts.wasted(found, currency, result["words"]),
        "lists": {
            name: (
                [_lead(each, leads_at) for each in found[name]["lead_ids"][:most]],
                found[name]["leads"]["count"],
            )
            for name in ("overlooked", "wasted")
        },
    }


def _margin(result: Result, *, whole: bool) -> dict[str, Any]:
    found, currency = result["margin"], result["currency"]
    return {
        "margin": found,
        "measures": [money.MEASURES[measure] for measure in found["measures"]],
        "last_days": money.last_days(found, currency),
        "margin_weeks": money.weeks(found, currency) if whole else [],
        "brings": money.brings(found, currency),
    }


def _lead(lead_id: str, leads_at: str | None) -> Markup:
    """A lead's id, and the way to its page where there is one."""
    shown = as_text(lead_id)
    return shown if leads_at is None else Markup(f"[{shown}]({leads_at}{quote(lead_id, safe='')})")


def _credit(result: Result, *, whole: bool) -> dict[str, Any]:
    found, currency = result["attribution"], result["currency"]
    campaigns = result["campaigns"]
    return {
        "rules": list(money.rules(found).values()),
        "by_lot": [
            [parts.named(channel), parts.counted(each), share(each)]
            for channel, each in sorted(result["by_lot"].items(), key=lambda row: -row[1]["share"]["value"])
        ],
        "apart": money.apart(found),
        "credit": money.credit(found),
        "credit_margin": money.credit_margin(found, currency) if found["margin"] else [],
        "campaigns": money.campaigns(campaigns, currency, most=MOST_CAMPAIGNS if whole else 5),
    }

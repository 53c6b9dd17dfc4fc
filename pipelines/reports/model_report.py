"""A version's report: what it says first (is the version ready, how good is it, what does it promise, what is
there to worry about), in the terminal, and with everything else on one page.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.labels import JUDGED
from pipelines.files import replaced
from pipelines.reports.formats import money, number, percent, sentence, short, span
from pipelines.reports.page import Mood, page
from pipelines.reports.plots.report import report_figures
from pipelines.reports.render import markdown
from pipelines.reports.summaries import BASELINES, CUT_ON, order_of

Card = Mapping[str, Any]

READY = {
    "ready": ("Ready", "good"),
    "weak": ("Weak", "doubtful"),
    "no better than chance": ("No better than chance", "bad"),
    "too little data": ("Too little data", "bad"),
}
GRAVEST = ("held_wins", "held", "ratio", "auc")
CALIBRATED = (0.8, 1.25)
SHOWN_WORRIES = 6
SHOWN_POOR = 8
FEW_WINS = 200
PAGE = "report.html"
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


@dataclass(frozen=True)
class Worry:
    """One sentence, how grave it is, and in which part of the report there is more."""

    words: str
    mood: Mood
    where: str


@dataclass(frozen=True)
class Answer:
    """What is said first to one question: a few large words, and sentences below them."""

    question: str
    words: str
    mood: Mood
    lines: tuple[str, ...]


def report(card: Card, *, page: Path | None = None) -> str:
    """Four questions with their answers, and where the whole report is."""
    return markdown(
        "report",
        version=card["version"],
        answers=answers(card),
        worries=worries(card),
        page=page and str(page),
        whole=False,
    )


def report_page(card: Card, version: str) -> str:
    """The ``report`` object of the interface as HTML: the same card gives the same page, whenever it is
    written.
    """
    troubles, figures = worries(card), report_figures(card)
    as_of = "" if card["as_of"] is None else f", as of {short(card['as_of'], 16)}"
    poor = [each for each in card["segments"] if each["poor"] and not each["audited"]]
    words = markdown(
        "report",
        **{**card, "version": version},
        figures=figures,
        known_until=short(card["as_of"], 16),
        more_worries=[worry.words for worry in troubles[SHOWN_WORRIES:]],
        order=[(name, JUDGED[name].question) for name in order_of(card) if card["models"][name]],
        questions={name: words.question for name, words in JUDGED.items()},
        rows=FIGURES,
        rivals=BASELINES,
        cut_on=CUT_ON,
        worth=_worth(card["policy"]["value"]),
        by_column={
            audited: _by_column(each for each in card["segments"] if each["audited"] == audited)
            for audited in (False, True)
        },
        poor=[poor_words(each) for each in sorted(poor, key=lambda each: -each["leads"])],
        shown_poor=SHOWN_POOR,
        gap_words=gap_words,
        differences=[_difference(each) for each in (card["champion"] or {}).get("differences") or ()],
        value=_value,
        promised=_promised,
        whole=True,
    )
    return page(
        f"Model report, version {version}",
        words,
        figures,
        answers=answers(card),
        worries=troubles[:SHOWN_WORRIES],
        more_worries=len(troubles[SHOWN_WORRIES:]),
        foot=(
            f"Version {version}{as_of}. "
            f"Data {card['trained_on']['fingerprint']}. Every figure is in leadsieve report {version} --json."
        ),
    )


def write_report(card: Card, version: str, path: Path) -> Path:
    """Write the page; an older file of that name is replaced in one step."""
    with replaced(path) as draft:
        draft.write_text(report_page(card, version), encoding="utf-8")
    return path


def _worth(value: Mapping[str, Any] | None) -> list[list[str]]:
    return [[words, money(value[key])] for key, words in WORTH.items() if value[key]] if value else []


def _by_column(segments: Iterator[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for each in segments:
        found.setdefault(each["column"], []).append(each)
    return found


def _difference(each: Mapping[str, Any]) -> list[str]:
    """A figure of the champion and of this version on the same leads."""
    loss = each["kind"] == "loss"
    return [
        f"log-loss of {each['what']}" if loss else f"{each['what']} among the leads that sales would work",
        *(number(each[side], 4 if loss else 0) for side in ("champion", "challenger")),
        *(percent(each[key], sign=True) for key in ("worse", "at_worst")),
        f"{100 * each['allowed']:g} %",
        "yes" if each["harmless"] else "no",
    ]


def _promised(promise: Mapping[str, Any]) -> str:
    if not promise["certified"]:
        return "nothing"
    most = f"{100 * promise['max_lost_share']:g} %"
    return f"at most {most} of {promise['of']}, on {number(promise['wins'])} wins"


def _value(value: Any) -> str:
    """A setting."""
    if value is None:
        return "–"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def decisive(card: Card) -> str:
    """The outcome that decides: that of the score."""
    return card["score"].removeprefix("p_")


def answers(card: Card) -> tuple[Answer, Answer, Answer]:
    """To the first three questions."""
    return _ready(card), _good(card), _promise(card)


def _ready(card: Card) -> Answer:
    words, mood = READY[card["verdict"]]
    champion, lines = card["champion"], list(card["reasons"])
    if champion is None:
        lines.append("There was no champion to compare it with.")
    elif champion["obstacle"]:
        lines.append(f"It cannot be compared with the champion, version {champion['version']}.")
    else:
        would = "would promote it" if champion["would_be_promoted"] else "would not promote it"
        lines.append(f"Beside the champion, version {champion['version']}, the rule {would}.")
    return Answer("Is it ready?", words, mood, tuple(lines))


def _good(card: Card) -> Answer:
    name = decisive(card)
    model = card["models"][name]
    if model is None or model["auc"] is None:
        return Answer(
            "How good is it?",
            "It could not be judged",
            "bad",
            ("There were too few leads whose outcome is known.",),
        )
    lift, area, ratio = model["lift_at_10_percent"], model["auc"], model["calibration_ratio"]
    words = f"{percent(lift['value'] / 10, 0)} of the {JUDGED[name].whom} are among the best tenth of leads"
    lines = (
        f"That is {number(lift['value'], 1)} times as many as drawing lots finds ({span(lift, 1)}). AUC {number(area['value'], 2)} ({span(area, 2)}).",
        f"On average it predicts {number(ratio['value'], 2)} times what comes true ({span(ratio, 2)}); 1 is exact.",
    )
    return Answer("How good is it?", words, "plain", lines)


def _promise(card: Card) -> Answer:
    policy = card["policy"]
    promise = policy["promise"]
    first = promise["why"].split("; ")[0]
    if promise["certified"]:
        held = f"It would hold back {percent(policy['held_share'])} of the newest leads; nothing is deleted, and any lead can be called back."
        return Answer("What does it promise?", sentence(first).rstrip("."), "good", (held,))
    held = (
        "Nobody is held back."
        if policy["cut"] is None
        else f"All the same {percent(policy['held_share'])} of leads are held, as configured."
    )
    return Answer("What does it promise?", "Nothing yet", "doubtful", (sentence(promise["why"]), held))


def worries(card: Card) -> tuple[Worry, ...]:
    """The gravest first."""
    found = [
        *_leaks(card),
        *_verdicts(card),
        *_unfair(card),
        *_behind(card),
        *_promises(card),
        *_fading(card),
        *_baselines(card),
        *_poor(card),
        *_data(card),
    ]
    return tuple(sorted(found, key=lambda worry: worry.mood != "bad"))


def _leaks(card: Card) -> Iterator[Worry]:
    for leak in card["leaks"]:
        if leak["verdict"] == "ok":
            continue
        vouched = "the configuration vouches for it" if leak["trusted"] else "used by force"
        yield Worry(
            f"‘{leak['column']}’ may know the outcome ({vouched}): if it is filled in later, every figure here flatters.",
            "doubtful" if leak["trusted"] else "bad",
            "leaks",
        )


def _verdicts(card: Card) -> Iterator[Worry]:
    for name, model in card["models"].items():
        if (
            model is not None and model["verdict"] != "ready" and name != decisive(card)
        ):  # whose reasons are told already
            mood: Mood = "doubtful" if model["verdict"] == "weak" else "bad"
            for reason in model["reasons"]:
                yield Worry(
                    f"{JUDGED[name].about.capitalize()}: {reason[:1].lower()}{reason[1:]}", mood, name
                )


def _unfair(card: Card) -> Iterator[Worry]:
    for column in card["audit"]:
        found = [gap for gap in card["gaps"] if gap["column"] == column and gap["beyond_chance"]]
        if found:  # the weightiest: who is kept waiting although they would have bought
            gravest = min(found, key=lambda gap: GRAVEST.index(gap["figure"]))
            yield Worry(
                gap_words(gravest), "bad" if gravest["figure"] == "held_wins" else "doubtful", "audit"
            )


def _behind(card: Card) -> Iterator[Worry]:
    champion = card["champion"]
    if champion is None:
        return
    if champion["obstacle"]:
        yield Worry(
            f"It cannot be compared with version {champion['version']}: {champion['obstacle']}.",
            "doubtful",
            "champion",
        )
        return
    for each in champion["differences"]:
        if not each["harmless"]:
            worse = each["worse"] > each["allowed"]
            said = "worse than the champion" if worse else "harm against the champion is not excluded"
            yield Worry(sentence(f"{said}: {each['words']}"), "bad" if worse else "doubtful", "champion")


def _promises(card: Card) -> Iterator[Worry]:
    promise = card["policy"]["promise"]
    if not promise["certified"]:
        told = (
            promise["why"]
            if promise["why"].startswith("nothing is promised")
            else f"nothing is promised: {promise['why']}"
        )
        yield Worry(sentence(told), "doubtful", "promise")
    leniency, worked = card["leniency"], card["worked"]
    # Where the luck of who got a lead or forced leads tell what sales sees, the chance if worked goes by it already.
    if leniency and leniency["warns"] and not (worked and worked["by"] in ("luck", "forced")):
        yield Worry(
            sentence(f"sales may see what the model does not: {leniency['words']}"), "doubtful", "promise"
        )


def _fading(card: Card) -> Iterator[Worry]:
    for name, model in card["models"].items():
        if model is None or not model["blocks"]:
            continue
        last, whole = model["blocks"][-1], model["auc"]
        about = JUDGED[name].about
        if last["auc_high"] is not None and last["auc_high"] < whole["value"]:
            yield Worry(
                f"In the newest block it ranks worse than before: AUC {number(last['auc'], 2)} against {number(whole['value'], 2)} over all ({about}).",
                "doubtful",
                name,
            )
        ratio = last["calibration_ratio"]
        if ratio is not None and not CALIBRATED[0] <= ratio <= CALIBRATED[1]:
            yield Worry(
                f"In the newest block it predicts {number(ratio, 2)} times what came true ({about}).",
                "doubtful",
                name,
            )


def _baselines(card: Card) -> Iterator[Worry]:
    model = card["models"][decisive(card)]
    rival = model and model["baselines"].get("logistic")
    if (
        rival
        and model["verdict"] == "ready"
        and rival["ahead"]["high"] is not None
        and rival["ahead"]["high"] > 0
    ):
        yield Worry(
            f"Logistic regression on the same columns ranks about as well (AUC {number(rival['auc']['value'], 2)}).",
            "plain",
            decisive(card),
        )


def _poor(card: Card) -> Iterator[Worry]:
    poor = [segment for segment in card["segments"] if segment["poor"] and not segment["audited"]]
    for segment in sorted(poor, key=lambda each: -each["leads"])[:3]:
        yield Worry(poor_words(segment), "doubtful", "segments")
    if len(poor) > 3:
        yield Worry(f"It is poor for {len(poor) - 3} more groups.", "doubtful", "segments")


def _data(card: Card) -> Iterator[Worry]:
    if card["trained_on"]["clock"] == "none":
        yield Worry(
            "The data have no dates: it was tried on leads drawn at random, which flatters.",
            "doubtful",
            "data",
        )
    model = card["models"][decisive(card)]
    if model and min(model["positives"], model["settled"] - model["positives"]) < FEW_WINS:
        few = min(model["positives"], model["settled"] - model["positives"])
        yield Worry(f"It rests on few leads: {number(few)} of the rarer outcome.", "plain", "data")


def poor_words(segment: Mapping[str, Any]) -> str:
    """What is wrong with a group, with its figure."""
    where = f"Where ‘{segment['column']}’ is ‘{segment['group']}’, it"
    if segment["poor"] == "ranks no better than chance":
        return f"{where} ranks no better than chance: AUC {number(segment['auc']['value'], 2)}."
    if segment["poor"] == "misses more of its customers":
        return f"{where} would hold back {percent(segment['held_wins']['value'])} of those who come true, more than elsewhere."
    return f"{where} {segment['poor']}: {number(segment['ratio']['value'], 2)} times what came true."


def gap_words(gap: Mapping[str, Any]) -> str:
    """The widest gap between groups that the model does not see, in a sentence."""
    most, least = f"where ‘{gap['column']}’ is ‘{gap['most']}’", f"where it is ‘{gap['least']}’"
    if gap["figure"] == "ratio":
        size = f"{number(gap['difference'], 2)} times as much ({number(gap['low'], 2)} to {number(gap['high'], 2)})"
        return f"Against what comes true, it predicts {size} {most} as {least}."
    if gap["figure"] == "auc":
        return f"It ranks better {most} than {least}: AUC {number(gap['difference'], 2)} higher ({number(gap['low'], 2)} to {number(gap['high'], 2)})."
    of = "leads" if gap["figure"] == "held" else "later customers"
    points = f"{number(100 * gap['difference'], 1)} points more often ({number(100 * gap['low'], 1)} to {number(100 * gap['high'], 1)})"
    return f"The filter holds {of} {points} {most} than {least}."

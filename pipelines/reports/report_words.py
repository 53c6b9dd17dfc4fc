"""What a report says first: is the version ready, how good is it, what does it promise, what is there to
worry about?
"""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.reports.formats import percent, sentence

Card = Mapping[str, Any]
Mood = Literal["good", "doubtful", "bad", "plain"]

READY = {
    "ready": ("Ready", "good"),
    "weak": ("Weak", "doubtful"),
    "no better than chance": ("No better than chance", "bad"),
    "too little data": ("Too little data", "bad"),
}
FOUND = {"pursue": "the leads that sales takes up", "convert": "the customers"}
GRAVEST = ("held_wins", "held", "ratio", "auc")
CALIBRATED = (0.8, 1.25)
SHOWN_WORRIES = 6
FEW_WINS = 200
WIDTH = 128


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


def decisive(card: Card) -> str:
    """The outcome that decides: becoming a customer, or being taken up where nothing else can be learned."""
    return "convert" if card["models"]["convert"] else "pursue"


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
    words = (
        f"{lift['value'] / 10:.0%}".replace("%", " %")
        + f" of {FOUND[name]} are among the best tenth of leads"
    )
    lines = (
        f"That is {lift['value']:.1f} times as many as drawing lots finds ({_span(lift, 1)}). AUC {area['value']:.2f} ({_span(area, 2)}).",
        f"On average it predicts {ratio['value']:.2f} times what comes true ({_span(ratio, 2)}); 1 is exact.",
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
            about = {"pursue": "Being taken up", "convert": "Becoming a customer"}[name]
            for reason in model["reasons"]:
                yield Worry(f"{about}: {reason[:1].lower()}{reason[1:]}", mood, name)


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
    leniency = card["leniency"]
    if leniency and leniency["warns"]:
        yield Worry(
            sentence(f"sales may see what the model does not: {leniency['words']}"), "doubtful", "promise"
        )


def _fading(card: Card) -> Iterator[Worry]:
    for name, model in card["models"].items():
        if model is None or not model["blocks"]:
            continue
        last, whole = model["blocks"][-1], model["auc"]
        about = {"pursue": "being taken up", "convert": "becoming a customer"}[name]
        if last["auc_high"] is not None and last["auc_high"] < whole["value"]:
            yield Worry(
                f"In the newest block it ranks worse than before: AUC {last['auc']:.2f} against {whole['value']:.2f} over all ({about}).",
                "doubtful",
                name,
            )
        ratio = last["calibration_ratio"]
        if ratio is not None and not CALIBRATED[0] <= ratio <= CALIBRATED[1]:
            yield Worry(
                f"In the newest block it predicts {ratio:.2f} times what came true ({about}).",
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
            f"Logistic regression on the same columns ranks about as well (AUC {rival['auc']['value']:.2f}).",
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
        yield Worry(f"It rests on few leads: {few:,} of the rarer outcome.", "plain", "data")


def poor_words(segment: Mapping[str, Any]) -> str:
    """What is wrong with a group, with its figure."""
    where = f"Where ‘{segment['column']}’ is ‘{segment['group']}’, it"
    if segment["poor"] == "ranks no better than chance":
        return f"{where} ranks no better than chance: AUC {segment['auc']['value']:.2f}."
    if segment["poor"] == "misses more of its customers":
        return f"{where} would hold back {percent(segment['held_wins']['value'])} of those who come true, more than elsewhere."
    return f"{where} {segment['poor']}: {segment['ratio']['value']:.2f} times what came true."


def gap_words(gap: Mapping[str, Any]) -> str:
    """The widest gap between groups that the model does not see, in a sentence."""
    most, least = f"where ‘{gap['column']}’ is ‘{gap['most']}’", f"where it is ‘{gap['least']}’"
    if gap["figure"] == "ratio":
        size = f"{gap['difference']:.2f} times as much ({gap['low']:.2f} to {gap['high']:.2f})"
        return f"Against what comes true, it predicts {size} {most} as {least}."
    if gap["figure"] == "auc":
        return f"It ranks better {most} than {least}: AUC {gap['difference']:.2f} higher ({signed(gap['low'], 2)} to {gap['high']:.2f})."
    of = "leads" if gap["figure"] == "held" else "later customers"
    points = f"{100 * gap['difference']:.1f} points more often ({signed(100 * gap['low'], 1)} to {100 * gap['high']:.1f})"
    return f"The filter holds {of} {points} {most} than {least}."


def signed(value: float, places: int) -> str:
    """A number with a minus that is as wide as a plus."""
    return f"{value:.{places}f}".replace("-", "−")


def _span(estimate: Mapping[str, float | None], places: int) -> str:
    if estimate["low"] is None:
        return "no interval"
    return f"{estimate['low']:.{places}f} – {estimate['high']:.{places}f}"


def reported(result: dict[str, Any], *, page: Path | None) -> str:
    """Four questions with their answers, and where the whole report is."""
    lines = [f"version {result['version']}", ""]
    for answer in answers(result):
        lines += [
            answer.question,
            *_indented(answer.words),
            *(line for words in answer.lines for line in _indented(words)),
            "",
        ]
    found = worries(result)
    lines += [
        "What should I worry about?",
        *(line for worry in found for line in _indented(worry.words, "  · ")),
    ]
    if not found:
        lines.append("  nothing stands out")
    lines += [
        "",
        f"the whole report: {page}"
        if page
        else f"the whole report: leadsieve report {result['version']} --page report.html",
    ]
    return "\n".join(lines)


def _indented(words: str, begin: str = "  ") -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin))

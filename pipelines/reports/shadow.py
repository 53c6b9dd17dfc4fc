"""What a challenger in shadow is worth so far, in words and figures, for the terminal and the desk alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reports.formats import estimate, number, percent, sentence

HEADINGS = ("", "AUC", "mean chance", "chance over what came true")


def told(record: Mapping[str, Any] | None, versions: Sequence[str]) -> dict[str, Any] | None:
    """``sentences``, ``headings`` and ``figures`` of ``shadow`` of the ``compare`` object; None where there is none."""
    if record is None:
        return None
    return {
        "sentences": [sentence(words) for words in sentences(record, versions)],
        "headings": HEADINGS,
        "figures": figures(record, versions),
    }


def figures(record: Mapping[str, Any], versions: Sequence[str]) -> list[list[str]]:
    """A row for each version under ``HEADINGS``."""
    sides = zip(versions, (record["champion"], record["challenger"]), strict=True)
    return [
        [
            f"version {version}",
            estimate(side["auc"]),
            percent(side["mean_chance"]),
            estimate(side["calibration_ratio"], 2),
        ]
        for version, side in sides
    ]


def sentences(record: Mapping[str, Any], versions: Sequence[str]) -> list[str]:
    """What was scored and became of it, then where the two cuts disagree."""
    champion, challenger = versions
    held, let_go = record["held_otherwise"], record["let_go_otherwise"]
    told = [
        f"version {challenger} has scored {_count(record['leads'], 'lead')} in silence that version {champion} decided; "
        f"{number(record['settled'])} of those handed off are settled, {_count(record['wins'], 'win')} among them"
    ]
    if record["ahead"]["value"] is not None:
        told.append(
            f"on the same settled leads the AUC of version {challenger} is ahead by {estimate(record['ahead'], sign=True)}; "
            f"version {champion} chose who was tried, which leaves it the harder part"
        )
    told.append(
        f"it would hold {_count(held['leads'], 'lead')} that the cut of version {champion} does not: of these "
        f"{number(held['settled'])} are settled, {_count(held['wins'], 'win')} among them"
    )
    told.append(
        f"it would let {_count(let_go['leads'], 'lead')} go that the cut of version {champion} holds: "
        f"{number(let_go['settled'])} of these passed whatever their score and are settled, {_count(let_go['wins'], 'win')} among them"
    )
    return told


def _count(many: int, of: str) -> str:
    return f"{number(many)} {of}" if many == 1 else f"{number(many)} {of}s"

"""What a challenger in shadow is worth so far, in words and figures, for the terminal and the desk alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reports.formats import estimate, number, percent, sentence

HEADINGS = ("", "AUC", "Mean chance", "Chance over what came true")


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
            f"Version {version}",
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
        f"version {challenger} has scored {_count(record['leads'], 'lead')} in silence that version {champion} decided "
        f"(handed off and settled so far: {_settled(record)})"
    ]
    if record["ahead"]["value"] is not None:
        told.append(
            f"on these settled leads the AUC of version {challenger} less that of version {champion} is "
            f"{estimate(record['ahead'], sign=True)}; version {champion} chose who was tried, which leaves it the harder part"
        )
    told.append(
        f"it would hold {_count(held['leads'], 'lead')} that the cut of version {champion} does not (settled so far: {_settled(held)})"
    )
    if let_go["leads"]:
        told.append(
            f"it would let {_count(let_go['leads'], 'lead')} go that the cut of version {champion} holds "
            f"(passed whatever their score and settled so far: {_settled(let_go)})"
        )
    return told


def _settled(those: Mapping[str, Any]) -> str:
    return f"{number(those['settled'])}, with {_count(those['wins'], 'win')}"


def _count(many: int, of: str) -> str:
    return f"{number(many)} {of}" if many == 1 else f"{number(many)} {of}s"

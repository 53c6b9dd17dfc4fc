"""The line of a lead's score as an SVG: one place for each step, so that a busy first hour takes no less room than a silent month."""

from dataclasses import dataclass

from app.moves import DECIDED, Step

LEFT, RIGHT, TOP, BOTTOM = 40, 326, 18, 96  # of the plot, in the picture's own units
NICE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Mark:
    """One step's point; ``kind`` is "step", "decided" or "latest", and ``label`` says whether its figure is written beside it."""

    x: float
    y: float
    kind: str
    label: bool
    step: Step


@dataclass(frozen=True)
class Picture:
    """What a template draws: the scale's upper end, the band between bounds and the line as lists of points, and the marks."""

    top: float
    band: str
    line: str
    marks: tuple[Mark, ...]


def picture(steps: tuple[Step, ...]) -> Picture:
    """Of at least two steps."""
    highest = max(step.chance if step.high is None else step.high for step in steps)
    top = next((nice for nice in NICE if nice >= highest), 1.0)

    def x(place: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * place / (len(steps) - 1), 1)

    def y(chance: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * chance / top, 1)

    bounded = [(place, step) for place, step in enumerate(steps) if step.low is not None and step.high is not None]
    over = [f"{x(place)},{y(step.high)}" for place, step in bounded]
    under = [f"{x(place)},{y(step.low)}" for place, step in reversed(bounded)]
    last = len(steps) - 1
    marks = tuple(
        Mark(
            x(place),
            y(step.chance),
            "decided" if step.why == DECIDED else "latest" if place == last else "step",
            place in (0, last) or step.why == DECIDED,
            step,
        )
        for place, step in enumerate(steps)
    )
    return Picture(top, " ".join(over + under), " ".join(f"{mark.x},{mark.y}" for mark in marks), marks)

"""How a share, an amount, a time and an estimate with its interval are written: here, and nowhere else."""

import math
from collections.abc import Callable, Mapping
from typing import Any

ABSENT = "–"
SMALL = 0.0995  # a chance below it reads as less than 10 %, and keeps a decimal


def absent(value: float | None) -> bool:
    """Whether there is no number to be shown."""
    return value is None or math.isnan(value)


def number(value: float | None, places: int = 0, *, sign: bool = False) -> str:
    """A number with its thousands apart and a minus as wide as a plus; an absent one is a dash."""
    if absent(value):
        return ABSENT
    written = f"{value:{'+' if sign else ''},.{places}f}"
    nothing = not any(digit in "123456789" for digit in written)
    return written.lstrip("-") if nothing else written.replace("-", "−")


def percent(share: float | None, places: int = 1, *, sign: bool = False) -> str:
    """A share in hundredths; an absent one is a dash."""
    return ABSENT if absent(share) else f"{number(100 * share, places, sign=sign)} %"


def chance(share: float | None) -> str:
    """A chance as people say it: whole hundredths, small ones with a decimal; an absent one is a dash."""
    return percent(share, 0 if absent(share) or share >= SMALL else 1)


def chances(low: float | None, high: float | None) -> str:
    """Between which chances one lies: ``between 24 and 33 %``, and one number where both ends read alike."""
    if absent(low) or absent(high):
        return ABSENT
    first, last = chance(low), chance(high)
    return first if first == last else f"between {first.removesuffix(' %')} and {last}"


def money(value: float | None, currency: str = "") -> str:
    """An amount in whole units; an absent one is a dash."""
    if absent(value):
        return ABSENT
    space = " " if len(currency) > 1 else ""
    return f"{'−' if round(value) < 0 else ''}{currency}{space}{number(abs(value))}"


def estimate(
    found: Mapping[str, float | None] | None,
    places: int = 3,
    *,
    words: Callable[..., str] = number,
    sign: bool = False,
) -> str:
    """A figure and, where it has one, its interval: ``0.712 [0.690 – 0.735]``.

    Parameters
    ----------
    found : mapping with ``value``, ``low``, ``high``, or None
    words : ``number`` or ``percent``
    """
    if found is None or absent(found["value"]):
        return ABSENT
    value = words(found["value"], places, sign=sign)
    if absent(found["low"]):
        return value
    low, high = (words(found[end], places, sign=sign) for end in ("low", "high"))
    return f"{value} [{low} – {high}]"


def span(found: Mapping[str, float | None], places: int) -> str:
    """The interval alone."""
    if absent(found["low"]):
        return "no interval"
    return f"{number(found['low'], places)} – {number(found['high'], places)}"


def short(time: str | int | None, letters: int = 10) -> str:
    """A time that ``--json`` prints to the day, or to so many letters, or the number of a row; nothing where
    there is no order.
    """
    if time is None:
        return ""
    return f"row {time:,}" if isinstance(time, int) else time[:letters].replace("T", " ")


def minute(time: str | int | None) -> str:
    """A time to the minute, or the number of a row, also where it is written as text; an absent one is a
    dash.
    """
    if time in (None, "", "None"):
        return ABSENT
    return short(int(time) if isinstance(time, str) and time.isdigit() else time, 16)


def when(as_of: str | int | None) -> str:
    """An as-of time to the minute, a row's number, or that there is no order."""
    return "(no dates)" if as_of is None else f"as of {short(as_of, 16)}"


def durations(seconds: Mapping[str, float]) -> str:
    """How long each step took."""
    return " · ".join(f"{name} {spent:.1f} s" for name, spent in seconds.items())


def sentence(words: str) -> str:
    """Words with a capital letter, unless a setting comes first, and one full stop."""
    first = words.partition(" ")[0]
    begun = words if "_" in first or words.startswith(f"{first} = ") else words[:1].upper() + words[1:]
    return f"{begun.rstrip('.')}." if words else ""


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (number, percent, chance, chances, money, estimate, short, minute, when, durations, sentence)
}

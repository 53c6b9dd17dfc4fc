"""HTML pages that stand alone: one file with its style and pictures inside, which opens anywhere and asks nobody for anything."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure

from pipelines.wording import sentence, when

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **values: Any) -> str:
    """Fill a template of ``templates/``; whatever the values hold is shown as text, never read as HTML.

    Parameters
    ----------
    template : str
        One that extends ``base.html``.
    **values
        A figure is shown by ``{{ picture(figure, "what it shows, for who cannot see it") }}`` of ``parts.html``.
    """
    return TEMPLATES.get_template(template).render(**values)


def _as_uri(figure: Figure) -> str:
    """A figure as the address of itself; the same figure gives the same text. Letters stay letters: outlines are five times as large."""
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "leadsieve", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


def _percent(share: float | None, places: int = 1) -> str:
    """A share in words; an absent one is a dash."""
    return "–" if share is None or share != share else f"{100 * share:.{places}f} %"


def _number(value: float | None, places: int = 0) -> str:
    """A number with its thousands apart; an absent one is a dash."""
    return "–" if value is None or value != value else f"{value:,.{places}f}"


TEMPLATES.filters.update(uri=_as_uri, percent=_percent, number=_number, sentence=sentence, when=when)

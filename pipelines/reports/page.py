"""HTML pages that stand alone, with style and pictures inside."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from matplotlib import rc_context
from matplotlib.figure import Figure

from pipelines.reports.formats import number, percent, sentence, when

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# What is no Markdown of a template's is text: no HTML, and no address becomes a link.
PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")


def page(template: str, **values: Any) -> str:
    """Fill a template of ``templates/``; whatever the values hold is shown as text, never read as HTML.

    Parameters
    ----------
    template : str
        One that extends ``base.html``.
    **values
        A figure is shown by ``{{ picture(figure, "what it shows, for who cannot see it") }}`` of
        ``parts.html``.
    """
    return TEMPLATES.get_template(template).render(**values)


def _as_uri(figure: Figure) -> str:
    """A figure as the address of itself; the same figure gives the same text. Letters stay letters: outlines
    are five times as large.
    """
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "leadsieve", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


TEMPLATES.filters.update(uri=_as_uri, percent=percent, number=number, sentence=sentence, when=when)

"""A result's Markdown as one HTML page that stands alone, with its style and its figures inside."""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mood = Literal["good", "doubtful", "bad", "plain"]

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
# No HTML, and no address becomes a link: what the data say is text.
PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
PART = re.compile(r"(.*) \{#(\w+)\}")  # as ``part`` of ``render.py`` writes it
FOLDED = "h6"
UNIT = re.compile(r"(?<=\d) %")  # which begins no line


@dataclass(frozen=True)
class Verdict:
    """Some words, and the colour that repeats what they say."""

    words: str
    mood: Mood = "plain"


def page(
    title: str,
    words: str,
    figures: "Mapping[str, Figure | str] | None" = None,
    *,
    verdicts: Sequence[Verdict] = (),
    foot: str = "",
    **head: Any,
) -> str:
    """Markdown inside ``page.html``. The same words and figures give the same text.

    Parameters
    ----------
    title : str
    words : str
        Markdown. Parts that are named become contents; what follows a heading of the sixth level is folded
        away under it.
    figures : mapping of str to Figure, or to str
        Those that the Markdown names; one that is drawn already is the address of itself.
    verdicts : sequence of Verdict
        What is said first.
    foot : str
        The last line.
    **head
        What else ``page.html`` has above the words.
    """
    contents, body = inside(words, figures)
    return TEMPLATES.get_template("page.html").render(
        title=title, verdicts=verdicts, foot=foot, contents=contents, body=body, **head
    )


def inside(
    words: str, figures: "Mapping[str, Figure | str] | None" = None
) -> tuple[list[tuple[str, str]], Markup]:
    """Markdown as HTML to stand in a page: the addresses and titles of its parts, and the HTML."""
    tokens = PARSER.parse(words)
    contents = _named(tokens)
    _headed(tokens)
    _joined(tokens)
    body = PARSER.renderer.render(list(_folded(_drawn(tokens, figures or {}))), PARSER.options, {})
    return contents, Markup(body)


def _joined(tokens: list[Token]) -> None:
    """Let no sentence break between a number and its unit; cells do not break."""
    cell = False
    for token in tokens:
        cell = token.type in ("th_open", "td_open") or (cell and token.type not in ("th_close", "td_close"))
        for each in token.children or ():
            if each.type == "text" and not cell:
                each.content = UNIT.sub("\u00a0%", each.content)


def _named(tokens: list[Token]) -> list[tuple[str, str]]:
    """Give named parts their address; gives the addresses with the titles."""
    contents = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and (found := PART.fullmatch(tokens[place + 1].content)):
            token.attrSet("id", found[2])
            tokens[place + 1].children = PARSER.parseInline(found[1])[0].children
            contents.append((found[2], "".join(each.content for each in tokens[place + 1].children)))
    return contents


def _headed(tokens: list[Token]) -> None:
    """Say of every table which cells are heads of columns and of rows, and which are numbers."""
    first = False
    for token in tokens:
        if token.type == "tr_open":
            first = True
        elif token.type in ("th_open", "td_open"):
            if "right" in str(token.attrs.pop("style", "")):
                token.attrSet("class", "number")
            if token.type == "th_open":
                token.attrSet("scope", "col")
            elif first:
                token.tag = "th"
                token.attrSet("scope", "row")
            first = first and token.type == "th_open"
            opened = token
        elif token.type == "td_close":
            token.tag = opened.tag


def _drawn(tokens: list[Token], figures: "Mapping[str, Figure | str]") -> Iterable[Token]:
    """Paragraphs of pictures as figures, several side by side; tables in a frame that can be moved about, with
    the keys as well.
    """
    place, heading, number = 0, "", 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open":
            heading = "".join(each.content for each in tokens[place + 1].children or ())
        pictures = _pictures(tokens[place + 1]) if token.type == "paragraph_open" else []
        if pictures:
            drawn = "".join(_figure(each, figures) for each in pictures)
            yield _html(f'<div class="pair">\n{drawn}</div>\n' if len(pictures) > 1 else drawn)
            place += 2
        elif token.type == "table_open":
            number += 1
            says = escapeHtml(f"Table {number}{heading and ': '}{heading}")
            yield from (_html(f'<div class="wide" role="group" aria-label="{says}" tabindex="0">'), token)
        elif token.type == "table_close":
            yield from (token, _html("</div>\n"))
        else:
            yield token
        place += 1


def _pictures(inline: Token) -> list[Token]:
    """The pictures of a paragraph that holds nothing else."""
    children = [each for each in inline.children or () if each.type != "softbreak"]
    return children if all(each.type == "image" for each in children) else []


def narrow_name(name: str) -> str:
    """Under which name a picture stands as a telephone shows it."""
    return f"{name} narrow"


def _figure(image: Token, figures: "Mapping[str, Figure | str]") -> str:
    name = unquote(str(image.attrs["src"]).removeprefix("picture:"))
    narrow = figures.get(narrow_name(name))
    instead = "" if narrow is None else f'<source media="(max-width: 34rem)" srcset="{as_uri(narrow)}">\n'
    caption = image.attrs.get("title")
    below = f"<figcaption>{escapeHtml(str(caption))}</figcaption>\n" if caption else ""
    says = "".join(each.content for each in image.children or ())
    shown = f'<img src="{as_uri(figures[name])}" alt="{escapeHtml(says)}">\n'
    shown = f"<picture>\n{instead}{shown}</picture>\n" if instead else shown
    return f"<figure>\n{shown}{below}</figure>\n"


def _folded(tokens: Iterable[Token]) -> Iterable[Token]:
    """What follows a heading of the sixth level, up to the next heading, under its title."""
    inside = False
    for token in tokens:
        heading = token.type in ("heading_open", "heading_close")
        if heading and token.tag == FOLDED:
            opening = token.type == "heading_open"
            yield _html(("</details>\n" * inside + "<details><summary>") if opening else "</summary>\n")
            inside = True
        else:
            if inside and token.type == "heading_open":
                yield _html("</details>\n")
                inside = False
            yield token
    if inside:
        yield _html("</details>\n")


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


def as_uri(figure: "Figure | str") -> str:
    """A figure as the address of itself; the same figure gives the same text. Letters stay letters: outlines
    are five times as large.
    """
    if isinstance(figure, str):
        return figure
    from matplotlib import rc_context  # which whoever shows what is drawn already does without

    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "leadsieve", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()

"""A result's facts through its Markdown template, and the text as a terminal shows it.

Every result has one template in ``templates/``. What it holds is text and never read as Markdown or HTML; only
what a template writes itself is.
"""

import io
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, ImageItem, Markdown, Paragraph, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from pipelines.reports.formats import FILTERS, percent

INDENT = 2
GAP = 3  # between the columns of a table
WIDEST = 120  # columns; longer lines are hard to read
# What would mean something to Markdown: anywhere, and where a line begins.
MARKS = re.compile(r"[\\`*<>|~]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|!(?=\[)")
STARTS = re.compile(r"^(?:(\d+)(?=[.)](?:\s|$))|(?=[#\[]|[-+](?:\s|$)|--|=+$))")
STYLES = {
    "markdown.h1": "bold",
    "markdown.h2": "bold",
    "markdown.h3": "bold",
    "markdown.h6": "dim",
    "markdown.code": "bold",
    "markdown.code_block": "none",
    "markdown.item.number": "none",
    "markdown.table.header": "dim",
    "markdown.table.border": "dim",
}


def as_text(value: Any) -> Markup:
    """A value as Markdown that shows it as it is, in one line; what is Markdown already stays so."""
    if isinstance(value, Markup):
        return value
    plain = MARKS.sub(r"\\\g<0>", " ".join(str(value).split()))
    return Markup(STARTS.sub(r"\g<1>\\", plain))


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[int] = ()) -> Markup:
    """Rows under their heads; columns named in ``numbers`` (from 0) stand to the right. Nothing without rows."""
    lines = [[as_text(cell) for cell in row] for row in rows]
    if not lines:
        return Markup("")
    right = set(numbers)
    rule = ["---:" if place in right else "---" for place in range(len(heads))]
    return Markup(
        "\n".join(f"| {' | '.join(line)} |" for line in ([as_text(head) for head in heads], rule, *lines))
    )


def bullets(lines: Iterable[Any]) -> Markup:
    """An item a line."""
    return Markup("\n".join(f"- {as_text(line)}" for line in lines))


def in_order(lines: Iterable[Any]) -> Markup:
    """The same in their order."""
    return Markup("\n".join(f"{place}. {as_text(line)}" for place, line in enumerate(lines, start=1)))


def code(text: str, language: str = "") -> Markup:
    """Lines to be copied as they are."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return Markup(f"{fence}{language}\n{text}\n{fence}")


def part(name: str, title: str) -> Markup:
    """A heading that a page's contents lead to."""
    return Markup(f"## {as_text(title)} {{#{name}}}")


def picture(name: str, says: str, caption: str = "") -> Markup:
    """A figure of the page by its name, what it shows for who cannot see it, and what is said below it."""
    below = ' "{}"'.format(as_text(caption).replace('"', '\\"')) if caption else ""
    return Markup(f"![{as_text(says)}](picture:{quote(name, safe='')}{below})")


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=as_text,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters.update(FILTERS)
TEMPLATES.globals.update(
    percent=percent, table=table, bullets=bullets, in_order=in_order, code=code, part=part, picture=picture
)


def markdown(result: str, **facts: Any) -> str:
    """The words of a result: its template, filled with facts.

    Parameters
    ----------
    result : str
        Which template, such as ``promote``.
    **facts
        Whatever they hold is shown as text.
    """
    told = TEMPLATES.get_template(f"{result}.md").render(facts)
    return re.sub(r"\n{3,}", "\n\n", told).strip() + "\n"


class _Heading(Heading):
    new_line = False  # what it is about follows at once

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Paragraph(Paragraph):
    """A long path stays whole, to be copied; inside a list it would be cut off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width == console.width < _longest(self.text, whole=False):
            self.text.overflow = "ignore"
        yield self.text


class _Code(CodeBlock):
    """Lines that are never broken."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip().splitlines():
            yield Text(" " * INDENT + line, overflow="ignore", no_wrap=True)


class _Table(TableElement):
    """Without frames. Numbers are broken only where they would be cut off otherwise."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        heads = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        right = [head.justify == "right" for head in heads]
        columns = list(zip(heads, *rows, strict=True))
        least = sum(
            max(_longest(cell, whole=number) for cell in cells)
            for cells, number in zip(columns, right, strict=True)
        )
        broad = least + GAP * (len(heads) - 1) <= options.max_width - INDENT
        shown = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            show_header=any(head.plain for head in heads),
            style="markdown.table.border",
        )
        for head, number in zip(heads, right, strict=True):
            shown.add_column(
                head,
                justify="right" if number else "left",
                no_wrap=number and broad,
                overflow="fold",
                header_style="markdown.table.header",
            )
        for row in rows:
            shown.add_row(*row)
        yield Padding(shown, (0, 0, 0, INDENT), expand=False)


def _longest(cell: Text, *, whole: bool) -> int:
    """How wide a cell is at least: its longest word, or all of it."""
    return max((cell_len(word) for word in ([cell.plain] if whole else cell.plain.split())), default=0)


class _Picture(ImageItem):
    """A terminal shows none."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("")


class _Terminal(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _Heading,
        "paragraph_open": _Paragraph,
        "fence": _Code,
        "table_open": _Table,
        "image": _Picture,
    }


def terminal(text: str, *, width: int | None = None, styled: bool | None = None) -> str:
    """Markdown as a terminal shows it: as wide as it is, and no wider than can be read; without any style
    where the output goes elsewhere.

    Parameters
    ----------
    width : int, optional
        In columns.
    styled : bool, optional
        Default: whether standard output is a terminal.
    """
    width = width or min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    styled = sys.stdout.isatty() if styled is None else styled
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=styled,
        color_system="auto" if styled else None,
        force_jupyter=False,
        highlight=False,
        theme=Theme(STYLES),
    )
    console.print(_Terminal(text, hyperlinks=False), crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines())

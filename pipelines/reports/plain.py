"""Tables and paragraphs as plain text."""

import io
import textwrap

from rich.console import Console
from rich.table import Table


def wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, 128, initial_indent="  ", subsequent_indent="  ")


def text(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

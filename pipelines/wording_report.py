"""A report in words, for the terminal: the four answers with which its page begins."""

import textwrap
from pathlib import Path
from typing import Any

from pipelines.report_words import answers, worries

WIDTH = 128


def reported(result: dict[str, Any], *, page: Path | None) -> str:
    """Four questions with their answers, and where the whole report is."""
    lines = [f"version {result['version']}", ""]
    for answer in answers(result):
        lines += [answer.question, *_indented(answer.words), *(line for words in answer.lines for line in _indented(words)), ""]
    found = worries(result)
    lines += ["What should I worry about?", *(line for worry in found for line in _indented(worry.words, "  · "))]
    if not found:
        lines.append("  nothing stands out")
    lines += ["", f"the whole report: {page}" if page else f"the whole report: leadsieve report {result['version']} --page report.html"]
    return "\n".join(lines)


def _indented(words: str, begin: str = "  ") -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin))

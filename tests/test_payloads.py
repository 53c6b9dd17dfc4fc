"""Payloads in every field of text that a file can have, on their way through training, pages, reports, exports and
messages: text stays text. Uploads and the desk's own pages are tried where they are tested.
"""

import csv
import io
import random
import re
from datetime import date, timedelta

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from pipelines.reports.summaries import a_leads
from tests.commands import QUICK, leadsieve, written

PAYLOADS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><svg/onload=alert(1)>", "javascript:alert(1)",
    "[click](https://evil.example)", "](https://evil.example)", "![x](https://evil.example/pixel.png)", "<https://evil.example>",
    "=HYPERLINK(\"https://evil.example\")", "+1+1|cmd", "@SUM(1)", "-2+3", "\t=1+1", "{{7*7}}", "{% raw %}", "${7*7}", "%s%n%x", "../../../etc/passwd",
    "'; DROP TABLE decisions; --", "a\u202eb", "# title", "| a | b |", "```", "&lt;b&gt;", "picture:funnel",
)  # fmt: skip
CONFIG = f"""
[source]
url = "files:."
[label]
pursue_days = 14
convert_days = 30
{QUICK}
"""


def tables() -> dict[str, str]:
    """Leads, events and outcomes, each text of which is one of the payloads."""
    draw, start = random.Random(2), date(2025, 1, 1)
    leads = [
        ["lead_id", "created_at", "account_id", "name", "channel", "campaign", "owner", "title", "visits"]
    ]
    events = [["lead_id", "kind", "occurred_at", "channel"]]
    outcomes = [["lead_id", "stage", "occurred_at", "amount", "rep", "reason"]]
    for row in range(900):
        text, visits, made = (lambda: draw.choice(PAYLOADS)), draw.random(), start + timedelta(days=row // 3)
        lead = f"{text()} {row}"
        leads.append([lead, made, f"{text()} {row}", *(text() for _ in range(5)), f"{visits:.3f}"])
        events.append([lead, text(), made, text()])
        won = visits - draw.random() > 0
        outcomes.append([lead, "accepted", made + timedelta(days=2), "", text(), ""])
        outcomes.append(
            [lead, "won" if won else "lost", made + timedelta(days=9), 5000 if won else "", text(), text()]
        )
    return {
        name: as_csv(rows) for name, rows in (("leads", leads), ("events", events), ("outcomes", outcomes))
    }


def as_csv(rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def harmless(page: str) -> bool:
    """Whether a page runs nothing that the data say and leads nowhere that they do."""
    tags = re.findall(r"<\w[^>]*>", page)
    return (
        not [tag for tag in tags if re.search(r"<script|<svg/|onerror|onload|evil\.example|javascript:", tag)]
        and ">49<" not in page
    )


@pytest.mark.slow
def test_what_a_file_says_is_text_in_every_page_report_and_export(tmp_path):
    folder, home = tmp_path / "crm", tmp_path / "home"
    written(folder, {"c.toml": CONFIG, **{f"{name}.csv": text for name, text in tables().items()}})
    config = ("--config", folder / "c.toml")
    at, pages = ("--as-of", "2025-11-15"), {}
    for words in (
        ("train", *config, *at),
        ("promote", "--force", "--why", "<script>alert(1)</script>"),
        ("score", *config, "--as-of", "2025-10-25", "--output", tmp_path / "out.csv"),
    ):
        said = leadsieve(*words, home=home)
        assert said.code == 0, said.err
    for name in ("check", "alignment", "monitor"):
        file = tmp_path / f"{name}.html"
        said = leadsieve(name, *config, *at, "--page", file, home=home)
        assert file.exists(), said.err
        pages[name] = file.read_text()
    assert leadsieve("report", "1", "--page", tmp_path / "report.html", home=home).code == 0
    pages["report"] = (tmp_path / "report.html").read_text()
    assert {name: harmless(page) for name, page in pages.items()} == dict.fromkeys(pages, True)
    assert "&lt;script&gt;" in "".join(pages.values())  # they were on them
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if re.match(r"[=+@\t]|-\D", cell)]
    assert any("HYPERLINK" in cell for cell in cells)


def test_a_message_about_leads_leads_nowhere_but_to_the_desk():
    rows = [(f"{text} {at}", "A", "hand off", at) for at, text in enumerate(PAYLOADS)]
    decisions = pd.DataFrame(rows, columns=["lead_id", "grade", "action", "rank"])
    _, body = a_leads(decisions, desk="https://leads.example.com")
    tokens = [
        each for block in MarkdownIt("commonmark").parse(body) for each in (block, *(block.children or ()))
    ]
    links = [each.attrs["href"] for each in tokens if each.type == "link_open"]
    assert links
    assert all(link.startswith("https://leads.example.com/leads/") for link in links)
    assert not [
        each
        for each in tokens
        if each.type in ("image", "html_inline", "html_block", "heading_open", "fence")
    ]

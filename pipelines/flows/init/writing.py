"""A draft as the TOML file that its user will read and edit: every key with the reason beside it."""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pipelines.flows.init.draft import Draft

ORDER = (
    "source",
    "source.leads",
    "source.leads.stages",
    "source.events",
    "source.outcomes",
    "source.outcomes.stages",
    "source.outcome",
    "label",
    "features",
)
HEADS = {
    "source": "where the data are",
    "source.leads": "one row for each lead",
    "source.leads.stages": "columns with the date on which each stage was reached",
    "source.events": "what happened to a lead, one row for each thing",
    "source.outcomes": "how leads went, a row for each stage reached",
    "source.outcomes.stages": "their words for our stages; open says nothing yet",
    "source.outcome": "the column of the leads that tells how they went, and its words",
    "label": "how long an outcome may take",
    "features": "what may be learned from",
}
BESIDE = 44  # where comments stand
SHOWN = 60  # columns listed


def text_of(draft: Draft, *, about: str) -> str:
    """The whole file; ``about`` names what was looked at."""
    lines = [
        f"# A first configuration, written by leadsieve init from a look at {_one_line(about)}.",
        "# What it took for what is said beside each key: read it, mend it, keep it.",
        *(f"# {_one_line(note)}" for note in draft.notes),
    ]
    for section in ORDER:
        keys = draft.sections.get(section)
        if not keys:
            continue
        lines += ["", _beside(f"[{section}]", HEADS[section])]
        for key, (value, why) in keys.items():
            if isinstance(value, Mapping) and key == "exclude":
                lines += [
                    f"{key} = [",
                    *(_beside(f"    {_value(each)},", why) for each, why in value.items()),
                    "]",
                ]
            else:
                lines.append(_beside(f"{_key(key)} = {_value(value)}", why))
    lines += ["", "# What the columns of the leads were taken for:"]
    shown = [(name, what) for name, what in draft.taken.items() if what != "not used: empty"]
    lines += [f"#   {_one_line(name)}: {_one_line(what)}" for name, what in shown[:SHOWN]]
    if len(shown) > SHOWN:
        lines.append(
            f"#   and {len(shown) - SHOWN:,} more, which are learned from unless they are excluded above"
        )
    if empty := len(draft.taken) - len(shown):
        lines.append(f"#   {empty:,} more {'is' if empty == 1 else 'are'} empty and not used")
    return "\n".join(lines) + "\n"


def _beside(line: str, why: str) -> str:
    return f"{line:<{BESIDE}} # {_one_line(why)}" if why else line


def _one_line(text: str) -> str:
    """A text that ends no comment and holds no character that TOML refuses in one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    """A value as TOML writes it; JSON's strings are TOML's but for one control character."""
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

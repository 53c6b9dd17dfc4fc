"""What editors complete a configuration from, each key with its meaning from docs/configuration.md:
``python -m pipelines.settings_schema > docs/leadsieve.schema.json``.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pipelines.settings import Settings

CONFIGURATION = Path(__file__).parents[1] / "docs" / "configuration.md"
WORD = {"type": ["string", "integer", "boolean"]}  # of the data: 1 and true stand for '1' and 'true'
WORDS = ("empty", "keep", "accepted", "rejected", "won", "lost", "open")  # keys of lists of them
SPAN = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(s|m|min|h|d|w)\s*$", "default": "0d"}
_ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| (.+) \|$", re.MULTILINE)


def schema() -> dict[str, Any]:
    """A JSON schema of the whole configuration.

    Raises
    ------
    KeyError
        For a key that the document does not explain.
    """
    made = Settings.model_json_schema()
    meanings = _meanings(CONFIGURATION.read_text(encoding="utf-8"))
    definitions = made.pop("$defs")
    sections = {
        name: _section(name, each, definitions, meanings) for name, each in made["properties"].items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A configuration of Leadsieve",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def _section(
    path: str, field: dict[str, Any], definitions: dict[str, Any], meanings: dict[str, Any]
) -> dict[str, Any]:
    """A section with its keys, those of its own sections included."""
    titles, keys = meanings
    definition = definitions[re.search(r'#/\$defs/(\w+)"', json.dumps(field)).group(1)]
    properties = {}
    for name, each in definition["properties"].items():
        if "$ref" in json.dumps(each):
            made = _section(f"{path}.{name}", each, definitions, meanings)
            several = {"description": made["description"], "type": "array", "items": made}
            properties[name] = several if each.get("type") == "array" else made
        else:
            properties[name] = {"description": keys[path, name], **_plain(name, each)}
    return {
        "description": titles[path],
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": [
            name for name in definition.get("required", []) if name != "url"
        ],  # may come from outside
    }


def _plain(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """A key's type as TOML writes it, which knows no null."""
    if field.get("format") == "duration":
        return SPAN
    kept = {key: value for key, value in field.items() if key not in ("title", "anyOf", "format")}
    kinds = [each for each in field.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) > 1:
        kept["anyOf"] = kinds
    elif kinds:
        kept |= {key: value for key, value in kinds[0].items() if key != "format"}
    if kept.get("default", "") is None:
        del kept["default"]
    if name in WORDS:
        kept["items"] = WORD
    if name == "stages":
        kept["additionalProperties"] = {"type": "array", "items": WORD}
    return kept


def _meanings(document: str) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """The title of each section, and the meaning of each of its keys."""
    titles, keys = {}, {}
    for chapter in re.split(r"^#+ ", document, flags=re.MULTILINE):
        heading = chapter.partition("\n")[0]
        for section in re.findall(r"\[([\w.]+)\]", heading):
            if title := heading.partition("]: ")[2]:
                titles[section] = _text(title)
            for names, meaning in _ROW.findall(chapter):
                for name in re.findall(r"`(\w+)`", names):
                    keys[section, name] = _text(meaning)
    return titles, keys


def _text(markdown: str) -> str:
    """Without links and code marks."""
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown).replace("`", "").strip()
    return plain[:1].upper() + plain[1:]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n")

"""Configurations made at random, mostly of keys that there are, some good and some not: each is read, or refused in
sentences that name what is wrong.

``LEADSIEVE_CONFIGURATIONS=1000`` tries as many instead of a few.
"""

import json
import os
import random
import re
import tomllib
from typing import Any

import jsonschema

from features.errors import UsageError
from pipelines.settings import Settings, load_settings
from pipelines.settings_schema import schema
from pipelines.version_files import settings_told

COUNT = int(os.environ.get("LEADSIEVE_CONFIGURATIONS", "60"))
SECRET = "hunter2-of-the-desk-and-nobody-else"
ODD: tuple[Any, ...] = (
    None, "", " ", "a\nb", "\u202e", "ä" * 300, "${NOT_SET}", "${", "../../etc/passwd", "'; DROP TABLE people; --", "<script>", "1h", "Infinity",
    -1, 0, 1, 2**63, 1e308, float("nan"), float("inf"), -0.5, True, False, [], [[]], ["a", 1], {}, {"a": {"b": 1}}, [{}],
)  # fmt: skip


def made(shape: dict[str, Any], draw: random.Random, depth: int = 0) -> Any:
    """A value that a schema describes, or now and then none that it does."""
    if draw.random() < 0.03:
        return draw.choice(ODD)
    if "anyOf" in shape:
        return made(draw.choice(shape["anyOf"]), draw, depth)
    if "enum" in shape or "const" in shape:
        return draw.choice(shape.get("enum", [shape.get("const")]))
    kind = shape.get("type", "string")
    kind = draw.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        known, needed = shape.get("properties", {}), shape.get("required", ())
        chosen = {name for name in known if name in needed or draw.random() < (0.5 if depth else 0.4)}
        told = {name: made(known[name], draw, depth + 1) for name in known if name in chosen}
        if isinstance(more := shape.get("additionalProperties"), dict):
            told |= {f"a {at}": made(more, draw, depth + 1) for at in range(draw.randrange(3))}
        if draw.random() < 0.05:
            told[draw.choice([*known, "nothing"]) + "s"] = draw.choice(ODD)
        return told
    if kind == "array":
        return [made(shape.get("items", {}), draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind in ("integer", "number"):
        low = shape.get("minimum", shape.get("exclusiveMinimum", 0))
        high = shape.get("maximum", shape.get("exclusiveMaximum", low + 100))
        return (
            draw.randint(int(low), max(int(high), int(low))) if kind == "integer" else draw.uniform(low, high)
        )
    if kind == "boolean":
        return draw.random() < 0.5
    return draw.choice(
        ("files:exports", "3d", "email", "lead_id", "https://a.example", SECRET, "North", "2026-01-01")
    )


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return {"nan": "nan", "inf": "inf"}.get(str(value), repr(value))
    return '"null"' if value is None else json.dumps(value)


def test_a_configuration_is_read_or_refused_in_sentences_whatever_it_says(tmp_path):
    described, file, ends = schema(), tmp_path / "c.toml", {"read": 0, "refused": 0}
    validator = jsonschema.Draft7Validator(described)
    for seed in range(COUNT):
        draw = random.Random(seed)
        content = {
            name: made(section, draw)
            for name, section in described["properties"].items()
            if draw.random() < (0.25 if seed % 2 else 0.06)
        }
        text = "\n".join(f"{name} = {toml(section)}" for name, section in content.items())
        assert tomllib.loads(text) is not None
        file.write_text(text, encoding="utf-8")
        try:
            settings = load_settings(file, environ={})
        except UsageError as refusal:
            said = str(refusal).splitlines()
        else:
            said = []
        ends["refused" if said else "read"] += 1
        if said:
            assert "pydantic" not in " ".join(said), text
            assert len(said) > 1 or "needs the environment variable" in said[0], (text, said)
            unclear = [line for line in said[1:] if not re.match(r"  [^:]+: \S.*[.?]$", line)]
            assert not unclear, (text, unclear)
            continue
        assert isinstance(settings, Settings)
        told = settings_told(settings)
        json.dumps(told, allow_nan=False)
        assert not [key for key, value in told.items() if "secret" in key and value == SECRET]
        wrong = [error.message for error in validator.iter_errors(content)]
        assert not [each for each in wrong if "Additional properties" in each], (text, wrong)
    print(ends)
    assert min(ends.values()) > COUNT / 20

"""What sales reads of a decision in its own system."""

from collections.abc import Mapping
from typing import Any

MARK = "Leadsieve: "  # begins what is ours, so that it is found again and never learned from
REASONS = 6


def words_of(said: Mapping[str, Any]) -> str:
    """A decision as a note of a few lines."""
    facts = [f"grade {said['grade']}"] if said.get("grade") else []
    facts += [f"chance {_percent(said['score'])}"] if said.get("score") is not None else []
    facts += [f"if worked {_percent(said['p_worked'])}"] if said.get("p_worked") is not None else []
    lines = [MARK + ", ".join([*facts, standing(said)])]
    lines += [f"- {reason}" for reason in (said.get("reasons") or [])[:REASONS]]
    return "\n".join(
        [*lines, f"(version {said['version']}, {str(said['as_of'])[:16].replace('T', ' ')} UTC)"]
    )


def standing(said: Mapping[str, Any]) -> str:
    """Whether sales has the lead, and until when not."""
    if said["state"] == "held":
        return f"held back until {said['until'][:10]}" if said.get("until") else "held back"
    if said["state"] == "snoozed":
        return f"put off until {said['until'][:10]}" if said.get("until") else "put off"
    return {"open": "handed off", "accepted": "taken up", "rejected": "turned down"}.get(
        said["state"], said["state"]
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"

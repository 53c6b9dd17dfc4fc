"""Every version there is: what it was trained on, what it was worth, and when it was the champion, by whom and why."""

from pathlib import Path
from typing import Any

from models.reigns import Reign, reigns, written
from models.versions import Version
from pipelines.places import registry_of
from pipelines.settings import Settings


def versions_of(settings: Settings, home: Path) -> dict[str, Any]:
    """The ``versions`` object of the interface, the newest version first."""
    registry = registry_of(settings, home)
    versions = registry.versions()
    champion = next((version.number for version in versions if "champion" in version.aliases), None)
    past = reigns(written({version.number: version.tags for version in versions}), champion)
    return {"champion": champion, "versions": [listed(version, past) for version in versions]}


def listed(version: Version, past: list[Reign]) -> dict[str, Any]:
    """One version as the interface shows it."""
    tags = version.tags
    refused = None
    if "refused_at" in tags:
        refused = {"at": tags["refused_at"], "who": tags["refused_by"] or None, "reasons": tags["refused_reasons"].split("\n")}
    return {
        "version": version.number,
        "alias": next(iter(version.aliases), None),
        "trained_at": version.made_at.isoformat(timespec="seconds") if version.made_at else None,
        "as_of": tags.get("as_of"),
        "leads": int(tags["leads"]) if "leads" in tags else None,
        "verdict": tags.get("verdict"),
        "auc": float(tags["auc"]) if "auc" in tags else None,
        "champion": [
            {
                "from": reign.change.at or None,
                "to": reign.until,
                "who": reign.change.who or None,
                "why": reign.change.why or None,
                "how": reign.change.how,
                "replaced": reign.change.replaced,
                "reasons": list(reign.change.reasons),
            }
            for reign in past
            if reign.change.version == version.number
        ],
        "refused": refused,
    }

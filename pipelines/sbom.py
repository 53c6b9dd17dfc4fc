"""The bill of materials: every package that this environment has for Leadsieve, in CycloneDX's form.

Run as ``python -m pipelines.sbom > sbom.json``.
"""

import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "leadsieve"
EXTRAS = ("", "postgres", "test", "notebooks")


def bill() -> dict[str, Any]:
    """The whole bill; the same environment has the same one."""
    needs = _needs()
    found = {name: distribution(name) for name in needs}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component(OURS, found[OURS], kind="application")},
        "components": [_component(name, found[name]) for name in sorted(needs) if name != OURS],
        "dependencies": [
            {
                "ref": _address(name, found[name]),
                "dependsOn": sorted(_address(each, found[each]) for each in needs[name]),
            }
            for name in sorted(needs)
        ],
    }


def _needs() -> dict[str, set[str]]:
    """What each package needs of those that are installed, from ours on."""
    needs: dict[str, set[str]] = {}
    asked = [(OURS, extra) for extra in EXTRAS]
    seen = set()
    while asked:
        name, extra = asked.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        direct = needs.setdefault(name, set())
        for line in distribution(name).requires or ():
            need = Requirement(line)
            if need.marker and not need.marker.evaluate({"extra": extra}):
                continue
            other = canonicalize_name(need.name)
            try:
                distribution(other)
            except PackageNotFoundError:
                continue  # of an extra that nobody asked for
            if other != name:
                direct.add(other)
            asked += [(other, each) for each in ("", *need.extras)]
    return needs


def _component(name: str, found: Distribution, kind: str = "library") -> dict[str, Any]:
    told = found.metadata
    licence = told.get("License-Expression") or told.get("License") or ""
    address = _address(name, found)
    about = {"type": kind, "bom-ref": address, "name": name, "version": found.version, "purl": address}
    return about | (
        {"licenses": [{"license": {"name": licence.splitlines()[0][:100]}}]} if licence.strip() else {}
    )


def _address(name: str, found: Distribution) -> str:
    return f"pkg:pypi/{name}@{found.version}"


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)

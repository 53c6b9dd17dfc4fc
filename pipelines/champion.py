"""Scorer and policy of one registered version, read from the registry's data files: the champion's to score with, any to compare."""

import json
from dataclasses import dataclass
from pathlib import Path

from models.policy import Policy
from models.registry import Registry
from models.scorer import Scorer, load_scorer
from models.version_record import VersionRecord, read_record

POLICY_FILE = "policy.json"


@dataclass(frozen=True)
class Champion:
    """A version's number, its scorer and its policy."""

    version: str
    scorer: Scorer
    policy: Policy


def load_champion(registry: Registry) -> Champion:
    """The champion, ready to score. Raises UsageError where no version has been promoted."""
    version = registry.resolve("champion")
    folder = registry.download(version)
    return Champion(version, load_scorer(folder), _policy(folder))


def load_record(registry: Registry, version: str) -> VersionRecord:
    """A version by its number, ready to be compared with another."""
    folder = registry.download(version)
    verdict = next(entry.tags.get("verdict", "") for entry in registry.versions() if entry.number == version)
    return read_record(folder, number=version, verdict=verdict, scorer=load_scorer(folder), policy=_policy(folder))


def _policy(folder: Path) -> Policy:
    return Policy.from_dict(json.loads((folder / POLICY_FILE).read_text(encoding="utf-8")))


def save_challenger(scorer: Scorer, policy: Policy, folder: Path) -> None:
    """Write what ``load_champion`` reads."""
    scorer.save(folder)
    (folder / POLICY_FILE).write_text(json.dumps(policy.to_dict(), indent=1), encoding="utf-8")

"""The files kept with a version: scorer and policy to score with, its promotion record, its card and its
report.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import ContractError, UsageError
from features.serialization import dump, load
from models.policy.policy import Policy
from models.promotion.record import VersionRecord, read_record
from models.registry.registry import Registry
from models.scoring.scorer import Scorer, damaged, load_scorer
from pipelines.feature_files import file_of, load_features
from pipelines.settings import Settings

POLICY_FILE = "policy.json"
FORMAT = 2
CARD = "card.json"
# They say where versions are kept, which is chosen, and what the desk shows to whom.
OF_NO_VERSION = {"registry", "store", "promotion", "desk"}


@dataclass(frozen=True)
class Champion:
    """A version's number, its scorer and its policy."""

    version: str
    scorer: Scorer
    policy: Policy


def load_champion(registry: Registry, files: Sequence[Path]) -> Champion:
    """The champion, ready to score.

    Parameters
    ----------
    registry : Registry
    files : sequence of Path
        The team's own files of features that there are: [features] files.

    Raises
    ------
    UsageError
        Where no version has been promoted.
    ContractError
        Where it was fitted with features that are not there, or not as they were; where a file of it is
        damaged.
    UnreachableError
        If a registry on a server does not answer.
    """
    published = registry.in_force()
    if published is None:
        raise UsageError(
            "there is no champion yet. Train a version and promote it: leadsieve train, then leadsieve promote."
        )
    try:
        folder = registry.publication.whole(published)
        return read_version(folder, published.version, files)
    except (ContractError, OSError):
        if registry.publication.read() == published:
            raise
        return load_champion(registry, files)  # another version was published amid the reading


def load_version(registry: Registry, version: str, files: Sequence[Path]) -> Champion:
    """A version by its number, ready to score as a champion would; ``files`` as for ``load_champion``."""
    return read_version(registry.download(version), version, files)


def read_version(folder: Path, version: str, files: Sequence[Path]) -> Champion:
    """What ``save_challenger`` wrote to a folder; ``files`` as for ``load_champion``."""
    return Champion(version, _scorer(folder, version, files), _policy(folder))


def load_record(registry: Registry, version: str, files: Sequence[Path]) -> VersionRecord:
    """A version by its number, ready to be compared with another; ``files`` as for ``load_champion``."""
    folder = registry.download(version)
    verdict = next(entry.tags.get("verdict", "") for entry in registry.versions() if entry.number == version)
    return read_record(
        folder,
        number=version,
        verdict=verdict,
        scorer=_scorer(folder, version, files),
        policy=_policy(folder),
    )


def _scorer(folder: Path, version: str, files: Sequence[Path]) -> Scorer:
    """A version's scorer, its features registered."""
    scorer = load_scorer(folder)
    there = {path.name: path for path in files}
    for file in scorer.recipe.files:
        path = there.get(file.name)
        if path is None:
            trouble = "which [features] files does not name"
        elif not path.is_file():
            trouble = f"which is no longer at '{path}'"
        elif file_of(path) != file:
            trouble = "which has changed since"
        else:
            continue
        raise ContractError(
            f"version {version} was fitted with the features of '{file.name}', {trouble}; nothing was scored: "
            "train again, or bring the file back as it was."
        )
    load_features([there[file.name] for file in scorer.recipe.files])
    return scorer


def _policy(folder: Path) -> Policy:
    try:
        return load(Policy, json.loads((folder / POLICY_FILE).read_text(encoding="utf-8")))
    except ValueError:
        raise damaged(folder / POLICY_FILE) from None


def save_challenger(scorer: Scorer, policy: Policy, folder: Path) -> None:
    """Write what ``read_version`` reads."""
    scorer.save(folder)
    (folder / POLICY_FILE).write_text(json.dumps(dump(policy), indent=1), encoding="utf-8")


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Lay it beside a saved scorer."""
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")


def read_card(registry: Registry, version: str) -> dict[str, Any]:
    """The card of a version by its number.

    Raises
    ------
    UsageError
        If the version has none, or one that this program does not read.
    """
    file = registry.download(version) / CARD
    card = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"format": None}
    if card["format"] != FORMAT:
        kept = (
            "no report"
            if card["format"] is None
            else f"a report of format {card['format']}, and this program writes {FORMAT}"
        )
        raise UsageError(
            f"version {version} has {kept}; nothing was written. Train again for a new one; MLflow has the old one's figures."
        )
    return card


def settings_told(settings: Settings) -> dict[str, Any]:
    """Every setting that shapes a version, as ``section.key``; addresses without their passwords."""
    return _flat(settings.model_dump(mode="json", exclude=OF_NO_VERSION))


def _flat(content: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    found = {}
    for key, value in content.items():
        found |= (
            _flat(value, f"{at}{key}.") if isinstance(value, Mapping) and value else {f"{at}{key}": value}
        )
    return found


def report_of(registry: Registry, version: str) -> dict[str, Any]:
    """The ``report`` object of the interface for ``champion``, ``challenger`` or a number."""
    number = registry.resolve(version)
    return {"version": number, **read_card(registry, number)}

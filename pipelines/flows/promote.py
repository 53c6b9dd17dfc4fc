"""Which version sales sees: promoted if the rule finds no harm, rolled back at once, and the list of all."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.errors import ContractError, UsageError
from features.serialization import plain
from models.promotion.record import VersionRecord
from models.promotion.rule import Ruling, leaking, rule
from models.registry.registry import Registry
from models.registry.versions import ChampionMovedError, Reign, Version, reigns, written
from pipelines.flows.compare import compared
from pipelines.flows.dataset import move_champion
from pipelines.flows.runs import flow, publish
from pipelines.home import registry_of
from pipelines.progress import Stopwatch
from pipelines.reports import summaries
from pipelines.settings import Settings
from pipelines.version_files import load_record


@dataclass(frozen=True)
class Promotion:
    """Whether a version is what sales sees from now on, which it replaced, and why."""

    version: str
    replaced: str | None
    reasons: tuple[str, ...]
    promoted: bool = True


@flow("promote-version")
def promote_version(
    settings: Settings,
    home: Path,
    now: datetime,
    as_of: datetime | None = None,
    version: str = "challenger",
    who: str = "",
    why: str = "",
    force: bool = False,
) -> Promotion:
    """Compare a version with the champion on what is settled by ``as_of``, and promote it if harm is
    excluded, or if forced.

    Can be repeated: promoting the champion changes nothing.
    """
    registry = registry_of(settings, home)
    number, reigning = registry.resolve(version), registry.champion()
    challenger = load_record(registry, number, settings.features.files)
    if number == reigning:
        ruling = Ruling(True, ("it is the champion already",))
    elif force:
        ruling = Ruling(True, ("forced, and not compared", *leaking(challenger.rival)))
    else:
        champion = None if reigning is None else _reigning(registry, reigning, number, settings)
        ruling = ruled(challenger, champion, settings, home, as_of or now)

    replaced = None
    if ruling.promoted:
        how = "forced" if force else "by rule"
        try:
            replaced = move_champion(
                settings,
                home=home,
                version=number,
                who=who,
                why=why,
                at=now,
                how=how,
                reasons=ruling.reasons,
                instead_of=reigning,
            )
        except ChampionMovedError as moved:
            ruling = Ruling(False, (str(moved),))
    else:
        registry.note(
            number,
            {"refused_at": now.isoformat(), "refused_by": who, "refused_reasons": "\n".join(ruling.reasons)},
        )
    promotion = Promotion(
        number, replaced, tuple(dict.fromkeys([why] * bool(why) + [*ruling.reasons])), ruling.promoted
    )
    publish("promote", summaries.promote(plain(promotion)))
    return promotion


def _reigning(registry: Registry, number: str, challenger: str, settings: Settings) -> VersionRecord:
    """The champion, to be compared with a challenger."""
    try:
        return load_record(registry, number, settings.features.files)
    except ContractError as error:
        raise ContractError(
            f"{error} To replace it without a comparison: leadsieve promote {challenger} --force --why TEXT."
        ) from error


def ruled(
    challenger: VersionRecord, champion: VersionRecord | None, settings: Settings, home: Path, as_of: datetime
) -> Ruling:
    """What the rule says; the source is asked only where a comparison can change it."""
    comparison = None
    if champion is not None and not leaking(challenger.rival):
        with Stopwatch().step(
            "compare", f"compare it with version {champion.number} on the newest settled leads"
        ):
            comparison = compared(champion, challenger, settings, home, as_of)
    return rule(challenger.rival, champion and champion.rival, comparison, settings.promotion)


@flow("rollback-version")
def rollback_version(
    settings: Settings, home: Path, now: datetime, why: str, version: str | None = None, who: str = ""
) -> Promotion:
    """Return to a version, by default to the champion before this one. Nothing is compared and no source is
    asked.
    """
    registry = registry_of(settings, home)
    reigning = registry.champion()
    number = registry.previous() if version is None else registry.resolve(version)
    if number is None:
        registry.resolve("champion")  # which says so where there is none
        raise UsageError(
            f"version {reigning} is the first champion: nobody came before it. Name the version to return to: leadsieve rollback 3 --why …"
        )
    if number == reigning:
        move_champion(settings, home=home, version=number)  # which publishes it again if it is damaged
        return Promotion(number, None, ("it is the champion already",))
    try:
        replaced = move_champion(
            settings,
            home=home,
            version=number,
            who=who,
            why=why,
            at=now,
            how="rollback",
            reasons=(why,),
            instead_of=reigning,
        )
    except ChampionMovedError as moved:
        return Promotion(number, None, (str(moved),), promoted=False)
    promotion = Promotion(number, replaced, (why,))
    publish("promote", summaries.promote(plain(promotion)))
    return promotion


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
        refused = {
            "at": tags["refused_at"],
            "who": tags["refused_by"] or None,
            "reasons": tags["refused_reasons"].split("\n"),
        }
    return {
        "version": version.number,
        "alias": next(iter(version.aliases), None),
        "trained_at": version.made_at.isoformat(timespec="seconds") if version.made_at else None,
        "as_of": tags.get("as_of"),
        "leads": int(tags["leads"]) if "leads" in tags else None,
        "verdict": tags.get("verdict"),
        "auc": float(tags["auc"]) if "auc" in tags else None,
        "average_precision": float(tags["average_precision"]) if "average_precision" in tags else None,
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

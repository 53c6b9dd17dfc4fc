"""The promotion flow: a version becomes the champion, the one whose scores sales sees, if the rule finds that it does no harm."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from models.promotion import Ruling, leaking, rule
from models.version_record import VersionRecord
from models.versions import ChampionMovedError
from pipelines import artifacts
from pipelines.champion import load_record
from pipelines.contest import compared
from pipelines.network import move_champion
from pipelines.places import registry_of
from pipelines.progress import Stopwatch
from pipelines.results import Promotion
from pipelines.settings import Settings


@flow(name="promote-version")
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
    """Compare a version with the champion on what is settled by ``as_of``, and promote it if harm is excluded, or if forced.

    Can be repeated: promoting the champion changes nothing.
    """
    registry = registry_of(settings, home)
    number, reigning = registry.resolve(version), registry.champion()
    challenger = load_record(registry, number)
    if number == reigning:
        ruling = Ruling(True, ("it is the champion already",))
    elif force:
        ruling = Ruling(True, ("forced, and not compared", *leaking(challenger.rival)))
    else:
        champion = None if reigning is None else load_record(registry, reigning)
        ruling = ruled(challenger, champion, settings, home, as_of or now)

    replaced = None
    if ruling.promoted:
        how = "forced" if force else "by rule"
        try:
            replaced = move_champion(
                settings, home=home, version=number, who=who, why=why, at=now, how=how, reasons=ruling.reasons, instead_of=reigning
            )
        except ChampionMovedError as moved:
            ruling = Ruling(False, (str(moved),))
    else:
        registry.note(number, {"refused_at": now.isoformat(), "refused_by": who, "refused_reasons": "\n".join(ruling.reasons)})
    promotion = Promotion(number, replaced, tuple(dict.fromkeys([why] * bool(why) + [*ruling.reasons])), ruling.promoted)
    artifacts.publish_promotion(promotion.to_json())
    return promotion


def ruled(challenger: VersionRecord, champion: VersionRecord | None, settings: Settings, home: Path, as_of: datetime) -> Ruling:
    """What the rule says; the source is asked only where a comparison can change it."""
    comparison = None
    if champion is not None and not leaking(challenger.rival):
        with Stopwatch().step("compare", f"compare it with version {champion.number} on the newest settled leads"):
            comparison = compared(champion, challenger, settings, home, as_of)
    return rule(challenger.rival, champion and champion.rival, comparison, settings.promotion)

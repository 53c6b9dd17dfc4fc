"""The rollback flow: an earlier version is the champion again, at once."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from features.errors import UsageError
from models.versions import ChampionMovedError
from pipelines import artifacts
from pipelines.network import move_champion
from pipelines.places import registry_of
from pipelines.results import Promotion
from pipelines.settings import Settings


@flow(name="rollback-version")
def rollback_version(settings: Settings, home: Path, now: datetime, why: str, version: str | None = None, who: str = "") -> Promotion:
    """Return to a version, by default to the champion before this one. Nothing is compared and no source is asked."""
    registry = registry_of(settings, home)
    reigning = registry.champion()
    number = registry.previous() if version is None else registry.resolve(version)
    if number is None:
        registry.resolve("champion")  # which says so where there is none
        raise UsageError(
            f"version {reigning} is the first champion: nobody came before it. Name the version to return to: leadsieve rollback 3 --why …"
        )
    if number == reigning:
        return Promotion(number, None, ("it is the champion already",))
    try:
        replaced = move_champion(
            settings, home=home, version=number, who=who, why=why, at=now, how="rollback", reasons=(why,), instead_of=reigning
        )
    except ChampionMovedError as moved:
        return Promotion(number, None, (str(moved),), promoted=False)
    promotion = Promotion(number, replaced, (why,))
    artifacts.publish_promotion(promotion.to_json())
    return promotion

"""The promotion flow: a version becomes the champion, the one whose scores sales sees."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from pipelines.network import move_champion
from pipelines.results import Promotion
from pipelines.settings import Settings


@flow(name="promote-version")
def promote_version(
    settings: Settings, home: Path, as_of: datetime, version: str = "challenger", who: str = "", why: str = ""
) -> Promotion:
    """Make a version the champion. Can be repeated: promoting the champion changes nothing."""
    number, replaced = move_champion(settings, home=home, version=version, who=who, why=why, at=as_of)
    return Promotion(version=number, replaced=replaced, reasons=(why,) if why else ())

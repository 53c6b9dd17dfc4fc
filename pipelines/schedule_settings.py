"""When the flows run that ``leadsieve serve`` serves, who hears of them, and how long is kept what they leave."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

OFF = "off"


def cron(text: str) -> str:
    """Five fields; what they say is judged by Prefect, once it is loaded."""
    if text != OFF and len(text.split()) != 5:
        raise ValueError(
            f'\'{text}\' is no cron text: say it like "0 2 * * *" (each night at two), or "{OFF}"'
        )
    return text


def zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"'{name}' is no time zone: say it like 'Europe/Amsterdam'")
    return name


def block(name: str | None) -> str | None:
    if name is not None and name.count("/") != 1:
        raise ValueError(
            f"'{name}' is no block of Prefect: say its type and its name, like 'slack-webhook/sales'"
        )
    return name


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class ScheduleSettings:
    """The [schedule] section: when the flows run that ``leadsieve serve`` serves, and who hears of what they
    find.

    Attributes
    ----------
    score, monitor, retrain, alignment, prune, writeback
        Cron texts, or "off".
    score_minutes
        Within about so many minutes a new lead is decided, besides; 0 for at the times of ``score`` alone.
    rescore_days
        For so many days after its decision a lead that waits is scored anew when it has done something; 0 for
        never.
    timezone
        In which the cron texts are meant.
    output
        A file that each scoring writes besides the log, such as ``queue/{date}.csv``: ``{date}`` is the day
        it was scheduled for.
    alert
        A notification block of Prefect, ``type/name``, that is told of runs that fail and of a model to be
        retrained.
    digest
        A notification block that is sent what the alignment finds to talk about, with two pictures.
    a_leads
        A notification block that is told of each scoring's new leads of grade A: ids and links, nothing else.
    """

    score: Annotated[str, AfterValidator(cron)] = "0 2 * * *"
    monitor: Annotated[str, AfterValidator(cron)] = "0 4 * * 1"
    retrain: Annotated[str, AfterValidator(cron)] = "0 5 1 * *"
    alignment: Annotated[str, AfterValidator(cron)] = "0 6 1 * *"
    prune: Annotated[str, AfterValidator(cron)] = "30 3 * * *"
    writeback: Annotated[str, AfterValidator(cron)] = OFF
    score_minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    rescore_days: Annotated[float, Field(ge=0, le=365)] = 0
    timezone: Annotated[str, AfterValidator(zone)] = "UTC"
    output: Path | None = None
    alert: Annotated[str | None, AfterValidator(block)] = None
    digest: Annotated[str | None, AfterValidator(block)] = None
    a_leads: Annotated[str | None, AfterValidator(block)] = None

    def output_at(self, as_of: datetime) -> Path | None:
        """The file of a scoring that was scheduled for a moment (UTC, without a zone)."""
        if self.output is None:
            return None
        day = as_of.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).date()
        return Path(str(self.output).replace("{date}", day.isoformat()))


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class RetentionSettings:
    """The [retention] section: what ``leadsieve prune`` removes. Where nothing is said, everything stays.

    Attributes
    ----------
    snapshot_days
        Snapshots pulled longer ago go, but for the newest, the last of each month, and those that a version
        learned from.
    run_days
        Runs that ended longer ago go from Prefect's own database.
    """

    snapshot_days: Annotated[int | None, Field(ge=1)] = None
    run_days: Annotated[int | None, Field(ge=1)] = None

    @property
    def on(self) -> bool:
        """Whether anything may go."""
        return self.snapshot_days is not None or self.run_days is not None

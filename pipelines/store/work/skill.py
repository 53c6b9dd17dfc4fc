"""How people did with the leads that they got before: what assignment by skill goes by."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from features.labels import Horizons
from models.policy.assignment import AssignmentSettings, Record
from pipelines.sources.lead_lookup import Dossiers
from pipelines.store.schema import assignments_table

LOG = assignments_table.c
Records = Mapping[str | None, Mapping[str, Record]]


class TrackRecords:
    """What became of everybody's leads, as it was known at the beginning of a day.

    Parameters
    ----------
    dossiers : Dossiers
    settings : AssignmentSettings
    horizons : Horizons
        How long a lead's time is.
    """

    def __init__(self, dossiers: Dossiers, settings: AssignmentSettings, horizons: Horizons) -> None:
        self.dossiers, self.settings = dossiers, settings
        self.horizon = horizons.delay + horizons.both
        self._known: tuple[tuple[Path | None, datetime], Records] | None = None

    def as_of(self, connection: sa.Connection, at: datetime) -> Records:
        """By team and person, what had become of such leads by the beginning of a moment's day; read once for each
        day and snapshot. Nothing where leads are given out by turn.
        """
        if self.settings.by != "skill":
            return {}
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        asked = self.dossiers.newest(), day
        if self._known is None or self._known[0] != asked:
            self._known = asked, self._read(connection, day)
        return self._known[1]

    def _read(self, connection: sa.Connection, day: datetime) -> Records:
        held = sa.select(LOG.lead_id, LOG.person).where(LOG.person.is_not(None), LOG.at < day)
        holders = dict(connection.execute(held.order_by(LOG.entry)).all())
        found: dict[str | None, dict[str, Record]] = defaultdict(dict)
        for name, value, settled, won in self.dossiers.records(
            holders, self.settings.column, horizon=self.horizon, at=day
        ):
            person, team = self.settings.owners.get(name, name), self.settings.team_of(value)
            before = found[team].get(person, Record(0, 0))
            found[team][person] = Record(before.settled + settled, before.won + won)
        return found

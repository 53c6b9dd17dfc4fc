"""What every page is made from: the store, the newest snapshot, the clock, and the secret that signs cookies
and forms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from fastapi import Request

from app.openid import Provider
from pipelines.files import kept_secret
from pipelines.flows.alignment.kept import KeptAlignment
from pipelines.home import store_of
from pipelines.settings import Settings
from pipelines.sources.lead_lookup import Dossiers
from pipelines.store import worklist
from pipelines.store.access.users import Person
from pipelines.store.arrivals import arrivals
from pipelines.store.database import Store
from pipelines.store.work.assignment import back_to_pool
from pipelines.store.work.teams import Teams, teams_of
from pipelines.store.worklist_sync import Filler

SECRET_FILE = "desk.secret"
PATIENCE = 5.0  # seconds that whoever looks at a page waits for another's transaction


@dataclass(frozen=True)
class Desk:
    """One desk.

    Attributes
    ----------
    settings : Settings
    home : Path
    clock : function
        The time now, UTC without a zone.
    """

    settings: Settings
    home: Path
    clock: Callable[[], datetime]

    @cached_property
    def store(self) -> Store:
        """Decisions, answers and people."""
        return store_of(self.settings, self.home, patience=PATIENCE)

    @cached_property
    def dossiers(self) -> Dossiers:
        """What the newest snapshot says of leads, and of those that it has not yet the programs that handed
        them in.
        """
        url = self.settings.source.url if self.settings.source else None
        return Dossiers(self.home, url, partial(arrivals, self.store))

    @cached_property
    def provider(self) -> Provider | None:
        """The company's sign-in, where there is one."""
        return None if self.settings.desk.oidc is None else Provider(self.settings.desk.oidc)

    @property
    def teams(self) -> Teams:
        """Who belongs to which team."""
        return teams_of(self.store, self.settings.alignment, self.settings.assignment)

    def team_of(self, person: Person) -> frozenset[str]:
        """Whose leads and figures somebody answers for besides the own ones: a manager for the own team."""
        return self.teams.members(person.team) if person.role == "manager" else frozenset()

    def seen_by(self, person: Person) -> frozenset[str] | None:
        """Whose leads somebody sees besides those that are nobody's; None for everybody's."""
        if not self.settings.desk.own_leads_only or person.may("ops"):
            return None
        return self.team_of(person) | {person.name}

    @cached_property
    def alignment(self) -> KeptAlignment:
        """What became of all leads."""
        return KeptAlignment(self.settings, self.store, self.home)

    @cached_property
    def filler(self) -> Filler:
        """Brings new decisions onto the list."""
        return Filler(
            self.store,
            self.dossiers,
            named=self.settings.desk.name,
            country=self.settings.desk.country,
            assignment=self.settings.assignment,
            horizons=self.settings.label,
            clock=self.clock,
        )

    @cached_property
    def secret(self) -> str:
        """[desk] secret, else what a file in the home folder says, which only its owner can read."""
        return self.settings.desk.secret or kept_secret(self.home / SECRET_FILE)

    def refresh(self) -> None:
        """Bring in what was decided since, and who was put off until now; and let go what was not answered in
        time.
        """
        self.filler.fill()
        worklist.wake(self.store, now=self.clock())
        back_to_pool(self.store, self.settings.assignment, now=self.clock())

    def keep_fresh(self) -> None:
        """Count anew, where somebody may ask for it again, what takes long to count."""
        self.alignment.keep_fresh(self.dossiers.newest(), self.clock())


def desk_of(request: Request) -> Desk:
    """The desk that a request came to."""
    return request.app.state.desk

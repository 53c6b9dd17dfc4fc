"""Who belongs to which team: who signs in by what the store says, all others by [alignment] teams."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.alignment.settings import AlignmentSettings
from models.policy.assignment import AssignmentSettings
from pipelines.store.database import Store
from pipelines.store.users import people


@dataclass(frozen=True)
class Teams:
    """The teams of a company.

    Attributes
    ----------
    by_person : dict of str to str
        The team of everybody of whom one is known.
    owners : dict of str to str
        Who is meant by a name of the source, where that is another.
    people : frozenset of str
        Who signs in.
    """

    by_person: Mapping[str, str]
    owners: Mapping[str, str]
    people: frozenset[str]

    def person(self, name: str) -> str:
        """Who is meant by a name of the source."""
        return self.owners.get(name, name)

    def of(self, name: str) -> str | None:
        """The team of a person, whom the source may call otherwise."""
        return self.by_person.get(self.person(name))

    def members(self, team: str | None) -> frozenset[str]:
        """Everybody of a team; nobody without one."""
        return frozenset(name for name, own in self.by_person.items() if team and own == team)


def teams_of(store: Store, alignment: AlignmentSettings, assignment: AssignmentSettings) -> Teams:
    """The teams as they are now."""
    everybody = people(store) if store.is_there() else []
    named = {
        assignment.owners.get(name, name): team for team, names in alignment.teams.items() for name in names
    }
    own = {each.name: each.team for each in everybody if each.team}
    return Teams(named | own, assignment.owners, frozenset(each.name for each in everybody))

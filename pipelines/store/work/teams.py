"""Who belongs to which team: who signs in by what the store says, all others by [alignment] teams."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.alignment.settings import AlignmentSettings
from models.policy.assignment import AssignmentSettings
from pipelines.store.access.users import people
from pipelines.store.database import Store

FEWEST = 3  # people of a team whose figures everybody may see


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

    def joined(self, answered: Mapping[str, Iterable[str]]) -> frozenset[str]:
        """The teams that are counted together, so that no figure of a team is that of one person.

        Those of fewer than three people, and of the others the smallest, until together they are three: who knows
        all other teams and the whole could reckon up what is left.

        Parameters
        ----------
        answered : mapping of team to people
            Who has answered leads of each team. Of a team of which nobody is known nobody knows that it is no person.
        """
        people = {
            team: self.members(team) | {name for name in names if self.by_person.get(name) in (None, team)}
            for team, names in answered.items()
        }
        order = sorted(people, key=lambda team: (len(people[team]), team))
        small = [team for team in order if len(people[team]) < FEWEST]
        for team in order[len(small) :]:
            if not small or len(frozenset().union(*(people[each] for each in small))) >= FEWEST:
                break
            small.append(team)
        return frozenset(small)


def teams_of(store: Store, alignment: AlignmentSettings, assignment: AssignmentSettings) -> Teams:
    """The teams as they are now."""
    everybody = people(store) if store.is_there() else []
    named = {
        assignment.owners.get(name, name): team for team, names in alignment.teams.items() for name in names
    }
    own = {each.name: each.team for each in everybody if each.team}
    return Teams(named | own, assignment.owners, frozenset(each.name for each in everybody))

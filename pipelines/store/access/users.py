"""Who may work at the desk, and as what."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from features.errors import UsageError
from pipelines.store.access import passwords
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.schema import keys_table, people_table, removed_table, sessions_table, views_table

Role = Literal["rep", "manager", "ops", "admin"]
# Each may do what those before it may, a manager with the leads of the own team; but what single people achieve
# is for themselves, their manager and administrators.
ROLES = ("rep", "manager", "ops", "admin")


@dataclass(frozen=True)
class Person:
    """Who is at the desk, or which key asks."""

    name: str
    role: Role
    temporary: bool = False  # the password is known to others: nothing is open before it is changed
    team: str | None = None
    by_company: bool = False  # no password opens the desk, the company's sign-in does

    def may(self, role: Role) -> bool:
        """Whether this person may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


class NotAllowedError(UsageError):
    """Who asks for it may not do it any more."""


def add_person(
    store: Store,
    name: str,
    role: Role,
    password: str | None,
    *,
    at: datetime,
    by: str,
    temporary: bool = False,
    team: str | None = None,
    as_admin: bool = False,
) -> None:
    """Let somebody in from now on; who is there already gets the new role and password, has to sign in
    again, and loses the keys that this person made.

    Parameters
    ----------
    password : str or None
        None for somebody whom the company signs in, as whom it means by this name.
    temporary : bool
        Whether others know the password, so that it has to be changed at the first sign-in.
    team : str, optional
        Which one the person belongs to; by default none, or the one that it was. A manager needs one.
    as_admin : bool
        Whether ``by`` has to be an administrator at the very moment at which it is done: a request may have
        waited while its sender was removed.

    Raises
    ------
    UsageError
        For a name, role, team or password that is none.
    NotAllowedError
        If ``by`` is no administrator any more.
    """
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UsageError("a person needs a name of at most 80 characters; nobody was added.")
    if role not in ROLES:
        raise UsageError(f"'{role}' is no role: say {', '.join(ROLES)}; nobody was added.")
    team = a_team(team, otherwise="nobody was added")
    values: dict[str, str | int | None]
    if password is None:
        values = {"role": role, "password": passwords.NONE, "temporary": 0}
    else:
        passwords.check(password, name, otherwise="nobody was added")
        values = {
            "role": role,
            "password": passwords.hashed(password),
            "temporary": int(temporary),
            "subject": None,
        }
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
        row = people_table.c
        there = connection.execute(sa.select(row.team).where(row.name == name)).one_or_none()
        values["team"] = team or (there.team if there is not None else None)
        if role == "manager" and not values["team"]:
            raise UsageError("a manager needs a team; nobody was added.")
        put = store.insert(people_table).values(name=name, added_at=at, **values)
        connection.execute(put.on_conflict_do_update(index_elements=["name"], set_=values))
        connection.execute(removed_table.delete().where(removed_table.c.name == name))
        passwords.forgive_tries(connection, name)
        shut_out(connection, name, at)
        how = ", without a password" if password is None else ""
        words = f"{'changed' if there else 'added'} {name} as {role}{of_team(team)}{how}"
        note(connection, at, by, "person", words)


def set_team(
    store: Store, name: str, team: str | None, *, at: datetime, by: str, as_admin: bool = False
) -> None:
    """Put somebody into a team, or with None into none; sessions and the password stay.

    Raises
    ------
    UsageError
        Where there is no such person, for a team that is none, and for a manager without one.
    NotAllowedError
        If ``by`` is no administrator any more.
    """
    team, row = a_team(team, otherwise="nothing was changed"), people_table.c
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
        role = connection.scalar(sa.select(row.role).where(row.name == name))
        if role is None:
            raise UsageError(f"there is nobody called '{name}'; nothing was changed.")
        if role == "manager" and team is None:
            raise UsageError("a manager needs a team; nothing was changed.")
        connection.execute(people_table.update().where(row.name == name).values(team=team))
        note(connection, at, by, "person", f"changed {name}{of_team(team) or ', of no team'}")


def a_team(team: str | None, *, otherwise: str) -> str | None:
    """A team's name without what stands around it; None for none."""
    team = (team or "").strip()
    if len(team) > 80 or not team.isprintable():
        raise UsageError(f"a team needs a name of at most 80 characters; {otherwise}.")
    return team or None


def of_team(team: str | None) -> str:
    return f", of team {team}" if team else ""


def change_password(
    store: Store, name: str, old: str, new: str, *, at: datetime, address: str | None = None
) -> bool:
    """Give a person who knows the old password a new one; False for a wrong one, and for who was removed.

    The role is left as it is, and the password is changed only if it is still the one that was looked at: who
    was removed or given another role meanwhile stays so. Sessions end, and the person's keys open nothing any
    more.

    Raises
    ------
    UsageError
        For a new password that is too short, easily guessed, or the old one.
    TooManyTriesError
        After too many wrong passwords, here or at the sign-in.
    """
    passwords.check(new, name, otherwise="it was not changed")
    if new == old:
        raise UsageError("the new password is the old one; it was not changed.")
    passwords.count_try(store, name, at=at, address=address)
    column = people_table.c
    with store.reading() as connection:
        kept = connection.scalar(sa.select(column.password).where(column.name == name))
    if not passwords.fits(kept, old):
        with store.writing() as connection:
            words = "wrong old password at a change of password"
            note(connection, at, name, "sign-in refused", words, address=address)
        return False
    values = {"password": passwords.hashed(new), "temporary": 0}
    with store.writing() as connection:
        same = people_table.update().where(column.name == name, column.password == kept)
        if not connection.execute(same.values(**values)).rowcount:
            return False
        passwords.forgive_tries(connection, name, address=address)
        shut_out(connection, name, at)
        note(connection, at, name, "person", f"{name} changed the password", address=address)
    return True


def check_admin(connection: sa.Connection, by: str, asked: bool) -> None:
    """Raise NotAllowedError unless somebody is an administrator now, inside the transaction of what is done."""
    rows = people_table.c
    if asked and connection.scalar(sa.select(rows.role).where(rows.name == by)) != "admin":
        raise NotAllowedError(f"{by} is no administrator any more; nothing was done.")


def shut_out(connection: sa.Connection, name: str, at: datetime) -> None:
    """End a person's sessions, and revoke the keys that the person made."""
    connection.execute(sessions_table.delete().where(sessions_table.c.name == name))
    keys = keys_table.c
    connection.execute(
        keys_table.update().where(keys.made_by == name, keys.revoked_at.is_(None)).values(revoked_at=at)
    )


def remove_person(store: Store, name: str, *, at: datetime, by: str, as_admin: bool = False) -> None:
    """Let somebody in no more, at once. What the person did stays on record."""
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
        row = people_table.c
        there = connection.execute(sa.select(row.subject).where(row.name == name)).one_or_none()
        if there is None:
            raise UsageError(f"there is nobody called '{name}'; nobody was removed.")
        connection.execute(people_table.delete().where(row.name == name))
        if there.subject:
            gone = store.insert(removed_table).values(subject=there.subject, name=name)
            connection.execute(gone.on_conflict_do_nothing())
        connection.execute(views_table.delete().where(views_table.c.person == name))
        shut_out(connection, name, at)
        note(connection, at, by, "person", f"removed {name}, with the keys that {name} had made")


def people(store: Store) -> list[Person]:
    """Everybody who may sign in, by name."""
    with store.reading() as connection:
        row = people_table.c
        rows = connection.execute(
            sa.select(row.name, row.role, row.team, row.password == passwords.NONE).order_by(row.name)
        )
        return [Person(name, role, team=team, by_company=bool(none)) for name, role, team, none in rows]


def person(store: Store, name: str) -> Person | None:
    """Somebody by name."""
    with store.reading() as connection:
        row = connection.execute(
            sa.select(people_table.c.role, people_table.c.team).where(people_table.c.name == name)
        ).one_or_none()
    return Person(name, row.role, team=row.team) if row else None


def digest(secret: str) -> str:
    """A hash of a long random text, from which nobody finds the text again."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""Who comes in through the company's own sign-in: as whom, in which role, and who does not."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from features.errors import LeadsieveError
from pipelines.store.access import passwords
from pipelines.store.access.audit import note
from pipelines.store.access.sessions import begin
from pipelines.store.access.users import Role, a_team, of_team, shut_out
from pipelines.store.database import Store
from pipelines.store.schema import people_table, removed_table

ROW = people_table.c


@dataclass(frozen=True)
class Claimed:
    """What the company's sign-in says of somebody, after all of its checks.

    Attributes
    ----------
    subject : str
        Whom it means, for good: the provider's address and its own word for the person.
    name : str
        What the person is called.
    role : str or None
        The role that the company gives; None where it gives none.
    team : str or None
        Likewise.
    """

    subject: str
    name: str
    role: Role | None
    team: str | None


class NotLetInError(LeadsieveError):
    """Somebody whom the company knows, and who may not come in."""


def enter(
    store: Store,
    claimed: Claimed,
    *,
    gives_roles: bool,
    create: bool,
    passwords_open: bool,
    at: datetime,
    address: str | None,
    browser: str,
    instead_of: str | None = None,
) -> str:
    """A new session's token for somebody whom the company has signed in.

    Whoever has come in once is known by the subject, whatever the name becomes. The first time the name decides,
    and nobody takes over a name that a password opens.

    Parameters
    ----------
    gives_roles : bool
        Whether the company says which role somebody has, each time anew; else the store does.
    create : bool
        Whether somebody who is not known yet is added.
    passwords_open : bool
        Whether passwords open the desk, too; where they do not, a name that has one is free to be taken.

    Raises
    ------
    NotLetInError
        With the reason; it is in the audit log, and sessions of a person to whom the company gives no role any
        more have ended.
    """
    with store.writing() as connection:
        row = _known(connection, claimed)
        refusal = _refusal(connection, claimed, row, gives_roles, create, passwords_open)
        if refusal is None:
            name = claimed.name if row is None else row.name
            _bring_up_to_date(connection, store, claimed, row, name, gives_roles=gives_roles, at=at)
            return begin(connection, name, at=at, address=address, browser=browser, instead_of=instead_of)
        if gives_roles and claimed.role is None and row is not None and row.subject == claimed.subject:
            shut_out(connection, row.name, at)
        note(connection, at, claimed.name, "sign-in refused", refusal, address=address)
    raise NotLetInError(f"{refusal}.")


def _known(connection: sa.Connection, claimed: Claimed) -> sa.Row | None:
    """The person that the subject is, else the one of that name."""
    by_subject = connection.execute(
        sa.select(people_table).where(ROW.subject == claimed.subject)
    ).one_or_none()
    return (
        by_subject
        or connection.execute(sa.select(people_table).where(ROW.name == claimed.name)).one_or_none()
    )


def _refusal(
    connection: sa.Connection,
    claimed: Claimed,
    row: sa.Row | None,
    gives_roles: bool,
    create: bool,
    passwords_open: bool,
) -> str | None:
    """Why somebody does not come in, or None."""
    gone = sa.select(removed_table.c.name).where(removed_table.c.subject == claimed.subject)
    if gives_roles and claimed.role is None:
        return f"your company gives {claimed.name} no role at this desk; whoever keeps its groups can"
    if row is None and connection.scalar(gone) is not None:
        return "an administrator of this desk has removed you, and can add you anew"
    if row is None and not create:
        return f"nobody called {claimed.name} may work here; an administrator of this desk can add you, without a password"
    if row is not None and row.subject not in (None, claimed.subject):
        return f"somebody else of your company is {row.name} at this desk already; an administrator can tell"
    if row is not None and row.subject is None and row.password != passwords.NONE and passwords_open:
        return f"the name {row.name} is opened by a password here; an administrator can take it away, so that your company opens it"
    role = claimed.role if gives_roles else row.role
    if role == "manager" and not (claimed.team or (row is not None and row.team)):
        return "a manager needs a team, and nobody has said which; an administrator of this desk can add you with one"
    return None


def _bring_up_to_date(
    connection: sa.Connection,
    store: Store,
    claimed: Claimed,
    row: sa.Row | None,
    name: str,
    *,
    gives_roles: bool,
    at: datetime,
) -> None:
    """Keep whom the company means, and the role and team that it gives; with another role, or where a password
    opened the desk before, sessions and keys of before end.
    """
    role = claimed.role if gives_roles else row.role
    team = a_team(claimed.team, otherwise="nobody was let in") or (row.team if row is not None else None)
    values = {
        "role": role,
        "team": team,
        "subject": claimed.subject,
        "password": passwords.NONE,
        "temporary": 0,
    }
    if row is not None and all(getattr(row, key) == value for key, value in values.items()):
        return
    put = store.insert(people_table).values(name=name, added_at=at, **values)
    connection.execute(put.on_conflict_do_update(index_elements=["name"], set_=values))
    if row is not None and (row.role != role or row.password != passwords.NONE):
        shut_out(connection, name, at)
    words = (
        f"{'added' if row is None else 'changed'} {name} as {role}{of_team(team)}, by the company's sign-in"
    )
    note(connection, at, name, "person", words)

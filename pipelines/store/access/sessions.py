"""Sessions: how one begins, how long it goes on, who sees it, and how it ends."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from features.errors import UnreachableError, UsageError
from pipelines.store.access import passwords
from pipelines.store.access.audit import note
from pipelines.store.access.users import Person, check_admin, digest
from pipelines.store.database import Store
from pipelines.store.schema import people_table, sessions_table

ROW = sessions_table.c
SESSION = timedelta(hours=12)
SEEN = timedelta(minutes=1)  # how exactly it is kept when a session was seen: not every look is written


@dataclass(frozen=True)
class Session:
    """A session as its person sees it; its ``digest`` opens nothing."""

    digest: str
    began_at: datetime
    seen_at: datetime
    browser: str


def going_on(at: datetime, idle: timedelta) -> sa.ColumnElement[bool]:
    """Sessions within both limits: the hours that any may last, and the time without a request."""
    return (ROW.ends_at > at) & (ROW.seen_at > at - idle)


def sign_in(
    store: Store,
    name: str,
    password: str,
    *,
    at: datetime,
    address: str | None,
    browser: str = "A browser",
    instead_of: str | None = None,
) -> str | None:
    """A new session's token for the right password, None for a wrong one; the session of another token, in
    whose place it is, ends.

    Raises
    ------
    TooManyTriesError
        After too many tries for this name, or from this address, within a quarter of an hour.
    """
    name = name.strip()[:80]
    passwords.count_try(store, name, at=at, address=address)
    column = people_table.c
    with store.reading() as connection:
        kept = connection.scalar(sa.select(column.password).where(column.name == name))
    right = passwords.fits(kept, password)
    with store.writing() as connection:
        # also where the password was changed, or the person removed, while it was looked at
        same = sa.select(column.name).where(column.name == name, column.password == kept)
        if not right or connection.scalar(same) is None:
            note(connection, at, name, "sign-in refused", "wrong name or password", address=address)
            return None
        return begin(connection, name, at=at, address=address, browser=browser, instead_of=instead_of)


def begin(
    connection: sa.Connection,
    name: str,
    *,
    at: datetime,
    address: str | None,
    browser: str,
    instead_of: str | None,
) -> str:
    """The token of a new session of somebody who may; the session of another token, in whose place it is, ends."""
    token = secrets.token_urlsafe(32)
    passwords.forgive_tries(connection, name, address=address)
    replaced = sa.false() if instead_of is None else ROW.digest == digest(instead_of)
    connection.execute(sessions_table.delete().where((ROW.ends_at < at) | replaced))
    begun = {"digest": digest(token), "name": name, "began_at": at, "seen_at": at, "browser": browser}
    connection.execute(sessions_table.insert().values(**begun, ends_at=at + SESSION))
    note(connection, at, name, "signed in", browser, address=address)
    return token


def in_session(store: Store, token: str, *, at: datetime, idle: timedelta) -> Person | None:
    """Whose session a token opens, if it is still going on; that it was seen is kept.

    Where another writes just then it is not kept, so that nobody who looks at a page waits for it.
    """
    whose = people_table.c
    query = (
        sa.select(whose.name, whose.role, whose.temporary, whose.team, whose.password, ROW.seen_at)
        .join(sessions_table, ROW.name == whose.name)
        .where(ROW.digest == digest(token), going_on(at, idle))
    )
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.seen_at <= at - SEEN:
        seen = sessions_table.update().where(
            ROW.digest == digest(token), going_on(at, idle), ROW.seen_at < at
        )
        with suppress(UnreachableError), store.reading() as connection:
            store.own.hurry(connection)
            connection.execute(seen.values(seen_at=at))
            connection.commit()
    return Person(row.name, row.role, bool(row.temporary), row.team, row.password == passwords.NONE)


def sessions_of(store: Store, name: str, *, at: datetime, idle: timedelta) -> list[Session]:
    """The sessions of a person that are going on, the one that was seen last first."""
    columns = [ROW[column] for column in Session.__dataclass_fields__]
    query = sa.select(*columns).where(ROW.name == name, going_on(at, idle))
    with store.reading() as connection:
        return [
            Session(*row)
            for row in connection.execute(query.order_by(ROW.seen_at.desc(), ROW.began_at.desc()))
        ]


def counted(store: Store, *, at: datetime, idle: timedelta) -> dict[str, int]:
    """How many sessions are going on, by person."""
    query = sa.select(ROW.name, sa.func.count()).where(going_on(at, idle)).group_by(ROW.name)
    with store.reading() as connection:
        return {name: count for name, count in connection.execute(query)}


def sign_out(store: Store, token: str, who: str, *, at: datetime, address: str | None) -> None:
    """End a session for good: its token opens nothing any more."""
    with store.writing() as connection:
        connection.execute(sessions_table.delete().where(ROW.digest == digest(token)))
        note(connection, at, who, "signed out", "", address=address)


def end_one(store: Store, name: str, which: str, *, at: datetime, address: str | None = None) -> None:
    """End one of a person's own sessions, by its digest.

    Raises
    ------
    UsageError
        Where this person has no such session, or no more.
    """
    own = (ROW.name == name) & (ROW.digest == which)
    with store.writing() as connection:
        browser = connection.scalar(sa.select(ROW.browser).where(own))
        if browser is None:
            raise UsageError("this session has ended already; nothing was done.")
        connection.execute(sessions_table.delete().where(own))
        note(connection, at, name, "signed out", f"ended an own session: {browser}", address=address)


def end_others(
    store: Store, name: str, token: str | None, *, at: datetime, idle: timedelta, address: str | None = None
) -> int:
    """End a person's own sessions but that of a token; gives how many were going on."""
    others = (ROW.name == name) & (ROW.digest != digest(token or ""))
    with store.writing() as connection:
        count = connection.scalar(sa.select(sa.func.count()).where(others, going_on(at, idle)))
        connection.execute(sessions_table.delete().where(others))
        note(connection, at, name, "signed out", f"ended the other own sessions: {count:,}", address=address)
    return count


def end_sessions(
    store: Store, name: str, *, at: datetime, idle: timedelta, by: str, as_admin: bool = False
) -> int:
    """End every session of a person, who may sign in again; gives how many were going on.

    Raises
    ------
    UsageError
        Where there is no such person.
    NotAllowedError
        If ``by`` has to be an administrator, and is none any more.
    """
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
        there = sa.select(people_table.c.name).where(people_table.c.name == name)
        if connection.scalar(there) is None:
            raise UsageError(f"there is nobody called '{name}'; no session was ended.")
        count = connection.scalar(sa.select(sa.func.count()).where(ROW.name == name, going_on(at, idle)))
        connection.execute(sessions_table.delete().where(ROW.name == name))
        note(connection, at, by, "signed out", f"ended the sessions of {name}: {count:,}")
    return count

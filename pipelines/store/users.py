"""Who may work at the desk, their sessions and keys, and the audit log, to which entries are only added."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from features.errors import UsageError
from pipelines.store.database import Store
from pipelines.store.schema import audit_table, keys_table, people_table, sessions_table

Role = Literal["rep", "ops", "admin"]
ROLES = ("rep", "ops", "admin")  # each may do what those before it may
SHORTEST_PASSWORD = 10
SESSION = timedelta(hours=12)
PATIENCE = timedelta(minutes=15)  # in which so many wrong passwords are too many:
MOST_BY_NAME, MOST_BY_ADDRESS = 5, 30
# What OWASP asks of Argon2id at the least: it takes 20 MB, so that many who sign in at once do not fill the
# memory.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODY = HASHER.hash("nobody")  # checked where there is no such person, so that an answer takes as long
What = Literal[
    "signed in",
    "sign-in refused",
    "signed out",
    "answer",
    "override",
    "export",
    "key",
    "person",
    "forgotten",
    "upload",
]
KINDS: tuple[str, ...] = get_args(What)
A_PAGE = 100


@dataclass(frozen=True)
class Person:
    """Who is at the desk, or which key asks."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this person may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Key:
    """An API key as it is listed: its secret was shown once and is nowhere."""

    key_id: str
    name: str
    role: Role
    made_by: str
    made_at: datetime
    revoked_at: datetime | None


class TooManyTriesError(UsageError):
    """So many wrong passwords that no further one is looked at for a while."""


def add_person(store: Store, name: str, role: Role, password: str, *, at: datetime, by: str) -> None:
    """Let somebody in from now on; who is there already gets the new role and password, has to sign in
    again, and loses the keys that this person made.
    """
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UsageError("a person needs a name of at most 80 characters; nobody was added.")
    if role not in ROLES:
        raise UsageError(f"'{role}' is no role: say {', '.join(ROLES)}; nobody was added.")
    _check_password(password, "nobody was added")
    hashed = HASHER.hash(password)
    with store.writing() as connection:
        there = connection.execute(people_table.delete().where(people_table.c.name == name)).rowcount
        connection.execute(
            people_table.insert().values(name=name, role=role, password=hashed, temporary=0, added_at=at)
        )
        _shut_out(connection, name, at)
        note(connection, at, by, "person", f"{'changed' if there else 'added'} {name} as {role}")


def change_password(store: Store, name: str, old: str, new: str, *, at: datetime) -> bool:
    """Give a person who knows the old password a new one; False for a wrong one, and for who was removed.

    The role is left as it is, and the password is changed only if it is still the one that was looked at: who
    was removed or given another role meanwhile stays so. Sessions end, and the person's keys open nothing any
    more.
    """
    _check_password(new, "it was not changed")
    column = people_table.c
    with store.reading() as connection:
        hashed = connection.scalar(sa.select(column.password).where(column.name == name))
    if hashed is None or not _fits(hashed, old):
        return False
    values = {"password": HASHER.hash(new)}
    with store.writing() as connection:
        same = people_table.update().where(column.name == name, column.password == hashed)
        if not connection.execute(same.values(**values)).rowcount:
            return False
        _shut_out(connection, name, at)
        note(connection, at, name, "person", f"{name} changed the password")
    return True


def _check_password(password: str, otherwise: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(f"the password is shorter than {SHORTEST_PASSWORD} characters; {otherwise}.")


def _shut_out(connection: sa.Connection, name: str, at: datetime) -> None:
    """End a person's sessions, and revoke the keys that the person made."""
    connection.execute(sessions_table.delete().where(sessions_table.c.name == name))
    keys = keys_table.c
    connection.execute(
        keys_table.update().where(keys.made_by == name, keys.revoked_at.is_(None)).values(revoked_at=at)
    )


def remove_person(store: Store, name: str, *, at: datetime, by: str) -> None:
    """Let somebody in no more, at once. What the person did stays on record."""
    with store.writing() as connection:
        if not connection.execute(people_table.delete().where(people_table.c.name == name)).rowcount:
            raise UsageError(f"there is nobody called '{name}'; nobody was removed.")
        _shut_out(connection, name, at)
        note(connection, at, by, "person", f"removed {name}, with the keys that {name} had made")


def people(store: Store) -> list[Person]:
    """Everybody who may sign in, by name."""
    with store.reading() as connection:
        rows = connection.execute(
            sa.select(people_table.c.name, people_table.c.role).order_by(people_table.c.name)
        )
        return [Person(*row) for row in rows]


def person(store: Store, name: str) -> Person | None:
    """Somebody by name."""
    with store.reading() as connection:
        row = connection.execute(
            sa.select(people_table.c.name, people_table.c.role).where(people_table.c.name == name)
        ).one_or_none()
    return Person(*row) if row else None


def sign_in(store: Store, name: str, password: str, *, at: datetime, address: str | None) -> str | None:
    """A new session's token for the right password, None for a wrong one.

    Raises
    ------
    TooManyTriesError
        After too many wrong passwords for this name, or from this address, within a quarter of an hour.
    """
    name = name.strip()[:80]
    with store.reading() as connection:
        _refuse_guessing(connection, name, at, address)
        hashed = connection.scalar(sa.select(people_table.c.password).where(people_table.c.name == name))
    right = _fits(hashed or NOBODY, password) and hashed is not None
    token = secrets.token_urlsafe(32)
    with store.writing() as connection:
        if not right:
            note(connection, at, name, "sign-in refused", "wrong name or password", address=address)
            return None
        connection.execute(sessions_table.delete().where(sessions_table.c.ends_at < at))
        connection.execute(
            sessions_table.insert().values(digest=digest(token), name=name, ends_at=at + SESSION)
        )
        note(connection, at, name, "signed in", "", address=address)
    return token


def _refuse_guessing(connection: sa.Connection, name: str, at: datetime, address: str | None) -> None:
    log = audit_table.c
    recent = sa.select(log.who, log.address).where(log.what == "sign-in refused", log.at > at - PATIENCE)
    tries = connection.execute(recent.order_by(log.entry.desc()).limit(1000)).all()
    same_name = sum(who == name and where == address for who, where in tries)
    if same_name >= MOST_BY_NAME or sum(where == address for _, where in tries) >= MOST_BY_ADDRESS:
        raise TooManyTriesError("too many wrong passwords. Wait a quarter of an hour, then try again.")


def _fits(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def in_session(store: Store, token: str, *, at: datetime) -> Person | None:
    """Whose session a token opens, if it is still going on."""
    query = (
        sa.select(people_table.c.name, people_table.c.role)
        .join(sessions_table, sessions_table.c.name == people_table.c.name)
        .where(sessions_table.c.digest == digest(token), sessions_table.c.ends_at > at)
    )
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return Person(*row) if row else None


def sign_out(store: Store, token: str, who: str, *, at: datetime, address: str | None) -> None:
    """End a session for good: its token opens nothing any more."""
    with store.writing() as connection:
        connection.execute(sessions_table.delete().where(sessions_table.c.digest == digest(token)))
        note(connection, at, who, "signed out", "", address=address)


def fresh_password() -> str:
    """A password that nobody guesses: 96 bits in four groups."""
    text = secrets.token_hex(12)
    return "-".join(text[start : start + 6] for start in range(0, 24, 6))


def make_key(store: Store, name: str, role: Role, *, at: datetime, by: str) -> str:
    """A new key for a program, to be shown once: the store keeps its hash alone."""
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UsageError(
            "a key needs a name of at most 80 characters, such as the program's; no key was made."
        )
    if role not in ROLES:
        raise UsageError(f"'{role}' is no role: say {', '.join(ROLES)}; no key was made.")
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    with store.writing() as connection:
        values = {
            "key_id": key_id,
            "digest": digest(secret),
            "name": name,
            "role": role,
            "made_by": by,
            "made_at": at,
        }
        connection.execute(keys_table.insert().values(**values))
        note(connection, at, by, "key", f"made key {key_id} for {name}, as {role}")
    return f"ls_{key_id}_{secret}"


def revoke_key(store: Store, key_id: str, *, at: datetime, by: str) -> None:
    """Let a key open nothing any more."""
    with store.writing() as connection:
        key = keys_table.c
        if not connection.execute(
            keys_table.update().where(key.key_id == key_id, key.revoked_at.is_(None)).values(revoked_at=at)
        ).rowcount:
            raise UsageError(f"there is no key '{key_id}' in use; none was revoked.")
        note(connection, at, by, "key", f"revoked key {key_id}")


def keys(store: Store) -> list[Key]:
    """Every key that was ever made, the newest first."""
    with store.reading() as connection:
        columns = [keys_table.c[name] for name in Key.__dataclass_fields__]
        return [
            Key(*row)
            for row in connection.execute(
                sa.select(*columns).order_by(keys_table.c.made_at.desc(), keys_table.c.key_id)
            )
        ]


def with_key(store: Store, text: str) -> Person | None:
    """Who asks with a key; None where it is none, or was revoked."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != "ls" or not secret:
        return None
    query = sa.select(keys_table).where(keys_table.c.key_id == key_id, keys_table.c.revoked_at.is_(None))
    with store.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None or not hmac.compare_digest(row["digest"], digest(secret)):
        return None
    return Person(f"{row['name']} (key {key_id})", row["role"])


def digest(secret: str) -> str:
    """A hash of a long random text, from which nobody finds the text again."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did."""

    at: datetime
    who: str
    what: What
    lead_id: str | None
    words: str
    address: str | None


def note(
    connection: sa.Connection,
    at: datetime,
    who: str,
    what: What,
    words: str,
    *,
    lead_id: str | None = None,
    address: str | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells of: either both are there or neither."""
    connection.execute(
        audit_table.insert().values(at=at, who=who, what=what, lead_id=lead_id, words=words, address=address)
    )


def entries(store: Store, *, what: str | None = None, page: int = 1) -> tuple[list[Entry], int]:
    """A page of the log, the newest first, and how many entries there are."""
    asked = sa.true() if what is None else audit_table.c.what == what
    columns = [audit_table.c[name] for name in Entry.__dataclass_fields__]
    with store.reading() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(audit_table).where(asked))
        query = (
            sa.select(*columns)
            .where(asked)
            .order_by(audit_table.c.entry.desc())
            .limit(A_PAGE)
            .offset(A_PAGE * (page - 1))
        )
        return [Entry(*row) for row in connection.execute(query)], count

"""Keys for programs: made, checked and revoked."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from features.errors import UsageError
from pipelines.store.access.audit import note
from pipelines.store.access.users import Person, Role, check_admin, digest
from pipelines.store.database import Store
from pipelines.store.schema import keys_table

ROLES_OF_KEYS = ("rep", "ops", "admin")  # a program is of no team


@dataclass(frozen=True)
class Key:
    """An API key as it is listed: its secret was shown once and is nowhere."""

    key_id: str
    name: str
    role: Role
    made_by: str
    made_at: datetime
    revoked_at: datetime | None


def make_key(store: Store, name: str, role: Role, *, at: datetime, by: str, as_admin: bool = False) -> str:
    """A new key for a program, to be shown once: the store keeps its hash alone."""
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise UsageError(
            "a key needs a name of at most 80 characters, such as the program's; no key was made."
        )
    if role not in ROLES_OF_KEYS:
        raise UsageError(f"'{role}' is no role of a key: say {', '.join(ROLES_OF_KEYS)}; no key was made.")
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
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


def revoke_key(store: Store, key_id: str, *, at: datetime, by: str, as_admin: bool = False) -> None:
    """Let a key open nothing any more."""
    with store.writing() as connection:
        check_admin(connection, by, as_admin)
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

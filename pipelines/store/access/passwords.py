"""Passwords: which are taken, how they are kept, and how often somebody may try one."""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from features.errors import UsageError
from pipelines.store.access.audit import note
from pipelines.store.database import Store
from pipelines.store.schema import tries_table

SHORTEST, LONGEST = 10, 1000
GUESSABLE = 3  # of zxcvbn's scores from 0 to 4, what is below takes fewer than a hundred million guesses
PATIENCE = timedelta(minutes=15)  # in which so many tries are too many:
MOST_BY_NAME, MOST_BY_ADDRESS = 5, 30
# What OWASP asks of Argon2id at the least: it takes 20 MB, so that many who sign in at once do not fill the
# memory.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NONE = ""  # kept where no password opens anything
NOBODY = HASHER.hash("nobody")  # checked where there is no such person, so that an answer takes as long


class TooManyTriesError(UsageError):
    """So many tries that no further password is looked at for a while."""


def check(password: str, name: str, *, otherwise: str) -> None:
    """Raise UsageError for a password that is too short, or that guessers try early."""
    from zxcvbn import zxcvbn

    if len(password) < SHORTEST:
        raise UsageError(f"the password is shorter than {SHORTEST} characters; {otherwise}.")
    if len(password) > LONGEST:
        raise UsageError(f"the password is longer than {LONGEST:,} characters; {otherwise}.")
    if zxcvbn(password[:70], user_inputs=[name, "leadsieve"])["score"] < GUESSABLE:
        raise UsageError(
            f"the password is one of those that guessers try first; {otherwise}. Take a longer one, such as four words that have "
            "nothing to do with each other."
        )


def hashed(password: str) -> str:
    return HASHER.hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Whether a password is the one that is kept as a hash. Takes as long where none is kept."""
    try:
        return HASHER.verify(kept or NOBODY, password) and bool(kept)
    except (VerifyMismatchError, InvalidHashError):
        return False


def fresh() -> str:
    """A password that nobody guesses: 96 bits in four groups."""
    text = secrets.token_hex(12)
    return "-".join(text[start : start + 6] for start in range(0, 24, 6))


def count_try(store: Store, name: str | None, *, at: datetime, address: str | None) -> None:
    """Count a try before its password is looked at, so that many at once get no more than one after the
    other. Without a name it counts for the address alone.

    Raises
    ------
    TooManyTriesError
        After too many for this name from wherever, or from this address, within a quarter of an hour.
    """
    row, limits = tries_table.c, _limits(name, address)
    with store.writing() as connection:
        connection.execute(tries_table.delete().where(row.at <= at - PATIENCE))
        made = sa.select(row.whose, sa.func.count()).where(row.whose.in_(limits)).group_by(row.whose)
        counts = dict(connection.execute(made).all())
        refused = any(counts.get(whose, 0) >= most for whose, most in limits.items())
        if not refused:
            connection.execute(tries_table.insert(), [{"whose": whose, "at": at} for whose in limits])
            if name is not None and counts.get(_by_name(name), 0) == MOST_BY_NAME - 1:
                words = (
                    f"the last of {MOST_BY_NAME} tries: locked for a quarter of an hour unless it is right"
                )
                note(connection, at, name, "sign-in refused", words, address=address)
    if refused:
        what = "wrong passwords" if name is not None else "tries to sign in"
        raise TooManyTriesError(f"too many {what}. Wait a quarter of an hour, then try again.")


def forgive_tries(connection: sa.Connection, name: str, *, address: str | None = None) -> None:
    """After a right password, or with a new one: those for this name count no more, and one less from this
    address.
    """
    row, by_address = tries_table.c, _by_address(address)
    latest = sa.select(sa.func.max(row.entry)).where(row.whose == by_address).scalar_subquery()
    connection.execute(tries_table.delete().where((row.whose == _by_name(name)) | (row.entry == latest)))


def _limits(name: str | None, address: str | None) -> dict[str, int]:
    by_name = {} if name is None else {_by_name(name): MOST_BY_NAME}
    return {**by_name, _by_address(address): MOST_BY_ADDRESS}


def _by_name(name: str) -> str:
    return f"name {name}"


def _by_address(address: str | None) -> str:
    return f"address {address}"

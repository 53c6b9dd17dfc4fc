"""Keys of requests: a program that did not hear the answer asks again by the same key, and nothing is done twice."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from features.errors import UsageError
from pipelines.store.schema import requests_table

KEPT = timedelta(days=1)  # so long the answer can be asked for again
ROW = requests_table.c


@dataclass(frozen=True)
class RequestKey:
    """Which request this is, as hashes: the store keeps neither its key nor what was sent."""

    digest: str
    body: str

    @classmethod
    def of(cls, who: str, key: str, body: str) -> "RequestKey":
        """The key that somebody gave to a request with this body; others may use the same for theirs."""
        return cls(*(hashlib.sha256(text.encode()).hexdigest() for text in (f"{who}\0{key}", body)))


@dataclass(frozen=True)
class Answered:
    """What a request decided: the number of its batch, None where all had been decided before."""

    batch: int | None


def answered(connection: sa.Connection, request: RequestKey, *, at: datetime) -> Answered | None:
    """What was done for this request before; None where it is new, or a day old.

    Raises
    ------
    UsageError
        If the key was given to another request.
    """
    found = connection.execute(
        sa.select(ROW.body, ROW.batch).where(ROW.digest == request.digest, ROW.at > at - KEPT)
    ).one_or_none()
    if found is None:
        return None
    if found.body != request.body:
        raise UsageError(
            "this Idempotency-Key was given to another request within a day; nothing was done: a new request needs a new key, such as a UUID."
        )
    return Answered(found.batch)


def keep(connection: sa.Connection, request: RequestKey, batch: int | None, *, at: datetime) -> None:
    """Note what was done, in the transaction that does it; those of yesterday go."""
    connection.execute(requests_table.delete().where(ROW.at <= at - KEPT))
    connection.execute(
        requests_table.insert().values(digest=request.digest, body=request.body, batch=batch, at=at)
    )

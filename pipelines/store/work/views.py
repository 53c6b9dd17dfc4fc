"""Lists that a person keeps under a name of their own: an address of the desk with its filters and order."""

import sqlalchemy as sa

from features.errors import UsageError
from pipelines.store.database import Store
from pipelines.store.schema import views_table

VIEWS = views_table.c
MOST = 30
LONGEST_TITLE, LONGEST_ADDRESS = 60, 2_000


def views_of(store: Store, person: str) -> list[tuple[str, str]]:
    """Title and address of each, by title."""
    query = sa.select(VIEWS.title, VIEWS.address).where(VIEWS.person == person).order_by(VIEWS.title)
    with store.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


def keep_view(store: Store, person: str, title: str, address: str) -> None:
    """Keep an address; one of the same title is replaced.

    Raises
    ------
    UsageError
        Without a title, for an address too long, and for more than ``MOST``; nothing is kept.
    """
    title = " ".join(title.split())[:LONGEST_TITLE]
    if not title or not title.isprintable():
        raise UsageError("a list that is kept needs a name, such as 'Germany, A and B'; nothing was kept.")
    if len(address) > LONGEST_ADDRESS:
        raise UsageError("these filters are too long to be kept; nothing was kept.")
    with store.writing() as connection:
        mine = VIEWS.person == person
        others = connection.scalar(sa.select(sa.func.count()).where(mine, VIEWS.title != title))
        if others >= MOST:
            raise UsageError(f"{MOST} lists are kept already; remove one first. Nothing was kept.")
        connection.execute(views_table.delete().where(mine, VIEWS.title == title))
        connection.execute(views_table.insert().values(person=person, title=title, address=address))


def drop_view(store: Store, person: str, title: str) -> None:
    """Keep it no longer."""
    with store.writing() as connection:
        connection.execute(views_table.delete().where(VIEWS.person == person, VIEWS.title == title))

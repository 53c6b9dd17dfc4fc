"""What a challenger would have done with leads that the champion decided. Nothing else reads it: neither the list that
sales works nor what is counted of the promise.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from pipelines.store.database import Store, as_array, logged_column
from pipelines.store.schema import decisions_table, shadow_table

SHADOW = shadow_table.c


def record(store: Store, connection: sa.Connection, scored: pd.DataFrame) -> int:
    """Log scores, in the transaction of `Store.writing` that the champion's decisions are recorded in, so that there are
    both or none; gives how many.

    Parameters
    ----------
    scored : DataFrame
        As ``models.policy.decisions.decide_all`` gives it, of leads that are decided in this very transaction.
    """
    if len(scored):
        columns = {
            column.name: logged_column(column, as_array(scored[column.name], len(scored)))
            for column in SHADOW
        }
        store.own.insert(connection, shadow_table, columns)
    return len(scored)


def beside(store: Store, champion: str, challenger: str, columns: Sequence[str]) -> pd.DataFrame:
    """The champion's decisions, some columns of the log and ``lead_id``, of leads that the challenger scored beside it;
    its own of them as ``challenger_…``.
    """
    log = decisions_table.c
    theirs = [name for name in columns if name in SHADOW]
    query = (
        sa.select(
            log.lead_id,
            *(log[name] for name in columns),
            *(SHADOW[name].label(f"challenger_{name}") for name in theirs),
        )
        .join(shadow_table, SHADOW.lead_id == log.lead_id)
        .where(SHADOW.version == challenger, log.version == champion)
        .order_by(log.lead_id)
    )
    with store.reading() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
    return pd.DataFrame(found, columns=["lead_id", *columns, *(f"challenger_{name}" for name in theirs)])

"""Which columns are told of together: those of one source column, or of one kind of event."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.lead_columns import bare_name
from features.register import Column

# A rep's own name is no reason to a rep, and when a lead came says nothing about it.
NOT_TOLD = (
    *("month", "weekday", "dayofweek", "hour", "quarter", "week", "day", "season"),
    *("owner", "rep", "salesrep", "salesperson", "salesagent", "agent", "assignedto", "leadowner"),
)


@dataclass(frozen=True)
class Grouping:
    """The groups of some columns.

    Attributes
    ----------
    names : list of str
        In the order of their first columns.
    order : array of int
        The columns' places, group after group.
    starts : array of int
        Where in ``order`` each group begins.
    told : list of array of int
        Of each group, the places of the columns that people read as a reason.
    silent : list of int
        Groups that are left out.
    """

    names: list[str]
    order: np.ndarray
    starts: np.ndarray
    told: list[np.ndarray]
    silent: list[int]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Grouping":
        """Group columns as they say themselves."""
        names = list(dict.fromkeys(column.group for column in columns))
        member = np.array([names.index(column.group) for column in columns])
        is_told = np.array([column.told for column in columns])
        told = [np.flatnonzero((member == place) & is_told) for place in range(len(names))]
        order = np.argsort(member, kind="stable")
        return cls(
            names=names,
            order=order,
            starts=np.searchsorted(member[order], np.arange(len(names))),
            told=told,
            silent=[
                place
                for place, name in enumerate(names)
                if bare_name(name) in NOT_TOLD or not len(told[place])
            ],
        )

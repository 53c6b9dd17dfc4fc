"""By which columns a model is told apart, and what they say of some leads: where it is poor, and how it treats groups it does not see."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from features.recipe import Recipe
from features.tables import LEAD_KEYS, named
from pipelines.engine import let_go, local_engine
from pipelines.snapshots import Snapshot

USUAL = {
    "channel": ("channel", "leadsource", "source", "leadorigin", "origin", "utmsource"),
    "country": ("country", "countrycode", "market", "region", "state"),
    "owner": ("owner", "leadowner", "accountowner", "salesagent", "salesrep", "rep"),
    "size": ("employees", "numberofemployees", "noofemployees", "employeecount", "headcount", "companysize", "accountsize", "size"),
}
ENOUGH = 4
MOST_LEVELS = 30  # of a column that nobody named: more groups than that say little each
FEW_VALUES = 6  # numbers that differ so little are told apart one by one
QUARTERS = (0.25, 0.5, 0.75)


def read_groups(
    snapshot: Snapshot,
    lead_ids: pd.Series,
    *,
    recipe: Recipe,
    named_by_user: Sequence[str] | None,
    audit: Sequence[str],
    drivers: Sequence[str],
) -> pd.DataFrame:
    """The groups of some leads by their id, as the leads table has them today.

    Parameters
    ----------
    snapshot : Snapshot
    lead_ids : Series of str
    recipe : Recipe
    named_by_user : sequence of str, optional
        The columns to tell the model apart by. By default those that are usual for it by their names, as far as the model reads them; where
        these are few, filled up with what drives it most.
    audit : sequence of str
        Columns that the model does not see, which come last.
    drivers : sequence of str
        Groups of columns, what drives the model most first.

    Returns
    -------
    DataFrame
        Texts; of numbers, ordered categories of about a quarter of the leads each.
    """
    reader = local_engine()
    try:
        leads = reader.read_parquet(snapshot.folder / "leads.parquet")
        have = [name for name in leads.columns if name not in LEAD_KEYS]
        chosen = list(named_by_user) if named_by_user is not None else _usual(recipe)
        if named_by_user is None:
            read = {each.name: each.kind for each in recipe.attributes if each.kind in ("category", "number")}
            chosen += [name for name in drivers if name in read and name not in chosen][: max(0, ENOUGH - len(chosen))]
        wanted = [name for name in dict.fromkeys([*chosen, *audit]) if name in have]
        found = leads.select("lead_id", *wanted).semi_join(named(lead_ids), "lead_id").to_pyarrow().to_pandas()
    finally:
        let_go(reader)
    found = found.drop_duplicates("lead_id").set_index("lead_id").reindex(lead_ids)
    groups = pd.DataFrame({name: _groups(found[name]) for name in wanted}, index=found.index)
    asked_for = {*audit, *(named_by_user or ())}
    return groups[[name for name in wanted if name in asked_for or groups[name].nunique() <= MOST_LEVELS]]


def _usual(recipe: Recipe) -> list[str]:
    """Columns that the model reads and whose names say channel, country, owner or size."""
    names = {_bare(each.name): each.name for each in reversed(recipe.attributes) if each.kind in ("category", "key", "number", "title")}
    return [
        next(names[each] for each in spellings if each in names) for spellings in USUAL.values() if any(each in names for each in spellings)
    ]


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _groups(values: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(values):
        return values.astype(object).where(values.notna(), None)
    levels = np.sort(values.dropna().unique())
    if len(levels) <= FEW_VALUES:
        return pd.Series(
            pd.Categorical(values.map(_said, na_action="ignore"), [_said(level) for level in levels], ordered=True), values.index
        )
    edges = np.unique(values.quantile(QUARTERS, interpolation="lower").to_numpy())
    edges = edges[edges < levels[-1]] if edges[0] < levels[-1] else levels[-2:-1]
    whole = bool((levels == levels.round()).all())
    words = [_said(edges[0]) if edges[0] == levels[0] else f"up to {_said(edges[0])}"]
    words += [_between(low, high, whole=whole) for low, high in pairwise(edges)]
    return pd.cut(values, [-np.inf, *edges, np.inf], labels=[*words, f"over {_said(edges[-1])}"])


def _between(low: float, high: float, *, whole: bool) -> str:
    """What lies above one number and up to another."""
    if not whole:
        return f"over {_said(low)} to {_said(high)}"
    first, last = np.floor(low) + 1, np.floor(high)
    return _said(last) if first >= last else f"{_said(first)} to {_said(last)}"


def _said(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) or abs(number) >= 100 else f"{number:.3g}"

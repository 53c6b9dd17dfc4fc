"""Lead columns that the configuration names: a mistyped one would otherwise be used, or doubted, in silence."""

from difflib import get_close_matches

from features.errors import UsageError
from features.tables import LEAD_KEYS, Tables
from pipelines.mapping import SourceSettings
from pipelines.settings import Settings


def check_names(tables: Tables, settings: Settings) -> None:
    """Refuse names in ``exclude``, ``audit``, ``trusted`` and ``segments`` that no lead column has, all at once.

    What the mapping reads as something else than an attribute may stand in ``exclude`` if it is no feature at all, such as the outcome.
    """
    columns = [name for name in tables.leads.columns if name not in LEAD_KEYS]
    features, renamed, apart = settings.features, *_mapped(settings.source)
    mistakes = []
    asked = (
        ("features.exclude", features.exclude, apart),
        ("features.audit", features.audit, set()),
        ("features.trusted", features.trusted, set()),
        ("evaluation.segments", settings.evaluation.segments or (), set()),
    )
    for key, names, allowed in asked:
        for name in names:
            if name in columns or name in allowed:
                continue
            if name in renamed:
                hint = f"it is read as '{renamed[name]}': write that"
            else:
                close = get_close_matches(name, columns, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(columns) or 'none'}"
            mistakes.append(f"  {key}: the leads have no column '{name}'; {hint}")
    if mistakes:
        raise UsageError("\n".join(["the configuration names columns that are not there; nothing was judged or trained:", *mistakes]))


def _mapped(source: SourceSettings) -> tuple[dict[str, str], set[str]]:
    """The source's names of columns that have a name of ours, and of columns that are no attributes."""
    leads, flat = source.leads, source.outcome
    renamed = {column: ours for ours in ("channel", "campaign", "owner") if (column := getattr(leads, ours)) and column != ours}
    apart = {*LEAD_KEYS, leads.lead_id, leads.created_at, leads.account_id}
    if flat is not None:
        apart |= {flat.column, flat.occurred_at, flat.amount, flat.margin}
    return renamed, apart - {None}

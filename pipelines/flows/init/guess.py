"""What a source's tables and columns are taken for: leads, events and outcomes, each with the reason why."""

import itertools
from collections.abc import Sequence
from functools import partial

from features.tables import WORTH
from pipelines.flows.init.columns import NEARLY, Column, Looked
from pipelines.flows.init.draft import CLOSE, Choose, Draft, Option, likeliest, other_way
from pipelines.flows.init.outcome import (
    CLOSED,
    outcome_column,
    stages_of_events,
    tells_outcome,
    words_by_stage,
    words_of,
)
from pipelines.flows.init.words import EMPTY, excluded, fits, tidy

MOSTLY = 0.8  # rows of a table whose words are stages: it is no table of events
LEAST_FILLED = 0.3  # of the rows: the others may be lines that go on below a lead
MOSTLY_UNIQUE = (
    0.8  # a column called id that has so many different values is one, though some leads come twice
)
FEWEST_IDS, BY_NAME = 5, 0.6  # what the same name weighs where ids are looked for
FEW_WORDS = 40  # different values, up to which runs of them say that like rows come together
ROLES = {
    "channel": "where the lead came from",
    "owner": "who works it",
    "account_id": "the company behind it",
    "campaign": "which campaign brought it",
}


def guessed(tables: Sequence[Looked], choose: Choose) -> Draft:
    """A first mapping of some tables; where two answers are likely, ``choose`` picks one."""
    draft = Draft()
    leads = _leads_table(tables, choose)
    draft.put("source.leads", "table", leads.name, _because_leads(leads, tables))
    key = _lead_id(leads, tables, choose, draft)
    created = _created_at(leads, choose, draft)
    children = [
        (table, each) for table in tables if table is not leads and (each := _joining(table, leads, key))
    ]
    joined = {table.name for table, _ in children}
    told = bool(created) and any(_child(table, column, leads, choose, draft) for table, column in children)
    if not created:
        _order(leads, choose, draft)
    _standing(leads, draft)
    if not told:
        told = outcome_column(leads, created, choose, draft)
    if not told:
        draft.notes.append(
            f"Nothing in these tables tells how leads went: name it in [source.outcome] (a column of {leads.name}) or [source.outcomes] (a table)."
        )
    for table in tables:
        if table is not leads and table.name not in joined:
            draft.notes.append(
                f"{table.name} is not used: no column of it holds the leads' ids ({key or 'there are none'})."
            )
    _others(leads, draft)
    return draft


def _leads_table(tables: Sequence[Looked], choose: Choose) -> Looked:
    def score(table: Looked) -> float:
        ids = [each for each in table.columns if each.unique and each.kind != "time"]
        others = [other for other in tables if other is not table]
        joins = sum(max((_joined(other, table, each.name)[1] for each in ids), default=0) for other in others)
        outcome = any(tells_outcome(each) for each in table.columns)
        created = any(fits(each.tidy, "created_at") > 50 for each in table.of_kind("time"))
        named = fits(stem(table.name), "leads table") / 25
        return named + 2 * bool(ids) + 2 * joins + outcome + created

    ranked = sorted(tables, key=lambda each: (-score(each), -each.rows))
    near = [each for each in ranked if score(each) > CLOSE * score(ranked[0])]
    if len(near) == 1:
        return near[0]
    options = [Option(each, f"{each.rows:,} rows, {len(each.columns)} columns") for each in near]
    return choose("Which table has one row for each lead?", options).value


def stem(name: str) -> str:
    """A table's name without schema and ending, as names are compared."""
    return tidy(
        name.rpartition(".")[2]
        if "." in name and not name.lower().endswith((".csv", ".tsv", ".parquet", ".gz"))
        else name.partition(".")[0]
    )


def _because_leads(leads: Looked, tables: Sequence[Looked]) -> str:
    return "the only table" if len(tables) == 1 else "one row for each lead"


def _lead_id(leads: Looked, tables: Sequence[Looked], choose: Choose, draft: Draft) -> str | None:
    unique = [
        each for each in leads.of_kind("text", "number") if each.unique and (excluded(each.tidy) is None)
    ]
    shared = [
        each
        for each in unique
        if any(_joining(other, leads, each.name) for other in tables if other is not leads)
    ]
    found = likeliest(shared or unique, "lead_id", "Which column is the lead's id?", choose)
    if found is None:
        named = [
            each
            for each in leads.of_kind("text", "number")
            if fits(each.tidy, "lead_id") >= 95
            and each.distinct > MOSTLY_UNIQUE * each.filled
            and each.share > LEAST_FILLED
        ]
        found = (named[0], "") if named else None
    if found is None:
        return None
    column, other = found
    draft.put(
        "source.leads",
        "lead_id",
        column.name,
        other_way(
            "another in every row"
            if column.distinct == column.rows
            else f"{column.distinct:,} different of {column.filled:,}",
            other,
        ),
    )
    draft.taken[column.name] = "the lead's id"
    return column.name


def _created_at(leads: Looked, choose: Choose, draft: Draft) -> str | None:
    times = [
        each
        for each in leads.of_kind("time")
        if each.share > LEAST_FILLED and (fits(each.tidy, "created_at") > 50 or excluded(each.tidy) is None)
    ]
    found = likeliest(times, "created_at", "When was a lead created?", choose)
    if found is None:
        plausible = [each for each in times if each.share > NEARLY]
        found = (plausible[0], "") if plausible else None
    if found is None:
        return None
    column, other = found
    draft.put("source.leads", "created_at", column.name, other_way(f"times such as {column.example}", other))
    draft.taken[column.name] = "when the lead was created"
    return column.name


def _joining(table: Looked, leads: Looked, key: str | None) -> Column | None:
    """The column of a table that holds the leads' ids: by its name, or by its values."""
    return _joined(table, leads, key)[0]


def _joined(table: Looked, leads: Looked, key: str | None) -> tuple[Column | None, float]:
    """That column, and how surely it is one."""
    ids = leads.column(key)
    if ids is None:
        return None, 0.0
    held = set(ids.values.to_pylist())
    best, most = None, 0.5
    for each in table.of_kind("text", "number"):
        values = set(each.values.drop_null().to_pylist())
        share = len(values & held) / len(values) if len(values) > FEWEST_IDS else 0.0
        # Ids that are written in another way still have the same name.
        alike = (each.tidy == ids.tidy and " " in ids.tidy) or each.tidy in ("lead id", "lead")
        if (fit := share + BY_NAME * alike) > most:
            best, most = each, fit
    return best, most if best else 0.0


def _child(table: Looked, key: Column, leads: Looked, choose: Choose, draft: Draft) -> bool:
    """A table with rows of leads: outcomes, events, or both; whether it tells outcomes."""
    times = table.of_kind("time")
    if not times:
        draft.notes.append(f"{table.name} is not used: it has no column of times.")
        return False
    words = [each for each in table.of_kind("text", "number") if each.words and each is not key]
    stage = likeliest(
        [each for each in words if tells_outcome(each)],
        "stage",
        f"Which column of {table.name} is the stage?",
        choose,
    )
    first = "source.outcomes" not in draft.sections
    if stage and first:
        column = stage[0]
        known = sum(column.words[word] for word, said in words_of(column).items() if said)
        if known > MOSTLY * column.filled:
            _outcomes(table, key, draft, choose, column=column, stages=words_by_stage(column, choose))
            return True
        if stages := stages_of_events(column):
            _events(table, key, column, draft, choose)
            _outcomes(table, key, draft, choose, column=column, stages=stages)
            return True
    if first and fits(stem(table.name), "won table") and table.rows <= leads.rows:
        _outcomes(table, key, draft, choose, column=None, stages={})
        return True
    kind = likeliest(words, "kind", f"Which column of {table.name} says what happened?", choose)
    if kind and "source.events" not in draft.sections:
        _events(table, key, kind[0], draft, choose)
    else:
        draft.notes.append(f"{table.name} is not used: no column says what happened, or how a lead went.")
    return False


def _events(table: Looked, key: Column, kind: Column, draft: Draft, choose: Choose) -> None:
    put = partial(draft.put, "source.events")
    put("table", table.name, f"{table.rows / max(key.distinct, 1):.1f} rows for each lead")
    put("lead_id", key.name, "holds the leads' ids")
    put("kind", kind.name, "such as " + ", ".join(repr(each) for each in list(kind.words)[:3]))
    when = likeliest(table.of_kind("time"), "occurred_at", f"When did things of {table.name} happen?", choose)
    column, other = when or (table.of_kind("time")[0], "")
    put("occurred_at", column.name, other_way(f"times such as {column.example}", other))
    if later := [each for each in table.of_kind("time") if fits(each.tidy, "recorded_at") > 50]:
        put("recorded_at", later[0].name, "when it was on record")


def _outcomes(
    table: Looked, key: Column, draft: Draft, choose: Choose, *, column: Column | None, stages: dict
) -> None:
    put = partial(draft.put, "source.outcomes")
    put("table", table.name, "how leads went")
    put("lead_id", key.name, "holds the leads' ids")
    times = table.of_kind("time")
    role = "occurred_at" if draft.value("source.events", "table") == table.name else "closed_at"
    when, other = likeliest(times, role, f"When was an outcome of {table.name} reached?", choose) or (
        times[0],
        "",
    )
    put("occurred_at", when.name, other_way(f"times such as {when.example}", other))
    if column is None:
        put("stage_is", "won", "the table has no stages: every row is taken for a won deal")
    else:
        put("stage", column.name, "its words are stages")
        if set(column.words) - set(CLOSED):
            for stage, words in stages.items():
                draft.put("source.outcomes.stages", stage, words)
    numbers = table.of_kind("number")
    for name in (*WORTH, "reason", "rep"):
        of = numbers if name in WORTH else table.of_kind("text")
        exact = [each for each in of if fits(each.tidy, name) > 50]
        if exact:
            put(name, max(exact, key=lambda each: fits(each.tidy, name)).name)
    if later := [each for each in times if fits(each.tidy, "recorded_at") > 50]:
        put("recorded_at", later[0].name, "when it was on record")


def _order(leads: Looked, choose: Choose, draft: Draft) -> None:
    """Rows without dates: whether their order is time."""
    why, falls = "", False
    for each in leads.of_kind("number"):
        if each.unique and each.filled == each.rows:
            try:
                values = [float(value) for value in each.values.to_pylist()]
            except ValueError:
                continue
            pairs = list(itertools.pairwise(values))
            if sum(a > b for a, b in pairs) > NEARLY * len(pairs):
                falls, why = True, f"'{each.name}' falls from row to row, so the newest seem to come first"
    runs = _runs(leads)
    rows = Option("rows", "row order is time: like rows come together")
    none = Option("none", why or "no dates, and no sign that row order is time")
    options = [rows, none] if runs and not falls else [none, rows]
    chosen = choose(f"{leads.name} has no dates. Is the order of its rows time, the oldest first?", options)
    other = "none" if chosen.value == "rows" else "rows"
    draft.put("source.leads", "order", chosen.value, f'{chosen.why}; or "{other}"')


def _runs(leads: Looked) -> bool:
    """Whether some column of few words stays the same from row to row far more often than by chance."""
    for each in leads.columns:
        if not 3 <= each.distinct <= FEW_WORDS or each.share < NEARLY:
            continue
        values = each.values.to_pylist()
        same = sum(a == b for a, b in itertools.pairwise(values)) / max(len(values) - 1, 1)
        chance = sum((count / each.filled) ** 2 for count in each.words.values())
        if same > chance + 0.5 * (1 - chance):
            return True
    return False


def _standing(leads: Looked, draft: Draft) -> None:
    """Where leads come from, who works them, of which company and campaign."""
    for role in ("channel", "owner", "account_id", "campaign"):
        fitting = [
            each
            for each in leads.of_kind("text", "number")
            if fits(each.tidy, role) > 50
            and each.name not in draft.taken
            and each.distinct > 1
            and each.share > (NEARLY if role == "account_id" else 0.5)
            and (role == "account_id" or not each.unique)
            and (each.kind == "text" or role in ("account_id", "owner"))
        ]
        if fitting:
            best = max(fitting, key=lambda each: fits(each.tidy, role))
            draft.put("source.leads", role, best.name, f"{best.distinct:,} different")
            draft.taken[best.name] = ROLES[role]


def _others(leads: Looked, draft: Draft) -> None:
    """Every column that has no role: learned from, or left out with a reason; words that mean nothing."""
    key = draft.value("source.leads", "lead_id")
    for each in leads.columns:
        if each.name in draft.taken:
            continue
        if each.kind == "empty":
            draft.taken[each.name] = "not used: empty"
        elif why := excluded(each.tidy) or excluded(tidy(each.name)):
            draft.exclude(each.name, why)
        elif (each.unique and each.kind == "number" and " id" in f" {each.tidy}") or (
            each.unique and each.tidy.endswith("number") and key
        ):
            draft.exclude(each.name, "a number in the order of arrival, or another id")
        elif each.distinct == 1:
            draft.taken[each.name] = f"not used: always {each.example!r}"
        else:
            draft.taken[each.name] = f"learned from: {each.kind}, {each.distinct:,} different"
    found = [word for word in EMPTY if any(word in each.words for each in leads.columns)]
    if found:
        draft.put("source.leads", "empty", found, "what a form shows while nothing is selected")

"""Which column tells how a lead went, and which of its words mean which stage."""

from features.tables import WORTH
from pipelines.flows.init.columns import NEARLY, Column, Looked
from pipelines.flows.init.draft import Choose, Draft, Option, likeliest, other_way
from pipelines.flows.init.words import excluded, fits, stage_of, truth_of

CLOSED = ("accepted", "rejected", "won", "lost")
LIKELY = 0.7  # a second column of so much of the first one's fit may tell the outcome, too
TOLD = "says how the lead went"


def words_of(column: Column) -> dict[str, str | None]:
    """Each word of a column with the stage that it means."""
    if set(map(truth_of, column.words)) == {True, False} and fits(column.tidy, "won"):
        return {word: "won" if truth_of(word) else "lost" for word in column.words}
    return {word: stage_of(word) for word in column.words}


def tells_outcome(column: Column) -> bool:
    """Whether some of few words mean that a lead was taken up, won, turned down or lost, and the column is
    called so.
    """
    if column.kind == "time" or not len(column.words) > 1:
        return False
    said = set(words_of(column).values()) & set(CLOSED)
    named = max(fits(column.tidy, "stage"), fits(column.tidy, "won"))
    return (bool(said) and named > 50) or (len(said) > 1 and bool(named))


def words_by_stage(column: Column, choose: Choose) -> dict[str, list[str]]:
    """The words of a column by stage; one that is in no list is asked for, or, unanswered, left out."""
    found: dict[str, list[str]] = {}
    for word, stage in words_of(column).items():
        if stage is None:
            options = [
                Option(None, "not decided: it has to be named before anything is learned"),
                *(Option(each, f"it means {each}") for each in (*CLOSED, "open")),
            ]
            question = f"What does '{word}' in '{column.name}' mean ({column.words[word]:,} rows)?"
            stage = choose(question, options).value
        if stage is not None:
            found.setdefault(stage, []).append(word)
    return {stage: found[stage] for stage in (*CLOSED, "open") if stage in found}


def stages_of_events(column: Column) -> dict[str, list[str]]:
    """Of a column of events, those words that are stages: where words have a prefix, of one prefix alone, which
    has to have wins.
    """
    said = {word: stage for word, stage in words_of(column).items() if stage in CLOSED}
    prefixes = {word: word.partition("_")[0] if word[1:2] == "_" else "" for word in said}
    winning = [prefixes[word] for word, stage in said.items() if stage == "won"]
    if not winning:
        return {}
    kept = {word: stage for word, stage in said.items() if prefixes[word] == winning[0]}
    found: dict[str, list[str]] = {}
    for word, stage in kept.items():
        found.setdefault(stage, []).append(word)
    return {stage: found[stage] for stage in CLOSED if stage in found}


def dated_stages(leads: Looked, created: str | None) -> dict[str, Column]:
    """Where stages have columns of their own with the date on which they were reached: those columns."""
    found: dict[str, list[tuple[int, Column]]] = {}
    for each in leads.of_kind("time"):
        stage = stage_of(each.tidy)
        if each.name == created or stage not in CLOSED or each.share > 0.98 or "last" in each.tidy.split():
            continue
        # The lead's taking up counts before that of a deal, and "Became SQL" before "Converted".
        rank = 1 if "opportunity" in each.tidy or "converted" in each.tidy else 0
        found.setdefault(stage, []).append((rank, each))
    stages = {stage: min(each, key=lambda one: one[0])[1] for stage, each in found.items()}
    return {stage: stages[stage] for stage in CLOSED if stage in stages}


def outcome_column(leads: Looked, created: str | None, choose: Choose, draft: Draft) -> bool:
    """Say how leads went by columns of their own table, if one tells."""
    dated = dated_stages(leads, created) if created else {}
    telling = [each for each in leads.columns if tells_outcome(each) and each.name not in draft.taken]
    if "won" in dated or len(dated) > 1:
        for stage, column in dated.items():
            draft.put("source.leads.stages", stage, column.name, f"{column.filled:,} dates")
            draft.taken[column.name] = f"when the lead was {stage}"
        _money(leads, "source.leads", draft)
    elif telling:
        column, other = _best(telling, choose)
        draft.put("source.outcome", "column", column.name, f"its words say how a lead went{other}")
        draft.taken[column.name] = TOLD
        stages = words_by_stage(column, choose)
        if created:
            closed = {word for stage, words in stages.items() if stage != "open" for word in words}
            times = [each for each in leads.of_kind("time") if each.name not in draft.taken]
            found = likeliest(
                [each for each in times if _dates(each, column, closed)],
                "closed_at",
                "When was the outcome reached?",
                choose,
            )
            if found:
                draft.put(
                    "source.outcome",
                    "occurred_at",
                    found[0].name,
                    other_way("filled wherever there is an outcome", found[1]),
                )
                draft.taken[found[0].name] = "when the outcome was reached"
        _put_stages(draft, stages)
        _money(leads, "source.outcome", draft)
    else:
        return False
    for each in telling:
        if each.name not in draft.taken:
            draft.exclude(each.name, excluded(each.tidy) or TOLD)
    for each in leads.of_kind("time"):
        if each.name not in draft.taken and stage_of(each.tidy) in CLOSED:
            draft.exclude(each.name, excluded(each.tidy) or TOLD)
    return True


def _put_stages(draft: Draft, stages: dict[str, list[str]]) -> None:
    """The words by stage. Where neither customers nor dates are known, being taken up is all that can be learned:
    it stands for the win.
    """
    dated = draft.value("source.outcome", "occurred_at")
    farthest = {"accepted": "won", "rejected": "lost"} if not dated and "won" not in stages else {}
    found: dict[str, list[str]] = {}
    for stage, words in stages.items():
        found.setdefault(farthest.get(stage, stage), []).extend(words)
    for stage, words in found.items():
        why = (
            "the farthest that a lead gets here; with a date for it, it would be accepted"
            if farthest and stage == "won"
            else ""
        )
        draft.put("source.outcome", stage, words, why)


def _best(telling: list[Column], choose: Choose) -> tuple[Column, str]:
    """The column that says most: wins first, then by its name."""

    def fit(column: Column) -> float:
        said = set(words_of(column).values())
        named = max(fits(column.tidy, "stage"), fits(column.tidy, "won"))
        later = 20 if excluded(column.tidy) and column.tidy == "status reason" else 0
        return named + 40 * ("won" in said) + 20 * bool(said & {"lost", "rejected"}) - later

    ranked = sorted(telling, key=fit, reverse=True)
    near = [each for each in ranked if fit(each) > LIKELY * fit(ranked[0])]
    if len(near) == 1:
        return near[0], ""
    options = [Option(each, ", ".join(list(each.words)[:5])) for each in near[:4]]
    chosen = choose("Which column tells how a lead went?", options).value
    return chosen, "; or " + " or ".join(f"'{each.name}'" for each in near[:4] if each is not chosen)


def _dates(date: Column, stage: Column, closed: set[str]) -> bool:
    """Whether nearly all leads of some words have the date."""
    there = [
        when is not None
        for when, word in zip(date.values.to_pylist(), stage.values.to_pylist(), strict=True)
        if word in closed
    ]
    return sum(there) > NEARLY * len(there) > 0


def _money(leads: Looked, section: str, draft: Draft) -> None:
    for name in WORTH:
        exact = [
            each
            for each in leads.of_kind("number")
            if fits(each.tidy, name) > 50 and each.name not in draft.taken
        ]
        if exact:
            best = max(exact, key=lambda each: fits(each.tidy, name))
            draft.put(section, name, best.name, "what a win brought")
            draft.taken[best.name] = f"what a win brought ({name})"

"""What became of the leads, for marketing and sales: the same figures as the command's, for every role."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.desk import Desk, desk_of
from app.pages.rendering import render
from app.sessions import ForbiddenError, signed_in
from features.errors import TooLittleDataError
from models.alignment.book import NOTHING, Asked
from pipelines.flows.alignment.align import day
from pipelines.reports import alignment as reports
from pipelines.store.users import Person

router = APIRouter(include_in_schema=False)
Word = Annotated[str, Query(max_length=200)]
SHOWN = {
    "channel": "Channel",
    "campaign": "Campaign",
    "team": "Team",
    "rep": "Who answered",
    "grade": "Grade",
}


@router.get("/alignment")
def alignment(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    since: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Annotated[str, Query(max_length=10)] = "",
    channel: Word = "",
    campaign: Word = "",
    team: Word = "",
    rep: Word = "",
    grade: Word = "",
) -> Response:
    desk = desk_of(request)
    given = {"channel": channel, "campaign": campaign, "team": team, "rep": rep, "grade": grade}
    asked = Asked(day("from", since), day("to", to), **{name: value or None for name, value in given.items()})
    folder, now = desk.dossiers.newest(), desk.clock()
    try:
        choices = desk.alignment.choices(folder, now)
        choices = choices | {"rep": shown_to(desk, person, choices["rep"])}
        if rep and rep not in choices["rep"]:
            raise ForbiddenError
        told = desk.alignment.tell(asked, folder, now)
    except TooLittleDataError as error:
        words, empty = desk.settings.words.in_own(str(error)), any((since, to, *given.values()))
        return render(request, "alignment.html", nothing=words[:1].upper() + words[1:], empty=empty)
    found = told.found
    return render(
        request,
        "alignment.html",
        nothing=None,
        title=reports.title(found),
        period=reports.period(found),
        leads=found["leads"],
        counted_at=told.counted_at,
        old=told.old,
        contents=told.contents,
        body=told.body,
        given=given | {"from": found["asked"]["since"], "to": to},
        choices={
            name: (words, choices[name])
            for name, words in SHOWN.items()
            if given[name] or set(choices[name]) - {NOTHING}
        },
    )


def shown_to(desk: Desk, person: Person, reps: list[str]) -> list[str]:
    """Whose figures somebody may see: the own ones, as a manager those of the own team, as an administrator all."""
    theirs = reps if person.may("admin") else desk.team_of(person) | {person.name}
    return [name for name in reps if name in theirs]

"""What became of the leads, for marketing and sales: the same figures as the command's, for every role."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.desk import desk_of
from app.pages.rendering import render
from app.sessions import signed_in
from features.errors import TooLittleDataError, UsageError
from models.alignment.book import Asked
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
    if rep and rep != person.name and not person.may("admin"):
        raise UsageError("Figures of one person are for that person and administrators; nothing was counted.")
    given = {"channel": channel, "campaign": campaign, "team": team, "rep": rep, "grade": grade}
    asked = Asked(day("from", since), day("to", to), **{name: value or None for name, value in given.items()})
    try:
        told = desk.alignment.tell(asked, desk.dossiers.newest(), desk.clock())
    except TooLittleDataError as error:
        words, empty = str(error), any((since, to, *given.values()))
        return render(request, "alignment.html", nothing=words[:1].upper() + words[1:], empty=empty)
    found = told.found
    choices = found["choices"]
    if not person.may("admin"):
        choices = choices | {"rep": [name for name in choices["rep"] if name == person.name]}
    return render(
        request,
        "alignment.html",
        nothing=None,
        title=reports.TITLE,
        period=reports.period(found),
        leads=found["leads"],
        contents=told.contents,
        body=told.body,
        given=given | {"from": found["asked"]["since"], "to": to},
        choices={name: (words, choices[name]) for name, words in SHOWN.items() if choices[name]},
    )

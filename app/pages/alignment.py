"""What became of the leads, for marketing and sales: the same figures as the command's, for every role."""

import io
from typing import Annotated

import pyarrow as pa
import pyarrow.csv
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from app.desk import Desk, desk_of
from app.pages.export import own_heading
from app.pages.rendering import render
from app.sessions import ForbiddenError, address_of, signed_in
from features.errors import TooLittleDataError
from models.alignment.book import NOTHING, Asked
from pipelines.flows.alignment.align import day
from pipelines.reports import alignment as reports
from pipelines.sinks.tables import defused
from pipelines.store import worklist
from pipelines.store.access.audit import note
from pipelines.store.access.users import Person

router = APIRouter(include_in_schema=False)
Word = Annotated[str, Query(max_length=200)]
SHOWN = {
    "channel": "Channel",
    "campaign": "Campaign",
    "team": "Team",
    "rep": "Who answered",
    "grade": "Grade",
}


Given = dict[str, str]


def given_of(
    since: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Annotated[str, Query(max_length=10)] = "",
    channel: Word = "",
    campaign: Word = "",
    team: Word = "",
    rep: Word = "",
    grade: Word = "",
) -> Given:
    """What the fields of the page say."""
    named = {"channel": channel, "campaign": campaign, "team": team, "rep": rep, "grade": grade}
    return named | {"from": since, "to": to}


def asked_of(given: Given) -> Asked:
    """The same as what is asked for."""
    named = {name: given[name] or None for name in SHOWN}
    return Asked(day("from", given["from"]), day("to", given["to"]), **named)


@router.get("/alignment")
def alignment(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[Given, Depends(given_of)],
) -> Response:
    desk, asked = desk_of(request), asked_of(given)
    folder, now = desk.dossiers.newest(), desk.clock()
    try:
        choices = desk.alignment.choices(folder, now)
        choices = choices | {"rep": shown_to(desk, person, choices["rep"])}
        if given["rep"] and given["rep"] not in choices["rep"]:
            raise ForbiddenError
        told = desk.alignment.tell(asked, folder, now)
    except TooLittleDataError as error:
        words, empty = desk.settings.words.in_own(str(error)), any(given.values())
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
        given=given | {"from": found["asked"]["since"]},
        asked={name: value for name, value in given.items() if value},
        choices={
            name: (words, choices[name])
            for name, words in SHOWN.items()
            if given[name] or set(choices[name]) - {NOTHING}
        },
    )


@router.get("/alignment/leads.csv")
def leads(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[Given, Depends(given_of)],
) -> Response:
    """The leads behind the figures; that they leave the desk is on record."""
    desk = desk_of(request)
    folder, now = desk.dossiers.newest(), desk.clock()
    if given["rep"] and given["rep"] not in shown_to(
        desk, person, desk.alignment.choices(folder, now)["rep"]
    ):
        raise ForbiddenError
    found = desk.alignment.leads(asked_of(given), folder, now)
    mine = desk.seen_by(person)
    if mine is not None:  # one that is not on the list is somebody's where sales has answered it
        known = worklist.sight(desk.store, found["lead_id"].tolist(), mine)
        free = found["accepted_at"].isna() & found["rejected_at"].isna() | (given["rep"] in mine)
        found = found[[known.get(*each) for each in zip(found["lead_id"], free, strict=True)]]
    with desk.store.writing() as connection:
        words = f"{len(found):,} lead{'s' * (len(found) != 1)} of 'alignment'"
        note(connection, now, person.name, "export", words, address=address_of(request))
    table = pa.Table.from_pandas(found, preserve_index=False)
    out = io.BytesIO()
    own = [own_heading(each, desk.settings.words) for each in table.column_names]
    pyarrow.csv.write_csv(defused(table).rename_columns(own), out)
    heads = {"Content-Disposition": 'attachment; filename="alignment.csv"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=heads)


def shown_to(desk: Desk, person: Person, reps: list[str]) -> list[str]:
    """Whose figures somebody may see: the own ones, as a manager those of the own team, as an administrator all."""
    theirs = reps if person.may("admin") else desk.team_of(person) | {person.name}
    return [name for name in reps if name in theirs]

"""The current list as a CSV file that a spreadsheet shows and does not run."""

from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from app.api.queries import ListQuery, given_of
from app.desk import desk_of
from app.pages.queue import lists_of, wanted_of
from app.sessions import address_of, signed_in
from models.alignment.settings import WordSettings
from pipelines.sinks.tables import defused
from pipelines.store import worklist
from pipelines.store.access.audit import note
from pipelines.store.access.users import Person

router = APIRouter(include_in_schema=False)
MOST = 100_000  # rows
IN_MEMORY, PIECE = 2_000_000, 64_000  # bytes
HEADINGS = {
    "lead_id": "lead_id", "name": "name", "about": "about", "country": "country", "channel": "channel", "owner": "owner", "grade": "grade",
    "score": "score", "low": "worked_low", "high": "worked_high", "value": "expected_value", "created_at": "created_at", "state": "state",
    "answered_by": "answered_by", "answered_at": "answered_at", "until": "until", "asked": "must_work",
    "step": "next_step", "due": "due",
}  # fmt: skip

SECONDS, PLACES = pa.timestamp("s"), {"score": 4, "worked_low": 4, "worked_high": 4, "expected_value": 2}


def readable(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without digits that nobody reads: chances to a hundredth of a per cent, amounts to a cent,
    times to a second.
    """
    if pa.types.is_timestamp(values.type):
        return values.cast(SECONDS, safe=False)
    return pc.round(values.cast(pa.float64()), PLACES[name]) if name in PLACES else values


def own_heading(heading: str, words: WordSettings) -> str:
    """A heading with the company's term in it, where it has one: ``lead_id``, or ``MQL id``."""
    term, _, rest = heading.partition("_")
    own = words.own(term) if term in ("lead", "answered") else ""
    return f"{own} {rest}" if own else heading


@router.get("/export.csv")
def export(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    given: Annotated[dict, Depends(given_of)],
    list: Annotated[str, Query(max_length=20)] = "open",
) -> Response:
    desk = desk_of(request)
    now, words = desk.clock(), desk.settings.words
    wanted = wanted_of(desk, given, list if list in lists_of(desk, person) else "open", person, now)
    with ExitStack() as made:
        out, count = made.enter_context(SpooledTemporaryFile(IN_MEMORY)), 0
        headings = [own_heading(each, words).replace('"', '""') for each in HEADINGS.values()]
        out.write(",".join(f'"{heading}"' for heading in headings).encode() + b"\n")
        for columns in worklist.every(
            desk.store, wanted, *HEADINGS, most=MOST, sort=ListQuery.of(given).sort
        ):
            columns["state"] = tuple(words.own(each) or each for each in columns["state"])
            table = defused(pa.table({HEADINGS[name]: values for name, values in columns.items()}))
            table = pa.table({name: readable(name, table[name]) for name in table.column_names})
            pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False))
            count += len(table)
        with desk.store.writing() as connection:
            note(
                connection,
                now,
                person.name,
                "export",
                f"{count:,} lead{'s' * (count != 1)} of '{list}'",
                address=address_of(request),
            )
        close = made.pop_all().close  # once it is sent
    name = f"leads-{wanted.state}-{now:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(out.tell())}
    out.seek(0)
    pieces = iter(partial(out.read, PIECE), b"")
    return StreamingResponse(
        pieces, media_type="text/csv; charset=utf-8", headers=headers, background=BackgroundTask(close)
    )

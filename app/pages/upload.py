"""Marketing's page: drop a file of leads or name a source, see what is understood of it, how good it is, and
take the scores away.
"""

import io
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.desk import Desk, desk_of
from app.pages.export import own_heading
from app.pages.rendering import render
from app.scoring.uploads import Upload, Uploads
from app.sessions import AskedFirst, address_of, at_least, check_form
from pipelines.addresses import redacted
from pipelines.flows.init.lists import first_rows
from pipelines.flows.score_file import as_table, spread
from pipelines.sinks.tables import defused, workbook
from pipelines.store.access.audit import note
from pipelines.store.access.users import Person
from pipelines.store.erasure import forgotten_of

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
LARGEST = 64_000_000  # bytes
MOST_NEEDED = 3_000  # columns that a form may name
CSV, EXCEL = "text/csv; charset=utf-8", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Ops = Annotated[Person, Depends(at_least("ops"))]


def uploads_of(request: Request) -> Uploads:
    """The files of the desk that a request came to."""
    return request.app.state.uploads


def upload_of(request: Request, key: str) -> Upload:
    """One of them by its key."""
    upload = uploads_of(request).kept.get(key)
    if upload is None:
        raise HTTPException(404)
    return upload


@router.get("/upload")
def upload_page(request: Request, person: Ops) -> Response:
    uploads = uploads_of(request)
    sources = [redacted(url) for url in uploads.sources]
    return render(
        request,
        "upload.html",
        uploads=list(reversed(uploads.kept.values())),
        most=LARGEST,
        sources=sources,
        ready=uploads.champions.live is not None,
    )


@router.post("/upload")
def upload(
    request: Request,
    person: Ops,
    token: Annotated[str, Form(max_length=1000)],
    file: Annotated[UploadFile, File()],
    ask: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    check_form(request, token)
    if file.size is None or file.size > LARGEST:
        raise HTTPException(413, f"A file may hold at most {LARGEST // 1_000_000} MB; nothing was scored.")
    desk = desk_of(request)
    taken = uploads_of(request).take(file.file, file.filename or "a file", who=person.name, ask=bool(ask))
    with desk.store.writing() as connection:
        note(
            connection,
            desk.clock(),
            person.name,
            "upload",
            f"scored the file {taken.name}",
            address=address_of(request),
        )
    return RedirectResponse(f"/upload/{taken.key}", 303)


@router.post("/upload/source")
def score_source(
    request: Request,
    person: Ops,
    token: Annotated[str, Form(max_length=1000)],
    source: Annotated[int, Form(ge=0, le=1000)],
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    taken = uploads_of(request).take_source(source, who=person.name)
    with desk.store.writing() as connection:
        note(
            connection,
            desk.clock(),
            person.name,
            "upload",
            f"scored the source {taken.name}",
            address=address_of(request),
        )
    return RedirectResponse(f"/upload/{taken.key}", 303)


def scores_of(desk: Desk, upload: Upload) -> pd.DataFrame | None:
    """What came of it, without those who were forgotten since."""
    if upload.scores is None:
        return None
    scores, gone = upload.scores.scores, forgotten_of(desk.store, desk.home)
    return scores[~np.array(gone.are(scores["lead_id"]), dtype=bool)] if gone.digests else scores


@router.get("/upload/template.csv")
def template(request: Request, person: Ops) -> Response:
    """An empty list with the columns that scores are made of."""
    names = [each.name for each in uploads_of(request).needed()]
    empty = pa.table({name: pa.array([], pa.string()) for name in names})
    return _file(_csv(empty), "template.csv", CSV)


@router.post("/upload/{key}/columns")
async def explain(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    """Which columns of a list are which."""
    form = await request.form(max_fields=MOST_NEEDED)
    check_form(request, str(form.get("token", "")))
    needed = () if upload.asked is None else upload.asked.needed
    names = {each.name: str(form.get(f"column {place}") or "") or None for place, each in enumerate(needed)}
    await run_in_threadpool(uploads_of(request).explain, upload, names)
    return RedirectResponse(f"/upload/{upload.key}", 303)


@router.get("/upload/{key}")
def uploaded(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    scores = scores_of(desk_of(request), upload)
    spreads = (
        {} if scores is None else {by: rows for by in ("channel", "campaign") if (rows := spread(scores, by))}
    )
    asked = upload.asked
    rows = [] if asked is None else first_rows(asked.list)
    return render(
        request, "uploaded.html", upload=upload, scores=scores, spreads=spreads, asked=asked, rows=rows
    )


@router.get("/upload/{key}/scores.csv")
def download(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    return _file(_csv(_taken_away(request, person, upload)), "scores.csv", CSV)


@router.get("/upload/{key}/scores.xlsx")
def download_workbook(
    request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]
) -> Response:
    return _file(workbook(_taken_away(request, person, upload), sheet="Scores"), "scores.xlsx", EXCEL)


def _taken_away(request: Request, person: Person, upload: Upload) -> pa.Table:
    """The scores for a file; that they leave the desk is on record."""
    desk = desk_of(request)
    scores = scores_of(desk, upload)
    if scores is None:
        raise HTTPException(404)
    with desk.store.writing() as connection:
        words = f"{len(scores):,} scores of {upload.name}"
        note(connection, desk.clock(), person.name, "export", words, address=address_of(request))
    table = as_table(scores)
    return table.rename_columns([own_heading(each, desk.settings.words) for each in table.column_names])


def _csv(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pyarrow.csv.write_csv(defused(table), out)
    return out.getvalue()


def _file(content: bytes, name: str, kind: str) -> Response:
    return Response(
        content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )

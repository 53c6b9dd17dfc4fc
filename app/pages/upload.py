"""Marketing's page: drop a file of leads or name a source, see what is understood of it, how good it is, and
take the scores away.
"""

import io
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow.csv
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.desk import Desk, desk_of
from app.pages.export import own_heading
from app.pages.rendering import render
from app.scoring.uploads import Upload, Uploads
from app.sessions import AskedFirst, address_of, at_least, check_form
from pipelines.addresses import redacted
from pipelines.flows.score_file import as_table, spread
from pipelines.sinks.tables import defused
from pipelines.store.audit import note
from pipelines.store.erasure import forgotten_of
from pipelines.store.users import Person

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
LARGEST = 64_000_000  # bytes
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
        request, "upload.html", uploads=list(reversed(uploads.kept.values())), most=LARGEST, sources=sources
    )


@router.post("/upload")
def upload(
    request: Request,
    person: Ops,
    token: Annotated[str, Form(max_length=1000)],
    file: Annotated[UploadFile, File()],
) -> Response:
    check_form(request, token)
    if file.size is None or file.size > LARGEST:
        raise HTTPException(413, f"A file may hold at most {LARGEST // 1_000_000} MB; nothing was scored.")
    desk = desk_of(request)
    taken = uploads_of(request).take(file.file, file.filename or "a file", who=person.name)
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


@router.get("/upload/{key}")
def uploaded(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    scores = scores_of(desk_of(request), upload)
    spreads = (
        {} if scores is None else {by: rows for by in ("channel", "campaign") if (rows := spread(scores, by))}
    )
    return render(request, "uploaded.html", upload=upload, scores=scores, spreads=spreads)


@router.get("/upload/{key}/scores.csv")
def download(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    desk = desk_of(request)
    scores = scores_of(desk, upload)
    if scores is None:
        raise HTTPException(404)
    out, table = io.BytesIO(), defused(as_table(scores))
    headings = [own_heading(each, desk.settings.words) for each in table.column_names]
    pyarrow.csv.write_csv(table.rename_columns(headings), out)
    with desk.store.writing() as connection:
        words = f"{len(scores):,} scores of {upload.name}"
        note(connection, desk.clock(), person.name, "export", words, address=address_of(request))
    return Response(
        out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="scores.csv"'},
    )

"""Marketing's page: drop a file of leads, see what is understood of it, how good it is, and take the scores away."""

import io
from typing import Annotated

import pyarrow.csv
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.desk import desk_of
from app.rendering import render
from app.sessions import address_of, at_least, check_form
from app.uploads import Upload, Uploads
from pipelines.audit import note
from pipelines.filescores import as_table, spread
from pipelines.people import Person
from pipelines.sinks import defused

router = APIRouter(include_in_schema=False)
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
    return render(request, "upload.html", uploads=list(reversed(uploads_of(request).kept.values())), most=LARGEST)


@router.post("/upload")
def upload(request: Request, person: Ops, token: Annotated[str, Form(max_length=1000)], file: Annotated[UploadFile, File()]) -> Response:
    check_form(request, token, "upload")
    if file.size is None or file.size > LARGEST:
        raise HTTPException(413, f"A file may hold at most {LARGEST // 1_000_000} MB; nothing was scored.")
    desk = desk_of(request)
    taken = uploads_of(request).take(file.file, file.filename or "a file", who=person.name)
    with desk.store.writing() as connection:
        note(connection, desk.clock(), person.name, "upload", f"scored the file {taken.name}", address=address_of(request))
    return RedirectResponse(f"/upload/{taken.key}", 303)


@router.get("/upload/{key}")
def uploaded(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    scores = upload.scores
    spreads = {} if scores is None else {by: rows for by in ("channel", "campaign") if (rows := spread(scores.scores, by))}
    return render(request, "uploaded.html", upload=upload, spreads=spreads)


@router.get("/upload/{key}/scores.csv")
def scores(request: Request, person: Ops, upload: Annotated[Upload, Depends(upload_of)]) -> Response:
    if upload.scores is None:
        raise HTTPException(404)
    out, desk = io.BytesIO(), desk_of(request)
    pyarrow.csv.write_csv(defused(as_table(upload.scores.scores)), out)
    with desk.store.writing() as connection:
        words = f"{len(upload.scores.scores):,} scores of the file {upload.name}"
        note(connection, desk.clock(), person.name, "export", words, address=address_of(request))
    return Response(
        out.getvalue(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="scores.csv"'}
    )

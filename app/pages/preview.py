"""Before a promotion: what ``leadsieve compare`` has found, lead by lead, for who runs the filter."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from app.desk import desk_of
from app.pages.rendering import render
from app.sessions import at_least
from pipelines.preview import kept
from pipelines.reports import shadow
from pipelines.store.access.users import Person

router = APIRouter(include_in_schema=False)
MOST = 200  # leads of each kind
KINDS = {
    "held": "Would be held",
    "let go": "Would be let go",
    "better grade": "Would get a better grade",
    "worse grade": "Would get a worse grade",
}


@router.get("/preview")
def preview(request: Request, person: Annotated[Person, Depends(at_least("ops"))]) -> Response:
    desk = desk_of(request)
    found = kept(desk.home)
    if found is None:
        return render(request, "preview.html", found=None)
    kinds = {
        words: [each for each in found["changes"] if each["what"] == what][:MOST]
        for what, words in KINDS.items()
    }
    names = desk.dossiers.portraits([each["lead_id"] for those in kinds.values() for each in those])
    return render(
        request,
        "preview.html",
        found=found,
        beside=shadow.told(found.get("shadow"), found["versions"]),
        at=datetime.fromisoformat(found["as_of"]),
        kinds=[(words, found["counts"][what], kinds[words]) for what, words in KINDS.items() if kinds[words]],
        names=names,
    )

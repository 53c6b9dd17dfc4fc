"""One's own password and sessions, and for administrators: who may, which keys there are, and what was done by whom."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.desk import desk_of
from app.pages.rendering import back_with, render
from app.sessions import (
    AskedFirst,
    address_of,
    at_least,
    check_form,
    end,
    session_token,
    signed_in,
    somebody,
)
from features.errors import UsageError
from pipelines.store.access import api_keys, audit, passwords, sessions, users
from pipelines.store.access.api_keys import ROLES_OF_KEYS
from pipelines.store.access.users import ROLES, Person

router = APIRouter(include_in_schema=False, route_class=AskedFirst)
Admin = Annotated[Person, Depends(at_least("admin"))]
Token = Annotated[str, Form(max_length=1000)]


@router.get("/people")
def everybody(request: Request, person: Admin) -> Response:
    return _page(request)


def _page(request: Request, *, status: int = 200, **shown_once: str) -> Response:
    desk = desk_of(request)
    everybody = users.people(desk.store)
    values = {
        "people": everybody,
        "sessions": sessions.counted(desk.store, at=desk.clock(), idle=desk.settings.desk.idle),
        "keys": api_keys.keys(desk.store),
        "roles": ROLES,
        "roles_of_keys": ROLES_OF_KEYS,
        "teams": sorted({each.team for each in everybody if each.team} | set(desk.settings.alignment.teams)),
        "oidc": desk.settings.desk.oidc,
        "key": None,
        "password": None,
        "whose": None,
    }
    return render(request, "people.html", status=status, **values | shown_once)


@router.post("/people")
def add(
    request: Request,
    person: Admin,
    token: Token,
    name: Annotated[str, Form(max_length=80)],
    role: Annotated[str, Form(max_length=10)],
    team: Annotated[str, Form(max_length=80)] = "",
    by_company: Annotated[bool, Form()] = False,
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    none = desk.provider is not None and (by_company or not desk.settings.desk.passwords)
    password = None if none else passwords.fresh()
    users.add_person(
        desk.store,
        name,
        role,
        password,
        at=desk.clock(),
        by=person.name,
        temporary=True,
        team=team,
        as_admin=True,
    )
    if password is None:
        return back_with(
            request, "/people", f"{name.strip()} can come in through {desk.settings.desk.oidc.label}."
        )
    return _page(request, password=password, whose=name.strip())  # shown now and never again: no redirect


@router.post("/people/team")
def put_into_team(
    request: Request,
    person: Admin,
    token: Token,
    name: Annotated[str, Form(max_length=80)],
    team: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    users.set_team(desk.store, name, team, at=desk.clock(), by=person.name, as_admin=True)
    return back_with(request, "/people", f"{name} is of {f'team {team}' if team else 'no team'}.")


@router.post("/people/remove")
def remove(
    request: Request, person: Admin, token: Token, name: Annotated[str, Form(max_length=80)]
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    users.remove_person(desk.store, name, at=desk.clock(), by=person.name, as_admin=True)
    return back_with(request, "/people", f"{name} can sign in no more.")


@router.post("/people/sign-out")
def end_theirs(
    request: Request, person: Admin, token: Token, name: Annotated[str, Form(max_length=80)]
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    limits = {"at": desk.clock(), "idle": desk.settings.desk.idle}
    count = sessions.end_sessions(desk.store, name, **limits, by=person.name, as_admin=True)
    return back_with(
        request,
        "/people",
        f"{count:,} session{'s' * (count != 1)} of {name} ended; {name} can sign in again.",
    )


@router.post("/people/keys")
def make_key(
    request: Request,
    person: Admin,
    token: Token,
    name: Annotated[str, Form(max_length=80)],
    role: Annotated[str, Form(max_length=10)],
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    key = api_keys.make_key(desk.store, name, role, at=desk.clock(), by=person.name, as_admin=True)
    return _page(request, key=key)


@router.post("/people/keys/revoke")
def revoke_key(
    request: Request, person: Admin, token: Token, key_id: Annotated[str, Form(max_length=20)]
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    api_keys.revoke_key(desk.store, key_id, at=desk.clock(), by=person.name, as_admin=True)
    return back_with(request, "/people", f"Key {key_id} is revoked.")


@router.get("/audit")
def log(
    request: Request,
    person: Admin,
    what: Annotated[str, Query(max_length=40)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    entries, count = audit.entries(desk_of(request).store, what=what or None, page=page)
    pages = max(1, -(-count // audit.A_PAGE))
    return render(
        request,
        "audit.html",
        entries=entries,
        count=count,
        what=what,
        kinds=audit.KINDS,
        page=page,
        pages=pages,
    )


@router.get("/password")
def password_page(request: Request, person: Annotated[Person, Depends(somebody)]) -> Response:
    return _account(request, person)


def _account(request: Request, person: Person, *, wrong: bool = False) -> Response:
    """One's own password and sessions."""
    desk, token = desk_of(request), session_token(request)
    own = sessions.sessions_of(desk.store, person.name, at=desk.clock(), idle=desk.settings.desk.idle)
    values = {"wrong": wrong, "sessions": own, "this": users.digest(token) if token else None}
    values["oidc"] = desk.settings.desk.oidc
    return render(request, "password.html", status=400 if wrong else 200, **values)


@router.post("/password/sessions")
def end_own(
    request: Request,
    person: Annotated[Person, Depends(signed_in)],
    token: Token,
    which: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """End one of one's own sessions, or without a word of which all but this one."""
    check_form(request, token)
    desk, by = desk_of(request), {"at": desk_of(request).clock(), "address": address_of(request)}
    if which:
        sessions.end_one(desk.store, person.name, which, **by)
        return back_with(request, "/password", "That session has ended.")
    count = sessions.end_others(
        desk.store, person.name, session_token(request), idle=desk.settings.desk.idle, **by
    )
    return back_with(request, "/password", f"{count:,} other session{'s' * (count != 1)} of yours ended.")


@router.post("/password")
def change_password(
    request: Request,
    person: Annotated[Person, Depends(somebody)],
    token: Token,
    old: Annotated[str, Form(max_length=passwords.LONGEST)],
    new: Annotated[str, Form(max_length=passwords.LONGEST)],
) -> Response:
    check_form(request, token)
    desk = desk_of(request)
    if person.by_company or not desk.settings.desk.passwords:
        raise UsageError("your company signs you in, and no password does; nothing was changed.")
    if not users.change_password(
        desk.store, person.name, old, new, at=desk.clock(), address=address_of(request)
    ):
        return _account(request, person, wrong=True)
    response = RedirectResponse("/sign-in", 303)
    end(request, response)
    return response

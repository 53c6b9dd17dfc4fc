"""The API: programs ask for scores and decisions, and tell what sales answered."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version as installed
from typing import Annotated, Any, TypeVar

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic.json_schema import models_json_schema
from starlette.datastructures import State

from app.api import errors
from app.api.decisions import Asking, decide, plain, rescored_of
from app.api.errors import AGAIN, RefusedError
from app.api.queries import LogQuery
from app.api.schemas import (
    AnswerRequest,
    DecidedLeads,
    Decision,
    DecisionRequest,
    Decisions,
    Given,
    Health,
    InUse,
    Problem,
    ScoreRequest,
    Scores,
)
from app.api.scores import FIGURES, Wanted, known_until, scored
from app.desk import Desk, desk_of
from app.scoring.batching import Together
from app.scoring.champion import Champions
from app.scoring.realtime import LiveScorer
from app.sessions import AskedFirst, ForbiddenError, NotSignedInError, address_of, first
from pipelines.store import worklist
from pipelines.store.access.api_keys import with_key
from pipelines.store.access.users import Person, Role
from pipelines.store.answers import give
from pipelines.store.database import Store
from pipelines.store.decision_queries import decisions as read_decisions

MOST_PARTS = 250_000
LARGEST = 16_000_000  # bytes: 1,000 leads with 100 events each take a fifth of it
MOST_WAITING = 200
LONGEST_WAIT = 20  # seconds for one's turn; whoever waits longer had better come again
SCORED_AT_ONCE = 1_000  # leads, of one request or of several
PATIENCE = 5  # seconds until the store is taken not to answer
REFUSALS = {
    401: "no key that is in use",
    403: "the key's role may not do this",
    413: "too large",
    422: "it breaks its contract",
    503: "not ready, or something this depends on is out of reach",
}
ARMS = ("arm", "propensity", "cut", "cut_by")
Answer = TypeVar("Answer")
bearer = HTTPBearer(
    auto_error=False, description="A key that `leadsieve key make` gave: `Authorization: Bearer ls_…`"
)


class Counted(AskedFirst):
    """A route that refuses a body of masses of small parts before any of them is made."""

    async def look(self, request: Request) -> None:
        if self.body_field is not None:
            body = await request.body()
            if body.count(b"{") + body.count(b"[") > MOST_PARTS:
                raise RefusedError(
                    413, f"A request may hold at most {MOST_PARTS:,} lists and objects; nothing was done."
                )


router = APIRouter(route_class=Counted)


def described(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with problem documents among its parts."""
    if api.openapi_schema is None:
        api.openapi_schema = get_openapi(
            title=api.title,
            version=api.version,
            description=api.description,
            routes=api.routes,
            servers=api.servers,
        )
        _, parts = models_json_schema(
            [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
        )
        api.openapi_schema["components"]["schemas"] |= parts["$defs"]
    return api.openapi_schema


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of refusals."""
    document = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    texts = REFUSALS | {
        404: "there is no such lead",
        409: "somebody answered first",
        429: "too many requests wait",
    }
    return {code: {"description": texts[code], "content": document} for code in codes}


def key_of(role: Role) -> Any:
    """A dependency: whose key it is, if the key may do what this role may."""

    def asking(
        request: Request,
        _told: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)] = None,  # for the description
    ) -> Person:
        person = asks_with(request)
        if person is None:
            raise NotSignedInError
        if not person.may(role):
            raise ForbiddenError
        return person

    return Depends(first(asking))


def asks_with(request: Request) -> Person | None:
    """Whose key was sent, if it is in use."""
    if not hasattr(request.state, "person"):
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        bears = scheme.lower() == "bearer" and key
        request.state.person = with_key(desk_of(request).store, key.strip()) if bears else None
    return request.state.person


AnyKey = Annotated[Person, key_of("rep")]
OpsKey = Annotated[Person, key_of("ops")]


def create_api(desk: Desk, champions: Champions) -> FastAPI:
    """The API as an app of its own, to be mounted."""
    api = FastAPI(
        title="Leadsieve",
        version=installed("leadsieve"),
        description="Scores of leads, decisions and answers. Refusals are problem documents (RFC 9457). Times are UTC.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        servers=[{"url": "/api"}],
        root_path_in_servers=False,
    )
    api.openapi = partial(described, api)
    api.state.desk, api.state.champions = desk, champions
    # decisions write, and scores are not to wait for them: one thread each
    api.state.turns, scores = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)
    api.state.looks = anyio.CapacityLimiter(4)
    api.state.scoring = Together(
        scored,
        limiter=scores,
        size=lambda wanted: len(wanted.request.leads),
        at_once=SCORED_AT_ONCE,
    )
    api.state.watch = None  # what looks for new decisions, while the desk runs
    api.include_router(router)
    errors.answer_in(api)
    return api


@router.post("/scores", responses=refusals(401, 403, 413, 422, 429, 503))
async def score(asked: ScoreRequest, request: Request, person: OpsKey) -> Scores:
    """Score 1 to 1,000 leads with their events, as of now or of an earlier time.

    What was recorded at or after the as-of time is not looked at. Outcomes of other leads are those of the
    newest snapshot; leads of one request do not count for each other. Scores are no decisions: nothing is
    logged, and the next scoring run decides these leads as any.
    """
    state = request.app.state
    wanted = Wanted(asked, ready(state.champions), state.desk.clock())
    with_room(state)
    return await state.scoring.answer(wanted)


async def in_turn(state: State, work: Callable[[], Answer]) -> Answer:
    """What some work gives, once it is its turn: more side by side would only wait for each other.

    Raises
    ------
    RefusedError
        If too many wait, or the turn did not come in time. Work that has begun is never broken off.
    """
    with_room(state)
    with anyio.move_on_after(LONGEST_WAIT):
        return await run_sync(work, limiter=state.turns)
    raise RefusedError(
        503, f"The turn did not come within {LONGEST_WAIT} seconds; nothing was done.", after=AGAIN
    )


def with_room(state: State) -> None:
    """Refuse a request where too many wait already, be it to be scored or to be decided."""
    if state.turns.statistics().tasks_waiting + len(state.scoring.waiting) >= MOST_WAITING:
        raise RefusedError(429, f"{MOST_WAITING} requests wait already; try again in a few seconds.", after=5)


def ready(champions: Champions) -> LiveScorer:
    """The version in use."""
    if champions.live is None:
        raise RefusedError(
            503,
            f"There is nothing to score with yet: {(champions.trouble or 'the champion is being loaded').rstrip('.')}.",
            after=10,
        )
    return champions.live


@router.post("/decisions", responses=refusals(401, 403, 413, 422, 429, 503))
async def decide_leads(
    asked: DecisionRequest,
    request: Request,
    person: OpsKey,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="A request that is sent again under its key within a day gets the same answer.",
        ),
    ] = None,
) -> DecidedLeads:
    """Decide 1 to 1,000 leads with their events, as of now, by the policy in force.

    The arm is drawn, the decision is logged, and the lead is on the desk when the answer comes. Nobody is
    decided twice: a lead that a scoring run or a request has decided keeps that decision, and is flagged.
    """
    state = request.app.state
    live = ready(state.champions)
    asking = Asking.of(person.name, address_of(request), idempotency_key, asked)
    return await in_turn(state, partial(decide, asked, live, state.desk, asking))


@router.get("/decisions", responses=refusals(401, 403, 422, 503))
def decisions(request: Request, person: AnyKey, asked: Annotated[LogQuery, Query()]) -> Decisions:
    """A page of the decision log, by lead id. That it was read is noted in the audit log."""
    desk = desk_of(request)
    rows, following = read_decisions(
        desk.store,
        asked.wanted(),
        who=person.name,
        at=desk.clock(),
        after=asked.after,
        limit=asked.limit,
        address=address_of(request),
    )
    return Decisions(decisions=[decision(row, arms=person.may("ops")) for row in rows], next=following)


def decision(row: dict[str, Any], *, arms: bool) -> Decision:
    """A row of the log; whoever works leads is to see neither arms nor what would tell them: beside figures
    of held leads, those show that passed whatever their score.
    """
    told = {name: plain(value) for name, value in row.items()}
    told["rescored"] = rescored_of(row["rescored"])
    if not arms:
        held = row["action"] == "hold" and row["state"] in (None, "held")
        told |= dict.fromkeys((*ARMS, *FIGURES, "rank", "rescored") if held else ARMS)
    return Decision(
        **{name: told[name] for name in Decision.model_fields} | {"this_week": _truth(row["this_week"])}
    )


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)


@router.post("/answers", status_code=201, responses=refusals(401, 403, 404, 409, 413, 422, 503))
def answer(asked: AnswerRequest, request: Request, person: AnyKey) -> Given:
    """Record that sales took a lead, turned it down, put it off, or pulled it out of those held. Answers are
    added, never changed.
    """
    desk = desk_of(request)
    if worklist.listed(desk.store, asked.lead_id) is None:
        desk.refresh()
        if worklist.listed(desk.store, asked.lead_id) is None:
            raise RefusedError(404, f"There is no lead '{asked.lead_id}' on the list; nothing was recorded.")
    made = give(
        desk.store,
        asked.lead_id,
        asked.kind,
        turn=asked.turn,
        who=person.name,
        at=desk.clock(),
        reason=asked.reason,
        words=asked.words,
        until=asked.until,
        anybodys=person.may("ops"),
        address=address_of(request),
    )
    told = vars(made)
    return Given(**{name: plain(told[name]) for name in Given.model_fields})


@router.get("/health", responses=refusals(503))
async def health(request: Request, response: Response) -> Health:
    """Whether the store answers, whether new decisions are looked for, and which version scores. Needs no key."""
    state = request.app.state
    if state.watch is not None and not state.watch.is_alive():
        raise RefusedError(503, "The desk looks for no new decisions any more; start it again.")
    with anyio.move_on_after(PATIENCE) as looking:
        # a thread of its own: where all others wait for the store, this one still says so
        await run_sync(answers, state.desk.store, limiter=state.looks, abandon_on_cancel=True)
    if looking.cancelled_caught:
        raise RefusedError(503, f"The store does not answer within {PATIENCE} seconds.", after=AGAIN)
    live, trouble = state.champions.live, state.champions.trouble
    status = "no version" if live is None else "ok" if trouble is None else "old version"
    response.headers["Cache-Control"] = "no-store"
    return Health(status=status, version=live and live.champion.version)


def answers(store: Store) -> None:
    """Raise where the store does not answer."""
    with store.reading():
        pass


@router.get("/version", responses=refusals(401, 503))
def version(request: Request, person: AnyKey) -> InUse:
    """What answers: the program, the version of the model, and the snapshot whose outcomes it knows."""
    champions = request.app.state.champions
    live = champions.live
    return InUse(
        leadsieve=installed("leadsieve"),
        version=live and live.champion.version,
        features=live and live.champion.scorer.recipe.fingerprint,
        snapshot=live and live.note.fingerprint,
        known_until=live and known_until(live),
        trouble=champions.trouble,
    )

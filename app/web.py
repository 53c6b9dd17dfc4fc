"""The desk as a web app."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.api.routes import LARGEST as API_LARGEST
from app.api.routes import create_api
from app.desk import Desk
from app.middleware import LONGEST_FORM, Guard, Proxies, SecurityHeaders
from app.pages import alignment, errors, export, lead, preview, queue, sign_in, upload, users, working
from app.pages.rendering import FOLDER
from app.scoring.champion import Champions
from app.scoring.uploads import Uploads
from features.errors import LeadsieveError
from pipelines.addresses import LOOPBACK
from pipelines.home import registry_of
from pipelines.settings import Settings

EVERY = 5.0  # seconds between looks for new decisions
EVERY_FIGURES = 20.0  # and for figures that grow old
AT_ONCE = 4  # requests that are worked on; more would only take turns on the same cores
ENOUGH = 10.0  # seconds that the end waits for figures
PAGES = (sign_in, users, queue, working, lead, export, upload, alignment, preview)
LARGEST = {
    "/api/scores": API_LARGEST,
    "/api/decisions": API_LARGEST,
    "/upload": upload.LARGEST + LONGEST_FORM,
}


class Web(FastAPI):
    """An app whose every answer has the security headers: a bug's too, which FastAPI answers outside of all
    middleware that it is given.
    """

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack())


def create_app(
    settings: Settings, home: Path, clock: Callable[[], datetime], *, hosts: tuple[str, ...] = ()
) -> FastAPI:
    """The app, not yet running.

    Parameters
    ----------
    settings : Settings
    home : Path
        Where snapshots, versions and decisions are.
    clock : function
        The time now, UTC without a zone.
    hosts : tuple of str
        Names under which it may be reached, besides this machine's own and those of [desk] hosts.
    """
    desk = Desk(settings, home, clock)
    app = Web(title="Leadsieve", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_living)
    champions = Champions(
        registry_of(settings, home),
        settings.features.files,
        desk.dossiers.newest,
        rules=settings.policy.rules,
    )
    app.state.desk, app.state.champions, app.state.uploads = desk, champions, Uploads(desk, champions)
    app.add_middleware(Guard, hosts=(*LOOPBACK, *hosts, *settings.desk.hosts), largest=LARGEST)
    app.add_middleware(Proxies, trusted_hosts=list(settings.desk.proxies))
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    for pages in PAGES:
        app.include_router(pages.router)
    errors.answer_in(app)
    api = create_api(desk, champions)
    app.state.api = api
    app.mount("/api", api)
    return app


@asynccontextmanager
async def _living(app: FastAPI) -> AsyncIterator[None]:
    """While the app runs, new decisions come onto the list by themselves."""
    desk, over = app.state.desk, threading.Event()
    await run_in_threadpool(desk.refresh)
    watch, counting = (
        threading.Thread(target=_watch, args=(over, every, look), daemon=True, name=name)
        for name, every, look in (("desk", EVERY, desk.refresh), ("figures", EVERY_FIGURES, desk.keep_fresh))
    )
    watch.start()
    counting.start()
    app.state.api.state.watch = watch
    current_default_thread_limiter().total_tokens = AT_ONCE
    try:
        with app.state.champions.watching():
            yield
    finally:
        over.set()
        app.state.api.state.watch = None
        await run_in_threadpool(watch.join)
        await run_in_threadpool(counting.join, ENOUGH)
        await run_in_threadpool(app.state.uploads.close)
        desk.dossiers.close()


def _watch(over: threading.Event, every: float, look: Callable[[], None]) -> None:
    while not over.wait(every):
        try:
            look()
        except LeadsieveError:
            continue  # a store that is out of reach for a moment: pages say so, and the next look may find it

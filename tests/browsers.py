"""A real browser at a real desk: Debian's Chromium, and the installed command serving a home."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import REPOSITORY, absent
from tests.desks import PASSWORD

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        absent("Chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield made
        made.close()


@contextmanager
def serving(home: Path, config: Path) -> Iterator[str]:
    """The address of the installed command, serving a home."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["desk", "--port", str(port), "--home", str(home), "--config", str(config)]
    server = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words], cwd=REPOSITORY, stderr=subprocess.PIPE
    )
    try:
        for _ in range(300):
            assert server.poll() is None, server.stderr.read().decode()
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        server.stderr.close()


@contextmanager
def at_desk(
    browser: Browser, address: str, name: str = "ann", *, opens: str = "Waiting", **options
) -> Iterator[Page]:
    """Somebody who is signed in, and whose queue opens on a list; nothing may be said on the console, and nobody else be asked for anything."""
    context = browser.new_context(base_url=address, **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong = []
    page.on(
        "console",
        lambda said: (
            wrong.append(said.text) if said.type in ("error", "warning") and "409" not in said.text else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: wrong.append(request.url) if not request.url.startswith((address, "data:")) else None,
    )
    page.goto("/queue")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=opens)).to_be_visible()
    page.wait_for_load_state()  # until then no key is heard
    yield page
    context.close()
    assert wrong == []


def barriers(page: Page) -> list[tuple[str, str]]:
    """What a checker for accessibility finds serious, and a page wider than its window."""
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
    ]
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*serious, *([("wider than its window", page.url)] if wide else [])]

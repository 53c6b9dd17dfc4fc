"""A rep's morning and a manager's in a real browser, on a phone and on a wide screen."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from pipelines.store.access.users import add_person
from pipelines.store.work.assignment import moves_of
from tests.browsers import at_desk, barriers, chromium, serving
from tests.desks import LEADS, PASSWORD, make_desk

LEADS_OF_A_WEEK = 24


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module", params=[360, 1440])
def width(request) -> int:
    """Of the window, in pixels."""
    return request.param


@pytest.fixture(scope="module")
def desk(width, tmp_path_factory):
    """A week's list, shared by turn among two reps of a team, and their manager."""
    more = "".join(
        f"N{n},2026-02-2{n % 8} 09:00,N{n},Nora Newman-Underhill {n:02},Head of Purchasing,Northwind Trading International,"
        f"nora{n}@north.example,+44 20 1{n:03},GB,event,\n"
        for n in range(LEADS_OF_A_WEEK)
    )
    made = make_desk(
        tmp_path_factory.mktemp("desk"),
        leads=LEADS + more,
        decisions=[
            (f"N{n}", f"N{n}", 0.3 - 0.01 * n, 900.0 - n, "ABCD"[n % 4], "hand off", "policy")
            for n in range(LEADS_OF_A_WEEK)
        ],
        more='[assignment]\nothers = ["bob", "cid"]\n',
    )
    for name, role in (("bob", "rep"), ("cid", "rep"), ("mia", "manager")):
        add_person(made.store, name, role, PASSWORD, at=made.now, by="a test", team="North")
    return made


@pytest.fixture(scope="module")
def address(desk) -> Iterator[str]:
    with serving(desk.home, desk.home.parent / "crm.toml") as address:
        yield address


def morning(browser: Browser, address: str, name: str, width: int, heading: str):
    size = {"width": width, "height": 740 if width < 600 else 900}
    return at_desk(browser, address, name, opens=heading, viewport=size, reduced_motion="reduce")


def waiting(page: Page) -> int:
    """How many leads the page's title says."""
    return int(page.get_by_role("heading", level=1).locator("small").inner_text().split()[0])


def fine(page: Page) -> None:
    """What is seen has no serious barrier and is no wider than the window."""
    assert barriers(page) == [], page.url


def test_a_rep_reads_a_lead_notes_a_step_takes_it_and_passes_another_on(browser, desk, address, width):
    with morning(browser, address, "bob", width, "My desk") as page:
        before = waiting(page)
        first = page.get_by_role("article").first
        below = first.get_by_role("button", name="Take").bounding_box()
        assert below["y"] + below["height"] < page.viewport_size["height"], (
            "it can be taken without scrolling"
        )
        fine(page)
        name = first.get_by_role("link").first.inner_text()
        first.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name="How good is it?")).to_be_visible()
        page.get_by_role("textbox", name="Note").fill("asked for a price")
        page.get_by_label("Due, if it is a next step").fill(f"{datetime.now() + timedelta(days=7):%Y-%m-%d}")
        page.get_by_role("button", name="Keep").click()
        expect(page.get_by_text("asked for a price").first).to_be_visible()
        fine(page)
        page.get_by_role("button", name="Take").click()
        expect(page.get_by_text("bob took")).to_be_visible()
        page.goto("/queue")
        page.get_by_role("article").first.get_by_role("checkbox").check()
        page.get_by_label("Whom they are passed on to").select_option("cid")
        fine(page)
        page.get_by_role("button", name="Pass on").click()
        expect(page.get_by_text("You passed 1 lead on to cid.")).to_be_visible()
        assert waiting(page) == before - 2


def test_a_manager_sees_whose_desk_holds_what_and_moves_a_lead_between_two(browser, desk, address, width):
    with morning(browser, address, "mia", width, "My team") as page:
        assert waiting(page) > LEADS_OF_A_WEEK / 2
        page.get_by_role("link", name="Team", exact=True).click()
        fine(page)
        page.get_by_role("row", name="bob").get_by_role("link").click()
        page.get_by_role("article").first.get_by_role("checkbox").check()
        page.get_by_label("Whom they are passed on to").select_option("cid")
        page.get_by_role("button", name="Pass on").click()
        expect(page.get_by_text("You passed 1 lead on to cid.")).to_be_visible()
        page.goto("/alignment")
        expect(page.get_by_role("heading", level=1)).to_contain_text("What became of the")
        fine(page)
    moved = [
        n for n in range(LEADS_OF_A_WEEK) if any(by == "mia" for _, by, *_ in moves_of(desk.store, f"N{n}"))
    ]
    assert len(moved) == 1


def test_the_weeks_list_is_answered_by_keyboard_alone(browser, desk, address, width):
    with morning(browser, address, "bob", width, "My desk") as page:
        for left in range(waiting(page), 0, -1):
            expect(page.get_by_role("heading", level=1)).to_contain_text(f"{left} lead")
            page.keyboard.press("j")
            row = page.locator("article:focus")
            expect(row).to_be_in_viewport()
            page.keyboard.press("tsr"[left % 3])
            if left % 3:
                page.keyboard.press("Enter")
            expect(row.locator(".state")).to_be_visible()
        page.goto("/queue")
        expect(page.get_by_text("No lead waits on your desk.")).to_be_visible()

"""The desk in a real browser: with the mouse, with the keyboard alone, two people at once, and what a checker
for accessibility says.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pipelines.store.access.users import add_person
from tests.browsers import at_desk, barriers, chromium, serving
from tests.desks import PASSWORD, make_desk

PAGES = (
    "/queue",
    "/queue?list=mine",
    "/queue?rows=compact&grade=A",
    "/leads/L1?of=%2Fqueue&at=0",
    "/leads/L5",
    "/held",
    "/alignment",
    "/people",
    "/audit",
    "/password",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = make_desk(tmp_path_factory.mktemp("desk"))
    for name, role in (("ann", "admin"), ("bob", "rep")):
        add_person(made.store, name, role, PASSWORD, at=made.now, by="a test")
    return made


@pytest.fixture(scope="module")
def address(desk) -> Iterator[str]:
    with serving(desk.home, desk.home.parent / "crm.toml") as address:
        yield address


def row(page: Page, name: str):
    return page.get_by_role("article", name=name)


def counts(page: Page) -> tuple[str, ...]:
    """What stands above the list and beside its filters."""
    tabs = page.get_by_role("navigation", name="Lists")
    places = (
        page.get_by_role("heading", level=1),
        tabs.get_by_text("Waiting"),
        tabs.get_by_text("Mine"),
        page.locator(".chip").first,
    )
    return *(" ".join(place.inner_text().split()) for place in places), " ".join(
        page.get_by_label("Channel").inner_text().split()
    )


def test_a_morning_with_the_mouse_filter_take_turn_down_put_off_undo(browser, address):
    with at_desk(browser, address) as page:
        page.get_by_label("Country").select_option("DE")
        expect(page).to_have_url(f"{address}/queue?list=open&q=&least=&channel=&country=DE&owner=&days=")
        expect(page.get_by_role("article")).to_have_count(2)
        page.get_by_role("link", name="Clear").click()
        row(page, "Ann Smith").get_by_role("button", name="Take").click()
        expect(row(page, "Ann Smith")).to_contain_text("Taken by you")
        assert counts(page) == (
            "Waiting 3 leads",
            "Waiting 3",
            "Mine 1",
            "B 1",
            "All organic (2) paid search (1)",
        )
        row(page, "Ann Smith").get_by_role("button", name="Undo").click()
        expect(row(page, "Ann Smith").get_by_role("button", name="Take")).to_be_visible()
        assert counts(page) == (
            "Waiting 4 leads",
            "Waiting 4",
            "Mine 0",
            "A 1",
            "All event (1) organic (2) paid search (1)",
        )
        row(page, "Bob Braun").get_by_text("Turn down").first.click()
        row(page, "Bob Braun").get_by_role("button", name="No budget").click()
        expect(row(page, "Bob Braun")).to_contain_text("Turned down by you")
        row(page, "Bob Braun").get_by_role("button", name="Undo").click()
        row(page, "Dora Eng").get_by_text("Later").first.click()
        row(page, "Dora Eng").get_by_role("button", name="A week").click()
        expect(row(page, "Dora Eng")).to_contain_text("Put off until")
        row(page, "Dora Eng").get_by_role("button", name="Undo").click()
        expect(row(page, "Dora Eng").get_by_role("button", name="Take")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        assert "Ann Smith" in download.value.path().read_text()


def test_two_browsers_race_for_a_lead_and_the_later_one_reads_who_was_first(browser, address):
    with at_desk(browser, address) as ann, at_desk(browser, address, "bob") as bob:
        row(ann, "Cleo Diaz").get_by_role("button", name="Take").click()
        expect(row(ann, "Cleo Diaz")).to_contain_text("Taken by you")
        row(bob, "Cleo Diaz").get_by_role("button", name="Take").click()
        expect(row(bob, "Cleo Diaz").locator(".problem")).to_contain_text("Ann took this lead")
        expect(row(bob, "Cleo Diaz").locator(".problem")).to_contain_text("was not recorded")
        row(ann, "Cleo Diaz").get_by_role("button", name="Undo").click()
        expect(row(ann, "Cleo Diaz").get_by_role("button", name="Take")).to_be_visible()


def test_the_whole_morning_by_keyboard_alone(browser, address):
    with at_desk(browser, address, "bob") as page:
        page.keyboard.press("j")
        expect(row(page, "Ann Smith")).to_be_focused()
        page.keyboard.press("t")
        expect(row(page, "Ann Smith")).to_contain_text("Taken by you")
        page.keyboard.press("u")
        expect(row(page, "Ann Smith").get_by_role("button", name="Take")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("r")
        expect(row(page, "Bob Braun").get_by_role("button", name="Wrong person")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        expect(row(page, "Bob Braun")).to_contain_text("Put off until")
        page.keyboard.press("u")
        expect(row(page, "Bob Braun").get_by_role("button", name="Take")).to_be_visible()
        page.keyboard.press("o")
        expect(page.get_by_role("heading", name="Bob Braun")).to_be_visible()


def test_the_whole_list_is_answered_by_keyboard_alone_one_by_one_and_the_rest_at_once(browser, address):
    with at_desk(browser, address) as page:
        page.keyboard.press("?")
        expect(page.get_by_text("select all")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        expect(row(page, "Ann Smith")).to_contain_text("Put off until")
        for key in "jxjxjxb":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        expect(page.get_by_text("You took 3 leads.")).to_be_visible()
        expect(page.get_by_text("No lead waits.")).to_be_visible()
        page.goto("/queue?list=mine")
        for key in "ab":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        expect(page.get_by_text("You undid the answer to 3 leads.")).to_be_visible()
        page.goto("/queue?list=snoozed")
        for key in "ju":
            page.keyboard.press(key)
        expect(row(page, "Ann Smith").get_by_role("button", name="Take")).to_be_visible()


def test_everything_works_without_scripts(browser, address):
    with at_desk(browser, address, java_script_enabled=False) as page:
        row(page, "Ann Smith").get_by_role("button", name="Take").click()
        expect(page.get_by_text("You took Ann Smith.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(row(page, "Ann Smith")).to_be_visible()
        row(page, "Ann Smith").get_by_text("Turn down").first.click()
        row(page, "Ann Smith").get_by_role("button", name="No need").click()
        expect(page.get_by_text("You turned down Ann Smith.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_no_page_has_a_serious_barrier_or_overflows(browser, address, width, theme):
    with at_desk(browser, address, viewport={"width": width, "height": 800}, color_scheme=theme) as page:
        for path in PAGES:
            page.goto(path)
            assert barriers(page) == [], path

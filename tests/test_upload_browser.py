"""Marketing at the desk in a real browser: from a file that is dropped to the scores that are taken away."""

import csv
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from pipelines.home import store_of
from pipelines.settings import load_settings
from pipelines.store.users import add_person
from tests.apis import NOW
from tests.browsers import at_desk, barriers, chromium, serving
from tests.desks import PASSWORD

LONG = 60_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def home(world: Path, tmp_path_factory) -> Path:
    home = Path(shutil.copytree(world / "home", tmp_path_factory.mktemp("marketing") / "home"))
    add_person(
        store_of(load_settings(world / "quick.toml", environ={}), home),
        "ann",
        "ops",
        PASSWORD,
        at=NOW,
        by="a test",
    )
    return home


@pytest.fixture(scope="module")
def address(world: Path, home: Path) -> Iterator[str]:
    with serving(home, world / "quick.toml") as address:
        for _ in range(600):
            with urlopen(f"{address}/api/health") as health:
                if json.load(health)["version"]:
                    break
            time.sleep(0.1)
        yield address


@pytest.fixture(scope="module")
def file(home: Path, tmp_path_factory) -> Path:
    """A few leads of the source's own, as a file."""
    folder = next(each for each in (home / "snapshots").iterdir() if not each.name.startswith("."))
    leads = pd.read_parquet(folder / "leads.parquet").tail(60).assign(colour="red")
    place = tmp_path_factory.mktemp("files") / "fair leads.csv"
    leads.to_csv(place, index=False)
    return place


def scored(page: Page) -> None:
    expect(page.get_by_role("link", name="Download the scores (CSV)")).to_be_visible(timeout=LONG)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_from_a_dropped_file_to_its_scores(browser, address, file, width, theme):
    with at_desk(browser, address, viewport={"width": width, "height": 800}, color_scheme=theme) as page:
        page.get_by_role("link", name="Score leads").click()
        assert barriers(page) == []
        page.get_by_label("CSV file").set_input_files(file)
        page.get_by_role("button", name="Score it").click()
        expect(page.get_by_role("heading", name="fair leads.csv")).to_be_visible()
        assert barriers(page) == []
        scored(page)
        assert barriers(page) == []
        expect(page.get_by_role("row", name="colour not used")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the scores (CSV)").click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
        assert len(rows) == 60
        assert {row["grade"] for row in rows} <= set("ABCD")


def test_by_keyboard_alone_a_source_is_scored_and_a_bad_file_is_refused_in_words(browser, address, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("lead_id,created_at\n1,yesterday\n")
    with at_desk(browser, address) as page:
        page.goto("/upload")
        page.get_by_label("CSV file").focus()
        for _ in range(3):  # the button of the first form, the list of sources, its button
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Score them")).to_be_focused()
        page.keyboard.press("Enter")
        scored(page)
        page.get_by_role("link", name="Score something else").focus()
        page.keyboard.press("Enter")
        page.get_by_label("CSV file").set_input_files(bad)  # what a system's own dialogue does
        page.get_by_label("CSV file").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("holds no time", timeout=LONG)
        assert barriers(page) == []

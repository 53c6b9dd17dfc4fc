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
from pipelines.store.access.users import add_person
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
def strange(file: Path) -> Path:
    """The same leads in an agency's own words, as a workbook."""
    leads = pd.read_csv(file).rename(columns={"lead_id": "Nummer", "channel": "Lead Source"})
    names = {
        name: f"{name.replace('_', ' ').title()} "
        for name in leads.columns
        if name not in ("Nummer", "Lead Source")
    }
    place = file.with_name("agency.xlsx")
    leads.rename(columns=names).to_excel(place, index=False)
    return place


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
        page.get_by_label("CSV or Excel file").set_input_files(file)
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
        page.get_by_label("CSV or Excel file").focus()
        for _ in range(5):  # button, tick and link of the first form, the list of sources, its button
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Score them")).to_be_focused()
        page.keyboard.press("Enter")
        scored(page)
        page.get_by_role("link", name="Score something else").focus()
        page.keyboard.press("Enter")
        page.get_by_label("CSV or Excel file").set_input_files(bad)  # what a system's own dialogue does
        page.get_by_label("CSV or Excel file").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("holds no time", timeout=LONG)
        assert barriers(page) == []


@pytest.mark.parametrize("scripts", [False, True])
def test_a_list_in_other_words_is_explained_once_also_without_scripts(browser, address, strange, scripts):
    size = {"width": 360 if scripts else 1440, "height": 800}
    with at_desk(browser, address, viewport=size, java_script_enabled=scripts) as page:
        page.goto("/upload")
        if not scripts:
            with page.expect_download() as download:
                page.get_by_role("link", name="Download an empty list").click()
            assert "lead_id" in download.value.path().read_text(encoding="utf-8").splitlines()[0]
        page.get_by_label("CSV or Excel file").set_input_files(strange)
        if scripts:
            page.get_by_label("Show me its columns first").check()
        page.get_by_role("button", name="Score it").click()
        expect(page.get_by_role("heading", name="Which column is which?")).to_be_visible()
        if scripts:
            assert barriers(page) == []
        number = page.get_by_label("The lead's number or key")
        assert number.input_value() == "Nummer"
        assert page.get_by_label("Where the lead came from").input_value() == "Lead Source"
        assert "toml" not in page.content().lower()
        page.get_by_role("button", name="Score the list").click()
        scored(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the scores (Excel)").click()
        assert len(pd.read_excel(download.value.path())) == 60
        page.goto("/upload")
        page.get_by_label("CSV or Excel file").set_input_files(strange)
        page.get_by_role("button", name="Score it").click()
        scored(page)  # nothing was asked again

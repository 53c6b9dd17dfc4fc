"""Marketing's page: a file dropped, understood, scored in the background and taken away; a bad one refused
with all that is wrong.
"""

import csv
import io
import re
import time
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from app.web import create_app
from pipelines.home import store_of
from pipelines.settings import load_settings
from pipelines.store.access.audit import entries
from pipelines.store.access.users import add_person
from pipelines.store.erasure import UPLOADS, forget
from tests.apis import NOW
from tests.desks import PASSWORD, Browser, hidden
from tests.test_words import OWN, Read, leftovers

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"
)  # Ibis 12 calls DuckDB 2 by an old name
EVIL = ['=HYPERLINK("http://x")', "<script>alert(1)</script>", "'; DROP TABLE decisions; --"]


@pytest.fixture
def desk(home: Path, world: Path, request):
    """A running desk, perhaps in words of its own, and browsers of two people."""
    words = {"words": getattr(request, "param", {})}
    settings = load_settings(world / "quick.toml", words, environ={})
    store = store_of(settings, home)
    for name, role in (("olga", "ops"), ("rob", "rep")):
        add_person(store, name, role, PASSWORD, at=NOW, by="a test")
    app = create_app(settings, home, lambda: NOW, hosts=("testserver",))
    app.state.champions.every = 3600
    with TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        app.state.champions.look()
        browsers = {}
        for name in ("olga", "rob"):
            browsers[name] = Browser(TestClient(app, follow_redirects=False, raise_server_exceptions=False))
            browsers[name].client.portal = client.portal
            assert browsers[name].sign_in(name, PASSWORD).status_code == 303
        yield home, store, browsers


def dropped(browser: Browser, content: str) -> str:
    """Where the desk leads to after a file was dropped."""
    token = token_of(browser, "/upload")
    answer = browser.client.post(
        "/upload",
        data={"token": token},
        files={"file": ("../../<script>alert(1)</script>.csv", content, "text/csv")},
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def token_of(browser: Browser, action: str) -> str:
    """What the page's form for an address holds."""
    form = browser.get("/upload").text.partition(f'action="{action}"')[2]
    return hidden(form[: form.index("</form>")])


def finished(browser: Browser, place: str) -> str:
    """The page once there is nothing more to wait for."""
    for _ in range(600):
        text = browser.get(place).text
        if 'http-equiv="refresh"' not in text:
            return text
        time.sleep(0.1)
    raise TimeoutError


def test_a_file_is_scored_and_taken_away_and_leaves_nothing_behind(desk):
    home, store, browsers = desk
    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    leads = pd.read_parquet(folder / "leads.parquet").tail(40).assign(colour="red")
    leads.loc[leads.index[:3], ["lead_id", "campaign"]] = [[text, text] for text in EVIL]
    place = dropped(browsers["olga"], leads.to_csv(index=False))
    page = finished(browsers["olga"], place)
    assert "<strong>40</strong> leads scored" in page
    assert re.search(r"colour</th><td><span[^>]*>not used", page)
    assert "Grades by channel" in page
    assert "Grades by campaign" in page
    assert "<script>alert" not in page

    answer = browsers["olga"].get(f"{place}/scores.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 40
    assert {row["lead_id"] for row in rows} >= {f"'{EVIL[0]}", EVIL[1]}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@"))]
    assert store.decided() == set()
    assert not list((home / "tmp").glob("upload-*"))
    assert {each.what for each in entries(store)[0]} >= {"upload", "export"}

    assert browsers["rob"].get("/upload").status_code == 403
    assert browsers["rob"].get(place).status_code == 403
    assert browsers["rob"].get(f"{place}/scores.csv").status_code == 403
    assert browsers["olga"].get("/upload/nothing").status_code == 404


def test_a_file_that_breaks_the_contract_is_refused_with_everything_that_is_wrong(desk):
    _, store, browsers = desk
    content = "lead_id,created_at,channel\n1,2024-01-01,event\n,2024-01-02,event\n2,yesterday,event\n"
    page = finished(browsers["olga"], dropped(browsers["olga"], content))
    assert "These leads cannot be scored; nothing was stored" in page
    assert "breaks its contract in 3 places" in page
    assert "leads.csv" not in page  # nobody dropped a file of this name
    assert page.count("<li><b>") == 3
    assert "1 row is empty" in page
    assert "holds no time" in page
    assert store.decided() == set()
    page = finished(browsers["olga"], dropped(browsers["olga"], "PK\x03\x04not a csv"))
    assert "not a CSV file" in page


@pytest.mark.parametrize("desk", [OWN], indirect=True)
def test_whoever_has_terms_of_the_company_reads_them_on_the_page_of_a_file(desk):
    home, _, browsers = desk
    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    good = pd.read_parquet(folder / "leads.parquet").tail(5).to_csv(index=False)
    bad = "lead_id,created_at,channel\n1,2024-01-01,event\n,2024-01-02,event\n2,yesterday,event\n"
    strange = "Person,Came\n1,2024-01-01\n"
    for content, says in (
        (good, "prospects scored"),
        (bad, "breaks its contract"),
        (strange, "Which column is which?"),
    ):
        page = finished(browsers["olga"], dropped(browsers["olga"], content))
        assert says in " ".join("".join(Read(page).said).split())
        left = [
            each for each in leftovers(page) if "on record" not in each and each != "lead id"
        ]  # the source's own
        assert left == []
    assert [
        each for each in leftovers(browsers["olga"].get("/upload").text) if "simulated:" not in each
    ] == []


def test_a_list_in_other_words_is_scored_as_its_columns_were_explained_and_remembered(desk):
    home, _, browsers = desk
    olga = browsers["olga"]
    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    leads = pd.read_parquet(folder / "leads.parquet").tail(30)
    other = leads.drop(columns=["lead_id", "industry", "created_at"]).rename(columns={"channel": "Herkunft"})
    content = other.to_csv(index=False, sep=";")
    place = dropped(olga, content)
    asked = olga.get(place).text
    assert "Which column is which?" in asked
    assert re.search(r'<option value="Herkunft" selected>', asked)
    names = re.findall(r'<span>.*?</span>\s*<select name="(column \d+)">', asked, re.DOTALL)
    chosen = re.findall(r'<select name="(column \d+)">.*?</select>', asked, re.DOTALL)
    assert names == chosen
    form = {"token": hidden(asked)}
    for part in asked.split("<select ")[1:]:
        name, picked = (
            re.match(r'name="(.*?)"', part)[1],
            re.search(r'value="([^"]*)" selected', part[: part.index("</select>")]),
        )
        form[name] = picked[1] if picked else ""
    assert (
        "Choose each once" in olga.client.post(f"{place}/columns", data=form | {"column 0": "Herkunft"}).text
    )
    assert olga.client.post(f"{place}/columns", data=form).status_code == 303
    page = finished(olga, place)
    assert "<strong>30</strong> leads scored" in page
    assert "unknown of all its leads: lead_id, created_at, industry" in page
    assert "row 1" in {
        row["lead_id"] for row in csv.DictReader(io.StringIO(olga.get(f"{place}/scores.csv").text))
    }
    assert olga.get(f"{place}/scores.xlsx").content.startswith(b"PK")
    assert "<strong>30</strong> leads scored" in finished(olga, dropped(olga, content))
    assert olga.get("/upload/template.csv").text.startswith('"lead_id"')
    assert not list((home / "tmp").glob("upload-*"))
    bad = finished(olga, dropped(olga, content.replace("employees", "created_at", 1)))
    assert "[source" not in bad


def test_a_sources_waiting_leads_are_scored_and_who_was_forgotten_is_in_no_result(desk):
    home, store, browsers = desk
    assert "simulated:" in browsers["olga"].get("/upload").text
    asked = {"token": token_of(browsers["olga"], "/upload/source"), "source": "0"}
    place = browsers["olga"].client.post("/upload/source", data=asked).headers["location"]
    assert "leads scored" in finished(browsers["olga"], place)
    rows = list(csv.DictReader(io.StringIO(browsers["olga"].get(f"{place}/scores.csv").text)))
    assert rows
    assert store.decided() == set()

    gone = rows[0]["lead_id"]
    left = home / "tmp" / f"{UPLOADS}abc"  # of a desk that was killed
    left.mkdir(parents=True)
    (left / "leads.csv").write_text(f"lead_id\n{gone}\n")
    forget(store, home, gone, at=NOW, by="a test")
    assert not left.exists()
    after = list(csv.DictReader(io.StringIO(browsers["olga"].get(f"{place}/scores.csv").text)))
    assert [row["lead_id"] for row in after] == [row["lead_id"] for row in rows[1:]]

    folder = next(file for file in (home / "snapshots").iterdir() if not file.name.startswith("."))
    leads = pd.read_parquet(folder / "leads.parquet").tail(2)
    leads.iloc[0, leads.columns.get_loc("lead_id")] = gone
    assert "<strong>1</strong> lead scored" in finished(
        browsers["olga"], dropped(browsers["olga"], leads.to_csv(index=False))
    )
    for pulled in (home / "snapshots").glob("[!.]*/leads.parquet"):
        assert gone not in set(pd.read_parquet(pulled, columns=["lead_id"])["lead_id"])

    again = {"token": token_of(browsers["olga"], "/upload/source"), "source": "7"}
    assert browsers["olga"].client.post("/upload/source", data=again).status_code == 400
    assert browsers["rob"].client.post("/upload/source", data=again).status_code == 403

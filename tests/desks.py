"""A desk to try: a source of a few leads, pulled; decisions as a run would have recorded them; people; and
browsers without a browser.
"""

import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from starlette.testclient import TestClient

from app.web import create_app
from pipelines.home import store_of
from pipelines.settings import Settings, load_settings
from pipelines.sources.snapshots import pull
from pipelines.store.access.users import add_person
from pipelines.store.database import Store

NOW = datetime(2026, 3, 2, 8, 0)
PASSWORD = "correct horse battery"
LEADS = """lead_id,created_at,account_id,name,job_title,company,email,phone,country,channel,owner
L1,2026-03-01 10:00,A1,Ann Smith,Head of Sales,Acme,ann@acme.example,+44 20 1234,GB,event,north
L2,2026-02-28 09:00,A2,Bob Braun,CEO,Braun & Söhne,bob@braun.example,,DE,organic,north
L3,2026-02-20 09:00,A2,Cleo Diaz,Intern,Braun & Söhne,cleo@braun.example,,DE,organic,south
L4,2026-02-27 09:00,A4,Dora Eng,CTO,Engines,dora@engines.example,,US,paid_search,south
L5,2026-02-26 09:00,A5,Edo Held,Student,University,edo@uni.example,,US,paid_search,south
L6,2026-02-19 09:00,A2,Fay Long,CFO,Braun & Söhne,fay@braun.example,,DE,organic,south
"""
EVENTS = """lead_id,kind,occurred_at,channel
L1,page_view,2026-03-01 10:05,event
L1,demo_request,2026-03-01 10:30,web
L2,email_open,2026-02-28 12:00,email
"""
OUTCOMES = """lead_id,stage,occurred_at,rep,reason
L6,accepted,2026-02-21 09:00,old rep,
"""
DECISIONS = [  # lead, account, chance, value, grade, action, arm
    ("L1", "A1", 0.30, 900.0, "A", "hand off", "policy"),
    ("L2", "A2", 0.20, 700.0, "B", "hand off", "policy"),
    ("L4", "A4", 0.02, -20.0, "D", "hand off", "pass-through"),
    ("L5", "A5", 0.01, -40.0, "D", "hold", "policy"),
    ("L3", "A2", 0.10, 300.0, "C", "hand off", "forced"),
]


@dataclass
class Desk:
    """A desk with a clock that stands still until it is moved."""

    home: Path
    settings: Settings
    now: datetime = NOW
    clients: list[TestClient] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return store_of(self.settings, self.home)

    def browser(self, name: str | None = None, role: str = "rep") -> "Browser":
        """A browser of its own, with somebody signed in."""
        app = create_app(self.settings, self.home, lambda: self.now, hosts=("testserver",))
        app.state.desk.refresh()
        browser = Browser(TestClient(app, follow_redirects=False, raise_server_exceptions=False))
        if name is not None:
            add_person(self.store, name, role, PASSWORD, at=self.now, by="a test")
            assert browser.sign_in(name, PASSWORD).status_code == 303
        return browser

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Browser:
    """Sends the forms that it sees, as a person would."""

    client: TestClient

    def get(self, address: str, **options):
        return self.client.get(address, **options)

    def sign_in(self, name: str, password: str):
        token = hidden(self.get("/sign-in").text)
        return self.client.post("/sign-in", data={"name": name, "password": password, "token": token})

    def form_of(self, lead_id: str, page: str = "/queue") -> dict[str, str]:
        """What the forms of a lead hold on a page."""
        text = self.get(page).text
        row = re.search(rf'<article [^>]*id="lead-{re.escape(lead_id)}".*?</article>', text, re.DOTALL)
        assert row, f"{lead_id} is not on {page}"
        return {name: hidden(row.group(), name) for name in ("token", "lead_id", "turn")}

    def answer(self, lead_id: str, kind: str, page: str = "/queue", **more):
        return self.client.post(
            "/answers", data={**self.form_of(lead_id, page), "kind": kind, "back": page, **more}
        )


def hidden(text: str, name: str = "token") -> str:
    """The value of the last hidden field of a name: the header's form comes first."""
    return re.findall(rf'name="{name}" value="([^"]*)"', text)[-1]


def make_desk(
    folder: Path,
    *,
    leads: str = LEADS,
    outcomes: str = "",
    decisions: list[tuple] = DECISIONS,
    store: str | None = None,
    more: str = "",
) -> Desk:
    """A home with a snapshot and decisions, in a store of its own or in a named one; ``outcomes`` are added to those of
    the leads.
    """
    source = folder / "exports"
    source.mkdir(parents=True)
    for name, text in (("leads", leads), ("events", EVENTS), ("outcomes", OUTCOMES + outcomes)):
        (source / f"{name}.csv").write_text(text, encoding="utf-8")
    more += "" if store is None else f'[store]\nurl = "{store}"\n'
    (folder / "crm.toml").write_text(f'[source]\nurl = "files:exports"\n{more}', encoding="utf-8")
    settings = load_settings(folder / "crm.toml", environ={})
    desk = Desk(folder / "home", settings)
    pulled(desk)
    if store is None:
        lay_out(desk.home / "store.db")
    desk.store.record(decided(decisions))
    return desk


_LAID_OUT: list[bytes] = []  # a store that has gone through all steps, without anything in it


def lay_out(file: Path) -> None:
    """Put a new store there: going through the steps costs half of a desk, and once is enough."""
    if not _LAID_OUT:
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder) / "store.db"
            with Store(f"sqlite:///{first}").reading() as connection:
                connection.rollback()
            with closing(sqlite3.connect(first)) as database:
                _LAID_OUT.append(database.serialize())
    file.write_bytes(_LAID_OUT[0])


_PULLED: dict[tuple, tuple[str, tempfile.TemporaryDirectory]] = {}


def pulled(desk: Desk, until: datetime = NOW) -> None:
    """Pull the desk's source, or copy what a desk of the same leads, read alike, has pulled: it costs most of a desk."""
    settings = desk.settings
    files = (desk.home.parent / "exports" / f"{name}.csv" for name in ("leads", "outcomes"))
    read_as = settings.source.model_copy(update={"url": ""}), settings.label
    same = (*(file.read_bytes() for file in files), repr(read_as), until)
    if same not in _PULLED:
        _PULLED[same] = settings.source.url, tempfile.TemporaryDirectory()
        pull(settings.source, settings.label, home=Path(_PULLED[same][1].name), until=until).close()
    url, home = _PULLED[same]
    shutil.copytree(Path(home.name) / "snapshots", desk.home / "snapshots", dirs_exist_ok=True)
    for note in desk.home.glob("snapshots/*/snapshot.json"):
        note.write_text(note.read_text().replace(url, settings.source.url))


def decided(rows: list[tuple]) -> pd.DataFrame:
    """Decisions as a scoring run records them."""
    table = pd.DataFrame(
        rows, columns=["lead_id", "account_id", "p_convert", "value", "grade", "action", "arm"]
    )
    known = {line.split(",")[0]: line.split(",") for line in LEADS.splitlines()}
    return table.assign(
        as_of=NOW - timedelta(hours=1),
        version="7",
        low=table["p_convert"] * 0.8,
        high=table["p_convert"] * 1.2,
        cut=0.05,
        cut_by="certified",
        score=table["p_convert"],
        rank=range(1, len(table) + 1),
        channel=[known.get(lead_id, [None] * 11)[9] for lead_id in table["lead_id"]],
        owner=[known.get(lead_id, [None] * 11)[10] for lead_id in table["lead_id"]],
        reasons=[["counts for it: 3 visits in 7 days (usual: 1)", "counts against it: job_title: empty"]]
        * len(table),
        weights=[[0.4, -0.2]] * len(table),
    )

"""What runs in Tryton's own processes: its client making a year of leads, and its server under a clock that tests set.

``make FOLDER``, ``serve FOLDER PORT`` or ``act FOLDER``, which reads a line of actions for each answer. A folder holds databases, the configuration
and a file ``clock`` with how many seconds the server's clock is off.
"""

import datetime as real
import json
import os
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

MODULES = ["sale_opportunity"]
PASSWORD = "a password of the tests 1"
BEGIN = real.datetime(2026, 1, 5, 8)
LEADS = 300
SOURCES = ("fair", "web", "partner", "bought list")


def with_clock(folder: Path) -> None:
    """Have the database driver's moments come from the file ``clock``."""
    from trytond.backend.sqlite import database
    from trytond.transaction import Transaction

    def now():
        moment = real.datetime.now() + real.timedelta(seconds=float((folder / "clock").read_text()))
        transaction = Transaction()
        seen = database._nows.setdefault(transaction, {})
        return seen.setdefault(transaction.started_at, moment.isoformat(" "))

    database.now = now


def configured(folder: Path, port: int = 0) -> None:
    from trytond import config

    (folder / "trytond.conf").write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n"
    )
    config.update_etc(str(folder / "trytond.conf"))
    with_clock(folder)


def set_clock(folder: Path, moment: real.datetime) -> None:
    draft = folder / "clock.draft"
    draft.write_text(str((moment - real.datetime.now()).total_seconds()))
    draft.replace(folder / "clock")


def make(folder: Path) -> None:
    """A company with three people and a year of leads: what they say, what is noted of them, what becomes of them."""
    set_clock(folder, BEGIN - real.timedelta(days=7))
    configured(folder)
    admin = [sys.executable, "-c", "from trytond.cli.admin import main; main()"]
    words = [
        "-c",
        folder / "trytond.conf",
        "-d",
        "crm",
        "-u",
        *MODULES,
        "--activate-dependencies",
        "--email",
        "a@example.com",
    ]
    (folder / "crm.sqlite").touch()
    (folder / "password").write_text(PASSWORD)
    environ = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
    subprocess.run([*admin, *map(str, words)], check=True, env=environ)
    from proteus import Model
    from proteus import config as proteus_config
    from trytond.modules.company.tests.tools import create_company

    proteus_config.set_trytond("crm", config_file=str(folder / "trytond.conf"))
    create_company()
    (company,) = Model.get("company.company").find()
    User, Party, Employee = (Model.get(name) for name in ("res.user", "party.party", "company.employee"))
    people = []
    for name in ("Ann", "Ben", "Cleo"):
        party = Party(name=name)
        party.save()
        people.append(Employee(party=party, company=company))
        people[-1].save()
    application = Model.get("res.user.application")(
        application="rest", user=User(proteus_config.get_config().user)
    )
    application.save()
    (folder / "key").write_text(application.key)
    happen(folder, Model, people)


def happen(folder: Path, Model, people) -> None:
    """The year, in the order of its moments."""
    draw = random.Random(7)
    Opportunity, Party, Note = (Model.get(name) for name in ("sale.opportunity", "party.party", "ir.note"))
    steps, order = [], 0
    for number in range(LEADS):
        came = BEGIN + real.timedelta(days=300 * number / LEADS, minutes=draw.randrange(600))
        source = draw.choice(SOURCES)
        amount = draw.randrange(500, 20_000, 50)
        good = {"fair": 0.85, "partner": 0.7, "web": 0.4, "bought list": 0.1}[source]
        steps.append((came, order := order + 1, number, "create", (source, amount)))
        if draw.random() < good:
            steps.append(
                (came + real.timedelta(days=draw.uniform(0.1, 6)), order := order + 1, number, "note", None)
            )
        if draw.random() < good:
            taken = came + real.timedelta(days=draw.uniform(0.5, 12))
            steps.append((taken, order := order + 1, number, "opportunity", None))
            ended = taken + real.timedelta(days=draw.uniform(3, 50))
            won = draw.random() < good * (0.4 + amount / 30_000)
            steps.append((ended, order := order + 1, number, "win" if won else "lost", None))
        elif draw.random() < 0.6:
            steps.append(
                (came + real.timedelta(days=draw.uniform(1, 10)), order := order + 1, number, "cancel", None)
            )
        if draw.random() < 0.2:  # what it says is mended later, in the light of what became of it
            steps.append((came + real.timedelta(days=55), order := order + 1, number, "mend", None))
    found, end = {}, BEGIN + real.timedelta(days=300)
    for moment, _, number, what, said in sorted(step for step in steps if step[0] < end):
        set_clock(folder, moment)
        if what == "create":
            source, amount = said
            found[number] = Opportunity(
                reference=f"lead {number}",
                description=source,
                amount=Decimal(amount),
                start_date=moment.date(),
            )
            found[number].save()
            continue
        lead = found[number]
        if what == "note":
            Note(resource=lead, message=f"called about {number}").save()
        elif what == "opportunity":
            party = Party(name=f"Customer {number}")
            party.save()
            lead.party, lead.employee = party, people[number % 3]
            lead.save()
            lead.click("opportunity")
        elif what == "win":
            lead.click("convert")
            (sale,) = Model.get("sale.sale").find([("origin", "=", f"sale.opportunity,{lead.id}")])
            sale.invoice_method = sale.shipment_method = "manual"
            line = sale.lines.new()
            line.quantity, line.unit_price, line.description = 1, lead.amount, "as agreed"
            sale.click("quote")
            sale.click("confirm")
            lead.reload()
        elif what == "mend" and lead.state in ("lead", "opportunity"):
            lead.amount = lead.amount + 1
            lead.comment = "mended"
            lead.save()
        elif what in ("lost", "cancel") and lead.state in ("lead", "opportunity"):
            lead.click(what)
    set_clock(folder, end)
    (folder / "made.json").write_text(json.dumps({"leads": len(found), "end": end.isoformat()}))


def serve(folder: Path, port: int) -> None:
    configured(folder, port)
    from trytond.pool import Pool
    from trytond.wsgi import app
    from werkzeug.serving import run_simple

    Pool.start()
    run_simple("127.0.0.1", port, app, threaded=True)


def act(folder: Path) -> None:
    """One client for all that people do: each line it reads holds actions, each it prints tells how every opportunity stands
    afterwards.
    """
    from proteus import config as proteus_config

    # On the same database, not through the server: that would hash the password for each of a thousand calls.
    configured(folder)
    proteus_config.set_trytond("crm", config_file=str(folder / "trytond.conf"))
    for line in sys.stdin:
        print(json.dumps(acted(json.loads(line))), flush=True)


def acted(actions: list) -> dict:
    """What a person does at Tryton's own client, and how every opportunity stands afterwards."""
    from proteus import Model

    Opportunity, Note, Party = (Model.get(name) for name in ("sale.opportunity", "ir.note", "party.party"))
    for what, lead_id, value in actions:
        if what == "create":
            Opportunity(amount=Decimal(900), start_date=real.date(2026, 11, 1), **value).save()
            continue
        lead = Opportunity(lead_id)
        if what == "write":
            for name, said in value.items():
                setattr(lead, name, Decimal(said) if name == "amount" else said)
            lead.save()
        elif what == "note":
            Note(resource=lead, message=value).save()
        elif what == "opportunity":
            lead.party, lead.employee = Party.find()[0], Model.get("company.employee").find()[0]
            lead.save()
            lead.click("opportunity")
        elif what == "delete":
            lead.delete()
        else:
            lead.click(what)
    notes = {}
    for note in Note.find():
        notes.setdefault(str(note.resource.id), []).append(note.message)
    return {
        str(lead.id): {
            "state": lead.state,
            "chance": lead.conversion_probability,
            "notes": notes.get(str(lead.id), []),
        }
        for lead in Opportunity.find()
    }


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    elif sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        act(Path(sys.argv[2]))

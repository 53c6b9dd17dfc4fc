"""Exports as people have them: one market written in many shapes, each read right or refused in a sentence.

By hand, for the whole way of each (init, check, train) and what the model is worth then:
``python -m tests.export_shapes [SHAPE …]``, or with ``--folder FOLDER`` of shapes that somebody else made, a folder
each with what is expected in a file EXPECTED.
"""

import argparse
import csv
import io
import random
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from tests.commands import leadsieve, written

START, DAYS, LEADS = datetime(2025, 3, 3, 7), 420, 480
INTERESTS = ("Demo", "Fair", "Call", "Video", "Sample", "Course")
WON_WORDS = {"accepted": "Qualified", "rejected": "Bad fit", "won": "Sold", "lost": "Closed Lost"}
Row = dict[str, str]


@cache
def market(leads: int = LEADS, seed: int = 3) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Leads and outcomes as text; the channel, the seats and a demo tell who becomes a customer."""
    draw = random.Random(seed)
    people, outcomes = [], []
    for at in range(leads):
        created = START + timedelta(minutes=round(DAYS * 1440 * at / leads) + draw.randrange(200))
        channel, seats = draw.choice(["Search", "Partner", "Mail", "Social"]), draw.lognormvariate(6.9, 0.7)
        interests = [each for each in INTERESTS if draw.random() < 0.35]
        taken = draw.random() < 0.7
        logit = {"Search": 0, "Partner": 0.3, "Mail": -0.15, "Social": -0.2}[channel]
        chance = 0.3 + logit + 0.2 * (seats > 1000) + 0.25 * ("Demo" in interests)
        won = taken and draw.random() < chance
        first = created + timedelta(minutes=draw.randrange(60, 5 * 1440))
        last = created + timedelta(minutes=draw.randrange(8 * 1440, 40 * 1440))
        lead = {"lead_id": f"K{at + 1:05}", "created_at": f"{created}", "channel": channel,
                "owner": draw.choice(["Ida", "Jon"]), "sector": draw.choice(["Food", "Metal", "Paper"]),
                "seats": f"{seats:.2f}", "interests": ";".join(interests)}  # fmt: skip
        people.append(lead)
        end, key = START + timedelta(days=DAYS), lead["lead_id"]
        if first < end:
            stage = "accepted" if taken else "rejected"
            outcomes.append({"lead_id": key, "stage": stage, "occurred_at": f"{first}", "amount": ""})
        if taken and last < end:
            money = f"{3 * seats:.2f}" if won else ""
            stage = "won" if won else "lost"
            outcomes.append({"lead_id": key, "stage": stage, "occurred_at": f"{last}", "amount": money})
    return tuple(people), tuple(outcomes)


@dataclass(frozen=True)
class Shape:
    """One way in which the market is exported.

    Attributes
    ----------
    files : mapping of name to bytes
    said : str
        A pattern of what has to be said: a note of ``check``, or the refusal.
    kept : "all", "customers" or None
        Which chances can be as good as those of the clean export.
    refused : bool
        Whether it must not be read as it is.
    """

    files: dict[str, bytes]
    said: str = ""
    kept: str | None = "all"
    refused: bool = False


def text(rows: list[Row] | tuple[Row, ...], separator: str = ",", end: str = "\r\n") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _each(rows: tuple[Row, ...], **changes: Callable[[str], str]) -> list[Row]:
    return [
        row | {name: change(row[name]) if row[name] else "" for name, change in changes.items()}
        for row in rows
    ]


def _as(pattern: str) -> Callable[[str], str]:
    return lambda value: datetime.fromisoformat(value).strftime(pattern)


def _money(value: str) -> str:
    return f"{float(value):,.2f}".translate(str.maketrans(",.", ".,")) + " €"


def _put(leads, outcomes=None, *, separator=",", end="\r\n", encoding="utf-8", above="", below="") -> dict:
    """The files of one export."""
    content = leads if isinstance(leads, str) else text(leads, separator, end)
    files = {"leads.csv": (above + content + below).encode(encoding)}
    if outcomes:
        files["outcomes.csv"] = text(outcomes, separator, end).encode(encoding)
    return files


def _now(leads: tuple[Row, ...], outcomes: tuple[Row, ...]) -> list[Row]:
    """Where each lead stands, and since when."""
    last = {row["lead_id"]: row for row in outcomes}
    return [
        lead
        | {"Stage": WON_WORDS[last[key]["stage"]] if key in last else "New"}
        | {"Stage Changed": last[key]["occurred_at"] if key in last else ""}
        for lead in leads
        for key in [lead["lead_id"]]
    ]


def _dated(leads: tuple[Row, ...], outcomes: tuple[Row, ...]) -> list[Row]:
    """A date for each stage."""
    names = {"accepted": "Qualified On", "rejected": "Disqualified On", "won": "Won On", "lost": "Lost On"}
    when = {(row["lead_id"], row["stage"]): row["occurred_at"] for row in outcomes}
    return [
        lead | {column: when.get((lead["lead_id"], stage), "") for stage, column in names.items()}
        for lead in leads
    ]


def shapes() -> dict[str, Shape]:
    """Every shape by its name."""
    leads, outcomes = market()
    bare = _each(leads, lead_id=lambda value: value[1:])
    twelfth = [row for row in leads if int(row["created_at"][8:10]) <= 12]
    years = [row | ({"created_at": "2071" + row["created_at"][4:]} if at in (90, 91) else {}) for at, row in enumerate(leads)]  # fmt: skip
    holes = [row | ({"seats": ("n/a", "-", "NULL")[at % 3]} if at % 40 == 7 else {}) for at, row in enumerate(leads)]  # fmt: skip
    visited = [row | {"last_visit": "0000-00-00" if at % 5 == 0 else row["created_at"]} for at, row in enumerate(leads)]  # fmt: skip
    below = [each for row in leads for each in (row, dict.fromkeys(row, "") | {"interests": "More"})]
    named = [row | {"First Name": f"F{at % 40}", "Last Name": f"N{at % 80}"} for at, row in enumerate(leads)]
    wide = [row | {f"Field {k}": "xy"[(at + k) % 2] if k % 12 == 0 else "" for k in range(1000)} for at, row in enumerate(leads)]  # fmt: skip
    few = market(90, 8)
    word = [row | ({"stage": "Bingo"} if row["stage"] == "won" and row["occurred_at"] > "2025-11" else {}) for row in outcomes]  # fmt: skip
    return {
        "clean": Shape(_put(leads, outcomes)),
        "report footer": Shape(_put(leads, outcomes, below='\r\n"Total (480)"\r\n"Internal"\r\n'), "2 lines below its last row are no data"),
        "padded footer": Shape(_put(leads, outcomes, below="Total,,,,,,\r\nInternal,,,,,,\r\n"), "2 lines below its last row"),
        "utf-16 and tabs": Shape(_put(leads, outcomes, separator="\t", encoding="utf-16")),
        "windows-1252": Shape(_put(_each(leads, sector=lambda value: value.replace("Metal", "Métal")), outcomes, encoding="cp1252"), "read as Windows-1252"),
        "separator hint": Shape(_put(leads, outcomes, separator=";", above="sep=;\r\n")),
        "title lines": Shape(_put(leads, outcomes, above="All leads\r\nFilter: none\r\n\r\n"), "2 lines above the names"),
        "carriage returns": Shape(_put(leads, outcomes, end="\r")),
        "capital names": Shape({name.upper(): content for name, content in _put(leads, outcomes).items()}),
        "commas in a name": Shape(_put(text(leads, ";").replace("seats", "Seats, planned, in total", 1), outcomes, separator=";")),
        "decimal comma": Shape(_put(_each(leads, seats=lambda value: value.replace(".", ",")), _each(outcomes, amount=lambda value: value.replace(".", ",")), separator=";"), "'seats' .* decimal comma"),
        "euro amounts": Shape(_put(_each(leads, seats=_money), _each(outcomes, amount=_money), separator=";"), "'seats' .* decimal comma"),
        "dollars": Shape(_put(_each(leads, seats=lambda value: f"${float(value):,.2f}"), outcomes), "'seats' .* decimal point"),
        "percent": Shape(_put(_each(leads, seats=lambda value: f"{float(value) / 100:.2f}%"), outcomes), "'seats' .* decimal point"),
        "placeholders": Shape(_put(holes, outcomes), "12 placeholders count as empty", kept=None),
        "ids as floats": Shape(_put(bare, _each(outcomes, lead_id=lambda value: f"{int(value[1:])}.0")), r"join their leads without .*'\.0'"),
        "leading zeros": Shape(_put(bare, _each(outcomes, lead_id=lambda value: str(int(value[1:])))), "join their leads without leading zeros"),
        "long ids": Shape(_put(_each(leads, lead_id=lambda value: "00Q5g00000" + value[1:]), _each(outcomes, lead_id=lambda value: f"00Q5g00000{value[1:]}EAB")), "long form"),
        "blanks behind": Shape(_put(leads, _each(outcomes, lead_id=lambda value: value + " ", stage=lambda value: value + "\u00a0"))),
        "day first": Shape(_put(_each(leads, created_at=_as("%d/%m/%Y %H:%M")), _each(outcomes, occurred_at=_as("%d/%m/%Y %H:%M"))), "'%d/%m/%Y', which alone fits"),
        "either way": Shape(_put(_each(twelfth, created_at=_as("%d/%m/%Y"))), r"fits two ways.*date_format", kept=None, refused=True),
        "serial days": Shape(_put(_each(leads, created_at=lambda value: str((datetime.fromisoformat(value) - datetime(1899, 12, 30)).days))), "serial days", kept=None),
        "milliseconds": Shape(_put(_each(leads, created_at=lambda value: f"{datetime.fromisoformat(value + '+00:00').timestamp() * 1000:.0f}")), "milliseconds since 1970", kept=None),
        "twelve hours": Shape(_put(_each(leads, created_at=_as("%m/%d/%Y, %I:%M:%S %p")), _each(outcomes, occurred_at=_as("%m/%d/%Y, %I:%M:%S %p"))), "'%m/%d/%Y', which alone fits"),
        "zero dates": Shape(_put(visited, outcomes), "96 placeholders count as empty"),
        "mistyped years": Shape(_put(years, outcomes), "2 leads are created more than a year after all others", kept=None),
        "word without a name": Shape(_put(leads, word), "'Bingo'", kept=None, refused=True),
        "one stage and one date": Shape(_put(_now(leads, outcomes)), "won and lost imply accepted", kept="customers"),
        "dated stages": Shape(_put(_dated(leads, outcomes))),
        "names": Shape(_put(named, outcomes), "not used, .*: First Name, Last Name"),
        "a thousand columns": Shape(_put(wide, outcomes), "and 896 more", kept=None),
        "few leads": Shape(_put(*few), kept=None),
        "merged twice": Shape(_put([*leads, *({**row, "sector": "Wood"} for row in leads[:20])], outcomes), "20 leads come more than once"),
        "continued rows": Shape(_put(below, outcomes), "480 rows have neither id nor time"),
        "a workbook": Shape({"leads.xlsx": _workbook(leads), "outcomes.xlsx": _workbook(outcomes)}),
    }  # fmt: skip


def _workbook(rows: tuple[Row, ...]) -> bytes:
    from openpyxl import Workbook

    book, out = Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet("All")
    for row in [list(rows[0]), *(list(each.values()) for each in rows)]:
        sheet.append(row)
    book.save(out)
    return out.getvalue()


@dataclass(frozen=True)
class Gone:
    """What came of one shape: how it went as it is and by ``init``, what was said, and what the model is worth."""

    alone: str
    configured: str
    refusal: str
    said: str
    worth: dict[str, float]
    seconds: float


def _read(value: dict) -> str:
    """What the table of values says of a column."""
    gaps = f"; {value['empty']} placeholders count as empty" * bool(value["empty"])
    return f"'{value['column']}' is a {value['taken_for']}, {value['how']}{gaps}" if value["told"] else ""


def gone_through(folder: Path, home: Path) -> Gone:
    """The whole way of one export, each command as its user would give it."""
    alone = leadsieve("check", "--source", f"files:{folder}", "--json", home=home / "alone")
    config = home / "c.toml"
    init = leadsieve("init", folder, "--output", config, "--yes", "--json", home=home)
    refusal = " ".join(alone.err.splitlines()[1:]).strip() if alone.code == 3 else ""
    said, worth, seconds, start = "", {}, 0.0, time.perf_counter()
    if config.exists():
        check = leadsieve("check", "--config", config, "--json", home=home)
        seconds = time.perf_counter() - start
        told = [] if not check.out else check.json["warnings"] + list(map(_read, check.json["values"]))
        said = "; ".join(filter(None, told)) or " ".join(check.err.splitlines()[1:]).strip()
        train = leadsieve("train", "--config", config, "--json", home=home) if check.code == 0 else None
        if train is not None and train.out:
            models = train.json["models"]
            worth = {name: each["auc"]["value"] for name, each in models.items() if each and each.get("auc")}
    ends = {0: "read", 3: "refused", 4: "read, too little"}
    return Gone(
        ends.get(alone.code, f"exit {alone.code}"),
        ends.get(init.code, f"exit {init.code}"),
        refusal,
        said,
        worth,
        seconds,
    )


def expected(shape: Shape, gone: Gone, clean: Gone) -> bool:
    """Whether a shape went as it should; a lead's way to a customer is what the clean export is judged by."""
    if shape.refused:
        return gone.alone == "refused" and re.search(shape.said, gone.refusal) is not None
    told = re.search(shape.said, gone.said) is not None and gone.configured.startswith("read")
    if shape.kept == "customers":
        return told and gone.worth.get("convert", 0) >= clean.worth["both"] - 0.01
    near = shape.kept is None or abs(gone.worth.get("both", 0) - clean.worth["both"]) <= 0.01
    return told and near


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*")
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    made = {} if given.folder else shapes()
    names = sorted(each.name for each in given.folder.iterdir()) if given.folder else list(made)
    clean, faults = None, 0
    for at, name in enumerate(names):
        if at and given.names and not any(name.startswith(each) for each in given.names):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            place = given.folder / name if given.folder else written(Path(scratch) / "crm", made[name].files)
            gone = gone_through(place, Path(scratch))
        clean = clean or gone
        fine = expected(made[name], gone, clean) if made else True
        faults += not fine
        wanted = (place / "EXPECTED").read_text().strip() if given.folder else made[name].said
        worth = " ".join(f"{key} {value:.3f}" for key, value in gone.worth.items())
        print(
            f"{'  ' if fine else '✗ '}{name} | {wanted} | as it is: {gone.alone}; by init: {gone.configured} | {worth} | "
            f"check {gone.seconds:.0f} s | {(gone.refusal or gone.said)[:400]}",
            flush=True,
        )
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

"""Inputs changed at random by a generator that knows what they still say.

Nothing may end in a traceback, leave half a snapshot behind, or take a value for another in silence. By hand, for
longer than the tests do: ``python -m tests.mutations --runs 1000 --seed 1``.
"""

import argparse
import contextlib
import csv
import gzip
import io
import math
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook
from openpyxl.utils.exceptions import IllegalCharacterError

from features.errors import LeadsieveError
from features.labels import Horizons
from pipelines.settings import load_settings
from pipelines.sources.manifest import whole
from pipelines.sources.snapshots import Snapshot, pull

NOW = datetime(2026, 6, 1)
CITIES = ("Köln", "Bern", "Genève", "Málaga", "Oslo")
HEADS = {
    "leads": ["lead_id", "created_at", "city", "size", "signed"],
    "outcomes": ["lead_id", "stage", "occurred_at", "amount"],
}
NUMBERS, TIMES = ("size", "amount"), ("created_at", "occurred_at")


def _truth() -> dict[str, list[list]]:
    """Leads and outcomes as they are, whatever is written of them."""
    chance = random.Random(7)
    leads, outcomes = [], []
    for at in range(40):
        made = datetime(2025, 1, 1, 9, 30) + timedelta(days=5 * at, hours=at % 11)
        size = round(chance.uniform(1_000, 90_000), 2)
        leads.append([f"{4000 + at}", made, CITIES[at % 5], size, date(2020, 1, 13) + timedelta(days=at)])
        if at % 3:
            amount = round(chance.uniform(1_000, 90_000), 2) if at % 3 == 1 else None
            outcomes.append([f"{4000 + at}", "accepted", made + timedelta(days=1), None])
            stage = "won" if at % 3 == 1 else "lost"
            outcomes.append([f"{4000 + at}", stage, made + timedelta(days=9), amount])
    return {"leads": leads, "outcomes": outcomes}


TRUTH = _truth()


@dataclass
class Case:
    """One input on its way to the disk: how its cells, then its bytes are written, and what it may still be
    held to.

    ``exact`` says that all values must come out as they are, or not at all.
    """

    chance: random.Random
    rows: dict[str, list[list]] = field(default_factory=dict)
    heads: dict[str, list[str]] = field(default_factory=dict)
    number: Callable[[float], str] = repr
    time: Callable[[datetime], str] = lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}"
    dialect: dict[str, object] = field(default_factory=dict)
    above: str = ""
    below: str = ""
    encoding: str = "utf-8"
    form: str = "csv"
    settings: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    earlier: bool = False
    exact: bool = True
    told: list[str] = field(default_factory=list)

    def cells(self, name: str) -> list[list]:
        """A table as text."""

        def written(column: str, value: object) -> object:
            if value is None:
                return ""
            if isinstance(value, float):
                return self.number(value)
            return self.time(value) if isinstance(value, datetime) and column in TIMES else str(value)

        return [
            [written(column, value) for column, value in zip(self.heads[name], row, strict=False)]
            for row in self.rows[name]
        ]

    def write(self) -> None:
        """The tables as bytes."""
        for name in self.rows:
            if self.form == "xlsx":
                book, out = Workbook(), io.BytesIO()
                for row in [self.heads[name], *self.rows[name]]:
                    with contextlib.suppress(IllegalCharacterError):
                        book.active.append(row)
                book.save(out)
                self.files[f"{name}.xlsx"] = out.getvalue()
                continue
            if self.form in ("parquet", "duckdb"):
                out = io.BytesIO()
                wide = len(self.heads[name])
                columns = [
                    [row[at] if at < len(row) else None for row in self.rows[name]] for at in range(wide)
                ]
                pq.write_table(pa.table([_column(each) for each in columns], self.heads[name]), out)
                self.files[f"{name}.parquet"] = out.getvalue()
                continue
            out = io.StringIO()
            csv.writer(out, **{"lineterminator": "\n"} | self.dialect).writerows(
                [self.heads[name], *self.cells(name)]
            )
            content = (self.above + out.getvalue() + self.below).encode(self.encoding, errors="replace")
            if self.form == "csv.gz":
                self.files[f"{name}.csv.gz"] = gzip.compress(content)
            else:
                self.files[f"{name}.csv"] = content

    def placed(self, folder: Path) -> Path:
        """Everything on the disk; gives the configuration."""
        crm = folder / "crm"
        crm.mkdir(exist_ok=True)
        if self.form == "duckdb":
            for name, content in self.files.items():
                (folder / name).write_bytes(content)
            with duckdb.connect(crm / "crm.duckdb") as connection:
                for name in self.files:
                    table = Path(name).stem
                    connection.execute(f"CREATE TABLE {table} AS FROM '{folder / name}'")
            self.files = {"crm.duckdb": (crm / "crm.duckdb").read_bytes()}
        for change in self.damage:
            change(self)
        for name, content in self.files.items():
            (crm / name).write_bytes(content)
        url = "duckdb:crm/crm.duckdb" if self.form == "duckdb" else "files:crm"
        config = folder / "c.toml"
        config.write_text(self.settings or f'[source]\nurl = "{url}"\n', encoding="utf-8")
        return config

    damage: list[Callable[["Case"], None]] = field(default_factory=list)


def _column(values: list) -> pa.Array:
    """Values as Arrow has them; text, where they are of different kinds."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])


# ── what keeps the meaning ──


def _written_otherwise(case: Case) -> None:
    dialects = (
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": "|"},
        {"lineterminator": "\r\n"},
        {"lineterminator": "\r"},
        {"quoting": csv.QUOTE_ALL},
    )
    case.dialect = case.chance.choice(dialects)
    case.told.append(str(case.dialect))


def _encoded(case: Case) -> None:
    case.encoding = case.chance.choice(["utf-8-sig", "utf-16", "windows-1252"])
    case.told.append(case.encoding)


def _formed(case: Case) -> None:
    case.form = case.chance.choice(["csv.gz", "parquet", "duckdb", "xlsx"])
    case.told.append(case.form)


def _framed(case: Case) -> None:
    case.above = case.chance.choice(["", "\n", "Leads of all teams\n\n"])
    case.below = case.chance.choice(["", "\n\n", "\nGrand Totals (40 records)\nConfidential\n"])
    case.told.append(f"{case.above!r} {case.below!r}")


NUMBER_FORMS: dict[str, Callable[[float], str]] = {
    "comma": lambda value: f"{value:.2f}".replace(".", ","),
    "euro": lambda value: "€ " + f"{value:,.2f}".translate(str.maketrans(",.", ".,")),
    "dollar": lambda value: f"${value:,.2f}",
    "blanks": lambda value: f"{value:,.2f}".replace(",", " "),
    "apostrophes": lambda value: f"{value:,.2f}".replace(",", "'") + " CHF",
    "exponent": lambda value: f"{value:.10e}",
    "signed": lambda value: f"+{value:.2f}",
    "kept": repr,
}


def _numbers(case: Case) -> None:
    way = case.chance.choice(list(NUMBER_FORMS))
    case.number = NUMBER_FORMS[way]
    case.told.append(f"numbers: {way}")


TIME_FORMS: dict[str, Callable[[datetime], str]] = {
    "T": lambda moment: moment.isoformat(),
    "Z": lambda moment: moment.isoformat() + "Z",
    "milliseconds Z": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
    "+02:00": lambda moment: f"{moment + timedelta(hours=2):%Y-%m-%d %H:%M:%S}+02:00",
    "-0530": lambda moment: f"{moment - timedelta(hours=5, minutes=30):%Y-%m-%dT%H:%M:%S}-0530",
    "+02": lambda moment: f"{moment + timedelta(hours=2):%Y-%m-%d %H:%M:%S}+02",
    " UTC": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} UTC",
    "GMT": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} GMT",
    "day first": lambda moment: f"{moment:%d/%m/%Y %H:%M}",
    "points": lambda moment: f"{moment:%d.%m.%Y %H:%M:%S}",
    "month first": lambda moment: f"{moment:%m/%d/%Y %I:%M %p}",
    "afternoon": lambda moment: f"{moment:%m/%d/%Y, %I:%M:%S %p}",
    "short years": lambda moment: f"{moment:%d.%m.%y %H:%M}",
    "named months": lambda moment: f"{moment:%d %b %Y %H:%M:%S}",
    "milliseconds": lambda moment: str(round((moment - datetime(1970, 1, 1)).total_seconds() * 1000)),
    "seconds": lambda moment: str(round((moment - datetime(1970, 1, 1)).total_seconds())),
    "serial": lambda moment: f"{(moment - datetime(1899, 12, 30)) / timedelta(days=1):.10f}",
    "slashes": lambda moment: f"{moment:%Y/%m/%d %H:%M:%S}",
    "compact": lambda moment: f"{moment:%Y%m%d%H%M%S}",
}


def _times(case: Case) -> None:
    way = case.chance.choice(list(TIME_FORMS))
    case.time = TIME_FORMS[way]
    case.told.append(f"times: {way}")


def _ids(case: Case) -> None:
    name, way = (
        case.chance.choice(["leads", "outcomes"]),
        case.chance.choice([" {}", "{} ", "{}.0", "000{}", "\u00a0{}"]),
    )
    case.rows[name] = [[way.format(row[0]), *row[1:]] for row in case.rows[name]]
    case.told.append(f"ids of {name}: {way!r}")


def _mixed(case: Case) -> None:
    for name in case.rows:
        order = case.chance.sample(range(len(case.heads[name])), len(case.heads[name]))
        case.heads[name] = [case.heads[name][at] for at in order]
        case.rows[name] = [[row[at] for at in order] for row in case.rows[name]]
        case.chance.shuffle(case.rows[name])
    case.told.append("mixed")


def _twice(case: Case) -> None:
    name = case.chance.choice(["leads", "outcomes"])
    case.rows[name] += case.chance.sample(case.rows[name], 3)
    case.told.append(f"rows of {name} twice")


def _pulled_before(case: Case) -> None:
    """The same source was pulled in its plain form: what is written otherwise since may not be read otherwise."""
    case.earlier = True
    case.told.append("pulled before")


def _placeholders(case: Case) -> None:
    word = case.chance.choice(["-", "n/a", "NULL", "?", "#N/A", "none", "unknown", "."])
    at = case.heads["leads"].index("size")
    for row in case.chance.sample(case.rows["leads"], 3):
        row[at] = word
    case.told.append(f"placeholder {word}")


# ── what does not: only that it is told is asked for ──


def _odd_cell(case: Case) -> None:
    name = case.chance.choice(list(case.rows))
    row = case.chance.choice(case.rows[name])
    odd = ("", " ", "0000-00-00", "31.02.2026", "2026-13-45", "1e999", "nan", "=1+1", "\x00", "a,b", 'a"b', "a\nb",
           "9" * 400, "٤٢", "−5", "won", "true", "2262-04-12", "9999-12-31 23:59:59", "-0044-03-15", "1/0",
           "\u202e", "inf", "0x1F", "1_000", "12:30")  # fmt: skip
    row[case.chance.randrange(len(row))] = case.chance.choice(odd)
    case.exact = False
    case.told.append("an odd cell")


def _shaped(case: Case) -> None:
    name = case.chance.choice(list(case.rows))
    kind = case.chance.randrange(8)
    head, rows = case.heads[name], case.rows[name]
    at = case.chance.randrange(len(head))
    if kind == 0:
        case.rows[name] = []
    elif kind == 1:
        case.heads[name], case.rows[name] = (
            [*head[:at], *head[at + 1 :]],
            [[*r[:at], *r[at + 1 :]] for r in rows],
        )
    elif kind == 2:
        case.heads[name], case.rows[name] = [*head, head[at]], [[*row, row[at]] for row in rows]
    elif kind == 3:
        head[at] = case.chance.choice(
            ["", "lead_id", "LEAD_ID", '"', "a'b", "x" * 300, "leadsieve row", "名前"]
        )
    elif kind == 4:
        case.rows[name] = rows[:1]
    elif kind == 5:
        case.rows[name] = [row[: case.chance.randrange(1, len(row) + 1)] for row in rows]
    elif kind == 6:
        case.rows.pop(name)
    else:
        case.rows[name] = [[None if place == at else cell for place, cell in enumerate(row)] for row in rows]
    case.exact = False
    case.told.append(f"shape {kind} of {name}")


def _typed(case: Case) -> None:
    """Columns of other types than text, number and time; only Parquet and DuckDB have those."""
    case.form, case.exact = case.chance.choice(["parquet", "duckdb"]), False
    name = case.chance.choice(list(case.rows))
    at = case.chance.randrange(len(case.heads[name]))
    made = case.chance.choice([
        lambda value: [value], lambda value: {"a": value}, lambda value: str(value).encode(), lambda value: True,
        lambda value: timedelta(days=3), lambda value: b"\xff\xfe", lambda value: float("nan"),
        lambda value: math.inf, lambda value: 2**62, lambda value: None, lambda value: date(1, 1, 1),
        lambda value: datetime(9999, 12, 31), lambda value: str(value), lambda value: datetime.now().time(),
    ])  # fmt: skip
    for row in case.rows[name]:
        row[at] = made(row[at])
    case.told.append(f"type of {name}.{case.heads[name][at]}: {type(case.rows[name][0][at]).__name__}")


def _damaged(case: Case) -> None:
    case.exact = False
    case.damage.append(_hurt)


def _hurt(case: Case) -> None:
    if not case.files:
        return
    chance = case.chance
    name = chance.choice(list(case.files))
    content = bytearray(case.files[name])
    at = chance.randrange(max(len(content), 1))
    kind = chance.randrange(9)
    if kind == 0:
        del content[at:]
    elif kind == 1:
        for _ in range(chance.choice([1, 10, 100])):
            content[chance.randrange(len(content))] = chance.randrange(256)
    elif kind == 2:
        content[at : at + 200] = bytes(200)
    elif kind == 3:
        del content[at : at + chance.randrange(1, 300)]
    elif kind == 4:
        content[at:at] = chance.randbytes(chance.randrange(1, 60))
    elif kind == 5:
        content[at:at] = content[: chance.randrange(1, 400)]
    elif kind == 6:
        content = bytearray(
            chance.choice([b"", b"\n", b"PK\x03\x04abc", chance.randbytes(400), b"\xff\xfe", b"\x00"])
        )
    elif kind == 7:
        content = bytearray(gzip.compress(bytes(content)))
    else:
        content[at:at] = chance.choice([b'"', b"'", b",", b"\r", b"\n", b"\x00", b"\xef\xbb\xbf", b"\xff"])
    case.files[name] = bytes(content)
    if kind == 7 or not chance.randrange(5):
        other = chance.choice([".csv", ".csv.gz", ".parquet", ".tsv", ".duckdb"])
        case.files[name.split(".")[0] + other] = case.files.pop(name)
    case.told.append(f"damage {kind} of {name}")


def _configured(case: Case) -> None:
    case.exact = False
    lines = [
        "[source]", 'url = "files:crm"', 'timezone = "Europe/Berlin"', "[source.leads]", 'table = "leads"',
        'lead_id = "lead_id"', 'created_at = "created_at"', 'empty = ["-"]', "drop_incomplete = true",
        'since = 2025-02-01', "[source.outcomes]", 'stage = "stage"', 'occurred_at = "occurred_at"',
        'amount = "amount"', "drop_inconsistent = true", "[source.outcomes.stages]", 'won = ["won"]',
        'lost = ["lost"]', 'accepted = ["accepted"]',
    ]  # fmt: skip
    for _ in range(case.chance.choice([1, 2])):
        at, kind = case.chance.randrange(len(lines)), case.chance.randrange(6)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines[at] = lines[at][: case.chance.randrange(len(lines[at]) + 1)]
        elif kind == 2:
            key = lines[at].partition(" = ")[0]
            odd = (
                "1",
                '""',
                "[]",
                "true",
                '"size"',
                '"nothing"',
                "2026-01-01",
                "{}",
                '{ "a" = "b" }',
                '"%d/%m/%Y"',
            )
            lines[at] = f"{key} = {case.chance.choice(odd)}"
        elif kind == 3:
            lines.insert(at, lines[case.chance.randrange(len(lines))])
        elif kind == 4:
            keys = (
                "date_format",
                "decimal",
                "separator",
                "encoding",
                "order",
                "stage_is",
                "attributes",
                "replace",
                "x",
            )
            odd = (
                '"%Q"',
                '","',
                '"ab"',
                '"utf-8"',
                '"rows"',
                '"won"',
                '["size"]',
                '{ "Bern" = "Basel" }',
                '"%"',
                "3",
            )
            lines.insert(at, f"{case.chance.choice(keys)} = {case.chance.choice(odd)}")
        else:
            other = case.chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    case.settings = "\n".join(lines) + "\n"
    case.told.append("configuration")


KEEPING = (
    _written_otherwise,
    _encoded,
    _formed,
    _framed,
    _numbers,
    _times,
    _ids,
    _mixed,
    _twice,
    _pulled_before,
    _placeholders,
)
BREAKING = (_odd_cell, _shaped, _typed, _damaged, _damaged, _configured)


def mutated(seed: str) -> Case:
    """One case, always the same for a seed."""
    chance = random.Random(seed)
    case = Case(chance)
    case.rows = {name: [list(row) for row in rows] for name, rows in TRUTH.items()}
    case.heads = {name: list(head) for name, head in HEADS.items()}
    changes = chance.sample(KEEPING, chance.randrange(4))
    if not changes or chance.random() < 0.6:
        changes.append(chance.choice(BREAKING))
    for change in changes:
        change(case)
    case.write()
    return case


# ── what is asked of each ──


@dataclass(frozen=True)
class Ended:
    """How one case ended: "read", "refused", or a fault in words."""

    how: str
    fault: str = ""
    said: str = ""


def tried(case: Case, folder: Path) -> Ended:
    """One case pulled, and what came of it compared with the truth."""
    home, noise = folder / "home", io.StringIO()
    shown, sys.stderr = sys.stderr, noise
    try:
        if case.earlier and case.form != "duckdb" and not case.settings:
            _pull_plain(folder, home)
        config = case.placed(folder)
        settings = load_settings(config)
        with closing(pull(settings.source, Horizons(10, 30), home=home, until=NOW)) as snapshot:
            fault = _changed(snapshot) if case.exact else _unread(snapshot)
            ended = Ended("read", fault, "\n".join(snapshot.warnings))
    except LeadsieveError as error:
        ended = Ended("refused", said=str(error))
        if "internal" in str(error).lower() or not str(error).strip():
            ended = Ended("refused", f"is told so: {error}", str(error))
    except Exception:
        ended = Ended("traceback", traceback.format_exc())
    finally:
        sys.stderr = shown
    left = [
        each for each in (home / "snapshots").glob("*") if each.name.startswith(".") or whole(each) is None
    ]
    left += (home / "tmp").glob("*")
    if not ended.fault and left:
        return Ended(ended.how, f"left behind: {left}", ended.said)
    if not ended.fault and noise.getvalue():
        return Ended(ended.how, f"noise: {noise.getvalue()}", ended.said)
    return ended


def _pull_plain(folder: Path, home: Path) -> None:
    """Pull the truth, and take its files away again."""
    plain = Case(random.Random(0))
    plain.rows = {name: [list(row) for row in rows] for name, rows in TRUTH.items()}
    plain.heads = {name: list(head) for name, head in HEADS.items()}
    plain.write()
    settings = load_settings(plain.placed(folder))
    pull(settings.source, Horizons(10, 30), home=home, until=NOW).close()
    for file in (folder / "crm").iterdir():
        file.unlink()


def _unread(snapshot: Snapshot) -> str:
    for table in (snapshot.tables.leads, snapshot.tables.outcomes, snapshot.tables.events):
        if table is not None:
            table.to_pyarrow()
    return ""


def _changed(snapshot: Snapshot) -> str:
    """What came out as something else, in words, or nothing."""
    leads = {row["lead_id"]: row for row in snapshot.tables.leads.to_pyarrow().to_pylist()}
    outcomes = snapshot.tables.outcomes
    if len(leads) != len(TRUTH["leads"]) or outcomes is None:
        return f"{len(leads)} leads instead of {len(TRUTH['leads'])}, outcomes: {outcomes is not None}"
    bare = {lead.strip().removesuffix(".0").lstrip("0"): row for lead, row in leads.items()}
    for lead, made, city, size, _ in TRUTH["leads"]:
        row = bare.get(lead)
        if row is None:
            return f"lead {lead} is gone"
        found = row["size"]
        number = not isinstance(found, float) or math.isclose(found, size, rel_tol=1e-9)
        if not _same(row["created_at"], made) or row["city"] != city or not number:
            return f"lead {lead} became {row}"
    rows = outcomes.to_pyarrow().to_pylist()
    found = {(row["lead_id"].strip().removesuffix(".0").lstrip("0"), row["stage"]) for row in rows}
    truth = {(lead, stage): (when, amount) for lead, stage, when, amount in TRUTH["outcomes"]}
    if found != set(truth):
        return f"outcomes: {found ^ set(truth)}"
    for row in rows:
        when, amount = truth[row["lead_id"].strip().removesuffix(".0").lstrip("0"), row["stage"]]
        worth = row.get("amount")
        if not _same(row["occurred_at"], when) or not (
            worth == amount or (worth and amount and math.isclose(worth, amount, rel_tol=1e-9))
        ):
            return f"outcome became {row}, was {when} {amount}"
    return ""


def _same(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(seconds=1)


def run(runs: int, seed: int, *, told: Callable[[str], None] = print) -> tuple[Counter, int]:
    """Many cases, the faults told; gives how they ended and how many faults there were."""
    ends, faults = Counter(), 0
    warnings.simplefilter("ignore")
    for at in range(runs):
        case = mutated(f"{seed} {at}")
        with tempfile.TemporaryDirectory() as folder:
            ended = tried(case, Path(folder))
        ends[ended.how] += 1
        if ended.fault:
            faults += 1
            told(f"── {seed} {at}: {ended.how}; {', '.join(case.told)}\n{ended.fault}\n{ended.said}")
    return ends, faults


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    start = time.perf_counter()
    ends, faults = run(given.runs, given.seed)
    print(f"{given.runs:,} runs in {time.perf_counter() - start:.0f} s: {dict(ends)}; {faults} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

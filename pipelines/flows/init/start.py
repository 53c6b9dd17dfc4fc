"""The init flow: look at what is there, write a first configuration, and try it as ``check`` would."""

import os
import re
import tomllib
from collections.abc import Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.compute as pc

from features.contracts import Breach
from features.errors import ContractError, LeadsieveError, TooLittleDataError, UsageError
from features.serialization import plain
from pipelines.environment import variables
from pipelines.files import replaced, scratch_in
from pipelines.flows.check import check_source
from pipelines.flows.dataset import pull_source
from pipelines.flows.init.columns import Looked, look
from pipelines.flows.init.draft import Choose, Draft, Option
from pipelines.flows.init.guess import guessed, stem
from pipelines.flows.init.times import set_changed, set_times
from pipelines.flows.init.words import fits
from pipelines.flows.init.writing import text_of
from pipelines.flows.runs import flow
from pipelines.settings import Settings, load_settings
from pipelines.sources.connections import ENDINGS, open_source
from pipelines.sources.engine import SERVERS, let_go, local_engine

MOST_TABLES = 30
TRIES = 8  # each mends all that the one before has found
FEW = 0.1  # rows of a table that may be left out without asking
PASSWORD = "PASSWORD"


@dataclass(frozen=True)
class Question:
    """What could have been answered in two ways, and how it was."""

    question: str
    taken: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class InitReport:
    """What was written, and what ``check`` says of it.

    Attributes
    ----------
    output : Path
    columns : mapping of str to str
        What each column of the leads was taken for.
    remains : tuple of str
        What is to be mended before anything can be learned, in the user's own names.
    exit_code : int
        What ``check`` would end with.
    """

    output: Path
    columns: dict[str, str]
    notes: tuple[str, ...]
    questions: tuple[Question, ...]
    readiness: str | None
    remains: tuple[str, ...]
    exit_code: int

    @property
    def passes(self) -> bool:
        """Whether ``check`` and ``train`` would go on with it as it is."""
        return self.exit_code == 0

    def to_json(self) -> dict[str, Any]:
        """The ``init`` object of the interface."""
        return plain(
            {
                "output": self.output,
                "passes": self.passes,
                "readiness": self.readiness,
                "columns": self.columns,
                "notes": self.notes,
                "questions": self.questions,
                "remains": self.remains,
                "next": f"leadsieve check --config {self.output}",
            }
        )


@flow("init-source")
def init_source(
    target: str, output: Path, *, home: Path, now: datetime, choose: Choose, force: bool = False
) -> InitReport:
    """Write a first configuration for a file, a folder or an address.

    Parameters
    ----------
    target : str
        A CSV, Excel or Parquet file, a folder of them, or an address such as ``duckdb:crm.duckdb``.
    output : Path
        The TOML file; one that is there is left alone without ``force``.
    choose : function
        Picks one of several options that are about as likely; the likeliest comes first.

    Raises
    ------
    UsageError
        For an output that is there already, or a target that is none.
    ContractError, UnreachableError
        Where no table can be read.
    """
    if output.exists() and not force:
        raise UsageError(
            f"'{output}' is there already and was left as it is; name another --output, or say --force."
        )
    url, only = _address(target)
    asked: list[Question] = []

    def chosen(question: str, options: Sequence[Option]) -> Option:
        taken = choose(question, options)
        others = tuple(_shown(each) for each in options if each is not taken)
        asked.append(Question(question, _shown(taken), others))
        return taken

    tables, unread = _looked(url, only)
    draft = guessed(tables, chosen)
    draft.notes += unread
    if url.partition(":")[0].lower() in SERVERS:
        set_changed(draft, tables)
    written, environ = _written(url, output)
    draft.sections = {
        "source": {"url": (written, "seen from this file's folder" if written.startswith("files:") else "")}
    } | draft.sections
    with scratch_in(home) as scratch:
        readiness, remains, code = _tried(draft, url, tables, scratch, now, chosen)
    text = text_of(draft, about=target if url.startswith("files:") else written)
    with replaced(output) as file:
        file.write_text(text, encoding="utf-8")
        load_settings(file, environ=environ)
    return InitReport(
        output, dict(draft.taken), tuple(draft.notes), tuple(asked), readiness, tuple(remains), code
    )


def _shown(option: Option) -> str:
    return f"{option.name}: {option.why}"


def _address(target: str) -> tuple[str, str | None]:
    """The address that a target means, and its only table where it is a file."""
    path = Path(target).expanduser()
    if path.is_dir():
        return f"files:{path.resolve()}", None
    if path.is_file():
        if path.suffix.lower() in (".duckdb", ".ddb"):
            return f"duckdb:{path.resolve()}", None
        if not path.name.lower().endswith(ENDINGS):
            raise UsageError(
                f"'{target}' is no CSV, Excel or Parquet file by its name; it has to end with {', '.join(ENDINGS)}."
            )
        return f"files:{path.resolve().parent}", path.name
    if ":" not in target:
        raise UsageError(
            f"there is no file or folder '{target}'; say a CSV, Excel or Parquet file, a folder of them, duckdb:FILE or postgresql://…"
        )
    scheme, _, rest = target.partition(":")
    if scheme.lower() in ("files", "duckdb"):
        return f"{scheme.lower()}:{Path(rest.removeprefix('//')).expanduser().resolve()}", None
    return target, None


def _environ() -> dict[str, str]:
    """The environment without the source that it may name: the one asked for counts."""
    return {name: value for name, value in variables().items() if name != "LEADSIEVE_SOURCE_URL"}


def _settings(draft: Draft, url: str, *, keys_alone: bool = False) -> Settings:
    """A draft as settings; ``keys_alone`` leaves what is learned from out, which is most of the reading."""
    content = deepcopy(draft.content())
    if keys_alone:
        content["source"]["leads"]["attributes"] = []
        content.pop("features", None)
    content["source"]["url"] = url
    return load_settings(None, content, environ=_environ())


def _looked(url: str, only: str | None) -> tuple[list[Looked], list[str]]:
    """A look at every table, and a note for each that cannot be read."""
    engine, filled = (
        local_engine(),
        load_settings(None, {"source": {"url": url}}, environ=_environ()).source.url,
    )
    source = open_source(filled)
    tables, unread, errors = [], [], []
    try:
        names = [only] if only else source.names()
        if not names:
            raise UsageError(
                f"there is no table in {source.url}: say a folder with CSV, Excel or Parquet files, or a database with tables."
            )
        for name in names[:MOST_TABLES]:
            try:
                looked = look(source, name, engine)
            except ContractError as error:
                if only or fits(stem(name), "leads table"):
                    raise  # another table would be taken for the leads
                errors.append(error)
                unread.append(f"{name} is not used: {' '.join(str(error).splitlines()[-1].split())}")
            else:
                (tables if looked.rows else unread).append(
                    looked if looked.rows else f"{name} is not used: it has no rows."
                )
    finally:
        source.close()
        let_go(engine)
    if not tables:
        raise (
            errors[0]
            if errors
            else UsageError(f"every table of {source.url} is empty: there is nothing to look at.")
        )
    return tables, unread


def _written(url: str, output: Path) -> tuple[str, dict[str, str]]:
    """The address as the file says it, without a password; and an environment with what it leaves out."""
    scheme, _, rest = url.partition(":")
    folder = output.absolute().parent
    if scheme in ("files", "duckdb"):
        near = os.path.relpath(rest, folder.resolve())
        return f"{scheme}:{Path(near if near.count('..') < 4 else rest).as_posix()}", _environ()
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if not password or "${" in password:
        return url, _environ()
    return url.replace(f":{password}@", f":${{{PASSWORD}}}@", 1), _environ() | {PASSWORD: password}


def _tried(
    draft: Draft, url: str, tables: Sequence[Looked], home: Path, now: datetime, choose: Choose
) -> tuple[str | None, list[str], int]:
    """What ``check`` says of a draft, mended on the way where the data say how: the verdict, what remains, and
    the exit code.
    """
    report, timed = None, False
    for _ in range(TRIES):
        try:
            if not timed:
                with closing(
                    pull_source(_settings(draft, url, keys_alone=True), home=home, until=now)
                ) as snapshot:
                    set_times(draft, snapshot.tables, now)
                timed = True
            report = check_source(_settings(draft, url), home, now)
        except ContractError as error:
            if not _mended(draft, error.breaches, tables, choose):
                return None, str(error).splitlines(), error.exit_code
            continue
        except LeadsieveError as error:
            return None, str(error).splitlines(), error.exit_code
        if not report.findings.stopping:
            break
        for leak in report.findings.stopping:
            draft.exclude(leak.column, f"{leak.verdict}: {leak.why}")
    if report is None:
        return None, ["its breaches were not mended: leadsieve check names them"], ContractError.exit_code
    for read in report.values:
        if read.worth_telling and draft.taken.get(read.column, "").startswith("learned from"):
            draft.taken[read.column] = f"learned from: {read.taken_for}, {read.how}"
    remains = [] if report.passes else list(report.readiness.reasons)
    return report.readiness.verdict, remains, 0 if report.passes else TooLittleDataError.exit_code


def _mended(draft: Draft, breaches: Sequence[Breach], tables: Sequence[Looked], choose: Choose) -> bool:
    """Whether every breach could be mended by a key: a way to read that the user picks, or a few rows left out."""
    fresh: set[tuple[str, str]] = set()
    done = [
        _way_picked(draft, each, choose) or _few_left_out(draft, each, tables, fresh) for each in breaches
    ]
    return bool(done) and all(done)


def _way_picked(draft: Draft, breach: Breach, choose: Choose) -> bool:
    told = re.search(r"\[source\.(\w+)\] (date_format|decimal) = (\{.*\})", breach.mend)
    ways = re.search(r"fits two ways, (.+?) and (.+?), such as", breach.text)
    if not told or not ways:
        return False
    section, key = f"source.{told[1]}", told[2]
    column = next(iter(tomllib.loads(f"it = {told[3]}")["it"]))
    values = [
        {"the decimal point": ".", "the decimal comma": ","}.get(each, each.strip("'"))
        for each in ways.groups()
    ]
    options = [Option(each, f"such as {breach.example}") for each in values]
    taken = choose(f"How is '{column}' written?", options).value
    other = next(each for each in values if each != taken)
    before = draft.value(section, key, {})
    draft.put(section, key, before | {column: taken}, f"'{breach.example}' fits both; or '{other}'")
    return True


def _few_left_out(
    draft: Draft, breach: Breach, tables: Sequence[Looked], fresh: set[tuple[str, str]]
) -> bool:
    """Leave the rows of a breach out if they are few; ``fresh`` are the keys set on the way, which serve several."""
    told = re.search(r"\[source\.(\w+)\] (drop_\w+) = true", breach.mend)
    if not told:
        return False
    section = f"source.{told[1]}"
    if section not in draft.sections and told[1].startswith("outcome"):
        section = "source.outcome" if "source.outcome" in draft.sections else "source.leads"
    name = draft.value(section, "table") or draft.value("source.leads", "table")
    table = next((each for each in tables if each.name == name), None)
    rows = 0 if table is None else table.rows
    if draft.value(section, told[2]):
        return (section, told[2]) in fresh
    if breach.rows > FEW * rows and not (section == "source.leads" and table and _no_leads(table, draft)):
        return False
    fresh.add((section, told[2]))
    draft.put(section, told[2], True, f"{breach.rows:,} of {rows:,} rows: {breach.column}: {breach.text}")
    return True


def _no_leads(leads: Looked, draft: Draft) -> bool:
    """Whether the rows without an id have no time either: they are lines that go on below a lead."""
    key, created = (leads.column(draft.value("source.leads", each)) for each in ("lead_id", "created_at"))
    if key is None or created is None:
        return False
    return not pc.any(pc.xor(pc.is_null(key.values), pc.is_null(created.values))).as_py()

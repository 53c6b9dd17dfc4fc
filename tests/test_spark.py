"""Spark, really run on this machine: what DuckDB says of a world, Spark says, too."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.definitions.attributes import parted
from features.definitions.emails import company_domain, is_address
from features.definitions.job_titles import SENIORITY, first_rule
from features.errors import ContractError, UnreachableError, UsageError
from features.keys import TRIED, bare
from features.labels import Horizons
from pipelines.simulation.market import simulate_tables
from pipelines.sources.connections import open_source
from pipelines.sources.engine import local_engine
from pipelines.sources.manifest import read_note
from pipelines.sources.mapping import LeadsSource, OutcomesSource, SourceSettings
from pipelines.sources.reading.columns import TIME_UTC, from_zone, md5, number, truth, word
from pipelines.sources.snapshots import opened, pull
from pipelines.sources.spark.address import read_address
from tests.commands import SIMULATED, leadsieve
from tests.decided_alike import champion, decided_alike, decided_once, proposed, waiting, world_of
from tests.same_features import agree
from tests.spark_master import address, needed
from tests.worlds import random_world, row_world, written

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)  # PySpark leaves its sockets to be collected
NOW = datetime(2026, 6, 1)
NAMES = ("leads", "events", "outcomes")


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """An engine on Spark, its home, and a folder of its own to work in."""
    needed()
    home = tmp_path_factory.mktemp("spark")
    (home / "tmp").mkdir()
    here = Path.cwd()
    (home / "working").mkdir()
    os.chdir(home / "working")
    source = open_source(address(home), connection=local_engine(home / "tmp"))
    try:
        yield source.connection
    finally:
        source.close()
        os.chdir(here)
        gc.collect()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return written(random_world(3), tmp_path_factory.mktemp("tables"))


@contextmanager
def in_parts(session, number: int) -> Iterator[None]:
    """Have what a query gives in so many partitions, however few rows there are."""
    told = {
        "spark.sql.shuffle.partitions": str(number),
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
    }
    usual = {name: session.conf.get(name) for name in told}
    for name, value in told.items():
        session.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in usual.items():
            session.conf.set(name, value)


def mapping(url: str, **changes) -> SourceSettings:
    return SourceSettings(
        **{"url": url, "leads": LeadsSource(), "outcomes": OutcomesSource(drop_inconsistent=True)} | changes
    )


def rows(table) -> list[dict]:
    return sorted(table.to_pyarrow().to_pylist(), key=lambda row: [str(value) for value in row.values()])


@pytest.mark.parametrize(
    "world",
    [random_world(0), row_world(0)],
    ids=["a world", "rows in order, no time"],
)
def test_duckdb_and_spark_agree(spark, world):
    agree(world, local_engine(), spark)


def test_workers_decide_leads_as_they_are_decided_in_one_piece_though_one_fails_at_first(
    spark, tmp_path, monkeypatch
):
    once, worked_on = tmp_path / "failed", spark.worked_on

    def failing(expr, work, schema):
        def at_first(batches):
            for batch in work(batches):
                yield batch
                if not once.exists():
                    once.touch()
                    raise RuntimeError("it was unwell")

        return worked_on(expr, at_first, schema)

    monkeypatch.setattr(spark, "worked_on", failing)
    with in_parts(spark.session, 3):
        found = proposed(waiting(world_of(4), spark))
    assert once.exists()
    decided_alike(found, 4)
    decided_once(found, tmp_path)
    assert not list(spark.home.glob("tmp/scratch-*/parts"))


def test_workers_that_cannot_score_say_why_and_nobody_is_decided(spark, monkeypatch):
    from pipelines.deciding.spark_workers import scored_by_workers

    leads = spark.create_table("two", pa.table({"lead_id": ["L1", "L2"]}), temp=True)
    worked_on = spark.worked_on

    def failing_with(failure: Exception):
        def failing(batches):
            raise failure or AssertionError("nobody asks it")

        return lambda expr, work, schema: worked_on(expr, failing, schema)

    def ask(instead) -> None:
        monkeypatch.setattr(spark, "worked_on", instead)
        list(scored_by_workers(champion(), leads, leads, ()))

    with pytest.raises(
        UnreachableError, match="Spark cannot score; nobody was decided: RuntimeError: unwell"
    ):
        ask(failing_with(RuntimeError("unwell")))
    with pytest.raises(
        UsageError, match=r"\(No module named 'pipelines'\); nobody was decided. Install leadsieve"
    ):
        ask(failing_with(ModuleNotFoundError("No module named 'pipelines'")))
    with pytest.raises(UnreachableError, match="of 2 leads that Spark's workers scored, 0 are seen here"):
        ask(lambda *given: iter(()))


TEXTS = (
    *(
        " Ann@ACME.com\n",
        "a\v",
        "\fb\u00a0",
        "x$1",
        "\\d+",
        "it's",
        "00123",
        "4711.0",
        "a|b| |c",
        ";;x; y;",
        "",
        " ",
    ),
    *(
        "İSTANBUL",
        "Straße",
        "CEO\nx",
        "vp",
        "dr. Leiter ",
        "null",
        "Ja",
        "0010x00000AbCdEAAV",
        "e@gmx.de\n",
        None,
    ),
)
NUMBERS = (0.0, -1.5, 0.0001, 123456789.125, 15_000_000.5, 4711.0, 2.0**53, float("nan"), float("inf"), None)
TIMES = (
    *(
        "2026-10-25T02:30:00",
        "2026-03-29T02:30:00",
        "2026-01-01T00:00:00.000001",
        "1969-12-31T23:59:59.999999",
    ),
    *("2026-04-05T01:45:00", "2026-07-01T12:00:00", None),
)


def test_texts_numbers_and_times_mean_the_same(spark):
    length = max(map(len, (TEXTS, NUMBERS, TIMES)))

    def padded(values, dtype):
        return pa.array([*values, *[None] * (length - len(values))], dtype)

    times = [None if time is None else datetime.fromisoformat(time) for time in TIMES]
    columns = {"n": range(length), "s": padded(TEXTS, pa.string()), "f": padded(NUMBERS, pa.float64())}
    given = pa.table(columns | {"t": padded(times, pa.timestamp("us"))})

    def said(engine: ibis.BaseBackend) -> list[dict]:
        t = engine.create_table("odd", given, temp=True, overwrite=True)
        asked = {
            "word": word(t.s), "strip": t.s.strip(), "truth": truth(t.s), "md5": md5(t.s), "address": is_address(t.s),
            "domain": company_domain(t.s), "parted": parted(t.s, "|"), "parts": parted(t.s, ";").split(";").length(),
            "rule": first_rule(t.s, SENIORITY), "lower": t.s.lower(), "joined": ibis.literal("\\1'\n\t\v|") + t.s,
            "number": number(t.f), "whole": word(t.f), "fraction": 1.0 / t.f, "third": t.f / 3.0,
            "from zone": from_zone("Europe/Amsterdam", t.t).cast("timestamp(6)"),
            "half hour": from_zone("Australia/Lord_Howe", t.t).cast("timestamp(6)"),
            "day": t.t.truncate("D"), "hour": t.t.hour(), "weekday": t.t.day_of_week.index(),
            "age": t.t.delta(ibis.literal(datetime(2024, 2, 29)), unit="microsecond"),
            "later": t.t + ibis.interval(microseconds=86_400_000_001), "seconds": t.t + t.n.cast("int64").as_interval("s"),
            "instant": t.t.cast(TIME_UTC).cast("timestamp(6)"), "none": t.f.isnull(), "sum": t.n.sum().over(ibis.window(order_by="n", preceding=None, following=0)),
        }  # fmt: skip
        asked |= {f"bare {'+'.join(steps)}": bare(t.s, steps) for steps in TRIED}
        return t.select("n", **asked).to_pyarrow().sort_by("n").to_pylist()

    for one, other in zip(said(local_engine()), said(spark), strict=True):
        for name, value in one.items():
            same = pytest.approx(value, rel=1e-9, nan_ok=True) if isinstance(value, float) else value
            assert other[name] == same, (name, one["n"])


def test_a_folder_on_spark_hands_out_the_very_rows_of_the_files(spark, folder, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for name in NAMES:
        table = pq.read_table(folder / ("events" if name == "events" else f"{name}.parquet"))
        pq.write_table(table, files / f"{name}.parquet")
    plain = pull(mapping(f"files:{files}"), Horizons(), home=tmp_path, until=NOW)
    remote = pull(mapping(address(folder), engine="source"), Horizons(), home=tmp_path, until=NOW)
    assert remote.tables.leads.get_backend().name == "pyspark"
    assert (plain.warnings, plain.counts) == (remote.warnings, remote.counts)
    copied = opened(remote.folder, read_note(remote.folder), connection=local_engine())
    for name in NAMES:
        tables = [getattr(each, name) for each in (plain.tables, copied, remote.tables)]
        assert tables[0].schema() == tables[1].schema() == tables[2].schema(), name
        assert rows(tables[0]) == rows(tables[1]) == rows(tables[2]), name
    remote.close()


def test_a_check_on_spark_says_what_one_of_the_files_says(spark, tmp_path):
    (tmp_path / "market").mkdir()
    for name, table in simulate_tables(SIMULATED).items():
        pq.write_table(table, tmp_path / "market" / f"{name}.parquet")
    said = []
    for name, url in (("here", f"files:{tmp_path / 'market'}"), ("there", address(tmp_path / "market"))):
        (tmp_path / f"{name}.toml").write_text(f'[source]\nurl = "{url}"\nengine = "source"\n')
        told = leadsieve("check", "--config", tmp_path / f"{name}.toml", "--json", home=tmp_path / name)
        assert (told.code, told.err) == (0, "")
        said.append(told.json)
        seconds = said[-1].pop("seconds")
        assert seconds["guard"] > 0  # columns were tried for leaks
    assert said[0] == said[1]


def test_a_breach_is_found_on_spark_before_a_row_travels(spark, tmp_path):
    world = random_world(3)
    world.events.loc[world.events.index[:3], "lead_id"] = "nobody"
    world.leads.loc[world.leads.index[5], "created_at"] = None
    (written(world, tmp_path) / "outcomes.parquet").unlink()
    with pytest.raises(ContractError) as raised:
        pull(
            mapping(address(tmp_path), engine="source", outcomes=None),
            Horizons(),
            home=tmp_path / "home",
            until=NOW,
        )
    assert str(raised.value) == (
        "table 'leads' breaks its contract in 1 place; nothing was stored.\n"
        f"  created_at: 1 row is empty, such as for lead '{world.leads.lead_id.iloc[5]}'. Fill them at the source, or drop them with "
        "[source.leads] drop_incomplete = true.\n"
        "table 'events' breaks its contract in 1 place; nothing was stored.\n"
        "  lead_id: 3 rows are of leads that table leads does not have, such as 'nobody'. Add those leads at the source, or drop the rows with "
        "[source.events] drop_unknown_leads = true."
    )
    assert not list((tmp_path / "home" / "snapshots").iterdir())


def test_tables_of_a_catalog_are_read_by_their_names(spark, folder, tmp_path):
    session = spark.session
    session.sql("CREATE DATABASE crm")
    try:
        for name in NAMES:
            path = folder / ("events" if name == "events" else f"{name}.parquet")
            session.read.parquet(str(path)).write.saveAsTable(f"crm.{name}")
        url = address(database="crm")
        found = pull(mapping(url), Horizons(), home=tmp_path, until=NOW)
        assert found.counts["events"] == pq.read_table(folder / "events").num_rows
        assert rows(found.tables.leads.select("lead_id", "created_at")) == rows(
            ibis.memtable(pq.read_table(folder / "leads.parquet")).select("lead_id", "created_at")
        )
        with pytest.raises(
            ContractError, match=r"no such table in spark://local.*; it has events, leads, outcomes"
        ):
            pull(mapping(url, leads=LeadsSource(table="lead")), Horizons(), home=tmp_path, until=NOW)
    finally:
        session.sql("DROP DATABASE crm CASCADE")


def test_nothing_is_left_outside_the_home_and_only_this_machine_is_listened_to(spark):
    assert list(Path.cwd().iterdir()) == []
    process = spark.session.sparkContext._gateway.proc.pid
    inodes = {os.readlink(each) for each in Path(f"/proc/{process}/fd").iterdir() if each.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in inodes:
                assert local.partition(":")[0].endswith("0100007F"), line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("spark://local[2]?files=/x", "say how many cores as cores=2"),
        ("spark://local?cores=two", "cores=two, which is no whole number"),
        ("spark://local?files=exports", "a folder 'exports' that does not begin at the root"),
        ("spark://local/srv/crm", "say files=/srv/crm"),
        ("spark://local?memory=2g", "has an option 'memory'"),
        ("spark://local?spark.sql.ansi.enabled=false", "on which what features mean rests"),
    ],
)
def test_an_address_that_cannot_be_read_says_what_mends_it(url, words):
    with pytest.raises(UsageError, match="an address is such as") as raised:
        read_address(url)
    assert words in str(raised.value)


def test_an_address_says_where_how_large_and_what_is_read():
    found = read_address("spark://master.example?database=crm&cores=8&spark.executor.memory=4g")
    assert (found.master, found.database, found.files) == ("spark://master.example:7077", "crm", None)
    assert found.settings == {"spark.cores.max": "8", "spark.executor.memory": "4g"}
    assert read_address("spark://local?files=s3a://bucket/crm").master == "local[*]"


def test_a_folder_that_spark_does_not_find_is_named(spark, tmp_path):
    with pytest.raises(UsageError, match="Spark finds no folder '/nowhere'"):
        open_source(address(Path("/nowhere")), connection=local_engine(tmp_path / "tmp"))


def test_a_secret_in_an_address_of_spark_is_never_shown():
    url = "spark://local?files=s3a://bucket/crm&spark.hadoop.fs.s3a.secret.key=geheim"
    assert "geheim" not in SourceSettings(url=url).model_dump(mode="json")["url"]
    with pytest.raises(UsageError) as raised:
        read_address(f"{url}&cores=x")
    assert "geheim" not in str(raised.value)

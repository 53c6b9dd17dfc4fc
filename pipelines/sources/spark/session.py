"""The one Spark of this process: begun when it is first asked for, ended with the process or by another address."""

import atexit
import logging
import os
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from features.errors import UnreachableError, UsageError
from pipelines.environment import variables
from pipelines.files import scratch_in, temporary_in
from pipelines.sources.spark.address import FIXED, SparkAddress

PATIENCE = 10  # seconds for a master to answer
WORKERS = 60  # seconds for the first worker
BATCH = 100_000
QUIET = ("py4j", "SQLQueryContextLogger")
JAVA = "spark.driver.extraJavaOptions"
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@dataclass(frozen=True)
class _Running:
    master: str
    settings: dict[str, str]
    session: SparkSession
    ending: ExitStack


_running: _Running | None = None


def session_of(address: SparkAddress, home: Path | None) -> SparkSession:
    """A session with names of its own on the Spark of an address.

    What Spark writes for a moment lies in a folder of the home, or where there is none, of the system.

    Raises
    ------
    UsageError
        Without Java.
    UnreachableError
        If there is no such master, or it gives no worker.
    """
    global _running
    if _running is None or (_running.master, _running.settings) != (address.master, address.settings):
        end()
        _running = _begun(address, home)
    session = _running.session.newSession()
    if address.database:
        session.catalog.setCurrentDatabase(address.database)
    return session


def end() -> None:
    """End this process's Spark, if there is one."""
    global _running
    if _running is not None:
        running, _running = _running, None
        running.ending.close()


def _begun(address: SparkAddress, home: Path | None) -> _Running:
    if not variables().get("JAVA_HOME") and shutil.which("java") is None:
        raise UsageError(
            "spark: needs Java 17; install it, such as openjdk-17-jre-headless, or set JAVA_HOME."
        )
    if not address.is_local:
        _answers(address.master)
    for name in QUIET:  # what matters is raised, too
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with ExitStack() as ending:
        folder = Path(ending.enter_context(scratch_in(home) if home else TemporaryDirectory()))
        conf = SparkConf(loadDefaults=False).setAll(_settings(address, folder).items())
        log = ending.enter_context((folder / "log").open("w+"))
        try:
            with temporary_in(folder):
                gateway = launch_gateway(conf, popen_kwargs={"stdout": log, "stderr": log})
            ending.callback(gateway.proc.wait)
            ending.callback(gateway.proc.stdin.close)  # on which it ends
            ending.callback(gateway.shutdown)
            context = SparkContext(conf=conf, gateway=gateway)
            ending.callback(_forget)
            ending.callback(context.stop)
            # what runs Python beside the data: ours, or on workers elsewhere what they have
            context.pythonExec = conf.get("spark.pyspark.python", "python3")
        except (PySparkException, Py4JError) as error:
            log.seek(0)
            said = next((line for line in log if "ERROR" in line or "Exception" in line), str(error)).strip()
            raise UnreachableError(f"{address.master} could not be begun: {said}") from error
        if not address.is_local:
            _has_workers(context, address.master)
        atexit.register(end)
        return _Running(address.master, address.settings, SparkSession(context), ending.pop_all())


def _settings(address: SparkAddress, folder: Path) -> dict[str, str]:
    """All of Spark's settings: what is usual, then what the address says, then what is fixed."""
    java = f"-Djava.io.tmpdir={folder} -Dderby.system.home={folder} -XX:-UsePerfData"
    usual = {
        "spark.app.name": "leadsieve",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "WARN",
        "spark.driver.memory": "2g",
        "spark.driver.maxResultSize": "0",  # the matrix is fetched whole
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
    }
    if address.is_local:
        cores = address.master.removeprefix("local[").rstrip("]").partition(",")[0]
        shares = 4 * (int(cores) if cores.isdecimal() else os.cpu_count() or 1)
        usual |= LOOPBACK | {
            "spark.pyspark.python": sys.executable,
            "spark.sql.shuffle.partitions": str(shares),
        }
    ours = FIXED | {"spark.master": address.master, JAVA: f"{java} {address.settings.get(JAVA, '')}".strip()}
    return usual | address.settings | ours


def _answers(master: str) -> None:
    """Ask a master for a connection: Spark itself would try for a minute."""
    host, _, port = master.removeprefix("spark://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise UnreachableError(f"{master} does not answer: {error.strerror or error}") from error


def _has_workers(context: SparkContext, master: str) -> None:
    """Wait for the first worker: a query on a cluster without any would wait for ever."""
    until = time.monotonic() + WORKERS
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the first is ours
        if time.monotonic() > until:
            raise UnreachableError(
                f"{master} gives us no worker within {WORKERS} seconds: are there any, and have they the memory that is asked for?"
            )
        time.sleep(0.2)


def _forget() -> None:
    """Let PySpark begin another Java next time: it keeps the one it has had."""
    SparkContext._gateway = SparkContext._jvm = None

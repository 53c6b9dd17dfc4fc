"""A Spark for tests, beside us or a cluster on this machine, and whether there can be one."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tests.conftest import absent

# A young Java translates little; four tasks for a few rows would cost more than the rows.
YOUNG = "-XX:TieredStopAtLevel=1"
BRISK = {
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.extraJavaOptions": YOUNG,
    "spark.task.maxFailures": "2",
}
ON_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
PATIENCE = 120  # seconds


def needed() -> None:
    """Skip where there is no Spark, or no Java."""
    if importlib.util.find_spec("pyspark") is None:
        absent("Spark, which comes with pip install -e '.[spark]',")
    if shutil.which("java") is None:
        absent("Java, which Spark needs,")


def address(files: Path | None = None, master: str = "local", **more: str) -> str:
    """The address of a Spark on this machine."""
    told = {"cores": "2"} | ({} if files is None else {"files": str(files)}) | BRISK | more
    return f"spark://{master}?{urlencode(told)}"


def on_cluster(master: str, files: Path) -> str:
    """The address of a cluster of two small workers that see the same files as we."""
    size = {
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.executor.extraJavaOptions": YOUNG,
    }
    python = {"spark.pyspark.python": sys.executable}
    return address(files, master, **ON_LOOPBACK, **size, **python, **{"spark.sql.shuffle.partitions": "2"})


@contextmanager
def cluster(folder: Path, workers: int = 2, memory: str = "600m") -> Iterator[str]:
    """A master and its workers, each a process that listens to this machine alone; gives the master's host and port."""
    spark = importlib.util.find_spec("pyspark").submodule_search_locations[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master = f"127.0.0.1:{free.getsockname()[1]}"
    local = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(folder), "SPARK_DAEMON_MEMORY": "256m"}
    java = {"SPARK_LAUNCHER_OPTS": "-XX:-UsePerfData", "SPARK_DAEMON_JAVA_OPTS": f"-XX:-UsePerfData {YOUNG}"}
    program = f"{spark}/bin/spark-class"

    with ExitStack() as ending:

        def begin(name: str, *words: str) -> Path:
            log = folder / f"{name}-{len(list(folder.glob('*.log')))}.log"
            kind = f"org.apache.spark.deploy.{name}.{name.capitalize()}"
            process = subprocess.Popen(
                [program, kind, "--host", "127.0.0.1", "--webui-port", "0", *words],
                stdout=ending.enter_context(log.open("w")),
                stderr=subprocess.STDOUT,
                env=os.environ | local | java,
            )
            ending.callback(process.wait)
            ending.callback(process.terminate)
            return log

        def wait_for(log: Path, words: str) -> None:
            until = time.monotonic() + PATIENCE
            while words not in log.read_text():
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)

        wait_for(begin("master", "--port", master.rpartition(":")[2]), "New state: ALIVE")
        share = ("--cores", "1", "--memory", memory, "--work-dir", str(folder / "work"))
        logs = [begin("worker", *share, f"spark://{master}") for _ in range(workers)]
        for log in logs:
            wait_for(log, "Successfully registered with master")
        yield master

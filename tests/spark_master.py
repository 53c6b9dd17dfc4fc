"""A Spark for tests, and whether there can be one."""

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import urlencode

from tests.conftest import absent

# A young Java translates little; four tasks for a few rows would cost more than the rows.
BRISK = {"spark.sql.shuffle.partitions": "1", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}


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

"""Addresses of Spark: a master, what is read there, and how large the cluster is to be."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from features.errors import UsageError
from pipelines.addresses import redacted

EXAMPLE = "spark://local?files=/srv/crm&cores=4, or spark://master.example:7077?database=crm&spark.executor.memory=8g"
# What the definitions rest on: the same everywhere.
FIXED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}


@dataclass(frozen=True)
class SparkAddress:
    """What an address of Spark says.

    Attributes
    ----------
    master : str
        As Spark names it: ``local[*]``, or ``spark://host:7077``.
    files : str, optional
        A folder of Parquet files, or of folders of such; without it the tables are those of Spark's catalog.
    database : str, optional
        Of the catalog.
    scratch : str, optional
        A folder that workers write to for a moment, and that is seen here, too.
    settings : mapping of str to str
        Spark's own, as the address has them.
    """

    master: str
    files: str | None = None
    database: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    scratch: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether all of Spark runs beside us."""
        return self.master.startswith("local")


def read_address(url: str) -> SparkAddress:
    """What an address says.

    Raises
    ------
    UsageError
        For one that cannot be read, with the mend.
    """

    def wrong(why: str) -> UsageError:
        return UsageError(f"'{redacted(url)}' {why}; an address is such as {EXAMPLE}.")

    try:
        parts = urlsplit(url)
        host, port, given = (
            parts.hostname,
            parts.port,
            dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))),
        )
    except ValueError:
        raise wrong(
            "cannot be read: say how many cores as cores=2, and special characters as %26 for &"
        ) from None
    if parts.path.strip("/"):
        raise wrong(f"names '{parts.path}' behind the master: say files={parts.path}")
    files, database, cores, scratch = (
        given.pop(name, None) for name in ("files", "database", "cores", "scratch")
    )
    for name in given:
        if name in FIXED:
            raise wrong(f"sets {name}, on which what features mean rests: leave it away")
        if not name.startswith("spark."):
            raise wrong(
                f"has an option '{name}': there are files, database, cores, scratch, and Spark's own settings, all spark.…"
            )
    for folder in (files, scratch):
        if folder is not None and not (folder.startswith("/") or ":" in folder):
            raise wrong(f"has a folder '{folder}' that does not begin at the root")
    if cores is not None and not (cores.isdecimal() and int(cores)):
        raise wrong(f"says cores={cores}, which is no whole number")
    if host in (None, "local"):
        tries = given.get("spark.task.maxFailures")  # beside us Spark reads it nowhere else
        return SparkAddress(
            f"local[{cores or '*'}{f',{tries}' if tries else ''}]", files, database, given, scratch
        )
    size = {} if cores is None else {"spark.cores.max": cores}
    return SparkAddress(f"spark://{host}:{port or 7077}", files, database, given | size, scratch)

"""The process's environment, touched here alone: what users set there, and what libraries must find there
before they are imported.

Kept free of heavy imports, so that ``--help`` answers at once.
"""

import ctypes
import gc
import getpass
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.prefect_server import address_of, secret_of

DEFAULT_HOME = Path(".leadsieve")
LIBRARIES = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Threads that wait for each other by spinning take ten times as long as soon as another process wants the
    # same core.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Fits run side by side as it is: more threads inside each would only get in each other's way.
    "OPENBLAS_NUM_THREADS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    # What starts Spark is a Java of its own, which would leave its counters in the system's temporary folder.
    "SPARK_LAUNCHER_OPTS": "-XX:-UsePerfData",
}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as malloc.h numbers them
# What goes wrong with a single command is told once, by the command line.
ALONE = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


def home_folder(given: Path | None = None) -> Path:
    """Where snapshots, models and the decision log live: as given, else LEADSIEVE_HOME, else ``.leadsieve``."""
    return (given or Path(os.environ.get("LEADSIEVE_HOME") or DEFAULT_HOME)).expanduser().absolute()


def login_name() -> str:
    """Who runs this process; empty where the machine does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def variables() -> Mapping[str, str]:
    """What users have set: a configuration's ``${NAME}``, and LEADSIEVE_SOURCE_URL."""
    return os.environ


def keep_in(home: Path, *, serving: bool = False) -> None:
    """Keep Prefect and MLflow inside ``home``, and quiet unless they serve; whatever the user has set wins.

    Runs go to the Prefect server that PREFECT_API_URL names, else to the one that runs beside this home, else
    nowhere. Before either library is imported.
    """
    defaults = {"PREFECT_HOME": str(home / "prefect"), **LIBRARIES, **({} if serving else ALONE)}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Leads are nobody else's business. What the owner has opened to a group stays so.
    if (mode := stat.S_IMODE(home.stat().st_mode)) & stat.S_IRWXO:
        with suppress(PermissionError):
            home.chmod(mode & ~stat.S_IRWXO)
    if not serving and "PREFECT_API_URL" not in os.environ and (address := address_of(home)):
        run_on(address, secret_of(home))


def run_on(address: str, secret: str) -> None:
    """Have Prefect's clients, those of child processes too, speak to a server that asks for a secret."""
    os.environ.update(PREFECT_API_URL=address, PREFECT_API_AUTH_STRING=secret)


def only_scoring() -> None:
    """Keep scikit-learn out of a process that never fits: LightGBM would import it, 60 MB, for wrappers that
    nobody here uses.
    """
    sys.modules.setdefault("sklearn", None)


def giving_back() -> None:
    """Give memory that is free back at once, in a process that runs for weeks: a tenth of all, and half of
    what loading a version adds.

    Arrow's own allocator keeps it, and glibc's takes ever larger pieces from the heap, where they leave
    holes, in a heap of its own for each of many threads. Before Arrow is imported.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):  # glibc has it
        for threshold in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            allocator.mallopt(threshold, 128 * 1024)
        allocator.mallopt(M_ARENA_MAX, 2)


@contextmanager
def patient_collector() -> Iterator[None]:
    """Look for garbage less often: a sixth of all imports, and more where a million rows become tuples, goes
    into finding none.
    """
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)

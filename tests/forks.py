"""Many commands in processes of their own without the seconds that imports take: a parent that has imported
everything forks for each.

A child can be killed when it is about to touch the world for the n-th time: open a file to write, rename,
make or remove one, or send SQL that changes something. That needs no list of worst moments: it is every
moment there is. Or in the middle of a write, whatever library does it: when a file grows beyond a length.
Or its disk fails, at the n-th write, fsync, rename or open of whatever library.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import REPOSITORY, absent

PARENT = r"""
import ctypes, importlib.util, json, os, pathlib, resource, signal, sys, threading
from pipelines.environment import keep_in
keep_in(pathlib.Path(sys.argv[1]))
for name in (
    "prefect", "mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "lightgbm",
    "ibis.backends.duckdb", "matplotlib.backends.backend_agg", "pipelines.cli.main",
):
    importlib.import_module(name)
spark = importlib.util.find_spec("pyspark") is not None  # of an extra that not everybody has
for file in pathlib.Path("pipelines").rglob("[a-z]*.py"):
    if "spark" in file.parts and not spark:
        continue
    importlib.import_module(".".join(file.with_suffix("").parts))
assert threading.active_count() == 1

def blank(figure, file, **_):
    file.write_bytes(b"blank") if isinstance(file, pathlib.Path) else file.write(b"blank")

import matplotlib.figure
matplotlib.figure.Figure.savefig = blank  # nobody looks at them, and they take a third of a training

def touching(last, by, watched, count):
    import sqlalchemy
    seen = [0]
    def touch():
        seen[0] += 1
        if seen[0] == last:
            os.kill(os.getpid(), by)
        os.pwrite(count, b"%9d" % seen[0], 0)
    def audited(event, args):
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
        if writes and isinstance(args[0], (str, bytes)) and os.fsdecode(args[0]).startswith(watched):
            touch()
    def executed(connection, cursor, statement, *rest):
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER "):
            touch()
    sys.addaudithook(audited)
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", executed)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", lambda connection: touch())

KINDS = ("write", "sync", "rename", "open")
disk = ctypes.CDLL(None)

print("ready", flush=True)
for line in sys.stdin:
    runs = json.loads(line)
    pids = []
    for run in runs:
        pid = os.fork()
        if pid == 0:
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(f"{run['said']}.{name}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
            touching(run["last"], run["by"], run["watched"], os.open(f"{run['said']}.count", os.O_CREAT | os.O_TRUNC | os.O_WRONLY))
            if run["longest_file"]:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python would turn into an error
                resource.setrlimit(resource.RLIMIT_FSIZE, (run["longest_file"],) * 2)
            if run["fails"]:
                kind, at, code, lasts = run["fails"]
                disk.fault_arm(KINDS.index(kind), at, code, lasts, run["watched"].encode())
                if run["record"]:
                    disk.fault_record(run["record"].encode())
            from pipelines.cli.main import main
            code = main(run["words"]) if run["words"][0] != "-c" else exec(run["words"][1]) or 0
            sys.stdout.flush()
            if run["fails"]:
                counted = {kind: disk.fault_seen(number) for number, kind in enumerate(KINDS)}
                pathlib.Path(f"{run['said']}.faults").write_text(json.dumps(counted))
            os._exit(code)
        pids.append(pid)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)
"""


class Forks:
    """Runs commands in forked children."""

    def __init__(self, parent: subprocess.Popen[str], scratch: Path) -> None:
        self.parent, self.scratch = parent, scratch
        self.system = scratch / "system"  # the system's folder for what is temporary

    def run(
        self,
        *commands: Sequence[object],
        home: Path,
        kill_at: int = 0,
        by: signal.Signals = signal.SIGKILL,
        longest_file: int = 0,
        fails: tuple[str, int, int, bool] | None = None,
        record: Path | None = None,
    ) -> list[tuple[int, str, str]]:
        """Exit code, output and errors of commands that run at once.

        With ``kill_at`` they get a signal, to die at once, at their n-th touch of the world, with ``longest_file`` in a write that
        makes a file of more bytes. With ``fails``, the n-th write, sync, rename or open ends in an error of
        this number, and where that lasts every later one, too. What stands behind ``-c`` is Python instead of a command.
        With ``record`` the power goes at that moment instead, and what was on the disk is written there.
        """
        said = [str(self.scratch / f"{number}") for number in range(len(commands))]
        runs = [
            {
                "words": [*map(str, words), "--home", str(home)],
                "last": kill_at,
                "by": by,
                "longest_file": longest_file,
                "fails": fails,
                "record": record and str(record),
                "watched": str(home.parent),
                "said": place,
            }
            for words, place in zip(commands, said, strict=True)
        ]
        self.parent.stdin.write(json.dumps(runs) + "\n")
        self.parent.stdin.flush()
        codes = json.loads(self.parent.stdout.readline())
        return [
            (code, Path(f"{place}.out").read_text(), Path(f"{place}.err").read_text())
            for code, place in zip(codes, said, strict=True)
        ]

    def told(self, *words: object, home: Path) -> str:
        """The output of one command, which has to succeed."""
        code, out, err = self.run(words, home=home)[0]
        assert code == 0, err
        return out

    def counted(self) -> dict[str, int]:
        """How many writes, syncs, renames and opens the first command of the last run made, if its disk was to fail."""
        return json.loads((self.scratch / "0.faults").read_text())

    def touches(self) -> int:
        """How often the first command of the last run touched the world."""
        return int((self.scratch / "0.count").read_text())


def failing_disk(scratch: Path) -> Path:
    """The library that lets a disk fail, built by this machine's compiler."""
    library = scratch / "faults.so"
    if not (compiler := shutil.which("cc")):
        absent("a C compiler")
    words = ["-shared", "-fPIC", "-O1", "-o", library, REPOSITORY / "tests" / "faults.c", "-ldl"]
    subprocess.run([compiler, *words], check=True)
    return library


@contextmanager
def forks(scratch: Path) -> Iterator[Forks]:
    """A parent with everything imported."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LEADSIEVE_")}
    environ |= {"PYTHONPATH": str(REPOSITORY), "LD_PRELOAD": str(failing_disk(scratch))}
    environ |= {"TMPDIR": str(scratch / "system")}
    for name in ("parent", "system"):
        (scratch / name).mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(scratch / "parent")],
        cwd=REPOSITORY, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout.readline() == "ready\n"
        yield Forks(parent, scratch)
        parent.stdin.close()

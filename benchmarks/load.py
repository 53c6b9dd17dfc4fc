"""A desk under load: many people and programs at once, for minutes. Everybody gets an answer, or is told when to ask again.

    python -m benchmarks.load [SECONDS] [CLIENTS]

The desk is a process of its own on a home of made-up leads. Of ten clients six look and answer, two ask for scores and
decisions, one reads the log, and one drops files. It ends with how many answers there were of which kind, how long
they took, and how the memory of the desk went; and with 1 if one was an error.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil

from benchmarks.to_the_desk import _end, _free, _program, _said

LEADS = 5_000
CONFIG = f'[source]\nurl = "simulated:?leads={LEADS}&months=12"\n[evaluation]\nblocks = 3\nresamples = 20\n'
WAITING = ("/queue", "/queue?grade=A", "/queue?q=anna")  # lists of leads to answer
PAGES = (
    *WAITING,
    "/queue?list=mine",
    "/held",
    "/alignment",
    "/export.csv?grade=A",
)
PASSWORD = "four words of no sense"
GOOD = (200, 303, 409, 503)  # a lead that somebody else has answered is a 409


class Told:
    """What all clients were told, and after how long."""

    def __init__(self) -> None:
        self.lock, self.seconds = threading.Lock(), defaultdict(list)
        self.statuses: Counter[tuple[str, int | str]] = Counter()
        self.wrong: list[str] = []

    def ask(self, kind: str, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        begun = time.perf_counter()
        try:
            answer = send()
        except httpx.HTTPError as error:
            with self.lock:
                self.statuses[kind, type(error).__name__] += 1
            return None
        with self.lock:
            self.statuses[kind, answer.status_code] += 1
            self.seconds[kind].append(time.perf_counter() - begun)
            if answer.status_code not in GOOD:
                said = re.sub(r"<(style|head|nav).*?</\1>|<[^>]*>|\s+", " ", answer.text, flags=re.DOTALL)
                self.wrong.append(
                    f"{kind} {answer.request.url.path} {answer.status_code}: {said.strip()[-300:]}"
                )
        return answer


def main(seconds: float, clients: int) -> int:
    """Print what was measured."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        (folder / "crm.toml").write_text(CONFIG)
        home = folder / "home"
        told = ["--config", str(folder / "crm.toml"), "--home", str(home)]
        for words in (["train"], ["promote"], ["score", "--output", str(folder / "out.csv")]):
            subprocess.run([_program(), *words, *told], check=True, capture_output=True)
        key = json.loads(_said("key", "make", "crm", "--role", "ops", "--json", *told))["key"]
        for name in ("ann", "bob", "cleo"):
            _add(name, told)
        (snapshot,) = (home / "snapshots").glob("*/leads.parquet")
        listed = pd.read_parquet(snapshot).tail(100)
        port = _free()
        desk = subprocess.Popen(
            [_program(), "desk", "--port", str(port), *told],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        ending.callback(_end, desk)
        address, log = f"http://127.0.0.1:{port}", Told()
        _wait(address)
        signed_in = [_signed_in(address, name) for name in ("ann", "bob", "cleo")]
        over = time.monotonic() + seconds
        kinds = [_person] * 6 + [_program_asks] * 2 + [_reader, partial(_dropper, listed)]
        threads = [
            threading.Thread(target=_work, args=(kinds[n % 10], address, signed_in[n % 3], key, n, over, log))
            for n in range(clients)
        ]
        for thread in threads:
            thread.start()
        memory = _memory(desk, over)
        for thread in threads:
            thread.join()
    return _shown(log, memory)


def _work(
    act: Callable, address: str, cookies: httpx.Cookies, key: str, number: int, over: float, log: Told
) -> None:
    draw = random.Random(number)
    with httpx.Client(base_url=address, cookies=cookies, timeout=60) as client:
        while time.monotonic() < over:
            act(client, key, draw, log)
            time.sleep(draw.uniform(0, 0.4))


def _person(client: httpx.Client, key: str, draw: random.Random, log: Told) -> None:
    """Look at a page; now and then take or turn down a lead on it."""
    address = draw.choice(PAGES)
    page = log.ask("page", lambda: client.get(address))
    if page is None or address not in WAITING or draw.random() > 0.5:
        return
    rows = re.findall(r'<article [^>]*id="lead-.*?</article>', page.text, re.DOTALL)
    rows = [
        row for row in rows if 'value="accepted"' in row
    ]  # one that was just answered offers to undo that
    if not rows:
        return
    form = dict(re.findall(r'name="(token|lead_id|turn)" value="([^"]*)"', draw.choice(rows)))
    kind = {"kind": "rejected", "reason": "no budget"} if draw.random() < 0.5 else {"kind": "accepted"}
    log.ask("answer", lambda: client.post("/answers", data=form | kind | {"back": "/queue"}))


def _program_asks(client: httpx.Client, key: str, draw: random.Random, log: Told) -> None:
    """Ask for scores of twenty leads, or to have five decided."""
    made = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    what, count = draw.choice((("scores", 20), ("decisions", 5)))
    leads = [{"lead_id": f"load {draw.getrandbits(60)}", "created_at": made} for _ in range(count)]
    headers = {"Authorization": f"Bearer {key}"}
    log.ask(what, lambda: client.post(f"/api/{what}", json={"leads": leads}, headers=headers))


def _reader(client: httpx.Client, key: str, draw: random.Random, log: Told) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    log.ask("log", lambda: client.get("/api/decisions?limit=200", headers=headers))
    log.ask("health", lambda: client.get("/api/health"))


def _dropper(listed: pd.DataFrame, client: httpx.Client, key: str, draw: random.Random, log: Told) -> None:
    """Drop a file of leads of the source under new ids, and look at what comes of it until it is done; then think."""
    page = log.ask("page", lambda: client.get("/upload"))
    form = page.text.partition('action="/upload"')[2] if page is not None else ""
    token = re.search(r'name="token" value="([^"]*)"', form)
    if token is None:
        return
    leads = listed.assign(lead_id=[f"drop {draw.getrandbits(60)}" for _ in range(len(listed))])
    file = {"file": ("leads.csv", leads.to_csv(index=False), "text/csv")}
    put = log.ask("upload", lambda: client.post("/upload", data={"token": token[1]}, files=file))
    if put is not None and put.status_code == 303:
        while True:
            time.sleep(2)
            page = log.ask("page", lambda: client.get(put.headers["location"]))
            if page is None or "data-waiting" not in page.text:
                break
        if page is not None and page.status_code == 200 and "/scores.csv" not in page.text:
            log.wrong.append(f"upload {put.headers['location']}: nothing was scored")
    time.sleep(2)


def _add(name: str, told: list[str]) -> None:
    words = ["user", "add", name, "--role", "ops", "--password-stdin", *told]
    subprocess.run([_program(), *words], input=PASSWORD, text=True, check=True, capture_output=True)


def _wait(address: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{address}/api/health").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the desk did not come up")


def _signed_in(address: str, name: str) -> httpx.Cookies:
    """A session of somebody who has changed the first password."""
    new = f"{PASSWORD}, {name}"
    with httpx.Client(base_url=address) as client:
        for password in (PASSWORD, new):
            client.post(
                "/sign-in", data={"name": name, "password": password, "token": _token(client, "/sign-in")}
            )
            if password is PASSWORD:
                form = {"old": PASSWORD, "new": new, "token": _token(client, "/password")}
                assert client.post("/password", data=form).status_code == 303
        assert client.get("/queue").status_code == 200
        return client.cookies


def _token(client: httpx.Client, page: str) -> str:
    return re.findall(r'name="token" value="([^"]*)"', client.get(page).text)[-1]


def _memory(desk: subprocess.Popen, over: float) -> list[int]:
    """Megabytes that the desk holds, every two seconds."""
    process, found = psutil.Process(desk.pid), []
    while time.monotonic() < over:
        found.append(process.memory_info().rss >> 20)
        time.sleep(2)
    return found


def _means(values: list[int], parts: int) -> list[int]:
    """The means of as many equal parts in their order, or of fewer where there are fewer values."""
    return [round(np.mean(part)) for part in np.array_split(values, min(parts, len(values)))]


def _shown(log: Told, memory: list[int]) -> int:
    wrong = {each: count for each, count in log.statuses.items() if each[1] not in GOOD}
    for kind, took in sorted(log.seconds.items()):
        low, middle, high = np.quantile(took, (0.5, 0.95, 0.99))
        of = {
            str(status): count
            for (each, status), count in sorted(log.statuses.items(), key=str)
            if each == kind
        }
        print(f"{kind:10} {len(took):6,}  median {low:.2f}  95 % {middle:.2f}  99 % {high:.2f} s  {of}")
    warm = memory[len(memory) // 10 :]  # by then everything has been asked for once
    print(
        f"memory in MB, first, second and last third of what follows the first tenth: {_means(warm, 3)}; "
        f"by tenths of all: {_means(memory, 10)}; most {max(memory)}"
    )
    print(f"errors: {sum(wrong.values())} {wrong or ''}", *log.wrong[:20], sep="\n")
    return int(bool(wrong or log.wrong))


if __name__ == "__main__":
    SECONDS, CLIENTS = (*sys.argv[1:], "120", "50")[:2] if len(sys.argv) != 2 else (sys.argv[1], "50")
    sys.exit(main(float(SECONDS), int(CLIENTS)))

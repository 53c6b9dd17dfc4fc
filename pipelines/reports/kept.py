"""The figures of the alignment page, kept in the home: whoever opens it after a restart waits for no counting.

A file of JSON behind its own checksum. It holds no person's data but the ids in the lists behind numbers; of who is
forgotten they are taken out.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from features.serialization import dump, load
from models.registry.place import my_turn
from pipelines.files import replaced

FOLDER = "alignment"
FILE, DAMAGED, LOCK = "figures.json", "figures.damaged", "figures.lock"
LISTS = ("overlooked", "wasted")


@dataclass(frozen=True)
class Figures:
    """What was counted once.

    Attributes
    ----------
    key : str
        Tells the settings that they were counted under, and what the program keeps, from others.
    of : str
        The snapshot that they are of.
    counted_at : datetime
    seconds : float
        How long it took.
    found : dict
        As ``Alignment.to_json`` gives it.
    pictures : dict of str to str
        Each picture as the address of itself.
    """

    key: str
    of: str
    counted_at: datetime
    seconds: float
    found: dict[str, Any]
    pictures: dict[str, str]

    def without(self, gone: Callable[[list[str]], Iterable[bool]]) -> "Figures":
        """Without the leads of whom ``gone`` says so; numbers stay, for they tell of nobody."""
        effort = self.found["effort"]
        if effort is None:
            return self
        left = {}
        for name in LISTS:
            ids = effort[name]["lead_ids"]
            kept = [each for each, lost in zip(ids, gone(ids), strict=True) if not lost]
            left[name] = effort[name] | {"lead_ids": kept}
        return replace(self, found=self.found | {"effort": effort | left})

    def names(self, lead_id: str) -> bool:
        """Whether a list has a lead."""
        effort = self.found["effort"]
        return effort is not None and any(lead_id in effort[name]["lead_ids"] for name in LISTS)


def keep(home: Path, figures: Figures, gone: Callable[[], Callable[[list[str]], Iterable[bool]]]) -> Figures:
    """Keep figures in the place of older ones; newer ones stay. Gives what is kept of them.

    Parameters
    ----------
    gone : function
        Asked once nobody else keeps or forgets: tells who is forgotten by then.
    """
    with _turn(home):
        figures = figures.without(gone())
        there = _read(home)
        if there is None or there.key != figures.key or there.counted_at <= figures.counted_at:
            _write(home, figures)
    return figures


def kept(home: Path, key: str) -> Figures | None:
    """The figures that are kept, None where there are none of this key. A damaged file is set aside."""
    found = _read(home)
    if found is None and (home / FOLDER / FILE).exists():
        with _turn(home):
            if _read(home) is None and (home / FOLDER / FILE).exists():
                (home / FOLDER / FILE).replace(home / FOLDER / DAMAGED)
    return found if found is not None and found.key == key else None


def stamp(home: Path) -> tuple[int, int] | None:
    """What tells a kept file from the one before it; None where there is none."""
    try:
        found = (home / FOLDER / FILE).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def leave_out(home: Path, lead_id: str) -> None:
    """Take a lead out of what is kept. Of a damaged file nobody can tell who is in it, so it goes."""
    if not (home / FOLDER).is_dir():
        return
    with _turn(home):
        (home / FOLDER / DAMAGED).unlink(missing_ok=True)
        found = _read(home)
        if found is None:
            (home / FOLDER / FILE).unlink(missing_ok=True)
        elif found.names(lead_id):
            _write(home, found.without(lambda ids: [each == lead_id for each in ids]))


def _turn(home: Path) -> AbstractContextManager[None]:
    """While nobody else keeps figures here or takes a lead out of them."""
    (home / FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
    return my_turn(home / FOLDER / LOCK)


def _write(home: Path, figures: Figures) -> None:
    text = json.dumps(dump(figures))
    with replaced(home / FOLDER / FILE) as draft:
        draft.touch(mode=0o600)
        draft.write_text(f"{_sum(text)}\n{text}", encoding="utf-8")


def _read(home: Path) -> Figures | None:
    """What the file holds, None where there is none or it is not as it was written."""
    try:
        text = (home / FOLDER / FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    digest, _, text = text.partition("\n")
    if digest != _sum(text):
        return None
    return load(Figures, json.loads(text))


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

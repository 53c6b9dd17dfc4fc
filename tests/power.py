"""What is on a disk after a power cut: what was synced, and of the rest as little as a file system may keep.

A name is on the disk once its folder was synced, what a file holds once the file was. What was there before the
run is. Of the rest a file system may have kept some all the same, and each way of that is one of `CUTS`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Which names, and what content: on the disk for sure, or as the program last saw them.
CUTS = (("synced", "synced"), ("latest", "synced"), ("synced", "latest"))


@dataclass(frozen=True)
class Before:
    """A folder before a run: names of each folder and the content of each file, by the numbers of inodes."""

    root: Path
    names: dict[int, dict[str, int]]
    contents: dict[int, bytes]
    folders: frozenset[int]


@contextmanager
def before(root: Path) -> Iterator[Before]:
    """A folder as it is, all of it on the disk; meanwhile no number of an inode that it has is given anew."""
    everything = [root, *root.rglob("*")]
    held = [os.open(each, os.O_PATH) for each in everything]
    folders = [each for each in everything if each.is_dir()]
    try:
        yield Before(
            root,
            {each.stat().st_ino: _names(each) for each in folders},
            {each.stat().st_ino: each.read_bytes() for each in everything if each.is_file()},
            frozenset(each.stat().st_ino for each in folders),
        )
    finally:
        for descriptor in held:
            os.close(descriptor)


def after_cut(was: Before, record: Path, to: Path, *, names: str, contents: str) -> None:
    """Make ``to`` what is left of a folder.

    Parameters
    ----------
    was : Before
    record : Path
        Where each sync was written down.
    to : Path
        Must not be there.
    names, contents : str
        As in `CUTS`.
    """
    now = {each.stat().st_ino: each for each in [was.root, *was.root.rglob("*")] if not each.is_symlink()}
    folders = was.folders | {number for number, each in now.items() if each.is_dir()}

    def names_of(number: int) -> dict[str, int]:
        if names == "latest" and number in now:
            return _names(now[number])
        if (kept := record / str(number)).exists():
            pairs = (line.split(" ", 1) for line in kept.read_text().splitlines())
            return {name: int(inode) for inode, name in pairs}
        return was.names.get(number, {})

    def content_of(number: int) -> bytes:
        if contents == "latest" and number in now:
            return now[number].read_bytes()
        if (kept := record / str(number)).exists():
            return kept.read_bytes()
        return was.contents.get(number, b"")

    def put(number: int, place: Path) -> None:
        if number in folders:
            place.mkdir(mode=0o700)
            for name, inside in names_of(number).items():
                put(inside, place / name)
        else:
            place.write_bytes(content_of(number))
            place.chmod(0o600)

    put(was.root.stat().st_ino, to)


def _names(folder: Path) -> dict[str, int]:
    return {each.name: each.lstat().st_ino for each in folder.iterdir()}

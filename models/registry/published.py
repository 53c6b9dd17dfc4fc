"""The champion as plain files of the home: what scores needs no registry, and reads no file that is not as it was
published.

``champion.json`` points to a folder under ``champion/`` that holds the version's files and a manifest with the
SHA-256 of each; the pointer holds the manifest's. So every byte is vouched for before anything parses it, which
matters most for LightGBM: it ends the whole process over a model that is cut off.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from features.errors import FAILING, ContractError, UnreachableError, UsageError

POINTER, FOLDER, MANIFEST = "champion.json", "champion", "manifest.json"
LEARNED = "learned.parquet"  # the file of a version that says by their ids whom it learned from
FORMAT = 1
DRAFT = ".draft"  # what a run that was killed leaves; the next one that publishes removes it


@dataclass(frozen=True)
class Published:
    """What the pointer says.

    Attributes
    ----------
    version : str
    since : str
        When it became the champion, ISO; empty where that is not known.
    folder : str
        Of its files, from the home.
    manifest : str
        The SHA-256 of the manifest.
    """

    version: str
    since: str
    folder: str
    manifest: str

    def text(self) -> str:
        """The pointer, byte by byte."""
        return json.dumps(asdict(self), indent=1) + "\n"


class Publication:
    """The bundle of a home.

    Parameters
    ----------
    home : Path
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def read(self) -> Published | None:
        """What is published, None where nothing is. Raises ContractError where pointer or manifest is not as
        it was written.
        """
        try:
            text = (self.home / POINTER).read_bytes()
        except FileNotFoundError:
            return None
        try:
            pointer = Published(**json.loads(text))
            manifest = self.home / FOLDER / Path(pointer.folder).name / MANIFEST
        except (ValueError, TypeError):
            raise damaged(self.home / POINTER) from None
        try:
            content = manifest.read_bytes()
        except OSError:
            raise damaged(manifest, pointer.version, "cannot be read") from None
        if sha256(content) != pointer.manifest:
            raise damaged(manifest, pointer.version)
        if described(content).text().encode() != text:
            raise damaged(self.home / POINTER)
        return pointer

    def whole(self, pointer: Published) -> Path:
        """The folder of what is published. Raises ContractError where any file is not as it was published."""
        folder = self.home / pointer.folder
        try:
            content = json.loads((folder / MANIFEST).read_bytes())
        except (OSError, ValueError):
            raise damaged(folder / MANIFEST, pointer.version, "cannot be read") from None
        if content.get("format") != FORMAT:
            raise ContractError(
                f"the champion in '{folder}' is published in format {content.get('format')!r}, and this program reads "
                f"{FORMAT}; nothing was scored. Publish it again: leadsieve promote {pointer.version}."
            )
        for name, expected in content["files"].items():
            try:
                found = sha256((folder / name).read_bytes())
            except OSError:
                raise damaged(folder / name, pointer.version, "cannot be read") from None
            if found != expected:
                raise damaged(folder / name, pointer.version)
        for name in files_of(folder):
            if name != MANIFEST and name not in content["files"]:
                raise damaged(folder / name, pointer.version, "is not of it")
        return folder

    def intact(self) -> Published | None:
        """What is published, if all of it is as it was."""
        try:
            if pointer := self.read():
                self.whole(pointer)
        except ContractError:
            return None
        return pointer

    def publish(self, version: str, files: Path, since: str = "") -> Published:
        """Put a version's files in the place of those that are there, whole or not at all; to be called by one
        process at a time.

        Killed at any moment it leaves the old or the new ones, and the next call removes what is left over.
        Raises UnreachableError where the disk takes nothing, UsageError where the folder may not be written.
        """
        try:
            return self._publish(version, files, since)
        except OSError as error:
            kind = UnreachableError if error.errno in FAILING else UsageError
            raise kind(
                f"the champion cannot be published in '{self.home / FOLDER}': {error.strerror or error}; "
                "the old one stays. Make room, or let yourself write there, and promote again."
            ) from error

    def _publish(self, version: str, files: Path, since: str) -> Published:
        bundles = self.home / FOLDER
        bundles.mkdir(parents=True, exist_ok=True)
        draft = bundles / DRAFT
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(files, draft)
        sums = {name: sha256((draft / name).read_bytes()) for name in files_of(draft)}
        content = json.dumps(
            {"format": FORMAT, "version": version, "since": since, "files": sums}, indent=1
        ).encode()
        pointer = described(content)
        (draft / MANIFEST).write_bytes(content)
        for entry in (*draft.rglob("*"), draft):
            synced(entry)
        folder = self.home / pointer.folder
        if folder.exists():  # published before, and broken since: no reader can take it for whole
            shutil.rmtree(folder)
        os.replace(draft, folder)
        synced(bundles)

        self.home.joinpath(f".{POINTER}{DRAFT}").write_text(pointer.text(), encoding="utf-8")
        synced(self.home / f".{POINTER}{DRAFT}")
        os.replace(self.home / f".{POINTER}{DRAFT}", self.home / POINTER)
        synced(self.home)
        for old in bundles.iterdir():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        return pointer


def described(manifest: bytes) -> Published:
    """The pointer to the bundle that has this manifest."""
    content, digest = json.loads(manifest), sha256(manifest)
    return Published(
        content["version"], content["since"], f"{FOLDER}/{content['version']}-{digest[:12]}", digest
    )


def files_of(folder: Path) -> list[str]:
    """Every file in a folder, from it."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def damaged(file: Path, version: str = "", what: str = "is damaged") -> ContractError:
    """What is wrong with the published champion, and the mend."""
    mend = (
        f"leadsieve promote {version}."
        if version
        else "leadsieve promote N, as leadsieve versions numbers it."
    )
    return ContractError(
        f"'{file}' of the published champion {what}; nothing was scored. Publish the champion again: {mend}"
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def synced(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

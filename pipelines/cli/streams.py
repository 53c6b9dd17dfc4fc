"""Standard output and error that keep no command from its work: letters that they lack become plainer ones, and
where the reader has gone, as ``head`` does, nobody is spoken to.
"""

import codecs
import io
import os
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PLAIN = str.maketrans({**dict.fromkeys("─━–—", "-"), **dict.fromkeys("•·", "*"), "✓": "+", "…": "..."})


class Pipe(io.FileIO):
    """A stream that takes whatever it is given once nobody reads it; another failure is told once."""

    failed = False

    def write(self, text: "ReadableBuffer", /) -> int:
        """Write, as far as somebody reads."""
        if not self.failed:
            try:
                return super().write(text)
            except OSError as error:
                self.failed = True
                if not isinstance(error, BrokenPipeError):
                    raise
        return memoryview(text).nbytes


def patient_streams() -> None:
    """Put such streams in the place of the process's own."""
    codecs.register_error("plainer", _plainer)
    for name, number in (("stdout", 1), ("stderr", 2)):
        usual = getattr(sys, name)
        if usual is None:  # closed before we began
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        said = io.BufferedWriter(Pipe(number, "w", closefd=False))
        encoding, lines = (usual.encoding, usual.line_buffering) if usual else ("utf-8", False)
        setattr(sys, name, io.TextIOWrapper(said, encoding, "plainer", line_buffering=lines))


def says_everything() -> bool:
    """Whether standard output has every letter."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that a stream lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = unicodedata.normalize("NFKD", error.object[error.start : error.end].translate(PLAIN))
    return lacking.encode("ascii", "ignore").decode() or "?", error.end

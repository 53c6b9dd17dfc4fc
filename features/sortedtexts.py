"""Texts and their numbers, for looking up single ones among many without a Python object for each."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NONE = -1  # the number of a text that is not there


@dataclass(frozen=True)
class SortedTexts:
    """Different texts, numbered in the order of their UTF-8 bytes.

    A dict takes some 120 bytes for each, and a process that has once made a hundred thousand small objects stays as large.

    Attributes
    ----------
    texts : array of large_string
    ends : array of int64, shape (n + 1,)
        Where each begins in ``content``, and where the last one ends.
    content : memoryview
        The bytes of all of them, one after the other.
    """

    texts: pa.Array
    ends: np.ndarray
    content: memoryview

    @classmethod
    def of(cls, texts: pa.Array) -> "SortedTexts":
        """Of texts that are in order, each there once."""
        texts = texts.cast(pa.large_string())
        _, ends, content = texts.buffers()
        bounds = np.frombuffer(ends, np.int64)[texts.offset :][: len(texts) + 1] if len(texts) else np.zeros(1, np.int64)
        return cls(texts, bounds, memoryview(content or b""))

    def number(self, text: str) -> int | None:
        """A text's number, None where it is not there."""
        sought, count = text.encode(errors="surrogatepass"), len(self.texts)
        at = bisect_left(range(count), sought, key=self._at)
        return at if at < count and self._at(at) == sought else None

    def numbers(self, texts: pa.Array) -> np.ndarray:
        """The number of each of many texts, ``NONE`` where it is not there."""
        return pc.fill_null(pc.index_in(texts.cast(pa.large_string()), self.texts), NONE).to_numpy()

    def _at(self, number: int) -> bytes:
        return bytes(self.content[self.ends[number] : self.ends[number + 1]])

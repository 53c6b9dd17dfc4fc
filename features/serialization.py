"""Data classes as JSON: what is kept and read again, and what is told."""

from functools import cache
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import PlainSerializer, PlainValidator, TypeAdapter
from pydantic_core import to_jsonable_python


def _array(values: Any) -> np.ndarray:
    return np.array(values, dtype=float)


Kept = TypeVar("Kept")
# The type of a field that holds an array: a list in JSON.
Floats = Annotated[
    np.ndarray, PlainValidator(_array), PlainSerializer(np.ndarray.tolist, return_type=list[float])
]


def dump(kept: Any) -> dict[str, Any]:
    """A data class as values that JSON can hold, for ``load``; NaN and infinity stay what they are."""
    return _adapter(type(kept)).dump_python(kept, mode="json")


def load(kind: type[Kept], values: Any) -> Kept:
    """What ``dump`` was given, to the bit.

    Raises
    ------
    ValidationError, which is a ValueError
        Where a field lacks, is not of the data class, or holds what it cannot.
    """
    return _adapter(kind).validate_python(values, extra="forbid")


def plain(told: Any) -> Any:
    """What JSON can hold: the fields of a data class, lists for tuples, Python's numbers for numpy's, null for what
    is no number.
    """
    return to_jsonable_python(told, inf_nan_mode="null", fallback=np.generic.item)


@cache  # it takes longer to build than to use
def _adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)

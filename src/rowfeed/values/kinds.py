"""The kinds of values: a number, a date or time, text, bytes. And a driver's objects as an array of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError
from rowfeed.messages import brief
from rowfeed.values import dates, numbers
from rowfeed.values.ids import TEXT
from rowfeed.values.numbers import Locate


class ValueKind(Enum):
    """The kind of a column's values; the value is the word for one of them."""

    NUMBER = "a number"
    DATE = "a date"
    TIME = "a time"
    TEXT = "text"
    BYTES = "bytes"

    @property
    def is_fixed(self) -> bool:
        """Whether all values of this kind have one width."""
        return self not in (ValueKind.TEXT, ValueKind.BYTES)


def kind_of(dtype: np.dtype[Any]) -> ValueKind:
    """The kind of a dtype: text is numpy's StringDType, bytes are objects."""
    return _KINDS.get(dtype.kind, ValueKind.NUMBER)


_KINDS = {"M": ValueKind.DATE, "m": ValueKind.TIME, "T": ValueKind.TEXT, "O": ValueKind.BYTES}


def from_objects(objects: Sequence[Any], dtype: np.dtype[Any], locate: Locate) -> npt.NDArray[Any]:
    """Convert a driver's Python objects, exactly or not at all: (n,) of the dtype.

    Raises:
        DataError: An object is of another kind, or does not fit.
    """
    kind = kind_of(dtype)
    if kind is ValueKind.NUMBER:
        return numbers.from_objects(objects, dtype, locate)
    if kind in (ValueKind.DATE, ValueKind.TIME):
        return dates.from_objects(objects, dtype, locate)
    wanted = str if kind is ValueKind.TEXT else (bytes, bytearray, memoryview)
    odd = next((index for index, value in enumerate(objects) if not isinstance(value, wanted)), None)
    if odd is not None:
        raise DataError(
            f"expected {kind.value}; got {brief(objects[odd])} at {locate(odd)}. Fix the row, or CAST the column in a "
            "selectable."
        )
    if kind is ValueKind.TEXT:
        return np.array(objects, TEXT)
    result = np.empty(len(objects), object)
    result[:] = [bytes(value) for value in objects]
    return result


def size_of(column: npt.NDArray[Any]) -> int:
    """Bytes of a column, including those that its elements only point to."""
    kind = kind_of(column.dtype)
    if kind is ValueKind.TEXT:
        return column.nbytes + int(np.strings.str_len(column).sum())
    return column.nbytes + (sum(map(len, column)) if kind is ValueKind.BYTES else 0)


def dtype_of(value: Any) -> np.dtype[Any] | None:
    """The dtype that keeps the order of a driver's objects like this one; None if there is none.

    Two DECIMALs that differ after 15 digits may be equal in it.
    """
    if isinstance(value, (bool, int)):
        return np.dtype(np.int64)
    if isinstance(value, Decimal):
        return np.dtype(np.int64 if value.as_tuple().exponent == 0 else np.float64)
    if isinstance(value, float):
        return np.dtype(np.float64)
    if isinstance(value, str):
        return TEXT
    if isinstance(value, (bytes, bytearray, memoryview)):
        return np.dtype(object)
    of_date = dates.dtype_for(value)
    return None if of_date is None else np.dtype(f"{of_date.partition('[')[0]}[us]")

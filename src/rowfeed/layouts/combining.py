"""Several values of a cell become one: sum, mean, max or min. Integers exactly or not at all, reals as numerics has it.

What comes as integers is combined as integers. What comes as float64 may be reals, or numbers of both kinds, as DECIMAL
or SQLite have them. Of these, whole numbers count as integers, unless the column is known to hold reals only.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import numpy as np

from rowfeed.errors import DataError
from rowfeed.layouts.base import Array
from rowfeed.values.numbers import from_objects, to_dtype

EXACT = 2.0**53
"""Below this number float64 holds every integer: so sums of whole numbers are exact, in any order."""

LOW = 2**32 - 1

Locate = Callable[[int], str]


def combined(how: str, key: Array, value: Array, starts: Array, dtype: Any, reals: bool, locate: Locate) -> Array:
    """One value for each cell, in a dtype. The order of rows changes no bit of it.

    Args:
        how: `sum`, `mean`, `max` or `min`.
        key: The cell of each row.
        value: The value of each row: int64, uint64 or float64.
        starts: Where the rows of each cell begin, in the order of keys.
        dtype: The dtype of the result.
        reals: Whether float64 values are reals only.
        locate: The place of a cell, for a message.

    Raises:
        DataError: The dtype does not hold a result.
    """
    whole_type = value.dtype.kind != "f"
    ties = (value,) if whole_type else (~np.signbit(value), value)  # -0.0 comes before 0.0
    ordered = value[np.lexsort((*ties, key))]
    counts = np.diff(np.append(starts, ordered.size))
    if how in ("max", "min"):
        result = ordered[starts if how == "min" else starts + counts - 1]
        if how == "min" and not whole_type:  # NaN comes last
            last = ordered[starts + counts - 1]
            result = np.where(np.isnan(last), last, result)
        return result_of(result, dtype, reals, locate)
    if whole_type:
        total, beyond = _exact_sums(ordered, starts)
        if how == "mean":
            return _means(ordered, starts, counts, total, beyond, dtype, locate)
        if beyond.any():
            raise _overflow(how, "64 bits", locate(int(np.argmax(beyond))))
        return to_dtype(total, dtype, locate)
    return _combined_reals(how, ordered, starts, counts, dtype, reals, locate)


def result_of(value: Array, dtype: Any, reals: bool, locate: Locate) -> Array:
    """Values of cells in a dtype. Whole numbers must be held exactly, unless the column has reals only."""
    converted = to_dtype(value, dtype, locate)
    if value.dtype.kind == "f" and not reals and np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize < 8:
        lost = np.flatnonzero((converted != value) & (np.floor(value) == value))
        if lost.size:
            from_objects([int(value[lost[0]])], np.dtype(dtype), lambda _: locate(int(lost[0])))
    return converted


def _combined_reals(
    how: str, ordered: Array, starts: Array, counts: Array, dtype: Any, reals: bool, locate: Locate
) -> Array:
    """Sums add ascending values one by one; sums of whole numbers beyond `EXACT` are made of Python's integers."""
    cell = np.repeat(np.arange(starts.size), counts)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.bincount(cell, weights=ordered)
    total = np.where(counts == 1, ordered[starts], total)  # bincount adds to 0.0, which -0.0 does not survive
    overflow = ~np.isfinite(total) & np.logical_and.reduceat(np.isfinite(ordered), starts)
    if overflow.any():
        raise _overflow(how, "float64", locate(int(np.argmax(overflow))))
    result = total if how == "sum" else total / counts
    if reals:
        return to_dtype(result, dtype, locate)
    whole = np.logical_and.reduceat(np.isfinite(ordered) & (np.floor(ordered) == ordered), starts)
    large = whole & (np.bincount(cell, weights=np.abs(ordered)) >= EXACT)
    exact = {}
    for index in np.flatnonzero(large).tolist():
        number = sum(map(int, ordered[starts[index] : starts[index] + counts[index]].tolist()))
        one = number if how == "sum" else _mean(number, int(counts[index]))
        exact[index] = from_objects([one], np.dtype(dtype), partial(_at, locate, index))[0]
    # A mean that is whole is no integer if its values are none: 0.5 and 1.5.
    checked = np.where(whole & ~large, result, 0)
    result_of(checked, dtype, False, locate)
    converted = to_dtype(np.where(np.isin(np.arange(result.size), list(exact)), 0, result), dtype, locate)
    for index, number in exact.items():
        converted[index] = number
    return converted


def _exact_sums(ordered: Array, starts: Array) -> tuple[Array, Array]:
    """Sums of 64-bit integers, and which of them 64 bits do not hold. Both halves are added by themselves.

    The sums are int64, or uint64 if one is above 2^63 - 1; then 64 bits do not hold the negative ones.
    """
    if ordered.dtype == np.uint64:
        halves = (ordered >> np.uint64(32)).astype(np.int64), (ordered & np.uint64(LOW)).astype(np.int64)
    else:
        halves = ordered >> 32, ordered & LOW
    high, low = (np.add.reduceat(half, starts) for half in halves)
    high, low = high + (low >> 32), low & LOW
    signed, unsigned = (high >= -(2**31)) & (high < 2**31), (high >= 0) & (high < 2**32)
    if bool(signed.all()) or not bool(unsigned.all()):
        return np.asarray((high << 32) | low), ~signed
    return np.asarray((high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)), ~unsigned


def _means(
    ordered: Array, starts: Array, counts: Array, total: Array, beyond: Array, dtype: Any, locate: Locate
) -> Array:
    """Means of integers: whole ones are integers, others reals."""
    quotient, rest = np.divmod(np.where(beyond, 0, total).astype(total.dtype), counts.astype(total.dtype))
    result = to_dtype(np.where(rest == 0, quotient, 0).astype(total.dtype), dtype, locate)
    broken = np.flatnonzero(rest)
    if broken.size and np.dtype(dtype).kind != "f":
        index = int(broken[0])
        number = int(quotient[index]) * int(counts[index]) + int(rest[index])
        from_objects([_mean(number, int(counts[index]))], np.dtype(dtype), partial(_at, locate, index))
    if broken.size:
        reals = quotient[broken].astype(np.float64) + rest[broken] / counts[broken]
        result[broken] = to_dtype(reals, dtype, lambda index: locate(int(broken[index])))
    for index in np.flatnonzero(beyond).tolist():  # 64 bits hold the mean, but not the sum
        number = sum(ordered[starts[index] : starts[index] + counts[index]].tolist())
        one = _mean(number, int(counts[index]))
        result[index] = from_objects([one], np.dtype(dtype), partial(_at, locate, index))[0]
    return result


def _mean(total: int, count: int) -> int | Decimal:
    """A mean that is whole as an integer, another one with so many digits that it is not."""
    if total % count == 0:
        return total // count
    with localcontext(prec=60):
        return Decimal(total) / count


def _at(locate: Locate, cell: int, _: int) -> str:
    return locate(cell)


def _overflow(how: str, room: str, place: str) -> DataError:
    return DataError(
        f"expected a {how} within {room}; got an overflow at {place}. Fix the rows, or aggregate them in a selectable."
    )

"""Numbers in the requested dtype, exactly or not at all.

The rule: an integer must survive unchanged. A real number is rounded to the nearest number of a float dtype, as
everywhere in numerics, but must not overflow; for an integer dtype it must be a whole number. NaN and infinity are
accepted by float dtypes only. A DECIMAL is an integer if it is whole, else a real. That is rounded once, from all its
digits. Dates and times are not numbers: only datetime64 and timedelta64 accept them (`rowfeed.values.dates`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError
from rowfeed.messages import brief
from rowfeed.values import dates

Locate = Callable[[int], str]
"""Gives the place of value i, for a message: `USER_MATRIX.value, user_id=12`."""


def to_dtype(data: npt.NDArray[Any], dtype: np.dtype[Any], locate: Locate) -> npt.NDArray[Any]:
    """Convert numbers to a dtype, exactly as the module says.

    Args:
        data: bool, integers or floats, (n,).
        dtype: Any boolean, integer or float dtype.
        locate: Called with the index of the first value that does not fit.

    Raises:
        DataError: A value does not fit.
    """
    if data.dtype == dtype or (dtype.kind == "f" and _all_held(data, dtype)):
        return data.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = data.astype(dtype)
        if data.dtype.kind == "f" and dtype.kind == "f":
            bad = np.isinf(converted) & ~np.isinf(data)
        elif data.dtype.kind == "f":
            bad = ~(np.isfinite(data) & _within(data, dtype) & (converted.astype(data.dtype) == data))
        elif dtype.kind == "f":
            bad = ~_same_integer(converted, data)
        else:
            back = converted.astype(data.dtype)
            bad = (back != data) | ((data < 0) != (converted < 0))
    if bad.any():
        first = int(np.argmax(bad))
        raise _unfit(data[first].item(), dtype, locate(first))
    return converted


def unchanged(data: npt.NDArray[Any], dtype: np.dtype[Any], locate: Locate) -> npt.NDArray[Any]:
    """Convert numbers to a dtype that changes none of them, for writing: reals are not rounded either.

    Raises:
        DataError: A value would change.
    """
    converted = to_dtype(data, dtype, locate)
    changed = (converted != data) & ~((converted != converted) & (data != data))
    if changed.any():
        first = int(np.argmax(changed))
        raise _unfit(data[first].item(), dtype, locate(first))
    return converted


def from_objects(objects: Sequence[Any], dtype: np.dtype[Any], locate: Locate) -> npt.NDArray[Any]:
    """Convert a driver's Python objects, each by its own type.

    Raises:
        DataError: An object is not a number, or does not fit.
    """
    numbers = [_number(value, dtype, locate, index) for index, value in enumerate(objects)]
    real = np.array([isinstance(number, float) for number in numbers], bool)
    negative = np.array([number < 0 for number in numbers], bool)
    result = np.empty(len(numbers), dtype)
    for mask, wide in ((real, np.float64), (~real & negative, np.int64), (~real & ~negative, np.uint64)):
        chosen = np.flatnonzero(mask)
        if chosen.size:
            data: npt.NDArray[Any] = np.array([numbers[i] for i in chosen.tolist()], wide)
            result[chosen] = to_dtype(data, dtype, _of(locate, chosen))
    return result


def decimals_fit(data: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether DECIMALs, given as the nearest DOUBLEs, convert to a dtype as they would from all their digits.

    They do under two conditions. All are below the first integer that the dtype or DOUBLE lacks: whole numbers are
    exact there. And none is so near the middle of two numbers of the dtype that rounding twice might matter.
    """
    limit = 2.0 ** (np.finfo(dtype).nmant + 1 if dtype.kind == "f" else 53)
    if not bool((np.abs(data) < limit).all()):
        return False
    if dtype.kind != "f" or dtype.itemsize == 8:
        return True
    return bool((np.nextafter(data, np.inf).astype(dtype) == np.nextafter(data, -np.inf).astype(dtype)).all())


def _number(value: Any, dtype: np.dtype[Any], locate: Locate, index: int) -> int | float:
    """A number within int64, uint64 or float64."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return float(value)
        if value != value.to_integral_value():
            return _real(value, dtype, locate, index)
        value = int(value)
    if isinstance(value, float):
        return value
    if not isinstance(value, int):
        of_date = dates.dtype_for(value)
        way = f'Read it with Columns(…, dtype="{of_date}")' if of_date else "Fix the row"
        raise DataError(
            f"expected a number; got {brief(value)} at {locate(index)}. {way}, or CAST the column in a selectable."
        )
    if -(2**63) <= value < 2**64:
        return value
    if dtype.kind == "f" and abs(value) <= int(np.finfo(dtype).max) and int(dtype.type(float(value))) == value:
        return float(value)
    raise _unfit(value, dtype, locate(index))


def _real(value: Decimal, dtype: np.dtype[Any], locate: Locate, index: int) -> float:
    """A DECIMAL that is not whole as a float64 that rounds to a float dtype as the DECIMAL itself.

    For narrow dtypes: of the two float64 around it, the odd one, which is never the middle of two narrower numbers.
    Source: S. Boldo and G. Melquiond, "Emulation of FMA and Correctly Rounded Sums", IEEE Trans. Computers, 2008.
    """
    near = float(value)
    if dtype.kind != "f" or math.isinf(near):
        raise _unfit(value, dtype, locate(index))
    if dtype.itemsize == 8 or near == value:
        return near
    other = math.nextafter(near, math.inf if value > near else -math.inf)
    return near if np.float64(near).view(np.int64) & 1 else other


def _of(locate: Locate, chosen: npt.NDArray[np.intp]) -> Locate:
    return lambda index: locate(int(chosen[index]))


def _all_held(data: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether a float dtype holds every integer between the least and the greatest of these integers."""
    if data.dtype.kind not in "iu" or not data.size:
        return False
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    return bool(-limit <= int(data.min()) and int(data.max()) <= limit)


def _within(data: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    if dtype.kind == "b":
        return np.asarray((data >= 0) & (data <= 1))
    info = np.iinfo(dtype)
    return np.asarray((data >= float(info.min)) & (data < float(info.max) + (1 if info.bits < 64 else 0)))


def _same_integer(real: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each float equals the integer it was made from, although 2^63 and 2^64 do not fit back."""
    wide = real.astype(np.float64)
    top = float(2**64 if whole.dtype.kind == "u" else 2**63)
    fits = np.isfinite(wide) & (wide < top) if whole.dtype.kind in "iu" else np.isfinite(wide)
    return np.asarray(fits & (np.where(fits, wide, 0).astype(whole.dtype) == whole))


def _unfit(value: Any, dtype: np.dtype[Any], place: str) -> DataError:
    whole = dtype.kind in "iu" and not isinstance(value, Decimal) and value == value // 1
    names = ("int64", "uint64", "float64") if whole else ("float32", "float64", "int64", "uint64")
    wider = next((name for name in names if _holds(name, value)), None)
    advice = f'Pass dtype="{wider}"' if wider else "CAST the column in a selectable"
    return DataError(
        f"expected a value that {dtype} holds exactly; got {brief(value)} at {place}. {advice}, or fix the row."
    )


def _holds(name: str, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return name == "float64"
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            held = np.array(value).astype(name).item()
        except (OverflowError, ValueError):
            return False
    return bool(held == value) or (name == "float64" and not isinstance(value, int) and math.isfinite(held))

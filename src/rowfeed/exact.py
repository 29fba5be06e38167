"""Into the asked dtype, exactly or not at all.

The rule: an integer must survive unchanged. A real number is rounded to the nearest one that a float dtype has, as
everywhere in numerics, but must not overflow; for an integer dtype it must be a whole number. NaN and infinity pass
into float dtypes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError

Where = Callable[[int], str]
"""Says where the value number i comes from, for a message: `USER_MATRIX.value, user_id=12`."""


def to_dtype(data: npt.NDArray[Any], dtype: np.dtype[Any], where: Where) -> npt.NDArray[Any]:
    """Convert numbers to a dtype, exactly as the module says.

    Args:
        data: bool, integers or floats, (n,).
        dtype: Any boolean, integer or float dtype.
        where: Called with the index of the first value that does not fit.

    Raises:
        DataError: A value does not fit.
    """
    if data.dtype == dtype:
        return data
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
        raise _unfit(data[first].item(), dtype, where(first))
    return converted


def unchanged(data: npt.NDArray[Any], dtype: np.dtype[Any], where: Where) -> npt.NDArray[Any]:
    """Convert numbers to a dtype that changes none of them, for writing: reals are not rounded either.

    Raises:
        DataError: A value would change.
    """
    converted = to_dtype(data, dtype, where)
    changed = (converted != data) & ~((converted != converted) & (data != data))
    if changed.any():
        first = int(np.argmax(changed))
        raise _unfit(data[first].item(), dtype, where(first))
    return converted


def from_objects(objects: Sequence[Any], dtype: np.dtype[Any], where: Where) -> npt.NDArray[Any]:
    """Convert what a driver gave as Python objects; each by its own type.

    Raises:
        DataError: An object is no number, or does not fit.
    """
    numbers = [_number(value, where, index) for index, value in enumerate(objects)]
    real = np.array([isinstance(number, float) for number in numbers], bool)
    result = np.empty(len(numbers), dtype)
    for chosen, convert in ((np.flatnonzero(real), _reals), (np.flatnonzero(~real), _integers)):
        if chosen.size:
            result[chosen] = convert([numbers[i] for i in chosen.tolist()], dtype, _of(where, chosen))
    return result


def _number(value: Any, where: Where, index: int) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, (float, int)):
        return value
    raise DataError(
        f"expected a number; got {_brief(value)} at {where(index)}. Fix the row, or CAST the column in a selectable."
    )


def _of(where: Where, chosen: npt.NDArray[np.intp]) -> Where:
    return lambda index: where(int(chosen[index]))


def _reals(numbers: list[int | float], dtype: np.dtype[Any], where: Where) -> npt.NDArray[Any]:
    return to_dtype(np.array(numbers, np.float64), dtype, where)


def _integers(numbers: list[int | float], dtype: np.dtype[Any], where: Where) -> npt.NDArray[Any]:
    wide = np.uint64 if min(numbers) >= 0 else np.int64
    for index, number in enumerate(numbers):
        if not np.iinfo(wide).min <= number <= np.iinfo(wide).max:
            raise _unfit(number, dtype, where(index))
    return to_dtype(np.array([int(number) for number in numbers], wide), dtype, where)


def _within(data: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    if dtype.kind == "b":
        return np.asarray((data >= 0) & (data <= 1))
    info = np.iinfo(dtype)
    return np.asarray((data >= float(info.min)) & (data < float(info.max) + (1 if info.bits < 64 else 0)))


def _same_integer(real: npt.NDArray[Any], whole: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a float equals the integer it was made from, although 2^63 and 2^64 do not fit back."""
    wide = real.astype(np.float64)
    top = float(2**64 if whole.dtype.kind == "u" else 2**63)
    fits = np.isfinite(wide) & (wide < top) if whole.dtype.kind in "iu" else np.isfinite(wide)
    return np.asarray(fits & (np.where(fits, wide, 0).astype(whole.dtype) == whole))


def _unfit(value: Any, dtype: np.dtype[Any], where: str) -> DataError:
    whole = dtype.kind in "iu" and value == value // 1
    names = ("int64", "uint64") if whole else ("float32", "float64", "int64", "uint64")
    wider = next((name for name in names if _holds(name, value)), None)
    advice = f'Pass dtype="{wider}"' if wider else "CAST the column in a selectable"
    return DataError(
        f"expected a value that {dtype} holds exactly; got {value!r} at {where}. {advice}, or fix the row."
    )


def _holds(name: str, value: Any) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            held = np.array(value).astype(name).item()
        except OverflowError:
            return False
    return bool(held == value) or (isinstance(value, float) and name == "float64")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."

"""Arguments of layouts, checked as far as they can be without a database."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.base import Array
from rowfeed.messages import brief, may_hold_secret
from rowfeed.values.dates import NAMES, NOUNS, converted, is_date, unit_of
from rowfeed.values.kinds import from_objects
from rowfeed.values.numbers import unchanged


def checked_dtype(dtype: Any, dates: bool = False) -> np.dtype[Any]:
    """A dtype that arrays can have.

    Args:
        dtype: The user's argument.
        dates: Whether dates and times are allowed as well.

    Raises:
        ArgumentError: It is not boolean, integer or float.
    """
    try:
        result: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        result = np.dtype(object)
    if is_date(result):
        if not dates:
            raise ArgumentError(
                f"expected a boolean, integer or float dtype, as a grid is of numbers; got dtype={brief(dtype)}. "
                "Read dates with Columns, or CAST them to numbers in a selectable."
            )
        if unit_of(result) is None:
            name = NAMES[result.kind]
            raise ArgumentError(
                f'expected {name} in one of the units D, h, m, s, ms, us; got dtype={brief(dtype)}. Use "{name}[us]".'
            )
        return result
    if result.kind not in "biuf" or result.itemsize > 8:
        raise ArgumentError(
            f'expected a boolean, integer or float dtype of at most 8 bytes; got dtype={brief(dtype)}. Use "float32".'
        )
    return result


def checked_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ArgumentError unless the value is one of the choices."""
    if value not in choices:
        raise ArgumentError(f"expected one of {', '.join(choices)}; got {name}={brief(value)}. Choose one of them.")


def checked_sample(value: Any) -> str:
    """The name of the column with the sample id.

    Raises:
        ArgumentError: It is not one name.
    """
    if isinstance(value, (list, tuple)) and len(value) > 1 and all(isinstance(name, str) for name in value):
        first, second, *_ = value
        raise ArgumentError(
            f"expected one column with the sample id; got sample={brief(value)}. Join them to one id in a selectable: "
            f'sqlalchemy.select((t.c[{brief(first)}] * 1_000_000 + t.c[{brief(second)}]).label("id"), ...), or as text '
            'with "-" between them.'
        )
    if not isinstance(value, str) or not value or may_hold_secret(value):
        raise ArgumentError(f"expected a column name; got sample={brief(value)}. Name the column with the sample id.")
    return value


def checked_names(name: str, value: str | Sequence[str]) -> tuple[str, ...]:
    """One or several column names as a tuple, each once.

    Raises:
        ArgumentError: There is none, one is not text, or one is named twice.
    """
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else (None,)
    right = bool(names) and all(isinstance(n, str) and n and not may_hold_secret(n) for n in names)
    if not right or len(set(names)) < len(names):
        raise ArgumentError(
            f"expected a column name or a list of distinct ones; got {name}={brief(value)}. Name the columns to read."
        )
    return names


def unchanged_array(part: Array, dtype: np.dtype[Any], first: int) -> Array:
    """Samples to write, in the layout's dtype and C order, their values unchanged.

    Args:
        part: (samples, ...).
        dtype: The dtype of the layout.
        first: The number of the first sample, for messages.

    Raises:
        DataError: A value would change.
    """
    if is_date(dtype):
        if part.dtype.kind != dtype.kind or unit_of(part.dtype) is None:
            raise ArgumentError(f"expected an array of {dtype.name}; got dtype {part.dtype}. Convert it first.")
        cells = max(1, prod(part.shape[1:]))
        return converted(part.reshape(-1), dtype, lambda index: f"arrays[{first + index // cells}]").reshape(part.shape)
    if part.dtype.kind not in "biuf":
        raise ArgumentError(f"expected arrays of numbers; got dtype {part.dtype}. Convert them first.")
    cells = max(1, prod(part.shape[1:]))
    flat = unchanged(part.reshape(-1), dtype, lambda index: f"arrays[{first + index // cells}]")
    return np.ascontiguousarray(flat).reshape(part.shape)


def checked_date_fill(fill: Any, dtype: np.dtype[Any], needed: bool) -> Any:
    """A fill of dates or times as a numpy scalar; NaT if none is given or needed.

    Raises:
        ArgumentError: It is needed and not given, or the dtype does not hold it.
    """
    if isinstance(fill, int) and fill == 0 and not needed:
        return np.array("NaT", dtype)[()]
    name = NAMES[dtype.kind]
    try:
        result = np.array(fill if isinstance(fill, (np.datetime64, np.timedelta64)) else None, dtype)[()]
        if isinstance(fill, (np.datetime64, np.timedelta64)):
            held = fill.dtype.kind == dtype.kind and (np.isnat(fill) or bool(result == fill))
        elif isinstance(fill, str) and fill.lower() == "nat":
            held = True
        else:
            result, held = from_objects([fill], dtype, lambda _: "fill")[0], True
    except (DataError, TypeError, ValueError):
        held = False
    if not held:
        raise ArgumentError(
            f'expected {NOUNS[dtype.kind]} that {dtype.name} holds, or "NaT", with null="fill"; got '
            f'fill={brief(fill)}. Pass fill=numpy.{name}(…) or fill="NaT".'
        )
    return result


def checked_fill(fill: Any, dtype: np.dtype[Any]) -> float:
    """A fill as a Python number that the dtype holds.

    Raises:
        ArgumentError: It is not a number, or the dtype does not hold it.
    """
    value = fill.item() if isinstance(fill, np.generic) else fill
    try:
        from_objects([value], dtype, lambda _: "fill")
    except DataError as error:
        raise ArgumentError(
            f"expected a fill that {dtype} can hold; got fill={brief(fill)}. Change fill or dtype."
        ) from error
    return float(value) if isinstance(value, float) or dtype.kind == "f" else int(value)

"""Dates and times as numpy's datetime64 and timedelta64, exactly or not at all.

DATE, DATETIME and TIMESTAMP become datetime64, TIME becomes timedelta64, in units from days to microseconds. A value
with a time zone is an instant, and is read in UTC. Text is read as ISO 8601, the form in which SQLite keeps dates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError
from rowfeed.messages import brief

MICROSECONDS = {"D": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
"""The units and their lengths."""

NOUNS = {"M": "a date", "m": "a time"}
NAMES = {"M": "datetime64", "m": "timedelta64"}
EPOCH = datetime(1970, 1, 1)

_ZONE = r" ?(?:Z|(?P<sign>[+-])(?P<zh>\d\d)(?::?(?P<zm>\d\d)(?::(?P<zs>\d\d))?)?)"
_CLOCK = r"(?P<h>\d\d):(?P<mi>\d\d)(?::(?P<s>\d\d)(?:\.(?P<f>\d+))?)?"
_DATE = re.compile(
    rf"(?P<y>-?\d{{4,}})-(?P<mo>\d\d)-(?P<d>\d\d)(?: \((?P<bc>BC)\))?(?:[ T]{_CLOCK}(?:{_ZONE})?)?(?: (?P<bc_>BC))?",
    re.ASCII,
)
_TIME = re.compile(r"(?P<minus>-?)" + _CLOCK.replace(r"\d\d", r"\d{2,4}", 1), re.ASCII)


def is_date(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is one of dates or times."""
    return dtype.kind in NOUNS


def unit_of(dtype: np.dtype[Any]) -> str | None:
    """The unit of a dtype of dates or times; None if it is not in MICROSECONDS."""
    unit, count = np.datetime_data(dtype)
    return unit if count == 1 and unit in MICROSECONDS else None


def from_objects(objects: Sequence[Any], dtype: np.dtype[Any], locate: Callable[[int], str]) -> npt.NDArray[Any]:
    """Convert a driver's objects for dates or times.

    Args:
        objects: Objects of `datetime`, or ISO text; a numpy object is a fill.
        dtype: datetime64 or timedelta64.
        locate: Gives the place of object i, for messages.

    Raises:
        DataError: An object is not a date or not a time, or the dtype does not hold it.
    """
    unit = str(unit_of(dtype))
    result = np.empty(len(objects), f"{dtype.kind}8[{unit}]")
    for index, value in enumerate(objects):
        if isinstance(value, (np.datetime64, np.timedelta64)):
            result[index] = value
            continue
        exact = _microseconds(value, dtype.kind)
        if exact is None:
            raise DataError(_no_date(value, dtype.kind, locate(index)))
        ticks, rest = divmod(exact, MICROSECONDS[unit])
        if rest or abs(ticks) >= 2**63:
            fine = _unit_for(exact)
            advice = f'Pass dtype="{NAMES[dtype.kind]}[{fine}]"' if fine else "CAST the column in a selectable"
            noun = NOUNS[dtype.kind]
            raise DataError(
                f"expected {noun} that {dtype.name} holds exactly; got {brief(value)} at {locate(index)}. "
                f"{advice}, or fix the row."
            )
        result[index] = np.array(ticks, np.int64).view(result.dtype)
    return result.astype(dtype)


def from_ticks(ticks: npt.NDArray[np.int64], unit: str, days: int, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Convert ticks of a unit, counted from `days` days after 1970; None if one does not fit."""
    size, wanted = MICROSECONDS[unit], MICROSECONDS[str(unit_of(dtype))]
    limit = np.iinfo(np.int64).max
    if wanted >= size:
        counted, rest = np.divmod(ticks, wanted // size)
        if rest.any():
            return None
    else:
        if bool((np.abs(ticks) > limit // (size // wanted)).any()):
            return None
        counted = ticks * (size // wanted)
    shift = days * (MICROSECONDS["D"] // wanted)
    if bool((counted > limit - shift).any()) or bool((counted < -limit).any()):
        return None
    return (counted + shift).view(f"{dtype.kind}8[{unit_of(dtype)}]").astype(dtype)


def dtype_for(value: Any) -> str | None:
    """The dtype for a driver's object that is a date or a time; None for others."""
    for kind in NOUNS:
        exact = _microseconds(value, kind)
        unit = None if exact is None else _unit_for(exact)
        if unit:
            return f"{NAMES[kind]}[{unit}]"
    return None


def converted(array: npt.NDArray[Any], dtype: np.dtype[Any], locate: Callable[[int], str]) -> npt.NDArray[Any]:
    """Dates to write, in the dtype of a layout, unchanged.

    Raises:
        DataError: A date would change, or is NaT.
    """
    result = array.astype(dtype)
    bad = np.isnat(array) | (result.astype(array.dtype) != array) | (np.isnat(result) != np.isnat(array))
    bad |= np.sign(result.view(np.int64)) != np.sign(array.view(np.int64))
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"expected {NOUNS[dtype.kind]} that {dtype.name} holds exactly; got {array[first]} at {locate(first)}. "
            "Change it, or the dtype of the layout."
        )
    return result


def clock(elapsed: timedelta) -> str:
    """A time in SQL's form: `-838:59:59.000001`."""
    total = elapsed // timedelta(microseconds=1)
    seconds, part = divmod(abs(total), 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{part:06}"
    return f"-{text}" if total < 0 else text


def _microseconds(value: Any, kind: str) -> int | Fraction | None:
    """Microseconds since 1970, or since midnight; None for anything else."""
    if kind == "M":
        if isinstance(value, datetime):
            naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return (naive - EPOCH) // timedelta(microseconds=1)
        if isinstance(value, date):
            return (value - EPOCH.date()).days * MICROSECONDS["D"]
        return _parsed_date(value) if isinstance(value, str) else None
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, time) and value.tzinfo is None:
        whole = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
        return whole // timedelta(microseconds=1)
    return _parsed_time(value) if isinstance(value, str) else None


def _parsed_date(text: str) -> int | Fraction | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = int(found["y"]), int(found["mo"]), int(found["d"])
    year = 1 - year if found["bc"] or found["bc_"] else year
    if not 1 <= month <= 12 or not 1 <= day <= _days_in_month(year, month):
        return None
    of_day = 0 if found["h"] is None else _clock(found, 23)
    if of_day is None:
        return None
    offset = sum(int(found[name] or 0) * size for name, size in (("zh", 3600), ("zm", 60), ("zs", 1))) * 1_000_000
    return _days(year, month, day) * MICROSECONDS["D"] + of_day - (-offset if found["sign"] == "-" else offset)


def _parsed_time(text: str) -> int | Fraction | None:
    found = _TIME.fullmatch(text)
    exact = _clock(found, 9999) if found else None
    return -exact if found and found["minus"] and exact is not None else exact


def _clock(found: re.Match[str], hours: int) -> int | Fraction | None:
    hour, minute, second = int(found["h"]), int(found["mi"]), int(found["s"] or 0)
    if hour > hours or minute > 59 or second > 59:
        return None
    part = Fraction(int(found["f"]), 10 ** len(found["f"])) * 1_000_000 if found["f"] else Fraction(0)
    return (hour * 3600 + minute * 60 + second) * 1_000_000 + (int(part) if part.denominator == 1 else part)


def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970 in the Gregorian calendar, for any year; 0 is 1 BC. Years are counted from March on."""
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719_469


def _unit_for(exact: int | Fraction) -> str | None:
    """The coarsest of the usual units that holds a time in microseconds exactly."""
    usual = ((unit, MICROSECONDS[unit]) for unit in ("D", "s", "ms", "us"))
    return next((unit for unit, size in usual if exact % size == 0 and abs(exact // size) < 2**63), None)


def _no_date(value: Any, kind: str, place: str) -> str:
    other = _microseconds(value, "m" if kind == "M" else "M")
    number = isinstance(value, (int, float)) or type(value).__name__ == "Decimal"
    if other is not None:
        way = f'Pass dtype="{dtype_for(value)}"'
    else:
        way = 'Pass a numeric dtype such as "float64"' if number else "Fix the row, leave it out with where="
    return f"expected {NOUNS[kind]}; got {brief(value)} at {place}. {way}, or CAST the column in a selectable."

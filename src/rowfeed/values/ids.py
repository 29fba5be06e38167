"""Sample ids: integers or text, whatever the kind of the key column.

Integers are int64, or uint64 if one is above 2^63 - 1. Text is text. UUIDs are their canonical text,
`str(uuid.UUID(…))`, bytes are lower-case hexadecimal text, `bytes.hex()`, and dates are ISO text, `date.isoformat()`,
the form in which SQLite keeps them: so ids are compared, sorted, hashed and
listed in the same way on every engine. Dialects send them to the database in the column's own kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError, SchemaError
from rowfeed.messages import brief

Ids: TypeAlias = npt.NDArray[Any]
"""Sample ids: ascending int64 or uint64, or text (numpy StringDType) in the order of code points: that of its UTF-8."""

TEXT = np.dtypes.StringDType()
INT64_MAX = 2**63 - 1


class IdKind(Enum):
    """The kind of the ids in a key column; the value is the word for it."""

    INTEGERS = "integers"
    TEXT = "text"
    UUIDS = "UUIDs"
    BYTES = "bytes"
    DATES = "dates"


FORMS = {
    IdKind.UUIDS: re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    IdKind.BYTES: re.compile(r"(?:[0-9a-f]{2})*"),
    IdKind.DATES: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
}
"""The text form of ids that are not text in the database."""

HOW_TO_WRITE = {
    IdKind.UUIDS: "in canonical text, '123e4567-e89b-12d3-a456-426614174000'; got {}. "
    "Pass uuid.UUID objects, or str(uuid.UUID(text)).",
    IdKind.DATES: "in ISO text, '2024-12-31'; got {}. Pass datetime.date objects, or their .isoformat().",
    IdKind.BYTES: "in lower-case hexadecimal text, '00ff'; got {}. Pass bytes objects, or their .hex().",
}


def ids_from_objects(objects: Sequence[Any], table: str, column: str) -> tuple[IdKind, Ids]:
    """Sample ids as an array, and their kind.

    Raises:
        DataError: One is NULL.
        SchemaError: They are not all of one kind, or their kind cannot be an id.
    """
    if all(isinstance(value, str) for value in objects):
        return IdKind.TEXT, np.array(objects, TEXT)
    at = f"{table}.{column}"
    if any(value is None for value in objects):
        raise DataError(
            f"expected a sample id in every row; got NULL at {at}. "
            f'Fix the row, or leave it out with where="{column} IS NOT NULL".'
        )
    kinds = [_kind_of(value) for value in objects]
    kind = kinds[0]
    odd = next((value for value, other in zip(objects, kinds, strict=True) if other is None or other != kind), None)
    if kind is None or odd is not None:
        ways = "CAST it to text in a selectable" if isinstance(odd, MOMENTS) else "CAST it in a selectable"
        raise SchemaError(
            f"expected sample ids that are all integers or all text, all UUIDs, all bytes or all dates; got "
            f"{brief(odd)} at {at}. Name another column, or {ways}."
        )
    if kind is IdKind.INTEGERS:
        return kind, _integers([int(value) for value in objects], at)
    name = namer(kind)
    return kind, np.array([name(value) for value in objects], TEXT)


MOMENTS = (datetime, time, timedelta)
"""Objects without one text form on all engines: SQLite has them as any text."""


def _kind_of(value: Any) -> IdKind | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, np.integer)):
        return IdKind.INTEGERS
    if isinstance(value, Decimal):
        return IdKind.INTEGERS if value.is_finite() and value == value.to_integral_value() else None
    if isinstance(value, str):
        return IdKind.TEXT
    if isinstance(value, UUID):
        return IdKind.UUIDS
    if isinstance(value, date) and not isinstance(value, datetime):
        return IdKind.DATES
    return IdKind.BYTES if isinstance(value, (bytes, bytearray, memoryview)) else None


def _integers(numbers: list[int], at: str) -> Ids:
    low, high = min(numbers), max(numbers)
    if low >= -(2**63) and high <= INT64_MAX:
        return np.array(numbers, np.int64)
    if low < -(2**63) or high >= 2**64:
        raise SchemaError(
            f"expected sample ids of at most 64 bits; got a larger integer at {at}. CAST it to text in a selectable."
        )
    if low < 0:
        raise _no_common_type(low, high, at)
    return np.array(numbers, np.uint64)


def _no_common_type(low: int, high: int, at: str) -> SchemaError:
    return SchemaError(
        f"expected sample ids that are all below 2^63 or none of them negative; got {low} and {high} at {at}. "
        "CAST them to text in a selectable."
    )


def namer(kind: IdKind) -> Callable[[Any], Any]:
    """A function from a row's value in such a column to the sample's id; other values give the id of no sample."""
    if kind in (IdKind.UUIDS, IdKind.DATES):
        return str
    if kind is IdKind.BYTES:
        return lambda value: bytes(value).hex() if isinstance(value, (bytes, bytearray, memoryview)) else None
    return lambda value: value


def objects_of(ids: Ids, kind: IdKind) -> list[Any]:
    """Sample ids as the Python objects that a driver accepts for such a column."""
    convert: dict[IdKind, Callable[[str], Any]] = {
        IdKind.UUIDS: UUID,
        IdKind.BYTES: bytes.fromhex,
        IdKind.DATES: date.fromisoformat,
    }
    return [convert[kind](name) for name in ids.tolist()] if kind in convert else ids.tolist()


def check_kind(ids: Ids, given: IdKind, kind: IdKind, table: str, column: str) -> None:
    """Check that ids of the given kind can be ids of a column.

    Raises:
        SchemaError: They are of another kind, or not written like the ids of such a column.
    """
    if given is kind:
        return
    at, first = f"{table}.{column}", ids[:1].tolist()[0]
    numbers = IdKind.INTEGERS in (given, kind)
    if numbers or (given is IdKind.BYTES and kind is IdKind.TEXT):
        raise SchemaError(
            f"expected sample ids that are {kind.value}, as in {at}; got {given.value}, such as {brief(first)}. "
            "Pass ids of the same type, or CAST the column in a selectable."
        )
    if kind in FORMS:
        odd = next((name for name in ids.tolist() if not FORMS[kind].fullmatch(name)), None)
        if odd is not None:
            how = HOW_TO_WRITE[kind].format(repr(odd))
            raise SchemaError(f"expected sample ids that are {kind.value}, as in {at}, {how}")


def sort_ids(ids: Ids) -> Ids:
    """Ascending and distinct: integers by value, text by code point."""
    if ids.dtype.kind in "iu" and ids.size and bool((ids[1:] > ids[:-1]).all()):
        return ids
    if ids.dtype.kind == "T" and _has_nul(ids):
        return np.array(sorted(set(ids.tolist())), TEXT)
    # Not numpy.unique, which hashes integers first and takes ten times as long. Text is sorted stably: the other way
    # crashes on some orders in numpy 2.4.6, when its quicksort gives up and turns to heapsort.
    ordered = np.sort(ids, kind="stable" if ids.dtype.kind == "T" else None)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ids.size else ordered


def _has_nul(texts: Ids) -> bool:
    """Whether a text has a NUL in it. When numpy sorts, it compares nothing after a NUL."""
    return any("\0" in "".join(texts[start : start + 8_192].tolist()) for start in range(0, texts.size, 8_192))


def narrowed(ids: Ids) -> Ids:
    """Ascending integers as int64, or unchanged if the last is above its range."""
    if ids.dtype != np.uint64 or (ids.size and int(ids[-1]) > INT64_MAX):
        return ids
    return ids.astype(np.int64)


def merged(parts: Iterable[Ids], origin: str) -> Ids:
    """Ids from several sources as one array, ascending and distinct.

    Raises:
        SchemaError: Some are integers and some text, or no dtype has both the negative and the large ones.
    """
    given = [part for part in parts if part.size]
    if not given:
        return np.empty(0, np.int64)
    dtypes = {part.dtype for part in given}
    if TEXT in dtypes and len(dtypes) > 1:
        raise SchemaError(f"expected sample ids of one kind; got integers and text in {origin}. CAST one of them.")
    if len(dtypes) > 1:
        low = min(int(part.min()) for part in given)
        if low < 0:
            raise _no_common_type(low, max(int(part.max()) for part in given), origin)
        given = [part.astype(np.uint64) for part in given]
    return sort_ids(np.concatenate(given) if len(given) > 1 else given[0])


def within_int64(ids: Ids) -> Ids:
    """The ids that a column of signed integers can have."""
    return ids[ids <= np.uint64(INT64_MAX)].astype(np.int64) if ids.dtype.kind == "u" else ids

"""Kinds of values: what a driver's objects become, and how much room they take."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pytest

from rowfeed.errors import DataError
from rowfeed.values.ids import TEXT
from rowfeed.values.kinds import ValueKind, dtype_of, from_objects, kind_of, size_of

OBJECT = np.dtype(object)


def at(index):
    return f"t.v, id={index}"


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("float32", ValueKind.NUMBER),
        ("bool", ValueKind.NUMBER),
        ("datetime64[s]", ValueKind.DATE),
        ("timedelta64[us]", ValueKind.TIME),
        (TEXT, ValueKind.TEXT),
        (OBJECT, ValueKind.BYTES),
    ],
)
def test_every_dtype_has_a_kind(dtype, kind):
    """The kind of values follows from the dtype that they are wanted in; text and bytes have no fixed width."""
    assert kind_of(np.dtype(dtype)) is kind
    assert kind.is_fixed == (kind not in (ValueKind.TEXT, ValueKind.BYTES))


@pytest.mark.parametrize(
    ("objects", "dtype"),
    [
        ([1, 2], "int8"),
        ([datetime.date(2000, 1, 2)], "datetime64[D]"),
        (["", "é", "a\0b", "x" * 1000], TEXT),
        ([b"", b"\0\xff", b"x" * 1000], OBJECT),
    ],
)
def test_objects_become_what_they_are(objects, dtype):
    """Values of each kind come back as they went in."""
    found = from_objects(objects, np.dtype(dtype), at)
    assert found.dtype == np.dtype(dtype)
    assert found.tolist() == objects


def test_all_that_drivers_give_for_bytes():
    """bytearray and memoryview are bytes."""
    assert from_objects([bytearray(b"ab"), memoryview(b"c")], OBJECT, at).tolist() == [b"ab", b"c"]


@pytest.mark.parametrize(
    ("objects", "dtype", "message"),
    [
        (["a", 5], TEXT, "expected text; got 5 at t.v, id=1. Fix the row, or CAST the column in a selectable."),
        ([b"a"], TEXT, "expected text; got b'a' at t.v, id=0. Fix the row, or CAST the column in a selectable."),
        (["a"], OBJECT, "expected bytes; got 'a' at t.v, id=0. Fix the row, or CAST the column in a selectable."),
        (["a" * 99], "int8", "expected a number; got '" + "a" * 36 + "... at t.v, id=0. Fix the row, or CAST the "),
    ],
)
def test_another_kind_is_an_error(objects, dtype, message):
    """A value of another kind is named, and where it stands."""
    with pytest.raises(DataError) as caught:
        from_objects(objects, np.dtype(dtype), at)
    assert str(caught.value).startswith(message)


def test_sizes():
    """What elements point to counts."""
    assert size_of(np.zeros(3, "int16")) == 6
    assert size_of(np.array(["", "abc"], TEXT)) == 2 * TEXT.itemsize + 3
    assert size_of(from_objects([b"", b"abc"], OBJECT, at)) == 2 * OBJECT.itemsize + 3


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-(2**62), 2**62 + 1),
        (False, True),
        (-0.5, 1e300),
        (Decimal("-1.5"), Decimal("1.25")),
        (Decimal(-1), Decimal(2**62)),
        ("B", "a"),
        (b"\x01", b"\x01\x00"),
        (datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)),
        (datetime.date(1999, 12, 31), datetime.date(2000, 1, 1)),
        (datetime.timedelta(-1), datetime.timedelta(0, 0, 1)),
    ],
)
def test_an_order_is_kept(low, high):
    """Values are in the same order as arrays as they are as objects."""
    found = from_objects([high, low], dtype_of(low), at)
    assert np.argsort(found, kind="stable").tolist() == [1, 0]


@pytest.mark.parametrize("value", [None, [1]])
def test_without_an_order(value):
    """Of what no dtype keeps the order of, there is none."""
    assert dtype_of(value) is None

"""Into the asked dtype, exactly or not at all."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference import UnfitError, examples

import rowfeed
from rowfeed.values.numbers import from_objects, to_dtype, unchanged

DTYPES = list(reference.FORMATS)
INF, NAN = float("inf"), float("nan")
EDGES = [0, 1, -1, 2, 127, 128, 255, 256, -128, -129, 2047, 2048, 2049, 65_504, 65_505, 65_536]
EDGES += [sign * (2**power + step) for power in (15, 16, 24, 31, 32, 53, 62) for step in (-1, 0, 1) for sign in (1, -1)]
EDGES += [2**63 - 1, -(2**63), -(2**63) + 1]
REALS = [0.0, 0.5, 1.0, 1.5, -1.0, 255.0, 256.0, 0.1, 1e-8, 5e-324, 1e-45, 65_519.99, 65_520.0, 3.4028235e38, 3.5e38]
REALS += [2.0**24 + 1, 2.0**31, 2.0**63, -(2.0**63), 2.0**64, 1e300, -1e300, INF, -INF, NAN]

numbers = st.one_of(
    st.sampled_from(EDGES),
    st.sampled_from(REALS),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=64),
    st.floats(width=32),
)


def where(index: int) -> str:
    """Where a value comes from."""
    return f"table.column, sample={index}"


def held(value: int | float, dtype: str) -> bytes | None:
    """The value's bits in the dtype by the reference, or None."""
    try:
        return reference.bits(np.array([reference.fit(value, dtype)], dtype))
    except UnfitError:
        return None


class TestFromObjects:
    """Python objects of a driver, each by its own type."""

    @examples(1_000, slow=20_000)
    @given(numbers, st.sampled_from(DTYPES))
    def test_a_number_is_held_as_the_reference_holds_it_or_refused(self, value, dtype):
        """Integers exactly, reals rounded to the nearest float of the dtype, anything else an error."""
        expected = held(value, dtype)
        if expected is None:
            with pytest.raises(rowfeed.DataError, match=rf"holds exactly; got {re.escape(repr(value))} at table"):
                from_objects([value], np.dtype(dtype), where)
        else:
            got = from_objects([value], np.dtype(dtype), where)
            assert got.dtype == dtype
            assert reference.bits(got) == expected

    @examples(200)
    @given(st.lists(numbers, min_size=1, max_size=8), st.sampled_from(DTYPES))
    def test_a_list_is_held_as_its_numbers_are(self, values, dtype):
        """Integers and reals mixed: each is treated as alone, and a refusal names one that does not fit."""
        expected = [held(value, dtype) for value in values]
        bad = [where(index) for index, bits in enumerate(expected) if bits is None]
        if bad:
            with pytest.raises(rowfeed.DataError) as caught:
                from_objects(values, np.dtype(dtype), where)
            assert any(f"at {place}." in str(caught.value) for place in bad)
        else:
            assert reference.bits(from_objects(values, np.dtype(dtype), where)) == b"".join(expected)

    @pytest.mark.parametrize(
        ("value", "dtype", "expected"),
        [
            (2**24, "float32", 16_777_216.0),
            (-(2**24), "float32", -16_777_216.0),
            (2**25, "float32", 33_554_432.0),
            (16_777_217.0, "float32", 16_777_216.0),
            (2**53, "float64", 9_007_199_254_740_992.0),
            (2**63 - 1, "int64", 9_223_372_036_854_775_807),
            (2**63 - 1, "uint64", 9_223_372_036_854_775_807),
            (2**64 - 1, "uint64", 18_446_744_073_709_551_615),
            (1, "bool", True),
            (0.0, "bool", False),
            (255.0, "uint8", 255),
            (-128.0, "int8", -128),
            (0.1, "float32", 0.10000000149011612),
            (2048, "float16", 2048.0),
            (Decimal("12.50"), "float64", 12.5),
            (Decimal("9007199254740993"), "int64", 9_007_199_254_740_993),
            (Decimal("3.00"), "uint8", 3),
            (Decimal("NaN"), "float32", NAN),
        ],
    )
    def test_what_is_held(self, value, dtype, expected):
        """Values at the edge of what a dtype holds, written by hand."""
        got = from_objects([value], np.dtype(dtype), where)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, np.array([expected], dtype))

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [
            (2**24 + 1, "float32"),
            (-(2**24) - 1, "float32"),
            (2**53 + 1, "float64"),
            (2**63 - 1, "float64"),
            (2**63 - 1, "float32"),
            (2049, "float16"),
            (65_536, "float16"),
            (1e300, "float32"),
            (-1e300, "float32"),
            (65_520.0, "float16"),
            (2, "bool"),
            (-1, "bool"),
            (0.5, "bool"),
            (NAN, "bool"),
            (128, "int8"),
            (-1, "uint8"),
            (-1.0, "uint64"),
            (1.5, "int64"),
            (2.0**63, "int64"),
            (2.0**64, "uint64"),
            (INF, "int64"),
            (NAN, "int32"),
            (2**64, "uint64"),
            (10**40, "float64"),
            (Decimal("0.5"), "int8"),
            (Decimal("Infinity"), "int8"),
        ],
    )
    def test_what_is_refused(self, value, dtype):
        """Values just beyond what a dtype holds, written by hand."""
        with pytest.raises(
            rowfeed.DataError, match=rf"expected a value that {dtype} holds exactly; got .* sample=0\. "
        ):
            from_objects([value], np.dtype(dtype), where)

    def test_infinite_decimal(self):
        """PostgreSQL's NUMERIC knows infinity: it is one in floats."""
        assert from_objects([Decimal("-Infinity")], np.dtype("float32"), where).tolist() == [-INF]

    @pytest.mark.parametrize("value", ["1", "", "abc", b"1", b"\x00\x00\x80\x3f", (1,), object(), None])
    def test_what_is_no_number(self, value):
        """Text and blobs are no numbers, even where they look so."""
        with pytest.raises(rowfeed.DataError, match=r"expected a number; got .* at table\.column, sample=1\. "):
            from_objects([1, value], np.dtype("float32"), where)

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [(NAN, "bool"), (INF, "int8"), (1e30, "int64"), (1e300, "float16"), (2.0**63, "int64"), (2**64, "int8")],
    )
    def test_a_refusal_does_not_warn(self, value, dtype):
        """The error comes alone: no warning of numpy beside it, nor in its place where warnings are errors."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(rowfeed.DataError):
                from_objects([value], np.dtype(dtype), where)

    def test_no_bulk_of_a_value_in_a_message(self):
        """A long text is cut in the message."""
        with pytest.raises(rowfeed.DataError) as caught:
            from_objects(["x" * 1000], np.dtype("float32"), where)
        assert len(str(caught.value)) < 250

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [
            (2**24 + 1, "float32"),
            (2**53 + 1, "float32"),
            (2**53 + 1, "float64"),
            (2**62 + 1, "float16"),
            (1e300, "float32"),
            (1e300, "float16"),
            (1e300, "int64"),
            (1e30, "int8"),
            (1.5, "int8"),
            (INF, "uint8"),
            (NAN, "bool"),
            (300, "int8"),
            (300, "bool"),
            (-1, "uint64"),
            (2**64 - 1, "int64"),
            (2**64 - 1, "float32"),
        ],
    )
    def test_the_dtype_that_is_advised_holds_the_value(self, value, dtype):
        """Where a message says `Pass dtype=...`, passing it helps."""
        with pytest.raises(rowfeed.DataError) as caught:
            from_objects([value], np.dtype(dtype), where)
        advised = re.search(r'Pass dtype="(\w+)"', str(caught.value))
        assert advised is None or held(value, advised[1]) is not None, str(caught.value)

    def test_nothing(self):
        """No objects give an empty array of the dtype."""
        assert from_objects([], np.dtype("int8"), where).dtype == np.int8


class TestToDtype:
    """Arrays of numbers."""

    @examples(400, slow=10_000)
    @given(st.lists(numbers, min_size=1, max_size=5), st.sampled_from(DTYPES), st.sampled_from(DTYPES))
    def test_arrays_of_every_dtype_into_every_dtype(self, values, given_as, dtype):
        """From any dtype: a float is rounded, an integer kept, or the first that does not fit is named."""
        values = [value for value in values if held(value, given_as) is not None]
        data = np.array([reference.fit(value, given_as) for value in values], given_as)
        expected = [held(value, dtype) for value in data.tolist()]
        if None in expected:
            with pytest.raises(rowfeed.DataError, match=rf"sample={expected.index(None)}\. "):
                to_dtype(data, np.dtype(dtype), where)
        else:
            got = to_dtype(data, np.dtype(dtype), where)
            assert got.dtype == dtype
            assert reference.bits(got) == b"".join(expected)

    def test_no_warning(self):
        """Conversions that overflow on the way to the check are silent."""
        with pytest.raises(rowfeed.DataError), np.errstate(all="raise"):
            to_dtype(np.array([1e300, NAN]), np.dtype("float16"), where)

    def test_the_sign_of_zero_and_subnormals_stay(self):
        """-0.0 and subnormals are values like others."""
        data = np.array([-0.0, 5e-324, 2.0**-149])
        assert to_dtype(data, np.dtype("float64"), where).tobytes() == data.tobytes()
        got = to_dtype(data, np.dtype("float32"), where)
        assert np.signbit(got).tolist() == [True, False, False]
        assert got.tolist() == [0.0, 0.0, 2.0**-149]


class TestUnchanged:
    """For writing, reals are not rounded either."""

    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (np.array([0.5, 0.1]), "float32"),
            (np.array([1, 2**24 + 1]), "float32"),
            (np.array([1.0, 1.5]), "int8"),
            (np.array([1, 256]), "uint8"),
            (np.array([0.0, NAN]), "int8"),
            (np.array([0, 5e-324]), "float32"),
        ],
    )
    def test_a_value_that_would_change_is_refused(self, data, dtype):
        """Rounding is a change."""
        with pytest.raises(rowfeed.DataError, match=rf"{dtype} holds exactly; got .* sample=1\. "):
            unchanged(data, np.dtype(dtype), where)

    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (np.array([0.5, NAN, INF, -0.0]), "float16"),
            (np.array([True, False]), "float32"),
            (np.array([1.0, 255.0]), "uint8"),
            (np.array([2**63 - 1]), "uint64"),
            (np.array([0.1], "float32"), "float64"),
        ],
    )
    def test_a_value_that_stays_is_converted(self, data, dtype):
        """Equal values pass, NaN and the sign of zero too."""
        got = unchanged(data, np.dtype(dtype), where)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(data.dtype), data)
        if data.dtype.kind == "f":
            assert np.array_equal(np.signbit(got.astype(data.dtype)), np.signbit(data))

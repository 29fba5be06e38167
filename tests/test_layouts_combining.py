"""Several values of a cell as one: integers exactly or refused, whatever the engine, reals as float64 has them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from engines import ENGINES, MYSQLS, opened, read
from hypothesis import given
from hypothesis import strategies as st

import rowfeed
from rowfeed.layouts.combining import combined

HOWS = ("sum", "mean", "max", "min")
LIMIT = 2**24 + 1
"""An integer that float32 does not hold."""

ROWS = {
    1: [(LIMIT, float(LIMIT))],
    2: [(LIMIT - 1, float(LIMIT - 1)), (1, 1.0)],
    3: [(2**53, 0.5), (1, 1.5)],
    4: [(2**62, 1.0), (2**62, 2.0), (-1, 3.0)],
    5: [(-(2**63), 1.0), (1, 0.0)],
    6: [(7, -0.0), (8, 0.0)],
}
"""Values of one cell for each sample: an integer of 64 bits, and a real."""


def rows_of(engine):
    number, real = ("INTEGER", "REAL") if engine == "sqlite" else ("BIGINT", "DOUBLE PRECISION")
    values = [(sample, k, *row) for sample, rows in ROWS.items() for k, row in enumerate(rows)]
    yield f"CREATE TABLE t (id BIGINT, k INTEGER, x INTEGER, n {number}, r {real})"
    for sample, k, n, r in values:
        yield f"INSERT INTO t VALUES ({sample}, {k}, 0, {n}, {r!r}{'e0' if engine in MYSQLS else ''})"
    yield "CREATE INDEX t_id ON t (id)"


@pytest.fixture(scope="module")
def session(request, tmp_path_factory):
    with opened(request, tmp_path_factory.mktemp, lambda place, _: place.run(*rows_of(place.engine))) as given:
        yield given


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize("engine", ENGINES)
def test_on_each_engine(session, engine, way):
    """What float32 refuses as a single value it refuses as a result; int64 holds it; reals are rounded."""
    session = session(engine, way)

    def one(how, column, dtype, sample):
        grid = rowfeed.Grid("t", sample="id", axes="x", value=column, shape=1, duplicates=how, dtype=dtype)
        return read(session, grid, grid.selection(session), [sample]).item()

    for sample, how in [(1, "sum"), (1, "max"), (1, "min"), (1, "mean"), (2, "sum")]:
        with pytest.raises(rowfeed.DataError, match=rf"that float32 holds exactly; got {LIMIT} at t\.n, id={sample}\."):
            one(how, "n", "float32", sample)
    assert one("sum", "n", "int64", 2) == one("sum", "n", "float64", 2) == LIMIT
    assert one("sum", "r", "float32", 2) == one("max", "r", "float32", 1) == LIMIT - 1
    assert one("mean", "n", "float64", 2) == LIMIT / 2
    assert one("mean", "r", "float64", 3) == 1
    assert math.copysign(1, one("max", "r", "float64", 6)) == 1
    if engine != "sqlite":  # whose columns hold anything, and come as float64
        assert one("sum", "n", "int64", 3) == 2**53 + 1
        assert one("sum", "n", "uint64", 4) == 2**63 - 1
        assert one("sum", "n", "int64", 5) == -(2**63) + 1
        with pytest.raises(rowfeed.DataError, match=r"that float64 holds exactly; got 9007199254740993 at t\.n, id=3"):
            one("sum", "n", "float64", 3)
        with pytest.raises(rowfeed.DataError, match=r"that int32 holds exactly; got 4611686018427387904 at t\.n, id=4"):
            one("max", "n", "int32", 4)


def place(cell):
    return f"cell {cell}"


def combine(how, cells, dtype, kind, reals=False):
    """The cells of lists of values."""
    key = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    values = np.array([value for cell in cells for value in cell], kind)
    order = np.random.default_rng(values.size).permutation(values.size)
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    return combined(how, key[order], values[order], starts, np.dtype(dtype), reals, place)


INTS = st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), min_size=1, max_size=4)
SMALL = st.lists(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=5), min_size=1, max_size=4)


def exact(how, cell):
    if how in ("max", "min"):
        return Fraction(max(cell) if how == "max" else min(cell))
    return Fraction(sum(cell), len(cell) if how == "mean" else 1)


@given(INTS, st.sampled_from(HOWS), st.sampled_from(["int64", "float32", "float64", "int16"]))
def test_integers(cells, how, dtype):
    """The exact result, rounded if it is no integer and the dtype is a float's; or refused."""
    check(cells, how, dtype, np.int64)


@given(SMALL, st.sampled_from(HOWS), st.sampled_from(["int64", "float32", "float64"]))
def test_whole_numbers_among_reals(cells, how, dtype):
    """As float64 they are as exact: sums beyond 2^53 too."""
    check(cells, how, dtype, np.float64)


def check(cells, how, dtype, kind):
    wanted = [exact(how, cell) for cell in cells]
    dtype = np.dtype(dtype)
    try:
        got = combine(how, cells, dtype, kind).tolist()
    except rowfeed.DataError:
        beyond = how == "sum" and any(not -(2**63) <= number < 2**63 for number in wanted)
        assert beyond or any(not held(number, dtype) for number in wanted)
        return
    for one, number in zip(got, wanted, strict=True):
        if number.denominator == 1:
            assert one == number
            assert held(number, dtype)
        else:
            assert abs(Fraction(one) - number) <= abs(number) * Fraction(2, 2 ** (np.finfo(dtype).nmant + 1))


def held(number, dtype):
    """Whether a dtype holds a number: floats any that is not whole, rounded."""
    if number.denominator != 1:
        return dtype.kind == "f"
    if dtype.kind == "i":
        info = np.iinfo(dtype)
        return bool(info.min <= number <= info.max)
    return Fraction(float(dtype.type(int(number)))) == number


@pytest.mark.parametrize("how", HOWS)
def test_unsigned_and_large(how):
    """uint64 up to its end; a sum beyond 64 bits is refused."""
    most = 2**64 - 1
    if how == "sum":
        assert combine(how, [[most - 5, 5]], "uint64", np.uint64).tolist() == [most]
        for cells, kind in (
            ([[1], [most, 1]], np.uint64),
            ([[1], [2**63 - 1] * 3], np.int64),
            ([[1], [-(2**63)] * 2], np.int64),
        ):
            with pytest.raises(rowfeed.DataError, match="expected a sum within 64 bits; got an overflow at cell 1"):
                combine(how, cells, "int64", kind)
        assert combine(how, [[2**63 - 1, 1]], "uint64", np.int64).tolist() == [2**63]
    else:
        assert combine(how, [[most - 1, most - 1]], "uint64", np.uint64).tolist() == [most - 1]


def test_reals_and_zeros():
    """Reals are rounded, whole ones too if there are only reals; zeros and NaN do not depend on the order of rows."""
    assert combine("sum", [[LIMIT - 1.0, 1.0]], "float32", np.float64, reals=True).tolist() == [LIMIT - 1]
    assert combine("mean", [[0.5, 1.5]], "float32", np.float64).tolist() == [1]
    for zeros in ([0.0, -0.0], [-0.0, 0.0], [-0.0, 0.0, -0.0]):
        assert np.signbit(combine("max", [zeros], "float64", np.float64)).tolist() == [False]
        assert np.signbit(combine("min", [zeros], "float64", np.float64)).tolist() == [True]
    for how in HOWS:
        assert math.isnan(combine(how, [[1.0, math.nan]], "float64", np.float64)[0])

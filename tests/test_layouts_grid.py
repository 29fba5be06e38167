"""`Grid`: one row per cell becomes a dense array per sample. Values are sample · 100 + x · 10 + y."""

from __future__ import annotations

import dataclasses
import itertools
import re
from contextlib import suppress
from typing import ClassVar

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from reference import assert_same, create, examples, query

import rowfeed

INF, NAN = float("inf"), float("nan")
CELLS = [(7, 1, 2, 712), (7, 0, 0, 700), (9, 2, 1, 921), (7, 2, 1, 721), (9, 0, 2, 902), (9, 1, 0, 910)]
COLUMNS = [("id", "INTEGER"), ("x", "INTEGER"), ("y", "INTEGER"), ("v", "")]
XY = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (3, 3)}
ONE = {"sample": "id", "axes": "x", "value": "v", "shape": 4}


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def plain(request):
    """Whether plain rows are read."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Two samples, three cells each."""
    create(tmp_path / "cells.db", "cells", COLUMNS, CELLS, index=["id"])
    return tmp_path / "cells.db"


def line(path, rows, *, declared="", key="", table="t"):
    """A table (k, id, x, v) with an index on id; x has the given type."""
    columns = [("k", "INTEGER"), ("id", ""), ("x", declared), ("v", "")]
    rows = [(k, *row) for k, row in enumerate(rows)]
    create(path, table, columns, rows, key=[key] if key else [], index=["id"])
    return path


def read(path, grid, plain=False, **options):
    """All samples, in ascending order of their ids."""
    return rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), grid, **options).arrays()


class TestShape:
    """Where a cell goes."""

    def test_axes_are_outermost_first(self, path, plain):
        """The row with x=1, y=2 is at array[1, 2]."""
        assert_same(
            read(path, rowfeed.Grid("cells", **XY), plain),
            np.array(
                [
                    [[700, 0, 0], [0, 0, 712], [0, 721, 0]],
                    [[0, 0, 902], [910, 0, 0], [0, 921, 0]],
                ],
                np.float32,
            ),
        )

    def test_axes_in_another_order_transpose(self, path, plain):
        """axes=("y", "x") puts y down the rows."""
        assert_same(
            read(path, rowfeed.Grid("cells", **{**XY, "axes": ("y", "x")}, dtype="int64"), plain)[0],
            np.array([[700, 0, 0], [0, 0, 721], [0, 712, 0]]),
        )

    @pytest.mark.parametrize("axes", range(1, 9))
    def test_one_to_eight_axes(self, tmp_path, plain, axes):
        """Every axis has its own length, and a cell is found along each of them."""
        shape = tuple(2 + axis % 3 for axis in range(axes))
        names = [f"a{axis}" for axis in range(axes)]
        rows = []
        for sample in (3, 1, 2):
            for step in range(5):
                place = tuple((sample + step * (axis + 1)) % n for axis, n in enumerate(shape))
                rows.append((sample, *place, sample * 1000 + int("".join(map(str, place)))))
        rows = list({row[:-1]: row for row in rows}.values())
        create(tmp_path / "a.db", "t", [(n, "") for n in ("id", *names, "v")], rows, index=["id"])
        expected = np.zeros((3, *shape))
        for sample, *place, value in rows:
            expected[(sample - 1, *place)] = value
        grid = rowfeed.Grid("t", sample="id", axes=names, value="v", shape=shape, dtype="float64")
        assert_same(read(tmp_path / "a.db", grid, plain), expected)

    def test_every_cell_of_a_box(self, tmp_path, plain):
        """Each cell alone, of a sample of its own, lands at its place."""
        cells = list(itertools.product((0, 1), (0, 1, 2), (0, 1, 2, 3)))
        rows = [(sample, *cell, 1) for sample, cell in enumerate(cells)]
        create(tmp_path / "a.db", "t", [(n, "") for n in "ixyzv"], rows, index=["i"])
        grid = rowfeed.Grid("t", sample="i", axes=("x", "y", "z"), value="v", shape=(2, 3, 4))
        assert np.argwhere(read(tmp_path / "a.db", grid, plain)).tolist() == [
            [i, *cell] for i, cell in enumerate(cells)
        ]

    def test_one_value_or_a_list_of_values(self, tmp_path, plain):
        """A name gives `shape`; a list of n names a last axis of n, in the order of the list, also for n = 1."""
        columns = [("id", ""), ("x", ""), ("r", ""), ("g", ""), ("b", "")]
        rows = [
            (i, x, 100 * i + 10 * x + 1, 100 * i + 10 * x + 2, 100 * i + 10 * x + 3) for i in (1, 2) for x in (0, 2)
        ]
        create(tmp_path / "a.db", "t", columns, rows, index=["id"])

        def values(value):
            return read(
                tmp_path / "a.db", rowfeed.Grid("t", sample="id", axes="x", value=value, shape=3, dtype="int16"), plain
            )

        assert_same(values("g"), np.array([[102, 0, 122], [202, 0, 222]], np.int16))
        assert_same(values(["g"]), np.array([[[102], [0], [122]], [[202], [0], [222]]], np.int16))
        assert_same(
            values(["b", "r", "g"]),
            np.array(
                [[[103, 101, 102], [0, 0, 0], [123, 121, 122]], [[203, 201, 202], [0, 0, 0], [223, 221, 222]]], np.int16
            ),
        )

    def test_a_column_in_two_roles(self, tmp_path, plain):
        """One column may be coordinate, value and sample id at the same time."""
        line(tmp_path / "a.db", [(1, 1, 0), (2, 3, 0)])
        got = read(tmp_path / "a.db", rowfeed.Grid("t", sample="id", axes="x", value=["x", "id"], shape=4), plain)
        assert got.tolist() == [[[0, 0], [1, 1], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 0], [3, 2]]]

    @pytest.mark.parametrize("shape", [3, (3,), [3], np.int64(3), (np.int32(3),), np.array([3])])
    def test_forms_of_a_shape(self, shape):
        """A number or a sequence of numbers, of Python or numpy."""
        grid = rowfeed.Grid("t", **{**ONE, "shape": shape})
        assert grid.sample_shape == (3,)
        assert all(type(n) is int for n in grid.sample_shape)
        assert grid.sample_bytes == 12


class TestFill:
    """Cells without a row."""

    @pytest.mark.parametrize(
        ("fill", "dtype", "bits"),
        [
            (0, "float32", "00000000"),
            (-0.0, "float32", "80000000"),
            (NAN, "float32", "7fc00000"),
            (0.1, "float32", "3dcccccd"),
            (INF, "float16", "7c00"),
            (-7, "int8", "f9"),
            (2**64 - 1, "uint64", "ffffffffffffffff"),
            (-(2**63), "int64", "8000000000000000"),
            (True, "bool", "01"),
            (1e-320, "float64", "00000000000007e8"),
            (1 / 3, "float64", "3fd5555555555555"),
            (2**53 + 1, "int64", "0020000000000001"),
        ],
    )
    @pytest.mark.parametrize("null", ["error", "fill"])
    def test_bits_of_fill(self, tmp_path, plain, fill, dtype, bits, null):
        """Empty cells, and NULLs with null="fill", hold the very bits of the fill."""
        line(tmp_path / "a.db", [(1, 2, 1), (1, 0, None if null == "fill" else 1)])
        grid = rowfeed.Grid("t", **ONE, fill=fill, dtype=dtype, null=null)
        got = read(tmp_path / "a.db", grid, plain)
        assert got.dtype == dtype
        words = got.view(f"u{got.itemsize}")[0].tolist()
        cells = [f"{words[x]:0{2 * got.itemsize}x}" for x in ((0, 1, 3) if null == "fill" else (1, 3))]
        assert set(cells) == {bits}
        assert got[0, 2] == 1

    @pytest.mark.parametrize("fill", [np.float32(0.5), np.float64(0.5), np.int64(3), np.uint8(3), True, np.True_])
    def test_fill_of_any_number_type(self, tmp_path, plain, fill):
        """A fill may be a number of numpy, or a truth value, for NULLs too, and changes no other value."""
        line(tmp_path / "a.db", [(1, 0, None), (1, 1, 11)])
        got = read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, fill=fill, null="fill"), plain)
        assert got.tolist() == [[float(fill), 11, float(fill), float(fill)]]

    @pytest.mark.parametrize(
        ("fill", "dtype"),
        [
            (0.5, "int8"),
            (256, "uint8"),
            (-1, "uint64"),
            (2, "bool"),
            (NAN, "int64"),
            (2**24 + 1, "float32"),
            (1e39, "float32"),
            (2**64, "int64"),
            (10**400, "float64"),
            ("0", "float32"),
            (None, "float32"),
            ([0, 1], "float32"),
        ],
    )
    def test_a_fill_that_the_dtype_cannot_hold(self, fill, dtype):
        """A fill that is no number of the dtype is refused."""
        with pytest.raises(rowfeed.ArgumentError, match=rf"expected a fill that {dtype} can hold; got fill="):
            rowfeed.Grid("t", **ONE, fill=fill, dtype=dtype)

    def test_each_array_is_new(self):
        """`empty` gives arrays that share no memory."""
        grid = rowfeed.Grid("t", **ONE, fill=3)
        one, two = grid.empty(2), grid.empty(2)
        one[:] = 0
        assert two.tolist() == [[3.0] * 4] * 2


class TestDuplicates:
    """Several rows for one cell. In order of k the values of cell 1 are 3, 5, 1; they were inserted as 5, 1, 3."""

    ROWS: ClassVar = [
        (2, 1, 1, 5.0, 50),
        (3, 1, 1, 1.0, 10),
        (1, 1, 1, 3.0, 30),
        (4, 2, 1, 8.0, 80),
        (5, 1, 0, -0.5, 7),
    ]

    @pytest.fixture
    def path(self, tmp_path):
        """Cell 1 of sample 1 has three rows."""
        columns = [("k", "INTEGER"), ("id", "INTEGER"), ("x", "INTEGER"), ("v", "REAL"), ("w", "INTEGER")]
        create(tmp_path / "a.db", "t", columns, self.ROWS, key=["k"], index=["id"])
        return tmp_path / "a.db"

    @pytest.mark.parametrize(
        ("policy", "cell"),
        [
            ("first", [3, 30]),
            ("last", [1, 10]),
            ("sum", [9, 90]),
            ("mean", [3, 30]),
            ("max", [5, 50]),
            ("min", [1, 10]),
        ],
    )
    def test_policies(self, path, plain, policy, cell):
        """First and last in the order of the primary key; sum, mean, max and min of each column."""
        grid = rowfeed.Grid("t", sample="id", axes="x", value=["v", "w"], shape=2, duplicates=policy)
        expected = np.array([[[-0.5, 7], cell], [[0, 0], [8, 80]]], np.float32)
        assert_same(read(path, grid, plain), expected)

    def test_error(self, path, plain):
        """The default is an error that says how many rows, for which cell, and what to do."""
        with pytest.raises(rowfeed.DataError) as caught:
            read(path, rowfeed.Grid("t", **ONE), plain)
        assert str(caught.value) == (
            "expected one row for a cell; got 3 at t.x, id=1, x=1. Delete all but one, or pass "
            'duplicates="sum", "mean", "max", "min", "first" or "last".'
        )

    def test_error_names_every_coordinate(self, tmp_path, plain):
        """The cell is named along each axis."""
        create(tmp_path / "b.db", "t", COLUMNS, [(8, 2, 0, 1), (8, 1, 2, 1), (8, 1, 2, 1)], index=["id"])
        with pytest.raises(rowfeed.DataError, match=r"got 2 at t\.x, id=8, x=1, y=2\."):
            read(tmp_path / "b.db", rowfeed.Grid("t", **XY), plain)

    @pytest.mark.parametrize("policy", ["first", "last"])
    def test_an_order_is_needed(self, tmp_path, path, plain, policy):
        """Without a primary key, or of a view or a selectable, there is no first row: refused with the reason."""
        line(tmp_path / "b.db", [(1, 1, 1)])
        query(path, "CREATE VIEW seen AS SELECT * FROM t")
        for file, table in (
            (tmp_path / "b.db", "t"),
            (path, "seen"),
            (path, sa.select(sa.table("t", *map(sa.column, ("id", "x", "v"))))),
        ):
            with pytest.raises(rowfeed.ArgumentError) as caught:
                read(file, rowfeed.Grid(table, **ONE, duplicates=policy), plain)
            assert f"duplicates={policy!r} needs rows that have an order" in str(caught.value)
            assert "primary key" in str(caught.value)
            assert 'duplicates="max"' in str(caught.value)

    def test_composite_and_text_keys(self, tmp_path, plain):
        """The order is that of all key columns, in the order of the key, as the engine compares them."""
        rows = [("b", 1, 1, 0, 1), ("a", 3, 1, 0, 2), ("a", 2, 1, 0, 3), ("C", 1, 1, 0, 4)]
        columns = [("a", "TEXT"), ("b", ""), ("id", ""), ("x", ""), ("v", "")]
        create(tmp_path / "b.db", "t", columns, rows, key=["a", "b"], index=["id"])
        first, last = (
            read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates=p), plain)[0, 0] for p in ("first", "last")
        )
        assert (first, last) == (4, 1)

    @pytest.mark.parametrize("policy", ["first", "last", "sum"])
    def test_a_key_of_the_coordinates_is_no_hindrance(self, tmp_path, plain, policy):
        """Where the key is sample and cell there are no duplicates, and any policy reads the table."""
        create(tmp_path / "b.db", "cells", COLUMNS, CELLS, key=["id", "x", "y"])
        got = read(tmp_path / "b.db", rowfeed.Grid("cells", **XY, duplicates=policy), plain)
        assert got[0].tolist() == [[700, 0, 0], [0, 0, 712], [0, 721, 0]]

    def test_first_reads_in_requests_of_hundreds(self, tmp_path, plain):
        """The order holds over more samples than fit in one statement."""
        rows = [(1500 - k, k % 700, 0, 1500 - k) for k in range(1400)]
        create(
            tmp_path / "b.db", "t", [("k", "INTEGER"), ("id", ""), ("x", ""), ("v", "")], rows, key=["k"], index=["id"]
        )
        first = read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates="first"), plain)
        last = read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates="last"), plain)
        assert first[:, 0].tolist() == [800 - i for i in range(700)]
        assert last[:, 0].tolist() == [1500 - i for i in range(700)]

    @examples(30)
    @given(st.permutations([1e16, 1.0, -1e16, 0.1, 3.0]))
    def test_a_sum_does_not_depend_on_the_order_of_rows(self, tmp_path_factory, values):
        """Floating-point sums are the same whatever order the rows have."""
        path = line(tmp_path_factory.mktemp("sum") / "a.db", [(1, 0, v) for v in values])
        total = ((((-1e16 + 0.1) + 1.0) + 3.0) + 1e16) / 5
        got = read(path, rowfeed.Grid("t", **ONE, duplicates="mean", dtype="float64"))
        assert got[0, 0] == total

    @pytest.mark.parametrize("count", [3, 9, 200])
    def test_a_sum_adds_ascending_values_one_by_one(self, tmp_path, plain, count):
        """As a loop in Python does, so that no version of numpy changes a bit of it."""
        values = [2.0**50, *[0.125] * (count - 1)]
        line(tmp_path / "b.db", [(1, 0, v) for v in values])
        total = 0.0
        for value in sorted(values):
            total += value
        for policy, expected in (("sum", total), ("mean", total / count)):
            got = read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates=policy, dtype="float64"), plain)
            assert got[0, 0] == expected

    def test_combined_values_must_fit(self, tmp_path, plain):
        """A sum or mean that the dtype does not hold is an error that names the sample."""
        line(tmp_path / "b.db", [(3, 0, 100), (4, 1, 100), (4, 1, 101), (3, 0, 100)])
        for policy, got in (("sum", r"20[01]\.0"), ("mean", r"100\.5")):
            with pytest.raises(rowfeed.DataError, match=rf"int8 holds exactly; got {got} at t\.v, id=[34]\."):
                read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates=policy, dtype="int8"), plain)

    @pytest.mark.parametrize("policy", ["first", "sum", "mean", "max", "min"])
    def test_a_cell_with_one_row_is_that_row(self, tmp_path, plain, policy):
        """Bit for bit, -0.0 as well, whether or not other cells of the request have several rows."""
        line(tmp_path / "b.db", [(1, 0, -0.0), (2, 0, 1.5), (2, 0, 2.5), (3, 1, -0.0)], key="k")
        grid = rowfeed.Grid("t", **ONE, duplicates=policy, dtype="float64")
        for samples in ([1], [1, 2], [1, 2, 3]):
            got = read(tmp_path / "b.db", grid, plain, samples=samples, connections=1)
            assert str(got[0, 0]) == "-0.0"

    @pytest.mark.parametrize("policy", ["sum", "mean"])
    def test_an_overflow_is_no_infinity(self, tmp_path, plain, policy):
        """A sum of finite numbers that float64 does not hold is an error, not infinity."""
        line(tmp_path / "b.db", [(1, 0, 1e308), (1, 0, 1.5e308), (2, 1, 1.0), (2, 1, 2.0)])
        with pytest.raises(rowfeed.DataError, match=r"at t\.v, id=1"):
            read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates=policy, dtype="float64"), plain)

    def test_infinities_combine(self, tmp_path, plain):
        """Stored infinities are values: their sum is one."""
        line(tmp_path / "b.db", [(1, 0, INF), (1, 0, 1.0), (1, 1, INF), (1, 1, -INF)])
        got = read(tmp_path / "b.db", rowfeed.Grid("t", **ONE, duplicates="sum"), plain)[0]
        assert got[0] == INF
        assert np.isnan(got[1])


class TestOutOfRange:
    """Coordinates outside of the shape."""

    def test_error(self, tmp_path, plain):
        """The text is the one that the style guide shows."""
        create(
            tmp_path / "a.db",
            "USER_MATRIX",
            [("user_id", ""), ("x", ""), ("y", ""), ("value", "")],
            [(12, 7, 0, 1)],
            index=["user_id"],
        )
        grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
        with pytest.raises(rowfeed.DataError) as caught:
            read(tmp_path / "a.db", grid, plain)
        assert str(caught.value) == (
            "x must be in 0..3 (axis of shape (4, 4)); got 7 at USER_MATRIX.x, user_id=12. "
            'Fix the row, enlarge shape, or pass out_of_range="drop".'
        )

    @pytest.mark.parametrize("x", [-1, 4, -(2**63), 2**63 - 1, 4.0, 1e300])
    def test_outside(self, tmp_path, plain, x):
        """Below, at and far beyond the end is an error, or dropped: nothing wraps round."""
        line(tmp_path / "a.db", [(1, 2, 12), (2, x, 99), (3, 1, 31)])
        with pytest.raises(rowfeed.DataError, match=r"x must be in 0\.\.3 .* at t\.x, id=2\."):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain)
        got = read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, out_of_range="drop"), plain)
        assert got.tolist() == [[0, 0, 12, 0], [0, 0, 0, 0], [0, 31, 0, 0]]

    @pytest.mark.parametrize("declared", ["", "TEXT", "INTEGER"])
    @pytest.mark.parametrize("x", ["abc", "1x", b"\x01"])
    def test_what_is_no_number_is_not_dropped(self, tmp_path, plain, declared, x):
        """Text and blobs have no range to be out of: they are errors under either policy."""
        line(tmp_path / "a.db", [(1, 2, 12), (2, x, 99)], declared=declared)
        for policy in ("error", "drop"):
            with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got .* at t\.x, id="):
                read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, out_of_range=policy), plain)

    @pytest.mark.parametrize("x", [7.5, -0.5, 3.5, INF, -INF])
    def test_a_fraction_is_not_dropped(self, tmp_path, plain, x):
        """A fraction is no coordinate, in or out of range: an error under either policy."""
        line(tmp_path / "a.db", [(1, 2, 12), (2, x, 99)])
        for policy in ("error", "drop"):
            with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got .* at t\.x, id=2"):
                read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, out_of_range=policy), plain)

    def test_drop_and_null(self, tmp_path, plain):
        """A NULL coordinate is not out of range; a row that is out of range may have NULL as its value."""
        line(tmp_path / "a.db", [(1, 9, None), (2, None, 5), (3, 0, 7)])
        with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got NULL at t\.x, id=2"):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, out_of_range="drop"), plain)
        got = read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, out_of_range="drop"), plain, samples=[1, 3])
        assert got.tolist() == [[0, 0, 0, 0], [7, 0, 0, 0]]


class TestCoordinates:
    """Which coordinates are integers."""

    def test_whole_reals_are_integers(self, tmp_path, plain):
        """1.0 is the coordinate 1, alone or among integers."""
        line(tmp_path / "a.db", [(1, 1.0, 11), (1, 3, 13), (2, -0.0, 20), (3, 2.0, 32)])
        got = read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain)
        assert got.tolist() == [[0, 11, 0, 13], [20, 0, 0, 0], [0, 0, 32, 0]]

    @pytest.mark.parametrize("declared", ["", "REAL"])
    @pytest.mark.parametrize("x", [1.5, 2.9999999999999996, 5e-324, "one", b"1", b""])
    def test_others_are_not(self, tmp_path, plain, declared, x):
        """A fraction, text and blobs are errors that name table, column and sample."""
        line(tmp_path / "a.db", [(1, 1, 11), (2, x, 22)], declared=declared)
        with pytest.raises(rowfeed.DataError) as caught:
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain)
        assert str(caught.value) == (
            f"x must be an integer; got {x!r} at t.x, id=2. Fix the row, or CAST it in a selectable."
        )

    @pytest.mark.parametrize("x", ["10", "2", "4"])
    def test_digits_in_a_text_column_are_text(self, tmp_path, plain, x):
        """A column declared TEXT holds text, however it compares: no cell of any sample is written."""
        line(tmp_path / "a.db", [(i, x, 9) for i in range(6)], declared="TEXT")
        with pytest.raises(rowfeed.DataError, match=rf"x must be an integer; got '{x}' at t\.x, id=\d"):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain)

    @pytest.mark.parametrize("x", [INF, -INF])
    def test_infinity_is_no_coordinate(self, tmp_path, plain, x):
        """Infinity is an error like 1.5."""
        line(tmp_path / "a.db", [(1, x, 11)])
        with pytest.raises(rowfeed.DataError, match=r"x must be .*; got -?inf at t\.x, id=1\."):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain)

    def test_the_faulty_axis_is_named(self, path, plain):
        """The second axis is checked as the first is."""
        query(path, "INSERT INTO cells VALUES (8, 0, 0, 800)")
        rows = [(7, 0, 1.5, 1)]
        create(path, "t", COLUMNS, rows, index=["id"])
        with pytest.raises(rowfeed.DataError, match=r"y must be an integer; got 1\.5 at t\.y, id=7"):
            read(path, rowfeed.Grid("t", **XY), plain)


class TestNull:
    """NULL as coordinate or value."""

    ROWS: ClassVar = [(1, 1, 11), (1, 2, None), (2, 0, None), (3, 3, 33)]

    def test_error(self, tmp_path, plain):
        """The default is an error that names both ways out."""
        line(tmp_path / "a.db", self.ROWS)
        with pytest.raises(rowfeed.DataError) as caught:
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE), plain, samples=[2])
        text = str(caught.value)
        assert text.startswith("expected a number; got NULL at t.v, id=2. Fix the row, or pass ")
        assert 'null="fill"' in text

    def test_drop(self, tmp_path, plain):
        """A row with a NULL anywhere does not count; its sample stays."""
        line(tmp_path / "a.db", [*self.ROWS, (4, None, 44)])
        got = read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, fill=-1, null="drop"), plain)
        assert got.tolist() == [[-1, 11, -1, -1], [-1] * 4, [-1, -1, -1, 33], [-1] * 4]

    def test_drop_of_one_of_several_values(self, tmp_path, plain):
        """With several value columns, one NULL drops the row."""
        create(
            tmp_path / "a.db",
            "t",
            [(n, "") for n in ("id", "x", "a", "b")],
            [(1, 0, None, 2), (1, 1, 3, 4)],
            index=["id"],
        )
        grid = rowfeed.Grid("t", sample="id", axes="x", value=["a", "b"], shape=2, null="drop")
        assert read(tmp_path / "a.db", grid, plain).tolist() == [[[0, 0], [3, 4]]]

    def test_fill(self, tmp_path, plain):
        """A NULL value is `fill`; other values of the row stay."""
        create(
            tmp_path / "a.db",
            "t",
            [(n, "") for n in ("id", "x", "a", "b")],
            [(1, 0, None, 2), (1, 1, 3, 4)],
            index=["id"],
        )
        grid = rowfeed.Grid("t", sample="id", axes="x", value=["a", "b"], shape=3, null="fill", fill=9)
        assert read(tmp_path / "a.db", grid, plain).tolist() == [[[9, 2], [3, 4], [9, 9]]]

    def test_fill_counts_in_combinations(self, tmp_path, plain):
        """A NULL that is `fill` is a value for sum, max and duplicates="error"."""
        line(tmp_path / "a.db", [(1, 1, 5), (1, 1, None)])
        for policy, expected in (("sum", 12), ("max", 7), ("min", 5), ("mean", 6)):
            grid = rowfeed.Grid("t", **ONE, null="fill", fill=7, duplicates=policy)
            assert read(tmp_path / "a.db", grid, plain)[0, 1] == expected
        with pytest.raises(rowfeed.DataError, match="expected one row for a cell; got 2"):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, null="fill", fill=7), plain)

    @pytest.mark.parametrize("null", ["error", "fill"])
    def test_a_coordinate_has_no_fill(self, tmp_path, plain, null):
        """A NULL coordinate is an error unless it is dropped, and the text says so."""
        line(tmp_path / "a.db", [(5, None, 1)])
        with pytest.raises(rowfeed.DataError, match=r'x must be an integer; got NULL at t\.x, id=5.*pass null="drop"'):
            read(tmp_path / "a.db", rowfeed.Grid("t", **ONE, null=null), plain)


class TestWhere:
    """Which rows count."""

    @pytest.mark.parametrize(
        "where",
        [
            "v > 710",
            "v = 712 OR v = 721 OR v > 900",
            "v > 710 AND '%s' <> ':name'",
            sa.column("v") > 710,
            sa.literal_column("v > 710"),
            sa.Table("cells", sa.MetaData(), sa.Column("v", sa.Integer)).c.v > 710,
            sa.table("cells", sa.column("v")).c.v > 710,
        ],
        ids=str,
    )
    @pytest.mark.parametrize("form", ["name", "table", "Table", "select"])
    def test_text_and_expressions(self, path, plain, where, form):
        """SQL text, and expressions on a bare column or on the table, mean the same with every form of the table."""
        typed = sa.Table("cells", sa.MetaData(), *(sa.Column(n, sa.Integer) for n in ("id", "x", "y", "v")))
        table = {"name": "cells", "table": sa.table("cells"), "Table": typed, "select": sa.select(typed)}[form]
        if form == "select" and "cells" in str(where):
            pytest.skip("a selectable's own columns are meant there")
        got = read(path, rowfeed.Grid(table, **XY, where=where), plain, samples=[7, 8, 9])
        assert got[0].tolist() == [[0, 0, 0], [0, 0, 712], [0, 721, 0]]
        assert not got[1].any()
        assert got[2].tolist() == [[0, 0, 902], [910, 0, 0], [0, 921, 0]]

    def test_the_table_s_own_columns(self, path, plain):
        """Grid(table, where=table.c.v > 1), the way SQLAlchemy is written, works."""
        typed = sa.Table("cells", sa.MetaData(), *(sa.Column(n, sa.Integer) for n in ("id", "x", "y", "v")))
        got = read(path, rowfeed.Grid(typed, **XY, where=(typed.c.v > 710) & (typed.c.id == 7)), plain)
        assert got.tolist() == [[[0, 0, 0], [0, 0, 712], [0, 721, 0]]]

    @pytest.mark.parametrize("name", ["ids", "first", "sample", "value", "ids_1", "x"])
    def test_parameters_of_any_name(self, path, plain, name):
        """A parameter that the user named is the user's own, whatever its name."""
        where = sa.column("v") > sa.bindparam(name, 710)
        got = read(path, rowfeed.Grid("cells", **XY, where=where), plain, samples=[7, 8, 9])
        assert got[0].tolist() == [[0, 0, 0], [0, 0, 712], [0, 721, 0]]

    def test_or_does_not_reach_other_conditions(self, tmp_path, plain):
        """where= is one condition: an OR in it lets no row past the policies."""
        line(tmp_path / "a.db", [(1, 0, None), (1, 1, 5), (2, 2, 6), (3, None, 7), (3, 3, 8)])
        layout = rowfeed.Grid("t", **ONE, null="drop", where="id = 1 OR id = 3")
        assert read(tmp_path / "a.db", layout, plain, samples=[1, 2, 3]).tolist() == [
            [0, 5, 0, 0],
            [0] * 4,
            [0, 0, 0, 8],
        ]

    def test_samples_are_those_of_the_rows_that_count(self, path, plain):
        """A sample without a row that counts is none of the feed."""
        feed = rowfeed.Feed(
            rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), rowfeed.Grid("cells", **XY, where="v < 800")
        )
        assert feed.sample_ids.tolist() == [7]

    def test_wrong_sql(self, path, plain):
        """SQL that the database refuses is a DatabaseError with the database's own words."""
        with pytest.raises(rowfeed.DatabaseError, match="no such column: nope"):
            read(path, rowfeed.Grid("cells", **XY, where="nope > 1"), plain)

    @pytest.mark.parametrize("where", [1, True, sa.text("v > 1"), ["v > 1"]])
    def test_no_sql(self, where):
        """Anything but text and a column expression is refused."""
        with pytest.raises(rowfeed.ArgumentError, match="expected SQL text or a SQLAlchemy expression; got where="):
            rowfeed.Grid("cells", **XY, where=where)


class TestArguments:
    """What cannot be right, whatever the database holds."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"axes": ()}, "column name or a list of distinct ones; got axes=()"),
            ({"axes": ("x", "x")}, "got axes=('x', 'x')"),
            ({"axes": ("x", 1)}, "got axes=('x', 1)"),
            ({"axes": None}, "got axes=None"),
            ({"axes": "x"}, "as many axes as shape has sides"),
            ({"axes": list("abcdefghi"), "shape": (1,) * 9}, "1 to 8"),
            ({"value": []}, "got value=[]"),
            ({"value": ["v", "v"]}, "got value=['v', 'v']"),
            ({"value": None}, "got value=None"),
            ({"value": ""}, "got value=''"),
            ({"sample": None}, "got sample="),
            ({"sample": ""}, "got sample="),
            ({"sample": ("id",)}, "got sample="),
            ({"shape": (3,)}, "as many axes as shape has sides"),
            ({"shape": (3, 0)}, "positive whole number of cells along each axis; got shape=(3, 0)"),
            ({"shape": (3, -1)}, "got shape=(3, -1)"),
            ({"shape": (3, 2.0)}, "got shape=(3, 2.0)"),
            ({"shape": (3, True)}, "got shape=(3, True)"),
            ({"shape": (2**31, 2**31)}, "4,611,686,018,427,387,904 cells"),
            ({"dtype": "complex64"}, "boolean, integer or float dtype of at most 8 bytes; got dtype='complex64'"),
            ({"dtype": "float128"}, "got dtype='float128'"),
            ({"dtype": "str"}, "got dtype='str'"),
            ({"dtype": "float23"}, "got dtype='float23'"),
            ({"dtype": object}, "got dtype="),
            ({"duplicates": "avg"}, "expected one of error, first, last, sum, mean, max, min; got duplicates='avg'"),
            ({"out_of_range": "clip"}, "expected one of error, drop; got out_of_range='clip'"),
            ({"null": "zero"}, "expected one of error, drop, fill; got null='zero'"),
            ({"null": None}, "got null=None"),
        ],
        ids=str,
    )
    def test_refused(self, change, message):
        """Each wrong argument is refused at once, by name and value."""
        with pytest.raises(rowfeed.ArgumentError, match=re.escape(message)):
            rowfeed.Grid("cells", **{**XY, **change})

    @pytest.mark.parametrize("table", ["", ".", "a.", ".a", None, 5, sa.text("cells"), ["cells"]])
    def test_no_table(self, table):
        """A table is a name or a selectable."""
        with pytest.raises(rowfeed.ArgumentError, match="expected a table name"):
            rowfeed.Grid(table, **XY)

    @pytest.mark.parametrize("misspelt", ["duplicate", "Where", "type", "values", "missing"])
    def test_misspelt(self, misspelt):
        """No option is swallowed."""
        with pytest.raises(TypeError, match=misspelt):
            rowfeed.Grid("cells", **XY, **{misspelt: "error"})

    def test_missing(self):
        """What has no default must be given."""
        with pytest.raises(TypeError, match="shape"):
            rowfeed.Grid("cells", sample="id", axes="x", value="v")

    def test_frozen(self):
        """A layout cannot be changed after it was checked."""
        grid = rowfeed.Grid("cells", **XY)
        with pytest.raises(dataclasses.FrozenInstanceError):
            grid.shape = (9, 9)

    def test_the_caller_s_lists_are_copied(self):
        """Changing a list afterwards changes no layout."""
        axes, shape, value = ["x", "y"], [3, 3], ["v"]
        grid = rowfeed.Grid("cells", sample="id", axes=axes, shape=shape, value=value)
        for given_list in (axes, shape, value):
            with suppress(Exception):
                given_list.clear()
        assert (tuple(grid.axes), tuple(grid.shape), grid.values, grid.sample_shape) == (
            ("x", "y"),
            (3, 3),
            ("v",),
            (3, 3, 1),
        )

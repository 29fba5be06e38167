"""`Database.write`, the inverse of a feed: the same arrays come back, or nothing is written."""

from __future__ import annotations

import math
import re
import sqlite3
from contextlib import closing

import numpy as np
import pytest
import reference
import scipy.sparse
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from reference import assert_same, create, examples, query

import rowfeed
import rowfeed.layouts.grid

INF, NAN = float("inf"), float("nan")
DTYPES = list(reference.FORMATS)


@pytest.fixture
def path(tmp_path):
    """A file that is not there yet."""
    return tmp_path / "a.db"


@pytest.fixture
def db(path):
    """The database in it."""
    return rowfeed.connect(f"sqlite:///{path}")


def grid(table="t", **changes):
    """A grid of (2, 3) cells."""
    arguments = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (2, 3), **changes}
    return rowfeed.Grid(table, **arguments)


def back(db, layout, **options):
    """What a feed of the layout returns, both ways."""
    ways = (rowfeed.connect(db._address.url, plain_rows=plain) for plain in (False, True))
    fast, plain = (rowfeed.Feed(way, layout, **options).arrays() for way in ways)
    assert_same(fast, plain)
    return fast


def contents(path):
    """Every table with its rows."""
    if not path.exists():
        return {}
    names = [name for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: query(path, f"SELECT * FROM {reference.quoted(name)}") for name in names}


def encoded(samples, shape, dtype="float32"):
    """Samples whose values say where they are: sample · 100 + row-major cell, and a few zeros."""
    cells = np.arange(math.prod(shape)).reshape(shape)
    arrays = np.stack([sample * 100 + cells for sample in range(1, samples + 1)]).astype(dtype)
    arrays[:, 0, 1] = 0
    return arrays


class TestRoundTrip:
    """Write, then feed."""

    def test_rows(self, db, path):
        """Cells that are not fill become rows, keyed by sample and coordinates."""
        written = db.write(grid(), np.array([[[0, 5, 0], [7, 0, 9]], [[0, 0, 0], [0, 0, 2]]], "float32"))
        assert written == 4
        assert contents(path) == {"t": [(0, 0, 1, 5.0), (0, 1, 0, 7.0), (0, 1, 2, 9.0), (1, 1, 2, 2.0)]}
        assert [row[1:] for row in query(path, "PRAGMA table_info(t)")] == [
            ("id", "BIGINT", 1, None, 1),
            ("x", "INTEGER", 1, None, 2),
            ("y", "INTEGER", 1, None, 3),
            ("v", "REAL", 1, None, 0),
        ]

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_limits_of_every_dtype(self, db, dtype):
        """The extreme values of each dtype come back bit for bit."""
        if dtype == "bool":
            values = [True, False]
        elif dtype.startswith("float"):
            info = np.finfo(dtype)
            values = [info.max, info.min, info.tiny, info.smallest_subnormal, -info.eps, INF, -INF, 1 / 3, 0]
        else:
            info = np.iinfo(dtype)
            values = [min(int(info.max), 2**63 - 1), int(info.min), 0, 1, int(info.max) // 3]
        arrays = np.array([values + [0] * (10 - len(values)), ([1] + values + [0] * 9)[:10]], dtype)
        layout = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=10, dtype=dtype)
        db.write(layout, arrays)
        assert_same(back(db, layout), arrays)

    @examples(40)
    @given(st.data())
    def test_random_arrays(self, tmp_path_factory, data):
        """Dense arrays of any dtype, shape, number of values and fill, under ids of either kind."""
        dtype = data.draw(st.sampled_from(DTYPES))
        shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
        channels = data.draw(st.integers(0, 2))
        samples = data.draw(st.integers(1, 5))
        fill = data.draw(st.sampled_from([0, 1, NAN, 0.5] if dtype.startswith("float") else [0, 1]))
        if dtype == "bool":
            numbers = st.booleans()
        elif dtype.startswith("float"):
            width = 8 * np.dtype(dtype).itemsize
            numbers = st.floats(width=width, allow_nan=False).map(lambda v: v + 0.0) | st.just(fill)
        else:
            info = np.iinfo(dtype)
            numbers = st.integers(int(info.min), min(int(info.max), 2**63 - 1)) | st.just(fill)
        full = (samples, *shape, *([channels] if channels else []))
        size = math.prod(full)
        arrays = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size)), dtype).reshape(full)
        if channels == 2 and fill != fill:
            arrays = np.where(np.isnan(arrays), np.array(2, dtype), arrays)
        ids = data.draw(
            st.one_of(
                st.none(),
                st.lists(st.integers(-(2**63), 2**63 - 1), min_size=samples, max_size=samples, unique=True),
                st.lists(st.text(max_size=4), min_size=samples, max_size=samples, unique=True),
            )
        )
        value = [f"v{c}" for c in range(channels)] or "v"
        axes = [f"a{i}" for i in range(len(shape))]
        layout = rowfeed.Grid("t", sample="id", axes=axes, value=value, shape=shape, fill=fill, dtype=dtype)
        db = rowfeed.connect(f"sqlite:///{tmp_path_factory.mktemp('w') / 'a.db'}")
        names = list(range(samples)) if ids is None else ids
        if not db.write(layout, arrays, ids=ids):
            with pytest.raises(rowfeed.DataError, match="got none in a whole epoch"):
                back(db, layout, samples=names)
            return
        order = sorted(range(samples), key=lambda i: names[i])
        assert_same(back(db, layout, samples=names), arrays[order])

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("columns", ["a", ["a"], ["b", "a"]])
    def test_columns(self, db, dtype, columns):
        """`Columns` come back too, zeros and fill included."""
        width = () if isinstance(columns, str) else (len(columns),)
        arrays = (np.arange(3 * math.prod(width)).reshape(3, *width) % 2).astype(dtype)
        layout = rowfeed.Columns("t", sample="id", columns=columns, dtype=dtype)
        assert db.write(layout, arrays, ids=[9, 4, 6]) == 3
        assert_same(back(db, layout), arrays[[1, 2, 0]])

    @pytest.mark.parametrize(
        "container", [scipy.sparse.csr_matrix, scipy.sparse.coo_array, scipy.sparse.csc_array, scipy.sparse.lil_matrix]
    )
    @pytest.mark.parametrize("fill", [0, 7])
    def test_a_sparse_matrix(self, db, container, fill):
        """A sparse matrix of one row per sample; its zeros are zeros, whatever the fill."""
        arrays = encoded(3, (2, 3))
        layout = grid(fill=fill)
        written = db.write(layout, container(arrays.reshape(3, 6)), ids=[30, 10, 20])
        assert written == (15 if fill == 0 else 18)
        assert_same(back(db, layout), arrays[[1, 2, 0]])

    @pytest.mark.parametrize("container", [scipy.sparse.csr_matrix, scipy.sparse.coo_array, scipy.sparse.dok_matrix])
    def test_a_list_of_sparse_matrices(self, db, container):
        """A list of one sparse matrix a sample."""
        arrays = encoded(4, (2, 3))
        arrays[2] = 0
        layout = grid()
        assert db.write(layout, [container(a) for a in arrays], ids=list("dacb")) == 15
        assert_same(back(db, layout, samples=list("abcd")), arrays[[1, 3, 2, 0]])

    @pytest.mark.parametrize("dtype", ["float64", "int8", "uint64", "bool"])
    def test_sparse_dtypes(self, db, dtype):
        """Sparse matrices of every kind of number."""
        arrays = (np.arange(12).reshape(2, 6) % 2).astype(dtype)
        layout = grid(dtype=dtype)
        db.write(layout, scipy.sparse.csr_matrix(arrays))
        assert_same(back(db, layout), arrays.reshape(2, 2, 3))

    @pytest.mark.parametrize("cells", [1, 6, 13])
    def test_in_several_chunks(self, db, monkeypatch, cells):
        """Arrays that are written in several chunks keep their ids, dense and sparse."""
        monkeypatch.setattr(rowfeed.layouts.grid, "UNLOAD_CELLS", cells)
        arrays = encoded(7, (2, 3))
        for table, given_arrays in (
            ("a", arrays),
            ("b", scipy.sparse.csr_matrix(arrays.reshape(7, 6))),
            ("c", list(arrays)),
        ):
            assert db.write(grid(table), given_arrays, ids=[3, 1, 2, 9, 8, 7, 5]) == 35
            assert_same(back(db, grid(table)), arrays[[1, 2, 0, 6, 5, 4, 3]])

    def test_lists_and_other_dtypes_that_lose_nothing(self, db):
        """Nested lists, wider dtypes and strided arrays are written where no value changes."""
        arrays = encoded(2, (2, 3))
        forms = [arrays.tolist(), arrays.astype("float64"), arrays.astype("int64"), list(arrays), arrays.astype(">f4")]
        forms += [np.asfortranarray(arrays), np.repeat(arrays, 2, axis=0)[::2]]
        for number, form in enumerate(forms):
            db.write(grid(f"t{number}"), form)
            assert_same(back(db, grid(f"t{number}")), arrays)

    def test_through_an_engine(self, path):
        """A database made from the user's own engine is written the same way, and all or nothing."""
        engine = sa.create_engine(f"sqlite:///{path}")
        db = rowfeed.connect(engine)
        arrays = encoded(2, (2, 3))
        assert db.write(grid(), arrays) == 10
        assert_same(rowfeed.Feed(db, grid()).arrays(), arrays)
        before = contents(path)
        arrays[1, 1, 1] = NAN
        for if_exists in ("append", "replace"):
            with pytest.raises(rowfeed.DataError):
                db.write(grid(), arrays, ids=[7, 8], if_exists=if_exists)
        assert contents(path) == before
        assert engine.pool.checkedout() == 0
        engine.dispose()

    def test_the_caller_s_arrays_stay(self, db):
        """Writing changes nothing in them."""
        arrays = encoded(2, (2, 3))
        arrays.flags.writeable = False
        db.write(grid(), arrays)

    def test_samples_that_are_all_fill(self, db):
        """A sample of nothing but fill leaves no row; `samples=` knows it."""
        arrays = np.zeros((3, 2, 3), "float32")
        arrays[1, 1, 2] = 112
        assert db.write(grid(), arrays) == 1
        assert_same(back(db, grid()), arrays[1:2])
        assert_same(back(db, grid(), samples=range(3)), arrays)

    @pytest.mark.parametrize("fill", [0.0, -0.0, NAN, 5])
    def test_fill_is_compared_bit_for_bit(self, db, path, fill):
        """Only cells with the very bits of fill are left out: 0.0 is stored where the fill is -0.0."""
        arrays = np.full((2, 2, 3), fill, "float32")
        arrays[0, 0, 0], arrays[1, 0, 0] = 0.0, 1.0
        layout = grid(fill=fill)
        assert db.write(layout, arrays) == (1 if math.copysign(1, fill) == 1 and fill == 0 else 2)
        assert_same(back(db, layout, samples=[0, 1]), arrays)

    @pytest.mark.parametrize(
        "ids",
        [
            [5, 3, 4],
            ("b", "", "a"),
            np.array([5, 3, 4]),
            np.array(["b", "", "a"]),
            range(5, 8),
            np.array([1, 2, 3], "uint8"),
        ],
        ids=repr,
    )
    def test_ids(self, db, ids):
        """Ids as list, tuple, range or array: each sample keeps its own."""
        arrays = encoded(3, (2, 3))
        db.write(grid(), arrays, ids=ids)
        order = sorted(range(3), key=lambda i: list(ids)[i])
        feed = rowfeed.Feed(db, grid())
        assert feed.sample_ids.tolist() == sorted(ids)
        assert_same(feed.arrays(), arrays[order])

    def test_awkward_text_ids(self, db):
        """Ids of any Unicode text."""
        ids = ["A", "a", "a ", "", "é", "e\u0301", "😀", "\0", "a\0b", "'", '"', "\n", "%s:x", "\uffff", "x" * 300]
        arrays = encoded(len(ids), (2, 3))
        db.write(grid(), arrays, ids=ids)
        order = sorted(range(len(ids)), key=lambda i: ids[i])
        assert_same(back(db, grid()), arrays[order])

    def test_no_index_is_missing(self, db):
        """A feed of what was written finds its samples by the primary key: no warning (it would be an error here)."""
        for layout, arrays in (
            (grid("a"), encoded(1, (2, 3))),
            (rowfeed.Columns("b", sample="id", columns="c"), np.ones(1)),
        ):
            db.write(layout, arrays)
            rowfeed.Feed(db, layout)

    @pytest.mark.parametrize(
        "name",
        [
            'quo"te',
            "back`tick",
            "semi; DROP TABLE x",
            "100%s",
            ":name",
            "new\nline",
            "😀",
            "select",
            "n" * 64,
            "a [b]",
            "it's",
        ],
    )
    def test_hostile_names(self, db, name):
        """Names of table and columns are quoted, whatever is in them."""
        layout = rowfeed.Grid(name, sample=f"{name}1", axes=(f"{name}2", f"{name}3"), value=f"{name}4", shape=(2, 3))
        arrays = encoded(2, (2, 3))
        db.write(layout, arrays)
        assert_same(back(db, layout), arrays)


class TestRefused:
    """What SQLite cannot store unchanged, and arrays that do not fit: nothing is written."""

    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize(
        ("bad", "dtype", "shown"),
        [
            (NAN, "float32", "nan"),
            (-0.0, "float64", "-0.0"),
            (2**63, "uint64", "9223372036854775808"),
            (2**64 - 1, "uint64", "18446744073709551615"),
        ],
    )
    def test_what_sqlite_changes(self, path, plain, bad, dtype, shown):
        """NaN, -0.0 and integers from 2^63 are refused by name of table, column and sample; no table is left."""
        db = rowfeed.connect(f"sqlite:///{path}", plain_rows=plain)
        arrays = encoded(3, (2, 3), dtype)
        arrays[1, 1, 1] = bad
        with pytest.raises(rowfeed.DataError) as caught:
            db.write(grid(dtype=dtype), arrays, ids=["a", "b", "c"])
        assert str(caught.value) == (
            f"expected values that sqlite stores unchanged; got {shown} at t.v, id=b. Replace it, or make it the fill."
        )
        assert contents(path) == {}

    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize("if_exists", ["append", "replace"])
    def test_what_was_there_stays(self, path, plain, if_exists):
        """A refused write leaves an existing table as it was."""
        db = rowfeed.connect(f"sqlite:///{path}", plain_rows=plain)
        db.write(grid(), encoded(2, (2, 3)))
        before = contents(path)
        arrays = encoded(2, (2, 3))
        arrays[1, 1, 2] = NAN
        with pytest.raises(rowfeed.DataError):
            db.write(grid(), arrays, ids=[7, 8], if_exists=if_exists)
        assert contents(path) == before

    @pytest.mark.parametrize("if_exists", ["fail", "append", "replace"])
    def test_nothing_is_written_of_several_chunks(self, db, path, monkeypatch, if_exists):
        """A fault in a later chunk undoes the earlier ones."""
        monkeypatch.setattr(rowfeed.layouts.grid, "UNLOAD_CELLS", 6)
        if if_exists != "fail":
            db.write(grid(), encoded(2, (2, 3)))
        before = contents(path)
        arrays = encoded(5, (2, 3))
        arrays[4, 0, 0] = NAN
        with pytest.raises(rowfeed.DataError, match=r"t\.v, id=14"):
            db.write(grid(), arrays, ids=range(10, 15), if_exists=if_exists)
        assert contents(path) == before

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [(0.1, "float32"), (2**24 + 1, "float32"), (1.5, "int8"), (300, "uint8"), (-1, "uint8"), (2, "bool")],
    )
    def test_what_the_layout_changes(self, db, path, value, dtype):
        """A value that the layout's dtype does not hold is refused, not rounded."""
        arrays = np.ones((2, 2, 3), np.float64)
        arrays[1, 0, 2] = value
        with pytest.raises(
            rowfeed.DataError, match=rf"{dtype} holds exactly; got {re.escape(str(value))}.* at arrays\[1\]"
        ):
            db.write(grid(dtype=dtype), arrays)
        assert contents(path) == {}

    @pytest.mark.parametrize(
        ("layout", "arrays", "message"),
        [
            (grid(), np.zeros((2, 3)), "(samples, 2, 3"),
            (grid(), np.zeros((2, 3, 2)), "(samples, 2, 3"),
            (grid(), np.zeros((2, 2, 3, 1)), "(samples, 2, 3"),
            (grid(value=["v"]), np.zeros((2, 2, 3)), "(samples, 2, 3, 1"),
            (grid(), np.full((2, 2, 3), "a"), "arrays of numbers"),
            (grid(), np.zeros((2, 2, 3), complex), "arrays of numbers"),
            (grid(), np.zeros((2, 2, 3), object), "arrays of numbers"),
            (grid(), scipy.sparse.csr_matrix((2, 5)), "(samples, 6)"),
            (grid(), [scipy.sparse.csr_matrix((3, 2))], "(2, 3)"),
            (rowfeed.Columns("t", sample="id", columns="a"), np.zeros((2, 1)), "(samples)"),
            (rowfeed.Columns("t", sample="id", columns=["a"]), np.zeros(2), "(samples, 1)"),
        ],
    )
    def test_arrays_of_another_shape(self, db, path, layout, arrays, message):
        """Arrays that do not fit the layout are refused, with both shapes."""
        with pytest.raises(rowfeed.ArgumentError, match=re.escape(message)):
            db.write(layout, arrays)
        assert contents(path) == {}

    @pytest.mark.parametrize(
        ("ids", "error", "message"),
        [
            ([1, 2], rowfeed.ArgumentError, "2 ids and 3 samples"),
            ([1, 2, 3, 4], rowfeed.ArgumentError, "4 ids and 3 samples"),
            ([1, 2, 1], rowfeed.ArgumentError, "distinct ids"),
            (["a", "b", "a"], rowfeed.ArgumentError, "distinct ids"),
            ([1, "a", 2], rowfeed.Error, "all integers or all text"),
            ([1, 2, None], rowfeed.Error, "NULL"),
            ([1.0, 2.0, 3.0], rowfeed.Error, "all integers or all text"),
            ([1, 2, 2**63], rowfeed.DataError, r"below 2\^63; got 9223372036854775808 among ids. Pass text ids."),
            ([1, 2, 2**64], rowfeed.Error, "64 bits"),
        ],
    )
    def test_ids(self, db, path, ids, error, message):
        """Ids must be distinct, of one kind, and one per sample."""
        with pytest.raises(error, match=message):
            db.write(grid(), encoded(3, (2, 3)), ids=ids)
        assert contents(path) == {}

    @pytest.mark.parametrize("table", [sa.table("t"), sa.select(sa.column("a")), sa.table("t").alias()])
    def test_a_selectable(self, db, table):
        """Rows are written to a table that is named."""
        with pytest.raises(rowfeed.ArgumentError, match="table is a name"):
            db.write(grid(table), encoded(1, (2, 3)))

    def test_misspelt(self, db):
        """No option is swallowed."""
        with pytest.raises(TypeError, match="if_exist"):
            db.write(grid(), encoded(1, (2, 3)), if_exist="replace")
        with pytest.raises(
            rowfeed.ArgumentError, match="expected one of fail, append, replace; got if_exists='overwrite'"
        ):
            db.write(grid(), encoded(1, (2, 3)), if_exists="overwrite")

    def test_a_missing_directory(self, tmp_path):
        """A file that cannot be made is a DatabaseError that names it."""
        db = rowfeed.connect(f"sqlite:///{tmp_path}/nowhere/a.db")
        with pytest.raises(rowfeed.DatabaseError, match=r"a directory .*nowhere for a\.db; got none"):
            db.write(grid(), encoded(1, (2, 3)))


class TestIfExists:
    """What happens to a table of that name."""

    def test_fail(self, db, path):
        """The default refuses, names table and file and both ways out, and leaves the table as it is."""
        db.write(grid(), encoded(1, (2, 3)))
        before = contents(path)
        with pytest.raises(rowfeed.ArgumentError) as caught:
            db.write(grid(), encoded(2, (2, 3)), ids=[5, 6])
        assert "expected no table 't' yet; got one in " in str(caught.value)
        assert str(path) in str(caught.value)
        assert 'if_exists="append" or "replace"' in str(caught.value)
        assert contents(path) == before

    def test_append(self, db):
        """New samples join the old ones."""
        arrays = encoded(4, (2, 3))
        db.write(grid(), arrays[:2], ids=[3, 1])
        assert db.write(grid(), arrays[2:], ids=[2, 4], if_exists="append") == 10
        assert_same(back(db, grid()), arrays[[1, 2, 0, 3]])

    def test_append_to_nothing(self, db):
        """Where there is no table, append and replace create it."""
        for mode in ("append", "replace"):
            db.write(grid(mode), encoded(2, (2, 3)), if_exists=mode)
            assert_same(back(db, grid(mode)), encoded(2, (2, 3)))

    def test_append_what_is_there(self, db, path):
        """A sample that is there already is a DatabaseError, and none of the new ones is written."""
        db.write(grid(), encoded(2, (2, 3)), ids=[1, 2])
        before = contents(path)
        with pytest.raises(rowfeed.DatabaseError, match="UNIQUE"):
            db.write(grid(), encoded(2, (2, 3)), ids=[3, 2], if_exists="append")
        assert contents(path) == before

    def test_append_to_another_table(self, db, path):
        """A table with other columns is a DatabaseError."""
        create(path, "t", [("id", ""), ("other", "")])
        with pytest.raises(rowfeed.DatabaseError, match="t"):
            db.write(grid(), encoded(1, (2, 3)), if_exists="append")

    def test_replace(self, db, path):
        """The old table goes, with its columns and rows; other tables stay."""
        create(path, "t", [("id", ""), ("other", "")], [(1, 2)])
        create(path, "u", [("id", "")], [(1,)])
        db.write(grid(), encoded(2, (2, 3)), if_exists="replace")
        assert_same(back(db, grid()), encoded(2, (2, 3)))
        assert contents(path)["u"] == [(1,)]

    def test_a_feed_that_was_there_before(self, db):
        """A feed holds no connection that would keep a table from being replaced, and reads what is there then."""
        db.write(grid(), encoded(2, (2, 3)))
        feed = rowfeed.Feed(db, grid(), shuffle=False)
        db.write(grid(), encoded(2, (2, 3)) * 2, if_exists="replace")
        assert_same(next(iter(feed)), encoded(2, (2, 3)) * 2)

    def test_a_locked_database(self, path):
        """Another writer's lock is a DatabaseError, not a hang."""
        create(path, "u", [("id", "")])
        db = rowfeed.connect(f"sqlite:///{path}?timeout=0.05")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(rowfeed.DatabaseError, match="locked"):
                db.write(grid(), encoded(1, (2, 3)))
        db.write(grid(), encoded(1, (2, 3)))

"""`Columns`: one row per sample. Values are sample · 10 + column."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sqlalchemy as sa
from reference import assert_same, create, fit

import rowfeed

NAN = float("nan")
NAMES = [("id", "INTEGER"), ("a", ""), ("b", ""), ("c", "")]
ROWS = [(3, 30, 31, 32), (1, 10, 11, 12), (5, 50, 51, 52), (2, 20, 21, 22)]


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def plain(request):
    """Whether plain rows are read."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Samples 1, 2, 3 and 5, in another order, with columns a, b and c."""
    create(tmp_path / "a.db", "t", NAMES, ROWS, index=["id"])
    return tmp_path / "a.db"


def one(tmp_path, *rows, declared=""):
    """A table (id, a) with these rows."""
    create(tmp_path / "one.db", "t", [("id", ""), ("a", declared)], rows, index=["id"])
    return tmp_path / "one.db"


def read(path, layout, plain=False, **options):
    """All samples, in ascending order of their ids."""
    return rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), layout, **options).arrays()


class TestShape:
    """What a batch looks like."""

    def test_a_column_or_a_list_of_columns(self, path, plain):
        """A name gives (B,); a list of n names (B, n) in the order of the list, also for n = 1."""
        layouts = [rowfeed.Columns("t", sample="id", columns=c, dtype="int16") for c in ("b", ["b"], ["c", "a", "b"])]
        assert_same(read(path, layouts[0], plain), np.array([11, 21, 31, 51], np.int16))
        assert_same(read(path, layouts[1], plain), np.array([[11], [21], [31], [51]], np.int16))
        assert_same(
            read(path, layouts[2], plain),
            np.array([[12, 10, 11], [22, 20, 21], [32, 30, 31], [52, 50, 51]], np.int16),
        )

    def test_the_sample_column_as_a_value(self, path, plain):
        """The id itself may be a value."""
        assert read(path, rowfeed.Columns("t", sample="id", columns=["a", "id"]), plain).tolist() == [
            [10, 1],
            [20, 2],
            [30, 3],
            [50, 5],
        ]

    def test_samples_follow_their_ids(self, path, plain):
        """Each sample gets its own row, whatever the order of rows: a 3-cycle, not its inverse."""
        feed = rowfeed.Feed(
            rowfeed.connect(f"sqlite:///{path}", plain_rows=plain),
            rowfeed.Columns("t", sample="id", columns="a", dtype="int64"),
            batch_size=2,
            seed=4,
        )
        for epoch in range(4):
            for number, batch in enumerate(feed.batches(epoch)):
                assert (batch // 10).tolist() == feed.batch_ids(epoch, number).tolist()

    @pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint64", ">f4", np.float32, np.dtype("i2")])
    def test_dtypes(self, path, plain, dtype):
        """The array has the dtype that was asked for."""
        got = read(path, rowfeed.Columns("t", sample="id", columns="a", dtype=dtype), plain)
        assert got.dtype == dtype
        assert got.tolist() == [10, 20, 30, 50]

    def test_a_selectable_and_where(self, path, plain):
        """A selectable may compute columns; where= restricts rows."""
        t = sa.table("t", *map(sa.column, ("id", "a", "b")))
        total = sa.select(t.c.id, (t.c.a + t.c.b).label("total")).where(t.c.id > 1)
        assert read(path, rowfeed.Columns(total, sample="id", columns="total"), plain).tolist() == [41, 61, 101]
        layout = rowfeed.Columns("t", sample="id", columns="a", where="b < 30 OR b = 51")
        assert read(path, layout, plain).tolist() == [10, 20, 50]


class TestRows:
    """One row per sample, no more and no less."""

    def test_no_row(self, path, plain):
        """A sample without a row is an error that names it and the ways out."""
        with pytest.raises(rowfeed.DataError) as caught:
            read(path, rowfeed.Columns("t", sample="id", columns=["b", "a"]), plain, samples=[1, 2, 4, 5])
        assert str(caught.value) == (
            "expected one row per sample; got none at t.b, id=4. "
            'Add the row, leave the sample out with samples=, or pass null="fill".'
        )

    def test_no_row_is_fill(self, path, plain):
        """With null="fill" a sample without a row is all fill, and shifts no neighbour."""
        layout = rowfeed.Columns("t", sample="id", columns=["b", "a"], null="fill", fill=-1)
        got = read(path, layout, plain, samples=[0, 1, 4, 5, 9])
        assert got.tolist() == [[-1, -1], [11, 10], [-1, -1], [51, 50], [-1, -1]]

    @pytest.mark.parametrize("null", ["error", "fill"])
    def test_two_rows(self, tmp_path, plain, null):
        """Two rows for a sample are an error, also where they are equal."""
        with pytest.raises(rowfeed.DataError) as caught:
            read(
                one(tmp_path, (1, 10), (2, 20), (2, 20), (2, 21)),
                rowfeed.Columns("t", sample="id", columns="a", null=null),
                plain,
            )
        assert str(caught.value) == (
            "expected one row per sample; got 3 at t.a, id=2. Delete all but one, or aggregate them in a selectable."
        )

    def test_one_row_too_many_and_one_too_few(self, tmp_path, plain):
        """As many rows as samples is not enough: each needs its own."""
        layout = rowfeed.Columns("t", sample="id", columns="a")
        with pytest.raises(rowfeed.DataError, match=r"got (2 at t\.a, id=1|none at t\.a, id=2)\."):
            read(one(tmp_path, (1, 10), (1, 11)), layout, plain, samples=[1, 2], connections=1)


class TestValues:
    """NULL, text, and numbers that do not fit."""

    def test_null(self, tmp_path, plain):
        """NULL is an error, and the way out that it names is one that `Columns` takes."""
        with pytest.raises(rowfeed.DataError) as caught:
            read(one(tmp_path, (1, 10), (2, None)), rowfeed.Columns("t", sample="id", columns="a"), plain)
        assert "expected a number; got NULL at t.a, id=2. " in str(caught.value)
        assert 'null="fill"' in str(caught.value)
        for choice in re.findall(r'null="(\w+)"', str(caught.value)):
            rowfeed.Columns("t", sample="id", columns="a", null=choice)

    @pytest.mark.parametrize("fill", [7, NAN, -0.0, np.float32(0.5)])
    def test_null_is_fill(self, tmp_path, plain, fill):
        """With null="fill", NULL and a missing row read alike, down to the bits."""
        layout = rowfeed.Columns("t", sample="id", columns="a", null="fill", fill=fill)
        got = read(one(tmp_path, (1, 10), (2, None)), layout, plain, samples=[1, 2, 3])
        assert got[0] == 10
        assert got[1:].tobytes() == np.full(2, fill, np.float32).tobytes()

    @pytest.mark.parametrize("value", ["12", "x", b"12", ""])
    def test_text(self, tmp_path, plain, value):
        """Text in a number column is an error, even where it looks like a number."""
        with pytest.raises(rowfeed.DataError) as caught:
            read(one(tmp_path, (1, 10), (2, value)), rowfeed.Columns("t", sample="id", columns="a"), plain)
        assert str(caught.value) == (
            f"expected a number; got {value!r} at t.a, id=2. Fix the row, or CAST the column in a selectable."
        )

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [(2**24 + 1, "float32"), (1e300, "float32"), (1.5, "int64"), (300, "uint8"), (-1, "uint8"), (2, "bool")],
    )
    def test_what_does_not_fit(self, tmp_path, plain, value, dtype):
        """A value that the dtype does not hold is an error that names a dtype that does."""
        layout = rowfeed.Columns("t", sample="id", columns="a", dtype=dtype)
        with pytest.raises(rowfeed.DataError) as caught:
            read(one(tmp_path, (1, 1), (2, value), (3, 0)), layout, plain)
        text = f"expected a value that {dtype} holds exactly; got {value!r} at t.a, id=2. Pass dtype="
        assert str(caught.value).startswith(text)
        assert fit(value, re.search(r'Pass dtype="(\w+)"', str(caught.value))[1]) == value

    def test_reals_are_rounded(self, tmp_path, plain):
        """A real number becomes the nearest float of the dtype."""
        layout = rowfeed.Columns("t", sample="id", columns="a")
        got = read(one(tmp_path, (1, 0.1), (2, 1e-50), (3, float("inf"))), layout, plain)
        assert_same(got, np.array([0.10000000149011612, 0.0, np.inf], np.float32))


class TestArguments:
    """What cannot be right, whatever the database holds."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"columns": []}, "got columns=[]"),
            ({"columns": ["a", "a"]}, "got columns=['a', 'a']"),
            ({"columns": None}, "got columns=None"),
            ({"columns": {"a"}}, "got columns={'a'}"),
            ({"sample": 3}, "got sample="),
            ({"dtype": "complex128"}, "got dtype='complex128'"),
            ({"null": "drop"}, "expected one of error, fill; got null='drop'"),
            ({"fill": 0.5, "dtype": "int8"}, "expected a fill that int8 can hold; got fill=0.5"),
            ({"where": 3}, "got where=3"),
            ({"table": ""}, "expected a table name; got table=''"),
        ],
        ids=str,
    )
    def test_refused(self, change, message):
        """Each wrong argument is refused at once, by name and value."""
        arguments = {"table": "t", "sample": "id", "columns": "a", **change}
        with pytest.raises(rowfeed.ArgumentError, match=re.escape(message)):
            rowfeed.Columns(arguments.pop("table"), **arguments)

    @pytest.mark.parametrize("misspelt", ["column", "value", "duplicates", "fil"])
    def test_misspelt(self, misspelt):
        """No option is swallowed."""
        with pytest.raises(TypeError, match=misspelt):
            rowfeed.Columns("t", sample="id", columns="a", **{misspelt: "error"})

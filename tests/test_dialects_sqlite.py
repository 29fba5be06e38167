"""SQLite: the fast way and plain rows give the same bits; the file is never written, nor made."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import tempfile
import threading
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from reference import SLOW, assert_same, create, examples, open_files, query

import rowfeed

INF = float("inf")
COLUMNS = [("id", "INTEGER"), ("x", ""), ("v", "")]


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def plain(request):
    """Whether plain rows are read."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Samples 1 and 2 with cells 0 and 2."""
    rows = [(1, 0, 100.5), (2, 2, 202.5), (1, 2, 102.0), (2, 0, 200.0)]
    create(tmp_path / "a.db", "t", COLUMNS, rows, index=["id"])
    return tmp_path / "a.db"


def grid(table="t", **changes):
    """A grid of 3 cells."""
    return rowfeed.Grid(table, **{"sample": "id", "axes": "x", "value": "v", "shape": 3, **changes})


def read(path, layout, plain=False, **options):
    """All samples, in ascending order of their ids."""
    return rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), layout, **options).arrays()


def both(path, layout, **options):
    """What both ways deliver, bit for bit; or the class of the error that both raise."""
    results = []
    for plain in (False, True):
        try:
            results.append(read(path, layout, plain, **options))
        except rowfeed.Error as error:
            results.append(type(error))
    if isinstance(results[0], type) or isinstance(results[1], type):
        assert results[0] == results[1]
    else:
        assert_same(results[0], results[1])
    return results[0]


class TestStorageClasses:
    """SQLite's columns hold anything."""

    @pytest.mark.parametrize("declared", ["", "REAL", "NUMERIC"])
    def test_random_doubles_round_trip(self, tmp_path, plain, declared):
        """Every finite float64 comes back as it is: random bit patterns, subnormals, the largest and the smallest."""
        rng = np.random.default_rng(12)
        values = np.concatenate(
            [
                rng.integers(0, 2**64, 10_000, dtype=np.uint64).view(np.float64),
                rng.integers(1, 2**52, 2_000, dtype=np.uint64).view(np.float64),
                np.ldexp(1.0, np.arange(-1074, 1024)),
                np.ldexp(1 - 2.0**-53, np.arange(-1021, 1025)),
                [1e23, 0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308],
            ]
        )
        values = values[np.isfinite(values)]
        create(tmp_path / "a.db", "t", [("id", "INTEGER"), ("v", declared)], enumerate(values.tolist()), key=["id"])
        got = read(tmp_path / "a.db", rowfeed.Columns("t", sample="id", columns="v", dtype="float64"), plain)
        wrong = np.flatnonzero(got.view(np.uint64) != values.view(np.uint64))
        assert not wrong.size, f"{wrong.size} of {values.size}, such as {values[wrong[0]]!r} read as {got[wrong[0]]!r}"

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_rounding_is_that_of_a_double(self, tmp_path, plain, dtype):
        """A real is rounded once, from the stored double: also at the middle between two floats."""
        rng = np.random.default_rng(3)
        some = rng.standard_normal(2_000).astype(dtype).astype(np.float64)
        ulp = np.spacing(some.astype(dtype)).astype(np.float64)
        values = np.concatenate([some + ulp / 2 * step for step in (0.5, 1, 1 + 2**-20, 1 - 2**-20, 1.5)])
        create(tmp_path / "a.db", "t", [("id", "INTEGER"), ("v", "REAL")], enumerate(values.tolist()), key=["id"])
        got = read(tmp_path / "a.db", rowfeed.Columns("t", sample="id", columns="v", dtype=dtype), plain)
        assert_same(got, values.astype(dtype))

    @pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64", "int8", "bool"])
    def test_random_mixtures(self, tmp_path, dtype):
        """Integers and reals in one column, within and beyond what a dtype holds: both ways agree on every table."""
        pool = [
            0,
            1,
            2,
            100,
            1.0,
            2.0,
            0.0,
            3.0,
            0.5,
            2**24,
            2**24 - 1,
            2**24 + 1,
            -(2**24) - 1,
            2.0**24,
            2**53,
            2**53 + 1,
        ]
        pool += [
            2.0**53,
            2**63 - 1,
            -(2**63),
            1e15,
            1e18,
            INF,
            -INF,
            5e-324,
            1e-45,
            1e300,
            -0.0,
            None,
            "1",
            b"1",
            255,
            256,
        ]
        choose = random.Random(dtype)
        for number in range(200 if SLOW else 12):
            kinds = choose.sample(pool, choose.randint(1, 3))
            rows = [(i, x, choose.choice(kinds)) for i in (1, 2) for x in range(3)]
            path = tmp_path / f"{number}.db"
            create(path, "t", COLUMNS, rows, index=["id"])
            both(path, grid(dtype=dtype, null="fill" if None in kinds else "error", fill=1))
            path.unlink()

    @pytest.mark.parametrize(
        ("values", "dtype", "expected"),
        [
            ([1, 2.5, 3], "float32", [1, 2.5, 3]),
            ([2**24, 0.5, 1], "float32", [16_777_216, 0.5, 1]),
            ([2**24 + 2, 0.5, 1], "float32", [16_777_218, 0.5, 1]),
            ([2**53 + 2, 0.5, 1], "float64", [9_007_199_254_740_994, 0.5, 1]),
            ([2**63 - 1, 1.0, 2], "int64", [9_223_372_036_854_775_807, 1, 2]),
            ([-(2**63), 1, 2], "int64", [-9_223_372_036_854_775_808, 1, 2]),
            ([2**53 + 1, 3.0, 1], "int64", [9_007_199_254_740_993, 3, 1]),
            ([INF, -INF, 1], "float32", [INF, -INF, 1]),
            ([INF, 0.5, 1], "float16", [INF, 0.5, 1]),
            ([2049.0, 4099.0, -2051.0], "float16", [2048, 4100, -2052]),
            ([2049.0, 1.5, 2048], "float16", [2048, 1.5, 2048]),
            ([2.0**24 + 1, 3.0, 1.0], "float32", [16_777_216, 3, 1]),
            ([1e18, 1.0, 2.0], "int64", [10**18, 1, 2]),
            ([1.0, 0.0, 1], "bool", [True, False, True]),
        ],
    )
    def test_what_is_read(self, tmp_path, plain, values, dtype, expected):
        """Mixed columns, written by hand: integers are exact, reals are rounded, each by its own class."""
        create(tmp_path / "a.db", "t", COLUMNS, [(1, x, v) for x, v in enumerate(values)], index=["id"])
        assert_same(read(tmp_path / "a.db", grid(dtype=dtype), plain), np.array([expected], dtype))

    @pytest.mark.parametrize(
        ("values", "dtype", "shown"),
        [
            ([2**24 + 1, 0.5, 1], "float32", "16777217"),
            ([2**24 + 1, 3, 1], "float32", "16777217"),
            ([-(2**24) - 1], "float32", "-16777217"),
            ([2**53 + 1, 0.5], "float64", "9007199254740993"),
            ([2**63 - 1, 0.5], "float32", "9223372036854775807"),
            ([1e300, 1.0], "float32", "1e+300"),
            ([1e300, 1], "float32", "1e+300"),
            ([0.5, 1], "int64", "0.5"),
            ([2.0**63, 1], "int64", "9.223372036854776e+18"),
            ([INF, 1], "int64", "inf"),
            ([-1, 1], "uint64", "-1"),
            ([2, 1], "bool", "2"),
            ([2049, 1.0], "float16", "2049"),
        ],
    )
    def test_what_is_refused(self, tmp_path, plain, values, dtype, shown):
        """Values that the dtype does not hold, alone and in mixed columns: named with table, column and sample."""
        create(tmp_path / "a.db", "t", COLUMNS, [(7, x, v) for x, v in enumerate(values)], index=["id"])
        with pytest.raises(
            rowfeed.DataError, match=rf"{dtype} holds exactly; got {shown.replace('+', '.')} at t\.v, id=7"
        ):
            read(tmp_path / "a.db", grid(dtype=dtype), plain)

    def test_the_sign_of_zero(self, tmp_path, plain):
        """A stored or computed -0.0 keeps its sign, whichever way it is read."""
        create(tmp_path / "a.db", "t", COLUMNS, [(1, 0, -0.0), (1, 1, 0.0), (1, 2, 1.5)], index=["id"])
        stored = [str(v) for (v,) in query(tmp_path / "a.db", "SELECT v FROM t ORDER BY x")]
        assert stored == ["-0.0", "0.0", "1.5"]
        assert [str(v) for v in read(tmp_path / "a.db", grid(), plain)[0].tolist()] == stored
        t = sa.table("t", *map(sa.column, ("id", "x", "v")))
        negative = sa.select(t.c.id, t.c.x, (t.c.v * -1.0).label("v"))
        assert [str(v) for v in read(tmp_path / "a.db", grid(negative), plain)[0].tolist()] == ["0.0", "-0.0", "-1.5"]

    @pytest.mark.parametrize(
        "type_", [sa.Numeric, sa.Numeric(10, 2), sa.Float, sa.Integer, sa.String, sa.Boolean, sa.DateTime]
    )
    def test_the_declared_type_of_a_selectable(self, tmp_path, plain, type_):
        """What SQLAlchemy believes of a column changes none of its values."""
        values = [0.1234567890123456, 1e-12, 5.0]
        create(tmp_path / "a.db", "t", COLUMNS, [(1, x, v) for x, v in enumerate(values)], index=["id"])
        typed = sa.Table("t", sa.MetaData(), sa.Column("id"), sa.Column("x"), sa.Column("v", type_))
        for table in (typed, sa.select(typed), typed.alias("other")):
            assert read(tmp_path / "a.db", grid(table, dtype="float64"), plain).tolist() == [values]

    @pytest.mark.parametrize("ids", [[1, 1.0], [1.0, 1]])
    @pytest.mark.parametrize("other", [2, 2**62])
    def test_ids_of_two_number_classes(self, tmp_path, ids, other):
        """A row of the id 1.0 is one of sample 1, as SQL has it, or an error; never one way here, another there."""
        rows = [(i, x, 10 * x + 1) for x, i in enumerate(ids)]
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], rows, index=["x"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
            got = both(tmp_path / "a.db", grid(), samples=[1, other])
            if not isinstance(got, type):
                assert got.tolist() == [[1, 11, 0], [0, 0, 0]]

    @pytest.mark.parametrize("declared", ["", "INTEGER", "TEXT", "NUMERIC"])
    @pytest.mark.parametrize("samples", [["1", "a"], [1, 2]])
    def test_ids_of_text_and_numbers(self, tmp_path, declared, samples):
        """Text and numbers in one id column: the text '1' is not the number 1, either way."""
        rows = [("a", 0, 1), (1, 1, 2), ("b", 0, 3), (2, 2, 4)]
        create(tmp_path / "a.db", "t", [("id", declared), ("x", ""), ("v", "")], rows, index=["x"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
            both(tmp_path / "a.db", grid(), samples=samples)

    @examples(50)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "A", "a ", "1", "é", "a\0"]),
                st.one_of(st.integers(-1, 3), st.sampled_from([0.0, 1.0, 1.5, None, "1", b"1", INF])),
                st.one_of(
                    st.integers(-3, 2**25),
                    st.floats(allow_nan=False),
                    st.none(),
                    st.text(max_size=2),
                    st.binary(max_size=2),
                ),
            ),
            min_size=1,
            max_size=8,
        ),
        st.sampled_from(["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"]),
        st.sampled_from(["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB"]),
        st.sampled_from(["error", "drop", "fill"]),
        st.sampled_from(["error", "drop"]),
        st.sampled_from(["sum", "max", "error"]),
    )
    def test_any_row(self, tmp_path_factory, rows, x_type, v_type, null, out_of_range, duplicates):
        """Any rows, any declared types, any policies: both ways deliver the same bits or the same class of error."""
        path = tmp_path_factory.mktemp("any") / "a.db"
        create(path, "t", [("id", "TEXT COLLATE NOCASE"), ("x", x_type), ("v", v_type)], rows, index=["id"])
        layout = grid(null=null, out_of_range=out_of_range, duplicates=duplicates, dtype="float64", fill=0.5)
        both(path, layout)
        path.unlink()


class TestIds:
    """Asking for samples by their ids."""

    @pytest.mark.parametrize(
        "ids", [[-(2**63), -1, 0, 1, 2**53 + 1, 2**53, 2**63 - 1], ["a", "b\0", "\\u0000", "'", '"', "\\"]]
    )
    def test_awkward_ids(self, tmp_path, plain, ids):
        """The extremes of int64, and text that must be escaped on the way, are found exactly."""
        create(
            tmp_path / "a.db",
            "t",
            [("id", ""), ("x", ""), ("v", "")],
            [(i, 1, n) for n, i in enumerate(ids, 1)],
            index=["id"],
        )
        got = read(tmp_path / "a.db", grid(), plain, samples=ids)
        assert got[:, 1].tolist() == [ids.index(i) + 1 for i in sorted(ids)]

    @examples(30)
    @given(st.lists(st.text(), min_size=1, max_size=12, unique=True))
    def test_any_text(self, tmp_path_factory, words):
        """Any Unicode text is found, both ways, each with its own row."""
        path = tmp_path_factory.mktemp("text") / "a.db"
        create(
            path, "t", [("id", "TEXT"), ("x", ""), ("v", "")], [(w, 0, n) for n, w in enumerate(words, 1)], index=["id"]
        )
        assert both(path, grid())[:, 0].tolist() == [words.index(w) + 1 for w in sorted(words)]
        path.unlink()

    def test_more_samples_than_a_request_has(self, tmp_path, plain):
        """70,001 samples in one window: requests of tens of thousands, each sample at its place."""
        count = 3_001 if plain else 70_001
        rows = ((i * 3, (i * 7) % 3, i % 1000 + 1) for i in range(count))
        create(tmp_path / "a.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows, key=["id"])
        got = read(tmp_path / "a.db", grid(), plain)
        expected = np.zeros((count, 3), np.float32)
        i = np.arange(count)
        expected[i, (i * 7) % 3] = i % 1000 + 1
        assert_same(got, expected)


class TestNames:
    """Identifiers are quoted."""

    def test_a_dot_in_a_table_s_name(self, tmp_path, plain):
        """sqlalchemy.table("a.b") is a table with a dot; "main.t" is a table in a schema."""
        create(tmp_path / "a.db", "a.b", COLUMNS, [(1, 0, 100)], index=["id"])
        create(tmp_path / "a.db", "t", COLUMNS, [(1, 1, 101)], index=["id"])
        assert read(tmp_path / "a.db", grid(sa.table("a.b")), plain).tolist() == [[100, 0, 0]]
        assert read(tmp_path / "a.db", grid("main.t"), plain).tolist() == [[0, 101, 0]]
        with pytest.raises(rowfeed.Error):
            read(tmp_path / "a.db", grid("a.b"), plain)

    def test_a_table_called_as_a_function_of_sqlite(self, path, plain):
        """A table that hides SQLite's json_each keeps nobody from reading the others."""
        create(path, "json_each", COLUMNS, [(1, 0, 1)], index=["id"])
        assert read(path, grid(), plain).tolist() == [[100.5, 0, 102], [200, 0, 202.5]]
        assert read(path, grid("json_each"), plain).tolist() == [[1, 0, 0]]


class TestSchema:
    """Tables and columns that are not there, and indexes."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"table": "T1"}, "expected a table or view 'T1'; got none of that name in .*a.db. Did you mean 't'\\?"),
            ({"table": "nothing like it"}, "table or view 'nothing like it'.* Check the spelling and the database."),
            ({"table": "other.t"}, "."),
            ({"sample": "idd"}, r"expected a column 'idd' in t; got columns \['id', 'x', 'v'\]. Did you mean 'id'\?"),
            ({"axes": "xx"}, r"expected a column 'xx' in t;.*Did you mean 'x'\?"),
            ({"value": ["v", "value"]}, r"expected a column 'value' in t"),
        ],
        ids=str,
    )
    def test_not_there(self, path, plain, change, message):
        """A SchemaError that names what was expected, where, and what comes close."""
        change = dict(change)
        with pytest.raises((rowfeed.SchemaError, rowfeed.DatabaseError), match=message) as caught:
            read(path, grid(change.pop("table", "t"), **change), plain)
        if message != ".":
            assert type(caught.value) is rowfeed.SchemaError

    def test_the_file_is_named(self, path, plain):
        """A message about a database says which file."""
        with pytest.raises(rowfeed.SchemaError, match=re.escape(str(path))):
            read(path, grid("nowhere"), plain)
        with pytest.raises(rowfeed.DatabaseError, match=re.escape(str(path))):
            read(path, grid(where="nope = 1"), plain)

    def test_a_selectable_without_the_column(self, path, plain):
        """A selectable that lacks a column is refused with the columns it has."""
        some = sa.select(sa.column("id"), sa.column("x")).select_from(sa.table("t"))
        with pytest.raises(rowfeed.Error, match=r"'v'; got columns \['id', 'x'\]"):
            read(path, grid(some), plain)

    def test_a_view(self, path, plain):
        """A view is read like a table, without a warning about its index."""
        query(path, "CREATE VIEW seen AS SELECT id, x, v + 1 AS v FROM t WHERE x = 2")
        assert read(path, grid("seen"), plain).tolist() == [[0, 0, 103], [0, 0, 203.5]]

    @pytest.mark.parametrize(
        ("ddl", "enough"),
        [
            ("CREATE TABLE u (id INTEGER, x, v)", False),
            ("CREATE TABLE u (id INTEGER PRIMARY KEY, x, v)", True),
            ("CREATE TABLE u (id, x, v, PRIMARY KEY (id, x))", True),
            ("CREATE TABLE u (id, x, v, PRIMARY KEY (id, x)) WITHOUT ROWID", True),
            ("CREATE TABLE u (id, x, v, PRIMARY KEY (x, id))", False),
            ("CREATE TABLE u (id UNIQUE, x, v)", True),
            ("CREATE TABLE u (id INTEGER UNIQUE, x, v)", True),
            ("CREATE TABLE u (id, x, v); CREATE INDEX i ON u (id) WHERE x > 0", False),
            ("CREATE TABLE u (id, x, v, UNIQUE (id, x))", True),
            ("CREATE TABLE u (id, x, v); CREATE INDEX i ON u (x, id)", False),
            ("CREATE TABLE u (id, x, v); CREATE INDEX i ON u (id, x)", True),
            ("CREATE TABLE u (id, x, v); CREATE UNIQUE INDEX i ON u (id DESC)", True),
        ],
    )
    @pytest.mark.usefixtures("warned_of_few_rows")
    def test_indexes(self, tmp_path, ddl, enough):
        """An index, unique constraint or key that starts with the sample column is enough; nothing else is."""
        with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
            connection.executescript(f"{ddl}; INSERT INTO u VALUES (1, 0, 100);")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rowfeed.Feed(rowfeed.connect(f"sqlite:///{tmp_path}/a.db"), grid("u"))
        texts = [str(w.message) for w in caught if w.category is rowfeed.MissingIndexWarning]
        assert texts == (
            []
            if enough
            else [
                "u has no index that starts with id, so each request scans the whole table: 1 scan of 1 row in the "
                "first epoch (later ones come from memory). "
                "Create one: CREATE INDEX u_id ON u (id)"
            ]
        )

    @pytest.mark.usefixtures("warned_of_few_rows")
    def test_the_warning_points_at_the_caller(self, tmp_path):
        """The warning shows the line that made the feed."""
        create(tmp_path / "a.db", "t", COLUMNS, [(1, 0, 1)])
        with pytest.warns(rowfeed.MissingIndexWarning) as caught:
            rowfeed.Feed(rowfeed.connect(f"sqlite:///{tmp_path}/a.db"), grid())
        assert caught[0].filename == __file__


class TestGuest:
    """A feed is a polite guest: it only reads, makes nothing and leaves nothing behind."""

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///file:x?mode=memory&uri=true",
            "sqlite:///file::memory:?uri=true",
        ],
    )
    def test_in_memory(self, plain, url):
        """A database in memory belongs to one connection: refused at once, with the way out."""
        with pytest.raises(rowfeed.ArgumentError, match=r"expected a SQLite file, .*in memory.*VACUUM INTO"):
            rowfeed.connect(url, plain_rows=plain)
        if "mode" not in url:  # of which SQLAlchemy warns
            with pytest.raises(rowfeed.ArgumentError, match="in memory"):
                rowfeed.connect(sa.create_engine(url), plain_rows=plain)

    def test_two_slashes(self, plain):
        """With two slashes the file is taken for a host: said so, and no word of memory."""
        with pytest.raises(
            rowfeed.ArgumentError, match=r"got a URL with a host, since it has two slashes\. Write three"
        ):
            rowfeed.connect("sqlite://games.db", plain_rows=plain)
        with pytest.raises(rowfeed.ArgumentError, match=r"got the path of a file\. Write sqlite:///"):
            rowfeed.connect("games.db", plain_rows=plain)

    @pytest.mark.parametrize("uri", [False, True])
    def test_a_missing_file(self, tmp_path, plain, uri):
        """A feed on a path without a file is a DatabaseError that names it, and makes none."""
        url = f"sqlite:///file:{tmp_path}/no.db?uri=true" if uri else f"sqlite:///{tmp_path}/no.db"
        with pytest.raises(rowfeed.DatabaseError, match=r"no\.db"):
            rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), grid())
        assert list(tmp_path.iterdir()) == []

    def test_no_database(self, tmp_path, plain):
        """A file that is no database, and a directory, are DatabaseErrors."""
        (tmp_path / "text.db").write_text("not a database, but long enough to be read as a header of one" * 20)
        for name in ("text.db", "."):
            with pytest.raises(rowfeed.DatabaseError):
                rowfeed.Feed(rowfeed.connect(f"sqlite:///{tmp_path / name}", plain_rows=plain), grid())

    @pytest.mark.parametrize("uri", [False, True])
    @pytest.mark.parametrize(
        "statement", ["DELETE FROM t", "CREATE TABLE u (a)", "DROP TABLE t", "INSERT INTO t VALUES (1, 1, 1)"]
    )
    def test_a_session_cannot_write(self, path, plain, uri, statement):
        """Through a feed's session nothing can be written."""
        url = f"sqlite:///file:{path}?uri=true" if uri else f"sqlite:///{path}"
        before = path.read_bytes()
        with (
            rowfeed.connect(url, plain_rows=plain).open() as session,
            pytest.raises(sa.exc.DBAPIError, match="readonly"),
        ):
            session._connection.exec_driver_sql(statement)
        assert path.read_bytes() == before

    def test_a_session_of_an_engine_cannot_write(self, path, plain):
        """Nor through one that came from the user's own engine, which stays as it was."""
        engine = sa.create_engine(f"sqlite:///{path}")
        db = rowfeed.connect(engine, plain_rows=plain)
        with db.open() as session, pytest.raises(sa.exc.DBAPIError, match="readonly"):
            session._connection.exec_driver_sql("DELETE FROM t")
        assert_same(next(iter(rowfeed.Feed(db, grid(), shuffle=False))), read(path, grid()))
        assert engine.pool.checkedout() == 0
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM t")
        assert query(path, "SELECT * FROM t") == []
        engine.dispose()

    @pytest.mark.skipif(not hasattr(os, "seteuid"), reason="users of POSIX")
    def test_a_read_only_file_in_a_read_only_directory(self, plain):
        """A feed needs no right to write, to the file or beside it."""
        with tempfile.TemporaryDirectory() as directory:  # tmp_path is closed to other users
            path = Path(directory) / "a.db"
            create(path, "t", COLUMNS, [(1, 0, 100), (2, 1, 201)], index=["id"])
            expected = read(path, grid(), plain)
            path.chmod(0o444)
            Path(directory).chmod(0o555)
            root = os.geteuid() == 0
            try:
                if root:
                    os.seteuid(65_534)
                if not os.access(path, os.R_OK, effective_ids=True):
                    pytest.skip("the temporary directory is closed to other users")
                with pytest.raises(OSError, match="denied"):
                    (Path(directory) / "new").touch()
                assert_same(read(path, grid(), plain), expected)
            finally:
                if root:
                    os.seteuid(0)
                Path(directory).chmod(0o755)

    def test_nothing_changes_and_nothing_is_left(self, path, plain):
        """An epoch leaves the bytes of the file, its directory and this process's open files as they were."""
        before = path.read_bytes(), sorted(path.parent.iterdir())
        assert (
            len(list(rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), grid(), batch_size=1))) == 2
        )
        assert (path.read_bytes(), sorted(path.parent.iterdir())) == before
        assert open_files(path) == []

    def test_while_another_writes(self, path, plain):
        """In WAL mode a feed reads beside a writer, and sees what was committed."""
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE t SET v = 0")
            assert read(path, grid(), plain).tolist() == [[100.5, 0, 102], [200, 0, 202.5]]
            other.execute("COMMIT")
            assert not read(path, grid(), plain).any()

    def test_a_locked_database(self, path, plain):
        """Another's exclusive lock is a DatabaseError after the time that the URL gives, not a hang; later it works."""
        feed = rowfeed.Feed(
            rowfeed.connect(f"sqlite:///{path}?timeout=0.05", plain_rows=plain, retry_s=0), grid(), shuffle=False
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(rowfeed.DatabaseError, match="locked"):
                list(feed)
        assert len(list(feed)) == 1

    @pytest.mark.parametrize(
        "name",
        ["with space.db", "per%20cent.db", "question?.db", "hash#.db", "ünï.db", "a&b=c.db", "quo'te.db", "file:a.db"],
    )
    def test_hostile_file_names(self, tmp_path, plain, name):
        """A file is found whatever its name, and no other is made."""
        create(tmp_path / name, "t", COLUMNS, [(1, 0, 100)], index=["id"])
        db = rowfeed.connect(sa.URL.create("sqlite", database=str(tmp_path / name)), plain_rows=plain)
        assert rowfeed.Feed(db, grid()).arrays().tolist() == [[100, 0, 0]]
        db.write(grid("u"), np.array([[1, 2, 3]], "float32"))
        assert [p.name for p in tmp_path.iterdir()] == [name]

    def test_forms_of_a_url(self, path, plain, monkeypatch):
        """Absolute, relative, with a driver's name, as a URI, as a URL object and as an Engine."""
        monkeypatch.chdir(path.parent)
        expected = read(path, grid())
        for url in (
            f"sqlite:///{path}",
            f"sqlite+pysqlite:///{path}",
            "sqlite:///a.db",
            f"sqlite:///file:{path}?uri=true",
            f"sqlite:///file:{path}?mode=ro&uri=true",
            sa.make_url(f"sqlite:///{path}"),
            sa.create_engine(f"sqlite:///{path}"),
        ):
            assert_same(rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), grid()).arrays(), expected)

    @pytest.mark.parametrize("url", ["", "nonsense", "sqlite", 5, None, "://"])
    def test_no_url(self, url):
        """What is no URL is refused without quoting it."""
        with pytest.raises(rowfeed.ArgumentError, match="expected a SQLAlchemy URL"):
            rowfeed.connect(url)

    def test_misspelt(self, path):
        """No option is swallowed."""
        with pytest.raises(TypeError, match="plain"):
            rowfeed.connect(f"sqlite:///{path}", plain=True)

    def test_interrupt_ends_a_query(self, path):
        """A query that would take for ever ends when another thread interrupts its session."""
        with rowfeed.connect(f"sqlite:///{path}").open() as session:
            endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
            ended = threading.Event()

            def interrupt():
                while not ended.wait(0.01):
                    session.interrupt()

            thread = threading.Thread(target=interrupt)
            thread.start()
            try:
                with pytest.raises(sa.exc.OperationalError, match="interrupted"):
                    session._connection.exec_driver_sql(endless)
            finally:
                ended.set()
                thread.join()

    def test_close_twice(self, path, plain):
        """Closing a session twice, or one whose file is gone, is harmless."""
        session = rowfeed.connect(f"sqlite:///{path}", plain_rows=plain).open()
        path.unlink()
        session.close()
        session.close()
        assert open_files(path) == []

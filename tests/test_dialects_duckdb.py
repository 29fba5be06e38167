"""DuckDB files: the same bits as SQLite and as plain rows, errors that name the row, read-only sessions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
import unicodedata

import numpy as np
import pytest
import sqlalchemy as sa

import rowfeed
from rowfeed.dialects.duckdb import session as dialect

duckdb = pytest.importorskip("duckdb")

ALIKE = [
    "a",
    "A",
    "á",
    unicodedata.normalize("NFD", "á"),
    "a ",
    "a  ",
    "",
    " ",
    "ß",
    "ss",
    "0",
    "00",
    '"',
    "\\",
    "NULL",
]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a b.duckdb")


@pytest.fixture
def url(path):
    return f"duckdb:///{path}"


def run(path, *statements):
    with duckdb.connect(path) as connection:
        for statement in statements:
            connection.execute(*((statement,) if isinstance(statement, str) else statement))


def digest(feed, epochs=3):
    found = hashlib.sha256()
    for epoch in range(epochs):
        for batch in feed.batches(epoch):
            found.update(str((batch.shape, batch.dtype)).encode() + batch.tobytes())
    return found.hexdigest()


def cells(samples, shape=(5, 7)):
    """Arrays whose values say sample, row and column, with half of the cells empty."""
    sample, x, y = np.indices((samples, *shape))
    values = sample * 10_000 + x * 100 + y + 1
    return np.where((sample + x * 3 + y) % 2, values, 0).astype(np.float32)


def grid(table="cells", **options):
    return rowfeed.Grid(table, **({"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (5, 7)} | options))


def both(url, layout, **options):
    """What a feed holds, read both ways; they must agree in every bit."""
    fast, plain = (
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), layout, **options).arrays() for plain in (False, True)
    )
    assert fast.dtype == plain.dtype
    assert fast.tobytes() == plain.tobytes()
    return fast


@pytest.fixture
def columns_only(monkeypatch):
    """Plain rows are not what reads."""

    def refuse(*_):
        raise AssertionError("read plain rows")

    monkeypatch.setattr(dialect.Session, "_read_rows", refuse)


@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
def test_same_batches_as_sqlite_and_as_plain_rows(url, tmp_path, text):
    """Three epochs have one digest: SQLite, columns, plain rows, any number of connections."""
    ids = [f"k{i * 8 % 301}é" for i in range(301)] if text else [i * i * 1_000 - 50 for i in range(301)]
    lite = f"sqlite:///{tmp_path}/cells.db"
    for target in (lite, url):
        rowfeed.connect(target).write(grid(), cells(301), ids)
    options = {"batch_size": 16, "seed": 5}
    digests = [
        digest(rowfeed.Feed(rowfeed.connect(target, plain_rows=plain), grid(), connections=connections, **options))
        for target, plain, connections in ((lite, False, 2), (url, False, 1), (url, False, 3), (url, True, 2))
    ]
    assert len(set(digests)) == 1


def test_columns_are_what_reads(url, columns_only):
    """Reading takes no plain rows: near and far ids, listed ids without rows, views and selectables."""
    ids = [-(2**62), *range(17), 2**62]
    db = rowfeed.connect(url)
    db.write(grid(), cells(19), ids)
    np.testing.assert_array_equal(rowfeed.Feed(db, grid()).arrays(), cells(19))
    found = rowfeed.Feed(db, grid(fill=0), samples=[1, 50, 3]).arrays()
    np.testing.assert_array_equal(found, [cells(19)[2], cells(19)[4], np.zeros((5, 7))])
    t = sa.table("cells", *map(sa.column, ("id", "x", "y", "v")))
    picked = sa.select(t).where(t.c.id.in_([1, 2]))
    np.testing.assert_array_equal(rowfeed.Feed(db, grid(picked)).arrays(), cells(19)[2:4])
    np.testing.assert_array_equal(rowfeed.Feed(db, grid("MAIN.Cells", where="id = 0")).arrays(), cells(19)[1:2])


FAULTS = {
    "NULL value": ("(1, 0, 0, NULL)", r'expected a number; got NULL at cells\.v, id=1\..*null="drop"'),
    "NULL coordinate": ("(1, NULL, 0, 1)", r"x must be an integer; got NULL at cells\.x, id=1"),
    "outside": ("(1, 0, 7, 1)", r"y must be in 0\.\.6 \(axis of shape \(5, 7\)\); got 7 at cells\.y, id=1"),
    "negative": ("(1, -1, 0, 1)", r"x must be in 0\.\.4 .*; got -1 at cells\.x, id=1"),
    "fraction": ("(1, 1.5, 0, 1)", r"x must be an integer; got 1\.5 at cells\.x, id=1"),
    "duplicate": ("(1, 2, 3, 1), (1, 2, 3, 2)", r"expected one row for a cell; got 2 at cells\.x, id=1, x=2, y=3"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("plain", [False, True], ids=["columns", "rows"])
def test_faults_are_named(path, url, fault, plain):
    """A row that breaks the layout's promise is an error that names table, column and sample, read either way."""
    rows, message = FAULTS[fault]
    kind = "decimal(4, 1)" if fault == "fraction" else "int"
    run(
        path, f"CREATE TABLE cells (id int, x {kind}, y int, v float)", f"INSERT INTO cells VALUES (0, 0, 0, 5), {rows}"
    )
    with pytest.raises(rowfeed.DataError, match=message):
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), grid()).arrays()


@pytest.mark.parametrize("kind", ["smallint", "uinteger", "bigint", "decimal(9, 0)"])
def test_policies(path, url, kind):
    """Dropped rows are those outside of an axis or with NULL, filled values are fill, as plain rows have it."""
    run(
        path,
        f"CREATE TABLE cells (id int, x {kind}, y smallint, v double)",
        "INSERT INTO cells VALUES (0, 0, 0, 5), (0, 5, 0, 6), (0, 1, -9, 7), (1, 4, 6, 8), (1, 32767, 1, 9)",
    )
    expected = np.zeros((2, 5, 7), np.float32)
    expected[0, 0, 0], expected[1, 4, 6] = 5, 8
    np.testing.assert_array_equal(both(url, grid(out_of_range="drop")), expected)
    run(path, "INSERT INTO cells VALUES (0, 1, 1, NULL), (0, 1, 2, 3)")
    for policy in ("drop", "fill"):
        assert both(url, grid(out_of_range="drop", null=policy, fill=-2))[0, 1].tolist() == [-2, -2, 3, -2, -2, -2, -2]
    run(path, "INSERT INTO cells VALUES (0, NULL, 1, 4)")
    assert both(url, grid(out_of_range="drop", null="drop"))[0].sum() == 8
    with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got NULL at cells\.x, id=0"):
        rowfeed.Feed(rowfeed.connect(url), grid(out_of_range="drop", null="fill")).arrays()


def test_first_and_last_by_the_primary_key(path, url):
    """`first` and `last` go by the rest of the primary key."""
    run(
        path,
        "CREATE TABLE cells (id int, x int, y int, n int, v int, PRIMARY KEY (id, x, y, n))",
        "INSERT INTO cells VALUES (0, 1, 1, 2, 20), (0, 1, 1, 1, 10), (0, 1, 1, 3, 30)",
    )
    found = [both(url, grid(duplicates=policy))[0, 1, 1] for policy in ("first", "last", "mean")]
    assert found == [10, 30, 20]


@pytest.mark.parametrize(
    ("kind", "values", "dtypes"),
    [
        ("tinyint", [-128, 127], ["int8", "int64", "float16", "float32"]),
        ("utinyint", [0, 255], ["uint8", "int16", "float32"]),
        ("usmallint", [0, 2**16 - 1], ["uint16", "int32", "float32"]),
        ("integer", [-(2**31), 2**31 - 1], ["int32", "int64", "float64"]),
        ("uinteger", [0, 2**32 - 1], ["uint32", "int64", "float64"]),
        ("bigint", [-(2**63), 2**63 - 1], ["int64"]),
        ("ubigint", [0, 2**64 - 1], ["uint64"]),
        ("hugeint", [0, 2**64 - 1], ["uint64"]),
        ("hugeint", [-(2**63), 2**63 - 1], ["int64"]),
        ("boolean", [True, False], ["bool", "int8", "float32"]),
        ("decimal(15, 2)", [0.5, -2.25, 65536], ["float32", "float64"]),
        ("decimal(38, 0)", [-(2**63), 2**63 - 1], ["int64"]),
        ("decimal(18, 18)", [0.1, -0.123456789012345678], ["float32", "float64"]),
    ],
)
def test_numeric_types_at_their_extremes(path, url, kind, values, dtypes):
    """Every number arrives as itself in each dtype that has it."""
    run(path, f"CREATE TABLE t (id int, v {kind})", *(("INSERT INTO t VALUES (?, ?)", [*r]) for r in enumerate(values)))
    for dtype in dtypes:
        found = both(url, rowfeed.Columns("t", sample="id", columns="v", dtype=dtype))
        assert found.tolist() == np.array(values, dtype).tolist()


@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        ("integer", 2**24 + 1, "float32"),
        ("bigint", 2**53 + 1, "float64"),
        ("hugeint", 2**53 + 1, "float64"),
        ("decimal(15, 0)", 2**24 + 1, "float32"),
        ("decimal(38, 0)", 2**53 + 1, "float64"),
        ("smallint", 128, "int8"),
        ("integer", -1, "uint32"),
        ("double", 1e39, "float32"),
        ("double", 0.5, "int32"),
        ("float", float("nan"), "int32"),
        ("hugeint", 2**100, "int64"),
    ],
)
@pytest.mark.parametrize("plain", [False, True], ids=["columns", "rows"])
def test_numbers_that_do_not_fit_are_refused(path, url, kind, value, dtype, plain):
    """A dtype that cannot hold a number is an error that names the row."""
    run(path, f"CREATE TABLE t (id int, v {kind})", ("INSERT INTO t VALUES (1, 0), (7, ?)", [value]))
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)
    with pytest.raises(rowfeed.DataError, match=rf"expected a value that {dtype} holds exactly; got .* at t\.v, id=7"):
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), layout).arrays()


@pytest.mark.parametrize(("dtype", "bits"), [("float32", "uint32"), ("float64", "uint64")])
def test_floats_are_exact_in_every_bit(url, dtype, bits):
    """Random bit patterns, NaN, infinities, -0.0 and subnormals are written and read unchanged; NaN stays NaN."""
    info = np.finfo(dtype)
    special = [
        np.nan,
        np.inf,
        -np.inf,
        -0.0,
        0.0,
        info.smallest_subnormal,
        -info.smallest_subnormal,
        info.max,
        info.min,
    ]
    random = np.random.default_rng(3).integers(0, np.iinfo(bits).max, 5_000, bits, endpoint=True).view(dtype)
    values = np.concatenate([np.array(special, dtype), random])
    values[np.isnan(values)] = np.nan
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype, null="fill", fill=7)
    rowfeed.connect(url).write(layout, values)
    assert both(url, layout).tobytes() == values.tobytes()


@pytest.mark.parametrize("kind", ["varchar", "varchar collate nocase", "varchar collate noaccent"])
def test_text_ids_are_kept_apart(path, url, kind):
    """Case, accents, spaces and forms of Unicode make ids different, also under a collation that ignores them."""
    run(
        path,
        f"CREATE TABLE t (id {kind}, v int)",
        *(("INSERT INTO t VALUES (?, ?)", [n, i]) for i, n in enumerate(ALIKE)),
    )
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype="int64")
    assert rowfeed.Feed(rowfeed.connect(url), layout).sample_ids.tolist() == sorted(ALIKE)
    assert both(url, layout).tolist() == [ALIKE.index(name) for name in sorted(ALIKE)]
    some = rowfeed.Columns("t", sample="id", columns="v", dtype="int64", null="fill", fill=-1)
    assert both(url, some, samples=["a", "A", "a\0", "absent"]).tolist() == [1, 0, -1, -1]


def test_faults_of_sample_ids_are_named(path, url):
    """NULL and fractions are no ids."""
    layout = rowfeed.Columns("t", sample="id", columns="v")
    run(path, "CREATE TABLE t (id int, v int)", "INSERT INTO t VALUES (1, 1), (NULL, 1)")
    with pytest.raises(rowfeed.DataError, match=r"expected a sample id in every row; got NULL at t\.id"):
        rowfeed.Feed(rowfeed.connect(url), layout)
    run(path, "CREATE OR REPLACE TABLE t (id decimal(4, 1), v int)", "INSERT INTO t VALUES (2.5, 1)")
    with pytest.raises(rowfeed.SchemaError, match=r"got 2\.5 at t\.id"):
        rowfeed.Feed(rowfeed.connect(url), layout)
    with pytest.raises(rowfeed.SchemaError, match=r"Did you mean 't'"):
        rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("tt", sample="id", columns="v"))


def test_sessions_are_read_only_and_stay_inside(path, url, tmp_path):
    """A feed's session can neither write nor read other files, and makes no file that is not there."""
    run(path, "CREATE TABLE t (id int)")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with rowfeed.connect(url).open() as session:
        with pytest.raises(rowfeed.DatabaseError, match="read-only"):
            session._execute(sa.text("INSERT INTO t VALUES (1)"))
        with pytest.raises(rowfeed.DatabaseError, match="disabled by configuration"):
            session._execute(sa.text(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')"))
        assert session._execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
    with pytest.raises(rowfeed.DatabaseError, match="got none"):
        rowfeed.connect(f"duckdb:///{tmp_path}/absent.duckdb").open()
    assert not (tmp_path / "absent.duckdb").exists()


@pytest.mark.parametrize(
    ("theirs", "query"),
    [
        ({}, ""),
        ({}, "?enable_external_access=true"),
        ({}, "?access_mode=READ_WRITE"),
        ({}, "?read_only=false"),
        ({"read_only": True}, ""),
        ({"config": {"enable_external_access": "false"}}, ""),
        ({"config": {"threads": "2"}}, "?threads=2"),
    ],
)
@pytest.mark.parametrize("plain", [False, True])
def test_a_file_that_this_process_has_open(path, url, theirs, query, plain):
    """A feed shares the instance of a notebook's connection: it reads what is committed, writes nothing, and leaves the
    other connection as it is, also in the middle of its transaction.
    """
    run(path, "CREATE TABLE cells AS SELECT 1 AS id, 0 AS x, 0 AS y, 5::FLOAT AS v")
    with duckdb.connect(path, **theirs) as mine:
        db = rowfeed.connect(url + query, plain_rows=plain)
        writes = not theirs.get("read_only")
        if writes:
            mine.execute("BEGIN")
            mine.execute("INSERT INTO cells VALUES (2, 0, 0, 6)")
        assert rowfeed.Feed(db, grid()).sample_ids.tolist() == [1]
        if writes:
            mine.execute("COMMIT")
        with db.open() as session:
            with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.only"):
                session._connection.exec_driver_sql("DELETE FROM cells")
            assert len(session._execute(sa.text("SELECT id FROM cells")).all()) == 1 + writes
            if writes:
                mine.execute("CHECKPOINT")  # which waits for no idle session of ours
        feed = rowfeed.Feed(db, grid(), batch_size=1)
        assert sum(len(batch) for batch in feed) == 1 + writes
        assert mine.execute("SELECT count(*) FROM cells").fetchall() == [(1 + writes,)]
        if writes:
            db.write(grid("more"), cells(3))
            assert mine.execute("SELECT count(DISTINCT id) FROM more").fetchall() == [(3,)]


def test_a_file_that_is_open_with_other_options(path, url):
    """What cannot be shared is said, with what to close or to write."""
    run(path, "CREATE TABLE cells AS SELECT 1 AS id, 0 AS x, 0 AS y, 5::FLOAT AS v")
    with (
        duckdb.connect(path, config={"threads": "2"}),
        pytest.raises(rowfeed.DatabaseError, match=r"expected the configuration .* this process .* Close its oth"),
    ):
        rowfeed.Feed(rowfeed.connect(url), grid())


def test_a_file_that_another_process_writes(path, url):
    """Whoever holds the lock is named."""
    run(path, "CREATE TABLE cells AS SELECT 1 AS id, 0 AS x, 0 AS y, 5::FLOAT AS v")
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", hold, path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(rowfeed.DatabaseError, match=rf"without another process .* \(PID {other.pid}\).* Close it"):
            rowfeed.Feed(rowfeed.connect(url), grid())
        other.stdin.close()


def test_views_of_other_files(path, url, tmp_path):
    """A view of Parquet or CSV says that other files are shut off, and how to read them; then it is read."""
    for kind in ("parquet", "csv"):
        run(
            path,
            f"COPY (SELECT 1 AS id, 0 AS x, 0 AS y, 5::FLOAT AS v) TO '{tmp_path}/a.{kind}'",
            f"CREATE VIEW {kind}s AS SELECT * FROM '{tmp_path}/a.{kind}'",
        )
        layout = grid(f"{kind}s")
        with pytest.raises(rowfeed.DatabaseError, match=r"since rowfeed shuts off other .* add enable_external_acc"):
            rowfeed.Feed(rowfeed.connect(url), layout)
        assert both(f"{url}?enable_external_access=true", layout)[0, 0, 0] == 5


def test_nothing_is_left_open(path, url):
    """After an epoch, and after one that was left early, the file can be opened for writing."""
    db = rowfeed.connect(url)
    db.write(grid(), cells(200))
    feed = rowfeed.Feed(db, grid(), batch_size=4, connections=3)
    assert sum(len(batch) for batch in feed) == 200
    run(path, "CREATE TABLE one (id int)")
    with feed.batches(1) as batches:
        next(batches)
    run(path, "CREATE TABLE two (id int)")


def test_interrupt_ends_a_running_query(path, url):
    """A query that would take for ever ends at once; the session can be closed, and interrupted again."""
    run(path, "CREATE TABLE t (id int)")
    session = rowfeed.connect(url).open()
    failed = []

    def work():
        try:
            session._execute(sa.text("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")).all()
        except rowfeed.DatabaseError as error:
            failed.append(error)

    reader = threading.Thread(target=work, daemon=True)
    reader.start()
    end = time.monotonic() + 20
    while reader.is_alive() and time.monotonic() < end:
        session.interrupt()
        reader.join(0.05)
    assert not reader.is_alive()
    assert "INTERRUPT" in str(failed[0])
    session.close()
    session.interrupt()
    session.close()


def test_write_is_one_transaction(url):
    """A write that fails leaves nothing; `append` and `replace` do as they say."""
    db = rowfeed.connect(url)
    db.write(grid(), cells(3))
    with pytest.raises(rowfeed.ArgumentError, match="expected no table 'cells' yet"):
        db.write(grid(), cells(3))
    with pytest.raises(rowfeed.DatabaseError, match="ConstraintException"):
        db.write(grid(), cells(5), ids=[10, 11, 12, 13, 2], if_exists="append")
    assert rowfeed.Feed(db, grid()).sample_ids.tolist() == [0, 1, 2]
    db.write(grid(), cells(2), ids=[7, 8], if_exists="append")
    assert rowfeed.Feed(db, grid()).sample_ids.tolist() == [0, 1, 2, 7, 8]
    db.write(grid(), cells(1), if_exists="replace")
    assert rowfeed.Feed(db, grid()).sample_ids.tolist() == [0]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "uint16", "int32", "uint32", "int64", "uint64", "float16"])
def test_every_dtype_is_written_and_read_back(url, dtype, columns_only):
    """The extremes of a dtype survive a table of several value columns."""
    kind = np.dtype(dtype).kind
    info = np.finfo(dtype) if kind == "f" else np.iinfo("u1" if kind == "b" else dtype)
    top = 1 if kind == "b" else info.max if kind == "f" else min(info.max, 2**63 - 1)
    values = np.array([[0, top], [1, 0 if kind == "b" else info.min]]).astype(dtype)
    layout = rowfeed.Columns("t", sample="id", columns=["a", "b"], dtype=dtype)
    rowfeed.connect(url).write(layout, values)
    assert rowfeed.Feed(rowfeed.connect(url), layout).arrays().tobytes() == values.tobytes()


def test_a_database_in_memory_is_refused():
    """Each connection would have one of its own."""
    for url in ("duckdb://", "duckdb:///:memory:"):
        with pytest.raises(rowfeed.ArgumentError, match="expected a DuckDB file"):
            rowfeed.connect(url)


def test_missing_driver_names_the_extra(url, monkeypatch):
    """Without duckdb the error says which extra to install."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(rowfeed.DependencyError, match=r"'duckdb'.*pip install \"rowfeed\[duckdb\]\""):
        rowfeed.connect(url).open()

"""PostgreSQL, on a real server: the same bits as SQLite and as plain rows, errors that name the row, a polite guest."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
import unicodedata
import warnings

import numpy as np
import pytest
import sqlalchemy as sa
from postgresql_server import server, why_missing
from proxy import Proxy

import rowfeed
from rowfeed.dialects.postgresql import session as postgresql
from rowfeed.dialects.postgresql.settings import CHECK_INTERVAL, FIXED, LIMITS
from rowfeed.request.source import Source

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def admin():
    """The URL of an administrator of a server."""
    with server() as url:
        yield sa.make_url(url)


@pytest.fixture
def url(admin):
    """The URL of a new database, which is dropped after the test."""
    name = f"rowfeed_test_{os.getpid()}_{next(NUMBERS)}"
    run(admin, f"CREATE DATABASE {name}")
    yield admin.set(database=name)
    run(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(url):
    return rowfeed.connect(url)


def run(url, *statements):
    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database, autocommit=True
    ) as connection:
        for statement in statements:
            parameters = None if isinstance(statement, str) else statement[1:]
            cursor = connection.execute(statement if parameters is None else statement[0], parameters)
        return cursor.fetchall() if cursor.description else None


def digest(feed, epochs=3):
    found = hashlib.sha256()
    for epoch in range(epochs):
        for batch in feed.batches(epoch):
            for array in batch if isinstance(batch, tuple) else (batch,):
                found.update(str((array.shape, array.dtype)).encode() + array.tobytes())
    return found.hexdigest()


def cells(samples, shape=(5, 7)):
    """Arrays whose values say sample, row and column, with half of the cells empty."""
    sample, x, y = np.indices((samples, *shape))
    values = (sample * 10_000 + x * 100 + y + 1).astype(np.float32)
    return np.where((sample + x * 3 + y) % 2, values, 0).astype(np.float32)


def grid(table="cells", **options):
    given = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (5, 7)} | options
    return rowfeed.Grid(table, **given)


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

    monkeypatch.setattr(postgresql.Session, "_read_rows", refuse)


@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
def test_same_batches_as_sqlite_and_as_plain_rows(url, tmp_path, text, monkeypatch):
    """Three epochs have one digest: SQLite, binary columns, plain rows, any number of connections."""
    ids = [f"k{i * 8 % 301}é" for i in range(301)] if text else [i * i * 1_000 - 50 for i in range(301)]
    digests = set()
    lite = rowfeed.connect(f"sqlite:///{tmp_path}/cells.db")
    for database, connections in ((lite, 2), (rowfeed.connect(url), 1), (rowfeed.connect(url), 3)):
        database.write(grid(), cells(301), ids, if_exists="replace")
        feed = rowfeed.Feed(database, grid(), batch_size=16, seed=5, connections=connections)
        digests.add(digest(feed))
    digests.add(digest(rowfeed.Feed(rowfeed.connect(url, plain_rows=True), grid(), batch_size=16, seed=5)))
    assert len(digests) == 1
    monkeypatch.setattr(postgresql.Session, "_read_rows", None)
    assert digest(rowfeed.Feed(rowfeed.connect(url), grid(), batch_size=16, seed=5)) in digests


@pytest.mark.parametrize("last", [299, 10**9, 2**62])
def test_near_and_far_ids(url, columns_only, last):
    """Ids fold into 4 bytes, into 8, or not at all: the same samples in each case, negative ones too."""
    ids = [-(2**62), *range(298), last] if last == 2**62 else [*range(299), last]
    rowfeed.connect(url).write(grid(), cells(300), ids)
    feed = rowfeed.Feed(rowfeed.connect(url), grid())
    assert feed.sample_ids.tolist() == ids
    np.testing.assert_array_equal(feed.arrays(), cells(300))


def test_samples_without_rows_and_of_other_ids(url, columns_only):
    """A listed sample without rows is all fill; rows of samples that are not listed stay out."""
    rowfeed.connect(url).write(grid(), cells(4), [1, 2, 5, 9])
    found = rowfeed.Feed(rowfeed.connect(url), grid(fill=-1), samples=[0, 2, 3, 9, 10]).arrays()
    expected = np.full((5, 5, 7), -1, np.float32)
    for place, sample in ((1, 1), (3, 3)):
        expected[place] = np.where(cells(4)[sample] == 0, -1, cells(4)[sample])
    np.testing.assert_array_equal(found, expected)


FAULTS = {
    "NULL value": ("(1, 0, 0, NULL)", r'expected a number; got NULL at cells\.v, id=1\..*null="drop"'),
    "NULL coordinate": ("(1, NULL, 0, 1)", r"x must be an integer; got NULL at cells\.x, id=1"),
    "outside": ("(1, 0, 7, 1)", r"y must be in 0\.\.6 \(axis of shape \(5, 7\)\); got 7 at cells\.y, id=1"),
    "negative": ("(1, -1, 0, 1)", r"x must be in 0\.\.4 .*; got -1 at cells\.x, id=1"),
    "fraction": ("(1, 1.5, 0, 1)", r"x must be an integer; got 1\.5 at cells\.x, id=1"),
    "duplicate": ("(1, 2, 3, 1), (1, 2, 3, 2)", r"expected one row for a cell; got 2 at cells\.x, id=1, x=2, y=3"),
    "NaN coordinate": ("(1, 'NaN', 0, 1)", r"x must be an integer; got NaN at cells\.x, id=1"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("plain", [False, True], ids=["columns", "rows"])
def test_faults_are_named(url, fault, plain):
    """A row that breaks the layout's promise is an error that names table, column and sample, read either way."""
    rows, message = FAULTS[fault]
    run(
        url, "CREATE TABLE cells (id int, x numeric, y int, v float4)", f"INSERT INTO cells VALUES (0, 0, 0, 5), {rows}"
    )
    run(url, "CREATE INDEX ON cells (id)")
    with pytest.raises(rowfeed.DataError, match=message):
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), grid()).arrays()


def test_text_is_no_coordinate_and_no_value(url):
    """A column of text is not read as numbers."""
    run(
        url,
        "CREATE TABLE cells (id int PRIMARY KEY, x text, y int, v text)",
        "INSERT INTO cells VALUES (3, '1', 1, '1')",
    )
    with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got '1' at cells\.x, id=3"):
        rowfeed.Feed(rowfeed.connect(url), grid()).arrays()
    with pytest.raises(rowfeed.DataError, match=r"expected a number; got '1' at cells\.v, id=3"):
        rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("cells", sample="id", columns="v")).arrays()


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint", "numeric"])
def test_policies(url, kind):
    """Dropped rows are those outside of an axis or with NULL, filled values are fill, as plain rows have it."""
    run(
        url,
        f"CREATE TABLE cells (id int, x {kind}, y {kind}, v float8)",
        "INSERT INTO cells VALUES (0, 0, 0, 5), (0, 5, 0, 6), (0, -1, 9, 7), (1, 4, 6, 8), (1, 32767, 1, 9)",
        "CREATE INDEX ON cells (id)",
    )
    expected = np.zeros((2, 5, 7), np.float32)
    expected[0, 0, 0], expected[1, 4, 6] = 5, 8
    np.testing.assert_array_equal(both(url, grid(out_of_range="drop")), expected)
    run(url, "INSERT INTO cells VALUES (0, 1, 1, NULL), (0, 1, 2, 3)")
    for policy, value in (("drop", -2), ("fill", -2)):
        found = both(url, grid(out_of_range="drop", null=policy, fill=-2))
        assert found[0, 1].tolist() == [-2, value, 3, -2, -2, -2, -2]
    run(url, "INSERT INTO cells VALUES (0, NULL, 1, 4)")
    assert both(url, grid(out_of_range="drop", null="drop"))[0].sum() == 8
    with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got NULL at cells\.x, id=0"):
        rowfeed.Feed(rowfeed.connect(url), grid(out_of_range="drop", null="fill")).arrays()


def test_first_and_last_by_the_primary_key(url):
    """`first` and `last` go by the rest of the primary key."""
    run(
        url,
        "CREATE TABLE cells (id int, x int, y int, n int, v int, PRIMARY KEY (id, x, y, n))",
        "INSERT INTO cells VALUES (0, 1, 1, 2, 20), (0, 1, 1, 1, 10), (0, 1, 1, 3, 30)",
    )
    assert both(url, grid(duplicates="first"))[0, 1, 1] == 10
    assert both(url, grid(duplicates="last"))[0, 1, 1] == 30
    assert both(url, grid(duplicates="mean"))[0, 1, 1] == 20


def column(url, kind, values, dtype, cast=None):
    """A column of a type, filled with values, as a feed reads it in both ways."""
    cast = f"::{cast}" if cast else ""
    run(url, "DROP TABLE IF EXISTS t", f"CREATE TABLE t (id int PRIMARY KEY, v {kind})")
    run(url, *((f"INSERT INTO t VALUES (%s, %s{cast})", i, value) for i, value in enumerate(values)))
    return both(url, rowfeed.Columns("t", sample="id", columns="v", dtype=dtype))


@pytest.mark.parametrize(
    ("kind", "values", "dtypes"),
    [
        ("smallint", [-(2**15), -1, 0, 2**15 - 1], ["int16", "int32", "int64", "float32", "float64"]),
        ("integer", [-(2**31), -1, 0, 2**31 - 1], ["int32", "int64", "float64"]),
        ("bigint", [-(2**63), -1, 0, 2**63 - 1], ["int64"]),
        ("bigint", [0, 1, 2**53, 2**63 - 1], ["int64", "uint64"]),
        ("bigint", [-(2**24), 2**24, 2**24 + 2], ["int32", "float32"]),
        ("boolean", [True, False, True], ["bool", "int8", "uint8", "float32"]),
        ("numeric(38, 0)", [-(2**63), 2**63 - 1, 7], ["int64"]),
        ("numeric(20, 2)", ["0.50", "-2.25", "65536"], ["float32", "float64"]),
        ("numeric", ["0.1", "1e-400", "1e-7", "-3"], ["float32", "float64"]),
        ("numeric", ["NaN", "0.1", "123456789.75"], ["float32", "float64"]),
        ("numeric(4, 1)", ["3.0", "255"], ["uint8", "int16", "float16"]),
    ],
)
def test_numeric_types_at_their_extremes(url, kind, values, dtypes):
    """Every number arrives as itself in each dtype that has it."""
    for dtype in dtypes:
        found = column(url, kind, values, dtype)
        assert found.tobytes() == np.array([float(v) if isinstance(v, str) else v for v in values]).astype(
            dtype
        ).tobytes() or (kind == "bigint" and found.tolist() == values)


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "way"),
    [
        ("integer", 2**24 + 1, "float32", 'dtype="float64"'),
        ("bigint", 2**53 + 1, "float64", 'dtype="int64"'),
        ("numeric", 2**24 + 1, "float32", 'dtype="float64"'),
        ("numeric", 2**53 + 1, "float64", 'dtype="int64"'),
        ("smallint", 128, "int8", 'dtype="int64"'),
        ("integer", -1, "uint32", 'dtype="int64"'),
        ("integer", 2, "bool", 'dtype="float32"'),
        ("double precision", 1e39, "float32", 'dtype="float64"'),
        ("double precision", 0.5, "int32", 'dtype="float32"'),
        ("real", float("nan"), "int32", 'dtype="float64"'),
        ("numeric", 10**20, "int64", 'dtype="float64"'),
        ("numeric", 10**20 + 1, "int64", "CAST the column"),
    ],
)
@pytest.mark.parametrize("plain", [False, True], ids=["columns", "rows"])
def test_numbers_that_do_not_fit_are_refused(url, kind, value, dtype, way, plain):
    """A dtype that cannot hold a number is an error that names the row and a dtype that can."""
    run(url, f"CREATE TABLE t (id int PRIMARY KEY, v {kind})", ("INSERT INTO t VALUES (1, 0), (7, %s)", value))
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)
    with pytest.raises(
        rowfeed.DataError, match=rf"expected a value that {dtype} holds exactly; got .* at t\.v, id=7"
    ) as error:
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), layout).arrays()
    assert way in str(error.value)


@pytest.mark.parametrize(("dtype", "bits"), [("float32", "uint32"), ("float64", "uint64")])
def test_floats_are_exact_in_every_bit(url, dtype, bits, columns_only):
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
    random = np.random.default_rng(3).integers(0, np.iinfo(bits).max, 20_000, bits, endpoint=True).view(dtype)
    values = np.concatenate([np.array(special, dtype), random])
    values[np.isnan(values)] = np.nan
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype, null="fill", fill=7)
    rowfeed.connect(url).write(layout, values)
    assert rowfeed.Feed(rowfeed.connect(url), layout).arrays().tobytes() == values.tobytes()


def test_real_widened_to_float64_is_the_stored_number(url):
    """0.1 in a column of REAL is 0.10000000149011612, read either way."""
    assert (
        column(url, "real", [0.1, 1e-45, 3.4e38], "float64").tolist() == np.array([0.1, 1e-45, 3.4e38], "f4").tolist()
    )


def test_null_in_columns(url):
    """NULL is an error or `fill`, next to values that keep all their bits."""
    assert np.signbit(column(url, "real", [-0.0, 1, 2], "float32")[0])
    run(url, "INSERT INTO t VALUES (9, NULL)")
    assert both(url, rowfeed.Columns("t", sample="id", columns="v", null="fill", fill=-5)).tolist() == [0, 1, 2, -5]
    with pytest.raises(rowfeed.DataError, match=r'got NULL at t\.v, id=9\. Fix the row, or pass null="fill"'):
        rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("t", sample="id", columns="v")).arrays()


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
    "{",
    "NULL",
    "ÀB",
    "AB",
]


@pytest.mark.parametrize("kind", ["text", 'text COLLATE "C"', "varchar(20)", "text COLLATE loose"])
def test_text_ids_are_kept_apart(url, kind):
    """Case, accents, spaces and forms of Unicode make ids different, also under a collation that ignores them."""
    run(url, "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
    run(url, f"CREATE TABLE t (id {kind}, v int)", "CREATE INDEX ON t (id)")
    run(url, *(("INSERT INTO t VALUES (%s, %s)", name, value) for value, name in enumerate(ALIKE)))
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype="int64")
    assert rowfeed.Feed(rowfeed.connect(url), layout).sample_ids.tolist() == sorted(ALIKE)
    assert both(url, layout).tolist() == [ALIKE.index(name) for name in sorted(ALIKE)]
    some = rowfeed.Columns("t", sample="id", columns="v", dtype="int64", null="fill", fill=-1)
    assert both(url, some, samples=["a", "AB", "a\0", "absent"]).tolist() == [ALIKE.index("AB"), 0, -1, -1]


@pytest.mark.parametrize("kind", ["citext", "mood", "a_mood", "name", '"char"', "xid", "bit(2)", "text"])
def test_ids_of_other_types(url, kind):
    """Types that drivers give as text, of which some have no collation, and some equal ids that differ."""
    run(url, "CREATE EXTENSION citext", "CREATE TYPE mood AS ENUM ('b', 'B', 'a')", "CREATE DOMAIN a_mood AS mood")
    names = {"xid": ["1", "2"], "bit(2)": ["01", "10"], "mood": ["b", "B", "a"]}.get(
        kind.removeprefix("a_"), ["b", "B"]
    )
    run(url, f"CREATE TABLE t (id {kind}, v int)", "CREATE INDEX ON t (v)")
    run(url, *(f"INSERT INTO t VALUES ('{name}', {value})" for value, name in enumerate(names)))
    layout = rowfeed.Columns("t", sample="id", columns="v", null="fill", fill=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
        assert both(url, layout).tolist() == [names.index(name) for name in sorted(names)]
        assert both(url, layout, samples=[*names, "none"]).tolist().count(-1) == 1


def test_a_database_without_an_encoding(url):
    """A database in SQL_ASCII, of which psycopg gives text as bytes: what is UTF-8 is read, the rest named."""
    name = f"{url.database}_ascii"
    run(url, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    there = url.set(database=name)
    try:
        run(
            there,
            "SET client_encoding = 'UTF8'",
            'CREATE TABLE t ("größe" text PRIMARY KEY, v int)',
            "INSERT INTO t VALUES ('é', 1), ('b', 2)",
            "CREATE TABLE bad (id text PRIMARY KEY, v int)",
            "INSERT INTO bad VALUES (E'\\xe9', 3)",
        )
        layout = rowfeed.Columns("t", sample="größe", columns="v")
        assert rowfeed.Feed(rowfeed.connect(there), layout).sample_ids.tolist() == ["b", "é"]
        assert both(there, layout).tolist() == [2, 1]
        assert both(there, layout, samples=["é"]).tolist() == [1]
        for plain in (False, True):
            with pytest.raises(rowfeed.DatabaseError, match=r"expected text in UTF-8 from .* 0xe9.*convert_from"):
                rowfeed.Feed(rowfeed.connect(there, plain_rows=plain), rowfeed.Columns("bad", sample="id", columns="v"))
        text = sa.literal_column(
            "convert_from(convert(convert_to(id, 'SQL_ASCII'), 'LATIN1', 'UTF8'), 'SQL_ASCII')", sa.Text
        )
        converted = sa.select(text.label("id"), sa.column("v")).select_from(sa.table("bad"))
        fixed = rowfeed.Columns(converted, sample="id", columns="v")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
            assert both(there, fixed, samples=["é"]).tolist() == [3]
    finally:
        run(url, f"DROP DATABASE {name} WITH (FORCE)")


def test_padded_ids(url):
    """Ids of CHAR(n) are padded, and found."""
    run(url, "CREATE TABLE t (id char(4) PRIMARY KEY, v int)", "INSERT INTO t VALUES ('a', 1), ('bb', 2)")
    layout = rowfeed.Columns("t", sample="id", columns="v")
    assert rowfeed.Feed(rowfeed.connect(url), layout).sample_ids.tolist() == ["a   ", "bb  "]
    assert both(url, layout).tolist() == [1, 2]


def test_selectables_views_domains_and_where(url, columns_only):
    """What is not a plain table is read as fast."""
    rowfeed.connect(url).write(grid(), cells(20))
    run(
        url,
        "CREATE VIEW half AS SELECT id::bigint, x::smallint, y, v FROM cells WHERE id < 10",
        "CREATE DOMAIN d AS int",
    )
    run(url, "CREATE TABLE domains AS SELECT id, x::d AS x, y::d AS y, v FROM cells", "CREATE INDEX ON domains (id)")
    t = sa.table("cells", sa.column("id"), sa.column("x"), sa.column("y"), sa.column("v"))
    database = rowfeed.connect(url)
    np.testing.assert_array_equal(rowfeed.Feed(database, grid("half")).arrays(), cells(10))
    np.testing.assert_array_equal(rowfeed.Feed(database, grid("public.domains")).arrays(), cells(20))
    np.testing.assert_array_equal(
        rowfeed.Feed(database, grid(sa.select(t).where(t.c.id.in_([1, 2])))).arrays(), cells(20)[1:3]
    )
    np.testing.assert_array_equal(
        rowfeed.Feed(database, grid(where="x % 2 = 0 AND id < 5")).arrays(),
        np.where(np.arange(5)[:, None] % 2, 0, cells(5)),
    )


def test_faults_of_sample_ids_are_named(url):
    """NULL and fractions are no ids."""
    run(url, "CREATE TABLE t (id numeric, v int)", "CREATE INDEX ON t (id)", "INSERT INTO t VALUES (1, 1), (2.5, 1)")
    with pytest.raises(rowfeed.SchemaError, match=r"got 2\.5 at t\.id"):
        rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("t", sample="id", columns="v"))
    run(url, "ALTER TABLE t ALTER id TYPE int", "INSERT INTO t VALUES (NULL, 1)")
    with pytest.raises(rowfeed.DataError, match=r"expected a sample id in every row; got NULL at t\.id"):
        rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("t", sample="id", columns="v"))


def test_a_value_above_the_limit_is_read_in_parts(url):
    """Where the server says that a value gets too large, the request is split, down to single samples."""
    rowfeed.connect(url).write(grid(), cells(16))
    run(
        url,
        "CREATE FUNCTION counted(v float4) RETURNS float4 LANGUAGE plpgsql STABLE AS $$ "
        "DECLARE now text := extract(epoch FROM statement_timestamp())::text; "
        "seen text := coalesce(current_setting('t.rows', true), ''); rows int := 0; BEGIN "
        "IF split_part(seen, ' ', 1) = now THEN rows := split_part(seen, ' ', 2)::int; END IF; "
        "IF rows >= 70 THEN RAISE EXCEPTION 'too large' USING ERRCODE = '54000'; END IF; "
        "PERFORM set_config('t.rows', now || ' ' || (rows + 1), false); RETURN v; END $$",
        "CREATE VIEW limited AS SELECT id, x, y, counted(v) AS v FROM cells",
    )
    found = rowfeed.Feed(rowfeed.connect(url), grid("limited")).arrays()
    np.testing.assert_array_equal(found, cells(16))
    run(url, "CREATE VIEW wide AS SELECT 1 AS id, x, y, counted(v) AS v FROM cells")
    with pytest.raises(rowfeed.DatabaseError, match="too large"):
        rowfeed.Feed(rowfeed.connect(url), grid("wide", duplicates="max")).arrays()


# A guest


def test_sessions_are_read_only(url):
    """A feed's session cannot write, and no statement or lock waits for ever."""
    run(url, "CREATE TABLE t (id int)")
    with rowfeed.connect(url).open() as session:
        with pytest.raises(rowfeed.DatabaseError, match="read-only"):
            session._execute(sa.text("INSERT INTO t VALUES (1)"))
        names = (*FIXED, *LIMITS, CHECK_INTERVAL)
        known = session._execute(sa.text("SELECT name, setting FROM pg_settings")).all()
    shown = {name: setting for name, setting in known if name in names}
    assert {name: shown[name].removesuffix(", MDY") for name in FIXED} == FIXED
    assert shown[CHECK_INTERVAL] == "1000"
    assert {shown[name] for name in LIMITS if name in shown} == {"54000"}


def test_a_users_engine_keeps_its_settings(url):
    """A session from the user's own engine is read-only; the engine's other connections are as before."""
    rowfeed.connect(url).write(grid(), cells(5))
    engine = sa.create_engine(url)
    np.testing.assert_array_equal(rowfeed.Feed(rowfeed.connect(engine), grid()).arrays(), cells(5))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (id int)"))
        assert connection.execute(sa.text("SHOW default_transaction_read_only")).scalar() == "off"
    engine.dispose()


def test_interrupt_ends_a_running_query(admin, url):
    """A query that sleeps ends at once on both sides, and closing the session afterwards is harmless."""
    session = rowfeed.connect(url).open()
    pid = session._execute(sa.text("SELECT pg_backend_pid()")).scalar()
    failed = []

    def sleep():
        try:
            session._execute(sa.text("SELECT pg_sleep(60)"))
        except rowfeed.DatabaseError as error:
            failed.append(error)

    reader = threading.Thread(target=sleep, daemon=True)
    reader.start()
    wait_for(lambda: run(admin, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND query LIKE '%pg_sleep%'"))
    began = time.monotonic()
    session.interrupt()
    reader.join(10)
    assert time.monotonic() - began < 5
    assert failed
    assert not reader.is_alive()
    session.interrupt()
    session.close()
    session.close()
    session.interrupt()
    wait_for(lambda: not run(admin, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(("end", "transient"), [("pg_cancel_backend", False), ("pg_terminate_backend", True)])
def test_a_query_that_somebody_ends(admin, url, end, transient):
    """Cancelled, it says so and is not made again; with its session, it may be made again on another."""
    with rowfeed.connect(url).open() as session:
        pid = session._execute(sa.text("SELECT pg_backend_pid()")).scalar()
        busy = f"SELECT {end}(pid) FROM pg_stat_activity WHERE pid = {pid} AND query LIKE '%pg_sleep(60)%'"
        ender = threading.Thread(target=lambda: wait_for(lambda: run(admin, busy)))
        ender.start()
        with pytest.raises(rowfeed.DatabaseError) as caught:
            session._execute(sa.text("SELECT pg_sleep(60)"))
        ender.join()
    assert caught.value.transient is transient
    assert ("a query that somebody cancelled" in str(caught.value)) is not transient
    assert "took longer" not in str(caught.value)


def test_missing_driver_names_the_extra(monkeypatch):
    """Without psycopg the error says which extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(rowfeed.DependencyError, match=r"'psycopg'.*pip install \"rowfeed\[postgresql\]\""):
        rowfeed.connect("postgresql+psycopg://u:canary@127.0.0.1/x").open()


# Writing


def test_write_is_one_transaction(url):
    """A write that fails leaves nothing; `append` and `replace` do as they say."""
    database = rowfeed.connect(url)
    database.write(grid(), cells(3))
    with pytest.raises(rowfeed.ArgumentError, match="expected no table 'cells' yet"):
        database.write(grid(), cells(3))
    with pytest.raises(rowfeed.DatabaseError, match="UniqueViolation"):
        database.write(grid(), cells(5), ids=[10, 11, 12, 13, 2], if_exists="append")
    assert rowfeed.Feed(database, grid()).sample_ids.tolist() == [0, 1, 2]
    database.write(grid(), cells(2), ids=[7, 8], if_exists="append")
    assert rowfeed.Feed(database, grid()).sample_ids.tolist() == [0, 1, 2, 7, 8]
    database.write(grid(), cells(1), if_exists="replace")
    assert rowfeed.Feed(database, grid()).sample_ids.tolist() == [0]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16"]
)
def test_every_dtype_is_written_and_read_back(url, dtype, columns_only):
    """The extremes of a dtype survive a table of several value columns."""
    kind = np.dtype(dtype).kind
    info = np.finfo(dtype) if kind == "f" else np.iinfo("u1" if kind == "b" else dtype)
    top = 1 if kind == "b" else info.max if kind == "f" else min(info.max, 2**63 - 1)
    values = np.array([[0, top], [1, 0 if kind == "b" else info.min]]).astype(dtype)
    layout = rowfeed.Columns("t", sample="id", columns=["a", "b"], dtype=dtype)
    rowfeed.connect(url).write(layout, values)
    assert rowfeed.Feed(rowfeed.connect(url), layout).arrays().tobytes() == values.tobytes()


def test_what_cannot_be_stored_is_refused(url):
    """An integer above 2^63 - 1 is named before anything is written."""
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype="uint64")
    with pytest.raises(
        rowfeed.DataError, match=r"expected values that postgresql stores unchanged; got 9223372036854775808"
    ):
        rowfeed.connect(url).write(layout, np.array([1, 2**63], np.uint64))


def test_interrupt_ends_a_read_on_a_stalled_network(admin, url):
    """Where nothing comes through any more, the reader is free all the same, and the server notices."""
    proxy = Proxy(url.host, url.port)
    session = rowfeed.connect(url.set(host="127.0.0.1", port=proxy.port)).open()
    pid = session._execute(sa.text("SELECT pg_backend_pid()")).scalar()
    failed = []

    def read():
        try:
            session._execute(sa.text("SELECT pg_sleep(1)"))
        except rowfeed.DatabaseError as error:
            failed.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    busy = f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"
    wait_for(lambda: run(admin, busy))
    proxy.stall()
    wait_for(lambda: not run(admin, busy))  # the answer was sent, and swallowed
    assert reader.is_alive()
    began = time.monotonic()
    session.interrupt()
    reader.join(10)
    assert time.monotonic() - began < 5
    assert failed
    assert not reader.is_alive()
    session.close()
    proxy.close()
    wait_for(lambda: not run(admin, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"))


@pytest.mark.usefixtures("warned_of_few_rows")
def test_only_an_index_that_serves_every_request_counts(url):
    """A partial or broken index, one in no order, or one that starts with another column, is none; the warning says
    what to create.
    """
    run(url, "CREATE TABLE t (id int, v int)", "INSERT INTO t VALUES (1, 1), (1, 2)")
    run(url, "CREATE INDEX ON t (id) WHERE v > 0", "CREATE INDEX ON t (v, id)", "CREATE INDEX ON t ((id + 1))")
    run(url, "CREATE INDEX ON t USING hash (id)", "CREATE INDEX ON t USING brin (id)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        run(url, "CREATE UNIQUE INDEX CONCURRENTLY ON t (id)")  # stays, and is invalid
    run(url, "DELETE FROM t WHERE v = 2")
    layout = rowfeed.Columns("t", sample="id", columns="v")
    with pytest.warns(rowfeed.MissingIndexWarning, match=r"t has no index that starts with id.*CREATE INDEX t_id ON t"):
        rowfeed.Feed(rowfeed.connect(url), layout)
    run(url, "CREATE INDEX ON t (id, v)")
    rowfeed.Feed(rowfeed.connect(url), layout)


@pytest.mark.parametrize(
    ("step", "rows", "analysed", "way"),
    [
        (1, 80, True, "tried_ids"),
        (2, 80, True, "tried_ids"),
        (40, 80, True, "skip_scan"),
        (1, 80, False, "skip_scan"),
        (40, 30, True, None),
        (1, 5, True, None),
    ],
)
def test_ways_to_list_ids(url, step, rows, analysed, way, monkeypatch):
    """Ids are tried where nearly every number is one, walked where not, all rows read where they have few; all are the
    same ids.
    """
    run(
        url,
        "CREATE TABLE t (id int, x int, v int, PRIMARY KEY (id, x))",
        f"INSERT INTO t SELECT s * {step} - 500, x, 1 FROM generate_series(1, 300) s, generate_series(1, {rows}) x "
        "WHERE s % 7 <> 0",
    )
    if analysed:
        run(url, "ANALYZE t")
    taken = []
    for name in ("tried_ids", "skip_scan"):
        original = getattr(postgresql, name)
        monkeypatch.setattr(
            postgresql, name, lambda *given, name=name, original=original: taken.append(name) or original(*given)
        )
    with rowfeed.connect(url).open() as session:
        found = session.sample_ids(Source("t"), "id")
    assert found.tolist() == [s * step - 500 for s in range(1, 301) if s % 7]
    assert taken == ([way] if way else [])

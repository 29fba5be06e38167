"""MariaDB and MySQL, on a real server."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from itertools import count

import numpy as np
import pytest
import sqlalchemy as sa
from engines import MYSQLS, SERVERS, why_missing

import rowfeed
from rowfeed.dialects.mysql import session as dialect
from rowfeed.dialects.mysql import wire, writing
from rowfeed.request.request import Request
from rowfeed.request.source import Source

GRID = {"sample": "user_id", "axes": ("x", "y"), "value": "value", "shape": (4, 4)}
NUMBERS = count()


@pytest.fixture(scope="module", params=MYSQLS)
def server(request):
    """The URL of an administrator of each server."""
    return request.getfixturevalue(request.param)


def numbers(first, last, step=1):
    """SQL of a table with the column seq: the numbers from first to last."""
    last, digits = (last - first) // step, "SELECT 0 AS n" + "".join(f" UNION SELECT {digit}" for digit in range(1, 10))
    places = range(len(str(last)))
    number = " + ".join(f"{10**place} * d{place}.n" for place in places)
    tables = ", ".join(f"({digits}) AS d{place}" for place in places)
    return f"(SELECT {first} + {step} * ({number}) AS seq FROM {tables} WHERE {number} <= {last} ORDER BY seq) AS s"


@pytest.fixture
def url(server):
    """A fresh database, as its administrator."""
    name = f"rowfeed_test_{next(NUMBERS)}"
    admin = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture
def run(url):
    """Runs statements as the administrator."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    def run(*statements):
        with engine.connect() as connection:
            results = [connection.exec_driver_sql(statement.replace("%", "%%")) for statement in statements]
            return results[-1].all() if results[-1].returns_rows else None

    return run


@pytest.fixture
def db(url):
    return rowfeed.connect(url)


def arrays(samples=60, dtype="float32"):
    """Values that encode (sample, row, column); every third sample and a third of the cells are empty."""
    sample, x, y = np.indices((samples, 4, 4))
    data = (sample * 100 + x * 10 + y + 0.5).astype(dtype)
    data[(sample + x + y) % 3 == 0] = 0
    data[::3] = 0
    return data


def digest(feed, epochs=3):
    state = hashlib.sha256()
    for epoch in range(epochs):
        for batch in feed.batches(epoch):
            state.update(batch.tobytes())
    return state.hexdigest()


def binary_reads(monkeypatch):
    """The list of what every `_read_columns` gave: True where the binary rows did."""
    given = []
    original = dialect.Session._read_columns

    def watched(self, request):
        data = original(self, request)
        given.append(data is not None)
        return data

    monkeypatch.setattr(dialect.Session, "_read_columns", watched)
    return given


def read(db, layout, ids):
    """One request: what a feed's batch of these ids would hold."""
    with db.open() as session:
        out = layout.empty(len(ids))
        data = session.read(Request(layout.selection(session), np.array(ids)))
        layout.scatter(data, np.arange(len(ids)), out)
        return out


def column(db, name, ids, **options):
    return read(db, rowfeed.Columns("t", sample="id", columns=name, **options), ids)


def both(url):
    return rowfeed.connect(url), rowfeed.connect(url, plain_rows=True)


def test_three_epochs_as_on_sqlite(url, tmp_path, monkeypatch):
    """The same table and seed give the same bits on SQLite, by binary rows and by plain rows."""
    given = binary_reads(monkeypatch)
    grid = rowfeed.Grid("USER_MATRIX", **GRID)
    lite = rowfeed.connect(f"sqlite:///{tmp_path / 'm.db'}")
    digests = []
    for db in (lite, *both(url)):
        db.write(grid, arrays(), if_exists="replace")
        feed = rowfeed.Feed(db, grid, samples=np.arange(60), batch_size=7, seed=3)
        digests.append(digest(feed))
        assert rowfeed.Feed(db, grid).sample_ids.tolist() == [i for i in range(60) if i % 3]
    assert len(set(digests)) == 1
    assert given
    assert all(given)


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mariadb+pymysql"])
def test_names_of_the_engine(url, scheme):
    """Both names of the engine work, and PyMySQL is the driver where none is named."""
    db = rowfeed.connect(url.set(drivername=scheme))
    grid = rowfeed.Grid("m", **GRID)
    db.write(grid, arrays())
    np.testing.assert_array_equal(read(db, grid, range(60)), arrays())


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("UPDATE m SET value = NULL WHERE user_id = 4 AND x = 1", "got NULL at m.value, user_id=4"),
        ("UPDATE m SET x = NULL WHERE user_id = 4 AND x = 1", "x must be an integer; got NULL at m.x, user_id=4"),
        ("UPDATE m SET x = 4 WHERE user_id = 4 AND x = 1", "x must be in 0..3 .* got 4 at m.x, user_id=4"),
        ("UPDATE m SET y = -1 WHERE user_id = 4 AND x = 1", "y must be in 0..3 .* got -1 at m.y, user_id=4"),
        ("ALTER TABLE m MODIFY x DOUBLE", None),
        ("UPDATE m SET x = 1.5 WHERE user_id = 4 AND x = 1", "x must be an integer; got 1.5 at m.x, user_id=4"),
        ("ALTER TABLE m MODIFY value VARCHAR(9)", "expected a number; got '101.5' at m.value, user_id=1"),
        ("INSERT INTO m VALUES (4, 1, 1, 9)", "got 2 at m.x, user_id=4, x=1, y=1"),
    ],
)
def test_wrong_rows_are_named(url, run, plain, change, text):
    """Every fault is an error that names table, column and sample, and the session goes on after it."""
    run("CREATE TABLE m (user_id INT, x INT, y INT, value DOUBLE, KEY (user_id))")
    run("INSERT INTO m VALUES (1, 0, 0, 101.5), (4, 1, 1, 411.5), (4, 2, 1, 421.5), (5, 3, 3, 533.5)")
    if "1.5 WHERE" in change:
        run("ALTER TABLE m MODIFY x DOUBLE")
    run(change)
    grid = rowfeed.Grid("m", **GRID)
    db = rowfeed.connect(url, plain_rows=plain)
    with db.open() as session:
        selection = grid.selection(session)

        def cells(ids):
            out = grid.empty(len(ids))
            grid.scatter(session.read(Request(selection, np.array(ids))), np.arange(len(ids)), out)
            return out

        if text is None:
            assert cells([1, 4, 5])[1, 1, 1] == 411.5
        else:
            with pytest.raises(rowfeed.DataError, match=text):
                cells([1, 4, 5])
            if "VARCHAR" not in change:
                assert cells([5])[0, 3, 3] == 533.5


@pytest.mark.parametrize("policy", [{"null": "fill", "fill": 7}, {"null": "drop"}, {"out_of_range": "drop"}])
def test_policies_as_by_plain_rows(url, run, policy, monkeypatch):
    """NULL and coordinates out of range are filled and dropped by binary rows as by plain ones."""
    given = binary_reads(monkeypatch)
    run("CREATE TABLE m (user_id INT, x INT, y INT, value FLOAT, n BIGINT UNSIGNED)")
    odd = "3, 7, 0, 3.5, 3" if "out_of_range" in policy else "3, 1, 0, NULL, NULL"
    run(f"INSERT INTO m VALUES (1, 0, 2, 0.1, 1), (2, 1, 3, 1e-45, 2), ({odd})")
    grid = rowfeed.Grid("m", **{**GRID, "value": ["value", "n"]}, **policy)
    fast, plain = (read(db, grid, [1, 2, 3]) for db in both(url))
    assert fast.tobytes() == plain.tobytes()
    assert given == [True]
    assert fast[1, 1, 3].tolist() == [np.float32(1e-45), 2]
    assert set(fast[2].ravel().tolist()) == {policy.get("fill", 0)}


EXTREMES = [
    ("TINYINT", "int8", [-128, 127]),
    ("TINYINT UNSIGNED", "uint8", [0, 255]),
    ("BOOLEAN", "bool", [0, 1]),
    ("SMALLINT", "int16", [-(2**15), 2**15 - 1]),
    ("SMALLINT UNSIGNED", "uint16", [2**16 - 1]),
    ("MEDIUMINT", "int32", [-(2**23), 2**23 - 1]),
    ("MEDIUMINT UNSIGNED", "int32", [2**24 - 1]),
    ("INT", "int32", [-(2**31), 2**31 - 1]),
    ("INT UNSIGNED", "uint32", [2**32 - 1]),
    ("BIGINT", "int64", [-(2**63), 2**63 - 1, 2**53 + 1]),
    ("BIGINT UNSIGNED", "uint64", [2**64 - 1, 2**63]),
    ("YEAR", "int16", [1901, 2155]),
    ("BIT(64)", "uint64", [2**64 - 1, 0]),
    ("BIT(1)", "bool", [0, 1]),
    ("DECIMAL(38, 0)", "uint64", [2**64 - 1]),
    ("DECIMAL(38, 10)", "float64", [0.5, -1234567.25]),
    ("DOUBLE", "float64", [5e-324, 1.7976931348623157e308, 0.1, 2.0**53]),
    ("FLOAT", "float32", [1e-45, 3.4028234663852886e38, 2.0**24]),
]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("kind", "dtype", "values"), EXTREMES)
def test_extremes_of_every_type(url, run, kind, dtype, values, plain):
    """Each numeric type arrives exactly at its ends."""
    run(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})")
    run(f"INSERT INTO t VALUES {', '.join(f'({i}, {value!r})' for i, value in enumerate(values))}")
    db = rowfeed.connect(url, plain_rows=plain)
    found = column(db, "v", range(len(values)), dtype=dtype)
    assert found.tolist() == np.array(values, dtype).tolist()


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("kind", "value", "dtype"),
    [
        ("INT", 2**24 + 1, "float32"),
        ("BIGINT", 2**53 + 1, "float64"),
        ("BIGINT", -1, "uint64"),
        ("DECIMAL(38, 2)", 2**53 + 1, "float64"),
        ("DOUBLE", 1e39, "float32"),
        ("FLOAT", 0.5, "int32"),
    ],
)
def test_what_does_not_fit_is_refused(url, run, kind, value, dtype, plain):
    """A number that the dtype would change is an error that names its place."""
    run(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})", f"INSERT INTO t VALUES (3, {value!r})")
    with pytest.raises(rowfeed.DataError, match=rf"that {dtype} holds exactly; got .* at t.v, id=3"):
        column(rowfeed.connect(url, plain_rows=plain), "v", [3], dtype=dtype)


def test_dates_are_no_numbers(db, run):
    """A date is refused, not read as a number."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v DATE)", "INSERT INTO t VALUES (3, '2026-03-29')")
    with pytest.raises(rowfeed.DataError, match=r"expected a number; got datetime.date\(2026, 3, 29\) at t.v, id=3"):
        column(db, "v", [3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_bits_survive(url, dtype):
    """Random bit patterns written to FLOAT and DOUBLE come back, by binary and by plain rows."""
    rng = np.random.default_rng(5)
    data = rng.integers(0, 256, 5000 * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    data = data[np.isfinite(data) & (data != 0)]
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)
    fast, plain = both(url)
    fast.write(layout, data)
    assert column(fast, "v", range(data.size), dtype=dtype).tobytes() == data.tobytes()
    assert column(plain, "v", range(data.size), dtype=dtype).tobytes() == data.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0])
def test_what_the_server_would_change_is_not_written(db, run, value):
    """NaN, infinity and -0.0 are refused, and no table is left behind."""
    data = arrays()
    data[5, 2, 2] = value
    with pytest.raises(rowfeed.DataError, match=r"got (nan|inf|-inf|-0.0) at m.value, user_id=5"):
        db.write(rowfeed.Grid("m", **GRID), data)
    assert run("SHOW TABLES") == []


def test_a_failed_replace_keeps_the_old_table(db, run):
    """A table is replaced by a complete one or not at all; an append by all rows or none."""
    grid = rowfeed.Grid("m", **GRID)
    db.write(grid, arrays())
    bad = arrays(90)
    bad[80] = np.nan
    for if_exists in ("replace", "append"):
        with pytest.raises(rowfeed.DataError):
            db.write(grid, bad, ids=range(1000, 1090), if_exists=if_exists)
    with pytest.raises(rowfeed.ArgumentError, match="expected no table 'm' yet"):
        db.write(grid, arrays())
    np.testing.assert_array_equal(read(db, grid, range(60)), arrays())
    assert run("SHOW TABLES") == [("m",)]
    db.write(grid, arrays() * 2, if_exists="replace")
    db.write(grid, arrays(3), ids=[100, 101, 102], if_exists="append")
    np.testing.assert_array_equal(read(db, grid, [1, 101]), np.stack((arrays()[1] * 2, arrays()[1])))
    assert run("SHOW TABLES") == [("m",)]


TEXTS = ["ab", "AB", "àb", "ab ", "ab  ", "0", "00", "a'b", "a\\b", "%s", "한", "🙂", "ß", "ss"]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin"])
def test_text_ids_are_kept_apart(url, run, collation):
    """Ids that a collation takes for one are many, each with its own row."""
    run(f"CREATE TABLE t (id VARCHAR(9) COLLATE {collation}, v INT, KEY (id))")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO t VALUES (:id, :v)"), [{"id": text, "v": v} for v, text in enumerate(TEXTS)]
        )
    for db in both(url):
        feed = rowfeed.Feed(db, rowfeed.Columns("t", sample="id", columns="v", dtype="int64"), shuffle=False)
        assert feed.sample_ids.tolist() == sorted(TEXTS)
        assert feed.arrays().tolist() == [TEXTS.index(text) for text in sorted(TEXTS)]


def test_text_ids_far_apart_in_a_request(url, monkeypatch):
    """Ids that look alike to a collation may be asked for in two queries, and are still found once."""
    monkeypatch.setattr("rowfeed.dialects.session.IDS_PER_QUERY", 3)
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype="int64")
    db = rowfeed.connect(url)
    db.write(layout, np.arange(len(TEXTS)), ids=TEXTS)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE t DROP PRIMARY KEY, ADD KEY (id), MODIFY id VARCHAR(9) COLLATE utf8mb4_general_ci"
        )
    assert rowfeed.Feed(db, layout, shuffle=False).arrays().tolist() == [TEXTS.index(text) for text in sorted(TEXTS)]


def test_a_reply_of_many_parts(db, run, monkeypatch):
    """More than 16 MiB arrive whole, and packets that are cut anywhere between two parts of the buffer."""
    run(
        "CREATE TABLE m (user_id INT, x SMALLINT, y BIGINT, value DOUBLE, PRIMARY KEY (user_id, x))",
        f"INSERT INTO m SELECT seq DIV 100, seq % 100, seq % 7, seq / 8 FROM {numbers(0, 599999)}",
    )
    grid = rowfeed.Grid("m", sample="user_id", axes=("x", "y"), value="value", shape=(100, 7), dtype="float64")
    sequence = np.arange(600_000).reshape(6000, 100)
    taken = []
    with db.open() as session:
        selection = grid.selection(session)
        for buffer_bytes in (2**20, 1009):
            monkeypatch.setattr(wire, "BUFFER_BYTES", buffer_bytes)
            session._wire = wire.find(session._driver)
            ids = np.arange(6000 if buffer_bytes > 2**16 else 60)
            data = session._read_columns(Request(selection, ids))
            order = np.argsort(data.sample * 700 + data.cell)
            np.testing.assert_array_equal(data.values[0][order], sequence[: ids.size].ravel() / 8)
            np.testing.assert_array_equal(data.cell[order] % 7, sequence[: ids.size].ravel() % 7)
            taken.append(data.sample.size * (4 + 2 + 4 + 2 + 8 + 8))
    assert taken[0] > 2**24


@pytest.mark.parametrize("further", [1, 40, 400])
def test_the_end_of_a_reply_is_not_waited_for(url, run, further, monkeypatch):
    """Few rows behind a buffer that is full to the byte come with the last read, and are not waited for."""
    row_bytes = 4 + 2 + 4 + 8
    monkeypatch.setattr(wire, "BUFFER_BYTES", 2**16)
    rows = 2 * (2**16 // row_bytes) + further
    run("CREATE TABLE t (id INT PRIMARY KEY, v BIGINT)", f"INSERT INTO t SELECT seq, seq FROM {numbers(1, rows)}")
    with rowfeed.connect(url, timeout_s=5).open() as session:
        selection = rowfeed.Columns("t", sample="id", columns="v", dtype="int64").selection(session)
        for _ in range(10):
            assert session.read(Request(selection, np.arange(1, rows + 1))).sample.size == rows


def test_a_long_reply_is_let_pile_up(url, run, monkeypatch):
    """Of a long reply several packets are read at once; a short one is not waited for, nor one through TLS."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v BIGINT)", f"INSERT INTO t SELECT seq, seq FROM {numbers(1, 300000)}")
    pauses = []
    monkeypatch.setattr(wire.time, "sleep", lambda seconds: pauses.append(seconds))
    with rowfeed.connect(url).open() as session:
        selection = rowfeed.Columns("t", sample="id", columns="v", dtype="int64").selection(session)
        session.read(Request(selection, np.arange(1, 1_001)))
        assert not pauses
        session.read(Request(selection, np.arange(1, 300_001)))
        assert set(pauses) == {wire.PAUSE_S}
        pauses.clear()
        session._wire._is_plain = False
        session.read(Request(selection, np.arange(1, 300_001)))
        assert not pauses


def test_a_null_behind_many_rows(db, run):
    """A NULL in the middle of a long reply ends the binary reading, not the session."""
    run(
        "CREATE TABLE t (id INT PRIMARY KEY, v FLOAT)",
        f"INSERT INTO t SELECT seq, IF(seq % 90000 = 70000, NULL, seq) FROM {numbers(0, 99999)}",
    )
    with db.open() as session:
        selection = rowfeed.Columns("t", sample="id", columns="v").selection(session)
        assert session._read_columns(Request(selection, np.arange(100_000))) is None
        assert session._read_columns(Request(selection, np.arange(70_000))).sample.size == 70_000


def test_long_statements_are_split(db, run, monkeypatch):
    """The ids of a request are split where the statement would be too long."""
    run("CREATE TABLE t (id BIGINT PRIMARY KEY, v INT)", f"INSERT INTO t SELECT seq, -seq FROM {numbers(1, 5000)}")
    monkeypatch.setattr(writing, "STATEMENT_BYTES", 2000)
    executed = []
    original = wire.BinaryRows.read
    monkeypatch.setattr(
        wire.BinaryRows, "read", lambda self, text, take: executed.append(text) or original(self, text, take)
    )
    for step in (1, 20, 64):  # ids that follow one another, that mostly do, that do not
        ids = [i for i in range(1, 5001) if step == 1 or i % step]
        ids = ids if step < 64 else ids[::2]
        executed.clear()
        assert column(db, "v", ids, dtype="int64").tolist() == [-i for i in ids]
        assert len(executed) > 1 or step == 1
        assert max(map(len, executed)) <= 2000
        assert ("JSON_TABLE" in executed[0]) == (step < 64)


def test_single_rows_of_several_statements(db, run, monkeypatch):
    """A row that came alone is not lost where the next statement's rows come to the same memory."""
    run(
        "CREATE TABLE t (id INT PRIMARY KEY, x INT NOT NULL, v FLOAT NOT NULL)",
        f"INSERT INTO t SELECT seq, 0, seq FROM {numbers(10, 4000, 30)}",
    )
    monkeypatch.setattr(writing, "STATEMENT_BYTES", 150)
    layout = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=(1,))
    ids = np.arange(10, 4000, 3)
    found = rowfeed.Feed(db, layout, samples=ids, shuffle=False).arrays()
    assert found[:, 0].tolist() == [float(name) if name % 30 == 10 else 0 for name in ids.tolist()]


def test_a_statement_holds_as_many_ids_as_fit(db, run, monkeypatch):
    """Short ids of a whole window are one statement; of longer ones fewer fit, whichever end is the longer."""
    run("CREATE TABLE t (id BIGINT PRIMARY KEY, v INT)", f"INSERT INTO t SELECT seq, -seq FROM {numbers(1, 131072)}")
    executed = []
    original = wire.BinaryRows.read
    monkeypatch.setattr(
        wire.BinaryRows, "read", lambda self, text, take: executed.append(text) or original(self, text, take)
    )
    with db.open() as session:
        selection = rowfeed.Columns("t", sample="id", columns="v", dtype="int64").selection(session)
        window = Request(selection, np.arange(1, 131_073))
        assert session.most_ids(window) >= 131_072
        executed.clear()
        assert session.read(window).values[0].sum() == -np.arange(1, 131_073).sum()
        assert len(executed) == 1
        long = (np.array([1, 2, 10**18]), np.array([-(10**17), 2, 3]))
        assert all(50_000 < session.most_ids(Request(selection, ids)) < 55_000 for ids in long)


def test_a_missing_driver_is_named(url):
    """Where the driver of a URL is not installed, the error says which extra to install."""
    pytest.importorskip("pymysql")
    db = rowfeed.connect(url.set(drivername="mysql+cymysql"))
    with pytest.raises(rowfeed.DependencyError, match=r"expected the driver 'cymysql'.*rowfeed\[mysql\]"):
        db.open()


def test_the_session_is_read_only(db, run):
    """A reading session cannot write, and its statements end before `timeout_s`."""
    run("CREATE TABLE t (id INT)")
    with db.open() as session:
        for statement in ("INSERT INTO t VALUES (1)", "CREATE TABLE u (id INT)"):
            with pytest.raises(rowfeed.DatabaseError, match="1792"):
                session._execute(sa.text(statement))
        is_mysql = session.product.startswith("mysql")
        limit, most = ("max_execution_time", 54_000) if is_mysql else ("max_statement_time", 54)
        assert session._execute(sa.text(f"SELECT @@autocommit, @@{limit}")).one() == (1, most)


def test_errors_of_the_server_leave_the_session(db, run):
    """An error in the middle of binary rows is a DatabaseError without the statement, and the session goes on."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", f"INSERT INTO t SELECT seq, 1 FROM {numbers(0, 99999)}")
    with db.open() as session:
        session._execute(sa.text("SET sql_mode = 'STRICT_ALL_TABLES'"))
        failing = "SELECT id, IF(id = 90000, (SELECT id FROM t WHERE id < 2 AND id > -77777), id) FROM t"
        with pytest.raises(rowfeed.DatabaseError, match="1242") as caught:
            session._read(failing, lambda rows: True)
        assert "77777" not in str(caught.value)
        with pytest.raises(rowfeed.DatabaseError, match="1054"):
            session._read("SELECT nothing FROM t", lambda rows: True)
        assert session._execute(sa.text("SELECT 5")).scalar() == 5


@pytest.mark.parametrize("binary", [True, False])
def test_interrupt_ends_a_running_query(db, binary):
    """A query that another thread interrupts ends at once, with an error; closing is harmless afterwards."""
    session = db.open()
    timer = threading.Timer(0.3, session.interrupt)
    timer.start()
    start = time.monotonic()
    with pytest.raises(rowfeed.DatabaseError, match="Lost connection"):
        session._read("SELECT SLEEP(20)", lambda _: True) if binary else session._execute(sa.text("SELECT SLEEP(20)"))
    assert 0.2 < time.monotonic() - start < 5
    timer.join()
    session.close()
    session.close()
    session.interrupt()


@pytest.mark.parametrize("end", ["interrupt", "kill"])
def test_closing_a_broken_session_is_quiet(db, run, caplog, end):
    """A session whose connection broke while nobody read closes without an error and without a log entry."""
    session = db.open()
    if end == "interrupt":
        session.interrupt()
    else:
        run(f"KILL {session._execute(sa.text('SELECT CONNECTION_ID()')).scalar()}")
    session.close()
    assert session._connection.closed
    assert caplog.text == ""


def test_an_unknown_pymysql_reads_plain_rows(db, monkeypatch):
    """Where PyMySQL lacks what binary rows need, a warning says so and plain rows give the same."""
    grid = rowfeed.Grid("m", **GRID)
    db.write(grid, arrays())
    monkeypatch.setattr(wire, "NEEDED", ("_execute_command", "_no_such_thing"))
    with pytest.warns(RuntimeWarning, match=r"whose connections have .*_no_such_thing; got 1\."):
        np.testing.assert_array_equal(read(db, grid, range(60)), arrays())


def test_an_engine_of_the_user(url):
    """A connection from the user's own engine reads binary rows, which gets none back that is read-only."""
    engine = sa.create_engine(url)
    db = rowfeed.connect(engine)
    grid = rowfeed.Grid("m", **GRID)
    db.write(grid, arrays())
    np.testing.assert_array_equal(read(db, grid, range(60)), arrays())
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE u (id INT)")


SETTINGS = {
    "sql_select_limit": "10",
    "max_join_size": "10",
    "sql_auto_is_null": "1",
    "sql_mode": "'PAD_CHAR_TO_FULL_LENGTH'",
    "time_zone": "'+05:00'",
    "group_concat_max_len": "4",
    "character_set_results": "latin1",
}


@pytest.mark.parametrize("ids", ["INT", "CHAR(9) CHARACTER SET utf8mb4"])
@pytest.mark.parametrize("plain", [False, True])
def test_settings_of_others_change_no_answer(url, run, plain, ids):
    """Whatever an account sets at the start of a session, all samples are found, with their own values."""
    run(f"CREATE TABLE t (id {ids} PRIMARY KEY, v INT)", f"INSERT INTO t SELECT seq, seq FROM {numbers(1, 60)}")
    command = "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in SETTINGS.items())
    db = rowfeed.connect(url.update_query_dict({"init_command": command}), plain_rows=plain)
    feed = rowfeed.Feed(db, rowfeed.Columns("t", sample="id", columns="v", dtype="int64"), shuffle=False)
    assert sorted(map(int, feed.sample_ids)) == list(range(1, 61))
    assert feed.arrays().tolist() == [int(name) for name in feed.sample_ids]


@pytest.mark.parametrize(("theirs", "ours", "seconds"), [(2, 60, 2), (200, 60, 54), (0, 60, 54)])
def test_the_lower_limit_counts(url, theirs, ours, seconds):
    """An account's own limit of time stays if it is below ours."""
    with rowfeed.connect(url).open() as session:
        mysql = session.product.startswith("mysql")
    name, unit = ("max_execution_time", 1_000) if mysql else ("max_statement_time", 1)
    account = url.update_query_dict({"init_command": f"SET SESSION {name} = {theirs * unit}"})
    with rowfeed.connect(account, timeout_s=ours).open() as session:
        assert session._execute(sa.text(f"SELECT @@{name}")).scalar_one() == seconds * unit


def test_the_least_limit_is_one(url):
    """The least timeout_s does not become 0, which would be no limit."""
    with rowfeed.connect(url).open() as session:
        statement = session._server.reading(0.0009, session._connection.dialect)
    assert "LEAST(@@max_execution_time, 1)" in statement or "LEAST(@@max_statement_time, 0.000900)" in statement


@pytest.mark.parametrize("charset", ["utf8", "latin1", "ascii"])
@pytest.mark.parametrize("command", [None, "SET NAMES latin1"])
@pytest.mark.parametrize("plain", [False, True])
def test_text_keeps_its_characters(url, run, charset, command, plain):
    """Whatever character set a URL or an account names, ids are not changed to question marks."""
    run("CREATE TABLE t (id VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT)")
    run("INSERT INTO t VALUES ('a🙂', 1), ('a🙃', 2), ('é', 3)")
    query = {"charset": charset} | ({"init_command": command} if command else {})
    db = rowfeed.connect(url.update_query_dict(query), plain_rows=plain)
    feed = rowfeed.Feed(db, rowfeed.Columns("t", sample="id", columns="v"))
    assert feed.sample_ids.tolist() == ["a🙂", "a🙃", "é"]
    assert feed.arrays().tolist() == [1, 2, 3]


NO_IDS = [("BIT(8)", "b'101'"), ("JSON", "'\"a\"'"), ("VECTOR(2)", "STRING_TO_VECTOR('[1,2]')")]
NO_IDS += [("GEOMETRY", "ST_GeomFromText('POINT(1 1)')")]


@pytest.mark.parametrize(("kind", "value"), NO_IDS)
@pytest.mark.parametrize("plain", [False, True])
def test_ids_that_would_not_be_found(url, run, kind, value, plain, request):
    """Of types whose values come in a form that does not equal them, no id is taken: all samples would be empty."""
    mariadb = request.node.callspec.params["server"] == "mariadb"
    if mariadb and kind.startswith(("VECTOR", "JSON")):
        pytest.skip("MariaDB 10.11 has no VECTOR, and its JSON is text")
    run(f"CREATE TABLE t (id {kind} NOT NULL, v INT)", f"INSERT INTO t VALUES ({value}, 7)")
    with pytest.raises(
        rowfeed.SchemaError, match=rf"got the type {kind.partition('(')[0]} at t\.id\. CAST it in a sel"
    ):
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), rowfeed.Columns("t", sample="id", columns="v"))


@pytest.mark.parametrize("plain", [False, True])
def test_vectors_are_no_numbers(url, run, plain, request):
    """A VECTOR comes as its bytes: an error that names the sample, and no error of a decoder."""
    if request.node.callspec.params["server"] == "mariadb":
        pytest.skip("MariaDB 10.11 has no VECTOR")
    run("CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(1))", "INSERT INTO t VALUES (3, STRING_TO_VECTOR('[1]'))")
    with pytest.raises(rowfeed.DataError, match=r"expected a number; got b'.*\?' at t\.v, id=3\."):
        rowfeed.Feed(rowfeed.connect(url, plain_rows=plain), rowfeed.Columns("t", sample="id", columns="v")).arrays()


def test_an_index_that_the_server_ignores(url, run, request):
    """An index that the optimizer may not use is none."""
    state = "IGNORED" if request.node.callspec.params["server"] == "mariadb" else "INVISIBLE"
    run("CREATE TABLE t (id INT, v INT, KEY seen (id))", "INSERT INTO t VALUES (1, 1)")
    with rowfeed.connect(url).open() as session:
        assert session.indexed(Source("t"), "id")
    run(f"ALTER TABLE t ALTER INDEX seen {state}")
    with rowfeed.connect(url).open() as session:
        assert not session.indexed(Source("t"), "id")


@pytest.mark.parametrize("engine", MYSQLS)
def test_names_in_lower_case(engine):
    """A server that stores names in lower case finds a table and its index under the name in the code."""
    if why := why_missing(engine):
        pytest.skip(why)
    with SERVERS[engine].private_server("--lower-case-table-names=1") as private:
        url = sa.make_url(private.url).update_query_dict({"ssl_disabled": "true"})
        with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
            admin.exec_driver_sql("CREATE DATABASE Game")
            admin.exec_driver_sql("CREATE TABLE Game.USER_MATRIX (id INT PRIMARY KEY, v INT)")
            admin.exec_driver_sql("INSERT INTO Game.USER_MATRIX VALUES (5, 6)")
        for name in ("USER_MATRIX", "Game.User_Matrix"):
            feed = rowfeed.Feed(
                rowfeed.connect(url.set(database="Game")), rowfeed.Columns(name, sample="id", columns="v")
            )
            assert feed.arrays().tolist() == [6]


MODES = ["ANSI", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE", "PAD_CHAR_TO_FULL_LENGTH,REAL_AS_FLOAT"]
MODES += ["NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY", "IGNORE_SPACE"]


def commanded(url, command):
    """The URL of sessions that begin with a command."""
    return url.update_query_dict({"init_command": command})


@pytest.mark.parametrize("mode", [*MODES, "ORACLE,EMPTY_STRING_IS_NULL"])
@pytest.mark.parametrize("plain", [False, True])
def test_no_mode_of_sql_changes_an_answer(url, run, mode, plain, request):
    """Under any sql_mode, the same rows are read, and `where` is read under it."""
    if "ORACLE" in mode and request.node.callspec.params["server"] == "mysql":
        pytest.skip("MariaDB's own")
    run("CREATE TABLE t (id CHAR(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, `the value` INT UNSIGNED)")
    run(r"INSERT INTO t VALUES ('', 1), ('a\\', 2), ('b\'', 3), ('c\"', 4)")
    db = rowfeed.connect(commanded(url, f"SET sql_mode = '{mode}'"), plain_rows=plain)
    where = '"the value" > 0' if mode.startswith(("ANSI", "ORACLE")) else "`the value` > 0"
    layout = rowfeed.Columns("t", sample="id", columns="the value", where=where)
    feed = rowfeed.Feed(db, layout, shuffle=False)
    assert feed.sample_ids.tolist() == ["", "a\\", "b'", 'c"']
    assert feed.arrays().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_may_write(url, mode):
    """What is written under any sql_mode is what comes back; what a column cannot hold is an error."""
    db = rowfeed.connect(commanded(url, f"SET sql_mode = '{mode}'"))
    grid = rowfeed.Grid("m", **GRID)
    db.write(grid, arrays())
    np.testing.assert_array_equal(read(db, grid, range(60)), arrays())
    texts = rowfeed.Columns("t", sample="id", columns="v")
    db.write(texts, np.ones(1, "float32"), ids=["a"])
    with pytest.raises(rowfeed.DatabaseError, match="Data too long"):
        db.write(texts, np.ones(1, "float32"), ids=["abc"], if_exists="append")


@pytest.mark.parametrize("plain", [False, True])
def test_where_means_the_users_own_zone(url, run, plain):
    """A moment in `where` is of the session's own time zone, as in any other client; values are in UTC."""
    run("CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP(6) NULL)")
    moments = ["2026-10-25 00:30:00.5", "2026-10-25 01:30:00", "1970-01-01 00:00:01.000001", "2038-01-19 03:14:07"]
    stored = ", ".join(f"({number}, '{moment}')" for number, moment in enumerate(moments))
    run("SET time_zone = '+00:00'", f"INSERT INTO t VALUES {stored}")
    layout = rowfeed.Columns("t", sample="id", columns="at", dtype="datetime64[us]", where="at < '2026-10-25 06:00'")
    for zone, ids in (("+00:00", [0, 1, 2]), ("+05:00", [0, 2]), ("-05:00", [0, 1, 2])):
        db = rowfeed.connect(commanded(url, f"SET time_zone = '{zone}'"), plain_rows=plain)
        feed = rowfeed.Feed(db, layout, shuffle=False)
        assert feed.sample_ids.tolist() == ids
        assert feed.arrays().tolist() == np.array([moments[i] for i in ids], "datetime64[us]").tolist()


def test_a_timestamp_is_written_in_utc(url, run):
    """Appended to a TIMESTAMP, a moment is one in UTC, whatever the session's time zone."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v TIMESTAMP NULL)")
    db = rowfeed.connect(commanded(url, "SET time_zone = '+05:00'"))
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype="datetime64[s]")
    moments = np.array(["2026-10-25T00:30", "2026-10-25T01:30"], "datetime64[s]")
    db.write(layout, moments, if_exists="append")
    assert column(db, "v", [0, 1], dtype="datetime64[s]").tolist() == moments.tolist()


def test_an_engine_of_another_character_set(url, run):
    """A driver that would take text for latin1 is told otherwise."""
    run("CREATE TABLE t (id VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT)")
    run("INSERT INTO t VALUES ('a🙂', 1), ('é', 3)")
    engine = sa.create_engine(url.update_query_dict({"charset": "latin1"}))
    with rowfeed.connect(engine).open() as session:
        assert session._wire is not None  # the driver is found, so numbers come in the fast way
        assert session._socket.found
    feed = rowfeed.Feed(rowfeed.connect(engine), rowfeed.Columns("t", sample="id", columns="v"))
    assert feed.sample_ids.tolist() == ["a🙂", "é"]
    assert feed.arrays().tolist() == [1, 3]


SLOW = "v = 0 OR BENCHMARK(2000000000, SHA2(v, 256)) >= 0"


def test_a_limit_of_the_account_is_named(url, run):
    """A query that the account's own limit ends says that it was not timeout_s."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
    with rowfeed.connect(url).open() as session:
        limit = "max_execution_time = 100" if session.product.startswith("mysql") else "max_statement_time = 0.1"
    db = rowfeed.connect(commanded(url, f"SET SESSION {limit}"), retry_s=0)
    text = r"within 0\.1 s, the server's own limit for this user; .* ask its administrator for a higher one\."
    with pytest.raises(rowfeed.DatabaseError, match=text):
        rowfeed.Feed(db, rowfeed.Columns("t", sample="id", columns="v", where=SLOW))


def test_a_query_that_somebody_kills(url, run):
    """KILL QUERY is no time-out, and the query is not made again."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1)")
    ended = threading.Event()

    def kill():
        while not ended.wait(0.05):
            for (number,) in run(
                "SELECT id FROM information_schema.processlist WHERE info LIKE '%BENCHMARK%SHA2(v, 256)%'"
            ):
                with contextlib.suppress(sa.exc.SQLAlchemyError):
                    run(f"KILL QUERY {number}")

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with pytest.raises(rowfeed.DatabaseError, match=r"got a query that somebody cancelled .*1317") as stopped:
            rowfeed.Feed(rowfeed.connect(url), rowfeed.Columns("t", sample="id", columns="v", where=SLOW))
    finally:
        ended.set()
        thread.join()
    assert not stopped.value.transient


@pytest.mark.parametrize("limit", ["MAX_USER_CONNECTIONS 1", "MAX_QUERIES_PER_HOUR 1"])
def test_an_account_with_one_connection(url, run, limit):
    """That no connection is left is told apart from other limits of an account: fewer readers may do."""
    name = f"few{next(NUMBERS)}"
    run(f"CREATE USER {name}@'%' IDENTIFIED BY 'pw' WITH {limit}", f"GRANT SELECT ON *.* TO {name}@'%'")
    db = rowfeed.connect(url.set(username=name, password="pw"), retry_s=0)
    few = limit.startswith("MAX_USER")
    text = "expected a free connection of .*MAX_USER_CONNECTIONS" if few else "expected .* to allow this account more"
    try:
        with contextlib.ExitStack() as stack:
            if few:
                stack.enter_context(db.open())
            with pytest.raises(rowfeed.DatabaseError, match=text) as full:
                db.open()
        assert full.value.no_connection_left == few
    finally:
        run(f"DROP USER {name}@'%'")


def test_a_url_without_a_database(url):
    """A table needs a database: in the URL, or in its own name."""
    layout = rowfeed.Columns("T", sample="id", columns="v")
    rowfeed.connect(url).write(layout, np.arange(3, dtype="float32"))
    db = rowfeed.connect(url._replace(database=None))
    with pytest.raises(
        rowfeed.SchemaError, match=r"expected a database, .*/game, or .*'game\.T'; got 'T' alone\. Name"
    ):
        rowfeed.Feed(db, x=layout)
    named = rowfeed.Columns(f"{url.database}.T", sample="id", columns="v")
    assert rowfeed.Feed(db, x=named).arrays().tolist() == [0, 1, 2]


@pytest.mark.parametrize(("using", "finds"), [("HASH", False), ("BTREE", True)])
def test_a_hash_finds_no_ranges(url, run, using, finds, monkeypatch):
    """A MEMORY table's hash finds ids, so nothing is missing; ranges would each scan the table, and are not asked."""
    run(f"CREATE TABLE t (id INT, v INT, KEY (id) USING {using}) ENGINE = MEMORY")
    run(f"INSERT INTO t SELECT seq, seq FROM {numbers(1, 500)}")
    asked = []
    original = dialect.Session._ranges
    monkeypatch.setattr(
        dialect.Session, "_ranges", lambda self, request: asked.append(original(self, request)) or asked[-1]
    )
    found = read(rowfeed.connect(url), rowfeed.Columns("t", sample="id", columns="v"), range(1, 501))
    assert found.tolist() == list(range(1, 501))
    assert asked == ["BIGINT" if finds else ""]


def test_a_password_that_needs_another_package(request, monkeypatch):
    """Without the package that encrypts a password, the error is what to install, and not a RuntimeError."""
    if why := why_missing("mysql"):
        pytest.skip(why)
    monkeypatch.setattr("pymysql._auth._have_cryptography", False)
    url = request.getfixturevalue("mysql")
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.exec_driver_sql("CREATE USER encrypted@'%%' IDENTIFIED WITH caching_sha2_password BY 'pw'")
        try:
            db = rowfeed.connect(url.set(username="encrypted", password="pw"))
            text = r'expected the package cryptography, .* Install it: pip install "rowfeed\[mysql\]"\.'
            with pytest.raises(rowfeed.DependencyError, match=text):
                db.open()
        finally:
            admin.exec_driver_sql("DROP USER encrypted@'%%'")


def test_vectors_by_a_view(url, run, request):
    """The way that docs/databases.md names for embeddings, until there is a layout for them."""
    if request.node.callspec.params["server"] == "mariadb":
        pytest.skip("MariaDB 10.11 has no VECTOR")
    run("CREATE TABLE e (id INT PRIMARY KEY, v VECTOR(3))")
    run("INSERT INTO e VALUES (3, STRING_TO_VECTOR('[1, 2.5, -3e-5]')), (4, STRING_TO_VECTOR('[0, 0, 1]'))")
    numbers_of = "JSON_TABLE(VECTOR_TO_STRING(v), '$[*]' COLUMNS (i FOR ORDINALITY, number FLOAT PATH '$')) AS c"
    run(f"CREATE VIEW r AS SELECT id, i - 1 AS i, number FROM e, {numbers_of}")
    grid = rowfeed.Grid("r", sample="id", axes="i", value="number", shape=3)
    found = rowfeed.Feed(rowfeed.connect(url), grid, shuffle=False).arrays()
    np.testing.assert_array_equal(found, np.array([[1, 2.5, -3e-5], [0, 0, 1]], "float32"))


@pytest.mark.parametrize("engine", MYSQLS)
def test_the_hour_that_clocks_show_twice(engine, monkeypatch):
    """A TIMESTAMP is the stored instant, or refused where MySQL does not tell it: never the other hour."""
    if why := why_missing(engine):
        pytest.skip(why)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    with SERVERS[engine].private_server() as private:
        url = sa.make_url(private.url).update_query_dict({"ssl_disabled": "true"})
        with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
            admin.exec_driver_sql("CREATE DATABASE game")
            admin.exec_driver_sql("CREATE TABLE game.t (id INT PRIMARY KEY, at TIMESTAMP(6) NULL)")
            admin.exec_driver_sql("SET time_zone = '+00:00'")
            admin.exec_driver_sql("INSERT INTO game.t VALUES (1, '2026-10-25 00:30:00.5'), (2, '2026-10-25 01:30:00')")
            admin.exec_driver_sql("INSERT INTO game.t VALUES (3, '2026-07-01 10:00:00')")
        layout = {"sample": "id", "columns": "at", "dtype": "datetime64[us]"}
        expected = np.array(["2026-10-25T00:30:00.5", "2026-10-25T01:30", "2026-07-01T10:00"], "datetime64[us]")
        for plain in (False, True):
            db = rowfeed.connect(url.set(database="game"), plain_rows=plain)
            feed = rowfeed.Feed(db, rowfeed.Columns("t", **layout), shuffle=False)
            assert feed.arrays().tolist() == expected.tolist()
            feed = rowfeed.Feed(db, rowfeed.Columns("t", where="at > '2026-07-01 11:00'", **layout), shuffle=False)
            assert feed.sample_ids.tolist() == [1, 2, 3]
            if engine == "mariadb":
                assert feed.arrays().tolist() == expected.tolist()
            else:
                with pytest.raises(rowfeed.DataError, match=r"got 'twice: 2026-10-25 02:30:00.*' at t.at"):
                    feed.arrays()
            summer = rowfeed.Columns("t", where="at = '2026-07-01 12:00'", **layout)
            assert rowfeed.Feed(db, summer).arrays().tolist() == expected[2:].tolist()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_many_ids_never_scan_the_table(url, run, step, request):
    """On MySQL a request of 65,536 ids goes by the index, however they lie: the server counts the rows it passes."""
    if request.node.callspec.params["server"] == "mariadb":
        pytest.skip("MariaDB weighs an index against a scan, and may scan a table of four times as many rows")
    run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", f"INSERT INTO t SELECT seq, seq FROM {numbers(0, 262143)}")
    with rowfeed.connect(url).open() as session:
        selection = rowfeed.Columns("t", sample="id", columns="v", dtype="int32").selection(session)
        ids = np.arange(0, 65_536 * step, step)
        session._connection.exec_driver_sql("FLUSH STATUS")
        assert session.read(Request(selection, ids)).sample.size == ids.size
        counted = dict(session._connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all())
    scanned = int(counted["Handler_read_rnd_next"]) + int(counted["Handler_read_first"])
    assert scanned < 100_000  # rows of the list of ranges, which is a temporary table
    assert sum(int(count) for count in counted.values()) < 4 * ids.size

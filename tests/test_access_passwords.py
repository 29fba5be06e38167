"""No password is repeated, whatever fails: in no text, traceback, log, pickle or report. And where one comes from."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import subprocess
import sys
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import sqlalchemy as sa
from engines import MYSQLS, SERVERS, why_missing
from proxy import Proxy

import rowfeed
from rowfeed.access import passwords
from rowfeed.cli.main import main
from rowfeed.reading.retrier import Retrier

HEAD, TAIL = "c4nary", "t4il"
CANARY = f"{HEAD}/7@{TAIL} y%"
"""A password that no other text has a piece of, with characters that URLs quote and that end parts of a URL."""

QUOTED = quote(CANARY, safe="")
TESTS = Path(__file__).parent


# Where a password could show


def chain(error):
    """An exception and all that it was caused by, came after or carries."""
    left, seen = [error], []
    while left:
        current = left.pop()
        if isinstance(current, BaseException) and all(current is not other for other in seen):
            seen.append(current)
            left += [current.__cause__, current.__context__, *vars(current).values(), *current.args]
    return seen


def locals_of(error):
    """What the frames of the library and of drivers show of their variables; those of the tests are the user's."""
    left = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while left:
        current = left.pop()
        if current is not None:
            left += [current.__cause__, current.__context__]
            for frame in current.stack:
                if Path(frame.filename).parent != TESTS:
                    yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"


def pickled(thing):
    try:
        return repr(pickle.dumps(thing))
    except Exception as error:
        return repr(error)


def texts_of(error):
    """All that can be read of an exception."""
    for link in chain(error):
        yield from (str(link), repr(link), repr(link.args), repr(vars(link)), pickled(link))
        yield repr(getattr(link, "__notes__", ""))
    yield "".join(traceback.format_exception(error))
    yield from locals_of(error)


def assert_clean(*texts):
    for text in texts:
        assert HEAD not in text, text
        assert TAIL not in text, text


@dataclass
class Watch:
    """What a test has shown to the world."""

    caplog: Any
    capsys: Any
    caught: list[Any]

    def assert_clean(self, error=None):
        shown = self.capsys.readouterr()
        assert_clean(shown.out, shown.err, *map(str, self.caught))
        for record in self.caplog.records:
            assert_clean(record.getMessage(), repr(record.args), repr(record.exc_info))
        if error is not None:
            assert_clean(*texts_of(error))


@pytest.fixture
def watch(caplog, capsys):
    """Everything is logged, and every warning is given."""
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "psycopg"):
        caplog.set_level(logging.DEBUG, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield Watch(caplog, capsys, caught)


def test_what_is_watched_would_show_a_password(watch):
    """The checks above see a password in each place that they look at."""
    code = compile("def driver(password):\n    raise RuntimeError('refused')", "/driver.py", "exec")
    space = {}
    exec(code, space)
    for fail in (
        lambda: space["driver"](CANARY),
        lambda: caused(RuntimeError(CANARY)),
        lambda: noted(CANARY),
    ):
        with pytest.raises(RuntimeError) as caught:
            fail()
        with pytest.raises(AssertionError):
            watch.assert_clean(caught.value)
    for show in (
        lambda: print(CANARY),
        lambda: logging.debug("%s", CANARY),
        lambda: warnings.warn(CANARY, stacklevel=1),
    ):
        show()
        with pytest.raises(AssertionError):
            watch.assert_clean()
        watch.caplog.clear()
        watch.caught.clear()


def caused(cause):
    raise RuntimeError("failed") from cause


def noted(note):
    error = RuntimeError("failed")
    error.add_note(note)
    raise error


# Servers: what fails, and how


@dataclass
class Place:
    """A server that may be killed, with an account whose password is the canary."""

    engine: str
    server: Any
    url: sa.URL
    account: str

    def admin(self, *statements):
        engine = sa.create_engine(self.server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    @property
    def open_url(self):
        """The URL without the password."""
        return self.url._replace(password=None)

    def text(self, **changes):
        """The URL as one writes it."""
        return self.url.set(**changes).render_as_string(hide_password=False)


TABLES = {
    "cells": "(1, 0, 1), (1, 1, 2), (2, 0, 3)",
    "nulls": "(1, 0, NULL)",
    "twice": "(1, 0, 1), (1, 0, 2)",
    "outside": "(1, 5, 1)",
    "large": "(1, 0, 1e300)",
    "hidden": "(1, 0, 1)",
}


@pytest.fixture(scope="module", params=SERVERS)
def place(request):
    """A private server of each kind."""
    if why := why_missing(request.param):
        pytest.skip(why)
    if os.environ.get(SERVERS[request.param].VARIABLE):
        pytest.skip("a server that was given is not killed")
    with SERVERS[request.param].private_server() as server:
        host = "@'%'" if request.param in MYSQLS else ""
        given = Place(request.param, server, sa.make_url(server.url), f"guest{host}")
        given.admin("CREATE DATABASE guarded")
        server.url = given.url.set(database="guarded").render_as_string(hide_password=False)
        for table, rows in TABLES.items():
            given.admin(
                f"CREATE TABLE {table} (id INT, x INT, v DOUBLE PRECISION)", f"INSERT INTO {table} VALUES {rows}"
            )
            given.admin(f"CREATE INDEX {table}_id ON {table} (id)")
        given.admin(
            "CREATE TABLE words (id INT PRIMARY KEY, x INT, v VARCHAR(9))", "INSERT INTO words VALUES (1, 0, 'a')"
        )
        given.admin("CREATE TABLE bare (id INT, x INT, v INT)", "INSERT INTO bare VALUES (1, 0, 1)")
        kind = "USER" if host else "ROLE"
        login = f"IDENTIFIED BY '{CANARY}'" if host else f"LOGIN PASSWORD '{CANARY}'"
        given.admin(f"CREATE {kind} {given.account} {login}")
        for table in {*TABLES, "words", "bare"} - {"hidden"}:
            given.admin(f"GRANT SELECT ON {table} TO {given.account}")
        given.url = given.url.set(username="guest", password=CANARY, database="guarded")
        yield given


def feed(url, table="cells", connect=(), **options):
    """An epoch of a feed."""
    grid = {"sample": "id", "axes": "x", "value": "v", "shape": 3} | options
    db = rowfeed.connect(url, **{"retry_s": 0, **dict(connect)})
    assert_clean(repr(db), str(db), pickled(db), db.public_url, db.label)
    found = rowfeed.Feed(db, x=rowfeed.Grid(table, **grid), batch_size=1)
    assert_clean(repr(found), str(found), pickled(found))
    return list(found)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def broken(place, fault):
    """The network, or the server, fails after the first batch."""
    with Proxy("127.0.0.1", place.server.port) as proxy:
        db = rowfeed.connect(place.url.set(port=proxy.port), retry_s=0.01, timeout_s=1)
        with Retrier(db._address) as reader:
            reader.run(lambda reader: reader.session._execute(sa.text("SELECT 1")).all())
            fault(proxy)
            yield reader
        assert proxy.faults


def read_through(place, fault):
    with broken(place, fault) as reader:
        reader.run(lambda reader: reader.session._execute(sa.text("SELECT v FROM cells")).all())


def killed(place):
    with Retrier(rowfeed.connect(place.url, retry_s=0.01)._address) as reader:
        reader.run(lambda reader: reader.session._execute(sa.text("SELECT 1")).all())
        place.server.kill()
        try:
            reader.run(lambda reader: reader.session._execute(sa.text("SELECT v FROM cells")).all())
        finally:
            place.server.start()


def statement(place, text):
    with rowfeed.connect(place.url).open() as session:
        session._execute(sa.text(text)).all()


def written(place, **options):
    layout = rowfeed.Columns("cells", sample="id", columns="v")
    rowfeed.connect(place.url).write(layout, np.zeros(3, "float32"), **options)


def query(place, **options):
    return place.url.update_query_dict(options)


def asked(place, source):
    feed(place.open_url, connect={"password_from": source})


def refuse():
    raise LookupError("no key ring")


def wrong_in_query(place, key):
    """The password among the options, with a piece more than it has."""
    feed(f"{place.open_url}?{key}={QUOTED}7")


def by_engine(place):
    """An engine of the user's own that logs everything."""
    feed(sa.create_engine(place.url.set(password=CANARY + "7"), echo="debug"))


def on_command_line(place, *words):
    """The command's exit, as an exception."""
    try:
        code = main(["populate", *words])
    except SystemExit as end:
        code = end.code
    if code:
        raise SystemExit(code)


ARGUMENT, SCHEMA, DATA, DATABASE = rowfeed.ArgumentError, rowfeed.SchemaError, rowfeed.DataError, rowfeed.DatabaseError
SLEEP = {"mariadb": "SLEEP(30) = 0", "mysql": "SLEEP(30) = 0", "postgresql": "pg_sleep(30) IS NOT NULL"}
DRIVER = {"mariadb": "mysql+pymysql", "mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
CA = {"mariadb": "ssl_ca", "mysql": "ssl_ca", "postgresql": "sslrootcert"}
TLS = {engine: {"ssl_ca": "/etc/ssl/certs"} for engine in MYSQLS} | {"postgresql": {"sslmode": "require"}}
NO_FILE = {
    "mariadb": {"ssl_ca": "/no/such.pem"},
    "mysql": {"ssl_ca": "/no/such.pem"},
    "postgresql": {"sslmode": "verify-full", "sslrootcert": "/no/such.pem"},
}

FAILURES = {
    "wrong password": (DATABASE, lambda p: feed(p.url.set(password=CANARY + "7"))),
    "wrong user": (DATABASE, lambda p: feed(p.url.set(username="nobody"))),
    "wrong host": (DATABASE, lambda p: feed(p.url.set(host="no-such-host.invalid"))),
    "wrong port": (DATABASE, lambda p: feed(p.url.set(port=closed_port()))),
    "port out of range": (DATABASE, lambda p: feed(p.url.set(port=99_999))),
    "wrong database": (DATABASE, lambda p: feed(p.url.set(database="nowhere"))),
    "missing table": (SCHEMA, lambda p: feed(p.url, "cellls")),
    "missing schema": ((SCHEMA, DATABASE), lambda p: feed(p.url, "nowhere.cells")),
    "missing column": (SCHEMA, lambda p: feed(p.url, value="w")),
    "NULL": (DATA, lambda p: feed(p.url, "nulls")),
    "duplicate": (DATA, lambda p: feed(p.url, "twice")),
    "out of range": (DATA, lambda p: feed(p.url, "outside")),
    "beyond the dtype": (DATA, lambda p: feed(p.url, "large")),
    "text where numbers belong": (DATA, lambda p: feed(p.url, "words")),
    "no index": (rowfeed.MissingIndexWarning, lambda p: without_index(p)),
    "where that does not parse": (DATABASE, lambda p: feed(p.url, where="v >")),
    "where of a column that is not there": (DATABASE, lambda p: feed(p.url, where="w > 0")),
    "permission denied": ((DATABASE, SCHEMA), lambda p: feed(p.url, "hidden")),
    "no right to write": (DATABASE, lambda p: written(p, if_exists="append")),
    "a table that exists": (ARGUMENT, lambda p: written(p)),
    "a session that is read-only": (DATABASE, lambda p: statement(p, "INSERT INTO cells VALUES (9, 9, 9)")),
    "statement that does not parse": (DATABASE, lambda p: statement(p, "SELECT FROM WHERE")),
    "timeout": (DATABASE, lambda p: feed(p.url, where=SLEEP[p.engine], connect={"timeout_s": 1})),
    "connection cut": (DATABASE, lambda p: read_through(p, lambda proxy: (proxy.cut(), proxy.close()))),
    "connection reset": (DATABASE, lambda p: read_through(p, lambda proxy: (proxy.cut(reset=True), proxy.close()))),
    "stalled": (DATABASE, lambda p: read_through(p, Proxy.stall)),
    "server killed": (DATABASE, lambda p: killed(p)),
    "URL whose port is no number": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}://guest:{QUOTED}@host:port/d")),
    "URL with an unquoted password": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}://guest:{CANARY}@host/d")),
    "URL with a slash in the user": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}://a/guest:{QUOTED}@host/d")),
    "URL with three slashes": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}:///guest:{QUOTED}@host/d")),
    "URL with one slash": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}:/guest:{QUOTED}@host/d")),
    "URL without a scheme": (ARGUMENT, lambda p: feed(f"guest:{QUOTED}@host/d")),
    "URL with ; for ?": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}://guest@host/d;password={QUOTED}")),
    "URL with & for ?": (ARGUMENT, lambda p: feed(f"{DRIVER[p.engine]}://guest@host/d&password={QUOTED}")),
    "URL with ; for &": (DATABASE, lambda p: feed(query(p, connect_timeout=f"5;password={CANARY}"))),
    "URL in bytes": (ARGUMENT, lambda p: feed(p.text().encode())),
    "unknown engine": (ARGUMENT, lambda p: feed(p.text(drivername="nosuch"))),
    "unknown driver": (ARGUMENT, lambda p: feed(p.text(drivername=f"{p.url.get_backend_name()}+nosuch"))),
    "missing driver": (
        rowfeed.DependencyError,
        lambda p: feed(p.text(drivername="mysql+cymysql" if p.engine in MYSQLS else "postgresql+psycopg2cffi")),
    ),
    "password in the query": (DATABASE, lambda p: wrong_in_query(p, "password")),
    "password in the query, in capitals": (DATABASE, lambda p: wrong_in_query(p, "PASSWORD")),
    "password twice": (DATABASE, lambda p: feed(f"{p.text()}7?password={QUOTED}&password={QUOTED}", where="v >")),
    "other secrets in the query": (DATABASE, lambda p: feed(query(p, no_such_token=CANARY))),
    "wrong driver option": (DATABASE, lambda p: feed(query(p, nonsense="1"))),
    "wrong value of an option": (DATABASE, lambda p: feed(query(p, connect_timeout="soon"))),
    "wrong option of ours": (ARGUMENT, lambda p: feed(p.url, connect={"timeout_s": "soon"})),
    "wrong retry_s": (ARGUMENT, lambda p: feed(p.text(), connect={"retry_s": -1})),
    "TLS that the server has not": (DATABASE, lambda p: feed(query(p, **TLS[p.engine]))),
    "a file of certificates that is not there": (DATABASE, lambda p: feed(query(p, **NO_FILE[p.engine]))),
    "password_from that raises": (LookupError, lambda p: asked(p, refuse)),
    "password_from that returns bytes": (ARGUMENT, lambda p: asked(p, lambda: CANARY.encode())),
    "password_from that returns a wrong one": (DATABASE, lambda p: asked(p, lambda: CANARY + "7")),
    "password_from of a wrong type": (ARGUMENT, lambda p: feed(p.text(), connect={"password_from": 7})),
    "password as password_from": (ARGUMENT, lambda p: feed(p.url, connect={"password_from": CANARY})),
    "a callable that cannot be pickled": (
        (pickle.PicklingError, AttributeError),
        lambda p: pickle.dumps(rowfeed.connect(p.url, password_from=lambda: CANARY)),
    ),
    "an engine of the user's": (DATABASE, lambda p: by_engine(p)),
    "a command that cannot connect": (SystemExit, lambda p: on_command_line(p, p.text(username="nobody"))),
    "a command with two URLs": (SystemExit, lambda p: on_command_line(p, p.text(), p.text())),
    "a command without right": (SystemExit, lambda p: on_command_line(p, p.text(), "--samples", "3", "--traceback")),
}


def without_index(place):
    with warnings.catch_warnings():
        warnings.simplefilter("error", rowfeed.MissingIndexWarning)
        feed(place.url, "bare")


def test_there_are_enough_failures():
    """At least 30 kinds for each server."""
    assert len(FAILURES) >= 30


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.usefixtures("warned_of_few_rows")
def test_no_failure_shows_the_password(place, watch, failure):
    """What fails says so, and nothing that can be read of it has a piece of the password."""
    expected, fail = FAILURES[failure]
    with pytest.raises(expected) as caught:
        fail(place)
    watch.assert_clean(caught.value)


def test_the_account_works(place, watch):
    """With the password in its place, quoted or among the options, the same feed reads; nothing shows it."""
    for url in (place.url, place.text(), f"{place.open_url}?password={QUOTED}"):
        assert sum(len(batch) for batch in feed(url)) == 2
    assert watch.caplog.records
    watch.assert_clean()


# Files: DuckDB and SQLite


@pytest.mark.parametrize("key", ["motherduck_token", "pwd", "TOKEN", "s3_secret_access_key", "password"])
@pytest.mark.parametrize("failure", ["no file", "wrong option", "no table", "NULL", "in memory", "read-only"])
@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_no_failure_shows_a_secret_of_a_file(engine, failure, key, tmp_path, watch):
    """A secret among the options of a file's URL is shown as little, whether the driver knows the option or not."""
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    file = {"no file": "none.db", "in memory": ":memory:"}.get(failure, "a.db")
    rowfeed.connect(f"{engine}:///{tmp_path}/a.db").write(rowfeed.Columns("t", sample="id", columns="v"), np.ones(2))
    url = sa.make_url(f"{engine}:///{file if file == ':memory:' else tmp_path / file}").update_query_dict({key: CANARY})
    fail = {
        "wrong option": lambda: feed(url.update_query_dict({"nonsense": "1"})),
        "no table": lambda: feed(url, "tt"),
        "NULL": lambda: feed(url, where="v = nothing"),
        "read-only": lambda: rowfeed.connect(url).write(rowfeed.Columns("t", sample="id", columns="v"), np.ones(2)),
    }.get(failure, lambda: feed(url))
    with pytest.raises(rowfeed.Error) as caught:
        fail()
    watch.assert_clean(caught.value)


# The command line, when all goes well


@pytest.mark.keras
def test_the_command_and_its_report_show_no_password(place, tmp_path, watch):
    """Neither what `rowfeed` prints, on its way and at its end, nor the files that it leaves have the password."""
    pytest.importorskip("matplotlib")
    if place.engine != "postgresql":
        pytest.skip("one engine is enough for what is the same on all, and slow")
    place.admin("CREATE TABLE matrices (id INT, x INT, y INT, v DOUBLE PRECISION, PRIMARY KEY (id, x, y))")
    for sample in range(12):
        place.admin(f"INSERT INTO matrices VALUES ({sample}, {sample % 4}, {sample // 4}, {sample + 1})")
    place.admin(f"GRANT SELECT ON matrices TO {place.account}")
    words = ["--table", "matrices", "--sample", "id", "--axes", "x,y", "--value", "v", "--shape", "4,4"]
    assert main(["train", place.text(), *words, "--epochs", "1", "--out", str(tmp_path)]) == 0
    watch.assert_clean()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "guest:***@" in page.replace("<wbr>", "")
    assert_clean(page, *(repr(path.read_bytes()) for path in tmp_path.iterdir()))


# Where a password comes from


def from_this_file():
    """A function that pickle can name."""
    return CANARY


OPEN = """
import pickle, sys
db, feed = pickle.loads(sys.stdin.buffer.read())
db.open().close()
print(feed.arrays().tolist())
"""


@pytest.mark.parametrize(
    "source", ["ROWFEED_PASSWORD", "GUARD_7", from_this_file], ids=["default", "named", "function"]
)
def test_a_pickle_opens_elsewhere(place, source):
    """Pickles of a database and a feed have no password; a fresh process with the variable, or the function, reads."""
    variable = source if isinstance(source, str) else "OTHER"
    db = rowfeed.connect(place.url, password_from=source)
    feed = rowfeed.Feed(db, x=rowfeed.Grid("cells", sample="id", axes="x", value="v", shape=2))
    data = pickle.dumps((db, feed))
    assert_clean(repr(data))
    for value, works in ((CANARY, True), ("wrong", source is from_this_file)):
        there = {**os.environ, variable: value, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
        done = subprocess.run([sys.executable, "-c", OPEN], input=data, env=there, capture_output=True)
        assert (done.returncode == 0) == works, done.stderr
        assert done.stdout.strip() == (b"[[1.0, 2.0], [3.0, 0.0]]" if works else b"")
        assert_clean(done.stdout.decode(), done.stderr.decode())


def test_a_source_is_asked_at_each_connection(place):
    """A password that changes while a program runs is asked for again; one in the URL goes before it."""
    asked = []

    def source():
        asked.append(1)
        return CANARY if len(asked) > 1 else "not yet"

    db = rowfeed.connect(place.open_url, password_from=source)
    with pytest.raises(rowfeed.DatabaseError):
        db.open()
    db.open().close()
    assert len(asked) == 2
    rowfeed.connect(place.url, password_from=source).open().close()
    assert len(asked) == 2


def test_a_variable_that_is_not_set(place, monkeypatch):
    """Without a password anywhere the server says so; the library does not guess."""
    monkeypatch.delenv("ROWFEED_PASSWORD", raising=False)
    with pytest.raises(rowfeed.DatabaseError, match=r"(?i)denied|no password"):
        rowfeed.connect(place.open_url).open()


@pytest.mark.parametrize(
    ("url", "shown", "public"),
    [
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://u:***@h/d", "mysql+pymysql://u@h/d"),
        ("mysql+pymysql://u@h/d?passwd=p&a=1", "mysql+pymysql://u:***@h/d?a=1", "mysql+pymysql://u@h/d?a=1"),
        ("mysql+pymysql://u@h/d?PassWord=p", "mysql+pymysql://u:***@h/d", "mysql+pymysql://u@h/d"),
        (
            "postgresql://u@h/d?sslpassword=p&sslkey=k",
            "postgresql://u@h/d?sslkey=k&sslpassword=***",
            "postgresql://u@h/d?sslkey=k",
        ),
        ("postgresql://u@h/d?passfile=f", "postgresql://u@h/d?passfile=f", "postgresql://u@h/d?passfile=f"),
        ("postgresql://u@h/d?options=a;token=p", "postgresql://u@h/d?options=***", "postgresql://u@h/d"),
        ("duckdb:///a.db?motherduck_token=p", "duckdb:///a.db?motherduck_token=***", "duckdb:///a.db"),
        ("mssql+pyodbc://?odbc_connect=DSN=x;PWD=p", "mssql+pyodbc://?odbc_connect=***", "mssql+pyodbc://"),
    ],
)
def test_what_of_a_url_is_shown(url, shown, public):
    """Passwords are `***` in messages and gone from pickles and from what is there to be pasted."""
    db = rowfeed.connect(url)
    assert db.label == shown
    assert db.public_url == public
    assert pickle.loads(pickle.dumps(db))._address.url.render_as_string(hide_password=False) == public


@pytest.mark.parametrize(
    ("password", "text", "expected"),
    [
        ("x", "timeout exceeded at 4 x 4 of u'x", "timeout exceeded at 4 x 4 of u'x"),
        ("x", "bad 'x', password=x; password x, u:x@h", "bad '***', password=***; password ***, u:***@h"),
        ("is", "this is wrong: password is is", "this is wrong: password is ***"),
        ("password", "denied (using password: YES)", "denied (using password: YES)"),
        ("password", "u:password@h and 'password'", "u:***@h and '***'"),
        ("1", "line 1, column 1, (1, 1), 10 1 s", "line 1, column 1, (1, 1), 10 1 s"),
        ("1", "got '1', pwd=1&a=1", "got '***', pwd=***&a=***"),
        ("u", "Access denied for user 'u'@'h'", "Access denied for user 'u'@'h'"),
        ("u", "u:u@h, secret: u", "u:***@h, secret: ***"),
        ("p4ss", "a p4ss of p4ssable, (p4ss)", "a *** of p4ssable, (***)"),
        ("%", "100 % of '%'", "100 % of '***'"),
        (CANARY, f"x{CANARY}y {QUOTED}", "x***y ***"),
        ("hunter2-hunter2", "xhunter2-hunter2y", "x***y"),
    ],
)
def test_a_password_is_hidden_where_it_stands_as_one(password, text, expected):
    """A short one, or a plain word, is hidden as a secret and nowhere else; a strong one everywhere, in each form."""
    error = RuntimeError(text, 7, [text])
    error.add_note(text)
    error.__cause__ = RuntimeError(text)
    passwords.hide(error, sa.URL.create("mysql+pymysql", "u", password, "h", database="d"))
    assert error.args[:2] == (expected, 7)
    assert error.__notes__ == [expected]
    assert str(error.__cause__) == expected


def test_messages():
    """What is wrong with where a password comes from is said without it."""
    with pytest.raises(rowfeed.ArgumentError) as caught:
        rowfeed.connect("mysql+pymysql://u@h/d", password_from=CANARY)
    assert str(caught.value) == (
        "expected the name of an environment variable, or a function; got password_from of type str. For example "
        "password_from='ROWFEED_PASSWORD'."
    )
    with pytest.raises(rowfeed.ArgumentError) as caught:
        rowfeed.connect("mysql+pymysql://u@h/d", password_from=lambda: 7).open()
    assert str(caught.value) == "expected a password_from that returns text or None; got int. Return the password."
    with pytest.raises(rowfeed.ArgumentError) as caught:
        rowfeed.connect(f"mysql+pymysql://u:{CANARY}@h/d")
    assert str(caught.value) == (
        "expected a SQLAlchemy URL such as sqlite:///games.db or mysql+pymysql://user@host/game; got one that cannot "
        "be parsed. Quote special characters in a password: urllib.parse.quote(password, safe=''). Or write "
        "mysql+pymysql://u@h/d, and put it into the variable ROWFEED_PASSWORD."
    )

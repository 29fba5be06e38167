"""What errors of the drivers become: what was expected, what came, and what to do, for the kinds that engines know."""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import fresh
from engines import MYSQLS, SERVERS

import rowfeed
from rowfeed.dialects.mysql import failures as mysql
from rowfeed.dialects.postgresql import failures as postgresql

COLUMNS = rowfeed.Columns("T", sample="id", columns="v")
NAMES = {"sqlite": "SQLite", "duckdb": "DuckDB"}


def refusal(url, **options):
    """The text of the DatabaseError that a feed ends with; the driver's own is its cause."""
    layout = rowfeed.Columns("T", sample="id", columns="v", **options)
    with pytest.raises(rowfeed.DatabaseError) as refused:
        rowfeed.Feed(rowfeed.connect(url, retry_s=0), layout).arrays()
    assert refused.value.__cause__ is not None
    return str(refused.value)


def fill(url):
    """A table with one row, which makes the file."""
    rowfeed.connect(url).write(COLUMNS, [1.0])


# Files


@pytest.fixture(params=NAMES)
def engine(request):
    """An engine whose database is a file."""
    pytest.importorskip("duckdb" if request.param == "duckdb" else "sqlite3")
    return request.param


def test_a_missing_file(engine, tmp_path, monkeypatch):
    """The whole path is named, also where the URL has a part of it, and how the URL's slashes count."""
    monkeypatch.chdir(tmp_path)
    way = f"{engine}:///file.db begins in the working directory, {engine}:////file.db at the root."
    for url in (f"{engine}:///none.db", f"{engine}:///{tmp_path}/none.db"):
        assert refusal(url) == (
            f"expected a {NAMES[engine]} file at {tmp_path}/none.db; got none. Check the path: {way}"
        )
    assert refusal(f"{engine}:///no/where.db") == (
        f"expected a directory {tmp_path}/no for where.db; got none. Make it, or check the path: {way}"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_by_uri(tmp_path):
    """SQLite's own form of a path is understood."""
    url = f"sqlite:///file:{tmp_path}/none.db?mode=ro&uri=true"
    assert refusal(url).startswith(f"expected a SQLite file at {tmp_path}/none.db; got none. ")


def test_writing_where_no_directory_is(engine, tmp_path):
    """What is written needs a directory."""
    with pytest.raises(rowfeed.DatabaseError) as refused:
        fill(f"{engine}:///{tmp_path}/no/where.db")
    assert str(refused.value).startswith(f"expected a directory {tmp_path}/no for where.db; got none. Make it, ")


def test_a_directory(engine, tmp_path):
    """A directory is called one."""
    expected = f"expected a {NAMES[engine]} file at {tmp_path}; got a directory. Name a file in it."
    assert refusal(f"{engine}:///{tmp_path}") == expected


def test_a_file_of_another_kind(engine, tmp_path):
    """A file that is no database is called one of another kind; that of the other engine too."""
    (tmp_path / "x.db").write_text("id,v\n" * 1000)
    with sqlite3.connect(tmp_path / "sqlite.db") as db:
        db.execute("CREATE TABLE T (id INT, v REAL)")
    for name in ("x.db", "sqlite.db") if engine == "duckdb" else ("x.db",):
        assert refusal(f"{engine}:///{tmp_path}/{name}") == (
            f"expected a {NAMES[engine]} file at {tmp_path}/{name}; got a file of another kind. Check the path; "
            f"db.write makes a {NAMES[engine]} file."
        )


@contextmanager
def as_nobody():
    """As a user who may not read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read(engine):
    """Permissions are named where they are what is missing."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        file = Path(place) / "x.db"
        fill(f"{engine}:///{file}")
        rowfeed.Feed(rowfeed.connect(f"{engine}:///{file}"), COLUMNS)  # all modules are loaded
        file.chmod(0)
        with as_nobody():
            assert refusal(f"{engine}:///{file}") == (
                f"expected a {NAMES[engine]} file at {file}; got one that may not be read. Change its permissions, or "
                "run as a user who may read it."
            )


def test_an_error_that_no_engine_knows(tmp_path):
    """Anything else is told in the driver's words, and in the same form."""
    url = f"sqlite:///{tmp_path}/x.db"
    fill(url)
    assert refusal(url, where="nonsense = 1") == (
        f"expected an answer from {url}; got OperationalError: no such column: nonsense. Check the URL, the rights of "
        "its user, and any SQL of your own."
    )


# Servers


@pytest.fixture(params=SERVERS)
def place(request, tmp_path):
    """The URL of a database with T, and with U, which `guest` may not read; and the guest's own URL."""
    with fresh(request.param, request, tmp_path) as url:
        db = rowfeed.connect(url)
        for table in ("T", "U"):
            db.write(rowfeed.Columns(table, sample="id", columns="v"), [1.0])
        mariadb, guest = request.param in MYSQLS, f"guest_{url.database}"
        admin = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            how, readable = ("IDENTIFIED BY", "T") if mariadb else ("PASSWORD", '"T"')
            connection.exec_driver_sql(f"CREATE USER {guest} {how} 'right'")
            connection.exec_driver_sql(f"GRANT SELECT ON {readable} TO {guest}")
        yield url, url.set(username=guest, password="right")
        with admin.connect() as connection:
            if not mariadb:
                connection.exec_driver_sql(f"DROP OWNED BY {guest}")
            connection.exec_driver_sql(f"DROP USER {guest}")


def shown(url):
    return url.render_as_string(hide_password=True)


def test_a_wrong_password(place):
    """User and password are what to check; neither password is shown."""
    if place[0].get_backend_name() == "postgresql":
        pytest.skip("the tests' own server trusts everybody; see test_words_of_postgresql")
    text = refusal(place[1].set(password="wr0ng"))
    assert text.startswith(f"expected a user and a password that {shown(place[1])} takes; got OperationalError: ")
    assert text.endswith(". Check both in the URL, and where password_from has it from.")
    assert "wr0ng" not in text


def test_an_unknown_database(place):
    """The name behind the last slash is what to check."""
    url = place[0].set(database="nowhere")
    text = refusal(url)
    assert text.startswith(f"expected a database of that name on {shown(url)}; got OperationalError: ")
    assert text.endswith(". Check the name behind the last / of the URL.")


def test_no_server(place):
    """Where nobody listens, host and port are what to check."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for url in (place[0].set(port=port), place[0].set(host="nowhere.invalid")):
        text = refusal(url)
        assert text.startswith(f"expected a server at {shown(url)}; got OperationalError: ")
        assert text.endswith(". Check the host and the port, and that it runs and lets this machine in.")


def test_no_right(place):
    """A table that the account may not read: what an administrator has to grant."""
    table = "U" if place[0].get_backend_name() == "mysql" else '"U"'
    text = refusal(place[1], where=f"id IN (SELECT id FROM {table})")
    assert text.startswith(f"expected the right to do this on {shown(place[1])}; got ")
    assert ". Ask its administrator: to read, GRANT SELECT on the tables is enough" in text


def test_wrong_sql(place):
    """SQL that the server refuses is that of `where`."""
    for where in ("nonsense = 1", "id IN ("):
        text = refusal(place[0], where=where)
        assert text.startswith(f"expected SQL that {shown(place[0])} understands; got ")
        assert text.endswith(". Check where=, and other SQL of your own.")


class OperationalError(Exception):
    """As psycopg's, while it connects: without a code."""


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ('failed: FATAL:  password authentication failed for user "database"', postgresql.PASSWORD),
        ('failed: FATAL:  role "password" does not exist', postgresql.PASSWORD),
        ('failed: FATAL:  database "password" does not exist', postgresql.DATABASE),
        ('failed: FATAL:  no pg_hba.conf entry for host "h", user "u", database "d"', postgresql.ENTRY),
        ('failed: FATAL:  too many connections for role "u"', postgresql.CONNECTIONS),
        ("failed: FATAL:  sorry, too many clients already", postgresql.CONNECTIONS),
        ("failed: FATAL:  no more connections allowed (max_client_conn)", postgresql.CONNECTIONS),
        ("failed: Connection refused", postgresql.HOST),
        ("failed: SSL error: certificate verify failed", postgresql.TLS),
        ("failed: FATAL:  Passwort-Authentifizierung fehlgeschlagen", None),
    ],
)
def test_words_of_postgresql(words, known):
    """While they connect, drivers have no code: the server's words tell, and names among them do not."""
    found = postgresql.advice(OperationalError(words), "LABEL")
    assert (found and (found.expected, found.what_to_do)) == (known and (known[0].replace("{}", "LABEL"), known[1]))


@pytest.mark.parametrize(
    ("limit", "of"), [("ROLE guest CONNECTION LIMIT 0", "role"), ("DATABASE {} CONNECTION LIMIT 0", "database")]
)
def test_a_limit_of_connections(postgresql, limit, of):
    """A role or a database that takes no more connections is known as such: fewer may do, and later one may be free."""
    name = f"limited_{of}"
    admin = sa.create_engine(postgresql, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in (
            "CREATE ROLE guest LOGIN PASSWORD 'guest'",
            f"CREATE DATABASE {name}",
            f"ALTER {limit.format(name)}",
        ):
            connection.exec_driver_sql(statement)
    try:
        db = rowfeed.connect(postgresql.set(username="guest", password="guest", database=name))
        with pytest.raises(
            rowfeed.DatabaseError, match=f"^expected a free connection of .*too many connections for {of}"
        ) as caught:
            db.open()
        assert caught.value.no_connection_left
        assert caught.value.transient
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
            connection.exec_driver_sql("DROP ROLE guest")


@pytest.mark.parametrize(("words", "known"), [("[Errno 111] refused", mysql.HOST), ("[SSL: CERTIFICATE]", mysql.TLS)])
def test_words_of_mysql(words, known):
    """PyMySQL has one code for a server that is not there and one that is not trusted."""
    found = mysql.advice(OperationalError(2003, words), "LABEL")
    assert found is not None
    assert found.what_to_do == known[1]

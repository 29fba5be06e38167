"""What is nearly a URL: the error has the URL that was meant, without its password."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from test_access_passwords import CANARY, QUOTED, assert_clean, texts_of

import rowfeed

SECRET = {"p": QUOTED, "c": CANARY}
CA = "/etc/ssl/certs/ca-certificates.crt"
MYSQL_TLS = f"mysql+pymysql://u@h/d?ssl_ca={CA}&ssl_verify_identity=true"
POSTGRESQL_TLS = f"postgresql+psycopg://u@h/d?sslmode=verify-full&sslrootcert={CA}"


@pytest.mark.parametrize(
    ("given", "got", "right"),
    [
        ("mysql+aiomysql://u:{p}@h/d?charset=utf8mb4", "got 'mysql+aiomysql'", "mysql+pymysql://u@h/d?charset=utf8mb4"),
        ("mysql+asyncmy://u:{p}@h:3307/d", "got 'mysql+asyncmy'", "mysql+pymysql://u@h:3307/d"),
        ("mariadb+aiomysql://u:{p}@h/d", "not async", "mysql+pymysql://u@h/d"),
        ("postgresql+asyncpg://u:{p}@h/d", "not async", "postgresql+psycopg://u@h/d"),
        ("sqlite+aiosqlite:///games.db", "not async", "sqlite:///games.db"),
        ("postgres://u:{p}@h/d", "got postgres://", "postgresql+psycopg://u@h/d"),
        ("postgres+psycopg2://u:{p}@h:5433/d?a=1", "got postgres://", "postgresql+psycopg2://u@h:5433/d?a=1"),
        ("mysql+pymysql://u:{p}@h/d?ssl_mode=REQUIRED", "got ssl_mode='REQUIRED'", MYSQL_TLS),
        ("mysql://u:{p}@h/d?ssl=true", "got ssl='true'", MYSQL_TLS.replace("+pymysql", "")),
        ("mysql+pymysql://u:{p}@h/d?sslmode=require&useSSL=true", "got sslmode='require', useSSL='true'", MYSQL_TLS),
        ("postgresql+psycopg://u:{p}@h/d?ssl=true", "got ssl='true'", POSTGRESQL_TLS),
        ("postgresql+psycopg://u:{p}@h/d?ssl_mode=require", "got ssl_mode='require'", POSTGRESQL_TLS),
        ("postgresql+psycopg://u:{p}@h/d?ssl_ca=a.pem", "got ssl_ca='a.pem'", POSTGRESQL_TLS),
        ("jdbc:mysql://h:3306/d?user=u&password={p}&useSSL=true", "one of JDBC", "mysql+pymysql://u@h:3306/d"),
        ("jdbc:mariadb://u:{p}@h/d", "one of JDBC", "mysql+pymysql://u@h/d"),
        ("jdbc:postgresql://h/d?user=u&password={c}", "one of JDBC", "postgresql+psycopg://u@h/d"),
        ("jdbc:oracle:thin:u/{p}@h:1521:d", "one of JDBC", "oracle://user@host/database"),
        ("jdbc:sqlite:games.db", "one of JDBC", "sqlite:///games.db"),
        ("jdbc:duckdb:/data/games.duckdb?a=b", "one of JDBC", "duckdb:////data/games.duckdb"),
        ("localhost", "got a host", "mysql+pymysql://user@localhost/database"),
        ("db.example.org:5432/game", "got a host", "postgresql+psycopg://user@db.example.org:5432/game"),
        ("games.db", "path of a file", "sqlite:///games.db"),
        ("/data/games.duckdb", "path of a file", "duckdb:////data/games.duckdb"),
        (Path("games.sqlite"), "path of a file", "sqlite:///games.sqlite"),
        ("sqlite://games.db", "has two slashes", "sqlite:///games.db"),
        ("sqlite://data/games.db", "has two slashes", "sqlite:///data/games.db"),
        ("duckdb://games.duckdb", "has two slashes", "duckdb:///games.duckdb"),
        ("sqlite:/data/games.db", "got one without ://", "sqlite:////data/games.db"),
        ("sqlite:games.db", "got one without ://", "sqlite:///games.db"),
        ("mysql+pymysql://u:{c}@h/d", "cannot be parsed", "mysql+pymysql://u@h/d"),
        ("mysql+pymysql://u:a#b@{c}@h:3307/d", "cannot be parsed", "mysql+pymysql://u@h:3307/d"),
        ("u:{c}@h/d", "got one without ://", "mysql+pymysql://user@host/game"),
        ("mysql+pymysql://u:{c}?@h/d?password={c}", "cannot be parsed", "mysql+pymysql://user@host/game"),
    ],
)
def test_slips(given, got, right):
    """The error says what was given and which URL to write."""
    with pytest.raises(rowfeed.ArgumentError) as caught:
        rowfeed.connect(given.format(**SECRET) if isinstance(given, str) else given)
    text = str(caught.value)
    assert got in text
    assert right in text
    assert text.startswith("expected ")
    assert_clean(*texts_of(caught.value))


def test_a_file_is_known_by_its_first_bytes(tmp_path, monkeypatch):
    """A path to a SQLite or DuckDB file with any name gets the right beginning."""
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("games")) as connection, connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(rowfeed.ArgumentError, match=r"Write sqlite:///games\."):
        rowfeed.connect("games")
    Path("other").write_bytes(bytes(8) + b"DUCK" + bytes(100))
    with pytest.raises(rowfeed.ArgumentError, match=r"Write duckdb:///other\."):
        rowfeed.connect(Path("other"))


def test_what_is_no_engine(tmp_path):
    """A Connection has a way out of its own."""
    with (
        sa.create_engine(f"sqlite:///{tmp_path}/a.db").connect() as connection,
        pytest.raises(rowfeed.ArgumentError, match=r"got Connection\. Pass its Engine, connection\.engine"),
    ):
        rowfeed.connect(connection)


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://u@h/d?ssl_ca=a.pem&ssl_verify_identity=true",
        "mysql+mysqldb://u@h/d?ssl_mode=REQUIRED",
        "postgresql+psycopg://u@h/d?sslmode=require",
        "postgresql+pg8000://u@h/d",
        "nosuch://u@h/d?ssl=true",
    ],
)
def test_what_is_right(url):
    """Options that a driver takes, and drivers that rowfeed knows nothing of, are let through."""
    assert rowfeed.connect(url).label == url

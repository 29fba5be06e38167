"""What every test shares: the backend, private database servers, and a header that says what they are."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mariadb_server
import postgresql_server
import pytest
import sqlalchemy as sa

import rowfeed

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: a test that interrupts itself, or what it starts, would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

DEFAULT_SEED = 20260101
SEED = int(os.environ.get("ROWFEED_TEST_SEED", DEFAULT_SEED))
"""What random tables are drawn with; another one tries others."""


def missing_servers() -> dict[str, str]:
    """Why tests on a server cannot run, by its name."""
    missing = {"MariaDB": mariadb_server.why_missing(), "PostgreSQL": postgresql_server.why_missing()}
    return {name: why for name, why in missing.items() if why}


def pytest_report_header() -> list[str]:
    """The versions of what is tested, and the seed."""
    commands = {"MariaDB": ["mariadbd", "--version"]}
    if found := postgresql_server.binaries():
        commands["PostgreSQL"] = [str(found / "postgres"), "--version"]
    versions = [f"SQLite {sqlite3.sqlite_version}"]
    for name, command in commands.items():
        if name not in missing_servers():
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            versions.append(done.stdout.strip() or f"{name} as given")
    for package in ("duckdb", "SQLAlchemy", "PyMySQL", "psycopg", "numpy", "keras"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return [f"rowfeed: {', '.join(versions)}", f"rowfeed: seed {SEED}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which servers were not tested."""
    for name, why in missing_servers().items():
        terminalreporter.section(f"NOT TESTED: {name}", sep="!", red=True, bold=True)
        terminalreporter.line(why)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[sa.URL]:
    """The URL of an administrator of a MariaDB or MySQL server."""
    if why := missing_servers().get("MariaDB"):
        pytest.skip(why)
    with mariadb_server.mariadb_server() as url:
        yield sa.make_url(url).update_query_dict({"ssl_disabled": "true"})


@pytest.fixture(scope="session")
def postgresql() -> Iterator[sa.URL]:
    """The URL of an administrator of a PostgreSQL server."""
    if why := missing_servers().get("PostgreSQL"):
        pytest.skip(why)
    with postgresql_server.server() as url:
        yield sa.make_url(url)


ENGINES = ["sqlite", "duckdb", "mariadb", "postgresql"]
SERVERS = ["mariadb", "postgresql"]
NUMBERS = itertools.count()


@contextmanager
def fresh(engine: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[sa.URL]:
    """The URL of a new, empty database on an engine, as its administrator; gone after the context."""
    if engine not in SERVERS:
        pytest.importorskip("duckdb" if engine == "duckdb" else "sqlite3")
        yield sa.make_url(f"{engine}:///{directory}/rowfeed.db")
        return
    server: sa.URL = request.getfixturevalue(engine)
    name = f"rowfeed_{os.getpid()}_{next(NUMBERS)}"
    admin = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.fixture(params=[f"{engine}-{way}" for engine in ENGINES for way in ("fast", "plain")])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[rowfeed.Database]:
    """A fresh database on each engine, read in each way."""
    engine, way = request.param.split("-")
    with fresh(engine, request, tmp_path) as url:
        yield rowfeed.connect(url, plain_rows=way == "plain")

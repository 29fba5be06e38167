"""What every test shares: the backend, private database servers, and a header that says what they are."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import hypothesis
import mysql_server
import postgresql_server
import pytest
import sqlalchemy as sa
from engines import ENGINES, PRODUCTS, SERVERS, place

import rowfeed
from rowfeed.feed import scans

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: a test that interrupts itself, or what it starts, would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("rowfeed", deadline=None)  # a busy machine takes its time
hypothesis.settings.load_profile("rowfeed")

DEFAULT_SEED = 20260101
SEED = int(os.environ.get("ROWFEED_TEST_SEED", DEFAULT_SEED))
"""What random tables are drawn with; another one tries others."""


def missing_servers() -> dict[str, str]:
    """Why tests on a server cannot run, by its name."""
    missing = {engine: module.why_missing() for engine, module in SERVERS.items()}
    return {PRODUCTS[engine]: why for engine, why in missing.items() if why}


def pytest_report_header() -> list[str]:
    """The versions of what is tested, and the seed."""
    programs = {"MariaDB": "mariadbd", "MySQL": mysql_server.PROGRAM, "PostgreSQL": "postgres"}
    if found := postgresql_server.binaries():
        programs["PostgreSQL"] = found / "postgres"
    versions = [f"SQLite {sqlite3.sqlite_version}"]
    for name, program in programs.items():
        if name not in missing_servers() and shutil.which(program):
            done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            versions.append(done.stdout.strip().removeprefix(f"{program}  "))
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
    """The URL of an administrator of a MariaDB server."""
    yield from _server("mariadb", ssl_disabled="true")


@pytest.fixture(scope="session")
def mysql() -> Iterator[sa.URL]:
    """The URL of an administrator of a MySQL server."""
    yield from _server("mysql", ssl_disabled="true")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[sa.URL]:
    """The URL of an administrator of a PostgreSQL server."""
    yield from _server("postgresql")


def _server(engine: str, **query: str) -> Iterator[sa.URL]:
    if why := SERVERS[engine].why_missing():
        pytest.skip(why)
    with SERVERS[engine].server() as url:
        yield sa.make_url(url).update_query_dict(query)


@pytest.fixture
def warned_of_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing index is warned of however few rows are scanned, so that tests need no large tables."""
    monkeypatch.setattr(scans, "FEW_ROWS", 0)


@contextmanager
def fresh(engine: str, request: pytest.FixtureRequest, directory: Path) -> Iterator[sa.URL]:
    """The URL of a new, empty database on an engine, as its administrator; gone after the context."""
    with place(engine, request, directory) as found:
        yield sa.make_url(found.url)


@pytest.fixture(params=[f"{engine}-{way}" for engine in ENGINES for way in ("fast", "plain")])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[rowfeed.Database]:
    """A fresh database on each engine, read in each way."""
    engine, way = request.param.split("-")
    with fresh(engine, request, tmp_path) as url:
        yield rowfeed.connect(url, plain_rows=way == "plain")

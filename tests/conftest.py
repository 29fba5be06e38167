"""What every test shares: the backend, private database servers, and a header that says what they are."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import mariadb_server
import postgresql_server
import pytest
import sqlalchemy as sa

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SEED = int(os.environ.get("ROWFEED_TEST_SEED", "20260101"))
"""What random tables are drawn with; another one tries others."""


def missing_servers() -> dict[str, str]:
    """Why tests on a server cannot run, by its name."""
    missing = {"MariaDB": mariadb_server.why_missing()}
    if not postgresql_server.available():
        missing["PostgreSQL"] = f"no PostgreSQL server: install postgresql, or set {postgresql_server.VARIABLE}"
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

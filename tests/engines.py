"""A fresh database on each engine, each read in its own fast way and by plain rows, for tests of all of them."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager

import mariadb_server
import mysql_server
import numpy as np
import postgresql_server
import pytest
import sqlalchemy as sa

import rowfeed
from rowfeed.request.request import Request

SERVERS = {"mariadb": mariadb_server, "mysql": mysql_server, "postgresql": postgresql_server}
"""The module of each server that tests start."""

PRODUCTS = {"mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL"}
MYSQLS = ("mariadb", "mysql")
"""The servers with the dialect of MySQL."""

ENGINES = ["sqlite", "duckdb", *SERVERS]
NUMBERS = itertools.count()


class Place:
    """A database of one engine, and an administrator's statements on it."""

    def __init__(self, engine, url):
        self.engine, self.url = engine, url

    def connect(self, plain=False, **options):
        """For a feed."""
        return rowfeed.connect(self.url, plain_rows=plain, **options)

    def run(self, *statements):
        """Run statements, each SQL or (SQL, parameters with the engine's own marks); the rows of the last."""
        pairs = [(one, ()) if isinstance(one, str) else one for one in statements]
        if self.engine == "duckdb":
            import duckdb

            with duckdb.connect(sa.make_url(self.url).database) as connection:
                return [connection.execute(sql, list(given)).fetchall() for sql, given in pairs][-1]
        if self.engine == "sqlite":
            with closing(sqlite3.connect(sa.make_url(self.url).database)) as connection, connection:
                return [connection.execute(sql, given).fetchall() for sql, given in pairs][-1]
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = [connection.exec_driver_sql(sql, tuple(given)) for sql, given in pairs][-1]
            return [tuple(row) for row in found.all()] if found.returns_rows else []


def why_missing(engine):
    """Why tests on a server cannot run; None if they can."""
    return SERVERS[engine].why_missing() if engine in SERVERS else None


@contextmanager
def place(engine, request, directory):
    """A place on an engine; its servers come from the fixtures of the session."""
    if engine in ("sqlite", "duckdb"):
        pytest.importorskip("duckdb" if engine == "duckdb" else "sqlite3")
        yield Place(engine, f"{engine}:///{directory}/engine.db")
        return
    server = request.getfixturevalue(engine)
    name = f"rowfeed_engines_{os.getpid()}_{next(NUMBERS)}"
    admin = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield Place(engine, server.set(database=name))
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")


@contextmanager
def opened(request, directories, prepare):
    """A function (engine, way) that gives a session: made, in a place of its own, when it is first asked for.

    Args:
        request: For the fixtures of servers.
        directories: Makes a directory: `tmp_path_factory.mktemp`.
        prepare: Called once for each place, with it and an ExitStack for what is to be undone.
    """
    with ExitStack() as stack:
        places, sessions = {}, {}

        def session(engine, way):
            if engine not in places:
                places[engine] = stack.enter_context(place(engine, request, directories(engine)))
                prepare(places[engine], stack)
            if (engine, way) not in sessions:
                sessions[engine, way] = stack.enter_context(places[engine].connect(way == "plain").open())
            return sessions[engine, way]

        yield session


def read(session, layout, selection, ids):
    """One request: what a feed's batch of these ids holds."""
    out = layout.empty(len(ids))
    layout.scatter(session.read(Request(selection, np.array(ids))), np.arange(len(ids)), out)
    return out

"""An Engine of the user's: its own way of connecting in every respect, and none of its connections."""

from __future__ import annotations

import copy
import pickle
import sqlite3

import numpy as np
import pytest
import sqlalchemy as sa
from engines import ENGINES, place
from sqlalchemy.pool import AssertionPool, NullPool, QueuePool, SingletonThreadPool, StaticPool

import rowfeed

ON_SQLALCHEMY = [engine for engine in ENGINES if engine != "duckdb"]
"""Engines whose dialect comes with SQLAlchemy."""

POOLS = [StaticPool, SingletonThreadPool, AssertionPool, QueuePool, NullPool]
GRID = {"sample": "id", "axes": "x", "value": "v", "shape": 2}
MINE, THEIRS = [[1.0, 2.0], [3.0, 0.0]], [[10.0, 20.0], [30.0, 0.0], [40.0, 0.0]]


def grid(table="cells", **options):
    return rowfeed.Grid(table, **GRID | options)


def rows(cells):
    return ", ".join(f"({i}, {x}, {v:g})" for i, row in enumerate(cells) for x, v in enumerate(row) if v)


def tables(prefix, cells):
    return (
        f"CREATE TABLE {prefix}cells (id INT, x INT, v DOUBLE PRECISION, PRIMARY KEY (id, x))",
        f"INSERT INTO {prefix}cells VALUES {rows(cells)}",
    )


@pytest.fixture
def path(tmp_path):
    """A SQLite file."""
    with sqlite3.connect(tmp_path / "mine.db") as connection:
        for statement in tables("", MINE):
            connection.execute(statement)
    return tmp_path / "mine.db"


def arrays(engine, layout=None, **options):
    return rowfeed.Feed(rowfeed.connect(engine, **options), layout or grid()).arrays()


@pytest.fixture(params=ON_SQLALCHEMY)
def tenants(request, tmp_path):
    """An Engine whose own schema has a table, and the name of a tenant's schema that has another one of that name."""
    with place(request.param, request, tmp_path) as found:
        found.run(*tables("", MINE))
        if request.param == "sqlite":
            tenant, options = "tenant", {}
            with sqlite3.connect(tmp_path / "tenant.db") as connection:
                for statement in tables("", THEIRS):
                    connection.execute(statement)
        else:
            tenant, options = f"tenant_{sa.make_url(found.url).database}", {"pool_size": 1}
            found.run(f"CREATE SCHEMA {tenant}", *tables(f"{tenant}.", THEIRS))
        engine = sa.create_engine(found.url, **options)
        if request.param == "sqlite":

            @sa.event.listens_for(engine, "connect")
            def attach(connection, _record):
                connection.execute(f"ATTACH '{tmp_path / 'tenant.db'}' AS tenant")

        yield engine, tenant
        engine.dispose()
        if request.param != "sqlite":
            found.run(f"DROP SCHEMA {tenant}" + (" CASCADE" if request.param == "postgresql" else ""))


class TestPools:
    """A connection of the Engine's pool is never touched."""

    @pytest.mark.parametrize("pool", POOLS)
    def test_the_users_connection_stays_as_it_is(self, path, pool):
        """While a transaction of the user's is open, a feed reads; then the same connection writes on."""
        options = {"connect_args": {"check_same_thread": False}} if pool is StaticPool else {}
        engine = sa.create_engine(f"sqlite:///{path}", poolclass=pool, **options)
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            connection.exec_driver_sql("CREATE TEMP TABLE t (a)")
            assert arrays(engine).tolist() == MINE
            assert len(list(rowfeed.Feed(rowfeed.connect(engine), grid(), batch_size=1))) == 2
            assert connection.connection.driver_connection is driver
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            connection.exec_driver_sql("INSERT INTO cells VALUES (9, 0, 9)")
            connection.commit()
        assert arrays(engine).tolist() == [*MINE, [9, 0]]
        engine.dispose()

    @pytest.mark.parametrize("pool", [StaticPool, QueuePool])
    def test_on_every_engine(self, tenants, pool):
        """The same on servers: their sessions are neither closed nor read-only."""
        if tenants[0].dialect.name == "sqlite":
            pytest.skip("tested above with each pool")
        engine = sa.create_engine(tenants[0].url, poolclass=pool)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE t (a INT)")
            assert arrays(engine).tolist() == MINE
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            assert connection.exec_driver_sql("SELECT a FROM t").scalar() == 1
        engine.dispose()

    @pytest.mark.parametrize("pool", [StaticPool, QueuePool, NullPool])
    def test_a_creator_with_one_connection(self, path, pool):
        """A creator that gives one connection to everybody is refused before anything happens to it."""
        shared = sqlite3.connect(path, check_same_thread=False)
        shared.execute("INSERT INTO cells VALUES (9, 0, 9)")
        engine = sa.create_engine("sqlite://", creator=lambda: shared, poolclass=pool)
        with pytest.raises(rowfeed.ArgumentError, match=r"got one whose creator gives the same .* at each call, or"):
            arrays(engine)
        assert shared.in_transaction
        shared.rollback()

    def test_a_creator_that_opens(self, path):
        """A creator says where the data is, whatever the URL says; also while an account has one connection."""
        calls = []

        def once():
            calls.append(sqlite3.connect(path) if len(calls) != 1 else None)
            if calls[-1] is None:
                raise sqlite3.OperationalError("too many connections")
            return calls[-1]

        for creator in (lambda: sqlite3.connect(path), once):
            assert arrays(sa.create_engine("sqlite://", creator=creator)).tolist() == MINE

    def test_in_memory(self):
        """A database in memory is refused with the way out, by its URL and by what a creator opens."""
        for options in (
            {"poolclass": StaticPool},
            {"poolclass": SingletonThreadPool},
            {"creator": lambda: sqlite3.connect(":memory:")},
        ):
            engine = sa.create_engine("sqlite://", **options)
            with engine.connect() as connection:
                with pytest.raises(rowfeed.ArgumentError, match=r"in memory, .* with VACUUM INTO"):
                    arrays(engine)
                connection.exec_driver_sql("CREATE TABLE t (a)")


class TestOptions:
    """What the Engine was made with holds for what rowfeed does with it."""

    @pytest.mark.parametrize("plain", [False, True])
    def test_schema_translate_map(self, tenants, plain):
        """Names, selectables, reflection and writing mean the tenant's tables, in each way of reading."""
        engine, tenant = tenants
        theirs = engine.execution_options(schema_translate_map={None: tenant, "shared": None})
        table = sa.Table("cells", sa.MetaData(), *(sa.Column(name, sa.Integer) for name in ("id", "x", "v")))
        for source in ("cells", sa.table("cells"), table, sa.select(table)):
            assert arrays(theirs, grid(source), plain_rows=plain).tolist() == THEIRS
        for where in ("id > 1", table.c.id > 1):
            assert arrays(theirs, grid(table, where=where), plain_rows=plain).tolist() == THEIRS[2:]
        assert arrays(engine, plain_rows=plain).tolist() == MINE
        db = rowfeed.connect(theirs, plain_rows=plain)
        db.write(grid("written"), np.array(MINE, "float32"))
        db.write(grid("written"), np.array(THEIRS, "float32"), if_exists="replace")
        db.write(grid("written"), np.array(MINE, "float32"), ids=[7, 8], if_exists="append")
        assert arrays(theirs, grid("written"), plain_rows=plain).tolist() == [*THEIRS, *MINE]
        with pytest.raises(rowfeed.SchemaError, match="none of that name"):
            arrays(engine, grid("written"), plain_rows=plain)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {tenant}.written")

    def test_the_catalogue_of_the_tenant(self, tenants):
        """An index of the tenant's counts, and so does its absence; another tenant's does not."""
        engine, tenant = tenants
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE bare (id INT, x INT, v INT)")
            connection.exec_driver_sql(f"CREATE TABLE {tenant}.bare (id INT, x INT, v INT, PRIMARY KEY (id, x))")
        theirs = engine.execution_options(schema_translate_map={None: tenant})
        layout = grid("bare", duplicates="last")
        with rowfeed.connect(theirs).open() as session:
            assert session.indexed(layout.source, "id")
            assert session.missing_index(layout.source, "id") is None
            assert session.primary_key(layout.source) == ("id", "x")
        with rowfeed.connect(engine).open() as session:
            assert not session.indexed(layout.source, "id")
            assert session.missing_index(layout.source, "id")
            assert session.primary_key(layout.source) == ()
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE bare")
            connection.exec_driver_sql(f"DROP TABLE {tenant}.bare")

    def test_options_for_the_users_own_results(self, tenants):
        """Streaming and portions, which the Engine sets for the user's queries, change nothing."""
        engine, _ = tenants
        for options in ({"stream_results": True}, {"yield_per": 1}, {"isolation_level": "AUTOCOMMIT"}):
            assert arrays(engine.execution_options(**options)).tolist() == MINE

    def test_listeners_that_rewrite_statements(self, tenants):
        """A listener that puts the tenant's name into each statement is obeyed in the fast way too."""
        engine, tenant = tenants
        quote = engine.dialect.identifier_preparer.quote_identifier

        @sa.event.listens_for(engine, "before_cursor_execute", retval=True)
        def rewrite(connection, cursor, statement, parameters, context, executemany):
            return statement.replace(f"FROM {quote('cells')}", f"FROM {tenant}.{quote('cells')}"), parameters

        if engine.dialect.name in ("mysql", "mariadb"):
            with pytest.warns(RuntimeWarning, match="listeners for its statements.*same batches"):
                assert arrays(engine).tolist() == THEIRS
        else:
            assert arrays(engine).tolist() == THEIRS

    def test_listeners_that_connect(self, path):
        """`do_connect`, `connect` and `first_connect` see each connection of rowfeed's, as they see the user's."""
        seen = []
        engine = sa.create_engine("sqlite:////no/such/file.db", connect_args={"timeout": 7})

        @sa.event.listens_for(engine, "do_connect")
        def do_connect(dialect, record, arguments, options):
            seen.append(options["timeout"])
            return sqlite3.connect(path)

        for event in ("connect", "first_connect"):
            sa.event.listen(engine, event, lambda connection, record, event=event: seen.append(event))
        assert arrays(engine).tolist() == MINE
        assert seen[-1] == "connect"
        assert seen.count("first_connect") == 1
        assert {7, "connect", "first_connect"} == set(seen)


class TestCopies:
    """A copy is as good as the original; a pickle would read elsewhere."""

    def test_a_pickle_is_refused(self, path):
        """What was made from an Engine says what to do instead of pickling it."""
        feed = rowfeed.Feed(rowfeed.connect(sa.create_engine(f"sqlite:///{path}")), grid())
        for thing in (feed, rowfeed.connect(sa.create_engine(f"sqlite:///{path}")), feed.replace(batch_size=1)):
            with pytest.raises(
                rowfeed.ArgumentError, match=r"made from a URL, to pickle it; got .* in the other process"
            ):
                pickle.dumps(thing)

    @pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
    def test_a_copy(self, tenants, make):
        """A copied database, feed or layout reads the same, with its Engine and its password."""
        engine, tenant = tenants
        theirs = engine.execution_options(schema_translate_map={None: tenant})
        table = sa.Table("cells", sa.MetaData(), *(sa.Column(name, sa.Integer) for name in ("id", "x", "v")))
        for source in (theirs, engine.url):
            db = rowfeed.connect(source)
            expected = THEIRS if source is theirs else MINE
            assert rowfeed.Feed(make(db), grid()).arrays().tolist() == expected
            feed = rowfeed.Feed(db, {"a": grid(), "b": grid(sa.select(table))}, shuffle=False)
            assert make(feed).arrays()["b"].tolist() == expected
            assert make(feed).replace(batch_size=1).arrays()["a"].tolist() == expected
            assert make(grid(sa.select(table))) == grid(sa.select(table))
            assert make(db)._address.throttle is db._address.throttle

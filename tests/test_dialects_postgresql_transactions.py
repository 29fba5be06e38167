"""Settings of PostgreSQL that live and die with a transaction: through poolers, and on the server itself."""

from __future__ import annotations

import os
from datetime import datetime
from importlib.util import find_spec

import numpy as np
import pgbouncer_server
import psycopg
import pytest
import sqlalchemy as sa
from conftest import fresh

import rowfeed
from rowfeed.dialects.postgresql import session
from rowfeed.dialects.postgresql.settings import CHECK_INTERVAL, FIXED, LIMITS

COLUMNS = rowfeed.Columns("T", sample="id", columns="v")
WORDS = rowfeed.Columns("words", sample="name", columns="v")
DRIVERS = [name for name in ("psycopg", "psycopg2", "pg8000") if find_spec(name)]
NAMES = (*FIXED, *LIMITS, CHECK_INTERVAL, "TimeZone", "default_transaction_read_only")


@pytest.fixture
def url(request, tmp_path):
    """A database of its own, with a table of integers and one of text."""
    with fresh("postgresql", request, tmp_path) as url:
        rowfeed.connect(url).write(COLUMNS, np.arange(500.0))
        rowfeed.connect(url).write(WORDS, np.arange(50.0), ids=[f"n{i:03}" for i in range(50)])
        yield url


@pytest.fixture(params=pgbouncer_server.MODES)
def pooled(request, url):
    """The database behind a pooler whose clients share one connection of the server, or a few in the mode `session`."""
    if why := pgbouncer_server.why_missing():
        pytest.skip(why)
    with pgbouncer_server.pooler(url, request.param, connections=3 if request.param == "session" else 1) as behind:
        yield behind


@pytest.fixture
def role(url):
    """An account that may read."""
    name = f"limited_{os.getpid()}"
    run(url, f"CREATE ROLE {name} LOGIN PASSWORD 'welcome'")
    yield name
    run(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def run(url, *statements):
    """As another client of the same server would."""
    with psycopg.connect(
        host=url.host, port=url.port, user=url.username, dbname=url.database, autocommit=True, prepare_threshold=None
    ) as connection:
        found = [connection.execute(statement) for statement in statements][-1]
        return found.fetchall() if found.description else []


def settings(url):
    """What another client gets, whatever set it."""
    names = ", ".join(f"'{name}'" for name in NAMES)
    return run(url, f"SELECT name, setting FROM pg_settings WHERE name IN ({names}) ORDER BY name")


def test_a_feed_leaves_no_setting_to_other_clients(pooled):
    """Before, between and after the queries of a feed, another client of the pool has the settings that it had."""
    before = settings(pooled)
    assert ("transaction_read_only", "off") in before
    feed = rowfeed.Feed(
        rowfeed.connect(pooled, timeout_s=20), COLUMNS, batch_size=10, memory_bytes=4_000, connections=1
    )
    for number, _ in enumerate(feed):
        if number % 20 == 0:
            assert settings(pooled) == before
            run(pooled, "CREATE TABLE IF NOT EXISTS mine (id int)")
    assert settings(pooled) == before


def test_every_statement_of_a_feed_is_protected(pooled):
    """Whatever another client leaves behind, each statement is read-only, limited, and reads and writes one way."""
    with rowfeed.connect(pooled, timeout_s=20).open() as session:
        for setting in (
            "array_nulls = off",
            "extra_float_digits = -9",
            "DateStyle = 'German'",
            "statement_timeout = 0",
        ):
            run(pooled, f"SET {setting}")
            found = dict(session._execute(sa.text("SELECT name, setting FROM pg_settings")).all())
            assert {name: found[name].partition(",")[0] for name in FIXED} == FIXED
            assert found["statement_timeout"] == found["lock_timeout"] == "18000"
            assert found["default_transaction_read_only"] == "off"
            run(pooled, f"RESET {setting.partition(' ')[0]}")


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_a_feed_reads_through_a_pooler(pooled, plain):
    """In each mode of the pool, integers and text, in each way."""
    db = rowfeed.connect(pooled, plain_rows=plain, timeout_s=20, retry_s=0)
    np.testing.assert_array_equal(rowfeed.Feed(db, COLUMNS).arrays(), np.arange(500, dtype="float32"))
    np.testing.assert_array_equal(rowfeed.Feed(db, WORDS).arrays(), np.arange(50, dtype="float32"))


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if driver != "psycopg"])
@pytest.mark.parametrize("pooled", ["session", "transaction"], indirect=True)
def test_other_drivers_through_a_pooler(pooled, driver):
    """They leave nothing behind either."""
    db = rowfeed.connect(pooled.set(drivername=f"postgresql+{driver}"), timeout_s=20, retry_s=0)
    np.testing.assert_array_equal(rowfeed.Feed(db, COLUMNS).arrays(), np.arange(500, dtype="float32"))
    assert ("transaction_read_only", "off") in settings(pooled)


@pytest.mark.skipif("psycopg2" not in DRIVERS, reason="no psycopg2")
@pytest.mark.parametrize("pooled", ["statement"], indirect=True)
def test_a_pooler_without_transactions(pooled):
    """Only psycopg reads through it. For others it is refused, with the ways out."""
    db = rowfeed.connect(pooled.set(drivername="postgresql+psycopg2"), timeout_s=20, retry_s=0)
    with pytest.raises(
        rowfeed.DatabaseError,
        match=r"^expected a transaction; got OperationalError: .*PgBouncer with pool_mode=statement: set it to transac"
        r"tion or session, or connect with psycopg",
    ):
        rowfeed.Feed(db, COLUMNS)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_smaller_limit_counts(url, driver, role):
    """A role's own limits stay, and the error names the one that ended a query; larger ones become rowfeed's."""
    run(
        url,
        *(
            f"ALTER ROLE {role} SET {name} = '{value}'"
            for name, value in (("statement_timeout", "300ms"), ("lock_timeout", "1h"))
        ),
    )
    guest = url.set(username=role, password="welcome", drivername=f"postgresql+{driver}")
    with rowfeed.connect(guest, timeout_s=20).open() as session:
        for name, value in (("statement_timeout", "300ms"), ("lock_timeout", "18s")):
            assert session._execute(sa.text(f"SELECT current_setting('{name}')")).scalar() == value
        with pytest.raises(
            rowfeed.DatabaseError, match=r"within 0\.3 s, the server's own limit for this user; .*ask its"
        ):
            session._execute(sa.text("SELECT pg_sleep(20)"))


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.usefixtures("warned_of_few_rows")
def test_a_role_with_settings_of_its_own(url, role, plain):
    """Its time zone and order of days are those of `where`; values are in UTC, and no digit or byte is lost."""
    run(
        url,
        "CREATE TABLE m (id int PRIMARY KEY, at timestamptz, f double precision, b bytea)",
        "INSERT INTO m VALUES (1, '2024-01-02 04:59:59.5+00', 0.1::float8 + 0.2, 'a')",
        "INSERT INTO m VALUES (2, '2024-01-02 05:00:00+00', 1e-300, 'b')",
        f"GRANT SELECT ON m TO {role}",
        *(f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in HOSTILE.items()),
    )
    db = rowfeed.connect(url.set(username=role, password="welcome"), plain_rows=plain)
    at = rowfeed.Columns("m", sample="id", columns="at", dtype="datetime64[us]", where="at < '02/01/2024'")
    assert rowfeed.Feed(db, at).arrays().tolist() == [datetime(2024, 1, 2, 4, 59, 59, 500_000)]
    reals = rowfeed.Columns("m", sample="id", columns="f", dtype="float64")
    assert rowfeed.Feed(db, reals).arrays().tolist() == [0.1 + 0.2, 1e-300]
    names = rowfeed.Columns("m", sample="b", columns="f", dtype="float64")
    with pytest.warns(rowfeed.MissingIndexWarning):
        feed = rowfeed.Feed(db, names)
    assert feed.sample_ids.tolist() == ["61", "62"]
    assert feed.arrays().tolist() == [0.1 + 0.2, 1e-300]


HOSTILE = {
    "TimeZone": "America/New_York",
    "DateStyle": "German, DMY",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "IntervalStyle": "iso_8601",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "gin_fuzzy_search_limit": "1",
    "default_transaction_isolation": "serializable",
    "client_encoding": "LATIN1",
}
"""What a role may have, and what changes answers."""


def test_without_pipelines(url, monkeypatch):
    """An old libpq sends BEGIN, the settings, the statement and COMMIT: the same batches, the same protection."""
    monkeypatch.setattr(session, "pipelines", lambda: False)
    with rowfeed.connect(url, timeout_s=20).open() as opened:
        assert opened._execute(sa.text("SELECT current_setting('statement_timeout')")).scalar() == "18s"
        for _ in range(2):
            with pytest.raises(rowfeed.DatabaseError, match="read-only"):
                opened._execute(sa.text("CREATE TABLE mine (id int)"))
        assert opened.table_rows(COLUMNS.source) == 500
        state = run(url, "SELECT DISTINCT state FROM pg_stat_activity WHERE query = 'COMMIT'")
        assert state == [("idle",)]
    assert rowfeed.Feed(rowfeed.connect(url), COLUMNS).arrays().tolist() == list(range(500))

"""The database is a guest house: what a server sees of a feed, on each server and in each way of reading."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import fresh
from engines import MYSQLS, NUMBERS, SERVERS

import rowfeed

READS = {"SELECT", "SET", "SHOW", "EXPLAIN"}
TRANSACTIONS = {"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"}

SAMPLES, CONNECTIONS = 400, 3
GRID = rowfeed.Grid("cells", sample="id", axes=("x", "y"), value="v", shape=(4, 4))
WORDS = rowfeed.Grid("words", sample="name", axes=("x", "y"), value="v", shape=(4, 4))


@dataclass
class House:
    """A database, its administrator, and an account that may SELECT in it."""

    engine: str
    admin: sa.URL
    guest: str
    plain: bool

    def run(self, *statements):
        """The rows of the last statement, run by the administrator."""
        engine = sa.create_engine(self.admin, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            results = [connection.execute(sa.text(statement)) for statement in statements]
            return results[-1].all() if results[-1].returns_rows else []

    @property
    def db(self):
        url = self.admin.set(username=self.guest, password="welcome")
        return rowfeed.connect(url, plain_rows=self.plain, retry_s=0)

    def feed(self, layout=GRID, **options):
        """Of many small windows."""
        options = {"batch_size": 10, "memory_bytes": 16 * 64 * 40, "connections": CONNECTIONS, "cache": None, **options}
        return rowfeed.Feed(self.db, x=layout, **options)

    def connections(self):
        """How many the account has now."""
        mysql = self.engine in MYSQLS
        table = "information_schema.processlist WHERE user" if mysql else "pg_stat_activity WHERE usename"
        return self.run(f"SELECT COUNT(*) FROM {table} = '{self.guest}'")[0][0]

    def is_empty(self):
        end = time.monotonic() + 10
        while self.connections() and time.monotonic() < end:
            time.sleep(0.05)
        return self.connections() == 0

    @contextmanager
    def log(self):
        """The statements of the account that the server logs in the context, each on one line."""
        found = []
        if self.engine in MYSQLS:
            self.run("SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = ON")
            try:
                yield found
            finally:
                self.run("SET GLOBAL general_log = OFF")
            kinds = "command_type IN ('Query', 'Prepare', 'Execute')"
            log = "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log"
            query = f"{log} WHERE user_host LIKE '{self.guest}%' AND {kinds}"
            found += [" ".join(str(row[0]).split()) for row in self.run(query)]
            return
        file = Path(self.run("SHOW data_directory")[0][0]).parent / "log"
        if not file.exists():
            pytest.skip("the log of a server that was given is not here to be read")
        self.run(f"ALTER ROLE {self.guest} SET log_statement = 'all'")
        start = file.stat().st_size
        yield found
        with file.open("rb") as log:
            log.seek(start)
            text = log.read().decode()
        entries = re.findall(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)", text)
        found += [" ".join(entry.split()) for entry in entries]


@pytest.fixture(params=[f"{engine}-{way}" for engine in SERVERS for way in ("fast", "plain")])
def house(request, tmp_path):
    """Tables of cells that encode (sample, x, y), one with integer ids and one with text, and a view."""
    engine, way = request.param.split("-")
    with fresh(engine, request, tmp_path) as url:
        house = House(engine, url, f"guest_{os.getpid()}_{next(NUMBERS)}", way == "plain")
        for layout, ids in ((GRID, None), (WORDS, [f"n{i:03}" for i in range(SAMPLES)])):
            rowfeed.connect(url).write(layout, cells(), ids=ids)
        house.run(
            "CREATE VIEW seen AS SELECT * FROM cells WHERE id < 40", "CREATE TABLE other (id INT PRIMARY KEY, v INT)"
        )
        if engine in MYSQLS:
            account = f"{house.guest}@'%'"
            house.run(f"CREATE USER {account} IDENTIFIED BY 'welcome'")
        else:
            account = house.guest
            house.run(f"CREATE ROLE {account} LOGIN PASSWORD 'welcome'", "REVOKE ALL ON SCHEMA public FROM public")
            house.run(f"GRANT USAGE ON SCHEMA public TO {account}")
        house.run(*(f"GRANT SELECT ON {table} TO {account}" for table in ("cells", "words", "seen")))
        yield house
        house.run(*([] if engine in MYSQLS else [f"DROP OWNED BY {account}"]), f"DROP USER {account}")


def cells():
    """Every cell of every sample has a row."""
    sample, x, y = np.indices((SAMPLES, 4, 4))
    return (sample * 100 + x * 10 + y + 1).astype("float32")


def test_what_the_server_sees(house):
    """Setting up and an epoch are SELECT, SET, SHOW and statements of transactions, with integer ids and with text."""
    with house.log() as statements:
        for layout in (GRID, WORDS):
            assert sum(len(batch) for batch in house.feed(layout)) == SAMPLES
    assert len(statements) > 20
    first = {statement.split()[0].upper().rstrip(";") for statement in statements}
    assert "SELECT" in first
    assert first <= READS | TRANSACTIONS
    text = " ".join(statements).upper()
    assert not re.search(r"\bFOR UPDATE\b|\bFOR SHARE\b|\bLOCK IN\b|\bINTO OUTFILE\b|\bGLOBAL\b", text)


def test_the_log_would_show_what_is_wrong(house):
    """The test above would see another statement."""
    with house.log() as statements, house.db.open() as session, pytest.raises(rowfeed.DatabaseError):
        session._execute(sa.text("INSERT INTO cells VALUES (9, 9, 9, 9)"))
    assert any(statement.startswith("INSERT") for statement in statements)


def test_select_suffices(house):
    """The right to SELECT on a table or a view is all that a feed needs; what it has no right to is an error."""
    np.testing.assert_array_equal(house.feed().arrays(), cells())
    view = rowfeed.Grid("seen", sample="id", axes=("x", "y"), value="v", shape=(4, 4))
    np.testing.assert_array_equal(house.feed(view).arrays(), cells()[:40])
    with pytest.raises((rowfeed.DatabaseError, rowfeed.SchemaError), match=r"denied|none of that name"):
        house.feed(rowfeed.Columns("other", sample="id", columns="v"))
    with pytest.raises(rowfeed.DatabaseError, match="denied"):
        house.db.write(GRID, cells()[:1], ids=[SAMPLES], if_exists="append")


def test_sessions_are_read_only(house):
    """Even an administrator's session for reading cannot write."""
    db = rowfeed.connect(house.admin, plain_rows=house.plain)
    changes = ["INSERT INTO cells VALUES (9999, 0, 0, 1)", "UPDATE cells SET v = 0", "DELETE FROM cells"]
    with db.open() as session:
        for statement in (*changes, "DROP TABLE cells", "CREATE TABLE t (a INT)"):
            with pytest.raises(rowfeed.DatabaseError, match=r"(?i)read.only"):
                session._execute(sa.text(statement))
    assert house.run("SELECT COUNT(*), MIN(v) FROM cells") == [(cells().size, 1)]


@pytest.mark.parametrize("end", ["epoch", "early stop", "exception", "forgotten"])
def test_connections(house, end):
    """At most `connections` are open at any time, and none is left, however an epoch ends."""
    feed = house.feed()
    assert house.is_empty()
    counts, iterator = [], iter(feed)
    for number, _ in enumerate(iterator):
        counts.append(house.connections())
        if end != "epoch" and number == 10:
            break
    if end == "early stop":
        iterator.close()
    elif end == "exception":
        with pytest.raises(ZeroDivisionError):
            next(house.feed(transform=lambda batch, rng: 1 / 0).batches())
    del iterator
    assert 1 <= max(counts) <= CONNECTIONS
    assert len(counts) == (SAMPLES // 10 if end == "epoch" else 11)
    assert house.is_empty()


def test_a_feed_in_memory_is_a_guest_once(house):
    """After its first epoch a small feed says nothing to the server, in any of its orders, and is not connected."""
    feed = house.feed(cache="memory", memory_bytes=4 * cells().nbytes)
    assert sum(len(batch) for batch in feed) == SAMPLES
    assert house.is_empty()
    with house.log() as statements:
        for batch, ids in zip(feed, map(feed.batch_ids, [1] * 40, range(40)), strict=True):
            np.testing.assert_array_equal(batch, cells()[ids])
            assert house.connections() == 0
        np.testing.assert_array_equal(np.concatenate(list(feed.replace(shuffle=False))), cells())
        np.testing.assert_array_equal(feed.arrays(), cells())
    assert statements == []

"""Requests that fail and are made again: on real servers that are killed, cut off and stalled."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import SEED
from engines import MYSQLS, SERVERS, why_missing
from proxy import Proxy

import rowfeed
from rowfeed.reading import retrier, session_thread
from rowfeed.reading.retrier import Retrier, retry_pause_s

SLOW = bool(os.environ.get("ROWFEED_SLOW"))
KILLS, DOWN_S = (20, 3.0) if SLOW else (3, 0.5)
"""How often a server is killed in a test, and for how long it is away."""

SAMPLES = 1_200
GRID = rowfeed.Grid("CELLS", sample="user_id", axes=("x", "y"), value="v", shape=(4, 4))


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    """A server that may be killed, with a table of cells that encode (sample, x, y)."""
    if why := why_missing(request.param):
        pytest.skip(why)
    if os.environ.get(SERVERS[request.param].VARIABLE):
        pytest.skip("a server that was given is not killed")
    with SERVERS[request.param].private_server() as server:
        if request.param in MYSQLS:
            engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            with engine.connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE faults")
            server.url = f"{server.url}faults?ssl_disabled=true"
        sample, x, y = np.indices((SAMPLES, 4, 4))
        cells = (sample * 100 + x * 10 + y).astype("float32")
        cells[(sample + x + y) % 3 == 0] = 0
        rowfeed.connect(server.url).write(GRID, cells)
        yield server


def feed(url, **options):
    """Many small windows, so that an epoch has many requests; on two connections."""
    db = rowfeed.connect(url, **{"timeout_s": 20, "retry_s": 30, **options})
    return rowfeed.Feed(db, x=GRID, samples=range(SAMPLES), batch_size=10, seed=3, memory_bytes=4 * 64 * 40, cache=None)


def through(server, proxy):
    return sa.make_url(server.url).set(port=proxy.port)


def digest(batches):
    found = hashlib.sha256()
    for batch in batches:
        found.update(batch.tobytes())
    return found.hexdigest()


def sockets():
    """The sockets of this process."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(os.readlink(descriptor))
    return {name for name in found if name.startswith("socket:")}


def children():
    """The processes that this one, or a thread of it, has started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            found |= set((task / "children").read_text().split())
    return found


def ours():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rowfeed-")]


@contextmanager
def nothing_left():
    """No thread, socket or child process more than before."""
    before = sockets(), children()
    yield
    end = time.monotonic() + 5
    while time.monotonic() < end and (ours() or sockets() - before[0]):
        threading.Event().wait(0.05)
    assert ours() == []
    assert sockets() - before[0] == set()
    assert children() == before[1]


def test_a_killed_server(server, caplog):
    """The server is killed at seeded places of an epoch and comes back: the stream is the undisturbed one."""
    undisturbed = digest(feed(server.url))
    places = random.Random(SEED)
    for _ in range(KILLS):
        caplog.clear()
        batches = iter(feed(server.url))
        found = hashlib.sha256()
        victim, process = places.randrange(len(feed(server.url)) - 40), server.process
        again = threading.Timer(DOWN_S, server.start)
        before = children() - {str(process.pid)}
        for number, batch in enumerate(batches):
            found.update(batch.tobytes())
            if number == victim:
                server.kill()
                again.start()
        again.join()
        assert found.hexdigest() == undisturbed
        assert process.poll() is not None
        assert server.process is not process
        assert "Trying again" in caplog.text
        assert ours() == []
        assert children() == before | {str(server.process.pid)}


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_cut_connections(server, caplog, reset, plain):
    """Connections are cut again and again: the stream is the undisturbed one."""
    undisturbed = digest(feed(server.url))
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy), plain_rows=plain))
        found = hashlib.sha256()
        for number, batch in enumerate(batches):
            found.update(batch.tobytes())
            if number % 30 == 5:
                proxy.cut(reset)
        assert found.hexdigest() == undisturbed
        assert proxy.faults >= 4
        assert "Trying again" in caplog.text


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_a_stall_that_ends(server, caplog, plain):
    """A network that is silent, and still acknowledges, is left after timeout_s; the stream is the undisturbed one."""
    undisturbed = digest(feed(server.url))
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy), plain_rows=plain, timeout_s=1))
        found = hashlib.sha256(next(batches).tobytes())
        proxy.stall()
        threading.Timer(2.0, proxy.resume).start()
        for batch in batches:
            found.update(batch.tobytes())
        assert found.hexdigest() == undisturbed
        assert proxy.faults >= 1
        assert "Trying again" in caplog.text


def test_a_stall_for_good(server):
    """A network that stays silent is an error that says so, after timeout_s and retry_s, and leaves nothing behind."""
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy), timeout_s=1, retry_s=1))
        next(batches)
        proxy.stall()
        began = time.monotonic()
        with pytest.raises(
            rowfeed.DatabaseError, match=r"Failed \d+ times in .* retry_s=1\. Check the server"
        ) as caught:
            list(batches)
        assert time.monotonic() - began < 10
        assert caught.value.__cause__ is not None
        assert proxy.faults >= 1


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_an_answer_that_trickles(server, plain):
    """An answer that never ends, but whose bytes come all the time, is given up after timeout_s, too."""
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        db = rowfeed.connect(through(server, proxy), timeout_s=1, retry_s=0, plain_rows=plain)
        whole = rowfeed.Feed(db, x=GRID, samples=range(SAMPLES), batch_size=SAMPLES)
        batches = iter(feed(through(server, proxy), timeout_s=1, retry_s=0, plain_rows=plain))
        next(batches)
        batches.close()
        proxy.trickle(2_000)  # enough to connect, and to begin
        began = time.monotonic()
        with pytest.raises(rowfeed.DatabaseError, match=r"within timeout_s=1; got none\. The server or the network"):
            whole.arrays()
        assert time.monotonic() - began < 15


def test_a_server_that_stays_away(server):
    """A server that does not come back is an error with the driver's own as its cause."""
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy), retry_s=1))
        next(batches)
        proxy.close()
        with pytest.raises(rowfeed.DatabaseError, match=r"Failed \d+ times in .* retry_s=1\.") as caught:
            list(batches)
        assert type(caught.value.__cause__).__module__.startswith("sqlalchemy")


def test_a_server_that_is_not_there():
    """The first connection is not tried again: a mistyped host is an error at once."""
    with Proxy("127.0.0.1", 1) as proxy:
        closed = proxy.port
    began = time.monotonic()
    for scheme in ("mysql+pymysql", "postgresql+psycopg"):
        with pytest.raises(rowfeed.DatabaseError, match=r"127\.0\.0\.1"):
            rowfeed.Feed(rowfeed.connect(f"{scheme}://u@127.0.0.1:{closed}/d"), x=GRID)
    assert time.monotonic() - began < 5


def test_permanent_errors_are_raised_at_once(server, caplog):
    """A table that goes in the middle of an epoch is not waited for."""
    batches = iter(feed(server.url))
    next(batches)
    admin = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    name = sa.create_engine(server.url).dialect.identifier_preparer.quote("CELLS")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {name} RENAME TO hidden")
    try:
        began = time.monotonic()
        with pytest.raises(rowfeed.DatabaseError, match=r"(?i)cells") as caught:
            list(batches)
        assert time.monotonic() - began < 10
        assert not caught.value.transient
        assert caught.value.__cause__ is not None
        assert "Trying again" not in caplog.text
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER TABLE hidden RENAME TO {name}")


def test_a_query_that_takes_too_long(server):
    """The server ends it, and the error says which option to raise; it is not tried again."""
    db = rowfeed.connect(server.url, timeout_s=1)
    sleep = "SLEEP(30)" if "mysql" in server.url else "pg_sleep(30)"
    began = time.monotonic()
    with Retrier(db._address) as reader, pytest.raises(rowfeed.DatabaseError, match=r"within timeout_s=1") as caught:
        reader.run(
            lambda reader: reader.session._execute(
                sa.text(f"SELECT {sleep} FROM {'CELLS' if 'mysql' in server.url else 'pg_class'}")
            ).all()
        )
    assert time.monotonic() - began < 5
    assert not caught.value.transient


def test_closing_does_not_wait_for_an_answer(server):
    """An epoch that is closed while it waits for a server that is silent ends at once."""
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy)))
        next(batches)
        proxy.stall()
        began = time.monotonic()
        batches.close()
        assert time.monotonic() - began < 5


def test_closing_does_not_wait_for_a_pause(server):
    """An epoch that is closed while it waits to try again ends at once."""
    with nothing_left(), Proxy("127.0.0.1", server.port) as proxy:
        batches = iter(feed(through(server, proxy)))
        next(batches)
        proxy.close()
        threading.Timer(1.0, batches.close).start()
        began = time.monotonic()
        with suppress(StopIteration, rowfeed.DatabaseError):
            while True:
                next(batches)
        assert time.monotonic() - began < 10


class Failing:
    """Fails so many times; the rest of a session is of no concern here."""

    remote = True

    def close(self):
        """Nothing is open."""

    def interrupt(self):
        """Nothing runs."""


@pytest.fixture
def opened(monkeypatch):
    """The sessions that were opened: such ones."""
    found = []
    monkeypatch.setattr(session_thread, "open_session", lambda address: (found.append(Failing()), found[-1])[1])
    return found


def there(**options):
    """The address of a database that needs not be there."""
    return rowfeed.connect("sqlite:///there.db", **options)._address


def failing(times, *, transient=True):
    left = [times]

    def task(reader):
        session = reader.session
        if left[0]:
            left[0] -= 1
            error = rowfeed.DatabaseError("lost.")
            error.transient = transient
            raise error
        return session

    return task


def test_each_attempt_has_a_connection_of_its_own(monkeypatch, opened):
    """After a failure the connection is not used again; after a success it is."""
    monkeypatch.setattr(retrier, "FIRST_PAUSE_S", 0.001)
    with Retrier(there()) as reader:
        reader.run(failing(2))
        assert len(opened) == 3
        assert reader.run(failing(0)) is reader.run(failing(0))
        assert len(opened) == 3


def test_a_task_that_asks_for_no_session_opens_none(opened):
    """Neither a connection is opened nor a thread started for it; the first that asks gets one."""
    with Retrier(there()) as reader:
        assert reader.run(lambda reader: 7) == 7
        assert opened == []
        assert not [thread for thread in threading.enumerate() if thread.name == "rowfeed-session"]
        reader.run(lambda reader: reader.session.close())
        assert len(opened) == 1


def test_the_time_of_a_task_counts_from_its_session_on(opened):
    """A task that works without a session for longer than timeout_s is not late."""
    with Retrier(there(timeout_s=0.05)) as reader:
        assert reader.run(lambda reader: threading.Event().wait(0.2)) is False


def test_pauses_double_up_to_a_limit():
    """Pauses grow from FIRST_PAUSE_S to LONGEST_PAUSE_S, each between its half and its whole, and are not all alike."""
    for attempts, whole in [(1, 0.1), (2, 0.2), (3, 0.4), (7, 5.0), (1_000_000, 5.0)]:
        pauses = [retry_pause_s(attempts) for _ in range(200)]
        assert whole / 2 <= min(pauses) < max(pauses) <= whole
        assert len(set(pauses)) > 100


def test_without_retries(opened):
    """retry_s=0 gives up at the first failure."""
    with Retrier(there(retry_s=0)) as reader, pytest.raises(rowfeed.DatabaseError, match=r"lost\. Failed 1 times"):
        reader.run(failing(1))
    assert len(opened) == 1


def test_no_pause_touches_a_global_random_state():
    """Jitter neither uses nor changes the random states of the user."""
    random.seed(1)
    before = random.getstate()
    retry_pause_s(3)
    assert random.getstate() == before


def test_each_failure_is_logged(monkeypatch, caplog, opened):
    """A warning of the logger `rowfeed` tells what failed and when it is tried again."""
    monkeypatch.setattr(retrier, "FIRST_PAUSE_S", 0.001)
    with caplog.at_level(logging.WARNING, "rowfeed"), Retrier(there()) as reader:
        reader.run(failing(2))
    assert [record.getMessage() for record in caplog.records] == ["lost. Trying again in 0.0 s."] * 2

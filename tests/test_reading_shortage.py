"""Too few connections, file descriptors or threads: reading goes on with what there is, or says what is short."""

from __future__ import annotations

import logging
import os
import resource
import threading

import numpy as np
import pytest
import sqlalchemy as sa
from engines import place

import rowfeed
from rowfeed.reading.prefetch import Prefetcher

GRID = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(2, 2))
SAMPLES = 3_000


def write(db):
    """Samples whose ids lie far apart, so that several sessions list them."""
    ids = range(0, 100 * SAMPLES, 100)
    db.write(GRID, np.repeat(np.arange(1, SAMPLES + 1, dtype=np.float32), 4).reshape(-1, 2, 2), ids=ids)


def samples(feed):
    return sorted(int(number) for batch in feed for number in batch[:, 0, 0])


ALL = list(range(1, SAMPLES + 1))

ACCOUNTS = {
    "postgresql": [
        "CREATE ROLE {name} LOGIN CONNECTION LIMIT 1 PASSWORD '{name}'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
    ],
    "mariadb": [
        "CREATE USER {name}@'%%' IDENTIFIED BY '{name}' WITH MAX_USER_CONNECTIONS 1",
        "GRANT SELECT ON t TO {name}@'%%'",
    ],
    "mysql": [
        "CREATE USER {name}@'%%' IDENTIFIED BY '{name}' WITH MAX_USER_CONNECTIONS 1",
        "GRANT SELECT ON t TO {name}@'%%'",
    ],
}

ENDS = {
    "postgresql": ["DROP OWNED BY {name}", "DROP ROLE {name}"],
    "mariadb": ["DROP USER {name}@'%%'"],
    "mysql": ["DROP USER {name}@'%%'"],
}


@pytest.mark.parametrize("engine", ACCOUNTS)
def test_an_account_with_one_connection(engine, request, tmp_path, caplog):
    """One session lists and reads everything, and one line on the log says so."""
    with place(engine, request, tmp_path) as here:
        write(here.connect())
        name = f"single{os.getpid()}"
        here.run(*(statement.format(name=name) for statement in ACCOUNTS[engine]))
        url = sa.make_url(here.url).set(username=name, password=name)
        try:
            db = rowfeed.connect(url, retry_s=20)
            with caplog.at_level(logging.WARNING, "rowfeed"):
                feed = rowfeed.Feed(db, GRID, batch_size=8, memory_bytes=2**16, connections=3)
                listing = feed.stats().connections_refused
                assert feed.sample_ids.size == SAMPLES
                assert samples(feed) == samples(feed) == ALL
            told = [message for message in caplog.messages if "Reading goes on with 1 connection." in message]
            assert listing >= 1
            assert feed.stats().connections_refused > listing
            assert len(told) == 1
        finally:
            here.run(*(statement.format(name=name) for statement in ENDS[engine]))


@pytest.fixture
def feed(tmp_path):
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db")
    write(db)
    return rowfeed.Feed(db, GRID, batch_size=8, memory_bytes=2**16, connections=3)


@pytest.fixture
def descriptors():
    """A function that leaves so many file descriptors to this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(count):
        free, limit = 0, 0
        while free <= count:
            try:
                os.fstat(limit)
            except OSError:
                free += 1
            limit += free <= count
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
def test_no_file_descriptor(feed, descriptors):
    """It is called that; with some it goes on; and the next epoch works."""
    descriptors(0)
    with pytest.raises(rowfeed.DatabaseError, match=r"^expected a file descriptor to reach .*; got none: all that"):
        samples(feed)
    descriptors(3)
    assert samples(feed) == ALL
    descriptors(500)
    assert samples(feed) == ALL


@pytest.fixture
def no_threads():
    """A function after which the system has no memory for another thread's stack."""
    before = threading.stack_size()
    yield lambda: threading.stack_size(2**46)
    threading.stack_size(before)


def test_no_thread(feed, no_threads):
    """It is called that, in reading and in making a feed; and the next epoch works."""
    before = threading.stack_size()
    no_threads()
    words = r"^expected a thread to read with; got RuntimeError: can't start new thread\. The system gives no"
    for act in (lambda: samples(feed), lambda: feed.replace(samples=None), feed.arrays):
        with pytest.raises(rowfeed.DatabaseError, match=words):
            act()
    threading.stack_size(before)
    assert samples(feed) == ALL


def test_no_further_thread(no_threads):
    """Those that there are do the work of all."""
    done = []

    class Job:
        def __init__(self, number):
            self.left = 6

        def take(self):
            if not self.left:
                return None
            self.left -= 1
            return lambda retrier: (done.append(1), no_threads())

        def describe(self):
            return "a job"

    class Retrier:
        has_session = True

        def run(self, task, is_spare):
            return task(self)

        def close(self):
            pass

        interrupt = close

    assert len(list(Prefetcher(iter([Job(n) for n in range(4)]), Retrier, 3))) == 4
    assert len(done) == 24

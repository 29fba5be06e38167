"""Calls of drivers that never return: on networks that fall silent while a connection opens, and later."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from proxy import Proxy

import rowfeed
from rowfeed.access import sockets
from rowfeed.reading import session_thread
from rowfeed.reading.retrier import MOST_LEFT, Retrier
from rowfeed.reading.session_thread import GRACE_S

COLUMNS = rowfeed.Columns("T", sample="id", columns="v")
DRIVERS = [name for name in ("psycopg", "psycopg2", "pg8000") if find_spec(name)]

CUTS = (0, 1, 9, 77, 300, 431, 600, 1000, 1200)
"""After how many bytes of the server the network falls silent: in the handshake, in what SQLAlchemy asks at first, in
rowfeed's settings, in the catalogue."""


@pytest.fixture
def url(postgresql):
    """A server with a table of ten samples."""
    rowfeed.connect(postgresql).write(COLUMNS, np.arange(10.0), if_exists="replace")
    return postgresql


def through(url, proxy, driver="psycopg"):
    return url.set(drivername=f"postgresql+{driver}", host="127.0.0.1", port=proxy.port)


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("rowfeed-")]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_silence_at_any_byte_while_a_connection_opens(url, postgresql):
    """Whatever the driver and wherever the silence begins, it is an error soon after timeout_s."""

    def opened(case):
        driver, cut = case
        with Proxy(postgresql.host, postgresql.port, cut) as proxy:
            began = time.monotonic()
            with pytest.raises(rowfeed.DatabaseError, match=r"expected (an answer|a server)") as caught:
                rowfeed.Feed(rowfeed.connect(through(url, proxy, driver), timeout_s=0.4, retry_s=0), COLUMNS)
            return time.monotonic() - began, str(caught.value), proxy.faults

    cases = [(driver, cut) for driver in DRIVERS for cut in CUTS]
    with ThreadPoolExecutor(len(cases)) as pool:
        found = list(pool.map(opened, cases))
    assert max(seconds for seconds, *_ in found) < 15  # on a busy machine; GRACE_S twice
    assert "within timeout_s=0.4" in found[0][1]
    assert sum(faults for *_, faults in found) > len(cases) / 2  # where a connection was not too slow to come so far
    wait_for(lambda: not ours())


@pytest.mark.parametrize("driver", DRIVERS)
def test_silence_while_reading(url, postgresql, driver):
    """Each driver's call ends, by its socket, and leaves nothing behind."""
    with Proxy(postgresql.host, postgresql.port) as proxy:
        db = rowfeed.connect(through(url, proxy, driver), timeout_s=1, retry_s=0)
        with Retrier(db._address) as retrier:
            assert retrier.run(lambda own: own.session.sample_ids(COLUMNS.source, "id")).size == 10
            proxy.stall()
            with pytest.raises(rowfeed.DatabaseError, match="within timeout_s=1; got none") as caught:
                retrier.run(lambda own: own.session.sample_ids(COLUMNS.source, "id"))
            assert "left behind" not in str(caught.value)
            assert proxy.faults >= 1  # the request to cancel is another connection
        assert not ours()


def test_a_driver_that_cannot_be_stopped(url, postgresql, monkeypatch):
    """If its socket is hidden, the thread is given up, the error says so, and the thread ends when the call does."""
    monkeypatch.setattr(sockets, "descriptor_of", lambda driver: None)
    monkeypatch.setattr(session_thread, "GRACE_S", 0.2)
    with Proxy(postgresql.host, postgresql.port) as proxy:
        db = rowfeed.connect(through(url, proxy), timeout_s=0.5, retry_s=0)
        with Retrier(db._address) as retrier:
            retrier.run(lambda own: own.session.table_rows(COLUMNS.source))
            proxy.stall()
            with pytest.raises(
                rowfeed.DatabaseError, match=r"psycopg [\d.]+ cannot be stopped: a thread and its connection are left"
            ):
                retrier.run(lambda own: own.session.table_rows(COLUMNS.source))
        assert len(ours()) == 1
        proxy.cut()
        wait_for(lambda: not ours())


def test_no_more_is_tried_than_threads_may_be_left(url, postgresql, monkeypatch):
    """A server that holds every call of such a driver is given up after some of them, before retry_s."""
    monkeypatch.setattr(sockets, "descriptor_of", lambda driver: None)
    monkeypatch.setattr(session_thread, "GRACE_S", 0.1)
    with Proxy(postgresql.host, postgresql.port) as proxy:
        db = rowfeed.connect(through(url, proxy), timeout_s=0.3, retry_s=600)
        with Retrier(db._address) as retrier:
            retrier.run(lambda own: own.session.table_rows(COLUMNS.source))
            proxy.stall()
            with pytest.raises(rowfeed.DatabaseError, match=rf"No more is tried: {MOST_LEFT} wait already"):
                retrier.run(lambda own: own.session.table_rows(COLUMNS.source))
        proxy.cut()
        wait_for(lambda: not ours())


def test_an_interrupt_while_a_connection_opens(url, postgresql):
    """It ends at once, not after timeout_s."""
    with Proxy(postgresql.host, postgresql.port, 500) as proxy:  # silent after the handshake
        retrier = Retrier(rowfeed.connect(through(url, proxy), timeout_s=60)._address)
        wait = threading.Thread(target=lambda: (wait_for(lambda: proxy.faults), retrier.interrupt()))
        wait.start()
        began = time.monotonic()
        with retrier, pytest.raises(rowfeed.DatabaseError, match="reading was stopped"):
            retrier.run(lambda own: own.session.table_rows(COLUMNS.source))
        wait.join()
        assert time.monotonic() - began < 10 + GRACE_S
    assert not ours()


def test_each_call_has_its_time(tmp_path):
    """A task may take longer than timeout_s; a call may not. Methods run on the session's thread, facts are read."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/t.db", timeout_s=0.3)
    db.write(COLUMNS, np.arange(10.0))

    def task(retrier):
        for _ in range(3):
            assert retrier.session.table_rows(COLUMNS.source) == 10
            time.sleep(0.2)
        return retrier.session.remote, retrier.session.product.split()[0]

    with Retrier(db._address) as retrier:
        assert retrier.run(task) == (False, "sqlite")
        assert [thread.name for thread in ours()] == ["rowfeed-session"]
    assert not ours()


def test_a_query_of_sqlite_is_ended(tmp_path):
    """An engine without a network is interrupted too."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/t.db", timeout_s=0.3)
    db.write(COLUMNS, np.arange(10.0))
    endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) AS id, 1 AS v FROM c"
    source = rowfeed.Columns(
        sa.text(endless).columns(sa.column("id"), sa.column("v")).subquery(), sample="id", columns="v"
    )
    with (
        Retrier(db._address) as retrier,
        pytest.raises(rowfeed.DatabaseError, match=r"within timeout_s=0\.3; got none"),
    ):
        retrier.run(lambda own: own.session.table_rows(source.source))
    assert not ours()


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_socket_of_a_connection(postgresql, driver):
    """It is found for each driver, and what waits for it ends; closing it leaves none."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with rowfeed.connect(postgresql.set(drivername=f"postgresql+{driver}")).open() as session:
        held = session._socket
        assert held.found
        held.shut_down()
        with pytest.raises(rowfeed.DatabaseError):
            session.table_rows(COLUMNS.source)
    held.shut_down()
    assert not held.found
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_socket_is_found_in_what_has_none(tmp_path):
    """Files, numbers, threads and loops that drivers hold are none."""
    with (tmp_path / "f").open("w") as file:
        holder = type("Driver", (), {})()
        holder.file, holder.number, holder.thread, holder.me = file, 3, threading.current_thread(), holder
        assert sockets.descriptor_of(holder) is None
        assert sockets.descriptor_of(None) is None
        assert os.get_blocking(file.fileno())

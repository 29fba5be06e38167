"""A feed that keeps its user waiting before the first batch says what for."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing

import numpy as np
import pytest

import rowfeed
from rowfeed.reading import notice
from rowfeed.reading.notice import Notice

GRID = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(2, 2))


@pytest.fixture(autouse=True)
def soon(monkeypatch, caplog):
    """Lines come after 30 ms."""
    monkeypatch.setattr(notice, "FIRST_S", 0.03)
    with caplog.at_level(logging.WARNING, "rowfeed"):
        yield


@pytest.fixture
def db(tmp_path):
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db?timeout=0.01", retry_s=60)
    db.write(GRID, np.arange(1, 161, dtype=np.float32).reshape(40, 2, 2))
    return db


class Locked:
    """Holds the file until some lines are on the log."""

    def __init__(self, db, caplog, lines):
        self._connection = sqlite3.connect(db._address.url.database, check_same_thread=False, isolation_level=None)
        self._caplog, self._lines = caplog, lines
        self._thread = threading.Thread(target=self._release)

    def __enter__(self):
        self._connection.execute("BEGIN EXCLUSIVE")
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join()
        self._connection.close()

    def _release(self):
        for _ in range(2_000):
            if sum("Waiting for" in message for message in list(self._caplog.messages)) >= self._lines:
                break
            threading.Event().wait(0.005)
        self._connection.execute("COMMIT")


def waiting(caplog):
    return [message for message in caplog.messages if message.startswith("Waiting for")]


def test_the_first_batch(db, caplog):
    """What is read, how much came, and since when; once more after twice the time, and not for later epochs."""
    feed = rowfeed.Feed(db, GRID)
    caplog.clear()
    with Locked(db, caplog, 2):
        assert sum(map(len, feed)) == 40
    first, second, *_ = waiting(caplog)
    assert (
        first
        == second
        == ("Waiting for the first batch (40 samples of t; 0 requests are answered, with 0 rows), for 0 s so far.")
    )
    lines = len(waiting(caplog))
    assert sum(map(len, feed)) == 40
    assert len(waiting(caplog)) == lines


@pytest.mark.filterwarnings("ignore::rowfeed.errors.MissingIndexWarning")  # on a slow machine such a view is one
def test_the_list_of_samples(tmp_path, caplog):
    """A query that takes long while a feed is made is named: here a view that computes."""
    path = tmp_path / "v.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE VIEW t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
            "SELECT i % 3 AS id, i / 3 AS x, 1 AS v FROM n"
        )
    line = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=100_001)
    rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}"), line)
    assert any("the list of the sample ids in t.id, for" in message for message in waiting(caplog))


def test_nothing_to_tell(caplog):
    """Nobody waits: no line is due, and none is written."""
    told = Notice()
    assert told.left_s == float("inf")
    told.tell()
    told.begin(lambda: "rain")
    assert 0 < told.left_s <= 0.03
    told.tell()
    assert waiting(caplog) == []
    told.end()
    assert not told.begun

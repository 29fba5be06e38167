"""What a feed counts is what happened."""

from __future__ import annotations

import pickle
import sqlite3
import threading
import time
from contextlib import closing

import numpy as np
import pytest

import rowfeed
from rowfeed.reading.batches import COUNTED
from rowfeed.reading.stats import Counters, Stats

SHAPE = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (2, 2)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.db"


@pytest.fixture
def feed(path):
    """60 samples; sample i has i % 5 of its 4 cells filled: 120 rows; four windows of 16."""
    cells = (np.arange(4) < np.arange(60)[:, None] % 5).astype(np.float32).reshape(60, 2, 2)
    db = rowfeed.connect(f"sqlite:///{path}?timeout=0.01")
    assert db.write(rowfeed.Grid("T", **SHAPE), cells) == 120
    return rowfeed.Feed(db, rowfeed.Grid("T", **SHAPE), samples=range(60), batch_size=8, memory_bytes=4 * 16 * 16)


def test_an_epoch_counts_each_row_once(feed):
    """Rows, samples, bytes and windows of two epochs are those of the table; a split counts for itself."""
    for epoch in range(2):
        before = feed.stats()
        for _ in feed:
            pass
        done = feed.stats() - before
        assert (done.windows, done.samples, done.rows, done.retries) == (4, 60, 120, 0), epoch
        assert done.bytes == 120 * (4 + 4 + 4)
        assert done.requests >= 4
        assert done.batches == 8
        assert done.query_s > 0
        assert done.query_cpu_s > 0
        assert 0 < done.cut_s < 1
        assert done.transform_s == 0
        assert done.scatter_s > 0
        assert done.training_waited_s > 0
    assert all(part.stats() == Stats() for part in feed.split(0.5, 0.5))


@pytest.mark.parametrize("last_batch", ["keep", "drop", "pad"])
def test_every_batch_is_counted(feed, last_batch):
    """Of windows longer than are counted at a time, from the middle of one on, and of the next epoch too."""
    grid = rowfeed.Grid("T", **SHAPE)
    whole = rowfeed.Feed(feed._options.db, grid, grid, samples=range(503), batch_size=2, last_batch=last_batch)
    assert len(whole) > 3 * COUNTED
    list(whole.batches(0, start=70))
    assert whole.stats().batches == len(whole) - 70
    batches = whole._stream.running(0, 0, lambda epoch: True)
    before = whole.stats()
    for number, _ in enumerate(batches):
        assert 0 <= number + 1 - (whole.stats() - before).batches < COUNTED
    with batches.following() as following:
        next(following)
        assert (whole.stats() - before).batches == len(whole) + 1


def test_the_transform_is_timed_apart(feed):
    """What it takes is not cutting, and no window is waited for meanwhile."""

    def slow(batch, rng):
        end = time.perf_counter() + 0.005
        while time.perf_counter() < end:
            pass
        return batch

    slowed = feed.replace(transform=slow)
    start = time.perf_counter()
    list(slowed)
    elapsed, done = time.perf_counter() - start, slowed.stats()
    assert done.transform_s >= 8 * 0.005
    assert done.transform_s + done.training_waited_s <= elapsed


def test_differences_add_up():
    """Of two stretches, what happened in both."""
    first, second, third = Stats(), Stats(rows=3, cut_s=0.5), Stats(rows=5, cut_s=0.75)
    assert (second - first) + (third - second) == third - first


def test_readers_wait_for_a_slow_training(feed):
    """While nobody takes a window, it is the reading threads that wait, not training."""
    batches = iter(feed)
    next(batches)
    waited_s = feed.stats().training_waited_s
    end = time.monotonic() + 5
    while feed.stats().readers_waited_s < 0.5 and time.monotonic() < end:
        threading.Event().wait(0.05)
    assert feed.stats().readers_waited_s >= 0.5
    assert feed.stats().training_waited_s == waited_s
    batches.close()


def test_retries_are_counted(feed, path):
    """A request that met a lock counts as made again, its rows once."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        batches = iter(feed)
        first = threading.Thread(target=lambda: next(batches))
        first.start()
        end = time.monotonic() + 5
        while not feed.stats().retries and time.monotonic() < end:
            threading.Event().wait(0.01)
        other.execute("COMMIT")
    first.join()
    for _ in batches:
        pass
    assert feed.stats().retries >= 1
    assert feed.stats().rows == 120


def test_threads_add_up():
    """What several threads add is all there."""
    counters = Counters()
    threads = [
        threading.Thread(target=lambda: [counters.add(rows=1, query_s=0.5) for _ in range(1000)]) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.snapshot() == Stats(rows=4000, query_s=2000.0)


def test_a_counter_must_exist():
    """A misspelt counter is an error."""
    with pytest.raises(KeyError):
        Counters().add(row=1)


def test_a_pickled_feed_counts_from_zero(feed):
    """A feed that is opened from a pickle reads the same, and counts what it does itself."""
    taken = list(feed)
    again = pickle.loads(pickle.dumps(feed))
    assert again.stats() == Stats()
    np.testing.assert_array_equal(np.concatenate(list(again.batches(0))), np.concatenate(taken))
    assert again.stats().rows == 120

"""Several threads that take from one iterator, or begin epochs of one feed."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rowfeed

GRID = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(2, 2))
SAMPLES, THREADS = 4_000, 4


@pytest.fixture
def feed(tmp_path):
    """500 batches in several windows; the first cell of a sample is its number + 1."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db")
    db.write(GRID, np.repeat(np.arange(1, SAMPLES + 1, dtype=np.float32), 4).reshape(-1, 2, 2))
    return rowfeed.Feed(db, GRID, batch_size=8, memory_bytes=2**16)


@pytest.mark.parametrize("transform", [None, lambda batch, rng: (batch, rng.random(2))], ids=["plain", "transformed"])
def test_threads_share_an_iterator(feed, transform):
    """Together they get each batch of the epoch once, as one thread would."""
    feed = feed.replace(transform=transform)
    batches, together = feed.batches(), threading.Barrier(THREADS)

    def take(_):
        together.wait(10)
        return list(batches)

    with ThreadPoolExecutor(THREADS) as pool:
        taken = [batch for part in pool.map(take, range(THREADS)) for batch in part]

    def content(batch):
        return tuple(array.tobytes() for array in batch) if transform else batch.tobytes()

    assert Counter(map(content, taken)) == Counter(map(content, feed.batches()))
    stats = feed.stats()
    assert (stats.batches, stats.windows) == (2 * len(feed), 2 * feed._stream.plan.windows)


def test_threads_begin_epochs(feed):
    """Each gets an epoch of its own."""
    together = threading.Barrier(THREADS)

    def begin(_):
        together.wait(10)
        return [iter(feed)._epoch for _ in range(500)]

    with ThreadPoolExecutor(THREADS) as pool:
        begun = [epoch for part in pool.map(begin, range(THREADS)) for epoch in part]
    assert sorted(begun) == list(range(500 * THREADS))

"""Runs of a feed, without a model: its stats between two moments that are alike."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rowfeed.cli.bench.verdict import Facts, Verdict
from rowfeed.feed.feed import Feed
from rowfeed.reading.stats import Stats

PATIENCE = 4.0
"""So many times its seconds the very first run may wait for its first batch."""


@dataclass(frozen=True)
class Run:
    """What a feed did in a stretch of time.

    Args:
        did: The difference of its stats.
        elapsed_s: How long.
        alike: Whether a window was used up at both ends.
        first_batch_s: From the start to the first batch, connecting included; None if none came in time.
    """

    did: Stats
    elapsed_s: float
    alike: bool
    first_batch_s: float | None = None

    def __add__(self, later: Run) -> Run:
        alike = self.alike and later.alike
        return Run(self.did + later.did, self.elapsed_s + later.elapsed_s, alike, self.first_batch_s)

    def verdict(self, facts: Facts) -> Verdict:
        """What it says about the feed."""
        return Verdict(self.did, self.elapsed_s, facts, self.alike)


class Watch:
    """Snapshots of a feed: at its start, at its first batch and where windows are used up.

    From the end of a window to that of another one, batches and waiting are in proportion. Where there are no two, the
    stretch begins at the start, or with the first batch used.

    Args:
        feed: The feed.
        facts: Of it.
        compiles: Whether the first batch took time that later ones do not, and all before it is to be left out.
    """

    def __init__(self, feed: Feed, facts: Facts, *, compiles: bool = False) -> None:
        self._feed, self._compiles, self._batches = feed, compiles, len(feed)
        self._per_window = facts.window // facts.batch_size
        self._start = self._now()
        self._ends: list[tuple[float, Stats]] = []
        self.first_batch_s: float | None = None

    def _now(self) -> tuple[float, Stats]:
        return time.perf_counter(), self._feed.stats()

    def used(self, batch: int) -> None:
        """Batch number so and so of an epoch was used."""
        if self.first_batch_s is None:
            self.first_batch_s = time.perf_counter() - self._start[0]
            if self._compiles:
                self._start = self._now()
        elif (batch + 1) % self._per_window == 0 or batch + 1 == self._batches:
            self._ends.append(self._now())

    def run(self) -> Run:
        """What was seen until now."""
        alike = len(self._ends) > 1
        begin, end = (self._ends[0], self._ends[-1]) if alike else (self._start, self._now())
        return Run(end[1] - begin[1], end[0] - begin[0], alike, self.first_batch_s)


def iterate(feed: Feed, facts: Facts, epoch: int, seconds: float, *, patient: bool = False) -> Run:
    """Take batches as training would and throw them away, for about so many seconds.

    Where not even a window comes in that time, it ends when a request was answered.

    Args:
        feed: What to iterate.
        facts: Of it.
        epoch: The first epoch, so that several runs read different windows.
        seconds: How long.
        patient: Whether to wait for the first batch, PATIENCE times as long at most.
    """
    watch, before = Watch(feed, facts), feed.stats()
    batches = feed._stream.running(epoch, 0, lambda: True)
    deadline = time.perf_counter() + seconds
    limit = deadline + (PATIENCE - 1) * seconds if patient else deadline
    over = threading.Event()

    def give_up() -> None:
        while not over.wait(0.05):
            if time.perf_counter() > limit and feed.stats().requests > before.requests:
                over.set()
                batches.close()

    patience = threading.Thread(target=give_up, name="rowfeed-patience", daemon=True)
    patience.start()
    try:
        while not over.is_set():
            for number, _ in enumerate(batches):
                watch.used(number)
                if time.perf_counter() > deadline:
                    over.set()
                    break
            if not over.is_set():
                batches = batches.following()
        return watch.run()
    finally:
        over.set()
        patience.join()
        batches.close()

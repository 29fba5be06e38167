"""Runs of a feed, without a model: its stats between two similar moments."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from rowfeed.cli.bench.verdict import Facts, Verdict
from rowfeed.feed.feed import Feed
from rowfeed.reading.stats import Stats

PATIENCE = 4.0
"""The wait of the very first run for its first batch, at most, in multiples of its seconds."""


@dataclass(frozen=True)
class Run:
    """The work of a feed in a stretch of time.

    Args:
        did: The difference of its stats.
        elapsed_s: The seconds of the stretch.
        alike: Whether a window was used up at each end of the stretch.
        first_batch_s: Seconds from the start to the first batch, connecting included; None if none came in time.
    """

    did: Stats
    elapsed_s: float
    alike: bool
    first_batch_s: float | None = None

    def __add__(self, later: Run) -> Run:
        alike = self.alike and later.alike
        return Run(self.did + later.did, self.elapsed_s + later.elapsed_s, alike, self.first_batch_s)

    def verdict(self, facts: Facts) -> Verdict:
        """The verdict on the feed."""
        return Verdict(self.did, self.elapsed_s, facts, self.alike)


class Watch:
    """Snapshots of a feed: at its start, at its first batch, and when windows are used up.

    From the end of one window to the end of another, batches and waiting are in proportion. If there are no two such
    ends, the stretch begins at the start, or with the first used batch.

    Args:
        feed: The feed.
        facts: The facts of the feed.
        compiles: Whether the first batch takes additional time, so that all before it is left out.
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
        """Note that this batch of an epoch was used."""
        if self.first_batch_s is None:
            self.first_batch_s = time.perf_counter() - self._start[0]
            if self._compiles:
                self._start = self._now()
        elif (batch + 1) % self._per_window == 0 or batch + 1 == self._batches:
            self._ends.append(self._now())

    def run(self) -> Run:
        """The run until now."""
        alike = len(self._ends) > 1
        begin, end = (self._ends[0], self._ends[-1]) if alike else (self._start, self._now())
        return Run(end[1] - begin[1], end[0] - begin[0], alike, self.first_batch_s)


def iterate(feed: Feed, facts: Facts, epoch: int, seconds: float, *, patient: bool = False) -> Run:
    """Take batches as training would and discard them, for about `seconds` seconds.

    If not even a window comes in this time, it ends when a request is answered.

    Args:
        feed: The feed to iterate.
        facts: The facts of the feed.
        epoch: The first epoch, so that several runs read different windows.
        seconds: The length of the run.
        patient: Whether to wait for the first batch, at most PATIENCE times as long.
    """
    watch, before = Watch(feed, facts), feed.stats()
    batches = feed._stream.running(epoch, 0, lambda epoch: True)
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

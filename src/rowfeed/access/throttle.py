"""How requests are paced, so that a server that others use stays cool. Arithmetic only; who waits is `reading`.

Each connection has a lane, and each request that went over it has a cost, in seconds: the next one begins no sooner
than this long after that one began.

- A limit up to 1 is a share of time: a request of t seconds costs t / share. Each connection has a lane of its own.
- A limit above 1 is table rows per second: a request of n rows costs n / limit. All connections share one lane.

What training or a full memory made a connection wait counts towards the cost; there is no credit for later.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request was to the server.

    Args:
        began: When it began, by `time.perf_counter`.
        seconds: How long it took.
        rows: How many rows of the table it read.
    """

    began: float
    seconds: float
    rows: int


class Lane:
    """When the next request may begin. Any thread may use it."""

    def __init__(self, seconds_of: Callable[[Cost], float], clock: Clock) -> None:
        self._seconds_of, self._clock = seconds_of, clock
        self._lock = threading.Lock()
        self._ready = -math.inf

    @property
    def ready(self) -> float:
        """The clock's time from which on the next request may begin."""
        with self._lock:
            return self._ready

    def pause_s(self) -> float:
        """How long to wait before the next request; 0 or less: not at all."""
        return self.ready - self._clock()

    def spend(self, cost: Cost) -> None:
        """A request was made."""
        with self._lock:
            self._ready = max(self._ready, cost.began) + self._seconds_of(cost)


class Throttle:
    """The limit of a server, and the lanes of the connections to it. Any thread may use it.

    A connection that comes gets the lane of the one that left last, debts included: opening a connection for each
    request gets around nothing.

    Args:
        limit: A share of time, above 0 and up to 1; or rows per second, above 1; or None, no limit.
        clock: Tells seconds as `time.perf_counter` does.
    """

    def __init__(self, limit: float | None = None, clock: Clock = time.perf_counter) -> None:
        self._limit, self._clock = limit, clock
        self._lock = threading.Lock()
        self._idle: list[Lane] = []
        self._shared = Lane(self._seconds_of, clock)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Throttle) and self._limit == other._limit

    def __hash__(self) -> int:
        return hash(self._limit)

    def __reduce__(self) -> tuple[type[Throttle], tuple[float | None]]:
        return Throttle, (self._limit,)  # another process paces itself

    @property
    def limit(self) -> float | None:
        """As it was given."""
        return self._limit

    @property
    def rows_per_s(self) -> float:
        """The rows that may be read in a second; infinite where that is not the limit."""
        return self._limit if self._limit is not None and self._limit > 1 else math.inf

    def _seconds_of(self, cost: Cost) -> float:
        if self._limit is None:
            return 0.0
        return cost.rows / self._limit if self._limit > 1 else cost.seconds / self._limit

    def enter(self) -> Lane:
        """The lane of a connection that begins."""
        if self._limit is None or self._limit > 1:
            return self._shared
        with self._lock:
            if not self._idle:
                return Lane(self._seconds_of, self._clock)
            latest = max(self._idle, key=lambda lane: lane.ready)
            self._idle.remove(latest)
            return latest

    def leave(self, lane: Lane) -> None:
        """A connection ends."""
        if lane is not self._shared:
            with self._lock:
                self._idle.append(lane)

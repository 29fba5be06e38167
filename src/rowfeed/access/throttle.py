"""The pace of requests, which spares a server that others use. Arithmetic only; the waiting is done in `reading`.

Each connection has a lane. Each request on it has a cost in seconds. The next request begins no sooner than this time
after the beginning of the request.

- A limit up to 1 is a share of time: a request of t seconds costs t / share. Each connection has a lane of its own.
- A limit above 1 is table rows per second: a request of n rows costs n / limit. All connections share one lane.

The time that a connection waits for training or for memory counts towards the cost; there is no credit for later.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from rowfeed.access.forks import short_lock

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a request to the server.

    Args:
        began: The time of its beginning, by `time.perf_counter`.
        seconds: Its duration.
        rows: The number of table rows that it read.
    """

    began: float
    seconds: float
    rows: int


class Lane:
    """The time of the next request on a connection. Any thread may use it."""

    def __init__(self, seconds_of: Callable[[Cost], float], clock: Clock) -> None:
        self._seconds_of, self._clock = seconds_of, clock
        self._ready = -math.inf

    @property
    def ready(self) -> float:
        """The earliest time for the next request, by the clock."""
        with short_lock:
            return self._ready

    def pause_s(self) -> float:
        """Seconds to wait before the next request; 0 or less: no wait."""
        return self.ready - self._clock()

    def spend(self, cost: Cost) -> None:
        """Count a request that was made."""
        with short_lock:
            self._ready = max(self._ready, cost.began) + self._seconds_of(cost)


class Throttle:
    """The limit of a server, and the lanes of the connections to it. Any thread may use it.

    A new connection gets the lane of the connection that ended last, debts included: opening a connection for each
    request does not evade the limit.

    Args:
        limit: A share of time, above 0 and up to 1; or rows per second, above 1; or None, no limit.
        clock: A function that gives seconds, like `time.perf_counter`.
    """

    def __init__(self, limit: float | None = None, clock: Clock = time.perf_counter) -> None:
        self._limit, self._clock = limit, clock
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
        """The limit as it was given."""
        return self._limit

    @property
    def rows_per_s(self) -> float:
        """The rows that may be read in a second; infinite if that is not the limit."""
        return self._limit if self._limit is not None and self._limit > 1 else math.inf

    def _seconds_of(self, cost: Cost) -> float:
        if self._limit is None:
            return 0.0
        return cost.rows / self._limit if self._limit > 1 else cost.seconds / self._limit

    def enter(self) -> Lane:
        """The lane for a new connection."""
        if self._limit is None or self._limit > 1:
            return self._shared
        with short_lock:
            if not self._idle:
                return Lane(self._seconds_of, self._clock)
            latest = max(self._idle, key=lambda lane: lane.ready)
            self._idle.remove(latest)
            return latest

    def leave(self, lane: Lane) -> None:
        """Take back the lane of a connection that ends."""
        if lane is not self._shared:
            with short_lock:
                self._idle.append(lane)

"""What a feed has done so far: counters that reading threads add to, and snapshots of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Stats:
    """What a feed has read, and who waited for whom. Made by `Feed.stats`.

    The difference of two snapshots is what happened between them: `feed.stats() - before`. Differences add up.

    Args:
        windows: Windows that were read to their end.
        requests: Requests that were answered: a query each, or a few where a statement would have been too long.
        retries: Requests that were made again after a failure.
        samples: Samples in the answered requests, summed over layouts.
        rows: Rows of the answers.
        bytes: Of the answers as columns: numbers of samples and cells, and values.
        query_s: Seconds from asking the database to having columns, summed over connections.
        query_cpu_s: CPU seconds of the reading threads among them: decoding, and what an engine inside the process
            does on the thread that asks it.
        scatter_s: Seconds of putting columns into windows, summed over connections.
        batches: Batches that were handed out, counted some at a time, and exactly at the end of each window.
        cut_s: Seconds of cutting them out of their windows, without the transform: one of those that are counted at a
            time is timed, and stands for them.
        transform_s: Seconds of their `transform`.
        training_waited_s: Seconds that whoever iterates waited for a window. Cutting and the transform come on top.
        readers_waited_s: Seconds that reading threads waited for room in memory, summed over them.
        throttled_s: Seconds that reading threads paused for `throttle`, summed over them.
    """

    windows: int = 0
    requests: int = 0
    retries: int = 0
    samples: int = 0
    rows: int = 0
    bytes: int = 0
    query_s: float = 0.0
    query_cpu_s: float = 0.0
    scatter_s: float = 0.0
    batches: int = 0
    cut_s: float = 0.0
    transform_s: float = 0.0
    training_waited_s: float = 0.0
    readers_waited_s: float = 0.0
    throttled_s: float = 0.0

    def __add__(self, other: Stats) -> Stats:
        return Stats(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Stats)})

    def __sub__(self, earlier: Stats) -> Stats:
        return Stats(**{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(Stats)})


class Counters:
    """The counters of one feed. Any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = {f.name: 0 for f in fields(Stats)}

    def __reduce__(self) -> tuple[type[Counters], tuple[()]]:
        return Counters, ()  # a feed in another process counts what it does there

    def add(self, **amounts: float) -> None:
        """Add to counters, by the names of `Stats`."""
        with self._lock:
            for name, amount in amounts.items():
                self._values[name] += amount

    def snapshot(self) -> Stats:
        """What they are now."""
        with self._lock:
            return Stats(**self._values)  # type: ignore[arg-type]

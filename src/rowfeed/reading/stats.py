"""The counters of a feed's work, which reading threads add to, and snapshots of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rowfeed.access.forks import short_lock


@dataclass(frozen=True)
class Stats:
    """The counters of a feed: all that it has read, and the waiting times. Made by `Feed.stats`.

    The difference of two snapshots counts the time between them: `feed.stats() - before`. Differences add up.

    Args:
        windows: Windows that were read completely.
        requests: Requests that were answered: one query each, or a few if a statement would be too long.
        connections_refused: Connections or threads that could not be had beside others; reading went on with those.
        retries: Requests that were repeated after a failure.
        samples: Samples in the answered requests. Layouts of the same table share them.
        samples_without_rows: Samples of those that had no row in the answer: they are all `fill`.
        samples_from_memory: Samples that were in memory already, and needed no request: see `cache` of Feed.
        rows: Rows of the answers.
        bytes: Bytes of the answers as columns: numbers of samples and cells, and values.
        query_s: Seconds from asking the database to having columns, summed over connections.
        query_cpu_s: CPU seconds of the reading threads in this time: decoding, and the work of an engine inside the
            process on the thread that asks it.
        scatter_s: Seconds of putting columns into windows, summed over connections.
        batches: Batches that were given out, counted in groups, and exact at the end of each window.
        cut_s: Seconds of cutting them out of their windows, without the transform. One batch of each group is timed,
            and stands for the others.
        transform_s: Seconds of their `transform`.
        training_waited_s: Seconds that the iterating thread waited for a window. Cutting and the transform come on top.
        readers_waited_s: Seconds that reading threads waited for free memory, summed over them.
        throttled_s: Seconds that reading threads paused for `throttle`, summed over them.
    """

    windows: int = 0
    requests: int = 0
    connections_refused: int = 0
    retries: int = 0
    samples: int = 0
    samples_without_rows: int = 0
    samples_from_memory: int = 0
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
        self._values: dict[str, float] = {f.name: 0 for f in fields(Stats)}

    def __reduce__(self) -> tuple[type[Counters], tuple[()]]:
        return Counters, ()  # a feed in another process counts its own work

    def add(self, **amounts: float) -> None:
        """Add to counters, by the names of `Stats`."""
        with short_lock:
            for name, amount in amounts.items():
                self._values[name] += amount

    def snapshot(self) -> Stats:
        """The present counters."""
        with short_lock:
            return Stats(**self._values)  # type: ignore[arg-type]

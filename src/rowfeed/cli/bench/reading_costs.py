"""What each stage between a table and a batch costs: measured on the user's own table, one stage at a time."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from rowfeed.database.database import Database
from rowfeed.feed.feed import Feed
from rowfeed.layouts.base import Array, Layout
from rowfeed.layouts.structure import Structure
from rowfeed.plan.order import Plan, Positions
from rowfeed.reading.batches import Batches, Transform
from rowfeed.reading.prefetch import Prefetcher
from rowfeed.reading.window import Window
from rowfeed.request.request import Request
from rowfeed.values.ids import Ids

LEAST_REPEATS = 3
"""Of each measurement, also where the time is over: of fewer there is no middle. One, where PATIENCE is over too."""

REQUESTS = 8
"""Different requests that are measured in turn, so that no single one decides."""

LARGER = 4
"""Batches are also measured at so many times their size: twice would show little beside the noise."""

PATIENCE = 4.0
"""So many times its share of the seconds a measurement may take where a single one takes long: until the first window
of a feed that is to tell when it came, and until a request was made thrice."""


@dataclass(frozen=True)
class RequestCosts:
    """What one typical request costs on one connection: seconds, each the median of all repeats.

    Args:
        samples: In the request.
        rows: In its answer, on average.
        request_s: From asking to having columns.
        count_s: The same rows found and counted, nothing sent.
        wire_s: Waiting for the answer beyond that: the server makes it, the network carries it. 0 inside the process.
        decode_s: The CPU time of the reading thread, which makes columns of the answer, in part while the server is
            still at work. Inside the process, all that the request takes beyond counting: the engine's part as well.
        scatter_s: Columns put into the window.
        other_samples: In a request of another size: half of the samples, or two where the typical one has one.
        other_s: From asking to having columns, for that; None where no request can be of another size.
        first_s: The first count of all, before any cache could have the rows.
        repeats: How often each was measured.
        remote: Whether a network lies between.
    """

    samples: int
    rows: float
    request_s: float
    count_s: float
    wire_s: float
    decode_s: float
    scatter_s: float
    other_samples: int
    other_s: float | None
    first_s: float
    repeats: int
    remote: bool

    @property
    def database_s(self) -> float:
        """The engine alone. Where counting took longer than the request itself, all of that is the engine's."""
        return min(self.count_s, self.request_s)

    @property
    def fixed_share(self) -> float:
        """The share of a request's time that would be the same for any number of samples: of t = a + b·samples, a / t.

        0 where half of the samples take half of the time, 1 where they take as long as all.
        """
        if self.other_s is None or self.request_s <= 0:
            return 0.0
        per_sample = (self.request_s - self.other_s) / (self.samples - self.other_samples)
        return min(1.0, max(0.0, 1 - self.samples * per_sample / self.request_s))


@dataclass(frozen=True)
class CutCosts:
    """What a batch costs once its window is in memory: seconds, medians.

    Args:
        batch_size: Samples in a batch.
        cut_s: A batch cut out of its window.
        transform_s: Its transform; None where there is none.
        larger_s: A batch of LARGER times the size, cut; None where the window holds no such batch.
    """

    batch_size: int
    cut_s: float
    transform_s: float | None
    larger_s: float | None


@dataclass(frozen=True)
class FeedRun:
    """A feed, iterated for a while without a model.

    Args:
        connections: At most so many.
        samples_per_second: Delivered from the end of a window to that of a later one; where there were not two, read,
            by connections that are never without work.
        first_batch_s: From the start to the first batch, connecting included; None if none came in time.
        windows: Whole windows that were delivered.
        samples: In the answered requests.
        requests: Answered.
        rows: In the answers.
        seconds: All of it.
    """

    connections: int
    samples_per_second: float
    first_batch_s: float | None
    windows: int
    samples: int
    requests: int
    rows: int
    seconds: float


def run_feed(feed: Feed, plan: Plan, connections: int, epoch: int, seconds: float, *, patient: bool = False) -> FeedRun:
    """Iterate a feed as training would, for about so many seconds, and at least until a request was answered.

    Args:
        feed: What to iterate.
        plan: Its order.
        connections: As the feed has them.
        epoch: The first epoch, so that several runs read different windows.
        seconds: How long.
        patient: Whether to wait for the first window, PATIENCE times as long at most.
    """
    limit = PATIENCE * seconds if patient else seconds
    before, marks = feed.stats(), list[tuple[float, int]]()
    first: float | None = None
    done, start = 0, time.perf_counter()
    batches = feed._stream.running(epoch, 0, lambda: True)
    over = threading.Event()

    def give_up() -> None:
        """Once a request was answered, whose rate then stands for that of windows."""
        while not over.wait(0.05):
            if time.perf_counter() > start + limit and feed.stats().requests > before.requests:
                over.set()
                batches.close()

    patience = threading.Thread(target=give_up, name="rowfeed-patience", daemon=True)
    patience.start()
    try:
        while first is None or time.perf_counter() < start + seconds:
            for number, batch in enumerate(batches, 1):
                done += len(_some_array(batch))
                if first is None:
                    first = time.perf_counter() - start
                if number % plan.batches_per_window == 0 or number == len(feed):
                    now = time.perf_counter()
                    marks.append((now, done))
                    if now > start + seconds:
                        break
            if not batches.ended or over.is_set():
                break
            batches = batches.following()
    finally:
        over.set()
        patience.join()
        batches.close()
    elapsed = time.perf_counter() - start
    read = feed.stats() - before
    rate = read.samples * connections / (read.query_s + read.scatter_s)
    if len(marks) >= 2:
        rate = (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])
    return FeedRun(connections, rate, first, len(marks), read.samples, read.requests, read.rows, elapsed)


def _some_array(batch: Any) -> Array:
    """The first array of a batch."""
    while isinstance(batch, (tuple, dict)):
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    return cast("Array", batch)


def request_costs(
    db: Database, layout: Layout, ids: Ids, window: Positions, samples: int, seconds: float
) -> RequestCosts:
    """Measure requests of a window, each stage by itself, for about so many seconds.

    The database counts the rows first, so that all that follows finds them as warm. Each request is made once before
    anything counts.

    Args:
        db: Where to.
        layout: What to read.
        ids: All sample ids of the feed.
        window: The positions of a window's samples among them, in the order of its slots.
        samples: How many a request has.
        seconds: How long.
    """
    deadline = time.perf_counter() + seconds
    order = np.argsort(window)
    parts = [order[start : start + samples] for start in range(0, window.size, samples)]
    parts = [part for part in parts if part.size == samples][:REQUESTS] or [order]
    times: dict[str, list[float]] = {name: [] for name in ("count", "request", "cpu", "scatter", "other", "rows")}
    with db.open() as session:
        selection = layout.selection(session)
        requests = [Request(selection, ids[window[slots]]) for slots in parts]
        other = int(parts[0].size) // 2 or 2
        others = (
            [request.ids[:other] for request in requests] if other < parts[0].size else [ids[window[order[:other]]]]
        )
        _, first_s, _ = _timed(session.count, requests[0])
        for request in requests[: 1 if time.perf_counter() > deadline else None]:
            session.read(request)
        out = layout.empty(window.size)
        for repeat, index in enumerate(itertools.cycle(range(len(requests)))):
            least = LEAST_REPEATS if time.perf_counter() < deadline + PATIENCE * seconds else 1
            if repeat >= least and time.perf_counter() > deadline:
                break
            request, slots = requests[index], parts[index]
            times["count"].append(_timed(session.count, request)[1])
            data, wall_s, cpu_s = _timed(session.read, request)
            if index == 0:  # a fresh window, as each has in a feed, whose memory comes when it is first written
                out = layout.empty(window.size)
            times["scatter"].append(_timed(layout.scatter, data, slots, out)[1])
            times["request"].append(wall_s)
            times["cpu"].append(cpu_s)
            times["rows"].append(float(data.sample.size))
            if others[0].size != request.ids.size:
                times["other"].append(_timed(session.read, Request(selection, others[index % len(others)]))[1])
        remote = session.remote
    return _split(times, int(parts[0].size), int(others[0].size), first_s, remote)


def _split(times: dict[str, list[float]], samples: int, other: int, first_s: float, remote: bool) -> RequestCosts:
    """Medians of what was measured, and what of a request is neither the engine's nor the reading thread's."""
    median = {name: statistics.median(values) for name, values in times.items() if values}
    rest = max(0.0, median["request"] - median["count"])
    return RequestCosts(
        samples=samples,
        rows=statistics.fmean(times["rows"]),
        request_s=median["request"],
        count_s=median["count"],
        wire_s=max(0.0, rest - median["cpu"]) if remote else 0.0,
        decode_s=median["cpu"] if remote else rest,
        scatter_s=median["scatter"],
        other_samples=other,
        other_s=median.get("other"),
        first_s=first_s,
        repeats=len(times["count"]),
        remote=remote,
    )


def _timed(task: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """What a task returns, its seconds, and the seconds of this thread's CPU among them."""
    wall, cpu = time.perf_counter(), time.thread_time()
    result = task(*arguments)
    return result, time.perf_counter() - wall, time.thread_time() - cpu


@dataclass(frozen=True, eq=False)
class ReadyWindow:
    """A window that is in memory."""

    samples: int
    arrays: Sequence[Array]

    def release(self) -> None:
        """It stays."""


class _Again(Iterator[ReadyWindow]):
    """The same window without end, where batches expect those that a prefetcher reads."""

    def __init__(self, window: ReadyWindow) -> None:
        self._window = window

    def __next__(self) -> ReadyWindow:
        return self._window

    def close(self) -> None:
        """There is nothing to end."""


def cut_costs(
    structure: Structure, samples: int, batch_size: int, transform: Transform | None, seconds: float
) -> CutCosts:
    """Cut batches out of windows in memory, for about so many seconds.

    Args:
        structure: What a batch is made of.
        samples: In a window.
        batch_size: In a batch.
        transform: Run on each batch.
        seconds: How long.
    """
    window = ReadyWindow(samples, [layout.empty(samples) for layout in structure.layouts])
    for array in window.arrays:
        array[...] = array  # memory that was never written is not there yet
    larger_size = batch_size * LARGER
    ways: dict[str, tuple[int, Transform | None]] = {"cut": (min(batch_size, samples), None)}
    if larger_size <= samples:
        ways["larger"] = (larger_size, None)
    if transform is not None:
        ways["transformed"] = (min(batch_size, samples), transform)
    times: dict[str, list[float]] = {name: [] for name in ways}
    deadline = time.perf_counter() + seconds
    while len(times["cut"]) < LEAST_REPEATS or time.perf_counter() < deadline:
        for name, (size, function) in ways.items():
            plan = Plan(samples - samples % size, size, samples - samples % size)
            windows = cast("Prefetcher[Window]", _Again(window))
            batches = Batches(windows, structure, plan, 0, 0, function)
            start = time.perf_counter()
            taken = 0
            for _ in batches:
                taken += 1
                if time.perf_counter() > start + seconds / LEAST_REPEATS / len(ways):
                    break
            times[name].append((time.perf_counter() - start) / taken)
    median = {name: statistics.median(values) for name, values in times.items()}
    transform_s = max(0.0, median["transformed"] - median["cut"]) if transform is not None else None
    return CutCosts(batch_size, median["cut"], transform_s, median.get("larger"))

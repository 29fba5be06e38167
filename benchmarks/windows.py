"""The parts of rivals that read whole windows as columns: rowfeed's own order, a scatter, read-ahead, batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from cases import Array, Case
from job import Batches, Job

from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES
from rowfeed.plan.order import Plan, choose_window

Ids = npt.NDArray[np.int64]
Columns = Sequence[npt.NDArray[np.generic]]
"""The columns of rows, in the order of `Case.columns`."""

T = TypeVar("T")

CELLS_PER_QUERY = 400_000
IDS_PER_QUERY = 65_536
"""A query asks for no more: the ids' text stays below the engines' limits; two queries use two connections."""


def plan(case: Case, count: int, seed: int) -> Plan:
    """The order of a feed with default options over so many samples."""
    window = choose_window(DEFAULT_MEMORY_BYTES, case.sample_bytes, case.batch_size, count)
    return Plan(count, case.batch_size, window, shuffle=True, seed=seed)


def windows(case: Case, ids: Ids, seed: int) -> Iterator[Ids]:
    """The sample ids of each window of epoch 0, in the order of its batches.

    Args:
        case: The table.
        ids: All ids, ascending.
        seed: Of the order.
    """
    order = plan(case, ids.size, seed)
    epoch = order.epoch(0)
    for window in range(order.windows):
        yield ids[epoch.window(window)]


def portions(case: Case, ids: Ids) -> list[Ids]:
    """Ascending ids in portions, one for each query."""
    most = min(IDS_PER_QUERY, max(1, int(CELLS_PER_QUERY / case.rows_per_sample)))
    return np.array_split(ids, -(-ids.size // most))


def scatter(case: Case, ids: Ids, parts: Iterable[Columns]) -> Array:
    """Rows into a dense array: float32 `(len(ids), *shape)`, one sample for each id, in their order."""
    slots = np.empty(int(ids.max()) + 1, np.int64)
    slots[ids] = np.arange(ids.size)
    dense = np.zeros((ids.size, prod(case.shape) + (not case.cells)), np.float32)
    flat = dense.reshape(-1)
    for columns in parts:
        if case.cells:
            sample, y, x, value = columns
            flat[slots[sample] * prod(case.shape) + y * np.int64(case.shape[1]) + x] = value
        else:
            slot = slots[columns[0]]
            for index, value in enumerate(columns[1:]):
                dense[slot, index] = value
    return dense.reshape(-1, *case.shape) if case.cells else dense


def cut(case: Case, windows: Iterable[Array]) -> Batches:
    """Batches of windows, whose samples need not divide into batches."""
    rest: Array | None = None
    for window in windows:
        samples = window if rest is None else np.concatenate([rest, window])
        whole = len(samples) // case.batch_size * case.batch_size
        for first in range(0, whole, case.batch_size):
            yield case.parts(samples[first : first + case.batch_size])
        rest = samples[whole:]
    if rest is not None and len(rest):
        yield case.parts(rest)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, of which the next is made by a thread while one is used."""
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(item: tuple[bool, T | BaseException | None]) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put((True, item))
                if stop.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if more:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def batches(job: Job, ids: Ids, read: Callable[[list[Ids]], Iterable[Columns]]) -> Batches:
    """An epoch in rowfeed's order, one window read ahead.

    Args:
        job: The epoch.
        ids: All ids, ascending.
        read: Rows of the samples of some portions of ascending ids.
    """
    case = job.case

    def dense(wanted: Ids) -> Array:
        return scatter(case, wanted, read(portions(case, np.sort(wanted))))

    yield from cut(case, ahead(map(dense, windows(case, ids, job.seed))))


def in_list(job: Job, ids: Ids) -> str:
    """A query for samples by their ids, written into it."""
    listed = ",".join(map(str, ids.tolist()))
    if job.engine == "postgresql":
        return f"{select(job)} WHERE sample = ANY('{{{listed}}}'::bigint[])"
    return f"{select(job)} WHERE sample IN ({listed})"


def select(job: Job) -> str:
    """A query for all rows."""
    return f"SELECT {', '.join(job.case.columns)} FROM {job.case.table}"


def list_ids(job: Job) -> str:
    """A query for the ids of all samples, ascending."""
    return f"SELECT DISTINCT sample FROM {job.case.table} ORDER BY sample"

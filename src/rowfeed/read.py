"""Reading a window: which requests it takes, and one request on one session."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rowfeed.dialects.generic import Session
from rowfeed.ids import Ids
from rowfeed.layouts import Layout
from rowfeed.layouts.base import Array
from rowfeed.plan import Positions
from rowfeed.request import Request, Selection
from rowfeed.scan import Scan
from rowfeed.stats import Counters
from rowfeed.throttle import Cost

ROW_BYTES = 64
"""What a row on its way takes as text and as columns, without its values."""

VALUE_BYTES = 32
"""What each of its values takes more."""

FIRST_ROWS = 32_768
"""Rows of the first request, before anything is known of the engine's speed."""

TARGET_S = 0.15
"""How long a request should take: long beside what a query costs in itself, short for the server."""

GROWTH = 4.0
"""How much larger than the last a request may be, at most."""

MAX_SAMPLES = 65_536
"""Samples in a request, at most."""

MAX_SCANNED = 2**23
"""Rows of the answer to a request that scans, at most: engines have limits of 1 GB, and queries one of time."""

SPARE = 1.25
"""How much fuller than those before a request may come."""


class _Size:
    """How many samples a request may have: so many that their rows are as many as it may have.

    Args:
        rows: How many those are.
        rows_per_sample: What a sample is taken to have until a request has told; then it is the fullest so far.
    """

    def __init__(self, rows: int, rows_per_sample: float) -> None:
        self._rows = rows
        self._rows_per_sample = rows_per_sample
        self._seen = False

    @property
    def samples(self) -> int:
        return int(max(1, self._rows // max(self._rows_per_sample, 1e-3)))

    def observe(self, samples: int, rows: int, seconds: float) -> None:
        """Learn from a request."""
        fullness = SPARE * max(rows, 1) / samples
        self._rows_per_sample = max(self._rows_per_sample, fullness) if self._seen else fullness
        self._seen = True


class RequestSize(_Size):
    """How many samples a request may have: its rows fit in a share of the memory, and take about `TARGET_S`.

    The first request assumes that every cell has a row; later ones go by the fullest request so far, and by how fast
    the last ones were.

    Args:
        memory_bytes: The share of the memory.
        selection: What is asked for.
        most_rows: No request is to have more, but for those of one sample.
    """

    def __init__(self, memory_bytes: int, selection: Selection, most_rows: float = math.inf) -> None:
        self._most_rows = int(max(1, min(most_rows, memory_bytes // row_bytes(selection))))
        super().__init__(min(FIRST_ROWS, self._most_rows), float(selection.cells))

    @property
    def samples(self) -> int:
        return min(MAX_SAMPLES, super().samples)

    def observe(self, samples: int, rows: int, seconds: float) -> None:
        super().observe(samples, rows, seconds)
        if rows >= self._rows / 4:  # a small one tells of the cost of a query, not of its rows
            wanted = rows * min(GROWTH, TARGET_S / max(seconds, 1e-6))
            self._rows = int(min(self._most_rows, max(1, self._rows / GROWTH, wanted)))


class ScanSize(_Size):
    """How many samples a request may have that scans its table: all that memory and a statement hold.

    Where not all of the table's rows fit, samples are taken for average ones until requests have told.

    Args:
        memory_bytes: The share of the memory.
        selection: What is asked for.
        scan: The table.
    """

    def __init__(self, memory_bytes: int, selection: Selection, scan: Scan) -> None:
        super().__init__(max(1, min(MAX_SCANNED, memory_bytes // row_bytes(selection))), SPARE * scan.rows_per_sample)
        self._scan = scan

    @property
    def samples(self) -> int:
        whole = self._scan.rows <= self._rows
        return self._scan.most_ids if whole else min(self._scan.most_ids, super().samples)


def row_bytes(selection: Selection) -> int:
    """What a row takes on its way, as text and as columns."""
    return ROW_BYTES + VALUE_BYTES * len(selection.values)


@dataclass(frozen=True, eq=False)
class Read:
    """A layout, what it asks for, and in which portions; where no index helps, also what each of them scans."""

    layout: Layout
    selection: Selection
    size: RequestSize | ScanSize
    scan: Scan | None = None


class Spare:
    """Arrays of windows that were cut up, to be filled again: new memory from the system takes four times as long."""

    def __init__(self) -> None:
        self._arrays: list[list[Array]] = []

    def give(self, arrays: list[Array]) -> None:
        """Take those of a window, one of each layout that is read."""
        self._arrays.append(arrays)

    def take(self, samples: int) -> list[Array]:
        """Arrays of so many samples, with what was in them; none where there are none, or smaller ones."""
        while self._arrays:
            arrays = self._arrays.pop()
            if all(len(array) >= samples for array in arrays):
                return [array[:samples] for array in arrays]
        return []


class Window:
    """The samples that are held and mixed in memory at one time: taken apart into requests, put together in slots.

    Args:
        ids: All sample ids of the feed.
        positions: Which of them the window has, in the order of its slots.
        reads: The layouts to read.
        readers: How many sessions share the work.
        counters: Are told of each request.
        spare: Arrays of windows that were released; this one comes to them.
    """

    def __init__(
        self,
        ids: Ids,
        positions: Positions,
        reads: Sequence[Read],
        readers: int,
        counters: Counters,
        spare: Spare,
    ) -> None:
        self._counters = counters
        self.samples = int(positions.size)
        self._spare = spare
        used = spare.take(self.samples)
        self.arrays = used or [read.layout.empty(self.samples) for read in reads]
        self._blanks = [_whole(read.layout.empty(1))[0] for read in reads] if used else []
        self._ids, self._positions, self._reads = ids, positions, reads
        self._by_id = np.argsort(positions)
        self._share = -(-self.samples // readers)
        self._next = [0] * len(reads)

    def take(self) -> Callable[[Session], Cost] | None:
        """The next request, to be called with a session; None when all were taken."""
        for index, read in enumerate(self._reads):
            start = self._next[index]
            if start < self.samples:
                stop = min(self.samples, start + min(read.size.samples, self._share))
                self._next[index] = stop
                slots = self._by_id[start:stop]
                return lambda session: self._fill(session, read, index, slots)
        return None

    def release(self) -> None:
        """Give the arrays to a window to come. Nothing may use them any more."""
        self._spare.give(self.arrays)
        self.arrays = []

    def _fill(self, session: Session, read: Read, index: int, slots: Positions) -> Cost:
        began = time.perf_counter()
        data = session.read(Request(read.selection, self._ids[self._positions[slots]]))
        answered = time.perf_counter()
        array = self.arrays[index]
        for which, portion in data.portions():
            if self._blanks:
                _whole(array)[slots[which]] = self._blanks[index]
            read.layout.scatter(portion, slots[which], array)
        rows, columns = int(data.sample.size), (data.sample, data.cell, *data.values)
        read.size.observe(slots.size, rows, answered - began)
        self._counters.add(
            requests=1,
            samples=slots.size,
            rows=rows,
            bytes=sum(column.nbytes for column in columns),
            query_s=answered - began,
            scatter_s=time.perf_counter() - answered,
        )
        return Cost(began, answered - began, max(rows, read.scan.rows if read.scan else 0))


def _whole(array: Array) -> Array:
    """Samples as one item each: numpy copies those of 64 bytes in a seventh of the time, of 3 KB in 0.7 of it."""
    width = array.nbytes // len(array)
    return array.reshape(len(array), -1).view(np.dtype((np.void, width))).reshape(-1)

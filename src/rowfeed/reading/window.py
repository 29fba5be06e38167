"""Reading a window: its requests, and one request on one session."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rowfeed.access.throttle import Cost
from rowfeed.layouts.base import Array, whole
from rowfeed.plan.order import Positions
from rowfeed.reading.kept import Held, Kept
from rowfeed.reading.presence import Gleaning, Presence, refuse_emptied, refuse_lost
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.shared import Part
from rowfeed.reading.sizes import RequestSize, Scan, ScanSize
from rowfeed.reading.stats import Counters
from rowfeed.request.request import Request
from rowfeed.request.selection import Selection
from rowfeed.values.ids import Ids
from rowfeed.values.kinds import size_of


@dataclass(frozen=True, eq=False)
class Read:
    """A query, its layouts, and the way to read them.

    Args:
        selection: All columns of the layouts.
        parts: The layouts, by their numbers among those of the feed.
        size: The size of its requests.
        scan: The scan of each request; None with an index.
        presence: The samples that must have rows, since their ids come from its table; None: none of them.
    """

    selection: Selection
    parts: Mapping[int, Part]
    size: RequestSize | ScanSize
    scan: Scan | None = None
    presence: Presence | None = None


class Spare:
    """Arrays of used windows, for filling again: new memory from the system takes four times as long."""

    def __init__(self) -> None:
        self._arrays: list[list[Array]] = []
        self.read_before: list[Held] = []
        """The windows of this consumer, in their order, that are being read into kept memory."""

    def give(self, arrays: list[Array]) -> None:
        """Accept the arrays of a window, one for each layout that is read."""
        self._arrays.append(arrays)

    def take(self, samples: int) -> list[Array]:
        """Arrays of `samples` samples with their old contents; an empty list if there are none so large."""
        while self._arrays:
            arrays = self._arrays.pop()
            if all(len(array) >= samples for array in arrays):
                return [array[:samples] for array in arrays]
        return []


class Window:
    """The samples that are held and mixed in memory at one time. Requests read them, and slots hold them.

    Args:
        ids: All sample ids of the feed.
        positions: The positions in `ids` of the window's samples, in the order of its slots.
        reads: The queries to read.
        connections: The number of sessions that share the work.
        counters: The counters of requests.
        spare: Arrays of released windows; those of this window are added later.
        kept: The samples of a small feed that were read already; None: none are kept.
    """

    def __init__(
        self,
        ids: Ids,
        positions: Positions,
        reads: Sequence[Read],
        connections: int,
        counters: Counters,
        spare: Spare,
        kept: Kept | None = None,
    ) -> None:
        self._counters = counters
        self.samples = int(positions.size)
        self._ids, self._positions, self._reads = ids, positions, reads
        parts = {number: part for read in reads for number, part in read.parts.items()}
        layouts = [parts[number].layout for number in range(len(parts))]
        self._spare = spare
        self._held = None if kept is None else kept.room(positions, spare.read_before)
        spare.read_before = [held for held in [*spare.read_before, self._held] if held and not held.complete]
        used = [] if self._held else spare.take(self.samples)
        self._blanks = [whole(layout.empty(1))[0] for layout in layouts] if used else []
        self._wanted = np.argsort(positions)
        if self._held is None:
            self.arrays = used or [layout.empty(self.samples) for layout in layouts]
        else:
            self.arrays = self._held.arrays
            if known := self.samples - self._held.new.size:
                self._wanted = self._wanted[np.isin(self._wanted, self._held.new)]
                counters.add(samples_from_memory=known * len(reads))
        self._most = -(-self.samples // connections)
        self._next = [0] * len(reads)
        self._gleaning = Gleaning(self._wanted.size, len(reads))

    def take(self) -> Callable[[Retrier], Cost] | None:
        """The next request, a function of a retrier; None if all were taken."""
        for index, read in enumerate(self._reads):
            start = self._next[index]
            if start < self._wanted.size:
                stop = min(self._wanted.size, start + min(read.size.samples, self._most))
                self._next[index] = stop
                slots = self._wanted[start:stop]
                return lambda retrier: self._fill(retrier, read, index, slots)
        return None

    def describe(self) -> str:
        """What it is, for a line on the log."""
        tables = ", ".join(dict.fromkeys(read.selection.source.label for read in self._reads))
        return f"{self.samples:,} samples of {tables}"

    def found(self) -> list[bool]:
        """Whether each query had a row. Called when all requests were answered."""
        found = self._gleaning.found
        if self._held is None:
            return found
        self._held.keep(found)
        return self._held.found(found)

    def cut(self, number: int, rows: slice) -> Array:
        """A copy of some samples of layout `number`, in the order of the slots."""
        array = self.arrays[number]
        if self._held is None or self._held.places is None:
            return array[rows].copy()
        return np.take(array, self._held.places[rows], axis=0)

    def release(self) -> None:
        """Give the arrays to a later window. Nothing may use them afterwards."""
        if self._held is None:
            self._spare.give(self.arrays)
        self.arrays = []

    def _fill(self, retrier: Retrier, read: Read, index: int, slots: Positions) -> Cost:
        session, began, cpu = retrier.session, time.perf_counter(), time.thread_time()
        positions = self._positions[slots]
        data = session.read(Request(read.selection, self._ids[positions]))
        answered, cpu_s = time.perf_counter(), time.thread_time() - cpu
        places = slots if self._held is None or self._held.places is None else self._held.places[slots]
        for which, portion in data.portions():
            for number, part in read.parts.items():
                array = self.arrays[number]
                if self._blanks:
                    whole(array)[places[which]] = self._blanks[number]
                part.layout.scatter(part.of(portion), places[which], array)
        without = data.without_rows()
        if without.size and read.presence is not None:
            refuse_lost(session, data, without, positions, read.presence)
        rows, value_bytes = int(data.sample.size), sum(map(size_of, data.values))
        read.size.observe(slots.size, rows, value_bytes, answered - began)
        self._counters.add(
            requests=1,
            samples=slots.size,
            samples_without_rows=without.size,
            rows=rows,
            bytes=data.sample.nbytes + data.cell.nbytes + value_bytes,
            query_s=answered - began,
            query_cpu_s=cpu_s,
            scatter_s=time.perf_counter() - answered,
        )
        if self._gleaning.note(index, slots.size, rows):
            refuse_emptied(session, read.selection)
        return Cost(began, answered - began, max(rows, read.scan.rows if read.scan else 0))

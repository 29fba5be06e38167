"""The batches of a feed, epoch after epoch. Front ends know nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rowfeed.access.address import Address
from rowfeed.layouts.structure import Batch, Structure
from rowfeed.plan.order import Plan
from rowfeed.reading.batches import Batches
from rowfeed.reading.kept import Kept
from rowfeed.reading.prefetch import Prefetcher
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.stats import Counters
from rowfeed.reading.transform import Transform
from rowfeed.reading.window import Read, Spare, Window
from rowfeed.values.ids import Ids


@dataclass(frozen=True, eq=False)
class Stream:
    """Reads windows ahead and cuts them into batches, in the order of a plan.

    Args:
        address: The server.
        ids: All sample ids, ascending.
        plan: Their order.
        structure: The places of layouts in a batch.
        reads: The queries that read the different layouts, each with its way of reading.
        connections: The most sessions that share the work.
        transform: A function that runs on each batch.
        counters: The counters of the feed.
        kept: The samples that stay in memory; None: each epoch reads all of them.
    """

    address: Address
    ids: Ids
    plan: Plan
    structure: Structure
    reads: Sequence[Read]
    connections: int
    transform: Transform | None = None
    counters: Counters = field(default_factory=Counters)
    kept: Kept | None = None

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.plan)

    @property
    def shuffled(self) -> bool:
        """Whether each epoch has an order of its own."""
        return self.plan.shuffle

    def batches(self, epoch: int, start: int = 0) -> Batches:
        """The batches of one epoch, from batch `start` on; the same at every call."""
        return self._cut(self._windows(epoch, start, Spare()), epoch, start)

    def running(self, epoch: int, start: int, go_on: Callable[[int], bool], step: int = 1) -> Batches:
        """Like `batches`; but while its last window is used, the first window of the following epoch is read.

        Args:
            epoch: The epoch to begin with.
            start: The batch to begin with.
            go_on: Asked, on a reading thread, whether this following epoch will be wanted.
            step: From one epoch to the following: 1, or 0 for the same epoch again.
        """

        def windows() -> Iterator[Window]:
            spare, later = Spare(), epoch
            yield from self._windows(epoch, start, spare)
            while go_on(later := later + step):
                yield from self._windows(later, 0, spare)

        return self._cut(windows(), epoch, start, step)

    def all(self) -> Batch:
        """The samples of the plan's first epoch, which is one batch."""
        with self.batches(0) as batches:
            return next(batches)

    def _windows(self, epoch: int, start: int, spare: Spare) -> Iterator[Window]:
        order = self.plan.epoch(epoch)
        for window in range(start // self.plan.batches_per_window, self.plan.windows):
            positions = order.window(window)
            yield Window(self.ids, positions, self.reads, self.connections, self.counters, spare, self.kept)

    def _cut(self, windows: Iterator[Window], epoch: int, start: int, step: int | None = None) -> Batches:
        ahead = Prefetcher(windows, self._retrier, self.connections, self.counters, self.address.throttle)
        return Batches(
            ahead,
            self.structure,
            self.plan,
            epoch,
            start,
            self.transform,
            step,
            self.counters,
            [read.selection for read in self.reads],
        )

    def _retrier(self) -> Retrier:
        return Retrier(self.address, counters=self.counters)

"""Batches, cut from windows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from rowfeed.access import forks
from rowfeed.layouts.base import Array, Layout
from rowfeed.layouts.structure import Batch, Structure
from rowfeed.plan.order import Plan, stream_key
from rowfeed.reading.prefetch import Prefetcher
from rowfeed.reading.presence import refuse_barren
from rowfeed.reading.stats import Counters
from rowfeed.reading.transform import Transform, transformed
from rowfeed.reading.window import Window
from rowfeed.request.selection import Selection

COUNTED = 64
"""Batches that are counted at one time; the last batch of a window ends such a group. Timing and counting each batch
would cost half of the 1.6 µs of cutting it."""


class _Open:
    """A window that is being cut, the next of its batches to be timed, and the number of counted ones."""

    def __init__(self, window: Window, batch_size: int, first: int) -> None:
        self.samples, self.cut, self.release = window.samples, window.cut, window.release
        self.due, self.counted, self._last = first, first, (window.samples - 1) // batch_size

    def count(self) -> int:
        """The number of batches from the last count to the batch that is due. Sets the next due batch."""
        batches, self.counted = self.due + 1 - self.counted, self.due + 1
        self.due = min(self.due + COUNTED, self._last)
        return batches


class Batches(Iterator[Batch]):
    """The batches of one epoch, in order. Closing or deleting it ends its threads and connections.

    Every array belongs to its receiver: nothing else holds it, and nothing changes it later. Several threads may take
    batches: each batch goes to one of them. A process that was forked meanwhile may not.

    Args:
        windows: The windows of the epoch, from the one with batch `start` on; with `step` also those of the following
            epochs.
        structure: The places of layouts in a batch.
        plan: The order.
        epoch: The number of the epoch.
        start: The first batch.
        transform: A function that runs on each batch.
        step: From this epoch to the one whose windows follow, which `following` gives; None: no windows follow.
        counters: The counters of the batches.
        selections: The selection of each query.
    """

    def __init__(
        self,
        windows: Prefetcher[Window],
        structure: Structure,
        plan: Plan,
        epoch: int,
        start: int,
        transform: Transform | None,
        step: int | None = None,
        counters: Counters | None = None,
        selections: Sequence[Selection] = (),
    ) -> None:
        self._step, self._counters = step, counters or Counters()
        self._windows, self._structure, self._plan, self._transform = windows, structure, plan, transform
        self._epoch, self._batch = epoch, start
        self._length, self._per_window = len(plan), plan.batches_per_window
        self._size, self._pads = plan.batch_size, plan.last_batch == "pad"
        self._window: _Open | None = None
        self._transform_s = 0.0
        self._lock, self._generation = threading.Lock(), forks.generation
        self._selections, self._found = selections, [start > 0] * len(selections)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._generation != forks.generation:  # before the lock, which a thread of the parent may have held
            self._windows.check_process()
        with self._lock:
            batch = self._batch
            if batch >= self._length:
                raise StopIteration
            index = batch % self._per_window
            window = self._window if index else None  # once: another thread may close this
            if window is None:
                self._release()
                window = self._window = _Open(self._next_window(), self._size, index)
            self._batch = batch + 1
            cut = self._cut_counted if index == window.due else self._cut
            result = cut(window, index * self._size)
        if self._transform is None:
            return result
        return self._transformed(self._transform, result, batch, window.counted == index + 1)

    @property
    def ended(self) -> bool:
        """Whether all batches were taken."""
        return self._batch >= self._length

    def following(self) -> Batches:
        """The batches of the following epoch. Its first window was being read before this epoch ended.

        There are none if no such epoch was wanted when this epoch's last window was taken.
        """
        return Batches(
            self._windows,
            self._structure,
            self._plan,
            self._epoch + (self._step or 0),
            0,
            self._transform,
            self._step,
            self._counters,
            self._selections,
        )

    def close(self) -> None:
        """End the epoch here. Harmless if it has ended."""
        self._window = None
        self._windows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next_window(self) -> Window:
        """The next window. The last one of an epoch that was read from its beginning is refused if none had a row."""
        window = next(self._windows)
        self._found = [one or other for one, other in zip(self._found, window.found(), strict=True)]
        if self._batch + self._per_window >= self._length:
            try:
                refuse_barren(self._found, self._selections, self._plan.count)
            except BaseException:
                self.close()
                raise
        return window

    def _transformed(self, transform: Transform, cut: Batch, batch: int, counts: bool) -> Batch:
        """A batch after the transform, whose time is added to the counters with the last batch of a counted group."""
        began = time.perf_counter()
        key = stream_key(self._plan.seed, self._epoch, "transform", batch)
        result = transformed(transform, cut, np.random.Generator(np.random.Philox(key=key)), self._epoch, batch)
        with self._lock:
            self._transform_s += time.perf_counter() - began
            if counts:
                self._counters.add(transform_s=self._transform_s)
                self._transform_s = 0.0
        return result

    def _release(self) -> None:
        """Release the window's memory for later windows: only copies of it were given out."""
        window, self._window = self._window, None
        if window is not None:
            window.release()

    def _cut_counted(self, window: _Open, start: int) -> Batch:
        """The last batch of a counted group."""
        began = time.perf_counter()
        result = self._cut(window, start)
        cut_s, batches = time.perf_counter() - began, window.count()
        self._counters.add(batches=batches, cut_s=batches * cut_s)
        if self._batch == self._length:
            self._release()
            if self._step is None:
                self.close()
        return result

    def _cut(self, window: _Open, start: int) -> Batch:
        size, cut = self._size, window.cut
        if not self._pads:
            rows = slice(start, start + size)
            return self._structure.build(lambda number: cut(number, rows))
        real = min(size, window.samples - start)
        layouts = self._structure.layouts
        rows = slice(start, start + real)
        padded = self._structure.build(lambda number: _padded(layouts[number], cut(number, rows), size))
        return _weighted(padded, real, size)


def _padded(layout: Layout, array: Array, size: int) -> Array:
    if len(array) == size:
        return array
    return np.concatenate([array, layout.empty(size - len(array))])


def _weighted(batch: Batch, real: int, size: int) -> Batch:
    """Weigh padding 0 and real rows more, so that the mean over all rows is the mean over the real ones."""
    x, y, *given = batch
    mask = np.zeros(size, np.float32)
    mask[:real] = size / real
    if not given:
        weight: Any = {name: mask.copy() for name in y} if isinstance(y, dict) else mask
    elif isinstance(given[0], dict):
        weight = {name: _times(array, mask, real) for name, array in given[0].items()}
    else:
        weight = _times(given[0], mask, real)
    return x, y, weight


def _times(weight: Array, mask: Array, real: int) -> Array:
    """The weights of the real rows times their values in the mask, and 0 for padding, whatever its weights."""
    product = np.zeros(weight.shape, np.result_type(weight, mask))
    product[:real] = weight[:real] * mask[0]
    return product

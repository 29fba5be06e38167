"""Batches by their position in the row of all epochs, read ahead in this order."""

from __future__ import annotations

import copy
import threading
from typing import Any

from rowfeed.keras.batches import for_keras
from rowfeed.layouts.structure import Batch
from rowfeed.reading.batches import Batches
from rowfeed.reading.stream import Stream

PROBED = 2
"""Batches that Keras takes, at most, to learn shapes before it trains."""


class Horizon:
    """Where the batches end that will be wanted. Readers and the threads of their reading share it."""

    end = 0


class Reader:
    """Gives the batch at a position, for Keras: batch p % len of epoch p // len.

    Reading goes forward from the position that was asked for last. Another position begins anew. The first two batches
    of a pass are kept until the third one is taken: Keras may have taken them to learn shapes, and asks for them again.

    Args:
        stream: The batches.
        again: Whether epoch 0 is followed by itself, and not by epoch 1.
    """

    def __init__(self, stream: Stream, again: bool) -> None:
        self.horizon = Horizon()
        self._stream, self._step = stream, 0 if again else 1
        self._batches: Batches | None = None
        self._next = 0
        self._kept: dict[int, Batch] = {}
        self._lock = threading.Lock()

    def take(self, position: int, number: int) -> Batch:
        """The batch at a position, the `number`-th of its pass."""
        with self._lock:
            if position in self._kept:
                return copied(self._kept[position])
            batch = self._read(position)
            if number < PROBED:
                self._kept[position] = copied(batch)
            else:
                self._kept = {}
            return batch

    def begin(self, position: int, taken: bool) -> None:
        """Begin a pass at a position. What was kept of the last pass is not asked for again if it was `taken` whole."""
        with self._lock:
            self._kept = {} if taken else {p: batch for p, batch in self._kept.items() if p >= position}

    def close(self) -> None:
        """End the threads and connections of this reading."""
        with self._lock:
            batches, self._batches = self._batches, None
            if batches is not None:
                batches.close()

    def _read(self, position: int) -> Batch:
        running, self._batches = self._batches, None  # after an error, reading begins anew
        batches, batch = running, None
        if running is not None:
            batch = next(running, None) if position == self._next else None
            if batch is None:
                running.close()
        if batches is None or batch is None:
            batches = self._begin(position)
            batch = next(batches)
        batch = for_keras(self._stream, position, batch)
        self._next = position + 1
        if batches.ended:
            self._next -= 0 if self._step else len(self._stream)
            batches = batches.following()
        self._batches = batches
        return batch

    def _begin(self, position: int) -> Batches:
        epoch, start = divmod(position, len(self._stream))
        length, horizon = len(self._stream), self.horizon
        return self._stream.running(epoch, start, lambda later: later * length < horizon.end, self._step)


def copied(batch: Any) -> Any:
    """A batch of its own arrays: nobody else may change what its receiver has."""
    if isinstance(batch, tuple | list):
        return type(batch)(copied(part) for part in batch)
    if isinstance(batch, dict):
        return {name: copied(part) for name, part in batch.items()}
    return copy.copy(batch)

"""One use of a dataset: which batch Keras means when it asks for an index."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from rowfeed.errors import ArgumentError
from rowfeed.keras.internals import Asker, Epochs, learns_shapes
from rowfeed.keras.reader import Reader
from rowfeed.layouts.structure import Batch
from rowfeed.reading.stream import Stream


@dataclass
class _Pass:
    """One run of Keras over an epoch: its first position, if its batches are used, and the number of each index."""

    run: int = 0
    first: int = 0
    used: bool = False
    numbers: dict[int, int] = field(default_factory=dict)


class Use:
    """The batches for one adapter of Keras: one `fit`, one `evaluate`, one `predict`, or the validation of a `fit`.

    Args:
        stream: The batches of the feed.
        trains: Whether it is a `fit`, whose epochs follow each other. Others see epoch 0.
        steps: The steps of an epoch of Keras', if they were given for a `fit`. Keras then takes the dataset for an
            endless one: its epoch e begins at batch e × steps of the row of all epochs.
        done: Where the model's last `fit` ended, in batches of that row.
        method: The identity of the frame of Keras' method, which runs on the present thread; 0 if it is not known.
    """

    def __init__(self, stream: Stream, trains: bool, steps: int | None = None, done: int = 0, method: int = 0) -> None:
        self.trains, self.steps = trains, steps if trains else None
        self._thread, self._method, self._ended = threading.current_thread(), method, False
        self._stream, self._reader = stream, Reader(stream, again=not trains)
        self._done = done if self.steps else -(-done // len(stream)) * len(stream)
        self._first: int | None = None
        self._base = self._done if trains else 0
        self._known = not trains
        self._pass = _Pass()
        self._lock = threading.Lock()

    @property
    def epoch_batches(self) -> int:
        """Batches in an epoch of Keras'."""
        return self.steps or len(self._stream)

    def begin_epoch(self, epochs: Epochs) -> int:
        """Note the epoch that `fit` begins. Returns where it ends.

        A `fit` from an `initial_epoch` on has the batches that it would have without an interruption. A `fit` from 0 on
        goes on where the model's last one ended.
        """
        with self._lock:
            self._known = True
            number = epochs.first if epochs.present is None else epochs.present
            origin = 0 if (number if self._first is None else self._first) else self._done
            begin = origin + number * self.epoch_batches
            if self.steps is None or self._first is None:  # an endless pass goes on by itself
                self._base = begin
            if epochs.present is not None and self._first is None:
                self._first = epochs.present
            self._reader.horizon.end = origin + epochs.end * self.epoch_batches
            return begin + self.epoch_batches

    def expect(self, more: bool) -> None:
        """Note whether epoch 0 will be wanted again."""
        if not self.trains:
            self._reader.horizon.end = int(more)

    def begin_pass(self, asker: Asker) -> None:
        """A generator of Keras' begins to ask for the batches of an epoch."""
        with self._lock:
            size = len(self._stream)
            taken = self._pass.used and len(self._pass.numbers) == size
            if not self._known and taken:
                self._base += size
            self._pass = _Pass(asker.run, self._base, used=not learns_shapes())
            self._reader.begin(self._base, taken)

    def batch(self, asker: Asker, index: int, permuted: bool) -> Batch:
        """The batch for an index. The k-th different index of a permuted pass is the k-th batch of its epoch."""
        if self._ended:
            raise ArgumentError(
                "expected Keras to ask for batches while its method runs; got a question after it. Pass a dataset of "
                "its own to each use: feed.to_keras()."
            )
        if not asker.generates:  # to learn shapes
            return self._reader.take(self._base + index, index)
        if asker.run != self._pass.run and not permuted and index == 0:
            self.begin_pass(asker)
        with self._lock:
            if asker.run != self._pass.run:
                raise ArgumentError(
                    "expected Keras to ask for the epoch that began last; got a question for an earlier one. "
                    "Pass a dataset of its own to each use: feed.to_keras()."
                )
            number = self._pass.numbers.setdefault(index, len(self._pass.numbers)) if permuted else index
            position = self._pass.first + number
        return self._reader.take(position, number)

    def end_if_left(self, frames: set[int]) -> None:
        """End this use if its method is over. TensorFlow keeps adapters for ever, and with them what they have read.

        Args:
            frames: The frames of the present thread.
        """
        here = self._thread is threading.current_thread()
        if self._method and (self._method not in frames if here else not self._thread.is_alive()):
            self._ended = True
            self.close()

    def close(self) -> None:
        """End the threads and connections of its reading."""
        self._reader.close()

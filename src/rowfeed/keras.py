"""The Keras front end: `feed.to_keras()` for `fit`, `evaluate` and `predict`, and the denoising autoencoder.

Importing this module imports Keras. Elsewhere in rowfeed, only models and the command do that.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from rowfeed.errors import ArgumentError, DependencyError
from rowfeed.keras_internals import has_more_epochs, running_methods
from rowfeed.layouts.structure import Batch
from rowfeed.reading.batches import Batches
from rowfeed.reading.stream import Stream

try:
    import keras
except ModuleNotFoundError as missing:
    raise DependencyError(
        f"expected Keras with a backend; {str(missing.name).split('.')[0]} is not installed. Install one, "
        'pip install "rowfeed[jax]" (or tensorflow, torch), and name it before Python starts: KERAS_BACKEND=jax. '
        "Keras takes TensorFlow where nothing is named."
    ) from missing

from rowfeed.models.autoencoder import DenoisingAutoencoder

__all__ = ["DenoisingAutoencoder", "KerasFeed"]

PROBED = 2
"""Batches that Keras takes, at most, to learn shapes before it trains."""


class KerasFeed(keras.utils.PyDataset):
    """A feed as a Keras dataset. Made by `feed.to_keras()`; pass it as `x` or `validation_data`.

    In its epoch e, a model sees `feed.batches(epoch=e)`, whatever `fit(shuffle=…)` says. rowfeed's own threads read
    ahead. This works as follows:

    1. Keras asks for batches by index, and `fit` permutes the indices. The k-th different index of a pass gets the
       k-th batch of the epoch, so reading always goes forward.
    2. A pass begins when an index comes again, or when Keras has both called an epoch hook and asked for the number
       of batches since the last item. (Seen on JAX, TensorFlow and torch with Keras 3.15: each of its iterators asks
       for the number; an iterator that spans several epochs, as with `steps_per_epoch`, does not ask again.)
    3. Before training, Keras takes one or two batches to learn shapes. The training then starts with the same batches.
    4. While `fit` uses the last window of an epoch, the first window of the next epoch is read, if another epoch
       follows.
    5. After a pass that took all batches comes the next epoch; the same holds if `fit` left a pass early. `evaluate`
       with `steps` sees the same batches each time.

    `predict` needs a feed with `shuffle=False`. Its rows are then in the order of `feed.sample_ids`; with
    `last_batch="pad"` the rows of the padding come last.

    Args:
        stream: The batches of the feed.
    """

    error: Exception | None
    """The last error of reading or of the transform, in its own type; None if there was none. TensorFlow hides it."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.error = None
        self._stream = stream
        self._lock = threading.Lock()
        self._caller: str | None = None
        self._more_epochs = threading.Event()
        self._hook_called = self._length_asked = False
        self._batches: Batches | None = None
        self._epoch = 0
        self._passed_to: str | None = None
        self._begin_epoch(0)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._stream)

    @property
    def num_batches(self) -> int:
        self._length_asked = True
        self._note_callers()
        return len(self._stream)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """The next batch of the epoch, or the same one again for the same index."""
        with self._lock:
            if not 0 <= index < len(self._stream):
                raise IndexError(f"expected a batch in 0..{len(self._stream) - 1}; got {index}.")
            if index in self._asked or (self._hook_called and self._length_asked):
                self._begin_pass()
            self._hook_called = self._length_asked = False
            self._passed_to = self._caller
            number = len(self._asked)
            batch = self._kept[number] if number < len(self._kept) else self._next(number)
            self._asked.add(index)
            return batch

    def on_epoch_begin(self) -> None:
        self._hook_called = True
        self._caller = self._note_callers()
        if self._caller == "predict" and self._stream.shuffled:
            raise ArgumentError(
                "expected a feed in the order of its sample ids for predict; got shuffle=True, with which nobody could "
                "tell whose prediction is whose. Pass feed.replace(shuffle=False).to_keras()."
            )

    def _note_callers(self) -> str:
        """The running method of a model. Notes whether more epochs follow if it is `fit` or called by `fit`."""
        callers = running_methods()
        fit = callers.get("fit")
        if fit is not None and has_more_epochs(fit):
            self._more_epochs.set()
        else:
            self._more_epochs.clear()
        return next(iter(callers), "fit")

    def on_epoch_end(self) -> None:
        self._hook_called = True
        self._caller = None

    def close(self) -> None:
        """End the threads and connections of an unfinished pass; a finished pass has none."""
        with self._lock:
            self._begin_epoch(self._epoch)

    def _begin_pass(self) -> None:
        finished = len(self._asked) == len(self._stream) and self._passed_to not in (None, "_symbolic_build")
        if finished or (self._asked and self._passed_to == "fit"):
            self._begin_epoch(self._epoch + 1)
        elif len(self._asked) > len(self._kept):
            self._begin_epoch(self._epoch)
        self._asked.clear()

    def _begin_epoch(self, epoch: int) -> None:
        batches, self._batches = self._batches, None
        if batches is not None:
            if batches.ended and epoch == self._epoch + 1:
                self._batches = batches.following()
            else:
                batches.close()
        self._epoch = epoch
        self._asked: set[int] = set()
        self._kept: list[tuple[Any, ...]] = []
        self._passed_to = None

    def _next(self, number: int) -> tuple[Any, ...]:
        try:
            batch = None if self._batches is None else next(self._batches, None)
            if batch is None:
                self._batches = self._stream.running(self._epoch, number, self._more_epochs.is_set)
                batch = next(self._batches)
        except BaseException as error:
            self._batches = None
            if isinstance(error, Exception):
                self.error = error
            raise
        batch = _for_keras(batch)
        self._kept = [*self._kept, batch] if number < PROBED else []
        return batch


def _for_keras(batch: Batch) -> tuple[Any, ...]:
    """A batch as a tuple, with weights of as many axes as Keras gives the losses.

    Keras reduces the last axis of y to one loss, so its losses have the shape `y.shape[:-1]`, and it broadcasts
    weights of shape (batch,) along the last of these axes, not the first.
    """
    if not isinstance(batch, tuple):
        return (batch,)
    if len(batch) < 3:
        return batch
    x, y, weight = batch
    if isinstance(weight, dict):
        weight = {name: _like_losses(w, y[name] if isinstance(y, dict) else y) for name, w in weight.items()}
    elif not isinstance(y, dict):
        weight = _like_losses(weight, y)
    return x, y, weight


def _like_losses(weight: Any, y: Any) -> Any:
    shape = y.shape[:-1]
    if weight.ndim != 1 or len(shape) < 2:
        return weight
    return np.ascontiguousarray(np.broadcast_to(weight.reshape(-1, *(1,) * (len(shape) - 1)), shape))

"""`KerasFeed`: a feed as a dataset of Keras'."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import keras

from rowfeed.errors import ArgumentError
from rowfeed.keras.batches import for_keras
from rowfeed.keras.checks import check_adapt, check_class_weight, check_dtypes, check_method, check_validation
from rowfeed.keras.internals import (
    PERMUTED,
    Asker,
    adapted_layer,
    asker,
    epochs_of,
    in_a_torch_loader,
    running_frames,
    running_methods,
    steps_per_epoch,
)
from rowfeed.keras.reader import Reader
from rowfeed.keras.use import Use
from rowfeed.layouts.structure import Batch
from rowfeed.messages import brief
from rowfeed.reading.stream import Stream


class KerasFeed(keras.utils.PyDataset):
    """A feed as a Keras dataset. Made by `feed.to_keras()`; pass it as `x` or `validation_data`.

    In its epoch e, a model sees `feed.batches(epoch=e)`, whatever `fit(shuffle=…)` says. rowfeed's own threads read
    ahead. One KerasFeed may be used several times at the same time: as training and validation data, in an `evaluate`
    in a callback, by several models. Each use reads for itself.

    1. `fit`: epoch e is that of Keras, also after `initial_epoch=`. With `steps_per_epoch=s`, it has the batches
       e × s to e × s + s - 1 of the feed's epochs, one after another, and s may be larger than `len(feed)`.
    2. A `fit` that begins with epoch 0 goes on where the last `fit` of this model with this KerasFeed has ended: with
       the epoch after it, or, with `steps_per_epoch`, with the batch after it.
    3. `evaluate`, `predict` and validation see `feed.batches(epoch=0)`, so `validation_steps` are the same batches each
       time. `predict` needs a feed with `shuffle=False`. Its rows are then in the order of `feed.sample_ids`; with
       `last_batch="pad"` the rows of the padding come last.
    4. While `fit` uses the last window of an epoch, the first window of the next epoch is read, if another epoch
       follows.
    5. Without Keras' methods, each `for batch in dataset` is the next epoch, and `dataset[i]` is batch i of epoch 0.

    What Keras could not train with is an error before training starts: a feed without `y` for a model with a loss,
    `class_weight` beside weights of the feed, dates. On JAX without x64, integers that do not fit into 32 bits are an
    error too: JAX would wrap them in silence.

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
        self._uses: WeakKeyDictionary[Any, Use] = WeakKeyDictionary()
        self._done: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._by_index = Reader(stream, again=True)
        self._last_index = -1
        self._iterations = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._stream)

    @property
    def num_batches(self) -> int | None:
        who = asker(self)
        if who is None:
            return len(self)
        use = self._use(who)
        if who.function == PERMUTED:
            use.begin_pass(who)
        return None if use.steps else len(self)

    def __getitem__(self, index: int) -> Batch:
        """For Keras: the next batch of the epoch that it is in. For others: batch `index` of epoch 0."""
        who = asker(self)
        try:
            if who is None:
                return self._indexed(index)
            batch = self._use(who).batch(who, index, who.function == PERMUTED)
        except Exception as error:
            self.error = error
            raise
        return batch if isinstance(batch, tuple) else (batch,)

    def __iter__(self) -> Iterator[Batch]:
        """The next epoch: the first call gives epoch 0, the second call epoch 1."""
        layer = adapted_layer()
        check_adapt(self._stream, layer)
        with self._lock:
            epoch = 0 if layer is not None else self._iterations
            self._iterations += layer is None
        return self._epoch(epoch)

    def on_epoch_begin(self) -> None:
        who, fit = asker(self), running_methods().get("fit")
        if who is None:
            return
        use, epochs = self._use(who), None if fit is None else epochs_of(fit)
        if fit is None or epochs is None:
            use.expect(more=False)
        elif use.trains:
            end = use.begin_epoch(epochs)
            if epochs.present is not None:
                self._done[fit.f_locals["self"]] = end
        else:
            use.expect(more=epochs.present is not None and epochs.present + 1 < epochs.end)

    @property
    def workers(self) -> int:
        """1: rowfeed's own threads read ahead, in order."""
        return 1

    @workers.setter
    def workers(self, value: int) -> None:
        if value not in (0, 1):
            _refuse_workers("workers", value)

    @property
    def use_multiprocessing(self) -> bool:
        """False: rowfeed's own threads read ahead."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        if value:
            _refuse_workers("use_multiprocessing", value)

    def close(self) -> None:
        """End the threads and connections of unfinished epochs; a finished one has none."""
        self._by_index.close()
        with self._lock:
            uses = list(self._uses.values())
        for use in uses:
            use.close()

    def _use(self, who: Asker) -> Use:
        """The use of an adapter. Keras makes an adapter on the thread, and in the method, of its user."""
        with self._lock:
            use = self._uses.get(who.adapter)
            if use is None:
                frames = running_frames()
                for other in list(self._uses.values()):
                    other.end_if_left(frames)
                use = self._uses[who.adapter] = self._new_use(who.adapter)
            return use

    def _new_use(self, adapter: Any) -> Use:
        """The use of a new adapter, after checks of what it is for."""
        check_dtypes(self._stream)
        methods = running_methods()
        method = next(iter(methods), "")
        if not method:
            return Use(self._stream, trains=True)
        names = methods[method].f_locals
        model, trains = names.get("self"), method == "fit" and "epoch" not in names  # later it is validation data
        check_method(self._stream, model, method if trains or method != "fit" else "evaluate")
        if not trains:
            return Use(self._stream, trains=False, method=id(methods[method]))
        check_class_weight(self._stream, getattr(adapter, "class_weight", None))
        check_validation(validation := names.get("validation_data"))
        if isinstance(validation, KerasFeed):
            check_method(validation._stream, model, "evaluate")
            check_dtypes(validation._stream)
        done = self._done.get(model, 0)
        use = Use(self._stream, True, steps_per_epoch(), done, id(methods[method]))
        if (epochs := epochs_of(methods[method])) is not None:
            use.begin_epoch(epochs)
        return use

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        with self._stream.batches(epoch) as batches:
            for number, batch in enumerate(batches):
                yield for_keras(self._stream, epoch * len(self) + number, batch)

    def _indexed(self, index: int) -> Batch:
        """Batch `index` of epoch 0, for whoever asks by number."""
        if in_a_torch_loader():
            raise ArgumentError(
                "expected Keras, which asks for the batches of an epoch in turn; got a DataLoader of torch, which asks "
                "by number, for the same epoch each time. Iterate over the feed itself, as in "
                "`for x, y in feed: x = torch.from_numpy(x)`: each loop is the next epoch, and rowfeed reads ahead."
            )
        if not 0 <= index < len(self):
            raise IndexError(f"expected a batch in 0..{len(self) - 1}; got {index}.")
        last, self._last_index = self._last_index, index
        if last >= 0 and index not in (0, last, last + 1):
            warnings.warn(
                f"expected batches in turn; got a question for batch {index} after batch {last}, so that a window is "
                "read for it alone. Pass the dataset to Keras as it is, and change batches in the feed's transform; "
                "or iterate over the feed.",
                RuntimeWarning,
                stacklevel=3,
            )
        return self._by_index.take(index, index)


def _refuse_workers(name: str, value: object) -> None:
    raise ArgumentError(
        f"expected one worker of Keras', since batches are read in turn; got {name}={brief(value)}. rowfeed's own "
        "threads read ahead: pass connections= to Feed for more of them."
    )

"""Training a denoising autoencoder from a feed, and its results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.stopwatch import Stopwatch
from rowfeed.errors import Error
from rowfeed.feed.feed import Feed
from rowfeed.keras import DenoisingAutoencoder, KerasFeed
from rowfeed.layouts.structure import Batch

Say = Callable[[str], None]
"""A function that gets lines of progress."""


@dataclass(frozen=True, eq=False)
class Training:
    """The results of a training.

    Args:
        model: The trained model.
        train: The feed that the model learned from.
        validation: The feed that it was judged by: noisy samples in ascending order of their ids, and the clean ones.
        history: `loss` and `val_loss`, one number an epoch: mean squared errors.
        rows: Rows that the queries of the training returned, validation included.
        seconds: The time of `fit`, from the call to the return.
        stopwatch: The training part of each epoch.
    """

    model: DenoisingAutoencoder
    train: Feed
    validation: Feed
    history: dict[str, list[float]]
    rows: int
    seconds: float
    stopwatch: Stopwatch

    @property
    def samples_per_second(self) -> float:
        return self.stopwatch.samples_per_second(self.train.sample_ids.size)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C after at least one whole epoch.

    Args:
        model: As it was after the last whole epoch.
        epochs: How many there were.
    """

    def __init__(self, model: DenoisingAutoencoder, epochs: int) -> None:
        super().__init__()
        self.model, self.epochs = model, epochs


def train(feed: Feed, shape: tuple[int, ...], recipe: Recipe, say: Say, terminal: bool) -> Training:
    """Train a new model; report its summaries and the progress.

    Args:
        feed: The samples, as x and as y.
        shape: The shape of one sample.
        recipe: The recipe of the training.
        say: A function that gets the lines.
        terminal: Whether Keras may draw its progress bar on the standard output; else `say` gets a line an epoch.

    Raises:
        Interrupted: Ctrl-C after at least one whole epoch; before, it is any KeyboardInterrupt.
    """
    training, validation = feed.split(1 - recipe.validation, recipe.validation)
    model = DenoisingAutoencoder(shape, noise=recipe.noise, value_range=recipe.value_range, seed=recipe.seed)
    if recipe.value_range is None:
        model.adapt(training.batches())

    noisy = model.corruption()

    def corrupt(batch: Batch, rng: np.random.Generator) -> Batch:
        clean, target = batch
        return noisy(clean, rng), target

    validation = validation.replace(shuffle=False, transform=corrupt)
    for part in (model.encoder, model.decoder):
        part.summary(print_fn=say, line_length=78)
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, len(training) * recipe.epochs)
    model.compile(keras.optimizers.Adam(rate), loss="mse")

    fed, judged, before = training.to_keras(), validation.to_keras(), training.stats().rows
    stopwatch, kept, lines = Stopwatch(training), Kept(), [] if terminal else [Lines(recipe.epochs, say)]
    start = time.perf_counter()
    try:
        with fitting(fed, judged):
            history = model.fit(
                fed,
                validation_data=judged,
                epochs=recipe.epochs,
                callbacks=[stopwatch, kept, *lines],
                verbose=1 if terminal else 0,
            )
    except KeyboardInterrupt as stop:
        if kept.epochs:
            raise Interrupted(kept.restored(), kept.epochs) from stop
        raise
    seconds = time.perf_counter() - start
    losses = {name: [float(loss) for loss in history.history[name]] for name in ("loss", "val_loss")}
    if not np.isfinite(sum(losses["loss"] + losses["val_loss"])):
        raise Error(
            f"expected losses that stay finite; got learning_rate={recipe.learning_rate:g}, with which training "
            "diverged. Pass a smaller one."
        )
    rows = training.stats().rows - before + validation.stats().rows
    return Training(model, training, validation, losses, rows, seconds, stopwatch)


@contextmanager
def fitting(*feeds: KerasFeed) -> Iterator[None]:
    """Raise a feed's own error, which TensorFlow hides; at the end, stop the threads of all feeds."""
    try:
        yield
    except Exception as error:
        cause = next((feed.error for feed in feeds if feed.error is not None), None)
        if cause is None or cause is error:
            raise
        raise cause from error
    finally:
        for feed in feeds:
            feed.close()


class Kept(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """The model as it was after the last whole epoch.

    An interrupt between two steps leaves weights of both, and on JAX perhaps none: a step gives its buffers away.
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: tuple[int, list[Any]] = 0, []

    @property
    def epochs(self) -> int:
        return self._state[0]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables()]
        self._state = epoch + 1, values  # at once: an interrupt may come at any time

    def restored(self) -> Any:
        """The model, with its optimizer."""
        for variable, value in zip(self._variables(), self._state[1], strict=True):
            variable.assign(value)
        return self.model

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.model.optimizer.variables]


class Lines(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """One line per epoch, without colour and without moving the cursor back."""

    def __init__(self, epochs: int, say: Say) -> None:
        super().__init__()
        self._epochs, self._say, self._start = epochs, say, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        number = f"{epoch + 1:>{len(str(self._epochs))}}/{self._epochs}"
        losses = f"loss {logs['loss']:<10.4g} validation {logs['val_loss']:<10.4g}"
        self._say(f"epoch {number}  {losses} {time.perf_counter() - self._start:.1f} s")

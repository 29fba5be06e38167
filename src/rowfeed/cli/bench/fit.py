"""Training from a feed, with a watch on it. Imports Keras."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import keras

from rowfeed.cli.bench.runs import Run, Watch
from rowfeed.cli.bench.verdict import Facts
from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.training import fitting
from rowfeed.feed.feed import Feed
from rowfeed.keras import DenoisingAutoencoder


class _Watching(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Tells a watch of each batch, and ends a fit some seconds after its first step, which compiles."""

    def __init__(self, watch: Watch, seconds: float) -> None:
        super().__init__()
        self._watch, self._seconds, self._deadline = watch, seconds, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self._watch.used(batch)
        self._deadline = self._deadline or now + self._seconds
        if now > self._deadline:
            self.model.stop_training = True


def fit(feed: Feed, facts: Facts, shape: Sequence[int], seconds: float) -> Run:
    """Train the model of `rowfeed train` for about `seconds` seconds, without the time of compiling.

    Args:
        feed: The samples, as x and as y.
        facts: The facts of the feed.
        shape: The shape of one sample.
        seconds: The length of the training.
    """
    recipe = Recipe()
    model = DenoisingAutoencoder(tuple(shape), noise=recipe.noise, value_range=(0, 1), seed=recipe.seed)
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss="mse")
    watch, fed = Watch(feed, facts, compiles=True), feed.to_keras()
    with fitting(fed):
        model.fit(fed, epochs=1_000_000, verbose=0, callbacks=[_Watching(watch, seconds)])
    return watch.run()

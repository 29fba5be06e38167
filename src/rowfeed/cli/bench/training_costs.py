"""What training costs: steps on batches in memory, and a `fit` from the feed. Imports Keras."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from rowfeed.cli.bench.reading_costs import LARGER, PATIENCE
from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.stopwatch import TimedFeed
from rowfeed.feed.feed import Feed
from rowfeed.keras import DenoisingAutoencoder
from rowfeed.layouts.structure import Batch
from rowfeed.reading.stats import Stats

IN_MEMORY_BYTES = 64 * 2**20
"""Of the batches that steps are measured on, at most: more than a processor's cache, less than a machine's memory."""

WARM = 4
"""Steps that compile, warm up, and tell about how long a step takes."""

LAPS = 4
"""Into so many laps the seconds of the steps are cut, for a median."""

ENOUGH_WINDOWS = 2
"""Windows after the first that a fit must take for its waiting to be that of a long one: it waits between windows."""


@dataclass(frozen=True)
class StepCosts:
    """Training steps on batches that are in memory, compiled and warm.

    Args:
        batch_size: Samples in a batch.
        step_s: Seconds of a step, the median of the laps.
        larger_s: Of a step on a batch of LARGER times the size; None where there are not so many samples, or the time
            is too short for it.
    """

    batch_size: int
    step_s: float
    larger_s: float | None


@dataclass(frozen=True)
class FitRun:
    """A `fit` from the feed, from the end of its first step on.

    Args:
        samples_per_second: Trained.
        waited_share: Seconds that training waited for windows, as a share of all.
        windows: That training took after the first.
        read_per_second: Samples that the readers bring when they are never without room.
        seconds: All of it.
    """

    samples_per_second: float
    waited_share: float
    windows: int
    read_per_second: float
    seconds: float

    @property
    def measured(self) -> bool:
        """Whether waiting was measured over enough windows; else it is computed."""
        return self.windows >= ENOUGH_WINDOWS

    @property
    def waiting(self) -> float:
        """The share of a long training that it waits.

        Where windows are so large that this fit took hardly any, it is what follows from how fast training takes
        samples and how fast they were read meanwhile.
        """
        if self.measured:
            return self.waited_share
        trained = self.samples_per_second / max(1e-9, 1 - self.waited_share)
        return max(0.0, 1 - self.read_per_second / trained)


class InMemory(keras.utils.PyDataset):  # type: ignore[misc, unused-ignore]
    """The same batches again and again, on the way that Keras takes those of a feed."""

    def __init__(self, batches: Sequence[Batch], steps: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._batches, self._steps = batches, steps

    @property
    def num_batches(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index % len(self._batches)]


class Laps(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)


class Watch(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Ends a fit after so many seconds, counted from its first step, which compiles."""

    def __init__(self, feed: Feed, batch_size: int, seconds: float) -> None:
        super().__init__()
        self._feed, self._batch_size, self._seconds = feed, batch_size, seconds
        self.samples, self.before = 0, feed.stats()
        self.start: tuple[float, Stats] | None = None
        self.stop: tuple[float, Stats] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        if self.start is None:
            self.start = now, self._feed.stats()
            return
        self.samples += min(self._batch_size, self._feed.sample_ids.size - batch * self._batch_size)
        self.stop = now, self._feed.stats()
        if now > self.start[0] + self._seconds:
            self.model.stop_training = True


def make_model(shape: Sequence[int], recipe: Recipe, x: Any) -> DenoisingAutoencoder:
    """The model that `rowfeed train` trains, scaled to some samples."""
    model = DenoisingAutoencoder(tuple(shape), noise=recipe.noise, seed=recipe.seed)
    model.adapt(x)
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss="mse")
    return model


def in_memory(feed: Feed, batch_size: int, sample_bytes: int) -> Any:
    """Samples of a feed's first epoch as one array: so many that they fill no more than IN_MEMORY_BYTES."""
    most, found, parts = max(batch_size, IN_MEMORY_BYTES // sample_bytes), 0, []
    with feed.batches() as batches:
        for x, _ in batches:
            parts.append(x)
            found += len(x)
            if found >= min(most, LARGER * LARGER * batch_size):
                break
    return np.concatenate(parts)


def step_costs(model: Any, x: Any, batch_size: int, seconds: float) -> StepCosts:
    """Measure steps on batches that are cut already.

    Args:
        model: Compiled.
        x: Samples; they are their own targets.
        batch_size: In a batch.
        seconds: How long, without compiling.
    """
    size, larger = min(batch_size, len(x)), LARGER * batch_size
    step_s = _step_s(model, x, size, seconds / 2)
    possible = larger <= len(x) and WARM * LARGER * step_s < PATIENCE * seconds
    return StepCosts(size, step_s, _step_s(model, x, larger, seconds / 2) if possible else None)


def _step_s(model: Any, x: Any, size: int, seconds: float) -> float:
    """Seconds of a step: the median of LAPS epochs, each of as many steps as fill its part of the seconds."""
    cut = [x[start : start + size] for start in range(0, len(x) - size + 1, size)]
    batches = [(part, part) for part in cut]
    warm, laps = Laps(), Laps()
    model.fit(InMemory(batches, WARM // 2), epochs=2, verbose=0, callbacks=[warm])  # the first epoch compiles
    fitting = seconds * (WARM // 2) / warm.seconds[-1]
    steps = max(1, int(fitting / LAPS))
    model.fit(InMemory(batches, steps), epochs=min(LAPS, max(1, int(fitting))), verbose=0, callbacks=[laps])
    return statistics.median(laps.seconds) / steps


def run_fit(model: Any, feed: Feed, batch_size: int, connections: int, seconds: float) -> FitRun:
    """Train from the feed for about so many seconds.

    Args:
        model: Compiled.
        feed: Samples as x and as y.
        batch_size: As the feed has it.
        connections: As the feed has them.
        seconds: How long, without compiling.
    """
    timed, watch = TimedFeed(feed), Watch(feed, batch_size, seconds)
    try:
        model.fit(timed, epochs=1_000_000, verbose=0, callbacks=[watch])
    except Exception as error:
        if timed.error is None or timed.error is error:
            raise
        raise timed.error from error
    finally:
        timed.close()
    return _of(watch, connections)


def _of(watch: Watch, connections: int) -> FitRun:
    assert watch.start is not None
    assert watch.stop is not None
    elapsed, did = watch.stop[0] - watch.start[0], watch.stop[1] - watch.start[1]
    reading = did if did.requests else watch.stop[1] - watch.before  # all was read before the first step had ended
    return FitRun(
        samples_per_second=watch.samples / elapsed,
        waited_share=min(1.0, did.training_waited_s / elapsed),
        windows=did.windows,
        read_per_second=reading.samples * connections / (reading.query_s + reading.scatter_s),
        seconds=elapsed,
    )

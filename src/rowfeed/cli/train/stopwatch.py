"""The cost of training: seconds of waiting for data, samples a second. Never changes a batch."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import keras

from rowfeed.feed.feed import Feed


@dataclass(frozen=True)
class Lap:
    """The training part of one epoch, without its validation.

    Args:
        seconds: Its duration.
        waited_s: The seconds in which a window was not read yet: `Stats.training_waited_s`. TensorFlow takes batches on
            a thread of its own, beside the training: there this is the most that training can have waited.
    """

    seconds: float
    waited_s: float


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Times the training part of each epoch: from its beginning to its validation.

    Args:
        feed: The feed of the training, not of the validation.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.laps: list[Lap] = []
        self._feed = feed
        self._start: tuple[float, float] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter(), self._feed.stats().training_waited_s

    def on_test_begin(self, logs: Any = None) -> None:
        self._stop()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._start is not None:
            start, waited_s = self._start
            now_s = self._feed.stats().training_waited_s
            self.laps.append(Lap(time.perf_counter() - start, now_s - waited_s))
            self._start = None

    @property
    def steady(self) -> list[Lap]:
        """The laps without the first, which compiles; with it if there is no other."""
        return self.laps[1:] or self.laps

    def samples_per_second(self, samples: int) -> float:
        """Samples a second of the median lap, with `samples` samples a lap."""
        return samples / statistics.median(lap.seconds for lap in self.steady)

    @property
    def waiting_share(self) -> float:
        """The share of time spent waiting for data, over the steady laps."""
        return sum(lap.waited_s for lap in self.steady) / sum(lap.seconds for lap in self.steady)

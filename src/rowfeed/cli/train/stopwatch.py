"""What training costs: seconds waited for data, samples a second. Never changes a batch."""

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
        seconds: All of it.
        waited_s: Those among them in which a window was not read yet: `Stats.training_waited_s`. TensorFlow takes
            batches on a thread of its own, beside the training: there it is the most that training can have waited.
    """

    seconds: float
    waited_s: float


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Times the training part of each epoch: from its begin to its validation.

    Args:
        feed: What is trained on; not the feed of the validation.
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
        """The laps without the first, which compiles; that one too where there is no other."""
        return self.laps[1:] or self.laps

    def samples_per_second(self, samples: int) -> float:
        """Of the median lap, for so many samples a lap."""
        return samples / statistics.median(lap.seconds for lap in self.steady)

    @property
    def waiting_share(self) -> float:
        """Seconds waited for data as a share of all seconds, over the steady laps."""
        return sum(lap.waited_s for lap in self.steady) / sum(lap.seconds for lap in self.steady)

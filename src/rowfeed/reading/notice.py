"""A line on the log when a feed keeps its user waiting before the first batch."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

FIRST_S = 5.0
"""Seconds until the first line. Each further one comes after twice the time."""

_log = logging.getLogger("rowfeed")


class Notice:
    """Says what is waited for, and for how long. Belongs to the thread that waits, which looks here in between."""

    def __init__(self) -> None:
        self._what: Callable[[], str] | None = None
        self._began = self._next_s = 0.0

    def begin(self, what: Callable[[], str]) -> None:
        """Begin to wait for something. Its description is asked for when a line is due."""
        self._what, self._began, self._next_s = what, time.monotonic(), FIRST_S

    @property
    def begun(self) -> bool:
        """Whether something is waited for."""
        return self._what is not None

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._what = None

    @property
    def left_s(self) -> float:
        """Seconds until the next line is due; infinite if nothing is waited for."""
        return math.inf if self._what is None else max(0.0, self._began + self._next_s - time.monotonic())

    def tell(self) -> None:
        """Log a line if one is due."""
        if self._what is not None and self.left_s <= 0:
            _log.warning("Waiting for %s, for %.0f s so far.", self._what(), time.monotonic() - self._began)
            self._next_s *= 2

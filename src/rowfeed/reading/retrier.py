"""One session at a time, opened when a task asks for it, and again after it broke. No request waits forever.

A request that fails for a passing reason (a server restarts, a connection is cut; its dialect knows these errors) is
repeated on a new connection. Only this request is repeated, since a failed request has delivered nothing. The pauses
between the attempts double from `FIRST_PAUSE_S` to `LONGEST_PAUSE_S`, each shortened by up to a half at random so that
many readers do not come back at the same moment. After `retry_s` from the first failure, no further attempt is made.

A driver's time-out fails if a network is silent but still acknowledges. So sessions run on threads of their own, and
their calls are given up after `timeout_s`: see `session_thread`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Self, TypeVar

from rowfeed.access.address import Address
from rowfeed.dialects.session import Session
from rowfeed.errors import DatabaseError
from rowfeed.reading.notice import Notice
from rowfeed.reading.session_thread import SessionThread
from rowfeed.reading.stats import Counters

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

MOST_LEFT = 3
"""The most threads with calls that never returned. No further attempt is made then."""

T = TypeVar("T")

_log = logging.getLogger("rowfeed")
_chance = SystemRandom()  # no state that a seed of the user's would change, or that would change the user's


class Retrier:
    """Runs tasks, and opens a session for the first that asks for one. Belongs to one thread.

    Only `interrupt` may be called from another.

    Args:
        address: The server.
        patient: Whether the first connection is tried again too. False: a missing server is an error at once, as it
            should be for a mistyped host.
        counters: The counters of further attempts.
    """

    def __init__(self, address: Address, *, patient: bool = True, counters: Counters | None = None) -> None:
        self._address = address
        self._counters = counters or Counters()
        self._patient = patient
        self._thread: SessionThread | None = None
        self._left: list[SessionThread] = []
        self._interrupted = threading.Event()
        self.notice = Notice()
        """What is waited for, for a line on the log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def session(self) -> Session:
        """The session for a running task, opened if there is none. Each of its calls may take `timeout_s`."""
        self._refuse_if_interrupted()
        if self._thread is None:
            self._thread = SessionThread(self._address, self.notice)
            self._refuse_if_interrupted()
            self._thread.open()
            self._patient = True
        return self._thread.session

    @property
    def has_session(self) -> bool:
        """Whether a session is open. Any thread may ask."""
        thread = self._thread
        return thread is not None and thread.opened is not None

    def run(self, task: Callable[[Retrier], T], is_spare: Callable[[], bool] = lambda: False) -> T:
        """The result of a task, after as many attempts as necessary.

        Args:
            task: Called with this reader; again from its beginning after a passing failure.
            is_spare: Whether others go on if this one gets no connection, so that it need not try again.

        Raises:
            DatabaseError: It fails permanently, or still fails after `retry_s`.
        """
        attempts, first_failure, retry_s = 0, 0.0, self._address.retry_s
        while True:
            try:
                self._refuse_if_interrupted()
                return task(self)
            except DatabaseError as error:
                self._drop()
                attempts += 1
                first_failure = first_failure or time.monotonic()
                if not (error.transient and self._patient) or self._interrupted.is_set():
                    raise
                if error.no_connection_left and is_spare():
                    raise
                if len(self._left) >= MOST_LEFT:
                    raise DatabaseError(f"{error} No more is tried: {len(self._left)} wait already.") from error
                pause = retry_pause_s(attempts)
                if time.monotonic() + pause > first_failure + retry_s:
                    spent_s = time.monotonic() - first_failure
                    raise DatabaseError(
                        f"{error} Failed {attempts} times in {spent_s:.1f} s; no more is tried with "
                        f"retry_s={retry_s:g}. Check the server and the network, or pass a larger "
                        "retry_s to rowfeed.connect."
                    ) from error.__cause__
                self._counters.add(retries=1)
                _log.warning("%s Trying again in %.1f s.", error, pause)
            self._interrupted.wait(pause)

    def _refuse_if_interrupted(self) -> None:
        if self._interrupted.is_set():
            raise DatabaseError(f"{self._address.label}: reading was stopped.")

    def interrupt(self) -> None:
        """End the running task, and every later one, with an error."""
        self._interrupted.set()
        thread = self._thread
        if thread is not None:
            thread.interrupt()

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._drop()

    def _drop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()
            self._left = [one for one in (*self._left, thread) if one.is_left]


def retry_pause_s(attempts: int) -> float:
    """Seconds to wait after a number of failed attempts."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30)) * _chance.uniform(0.5, 1.0)

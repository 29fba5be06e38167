"""One session at a time, opened when it is needed and again when it broke; no request waits without an end.

A request that fails for a reason that may pass (a server restarts, a connection is cut; its dialect says which errors
these are) is made again on a new connection: that request alone, since a request that failed has delivered nothing.
The pauses between the attempts double from `FIRST_PAUSE_S` to `LONGEST_PAUSE_S`, each shortened by up to a half at
random so that many readers do not come back at the same moment. `retry_s` after the first failure no further attempt
is made.

A connection whose network is silent while it still acknowledges keeps no time-out of a driver. So a watchdog shuts the
connection down when a request took `timeout_s`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import SystemRandom
from typing import TYPE_CHECKING, Self, TypeVar

from rowfeed.errors import DatabaseError
from rowfeed.reading.stats import Counters

if TYPE_CHECKING:
    from rowfeed.database.database import Database
    from rowfeed.dialects.session import Session

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

T = TypeVar("T")

_log = logging.getLogger("rowfeed")
_chance = SystemRandom()  # no state that a seed of the user's would change, or that would change the user's


class Reader:
    """Runs tasks on a session of its own. Belongs to one thread; only `interrupt` may be called from another.

    Args:
        database: Where to connect.
        patient: Whether the first connection is tried again too. False: a server that is not there is an error at
            once, as a mistyped host should be.
        counters: Are told of each further attempt.
    """

    def __init__(self, database: Database, *, patient: bool = True, counters: Counters | None = None) -> None:
        self._database = database
        self._counters = counters or Counters()
        self._patient = patient
        self._session: Session | None = None
        self._interrupted = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, task: Callable[[Session], T]) -> T:
        """The result of a task, after as many attempts as it takes.

        Args:
            task: Called with a session, again from its beginning after a failure that may pass.

        Raises:
            DatabaseError: It fails for good, or still after `retry_s`.
        """
        attempts, first_failure = 0, 0.0
        while True:
            try:
                return self._attempt(task)
            except DatabaseError as error:
                self._drop()
                attempts += 1
                first_failure = first_failure or time.monotonic()
                if not (error.transient and self._patient) or self._interrupted.is_set():
                    raise
                pause = pause_s(attempts)
                if time.monotonic() + pause > first_failure + self._database.retry_s:
                    spent_s = time.monotonic() - first_failure
                    raise DatabaseError(
                        f"{error} Failed {attempts} times in {spent_s:.1f} s; no more is tried with "
                        f"retry_s={self._database.retry_s:g}. Check the server and the network, or pass a larger "
                        "retry_s to rowfeed.connect."
                    ) from error.__cause__
                self._counters.add(retries=1)
                _log.warning("%s Trying again in %.1f s.", error, pause)
            self._interrupted.wait(pause)

    def _attempt(self, task: Callable[[Session], T]) -> T:
        if self._session is None and not self._interrupted.is_set():
            self._session = self._database.open()
            self._patient = True
        if self._session is None or self._interrupted.is_set():
            raise DatabaseError(f"{self._database.label}: reading was stopped.")
        with self._watched(self._session):
            return task(self._session)

    @contextmanager
    def _watched(self, session: Session) -> Iterator[None]:
        """Shut the session down when the context lasts longer than `timeout_s`."""
        bitten = threading.Event()

        def bite() -> None:
            bitten.set()
            session.interrupt()

        timer = threading.Timer(self._database.timeout_s, bite)
        timer.name, timer.daemon = "rowfeed-watchdog", True
        timer.start()
        try:
            yield
        except Exception as error:
            if not bitten.is_set():
                raise
            late = DatabaseError(
                f"expected an answer from {self._database.label} within timeout_s={self._database.timeout_s:g}; got "
                "none. The server or the network has stalled, or the query needs longer: check them, or pass a larger "
                "timeout_s to rowfeed.connect."
            )
            late.transient = session.remote
            raise late from error
        finally:
            timer.cancel()
            timer.join()
            if bitten.is_set():
                self._drop()

    def interrupt(self) -> None:
        """End the running task, and every later one, with an error."""
        self._interrupted.set()
        session = self._session
        if session is not None:
            with suppress(Exception):  # a broken connection cannot be interrupted, and need not be
                session.interrupt()

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def pause_s(attempts: int) -> float:
    """How long to wait after so many failed attempts."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30)) * _chance.uniform(0.5, 1.0)

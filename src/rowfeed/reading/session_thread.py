"""A session on a thread of its own, whose calls can be given up.

A call of a driver may never return: a network is silent but still acknowledges, while a connection opens or later. And
while it waits, Python cannot deliver Ctrl-C to it. So the calls run on a thread of their own, and their caller waits
for `timeout_s` at most. Then the session is interrupted. If even that does not end the call, since the driver is in C
and hides its socket, the thread is given up: it closes its connection when the call returns, or ends with the process.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar, cast

from rowfeed.access.address import Address
from rowfeed.access.forks import calling
from rowfeed.access.sockets import HeldSocket, opening
from rowfeed.dialects import open_session
from rowfeed.dialects.session import Session
from rowfeed.errors import DatabaseError
from rowfeed.reading.notice import Notice
from rowfeed.reading.shortage import start

GRACE_S = 2.0
"""Seconds that a call has to end after it was interrupted."""

AGAIN_S = 0.1
"""Seconds after which it is interrupted again: between two statements, an engine has nothing to interrupt."""

T = TypeVar("T")

Calls: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]"


class SessionThread:
    """A session, opened, used and closed on a thread of its own. Belongs to the thread that made it.

    Only `interrupt` may be called from another.

    Args:
        address: The server.
        notice: Told of when a call lasts long.
    """

    def __init__(self, address: Address, notice: Notice) -> None:
        self._address, self._notice = address, notice
        self._socket = HeldSocket()
        self._interrupted: Future[None] = Future()
        self._running: Future[Any] | None = None
        self._calls: Calls = SimpleQueue()
        self._finalizer = weakref.finalize(self, self._calls.put, None)
        self.opened: Session | None = None
        self._thread = threading.Thread(target=_run, args=(self._calls,), name="rowfeed-session", daemon=True)
        start(self._thread)
        self.session = cast("Session", _Calling(self))
        """The session: each of its methods runs on the thread."""

    @property
    def is_left(self) -> bool:
        """Whether the thread was given up and still runs."""
        return not self._finalizer.alive and self._thread.is_alive()

    def open(self) -> None:
        """Open the session.

        Raises:
            DatabaseError: The server refused, or did not answer in time.
        """
        self.call(self._open)

    def _open(self) -> None:
        opening.set(self._socket)
        self.opened = open_session(self._address)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the thread.

        Raises:
            DatabaseError: It takes longer than `timeout_s`, or was interrupted.
        """
        running = self._start(function)
        end, either = time.monotonic() + self._address.timeout_s, [cast("Future[Any]", running), self._interrupted]
        while not wait(either, min(end - time.monotonic(), self._notice.left_s), FIRST_COMPLETED).done:
            if time.monotonic() >= end:
                break
            self._notice.tell()
        if running.done():
            return running.result()
        interrupted = self._interrupted.done()
        has_ended = self._end(running)
        if interrupted:
            raise DatabaseError(f"{self._address.label}: reading was stopped.")
        late = DatabaseError(
            f"expected an answer from {self._address.label} within timeout_s={self._address.timeout_s:g}; got none. "
            "The server or the network has stalled, or the query needs longer: check them, or pass a larger timeout_s "
            f"to rowfeed.connect.{'' if has_ended else ' ' + self._left_behind}"
        )
        late.transient = self._address.url.host is not None if self.opened is None else self.opened.remote
        raise late from (running.exception() if has_ended else None)

    @property
    def _left_behind(self) -> str:
        driver = self._address.url.drivername if self.opened is None else self.opened.driver
        return f"{driver} cannot be stopped: a thread and its connection are left behind until it returns."

    def interrupt(self) -> None:
        """End the running call, and every later one, with an error."""
        with suppress(InvalidStateError):  # it was interrupted before
            self._interrupted.set_result(None)

    def close(self) -> None:
        """Close the session and end the thread; if a call does not end, they do so by themselves when it does."""
        if not self._finalizer.alive:
            return
        running = self._running
        if running is None or running.done() or self._end(running):
            closing = self._start(self._close)
            wait((closing,), GRACE_S)
            if closing.done() or self._end(closing):
                self._finalizer()
                self._thread.join()
                return
        self._start(self._close)
        self._finalizer()

    def _close(self) -> None:
        if self.opened is not None:
            self.opened.close()

    def _start(self, function: Callable[[], T]) -> Future[T]:
        self._running = running = Future[T]()
        inside = self.opened is not None and not self.opened.remote
        interrupt = self.opened.interrupt if self.opened is not None and inside else None
        self._calls.put((running, partial(calling, function, interrupt)))
        return running

    def _end(self, running: Future[Any]) -> bool:
        """End a running call; False if it goes on."""
        end = time.monotonic() + GRACE_S
        while not running.done() and time.monotonic() < end:
            with suppress(Exception):  # a broken connection cannot be interrupted, and need not be
                (self._socket.shut_down if self.opened is None else self.opened.interrupt)()
            wait((running,), AGAIN_S)
        return running.done()


class _Calling:
    """A session's attributes; its methods run on its thread."""

    def __init__(self, thread: SessionThread) -> None:
        self._thread = thread

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thread.opened, name)
        if not callable(found):
            return found
        return lambda *arguments, **options: self._thread.call(partial(found, *arguments, **options))


def _run(calls: Calls) -> None:
    """Run calls until there is None."""
    while (call := calls.get()) is not None:
        running, function = call
        try:
            running.set_result(function())
        except BaseException as error:
            running.set_exception(error)
        del call, running, function  # a thread that waits holds nothing

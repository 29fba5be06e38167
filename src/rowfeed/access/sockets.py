"""The socket under a driver's connection, so that any thread can end a call that waits for a silent network.

Most drivers offer no way to stop a call from another thread. But a call that waits for the network ends at once if its
socket is shut down, whatever the driver.
"""

from __future__ import annotations

import os
import socket
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any

DEPTH, MOST = 3, 300
"""The attributes of attributes that are looked at for a socket, and the most objects."""


class HeldSocket:
    """A second handle of a connection's socket. Any thread may use it, at any time.

    The handle is a duplicate: the driver's own number may belong to another file as soon as the driver has closed it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._is_down = False

    @property
    def found(self) -> bool:
        """Whether there is a socket to shut down."""
        return self._socket is not None

    def hold(self, driver: Any) -> None:
        """Look for the socket of a driver's connection. If it should be down already, it is shut down at once."""
        descriptor = descriptor_of(driver)
        if descriptor is None:
            return
        with self._lock:
            self._release()
            with suppress(OSError):
                blocking = os.get_blocking(descriptor)
                self._socket = socket.socket(fileno=os.dup(descriptor))
                os.set_blocking(descriptor, blocking)  # a time-out that the user has set for all new sockets changes it
        if self._is_down:
            self.shut_down()

    def shut_down(self) -> None:
        """End what waits for the network; the connection is unusable afterwards. Harmless if it is closed."""
        self._is_down = True
        with self._lock, suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


opening: ContextVar[HeldSocket | None] = ContextVar("opening", default=None)
"""The holder of the socket of a connection that this thread opens: it can be stopped before there is a session."""


def descriptor_of(driver: Any) -> int | None:
    """The number of the socket of a driver's connection; None if none is found.

    Drivers have it from `fileno()` (psycopg, psycopg2, mysqlclient) or keep a socket among their attributes (PyMySQL,
    pg8000, mysql-connector); a driver in C may hide it.
    """
    for found in _reachable(driver):
        with suppress(Exception):  # a closed connection has none; and whatever a property of a driver raises
            number = found if isinstance(found, int) else found.fileno()
            if not isinstance(number, bool) and number >= 0 and stat.S_ISSOCK(os.fstat(number).st_mode):
                return int(number)
    return None


def _reachable(driver: Any) -> Iterator[Any]:
    """A driver's connection and what its attributes hold, the nearest first."""
    left, seen = deque([(driver, 0)]), set[int]()
    while left and len(seen) < MOST:
        one, depth = left.popleft()
        module = type(one).__module__.partition(".")[0]
        if id(one) in seen or isinstance(one, type) or module in ("builtins", "logging", "threading", "asyncio"):
            continue
        seen.add(id(one))
        yield one
        if module == "mariadb":
            with suppress(Exception):
                made = one.socket  # a new object each time, which would close the driver's socket when it goes
                yield made.detach() if isinstance(made, socket.socket) else made
        if depth < DEPTH and not isinstance(one, socket.socket):
            names = [*getattr(one, "__dict__", ()), *getattr(type(one), "__slots__", ())]
            left += [(getattr(one, name, None), depth + 1) for name in names]

"""Forks. A child process has one thread, but all locks and connections as they were at the moment of the fork.

- What belongs to threads or connections notes the `generation`, and refuses or forgets them in a later one.
- Locks that are held for microseconds are one lock, `short_lock`, which a fork waits for. So no child finds it taken.
- Engines inside the process have locks of their own, which nobody can free in a child: SQLite then hangs while it
  opens a file. So a fork waits until no thread is in a call of a driver. After `PATIENCE_S` it interrupts the calls of
  engines inside the process, which are made again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

PATIENCE_S = 0.5
"""Seconds that a fork waits for calls, longer than most requests take."""

GRACE_S = 2.0
"""Seconds that it waits for calls that were interrupted. Then it happens all the same."""

AGAIN_S = 0.05
"""Seconds after which a call is interrupted again: between two statements there is nothing to interrupt."""

T = TypeVar("T")

short_lock = threading.RLock()
"""For critical sections of microseconds, which wait for nothing else."""

generation = 0
"""The number of forks from the first process to this one."""

_left_alone: list[Any] = []


def leave_alone(inherited: Any) -> None:
    """Keep what is the parent's for as long as this process lives: freeing a connection would say good-bye on it."""
    _left_alone.append(inherited)


class _Call:
    """A call of a driver, and whether a fork has interrupted it."""

    def __init__(self, interrupt: Callable[[], None] | None) -> None:
        self.interrupt, self.interrupted = interrupt, False


class _Calls:
    """The calls that run now, by their threads, and the number of forks that wait for them."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.running: dict[int, _Call] = {}
        self.forks = 0

    def others(self) -> list[_Call]:
        """The calls on other threads than this one."""
        return [call for thread, call in self.running.items() if thread != threading.get_ident()]

    def wait(self, seconds: float) -> bool:
        """Wait until there are no others; whether there are none."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.others(), seconds)


_calls = _Calls()


def calling(function: Callable[[], T], interrupt: Callable[[], None] | None) -> T:
    """The result of a call of a driver, which begins when no fork is due.

    Args:
        function: The call. It is made again if a fork had to interrupt it.
        interrupt: How to do so; None: a fork may happen meanwhile, since the call only waits for a network.
    """
    thread = threading.get_ident()
    while True:
        call = _Call(interrupt)
        with _calls.changed:
            _calls.changed.wait_for(lambda: not _calls.forks)
            _calls.running[thread] = call
        try:
            return function()
        except Exception:
            if not call.interrupted:
                raise
        finally:
            with _calls.changed:
                _calls.running.pop(thread, None)  # it may be a child's thread that forked in a call
                if _calls.forks:
                    _calls.changed.notify_all()


def _before() -> None:
    with _calls.changed:
        _calls.forks += 1
    try:
        if not _calls.wait(PATIENCE_S):
            _interrupt_calls()
    finally:
        short_lock.acquire()


def _interrupt_calls() -> None:
    end = time.monotonic() + GRACE_S
    while time.monotonic() < end:
        with _calls.changed:
            calls = [call for call in _calls.others() if call.interrupt is not None]
        for call in calls:
            call.interrupted = True
            with suppress(Exception):
                call.interrupt()  # type: ignore[misc]
        if not calls or _calls.wait(AGAIN_S):
            return


def _in_parent() -> None:
    short_lock.release()
    with _calls.changed:
        _calls.forks -= 1
        _calls.changed.notify_all()


def _in_child() -> None:
    global generation
    generation += 1
    _calls.__init__()  # type: ignore[misc]
    short_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

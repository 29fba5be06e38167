"""A further thread or connection that cannot be had: reading goes on with those that it has."""

from __future__ import annotations

import logging
import threading

from rowfeed.errors import DatabaseError
from rowfeed.reading.stats import Counters

_log = logging.getLogger("rowfeed")


def start(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        DatabaseError: The system gives no further one.
    """
    try:
        thread.start()
    except RuntimeError as error:
        short = DatabaseError(
            f"expected a thread to read with; got RuntimeError: {error}. The system gives no further one, with "
            f"{threading.active_count()} in Python: end some, raise the limits of processes (ulimit -u) or of memory, "
            "or pass fewer connections=."
        )
        short.no_connection_left = True
        raise short from error


def go_on_with(count: int, counters: Counters, error: DatabaseError) -> None:
    """Note that a further connection was given up. The first one of a feed is logged."""
    if not counters.snapshot().connections_refused:
        _log.warning("%s Reading goes on with %d connection%s.", error, count, "s" * (count != 1))
    counters.add(connections_refused=1)

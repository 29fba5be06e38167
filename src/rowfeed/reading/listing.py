"""The sample ids of a table. Several sessions list parts of them at the same time, if an index finds each part.

A server goes through an index on one core, and before its first batch a feed waits for this list only.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from rowfeed.access.address import Address
from rowfeed.dialects.session import Session
from rowfeed.errors import DatabaseError
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.shortage import go_on_with
from rowfeed.reading.stats import Counters
from rowfeed.request.source import Source
from rowfeed.values.ids import Ids, merged

T = TypeVar("T")

LEAST_NUMBERS = 100_000
"""The least span from the first id to the last that is worth another connection."""


def list_ids(
    session: Session, address: Address, connections: int, counters: Counters, source: Source, column: str
) -> Ids:
    """The distinct ids of a column, ascending.

    Args:
        session: The session that lists the first part, or all.
        address: The server, for opening further sessions.
        connections: The most sessions, including this one.
        counters: The counters of further attempts.
        source: The rows.
        column: The column with the ids.

    Raises:
        DataError: One is NULL.
        SchemaError: They are not of one kind, or their kind cannot be an id.
    """
    ends = session.id_ends(source, column) if connections > 1 else None
    if ends is None or ends[1] - ends[0] < LEAST_NUMBERS:
        return session.sample_ids(source, column)
    first, *others = source.cut(column, *ends, connections)
    retriers = [Retrier(address, counters=counters) for _ in others]

    def listed(retrier: Retrier, part: Source) -> Ids | None:
        try:
            with retrier:
                return retrier.run(lambda own: own.session.sample_ids(part, column), is_spare=lambda: True)
        except DatabaseError as error:
            if not error.no_connection_left:
                raise
            go_on_with(1, counters, error)
            return None

    with ThreadPoolExecutor(len(retriers), thread_name_prefix="rowfeed-lister") as pool:
        try:
            running = [_submitted(pool, partial(listed, *pair)) for pair in zip(retriers, others, strict=True)]
            parts = [session.sample_ids(first, column)]
            for part, future in zip(others, running, strict=True):
                ids = None if future is None else future.result()
                parts.append(session.sample_ids(part, column) if ids is None else ids)
        except BaseException:
            for retrier in retriers:
                retrier.interrupt()
            raise
    return merged(parts, f"{source.label}.{column}")


def _submitted(pool: ThreadPoolExecutor, function: Callable[[], T]) -> Future[T] | None:
    """A running call; None if the system gives no thread for it."""
    try:
        return pool.submit(function)
    except RuntimeError:
        return None

"""The sample ids of a table, in parts that several sessions list at the same time where an index finds each of them.

Going through an index takes a server one core, and a feed waits for nothing else before its first batch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from rowfeed.access.address import Address
from rowfeed.dialects.session import Session
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.stats import Counters
from rowfeed.request.source import Source
from rowfeed.values.ids import Ids, merged

LEAST_NUMBERS = 100_000
"""From the first id to the last, for another connection to be worth opening."""


def list_ids(
    session: Session, address: Address, connections: int, counters: Counters, source: Source, column: str
) -> Ids:
    """The distinct ids of a column, ascending.

    Args:
        session: Lists the first part, or all.
        address: Where further sessions are opened.
        connections: How many sessions there may be, this one included.
        counters: Are told of each further attempt.
        source: The rows.
        column: The column with the ids.

    Raises:
        DataError: One is NULL.
        SchemaError: They are not of one kind, or of none that can be an id.
    """
    ends = session.id_ends(source, column) if connections > 1 else None
    if ends is None or ends[1] - ends[0] < LEAST_NUMBERS:
        return session.sample_ids(source, column)
    first, *others = source.cut(column, *ends, connections)
    retriers = [Retrier(address, counters=counters) for _ in others]

    def listed(retrier: Retrier, part: Source) -> Ids:
        with retrier:
            return retrier.run(lambda own: own.session.sample_ids(part, column))

    with ThreadPoolExecutor(len(retriers), thread_name_prefix="rowfeed-lister") as pool:
        try:
            running = [pool.submit(listed, *pair) for pair in zip(retriers, others, strict=True)]
            parts = [session.sample_ids(first, column), *(part.result() for part in running)]
        except BaseException:
            for retrier in retriers:
                retrier.interrupt()
            raise
    return merged(parts, f"{source.label}.{column}")

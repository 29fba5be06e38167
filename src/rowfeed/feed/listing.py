"""The sample ids of a table, in shares that several sessions list at the same time where an index finds each of them.

Going through an index takes a server one core, and a feed waits for nothing else before its first batch.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rowfeed.database.database import Database
from rowfeed.reading.reader import Reader
from rowfeed.reading.stats import Counters
from rowfeed.request.source import Source
from rowfeed.values.ids import Ids, merged

if TYPE_CHECKING:
    from rowfeed.dialects.session import Session

LEAST_NUMBERS = 100_000
"""From the first id to the last, for another connection to be worth opening."""


def list_ids(
    session: Session, database: Database, connections: int, counters: Counters, source: Source, column: str
) -> Ids:
    """The distinct ids of a column, ascending.

    Args:
        session: Lists the first share, or all.
        database: Where further sessions are opened.
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
    first, *others = source.shares(column, *ends, connections)
    readers = [Reader(database, counters=counters) for _ in others]

    def listed(reader: Reader, share: Source) -> Ids:
        with reader:
            return reader.run(lambda own: own.sample_ids(share, column))

    with ThreadPoolExecutor(len(readers), thread_name_prefix="rowfeed-lister") as pool:
        try:
            running = [pool.submit(listed, *pair) for pair in zip(readers, others, strict=True)]
            parts = [session.sample_ids(first, column), *(share.result() for share in running)]
        except BaseException:
            for reader in readers:
                reader.interrupt()
            raise
    return merged(parts, f"{source.label}.{column}")

"""How to list the ids of an index without reading all of its rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rowfeed.request.source import Source


def skip_scan(source: Source, column: str, after: Any = None) -> sa.Select[Any]:
    """The distinct ids of an indexed column, each found from the one before: one step per id, however many its rows.

    Source: wiki.postgresql.org/wiki/Loose_indexscan.

    Args:
        source: A table whose ids are not NULL.
        column: Its ids.
        after: Only ids above this one; None: all.
    """

    def ids(name: str) -> sa.ColumnElement[Any]:
        return source.select({"sample": column}).subquery(name).c.sample

    rows, later = ids("r"), ids("l")
    first = sa.select(rows).where(rows.is_not(None) if after is None else rows > after)
    begin = first.order_by(rows).limit(1).subquery("f")
    walk = sa.select(begin.c.sample).cte("w", recursive=True)
    following = sa.select(later).where(later > walk.c.sample).order_by(later).limit(1).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.sample.is_not(None)))
    return sa.select(walk.c.sample).where(walk.c.sample.is_not(None))

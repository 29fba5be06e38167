"""The samples of a feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from rowfeed.errors import ArgumentError
from rowfeed.messages import brief, discreetly_made, may_hold_secret
from rowfeed.request.source import Source, TableLike, Where
from rowfeed.values.given_ids import GivenIds


@discreetly_made
@dataclass(frozen=True, eq=False)
class Samples:
    """The sample ids in a column of another table, so that samples without rows are known too.

    Args:
        table: A table name, `"schema.table"`, or a SQLAlchemy selectable.
        column: The column with the ids: integers, text, UUIDs, bytes or dates, no NULL. Repeated ids count once.
        where: The rows that count: SQL text, or a SQLAlchemy expression. Default: all.

    Example:
        ```python
        users = rowfeed.Samples("USER_MATRIX_USERS", "user_id", where="cells > 0")
        feed = rowfeed.Feed(db, x=grid, samples=users)
        ```
    """

    table: TableLike
    column: str
    where: Where = None
    source: Source = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column or may_hold_secret(self.column):
            raise ArgumentError(
                f"expected the name of a column; got column={brief(self.column)}. Name the column with the ids."
            )
        object.__setattr__(self, "source", Source(self.table, self.where))


SamplesLike: TypeAlias = "Samples | GivenIds | None"

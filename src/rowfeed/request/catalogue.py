"""The questions that a layout may ask a database before it reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from rowfeed.request.selection import Value
from rowfeed.request.source import Source
from rowfeed.values.ids import IdKind


class Catalogue(Protocol):
    """Tables, their columns, keys and indexes, and the kinds of their ids."""

    def check(self, source: Source, columns: Iterable[str]) -> None:
        """Check that the table and its columns are there.

        Raises:
            SchemaError: One is missing. The text names similar ones.
        """

    def sample_kind(self, source: Source, column: str) -> IdKind | None:
        """The kind of the ids in a column, judged by the first row; None without rows."""

    def indexed(self, source: Source, column: str) -> bool:
        """Whether an index of a table starts with a column; False if that is unknown."""

    def missing_index(self, source: Source, column: str) -> str | None:
        """The CREATE INDEX that would let requests find their samples; None if there is one, or if that is unknown."""

    def primary_key(self, source: Source) -> tuple[str, ...]:
        """The columns of the table's declared primary key; none for a view or a selectable."""

    def numbers(self, source: Source, column: str) -> np.dtype[Any] | None:
        """The numbers that a column holds: int64 or uint64 if only integers, float64 if only reals; None: any."""

    def ordering(self, source: Source, columns: Iterable[str]) -> tuple[Value, ...]:
        """Columns as values that order rows, each in a dtype that keeps the order of its column.

        Integers, reals, dates and times in their own order, text by code point, bytes bytewise.

        Raises:
            SchemaError: A column has no such order.
        """

"""How `write` fills a table: the types of its columns, the inserted objects, and the values that no column keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.dialects.gate import Gate
from rowfeed.errors import ArgumentError
from rowfeed.values.dates import is_date, unit_of
from rowfeed.values.ids import IdKind, Ids, objects_of


class Writing(Gate):
    """The columns and statements of standard SQL; an engine's session overrides those that differ."""

    storable_dates: ClassVar[dict[str, tuple[Any, Any]]] = {
        "M": (np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")),
        "m": (np.timedelta64(0, "us"), np.timedelta64(86_399_999_999, "us")),
    }
    """The first and the last date, and time, of the columns that `write` creates."""

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """A mask of the values that a column of the engine would silently change: bool, in the shape of the values."""
        if not is_date(values.dtype):
            return np.zeros(values.shape, bool)
        low, high = (np.array(bound).astype(values.dtype) for bound in self.storable_dates[values.dtype.kind])
        return np.asarray((values < low) | (values > high))

    def value_objects(self, values: npt.NDArray[Any]) -> list[Any]:
        """Values as the objects that `write` inserts."""
        if not is_date(values.dtype):
            return list(values.tolist())
        days = values.dtype.kind == "M" and unit_of(values.dtype) == "D"
        objects: list[Any] = values.astype(f"{values.dtype.kind}8[{'D' if days else 'us'}]").tolist()
        return objects if values.dtype.kind == "M" else self.clock_objects(objects)

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        """Times of day as the objects that `write` inserts."""
        return [(datetime.min + elapsed).time() for elapsed in times]

    has_uuids = False
    """Whether `write` makes a column of UUIDs, instead of text, for ids that are UUIDs."""

    has_dates = True
    """Whether `write` makes a column of dates, instead of text, for ids that are dates."""

    def key_type(self, ids: Ids, kind: IdKind) -> Any:
        """The type of the sample column that `write` creates.

        Raises:
            DataError: The engine has no type for them.
        """
        if kind is IdKind.INTEGERS:
            return sa.BigInteger() if ids.dtype == np.int64 else sa.Numeric(20, 0)
        if kind is IdKind.UUIDS and self.has_uuids:
            return sa.UUID()
        if kind is IdKind.DATES and self.has_dates:
            return sa.Date()
        longest = max(1, *map(len, ids.tolist())) if ids.size else 1
        return sa.LargeBinary(-(-longest // 2)) if kind is IdKind.BYTES else sa.String(longest)

    def key_objects(self, ids: Ids, kind: IdKind) -> list[Any]:
        """Sample ids as the objects that `write` inserts."""
        has_none = {IdKind.UUIDS: not self.has_uuids, IdKind.DATES: not self.has_dates}
        return objects_of(ids, IdKind.TEXT if has_none.get(kind) else kind)

    def table_options(self) -> dict[str, Any]:
        """Options of the table that `write` creates, as arguments of `sqlalchemy.Table`."""
        return {}

    def write(self, table: sa.Table, chunks: Iterator[tuple[list[Any], ...]], if_exists: str) -> int:
        """Create the table and fill it, in one transaction.

        Args:
            table: The table to create.
            chunks: Rows as equally long lists, one per column of the table.
            if_exists: `fail`, `append` or `replace`.

        Returns:
            The number of rows that were written.
        """
        written = 0
        with self._translated(), self._transaction():
            exists = sa.inspect(self._connection).has_table(table.name, schema=self._schema(table.schema))
            if exists and if_exists == "fail":
                raise ArgumentError(
                    f"expected no table {table.fullname!r} yet; got one in {self._label}. "
                    'Pass if_exists="append" or "replace".'
                )
            if exists and if_exists == "replace":
                table.drop(self._connection)
            if not exists or if_exists == "replace":
                table.create(self._connection)
            for columns in chunks:
                self._insert(table, columns)
                written += len(columns[0])
        return written

    def _transaction(self) -> AbstractContextManager[Any]:
        """A transaction that includes a new table, if the engine can do that."""
        return self._connection.begin()

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        names = [column.name for column in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        if rows:
            self._connection.execute(table.insert(), rows)

"""How `write` fills a table of SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.dialects import writing
from rowfeed.errors import DataError
from rowfeed.values.dates import clock
from rowfeed.values.ids import IdKind, Ids


class Writing(writing.Writing):
    """The part of a session that knows the columns of SQLite, and how to fill them."""

    has_dates = False

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """NaN becomes NULL, -0.0 becomes 0.0, and integers end at 2^63 - 1."""
        if values.dtype.kind == "f":
            return np.asarray(np.isnan(values) | ((values == 0) & np.signbit(values)))
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

    def key_type(self, ids: Ids, kind: IdKind) -> Any:
        if ids.dtype == np.uint64:
            raise DataError(
                f"expected ids that sqlite stores unchanged, below 2^63; got {ids.max()} among ids. Pass text ids."
            )
        return super().key_type(ids, kind)

    def value_objects(self, values: npt.NDArray[Any]) -> list[Any]:
        """Dates as the text that SQLite's own functions understand."""
        objects = super().value_objects(values)
        if values.dtype.kind != "M":
            return objects
        return [str(day) if type(day) is date else day.isoformat(" ", "microseconds") for day in objects]

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        return [clock(elapsed) for elapsed in times]

    def table_options(self) -> dict[str, Any]:
        return {"sqlite_with_rowid": False}

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        statement = str(self._compiled(table.insert()))
        rows = list(zip(*columns, strict=True))
        if rows:
            self._connection.exec_driver_sql(statement, rows)

    def _transaction(self) -> AbstractContextManager[Any]:
        transaction = self._connection.begin()
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none for CREATE TABLE
        return transaction

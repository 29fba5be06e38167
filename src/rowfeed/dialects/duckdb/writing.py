"""How `write` fills a table of DuckDB: whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.dialects import writing
from rowfeed.values.dates import clock
from rowfeed.values.ids import IdKind, Ids, objects_of


class UnsignedBigInteger(sa.types.UserDefinedType[int]):
    """UBIGINT."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UBIGINT"


class Writing(writing.Writing):
    """The part of a session that knows the columns of DuckDB, and how to fill them."""

    _own: bool
    """Whether the connection is one of DuckDB's own Python API."""
    _driver: Any

    has_uuids = True

    def key_type(self, ids: Ids, kind: IdKind) -> Any:
        return UnsignedBigInteger() if ids.dtype == np.uint64 else super().key_type(ids, kind)

    def key_objects(self, ids: Ids, kind: IdKind) -> list[Any]:
        """UUIDs as text, which INSERT casts; DuckDB scans no array of them."""
        return objects_of(ids, IdKind.TEXT if kind is IdKind.UUIDS else kind)

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Integers end at 2^63 - 1, as the column type is a signed one."""
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        return [clock(elapsed) for elapsed in times]

    def _transaction(self) -> AbstractContextManager[Any]:
        transaction = self._connection.begin()
        if self._own:
            self._driver.begin()
        return transaction

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        if not self._own:
            super()._insert(table, columns)
        elif columns[0]:
            self._driver.insert(self._connection.dialect.identifier_preparer, table, _arrays(table, columns))


def _arrays(table: sa.Table, columns: tuple[list[Any], ...]) -> list[npt.NDArray[Any]]:
    """The columns of a table as the arrays that DuckDB can scan."""
    dtypes = {
        UnsignedBigInteger: "u8",
        sa.SmallInteger: "i2",
        sa.Integer: "i4",
        sa.BigInteger: "i8",
        sa.REAL: "f4",
        sa.Double: "f8",
        sa.Date: "M8[us]",
        sa.DateTime: "M8[us]",
    }
    types = [type(column.type) for column in table.columns]
    return [np.array(data, dtypes.get(kind, object)) for kind, data in zip(types, columns, strict=True)]

"""What `write` makes of ids and values: the types of columns, what is inserted, and what no column would keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.values.dates import is_date, unit_of
from rowfeed.values.ids import IdKind, Ids, objects_of


class Storage:
    """Standard SQL's columns; an engine's session overrides what its own do otherwise."""

    storable_dates: ClassVar[dict[str, tuple[Any, Any]]] = {
        "M": (np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")),
        "m": (np.timedelta64(0, "us"), np.timedelta64(86_399_999_999, "us")),
    }
    """The first and the last date, and time, of the columns that `write` creates."""

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which of these values a column of the engine would change in silence: bool, shaped as the values."""
        if not is_date(values.dtype):
            return np.zeros(values.shape, bool)
        low, high = (np.array(bound).astype(values.dtype) for bound in self.storable_dates[values.dtype.kind])
        return np.asarray((values < low) | (values > high))

    def value_objects(self, values: npt.NDArray[Any]) -> list[Any]:
        """Values as `write` inserts them."""
        if not is_date(values.dtype):
            return list(values.tolist())
        days = values.dtype.kind == "M" and unit_of(values.dtype) == "D"
        objects: list[Any] = values.astype(f"{values.dtype.kind}8[{'D' if days else 'us'}]").tolist()
        return objects if values.dtype.kind == "M" else self.clock_objects(objects)

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        """Times of day as `write` inserts them."""
        return [(datetime.min + elapsed).time() for elapsed in times]

    has_uuids = False
    """Whether `write` makes a column of UUIDs, and not one of text, for ids that are UUIDs."""

    def key_type(self, ids: Ids, kind: IdKind) -> Any:
        """The type of the sample column that `write` creates.

        Raises:
            DataError: The engine has none.
        """
        if kind is IdKind.INTEGERS:
            return sa.BigInteger() if ids.dtype == np.int64 else sa.Numeric(20, 0)
        if kind is IdKind.UUIDS and self.has_uuids:
            return sa.UUID()
        longest = max(1, *map(len, ids.tolist())) if ids.size else 1
        return sa.LargeBinary(-(-longest // 2)) if kind is IdKind.BYTES else sa.String(longest)

    def key_objects(self, ids: Ids, kind: IdKind) -> list[Any]:
        """Sample ids as `write` inserts them."""
        return objects_of(ids, IdKind.TEXT if kind is IdKind.UUIDS and not self.has_uuids else kind)

    def table_options(self) -> dict[str, Any]:
        """Options of the table that `write` creates, as `sqlalchemy.Table` takes them."""
        return {}

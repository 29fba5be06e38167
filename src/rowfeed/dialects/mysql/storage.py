"""What `write` makes of ids and values on MariaDB and MySQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from rowfeed.dialects import storage
from rowfeed.values.dates import clock


def column_type(given: Any, collation: str | None) -> Any:
    """The server's own type for one that `write` asks for."""
    if isinstance(given, sa.String):
        return mysql.VARCHAR(given.length, charset="utf8mb4", collation=collation or "utf8mb4_bin")
    if isinstance(given, (sa.DateTime, sa.Time)):
        return (mysql.DATETIME if isinstance(given, sa.DateTime) else mysql.TIME)(fsp=6)
    if isinstance(given, sa.LargeBinary):
        return mysql.VARBINARY(given.length)
    if isinstance(given, sa.Numeric) and not isinstance(given, sa.Float):
        return mysql.BIGINT(unsigned=True)
    return mysql.FLOAT() if isinstance(given, sa.REAL) else given


class Storage(storage.Storage):
    """The part of a session that knows what the server's columns keep."""

    storable_dates: ClassVar = {
        **storage.Storage.storable_dates,
        "m": (np.timedelta64(-3_020_399, "s"), np.timedelta64(3_020_399, "s")),  # 838:59:59
    }

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        return [clock(elapsed) for elapsed in times]

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """NaN and infinity are refused, -0.0 becomes 0.0, and integers end at 2^63 - 1 in the columns of `write`."""
        if values.dtype.kind == "f":
            return np.asarray(~np.isfinite(values) | ((values == 0) & np.signbit(values)))
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

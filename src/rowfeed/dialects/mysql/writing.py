"""How `write` stores ids and values in MariaDB and MySQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.util import memoized_property

from rowfeed.dialects import writing
from rowfeed.dialects.mysql.drivers import speak
from rowfeed.dialects.mysql.server import Server
from rowfeed.dialects.mysql.server import writing as writing_settings
from rowfeed.values.dates import clock

STATEMENT_BYTES = 2**20
"""The length limit of a statement, even if the server would accept more."""

LITERAL_BYTES = 25
"""The most bytes of a number in a statement, with its comma: a sign, 17 digits and an exponent."""


def column_type(given: Any, collation: str | None) -> Any:
    """The server's own type for a type that `write` asks for."""
    if isinstance(given, sa.String):
        return mysql.VARCHAR(given.length, charset="utf8mb4", collation=collation or "utf8mb4_bin")
    if isinstance(given, (sa.DateTime, sa.Time)):
        return (mysql.DATETIME if isinstance(given, sa.DateTime) else mysql.TIME)(fsp=6)
    if isinstance(given, sa.LargeBinary):
        return mysql.VARBINARY(given.length)
    if isinstance(given, sa.Numeric) and not isinstance(given, sa.Float):
        return mysql.BIGINT(unsigned=True)
    return mysql.FLOAT() if isinstance(given, sa.REAL) else given


class Writing(writing.Writing):
    """The part of a session that knows the limits of the server's columns, and how to fill them."""

    _server: Server

    @memoized_property
    def _packet(self) -> int:
        """The length limit of a statement, in bytes."""
        packet = int(self._connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar_one())
        return min(STATEMENT_BYTES, packet - 1)

    storable_dates: ClassVar = {
        **writing.Writing.storable_dates,
        "m": (np.timedelta64(-3_020_399, "s"), np.timedelta64(3_020_399, "s")),  # 838:59:59
    }

    def clock_objects(self, times: Sequence[timedelta]) -> list[Any]:
        return [clock(elapsed) for elapsed in times]

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """NaN, infinity, -0.0 (it becomes 0.0), and integers above 2^63 - 1, the limit of the columns of `write`."""
        if values.dtype.kind == "f":
            return np.asarray(~np.isfinite(values) | ((values == 0) & np.signbit(values)))
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

    def write(self, table: sa.Table, chunks: Iterator[tuple[list[Any], ...]], if_exists: str) -> int:
        """Fill a new table under a temporary name, and rename it when it is complete.

        CREATE TABLE is not part of a transaction here. This way a failure leaves no incomplete table, and `replace`
        leaves no gap.
        """
        for column in table.columns:
            column.type = column_type(column.type, self._server.exact_collation)
        with self._translated():
            speak(self._connection, self._connection.connection.dbapi_connection)
            self._connection.exec_driver_sql(f"SET SESSION {writing_settings(self._connection.dialect)}")
            exists = sa.inspect(self._connection).has_table(table.name, schema=self._schema(table.schema))
            self._connection.rollback()
            if exists and if_exists != "replace":
                return super().write(table, chunks, if_exists)
            new = table.to_metadata(sa.MetaData(), name=f"rowfeed_{secrets.token_hex(8)}")
            old = table.to_metadata(sa.MetaData(), name=f"rowfeed_{secrets.token_hex(8)}")
            try:
                written = super().write(new, chunks, "fail")
                self._rename((table, old), (new, table)) if exists else self._rename((new, table))
            except BaseException:
                new.drop(self._connection, checkfirst=True)
                raise
            old.drop(self._connection, checkfirst=True)
            self._connection.commit()
        return written

    def _rename(self, *pairs: tuple[sa.Table, sa.Table]) -> None:
        name = self._formatted
        self._connection.exec_driver_sql(
            f"RENAME TABLE {', '.join(f'{name(before)} TO {name(after)}' for before, after in pairs)}"
        )

    def table_options(self) -> dict[str, Any]:
        return {f"{self.engine_name}_engine": "InnoDB", f"{self.engine_name}_charset": "utf8mb4"}

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        """Many rows in one INSERT: numbers as literals, all other values through the driver, which quotes them.

        The statement is built here: SQLAlchemy names parameters after columns, whose names may be anything.
        """
        dialect = self._connection.dialect
        names = ", ".join(map(dialect.identifier_preparer.format_column, table.columns))
        insert = f"INSERT INTO {self._formatted(table)} ({names}) VALUES "  # noqa: S608
        rows = list(zip(*columns, strict=True))
        if rows and all(isinstance(value, (int, float)) for value in rows[0]):  # a column is of one type
            row = f"({','.join(['%r'] * len(columns))})"
            step = max(1, (self._packet - len(insert.encode())) // (LITERAL_BYTES * len(columns)))
            for start in range(0, len(rows), step):
                values = ",".join(map(row.__mod__, rows[start : start + step]))
                self._connection.exec_driver_sql(insert + values)
        elif rows:
            marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(columns))
            self._connection.exec_driver_sql(f"{insert}({marks})", rows)

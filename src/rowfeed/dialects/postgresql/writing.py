"""`write` on PostgreSQL: it fills a table with COPY in its binary format."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.dialects import writing
from rowfeed.values.ids import IdKind, Ids


class Writing(writing.Writing):
    """The part of a session that knows the limits of the server's columns, and how to fill them."""

    _binary: bool
    """Whether the driver is psycopg."""
    _driver: Any

    has_uuids = True

    def key_objects(self, ids: Ids, kind: IdKind) -> list[Any]:
        objects = super().key_objects(ids, kind)
        return [Decimal(number) for number in objects] if ids.dtype == np.uint64 else objects

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Integers above 2^63 - 1."""
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

    def write(self, table: sa.Table, chunks: Iterator[tuple[list[Any], ...]], if_exists: str) -> int:
        for column in table.columns:
            if isinstance(column.type, sa.String):
                column.type = sa.Text(collation="C")  # compares bytewise, as feeds do
        return super().write(table, chunks, if_exists)

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        if not self._binary:
            super()._insert(table, columns)
            return
        import psycopg.sql

        name = psycopg.sql.Identifier(*(part for part in (self._schema(table.schema), table.name) if part))
        names = psycopg.sql.SQL(", ").join(psycopg.sql.Identifier(column.name) for column in table.columns)
        statement = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(name, names)
        with self._translated(), self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            if not all(COPY_TYPES[type(column.type)][1] for column in table.columns):
                copy.set_types([COPY_TYPES[type(column.type)][0] for column in table.columns])
                for row in zip(*columns, strict=True):
                    copy.write_row(row)
            elif columns[0]:
                copy.write(_copy_binary(table, columns))


COPY_TYPES: dict[type[Any], tuple[str, str]] = {
    sa.Text: ("text", ""),
    sa.LargeBinary: ("bytea", ""),
    sa.UUID: ("uuid", ""),
    sa.Numeric: ("numeric", ""),
    sa.Date: ("date", ""),
    sa.DateTime: ("timestamp", ""),
    sa.Time: ("time", ""),
    sa.SmallInteger: ("int2", ">i2"),
    sa.Integer: ("int4", ">i4"),
    sa.BigInteger: ("int8", ">i8"),
    sa.REAL: ("float4", ">f4"),
    sa.Double: ("float8", ">f8"),
}
"""PostgreSQL's names for the types of the columns that `write` creates, and numpy's for those of fixed width."""


def _copy_binary(table: sa.Table, columns: tuple[list[Any], ...]) -> bytes:
    """Rows of numbers in the format of COPY BINARY: the number of fields, then the length and bytes of each.

    Source: postgresql.org/docs/current/sql-copy.html, "Binary Format".
    """
    kinds = [COPY_TYPES[type(column.type)][1] for column in table.columns]
    fields = [(f"{part}{i}", ">i4" if part == "n" else kind) for i, kind in enumerate(kinds) for part in "nv"]
    rows = np.empty(len(columns[0]), [("fields", ">i2"), *fields])
    rows["fields"] = len(columns)
    for i, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
        rows[f"n{i}"] = np.dtype(kind).itemsize
        rows[f"v{i}"] = column
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    return header + rows.tobytes() + b"\xff\xff"

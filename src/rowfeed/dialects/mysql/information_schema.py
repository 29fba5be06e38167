"""The catalogue of MariaDB and MySQL.

It is read from information_schema: that needs only the SELECT right, also for views, and takes any name. Reflection
parses DDL.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import memoized_property

from rowfeed.dialects.mysql.server import Server
from rowfeed.dialects.reflection import Reflection
from rowfeed.errors import SchemaError
from rowfeed.request.source import Source


class InformationSchema(Reflection):
    """The part of a session that reads the server's catalogue."""

    _server: Server

    def _column_names(self, inspector: sa.Inspector, schema: str | None, table: str) -> list[str]:
        if schema is None and inspector.default_schema_name is None:
            raise SchemaError(
                f"expected a database, {self._label}/game, or a table with its database, 'game.{table}'; got {table!r} "
                "alone. Name one of both."
            )
        found = self._catalogue("columns", "column_name", schema, table, "1 = 1 ORDER BY ordinal_position")
        if not found:
            raise sa.exc.NoSuchTableError(table)
        return found

    def primary_key(self, source: Source) -> tuple[str, ...]:
        place = self._place(source)
        if place is None:
            return ()
        key = "index_name = 'PRIMARY' ORDER BY seq_in_index"
        return tuple(self._catalogue("statistics", "column_name", *place, key))

    def _leading_columns(self, inspector: sa.Inspector, schema: str | None, table: str) -> set[str]:
        usable = "seq_in_index = 1 AND index_type IN ('BTREE', 'HASH') AND column_name IS NOT NULL"
        usable = f"{usable} AND {self._server.in_use}"
        return set(self._catalogue("statistics", "column_name", schema, table, usable))

    @memoized_property
    def _trees(self) -> dict[tuple[Source, str], bool]:
        """The results of `in_order` so far."""
        return {}

    def in_order(self, source: Source, column: str) -> bool:
        """Whether an index that starts with a column finds ranges of it: a hash, in MEMORY tables, finds none."""
        if (source, column) not in self._trees:
            place = self._place(source)
            tree = f"seq_in_index = 1 AND index_type = 'BTREE' AND {self._server.in_use}"
            found = [] if place is None else self._catalogue("statistics", "column_name", *place, tree)
            self._trees[source, column] = column in found
        return self._trees[source, column]

    def _catalogue(self, view: str, column: str, schema: str | None, table: str, condition: str = "1 = 1") -> list[str]:
        """The entries of information_schema for a table; empty if there is no such table."""
        rows = sa.table(view, schema="information_schema")
        query: sa.Select[Any] = sa.select(sa.literal_column(column)).select_from(rows)
        query = query.where(
            sa.literal_column("table_schema") == sa.func.coalesce(self._stored(schema), sa.func.database()),
            sa.literal_column("table_name") == self._stored(table),
            sa.literal_column(condition),
        )
        return [str(name) for name in self._execute(query).scalars()]

    @staticmethod
    def _stored(name: str | None) -> Any:
        """The name of a table or schema as the server stores it: some store lower case."""
        if name is None:
            return sa.null()
        lower = sa.literal_column("@@lower_case_table_names") == 1
        return sa.func.IF(lower, sa.func.lower(name), name)

"""A database's catalogue, as SQLAlchemy reflects it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import memoized_property

from rowfeed.dialects.gate import Gate
from rowfeed.errors import SchemaError
from rowfeed.messages import brief
from rowfeed.request.source import Source


class Reflection(Gate):
    """A catalogue by SQLAlchemy's reflection; an engine's session overrides it if its own catalogue tells more."""

    columns_ignore_case = False
    """Whether the engine takes `ID` for a column `id`, also when it is quoted."""

    def _folded(self, names: Iterable[str]) -> set[str]:
        """Names of columns in the form in which they are compared."""
        return {name.lower() for name in names} if self.columns_ignore_case else set(names)

    @memoized_property
    def _indexes(self) -> dict[tuple[str | None, str], set[str]]:
        """The results of `indexed` so far: the columns that an index of a table starts with."""
        return {}

    def check(self, source: Source, columns: Iterable[str]) -> None:
        """Check that the table and its columns are there.

        Raises:
            SchemaError: One is missing. The text names similar ones.
        """
        place = self._place(source)
        if place is None:
            source.select({str(i): name for i, name in enumerate(columns)})
            return
        schema, table = place
        with self._translated():
            inspector = sa.inspect(self._connection)
            try:
                found = self._column_names(inspector, schema, table)
            except sa.exc.NoSuchTableError:
                names = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
                raise SchemaError(
                    f"expected a table or view {brief(source.label)}; got none of that name in {self._label}."
                    f"{_close(table, names)}"
                ) from None
        for name in columns:
            if not self._folded([name]) <= self._folded(found):
                raise SchemaError(
                    f"expected a column {brief(name)} in {source.label}; got columns {found}.{_close(name, found)}"
                )

    def _column_names(self, inspector: sa.Inspector, schema: str | None, table: str) -> list[str]:
        return [column["name"] for column in inspector.get_columns(table, schema=schema)]

    def missing_index(self, source: Source, column: str) -> str | None:
        """The CREATE INDEX that would let requests find their samples; None if there is one, or if that is unknown."""
        place = self._place(source)
        if place is None:
            return None
        schema, table = place
        with self._translated():
            views = sa.inspect(self._connection).get_view_names(schema=schema)
            if self.indexed(source, column) or table.lower() in map(str.lower, views):
                return None
        described = sa.Table(table, sa.MetaData(), sa.Column(column, sa.Integer), schema=schema)
        dialect, name = self._connection.dialect, f"{table}_{column}"
        longest = dialect.max_index_name_length or dialect.max_identifier_length
        index = sa.Index(name if len(name) <= longest else f"{name[: longest - 4]}_idx", described.c[column])
        return self._as_sent(sa.schema.CreateIndex(index).compile(dialect=dialect))

    def indexed(self, source: Source, column: str) -> bool:
        """Whether an index of a table starts with a column; False if that is unknown.

        Asks the database once per session.
        """
        place = self._place(source)
        if place is None:
            return False
        if place not in self._indexes:
            with self._translated():
                self._indexes[place] = self._leading_columns(sa.inspect(self._connection), *place)
        return self._folded([column]) <= self._folded(self._indexes[place])

    def _leading_columns(self, inspector: sa.Inspector, schema: str | None, table: str) -> set[str]:
        """The columns that a key or an index of a table starts with."""
        keys: list[Any] = [inspector.get_pk_constraint(table, schema=schema)["constrained_columns"]]
        keys += [index["column_names"] for index in inspector.get_indexes(table, schema=schema)]
        keys += [unique["column_names"] for unique in inspector.get_unique_constraints(table, schema=schema)]
        return {key[0] for key in keys if key and key[0]}

    def table_rows(self, source: Source) -> int:
        """The number of rows that a scan of a table reads, including those that `where` leaves out."""
        return int(self._execute(Source(source.table).select({}).add_columns(sa.func.count())).scalar_one())

    def primary_key(self, source: Source) -> tuple[str, ...]:
        """The columns of the table's declared primary key; none for a view or a selectable."""
        place = self._place(source)
        if place is None:
            return ()
        schema, table = place
        with self._translated():
            return tuple(sa.inspect(self._connection).get_pk_constraint(table, schema=schema)["constrained_columns"])


def _close(name: str, names: Iterable[str]) -> str:
    by_lower: dict[str, str] = {n.lower(): n for n in names}
    close: Callable[..., list[str]] = get_close_matches
    found = [by_lower[n] for n in close(name.lower(), by_lower, n=1, cutoff=0.6)]
    return f" Did you mean {found[0]!r}?" if found else " Check the spelling and the database."

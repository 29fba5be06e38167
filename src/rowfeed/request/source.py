"""A table, view or selectable, and those of its rows that count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.sql.visitors import replacement_traverse

from rowfeed.errors import ArgumentError
from rowfeed.messages import brief, is_url, may_hold_secret

TableLike: TypeAlias = "str | sa.FromClause | sa.Select[Any]"

Where: TypeAlias = "str | sa.ColumnElement[bool] | None"


@dataclass(frozen=True, eq=False)
class Source:
    """A table, view or selectable, and those of its rows that count.

    Args:
        table: A name, `"schema.table"`, or a SQLAlchemy selectable (the way to name a table with a dot in it:
            `sqlalchemy.table("a.b")`).
        where: The rows that count: your SQL text for a WHERE clause, or a SQLAlchemy expression.
        bounds: A column of integers, and the least and the greatest that count; None: no limit on that side.
    """

    table: TableLike
    where: Where = None
    bounds: tuple[str, int | None, int | None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.table, str):
            if may_hold_secret(self.table) or not all(self.table.split(".", 1)):
                raise ArgumentError(f"expected a table name; got table={brief(self.table)}. Name the table to read.")
        elif not isinstance(self.table, (sa.FromClause, sa.Select)):
            raise ArgumentError(
                f"expected a table name or a SQLAlchemy selectable; got table={brief(self.table)}. Pass a str, "
                "sqlalchemy.Table or sqlalchemy.select(...)."
            )
        text = isinstance(self.where, str) and not is_url(self.where)
        if self.where is not None and not text and not isinstance(self.where, sa.ColumnElement):
            raise ArgumentError(
                f"expected SQL text or a SQLAlchemy expression; got where={brief(self.where)}. "
                'For example where="value > 0".'
            )

    def __eq__(self, other: object) -> bool:
        """By value, also for selectables and expressions that were made twice."""
        if not isinstance(other, Source):
            return False
        return self.bounds == other.bounds and _alike(self.table, other.table) and _alike(self.where, other.where)

    def __hash__(self) -> int:
        texts = (part if isinstance(part, str) else type(part) for part in (self.table, self.where))
        return hash((self.bounds, *texts))

    @property
    def label(self) -> str:
        """Its name in messages."""
        if isinstance(self.table, str):
            return self.table
        return str(getattr(self.table, "name", None) or "the selectable")

    @property
    def name(self) -> tuple[str | None, str] | None:
        """Schema and table of a plain table; None for a selectable."""
        if isinstance(self.table, str):
            schema, dot, table = self.table.rpartition(".")
            return (schema if dot else None), table
        if isinstance(self.table, sa.TableClause):
            return self.table.schema, self.table.name
        return None

    def select(self, columns: dict[str, str]) -> sa.Select[Any]:
        """SELECT the columns, given as {label: column name}, of the rows that count."""
        selectable = self._selectable(columns.values())
        missing = [name for name in columns.values() if name not in selectable.c]
        if missing:
            raise ArgumentError(
                f"expected a selectable with a column {brief(missing[0])}; got columns {list(selectable.c.keys())}. "
                "Select it, or name another."
            )
        # NullType: values come as the driver gives them, without SQLAlchemy's conversion for a declared type.
        found = (
            sa.type_coerce(selectable.c[name], sa.types.NullType()).label(label) for label, name in columns.items()
        )
        query = cast("sa.Select[Any]", sa.select(*found).select_from(selectable))
        if self.bounds is not None:
            column, least, most = selectable.c[self.bounds[0]], *self.bounds[1:]
            query = query if least is None else query.where(column >= sa.literal_column(str(least)))
            query = query if most is None else query.where(column <= sa.literal_column(str(most)))
        return query if self.where is None else query.where(self._condition(selectable))

    def any_row(self) -> sa.Select[Any]:
        """SELECT 1 for one row of the table, whether it counts or not; no row if the table is empty."""
        return sa.select(sa.literal_column("1")).select_from(self._selectable(())).limit(1)

    def ends(self, column: str) -> list[sa.ScalarSelect[Any]]:
        """The least and the greatest of a column, in one query each: an index answers such a query with one row."""
        values = self.select({"value": column}).subquery("r").c.value
        return [sa.select(end(values)).scalar_subquery() for end in (sa.func.min, sa.func.max)]

    def cut(self, column: str, low: int, high: int, count: int) -> list[Source]:
        """The rows in ascending parts by a column; together they are all rows in which the column is not NULL.

        Args:
            column: A column of integers.
            low: About the least of its values.
            high: About the greatest.
            count: The number of parts.
        """
        cuts = [low + (high - low) * index // count for index in range(1, count)]
        ends = zip([None, *(cut + 1 for cut in cuts)], [*cuts, None], strict=True)
        return [Source(self.table, self.where, (column, *pair)) for pair in ends]

    def _selectable(self, columns: Iterable[str]) -> sa.FromClause:
        if self.name is None:
            return self.table.subquery() if isinstance(self.table, sa.Select) else cast("sa.FromClause", self.table)
        return _described(*self.name, tuple(dict.fromkeys(columns)))

    def _condition(self, selectable: sa.FromClause) -> sa.ColumnElement[bool]:
        """`where` for this selectable: columns of the user's own table object become columns of ours."""
        if isinstance(self.where, str):
            return sa.literal_column(f"({self.where})")

        def ours(element: Any, **_: Any) -> Any:
            table = getattr(element, "table", None)
            same = table is self.table or (
                isinstance(table, sa.TableClause) and self.name == (table.schema, table.name)
            )
            if not (isinstance(element, sa.ColumnClause) and same):
                return None
            if element.key in selectable.c:
                return selectable.c[element.key]
            column = sa.column(sa.quoted_name(element.name, True), element.type)
            column.table = selectable
            return column

        return replacement_traverse(self.where, {}, ours)  # type: ignore[return-value]


@lru_cache(maxsize=256)
def _described(schema: str | None, table: str, columns: tuple[str, ...]) -> sa.Table:
    """A table of that name: not `sa.table`, which ignores the `schema_translate_map` of an Engine.

    Each call gives the same: SQLAlchemy finds compiled statements by the identity of their tables.
    """
    return sa.Table(
        sa.quoted_name(table, True),
        sa.MetaData(),
        *(sa.Column(sa.quoted_name(name, True)) for name in columns),
        schema=None if schema is None else sa.quoted_name(schema, True),
    )


def _alike(one: Any, other: Any) -> bool:
    """Whether two texts, or two SQLAlchemy elements, say the same."""
    if isinstance(one, sa.ClauseElement) and isinstance(other, sa.ClauseElement):
        return one is other or bool(one.compare(other))
    return type(one) is type(other) and bool(one == other)

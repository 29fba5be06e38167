"""What travels between a layout and a dialect: a selection, a request, and the columns it returns.

A `Selection` says which rows and columns a layout needs, once. A `Request` is a selection for a set of sample ids: one
query. `ColumnData` is what comes back: one numpy array per column, never a Python object per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.sql.visitors import replacement_traverse

from rowfeed.dates import is_date
from rowfeed.errors import ArgumentError
from rowfeed.ids import IdKind, Ids

TableLike: TypeAlias = "str | sa.FromClause | sa.Select[Any]"
Where: TypeAlias = "str | sa.ColumnElement[bool] | None"
Numbers: TypeAlias = "npt.NDArray[np.integer[Any]]"


SPAN = 1 << 22
"""Ids within such a span get their numbers from a table, which beats a search."""

ROWS_IN_CACHE = 8_192
"""Rows that are worked on before the next are looked at: all that is made of them stays in a core's cache."""


def index_dtype(count: int) -> np.dtype[Any]:
    """What numbers below a count are kept in: half of the memory of int64 wherever that will do."""
    return np.dtype(np.int32 if count < 2**31 else np.int64)


@dataclass(frozen=True, eq=False)
class Source:
    """A table, view or selectable, and which of its rows count.

    Args:
        table: A name, `"schema.table"`, or a SQLAlchemy selectable (the way to name a table with a dot in it:
            `sqlalchemy.table("a.b")`).
        where: Which rows: SQL text for a WHERE clause, written by you, or a SQLAlchemy expression.
        share: A column of integers, and the least and the greatest of them that count; None: no limit there.
    """

    table: TableLike
    where: Where = None
    share: tuple[str, int | None, int | None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.table, str):
            if not all(self.table.split(".", 1)):
                raise ArgumentError(f"expected a table name; got table={self.table!r}. Name the table to read.")
        elif not isinstance(self.table, (sa.FromClause, sa.Select)):
            raise ArgumentError(
                f"expected a table name or a SQLAlchemy selectable; got table={self.table!r}. Pass a str, "
                "sqlalchemy.Table or sqlalchemy.select(...)."
            )
        if self.where is not None and not isinstance(self.where, (str, sa.ColumnElement)):
            raise ArgumentError(
                f"expected SQL text or a SQLAlchemy expression; got where={self.where!r}. "
                'For example where="value > 0".'
            )

    @property
    def label(self) -> str:
        """How messages call it."""
        if isinstance(self.table, str):
            return self.table
        return str(getattr(self.table, "name", None) or "the selectable")

    @property
    def name(self) -> tuple[str | None, str] | None:
        """Schema and table where it is a plain table; None for a selectable."""
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
                f"expected a selectable with a column {missing[0]!r}; got columns {list(selectable.c.keys())}. "
                "Select it, or name another."
            )
        # NullType: values come as the driver gives them, not through what SQLAlchemy makes of a declared type.
        found = (
            sa.type_coerce(selectable.c[name], sa.types.NullType()).label(label) for label, name in columns.items()
        )
        query = cast("sa.Select[Any]", sa.select(*found).select_from(selectable))
        if self.share is not None:
            column, least, most = selectable.c[self.share[0]], *self.share[1:]
            query = query if least is None else query.where(column >= sa.literal_column(str(least)))
            query = query if most is None else query.where(column <= sa.literal_column(str(most)))
        return query if self.where is None else query.where(self._condition(selectable))

    def ends(self, column: str) -> list[sa.ScalarSelect[Any]]:
        """The least and the greatest of a column, each a query by itself: an index answers that with one row."""
        values = self.select({"value": column}).subquery("r").c.value
        return [sa.select(end(values)).scalar_subquery() for end in (sa.func.min, sa.func.max)]

    def shares(self, column: str, low: int, high: int, count: int) -> list[Source]:
        """The rows in shares by a column, ascending; together they are all rows in which it is not NULL.

        Args:
            column: A column of integers.
            low: About the least of them.
            high: About the greatest.
            count: How many shares there are.
        """
        cuts = [low + (high - low) * index // count for index in range(1, count)]
        ends = zip([None, *(cut + 1 for cut in cuts)], [*cuts, None], strict=True)
        return [Source(self.table, self.where, (column, *pair)) for pair in ends]

    def _selectable(self, columns: Iterable[str]) -> sa.FromClause:
        if self.name is None:
            return self.table.subquery() if isinstance(self.table, sa.Select) else cast("sa.FromClause", self.table)
        schema, table = self.name
        return sa.table(
            sa.quoted_name(table, True),
            *(sa.column(sa.quoted_name(name, True)) for name in dict.fromkeys(columns)),
            schema=None if schema is None else sa.quoted_name(schema, True),
        )

    def _condition(self, selectable: sa.FromClause) -> sa.ColumnElement[bool]:
        """`where` for this selectable: columns of the user's own object for the table become those of ours."""
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


@dataclass(frozen=True)
class Axis:
    """A coordinate column and how many cells it runs over."""

    name: str
    size: int


@dataclass(frozen=True)
class Value:
    """A value column and the dtype it is wanted in."""

    name: str
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows and columns that a layout needs.

    Args:
        source: The rows.
        sample: The column with the sample id.
        axes: The coordinate columns, outermost first; none where a sample is one row.
        values: The value columns.
        order: Columns that order the rows of a sample; the reply keeps that order.
        null: What a NULL means: `error`; `drop`, the row does not count; `fill`, the value is `fill`.
        fill: The value that stands for NULL with `null="fill"`.
        out_of_range: What a coordinate outside of its axis means: `error`; `drop`, the row does not count.
        kind: What the sample column is made of; None where the table was empty.
        indexed: Whether an index starts with the sample column, so that a range of ids costs what is in it.
    """

    source: Source
    sample: str
    axes: tuple[Axis, ...]
    values: tuple[Value, ...]
    order: tuple[str, ...] = ()
    null: str = "error"
    fill: Any = 0
    out_of_range: str = "error"
    kind: IdKind | None = None
    indexed: bool = False

    @property
    def cells(self) -> int:
        """Cells of one sample."""
        return prod(axis.size for axis in self.axes)

    def cells_of(
        self, places: Sequence[npt.NDArray[Any]], rows: int
    ) -> tuple[Numbers, npt.NDArray[np.bool_] | None] | None:
        """The cells of rows from their coordinates; None where one of them is for the plain rows to look at.

        Args:
            places: An array of integers or reals for each axis: (rows,).
            rows: How many there are.

        Returns:
            Cells, as `ColumnData` has them, and which rows are within all axes; None where all are.
        """
        numbers = index_dtype(self.cells)
        cell, inside = np.zeros(rows, numbers), None
        for index, (axis, place) in enumerate(zip(self.axes, places, strict=True)):
            if place.dtype.kind == "f" and not bool((place == np.floor(place)).all()):
                return None
            if place.size and not 0 <= place.min() <= place.max() < axis.size:
                if self.out_of_range != "drop":
                    return None
                within = (place >= 0) & (place < axis.size)
                inside = within if inside is None else inside & within
                place = np.where(within, place, 0)
            place = place.astype(numbers, copy=False)
            cell = cell * numbers.type(axis.size) + place if index else place
        return cell, inside

    @property
    def has_dates(self) -> bool:
        """Whether a value is a date or a time."""
        return any(is_date(value.dtype) for value in self.values)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns that are read."""
        names = (self.sample, *(a.name for a in self.axes), *(v.name for v in self.values), *self.order)
        return tuple(dict.fromkeys(names))

    @cached_property
    def rows(self) -> sa.Subquery:
        """The rows that count, with columns `sample`, `axis0`…, `value0`…, `order0`….

        Rows that `null="drop"` leaves out are not among them. The other policies are the dialect's to apply.
        """
        labels = {"sample": self.sample}
        labels |= {f"axis{i}": axis.name for i, axis in enumerate(self.axes)}
        labels |= {f"value{i}": value.name for i, value in enumerate(self.values)}
        labels |= {f"order{i}": name for i, name in enumerate(self.order)}
        query = self.source.select(labels)
        if self.null == "drop":
            needed = [label for label in labels if label.startswith(("axis", "value"))]
            query = query.where(*(query.selected_columns[label].element.is_not(None) for label in needed))
        return query.subquery("r")


@dataclass(frozen=True, eq=False)
class Request:
    """A selection for some samples: what one query reads."""

    selection: Selection
    ids: Ids

    @cached_property
    def runs(self) -> tuple[Ids, Ids] | None:
        """The first and the last id of each run of neighbours, ids that follow one another; None if they are text."""
        if self.ids.dtype.kind == "T":
            return None
        begins = np.flatnonzero(np.diff(self.ids) != 1) + 1
        return self.ids[np.append(0, begins)], self.ids[np.append(begins, self.ids.size) - 1]

    def long_runs(self, least: int) -> tuple[Ids, Ids] | None:
        """The runs, where they have at least so many ids on average."""
        return self.runs if self.runs is not None and least * self.runs[0].size <= self.ids.size else None

    def ranges(self, least: int) -> tuple[Ids, Ids] | None:
        """The long runs, where an index finds them."""
        return self.long_runs(least) if self.selection.indexed else None

    def at(self, column: str, sample: int) -> str:
        """Where a fault is, for a message: `USER_MATRIX.x, user_id=12`; `sample` indexes ids."""
        name = self.ids[sample : sample + 1].tolist()[0]
        return f"{self.selection.source.label}.{column}, {self.selection.sample}={name!r}"

    def positions(self, found: npt.NDArray[np.integer], first: int = 0) -> Numbers:
        """Where integer ids of rows, all of which were asked for, are among `ids`.

        Args:
            found: The ids less `first`: (rows,).
            first: What was subtracted.
        """
        if self._table is None:
            return np.searchsorted(self.ids, found.astype(np.int64) + first).astype(index_dtype(self.ids.size))
        low = int(self.ids[0])
        return np.asarray(self._table[found if first == low else found + (first - low)])

    @cached_property
    def _table(self) -> Numbers | None:
        """The number of each id, by how far it is from the first; None where they lie too far apart."""
        low = int(self.ids[0])
        span = int(self.ids[-1]) - low + 1
        if span > SPAN:
            return None
        table = np.empty(span, index_dtype(self.ids.size))
        table[self.ids - low] = np.arange(self.ids.size)
        return table

    def unfolded(self, places: npt.NDArray[np.integer], first: int | None) -> tuple[Numbers, Numbers]:
        """Sample and cell of rows, as `ColumnData` has them, from places: (id - first) · cells + cell.

        Args:
            places: Of any byte order: (rows,).
            first: What was subtracted; None: there are the numbers of samples instead of ids.
        """
        cells, native = self.selection.cells, places.dtype.newbyteorder("=")
        sample = np.empty(places.size, index_dtype(self.ids.size))
        cell = np.empty(places.size, index_dtype(cells))
        for start in range(0, places.size, ROWS_IN_CACHE):
            part = slice(start, start + ROWS_IN_CACHE)
            place = places[part].astype(native)
            number = place // native.type(cells)
            sample[part] = number if first is None else self.positions(number, first)
            cell[part] = place - number * native.type(cells)
        return sample, cell

    def locate(self, column: str, sample: Numbers) -> Callable[[int], str]:
        """`at` for rows: row i is of the sample number `sample[i]`."""
        return lambda row: self.at(column, int(sample[row]))


@dataclass(frozen=True, eq=False)
class ColumnData:
    """What a request returns: one entry per row, in no particular order unless the selection asks for one.

    Args:
        request: What was asked.
        sample: Which sample, as an index into `request.ids`: integers (rows,).
        cell: Which cell, row-major in the axes: integers (rows,). All 0 without axes.
        values: Each value column in its dtype: (rows,).
    """

    request: Request
    sample: Numbers
    cell: Numbers
    values: tuple[npt.NDArray[Any], ...]

    def portions(self) -> Iterator[tuple[slice, ColumnData]]:
        """Itself in portions of neighbouring samples with `ROWS_IN_CACHE` or so; whole where rows are not by sample.

        Yields:
            Which of the request's samples, and the columns of a request for them alone, `sample` and `cell` as int64.
        """
        samples, sample = self.request.ids.size, self.sample
        each = min(samples, max(1, samples * ROWS_IN_CACHE // max(1, sample.size)))
        if each < samples and not bool((sample[1:] >= sample[:-1]).all()):
            each = samples
        firsts = np.arange(0, samples, each)
        cuts = np.append(np.searchsorted(sample, firsts), sample.size).tolist()
        for first, start, stop in zip(firsts.tolist(), cuts[:-1], cuts[1:], strict=True):
            which, rows = slice(first, first + each), slice(start, stop)
            request = Request(self.request.selection, self.request.ids[which])
            number = sample[rows].astype(np.int64)
            number -= first
            values = tuple(value[rows] for value in self.values)
            yield which, ColumnData(request, number, self.cell[rows].astype(np.int64), values)

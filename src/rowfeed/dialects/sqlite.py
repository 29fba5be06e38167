"""SQLite, through the standard library: one aggregate returns a request as text that numpy parses.

Each row costs SQLite a few calls inside its own engine and Python nothing: the whole request is one result row, and
the interpreter lock is free while SQLite works. Cells are folded with the sample into one integer.

Why not Arrow through ADBC, whose driver brings a SQLite of its own: two copies of SQLite in one process break the
file locks of each other, and a database that this process writes at the same time can be corrupted.
Source: "How To Corrupt An SQLite Database File", section 2.2.1, sqlite.org/howtocorrupt.html.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.operators import custom_op

from rowfeed.dates import clock
from rowfeed.dialects import generic
from rowfeed.dialects._skip_scan import skip_scan
from rowfeed.errors import DataError
from rowfeed.exact import to_dtype
from rowfeed.failures import Failure
from rowfeed.ids import IdKind, Ids, objects_of, within_int64
from rowfeed.request import ColumnData, Request, Selection, Source

if TYPE_CHECKING:
    from rowfeed.database import Database

IDS_PER_PART = 1_000_000
"""Ids that are one text at one time: about 20 MB, where SQLite ends at 1 GB."""

SKIP_FROM = 32
"""From so many rows a sample on, going from id to id beats reading them all: measured, 100,000 ids of 50 rows in 0.45
of the time; 500,000 of 5 in 1.9 times."""


class Session(generic.Session):
    """A session on a SQLite file."""

    def __init__(self, connection: sa.Connection, database: Database) -> None:
        super().__init__(connection, database)
        self._driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        self._signed: dict[Selection, list[bool]] = {}

    @classmethod
    def refuse(cls, url: sa.URL) -> str | None:
        if url.database in (None, "", ":memory:", "file::memory:") or url.query.get("mode") == "memory":
            return (
                "expected a SQLite file, sqlite:///path/to/file.db; got a database in memory, which belongs to one "
                "connection. Write it to a file, for example with VACUUM INTO."
            )
        return None

    @classmethod
    def _engine(cls, database: Database, *, read_only: bool) -> sa.Engine:
        (path, *_), given = pysqlite.dialect().create_connect_args(database.url)
        options: dict[str, Any] = {**given, "uri": True, "check_same_thread": False}
        if not given.get("uri"):
            path = f"file:{quote(str(Path(path).absolute()))}"
        if "mode=" not in path:
            path += f"{'&' if '?' in path else '?'}mode={'ro' if read_only else 'rwc'}"
        return sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(path, **options),
            poolclass=NullPool,
            hide_parameters=True,
        )

    @classmethod
    def failure(cls, error: BaseException) -> Failure:
        """A file that another process holds is free in a moment."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # without what makes it extended
        return Failure.TRANSIENT if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else Failure.PERMANENT

    def _protect(self) -> None:
        self._connection.exec_driver_sql("PRAGMA query_only = ON")

    def interrupt(self) -> None:
        self._driver.interrupt()

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column.collate("BINARY")

    def sample_ids(self, source: Source, column: str) -> Ids:
        """Integers in parts of one aggregate each: no object is made for an id."""
        if self._plain_rows or self.sample_kind(source, column) is not IdKind.INTEGERS:
            return super().sample_ids(source, column)
        skips = self._skips(source, column, SKIP_FROM)
        all_ids = source.select({"sample": column}).subquery("i").c.sample
        parts, last = [np.empty(0, np.int64)], None
        while True:
            if skips:
                ids = skip_scan(source, column, last)
            else:
                ids = sa.select(all_ids).distinct().order_by(all_ids)
                ids = ids if last is None else ids.where(all_ids > last)
            part = ids.limit(IDS_PER_PART).subquery("p").c.sample
            integer = sa.case((sa.func.typeof(part) == sa.literal_column("'integer'"), part))
            whole = sa.func.count(integer)
            query = sa.select(sa.func.count(), whole, sa.func.group_concat(integer), sa.func.max(integer))
            found, integers, text, last = tuple(self._execute(query).one())
            if found != integers:
                return super().sample_ids(source, column)
            if found:
                parts.append(np.fromstring(text, np.int64, sep=","))
            if found < IDS_PER_PART:
                return np.concatenate(parts)

    def _read_columns(self, request: Request) -> ColumnData | None:
        ids = None if request.selection.order or request.selection.has_dates else self._listed(request)
        if ids is None:
            return None
        return self._read_folded(request, ids) if _foldable(request) else self._read_grouped(request, ids)

    def _listed(self, request: Request) -> str | None:
        """The ids as JSON, for `_wanted`; None where that does not find them."""
        if request.ids.dtype.kind == "u" or self._kind(request) is IdKind.BYTES:
            return None
        ids = json.dumps(request.ids.tolist(), ensure_ascii=False)
        return None if r"\u0000" in ids or self._hides_json_each else ids

    def _conditions(self, request: Request) -> Iterator[tuple[list[sa.ColumnElement[bool]], dict[str, Any]]]:
        ids = self._listed(request)
        if self._plain_rows or ids is None:
            yield from super()._conditions(request)
        else:
            yield _wanted(request.selection), {"rowfeed_ids": ids}

    def _bound(self, ids: Ids, kind: IdKind) -> list[Any]:
        return objects_of(within_int64(ids), kind)

    @cached_property
    def _hides_json_each(self) -> bool:
        """Whether a table of that name hides the function."""
        query = "SELECT count(*) FROM sqlite_master WHERE lower(name) = 'json_each'"
        return bool(self._connection.exec_driver_sql(query).scalar())

    def _signed_zeros(self, selection: Selection) -> list[bool]:
        """Which value columns can hold -0.0, which SQLite prints as 0.0: those without a declared type.

        A column of any other type stores it as the integer 0, and text is no number.
        """
        if selection not in self._signed:
            declared: dict[str, str] = {}
            if selection.source.name is not None:
                schema, table = selection.source.name
                query = "SELECT name, type FROM pragma_table_xinfo(?1, ?2)"
                rows = self._connection.exec_driver_sql(query, (table, schema or "main"))
                declared = {name: kind.upper() for name, kind in rows}
            kinds = (declared.get(value.name, "") for value in selection.values)
            self._signed[selection] = [not kind or "BLOB" in kind for kind in kinds]
        return self._signed[selection]

    def _read_folded(self, request: Request, ids: str) -> ColumnData | None:
        """One result row for the whole request, in which a place is (id - first id) · cells + cell."""
        rows, cells = request.selection.rows, request.selection.cells
        first = int(request.ids[0])
        place = (rows.c.sample - sa.bindparam("rowfeed_first")) * _number(cells) + _cell(request.selection)
        signed = self._signed_zeros(request.selection)
        query = _aggregate(request.selection, signed, place).where(*_wanted(request.selection))
        found, places, *values = tuple(self._execute(query, {"rowfeed_ids": ids, "rowfeed_first": first}).one())
        where = _parse(places, np.int64)
        if where is None:
            return None
        sample, cell = np.divmod(where, cells)
        return _columns(request, found, request.positions(sample, first), cell, values, signed)

    def _read_grouped(self, request: Request, ids: str) -> ColumnData | None:
        """One result row per sample, for ids that cannot be folded: text, and integers that are far apart."""
        rows = request.selection.rows
        signed = self._signed_zeros(request.selection)
        query = _aggregate(request.selection, signed, _cell(request.selection), rows.c.sample).where(
            *_wanted(request.selection)
        )
        groups = self._execute(query.group_by(self._bytewise(rows.c.sample)), {"rowfeed_ids": ids}).all()
        position = {name: index for index, name in enumerate(request.ids.tolist())}
        groups = [group for group in groups if group[0] in position]  # a loose collation lets others through
        if not groups:
            none = np.empty(0, np.int64)
            return _columns(request, 0, none, none, [None] * len(request.selection.values), signed)
        names, found, cells, *values = zip(*groups, strict=True)
        if None in cells or any(None in column for column in values):
            return None
        sample = np.repeat(np.array([position[name] for name in names], np.int64), found)
        cell = _parse(",".join(cells), np.int64)
        return (
            None if cell is None else _columns(request, sum(found), sample, cell, [",".join(v) for v in values], signed)
        )

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
        statement = str(table.insert().compile(dialect=self._connection.dialect))
        rows = list(zip(*columns, strict=True))
        if rows:
            self._connection.exec_driver_sql(statement, rows)

    def _transaction(self) -> AbstractContextManager[Any]:
        transaction = self._connection.begin()
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none for CREATE TABLE
        return transaction

    def _leading_columns(self, inspector: sa.Inspector, schema: str | None, table: str) -> set[str]:
        """From SQLite itself, which knows unnamed UNIQUE columns and the rowid, and tells partial indexes apart."""
        found = set(inspector.get_pk_constraint(table, schema=schema)["constrained_columns"][:1])
        query = (
            "SELECT c.name FROM pragma_index_list(?1, ?2) AS i JOIN pragma_index_info(i.name, ?2) AS c "
            "WHERE c.seqno = 0 AND NOT i.partial AND c.name IS NOT NULL"
        )
        return found | {row[0] for row in self._connection.exec_driver_sql(query, (table, schema or "main"))}


def _foldable(request: Request) -> bool:
    """Whether (id - first id) · cells + cell stays far from the end of 64 bits."""
    if request.ids.dtype.kind != "i":
        return False
    return (int(request.ids[-1]) - int(request.ids[0]) + 1) * request.selection.cells < 2**62


def _wanted(selection: Selection) -> list[sa.ColumnElement[bool]]:
    """The rows of a request.

    IN, for which SQLite takes an index where there is one and else one scan; a join would scan for every id.
    """
    rows = selection.rows
    ids = sa.select(sa.func.json_each(sa.bindparam("rowfeed_ids")).table_valued("value").c.value)
    conditions: list[sa.ColumnElement[bool]] = [rows.c.sample.in_(ids)]
    if selection.out_of_range == "drop":
        for index, axis in enumerate(selection.axes):
            column = rows.c[f"axis{index}"]
            other = sa.func.typeof(column) != sa.literal_column("'integer'")
            conditions.append(sa.or_(column.between(_number(0), _number(axis.size - 1)), other))
    return conditions


WITHOUT_AFFINITY = custom_op[Any]("+")
"""Unary plus: the text '1' in a TEXT column stays text and is not compared as a number."""


def _number(value: float) -> sa.ColumnElement[Any]:
    return sa.literal_column(repr(value))


def _cell(selection: Selection) -> sa.ColumnElement[Any]:
    """The number of a row's cell; NULL where a coordinate is outside of its axis, or no number at all.

    A coordinate of 1.5 makes a number with a point in it.
    """
    cell, inside = _number(0), []
    for index, axis in enumerate(selection.axes):
        column: sa.ColumnElement[Any] = sa.UnaryExpression(selection.rows.c[f"axis{index}"], operator=WITHOUT_AFFINITY)
        cell = column if index == 0 else cell * _number(axis.size) + column
        inside.append(column.between(_number(0), _number(axis.size - 1)))
    return sa.case((sa.and_(*inside), cell)) if inside else cell


def _printable(fill: float) -> bool:
    """Whether the aggregate's numbers, int64 or finite reals, can stand for a fill."""
    return -(2**63) <= fill < 2**63 if isinstance(fill, int) else math.isfinite(fill)


def _printed(fill: float) -> str:
    """A finite fill as the aggregate prints numbers: a real has a point in it."""
    text = repr(fill)
    return text if isinstance(fill, int) or "." in text else text.replace("e", ".0e")


def _aggregate(
    selection: Selection, signed_zeros: Sequence[bool], place: sa.ColumnElement[Any], *first: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """How many rows there are, their places, and each of their values, which is NULL where it is no number.

    The aggregate leaves NULLs out: the counts differ where there are any.
    """
    values = []
    for index in range(len(selection.values)):
        value, limit = selection.rows.c[f"value{index}"], _whole_limit(selection.values[index].dtype)
        kind, whole = sa.func.typeof(value), sa.cast(value, sa.Integer)
        unsigned = [value != _number(0)] if signed_zeros[index] else []
        exact = sa.func.printf(sa.literal_column("'%!.17g'"), value)
        number = sa.case(
            (kind == sa.literal_column("'integer'"), value),
            (kind != sa.literal_column("'real'"), sa.null()),
            (sa.and_(value == whole, whole.between(_number(-limit), _number(limit)), *unsigned), whole),
            else_=exact,
        )
        if selection.null == "fill" and _printable(selection.fill):
            number = sa.case((value.is_(None), sa.literal(_printed(selection.fill))), else_=number)
        values.append(sa.func.group_concat(number))
    return sa.select(*first, sa.func.count(), sa.func.group_concat(place), *values)


def _columns(
    request: Request,
    rows: int,
    sample: npt.NDArray[np.int64],
    cell: npt.NDArray[np.int64],
    values: Sequence[str | None],
    signed_zeros: Sequence[bool],
) -> ColumnData | None:
    """The columns of a reply, or None where one of them has fewer entries than there are rows."""
    if not rows == sample.size == cell.size:
        return None
    columns = []
    for value, text, signed in zip(request.selection.values, values, signed_zeros, strict=True):
        data = _numbers(text, value.dtype)
        if data is None or data.size != rows or (signed and data.dtype.kind == "f" and not data.all()):
            return None
        columns.append(to_dtype(data, value.dtype, request.locate(value.name, sample)))
    return ColumnData(request, sample, cell, tuple(columns))


def _whole_limit(dtype: np.dtype[Any]) -> int:
    """Whole reals up to here are printed as integers, in two thirds of the time: the dtype holds each of them.

    Beyond, an integer must be refused where a real is rounded.
    """
    return min(2**24, 2 ** (np.finfo(dtype).nmant + 1)) if dtype.kind == "f" else 2**24


PRINTED_EXACTLY = 1e100
"""Reals below this are printed exactly by SQLite's `%!.17g`; of 400,000 random ones some from 1e102 on were not."""


def _numbers(text: str | None, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Integers as int64, reals as float64; None where both are mixed and the one type would not do for all.

    Integers must be exact in the dtype and reals are rounded to it (`rowfeed.exact`): so both may be read as reals
    as long as all of them are small enough for any integer to be exact.
    """
    points = text.count(".") if text else 0
    if not text or not points:
        return _parse(text, np.int64)
    data = _parse(text, np.float64)
    if data is None:
        return None
    size = np.abs(data)
    if not bool((size < PRINTED_EXACTLY).all()):
        return None
    limit = 2.0 ** (np.finfo(dtype).nmant + 1 if dtype.kind == "f" else 53)
    if points < data.size and not bool((size < limit).all()):
        whole = [abs(int(number)) < limit for number in text.split(",") if "." not in number]
        return data if all(whole) else None
    return data


def _parse(text: str | None, dtype: type[np.generic]) -> npt.NDArray[Any] | None:
    """Numbers separated by commas; None for reals (a point, or `Inf`) where integers are wanted."""
    if text is None:
        return np.empty(0, dtype)
    if dtype is np.int64 and ("." in text or "I" in text):
        return None
    return np.fromstring(text, dtype, sep=",")

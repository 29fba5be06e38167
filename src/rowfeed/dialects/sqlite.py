"""SQLite, through the standard library: one aggregate returns a request as text that numpy parses.

Each row costs SQLite a few calls inside its own engine and Python nothing: the whole request is one result row, and
the interpreter lock is free while SQLite works. Cells are folded with the sample into one integer.

Why not Arrow through ADBC, whose driver brings a SQLite of its own: two copies of SQLite in one process break the
file locks of each other, and a database that this process writes at the same time can be corrupted.
Source: "How To Corrupt An SQLite Database File", section 2.2.1, sqlite.org/howtocorrupt.html.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
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

from rowfeed.dates import clock
from rowfeed.dialects import generic
from rowfeed.dialects._sqlite_query import aggregate, cell_of, columns, foldable, number, parse, wanted
from rowfeed.dialects.generic import skip_scan
from rowfeed.errors import DataError
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
        if (
            request.selection.order
            or request.selection.has_dates
            or request.ids.dtype.kind == "u"
            or self._kind(request) is IdKind.BYTES
        ):
            return None
        ids = json.dumps(request.ids.tolist(), ensure_ascii=False)
        if r"\u0000" in ids or self._hides_json_each:
            return None
        return self._read_folded(request, ids) if foldable(request) else self._read_grouped(request, ids)

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
        place = (rows.c.sample - sa.bindparam("rowfeed_first")) * number(cells) + cell_of(request.selection)
        signed = self._signed_zeros(request.selection)
        query = aggregate(request.selection, signed, place).where(*wanted(request.selection))
        found, places, *values = tuple(self._execute(query, {"rowfeed_ids": ids, "rowfeed_first": first}).one())
        where = parse(places, np.int64)
        if where is None:
            return None
        sample, cell = np.divmod(where, cells)
        return columns(request, found, request.positions(sample, first), cell, values, signed)

    def _read_grouped(self, request: Request, ids: str) -> ColumnData | None:
        """One result row per sample, for ids that cannot be folded: text, and integers that are far apart."""
        rows = request.selection.rows
        signed = self._signed_zeros(request.selection)
        query = aggregate(request.selection, signed, cell_of(request.selection), rows.c.sample).where(
            *wanted(request.selection)
        )
        groups = self._execute(query.group_by(self._bytewise(rows.c.sample)), {"rowfeed_ids": ids}).all()
        position = {name: index for index, name in enumerate(request.ids.tolist())}
        groups = [group for group in groups if group[0] in position]  # a loose collation lets others through
        if not groups:
            none = np.empty(0, np.int64)
            return columns(request, 0, none, none, [None] * len(request.selection.values), signed)
        names, found, cells, *values = zip(*groups, strict=True)
        if None in cells or any(None in column for column in values):
            return None
        sample = np.repeat(np.array([position[name] for name in names], np.int64), found)
        cell = parse(",".join(cells), np.int64)
        return (
            None if cell is None else columns(request, sum(found), sample, cell, [",".join(v) for v in values], signed)
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

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
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.pool import NullPool

from rowfeed.dialects import generic
from rowfeed.exact import to_dtype
from rowfeed.request import ColumnData, Request, Selection

if TYPE_CHECKING:
    from rowfeed.database import Database


class Session(generic.Session):
    """A session on a SQLite file."""

    @classmethod
    def refuse(cls, url: sa.URL) -> str | None:
        if url.database in (None, "", ":memory:") or "mode=memory" in str(url):
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
            path = f"file:{quote(str(Path(path).absolute()))}?mode={'ro' if read_only else 'rwc'}"
        return sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(path, **options),
            poolclass=NullPool,
            hide_parameters=True,
        )

    def _protect(self) -> None:
        self._connection.exec_driver_sql("PRAGMA query_only = ON")

    def interrupt(self) -> None:
        self._driver.interrupt()

    @property
    def _driver(self) -> sqlite3.Connection:
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column.collate("BINARY")

    def read(self, request: Request) -> ColumnData:
        ids = json.dumps(request.ids.tolist(), ensure_ascii=False)
        if request.selection.order or r"\u0000" in ids:
            return super().read(request)
        text = request.ids.dtype.kind == "T"
        rows, places, *values = tuple(self._execute(_aggregate(request.selection, text), {"ids": ids}).one())
        data = _decode(request, rows, places, values)
        return super().read(request) if data is None else data

    def unstorable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """NaN becomes NULL, -0.0 becomes 0.0, and integers end at 2^63 - 1."""
        if values.dtype.kind == "f":
            return np.asarray(np.isnan(values) | ((values == 0) & np.signbit(values)))
        if values.dtype.kind == "u":
            return np.asarray(values > np.iinfo(np.int64).max)
        return super().unstorable(values)

    def table_options(self) -> dict[str, Any]:
        return {"sqlite_with_rowid": False}

    def _insert(self, table: sa.Table, columns: tuple[list[Any], ...]) -> None:
        statement = str(table.insert().compile(dialect=self._connection.dialect))
        self._driver.executemany(statement, zip(*columns, strict=True))


def _aggregate(selection: Selection, text: bool) -> sa.Select[Any]:
    """One row: how many rows there are, the place of each (sample · cells + cell), and each value.

    A coordinate outside of its axis or no number at all, and a value that is no number, are NULL, which the
    aggregate leaves out: the counts differ. A coordinate of 1.5 makes a place with a point in it.
    """
    rows = selection.rows
    wanted = sa.func.json_each(sa.bindparam("ids")).table_valued("key", "value").alias("j")
    place: sa.ColumnElement[Any] = wanted.c.key
    inside = []
    for index, axis in enumerate(selection.axes):
        column = rows.c[f"axis{index}"]
        place = place * sa.literal_column(str(axis.size)) + column
        inside.append(column.between(sa.literal_column("0"), sa.literal_column(str(axis.size - 1))))
    if inside:
        place = sa.case((sa.and_(*inside), place))
    values = []
    for index in range(len(selection.values)):
        value = rows.c[f"value{index}"]
        number = sa.case(
            (sa.func.typeof(value) == sa.literal_column("'integer'"), value),
            (
                sa.func.typeof(value) == sa.literal_column("'real'"),
                sa.func.printf(sa.literal_column("'%!.17g'"), value),
            ),
        )
        values.append(sa.func.group_concat(number))
    same = rows.c.sample == wanted.c.value
    if text:
        same &= rows.c.sample.collate("BINARY") == wanted.c.value
    return sa.select(sa.func.count(), sa.func.group_concat(place), *values).select_from(wanted.join(rows, same))


def _decode(request: Request, rows: int, places: str | None, values: Sequence[str | None]) -> ColumnData | None:
    """The columns in the aggregate's reply, or None if a check fails."""
    selection = request.selection
    place = _parse(places, np.int64)
    if place is None or place.size != rows:
        return None
    sample, cell = np.divmod(place, selection.cells)
    columns = []
    for value, text in zip(selection.values, values, strict=True):
        data = _numbers(text, value.dtype)
        if data is None or data.size != rows:
            return None
        columns.append(to_dtype(data, value.dtype, request.locate(value.name, sample)))
    return ColumnData(request, sample, cell, tuple(columns))


def _numbers(text: str | None, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Integers as int64, reals as float64; None where both are mixed and the one type would not do for all.

    Integers must be exact in the dtype and reals are rounded to it (`rowfeed.exact`): so both may be read as reals
    as long as all of them are small enough for any integer to be exact.
    """
    points = text.count(".") if text else 0
    if not points:
        return _parse(text, np.int64)
    data = _parse(text, np.float64)
    if data is not None and points < data.size:
        exact_up_to = 2.0 ** (np.finfo(dtype).nmant + 1 if dtype.kind == "f" else 53)
        if not bool((np.abs(data) <= exact_up_to).all()):
            return None
    return data


def _parse(text: str | None, dtype: type[np.generic]) -> npt.NDArray[Any] | None:
    """Numbers separated by commas; None for reals (a point, or `Inf`) where integers are wanted."""
    if text is None:
        return np.empty(0, dtype)
    if dtype is np.int64 and ("." in text or "I" in text):
        return None
    return np.fromstring(text, dtype, sep=",")

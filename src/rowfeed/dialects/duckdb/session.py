"""DuckDB, through its own Python API: a result comes as one numpy array per column.

DuckDB stores columns, finds rows by scanning all that its zone maps do not rule out, and uses all cores for one query.
So a request is one join with the wanted ids, without an index.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from rowfeed.access.address import Address
from rowfeed.access.failures import Advice
from rowfeed.dialects import session as generic
from rowfeed.dialects.duckdb.sqlalchemy_dialect import Dialect
from rowfeed.dialects.duckdb.writing import Writing
from rowfeed.dialects.files import why_unusable
from rowfeed.request.coordinates import cells_of
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source
from rowfeed.values.ids import IdKind, Ids, narrowed, objects_of, sort_ids
from rowfeed.values.kinds import ValueKind
from rowfeed.values.numbers import decimals_fit, to_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGERS = {f"{sign}{size}INT" for sign, size in product(("", "U"), ("TINY", "SMALL", "BIG"))} | {"INTEGER", "UINTEGER"}
"""The integer types that arrive as integers; HUGEINT would arrive as float64."""

TEXTS = {"VARCHAR", "UUID", "BLOB"}
"""The column types whose ids are text in rowfeed."""

NUMBERS = INTEGERS | {"BOOLEAN", "FLOAT", "DOUBLE"}

MODES = ("read_only", "access_mode")
"""Options of a URL that are rowfeed's to set: feeds only read, `write` writes."""

ADVICE = {
    "different configuration": (
        "the configuration with which this process has {} open already",
        "Close its other connections, or give rowfeed their configuration in the URL: ?threads=4&memory_limit=1GB.",
    ),
    "disabled by configuration": (
        "tables and views of {} itself, since rowfeed shuts off other files, extensions and the network",
        "To read views of other files, add enable_external_access=true to the URL, after ? or &.",
    ),
    "Conflicting lock": (
        "{} without another process that writes it",
        "Close it there, or open it there for reading only too: DuckDB lets one process write, or several read.",
    ),
}
"""The expectation and the remedy for an error, by a part of its text; {} is the database."""

RUN_OF = 2
"""From this many neighbours on, the ends of a run are bound instead of its ids."""

DECIMAL_DIGITS = 15
"""A DECIMAL of up to this many digits is cast to the nearest DOUBLE."""


class Session(Writing, generic.Session):
    """A session on a DuckDB file."""

    columns_ignore_case = True
    how_to_install = 'Install it: pip install "rowfeed[duckdb]".'

    def __init__(self, connection: sa.Connection, address: Address) -> None:
        super().__init__(connection, address)
        self._own = isinstance(connection.dialect, Dialect)
        self._types: dict[Selection, dict[str, str]] = {}
        self._driver: Any = connection.connection.dbapi_connection

    @classmethod
    def refuse(cls, url: sa.URL) -> str | None:
        if url.database in (None, "", ":memory:") or str(url.database).startswith(":memory:"):
            return (
                "expected a DuckDB file, duckdb:///path/to/file.duckdb; got a database in memory, which belongs to one "
                "connection. Write it to a file, for example with ATTACH and COPY FROM DATABASE."
            )
        return None

    @classmethod
    def _engine(cls, address: Address, *, read_only: bool) -> sa.Engine:
        sa.dialects.registry.register(Dialect.scheme, Dialect.__module__, "Dialect")
        query = {name: value for name, value in address.url.query.items() if name.lower() not in MODES}
        options = {"config": query, "read_only": read_only}
        url = sa.URL.create(Dialect.scheme, database=address.url.database)
        return sa.create_engine(url, connect_args=options, poolclass=NullPool, hide_parameters=True)

    @classmethod
    def advice(cls, error: BaseException, label: str, database: str) -> Advice | None:
        known = next((found for text, found in ADVICE.items() if text in str(error)), None)
        if known is not None:
            return Advice.of(known, label)
        elsewhere = re.match("[a-z0-9]{2,}:", database)  # md:name, s3://bucket/file
        return None if elsewhere else why_unusable("DuckDB", database, b"DUCK", 8)

    def interrupt(self) -> None:
        if self._own:
            with suppress(self._driver.module.Error):
                self._driver.duckdb.interrupt()

    # What is there

    def indexed(self, source: Source, column: str) -> bool:
        """False: an index would not be used."""
        return False

    def missing_index(self, source: Source, column: str) -> str | None:
        """None, for the same reason."""
        return None

    def sample_ids(self, source: Source, column: str) -> Ids:
        rows = source.select({"sample": column}).subquery("r")
        if self._plain_rows or not self._own or self._types_of(rows)["sample"] not in INTEGERS:
            return super().sample_ids(source, column)
        ids = self._fetch(sa.select(rows.c.sample).distinct())["sample"]
        if _has_null(ids):
            return super().sample_ids(source, column)
        return narrowed(sort_ids(np.asarray(ids).astype(np.uint64 if ids.dtype == np.uint64 else np.int64)))

    def id_ends(self, source: Source, column: str) -> None:
        """None: one query already reads a table on all cores."""

    def _ordered(self, source: Source, column: str, value: Any) -> Value:
        """With uint64 for UBIGINT."""
        found = super()._ordered(source, column, value)
        kind = self._types_of(source.select({"order": column}).subquery("r"))["order"] if self._own else ""
        return replace(found, dtype=np.dtype(np.uint64)) if kind == "UBIGINT" else found

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.collate(column, "binary")

    def _types_of(self, rows: sa.Subquery) -> dict[str, str]:
        result = self._execute(sa.select(rows).limit(0))
        description: Any = result.cursor.description
        return {column[0]: str(column[1]) for column in description}

    # Reading

    def _fetch(self, query: sa.Select[Any], parameters: dict[str, Any] | None = None) -> dict[str, npt.NDArray[Any]]:
        """A result as one array per column, with NULLs masked."""
        with self._translated():
            result = self._connection.execute(query, parameters or {})
            cursor: Any = result.cursor
            try:
                columns: dict[str, npt.NDArray[Any]] = cursor.fetchnumpy()
            except self._driver.module.Error as error:
                raise sa.exc.DBAPIError("", None, error) from error
            result.close()
            return columns

    def _read_columns(self, request: Request) -> ColumnData | None:
        selection = request.selection
        if not self._own or selection.value_kinds != {ValueKind.NUMBER}:
            return None
        if selection not in self._types:
            self._types[selection] = self._types_of(selection.subquery)
        types = self._types[selection]
        text = request.ids.dtype.kind == "T"
        if types["sample"] not in (TEXTS if text else INTEGERS):
            return None
        if not all(types[f"axis{i}"] in INTEGERS for i in range(len(selection.axes))):
            return None
        if not all(types[f"value{i}"] in NUMBERS or _short(types[f"value{i}"]) for i in range(len(selection.values))):
            return None
        return _columns(request, self._fetch(*_query(request, types, self._kind(request))), types)

    def _row_columns(self, selection: Selection) -> list[sa.ColumnElement[Any]]:
        """Dates as text, since Python lacks some of them; instants have their zone in the text."""
        if not self._own:
            return super()._row_columns(selection)
        if selection not in self._types:
            self._types[selection] = self._types_of(selection.subquery)
        dated = [
            self._types[selection][column.name].startswith(("DATE", "TIME", "INTERVAL"))
            for column in selection.subquery.c
        ]
        return [
            sa.cast(column, sa.String).label(column.name) if date and column.name.startswith("value") else column
            for column, date in zip(selection.subquery.c, dated, strict=True)
        ]


def _has_null(column: npt.NDArray[Any]) -> bool:
    """Whether a column of a result has a NULL. Most have none: they avoid `numpy.ma`, which takes 22 ms to load."""
    return type(column) is not np.ndarray and bool(np.ma.is_masked(column))


def _short(kind: str) -> bool:
    return kind.startswith("DECIMAL(") and int(kind[8:].split(",")[0]) <= DECIMAL_DIGITS


def _numbered(request: Request) -> bool:
    """Whether rows come with the number of their sample, from 1 on, instead of its id: if ids are text or not int64."""
    return request.ids.dtype.kind != "i"


def _query(request: Request, types: dict[str, str], kind: IdKind) -> tuple[sa.Select[Any], dict[str, Any]]:
    """The rows of the wanted samples, and the bound values."""
    selection = request.selection
    rows, (wanted, bound) = selection.subquery, _wanted(request, kind)
    sample = sa.collate(rows.c.sample, "binary") if types["sample"] == "VARCHAR" else rows.c.sample
    columns: list[sa.ColumnElement[Any]] = [(wanted.c.n if _numbered(request) else wanted.c.id).label("n")]
    columns += [rows.c[f"axis{i}"] for i in range(len(selection.axes))]
    for i in range(len(selection.values)):
        value = rows.c[f"value{i}"]
        columns.append(value if types[f"value{i}"] in NUMBERS else sa.cast(value, sa.Double).label(f"value{i}"))
    return sa.select(*columns).select_from(rows.join(wanted, wanted.c.id == sample)), bound


def _wanted(request: Request, kind: IdKind) -> tuple[sa.Subquery, dict[str, Any]]:
    """The wanted ids as a table, with their numbers if rows need them; and the bound values.

    DuckDB generates the ids of runs: taking an id from a list costs it more than the rows do.
    """
    ids, lasts, numbered = _list("rowfeed_ids"), _list("rowfeed_lasts"), _numbered(request)
    long_runs = None if numbered else request.long_runs(RUN_OF)
    if long_runs is not None:
        runs = sa.select(sa.func.unnest(ids).label("low"), sa.func.unnest(lasts).label("high")).subquery("e")
        each = sa.func.unnest(sa.func.generate_series(runs.c.low, runs.c.high))
        low, high = (end.tolist() for end in long_runs)
        return sa.select(each.label("id")).subquery("w"), {"rowfeed_ids": low, "rowfeed_lasts": high}
    number = [sa.func.generate_subscripts(ids, sa.literal_column("1")).label("n")] if numbered else []
    listed = sa.select(sa.func.unnest(ids).label("id"), *number).subquery("w")
    return listed, {"rowfeed_ids": objects_of(request.ids, kind)}


def _list(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=sa.types.NullType())


def _columns(request: Request, found: dict[str, npt.NDArray[Any]], types: dict[str, str]) -> ColumnData | None:
    """The columns of a result; None if a row must be read as a plain row."""
    selection = request.selection
    if any(_has_null(found[f"axis{i}"]) for i in range(len(selection.axes))):
        return None
    names = np.asarray(found["n"])
    sample = names - 1 if _numbered(request) else request.positions(names)
    cells = cells_of(selection, [np.asarray(found[f"axis{i}"]) for i in range(len(selection.axes))], sample.size)
    if cells is None:
        return None
    cell, inside = cells
    if inside is not None:
        sample, cell = sample[inside], cell[inside]
    values = []
    for i, value in enumerate(selection.values):
        data = found[f"value{i}"] if inside is None else found[f"value{i}"][inside]
        if types[f"value{i}"] not in NUMBERS and not decimals_fit(np.asarray(data), value.dtype):
            return None
        where = request.locate(value.name, sample)
        if not _has_null(data):
            values.append(to_dtype(np.asarray(data), value.dtype, where))
        elif not value.fills:
            return None
        else:
            values.append(_filled(data, value.dtype, value.fill, where))
    return ColumnData(request, sample, cell, tuple(values))


def _filled(data: Any, dtype: np.dtype[Any], fill: float, where: Callable[[int], str]) -> npt.NDArray[Any]:
    result = np.full(data.size, fill, dtype)
    given = np.flatnonzero(~np.ma.getmaskarray(data))
    result[given] = to_dtype(np.asarray(data)[given], dtype, lambda index: where(int(given[index])))
    return result

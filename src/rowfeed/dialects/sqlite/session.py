"""SQLite, through the standard library: one aggregate returns a request as text that numpy parses.

Each row costs SQLite a few calls inside its own engine and Python nothing: the whole request is one result row, and
the interpreter lock is free while SQLite works. Cells are folded with the sample into one integer.

Arrow through ADBC is not used, since its driver has its own copy of SQLite. Two copies of SQLite in one process break
each other's file locks, and a database that this process writes at the same time can be corrupted.
Source: "How To Corrupt An SQLite Database File", section 2.2.1, sqlite.org/howtocorrupt.html.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.util import memoized_property

from rowfeed.access.address import Address
from rowfeed.access.failures import Advice, Failure
from rowfeed.dialects import session as generic
from rowfeed.dialects.files import path_of, why_unusable
from rowfeed.dialects.skip_scan import skip_scan
from rowfeed.dialects.sqlite.journal import why_not_read
from rowfeed.dialects.sqlite.packing import Packing, packs_nulls
from rowfeed.dialects.sqlite.query import (
    aggregate,
    cell_of,
    converted,
    foldable,
    holds_numbers,
    number,
    numbers_of,
    parse,
    wanted,
    whole_limit,
    zeros_unsigned,
)
from rowfeed.dialects.sqlite.writing import Writing
from rowfeed.errors import ArgumentError
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source
from rowfeed.values.ids import IdKind, Ids, objects_of, within_int64
from rowfeed.values.kinds import ValueKind

IDS_PER_PART = 1_000_000
"""The most ids in one text: about 20 MB, while SQLite's limit is 1 GB."""

PlacesAndNumbers: TypeAlias = "tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]"
"""The places of rows, and each value column as int64 or float64."""

IN_MEMORY = (
    "expected a SQLite file, sqlite:///path/to/file.db; got a database in memory, which belongs to one connection. "
    "Write it to a file, for example with VACUUM INTO."
)

PROBED_SAMPLES = 512
"""Samples of a first request that are read column by column, to learn the packing of the others."""

SKIP_FROM = 32
"""From this many rows a sample on, going from id to id beats reading all rows. Measured: 100,000 ids of 50 rows take
0.45 of the time; 500,000 ids of 5 rows take 1.9 times as long."""


class Session(Writing, generic.Session):
    """A session on a SQLite file."""

    columns_ignore_case = True

    def __init__(self, connection: sa.Connection, address: Address) -> None:
        super().__init__(connection, address)
        self._driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        self._types: dict[Selection, list[str]] = {}
        self._packings: dict[Selection, Packing | None] = {}
        self._spelt: dict[tuple[str | None, str], tuple[str | None, str]] = {}
        if address.engine is not None:  # whose URL may be another
            ((file,),) = self._driver.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
            if not file:
                raise ArgumentError(IN_MEMORY)

    @classmethod
    def refuse(cls, url: sa.URL) -> str | None:
        if url.database in (None, "", ":memory:", "file::memory:") or url.query.get("mode") == "memory":
            return IN_MEMORY
        return None

    @classmethod
    def _engine(cls, address: Address, *, read_only: bool) -> sa.Engine:
        (path, *_), given = pysqlite.dialect().create_connect_args(address.url)
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
        """See the generic session. A file that another process holds is soon free."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # without what makes it extended
        return Failure.TRANSIENT if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else Failure.PERMANENT

    @classmethod
    def advice(cls, error: BaseException, label: str, database: str) -> Advice | None:
        found = why_unusable("SQLite", database, b"SQLite format 3\0", 0)
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if found is None and code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            return why_not_read(path_of(database))
        return found

    def _protect(self) -> None:
        self._connection.exec_driver_sql("PRAGMA query_only = ON")

    def interrupt(self) -> None:
        self._driver.interrupt()

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column.collate("BINARY")

    def sample_ids(self, source: Source, column: str) -> Ids:
        """As in the generic session, but integers come in parts of one aggregate each: no object is made for an id."""
        if self._plain_rows or self.sample_kind(source, column) is not IdKind.INTEGERS:
            return super().sample_ids(source, column)
        parts, last, rest = [np.empty(0, np.int64)], None, source
        if source.bounds is not None and source.bounds[1] is not None:
            # Of two lower bounds SQLite looks up the first alone, and passes what lies between them at every step.
            last, rest = source.bounds[1] - 1, replace(source, bounds=(column, None, source.bounds[2]))
        skips = self._skips(rest, column, SKIP_FROM)
        all_ids = rest.select({"sample": column}).subquery("i").c.sample
        while True:
            if skips:
                ids = skip_scan(rest, column, last)
            else:
                ids = sa.select(all_ids).distinct().order_by(all_ids)
                ids = ids if last is None else ids.where(all_ids > last)
            part = ids.limit(IDS_PER_PART).subquery("p").c.sample
            integer = sa.case((sa.func.typeof(part) == sa.literal_column("'integer'"), part))
            query = sa.select(sa.func.count(), sa.func.count(integer), sa.func.group_concat(part))
            found, integers, text = tuple(self._execute(query).one())
            if found != integers:
                return super().sample_ids(source, column)
            if found:
                parts.append(np.fromstring(text, np.int64, sep=","))
                last = int(parts[-1].max())
            if found < IDS_PER_PART:
                return np.concatenate(parts)

    def numbers(self, source: Source, column: str) -> np.dtype[Any] | None:
        """A column holds what was put into it, unless it is declared REAL: then it makes reals of all numbers."""
        declared = self._declared_in(source).get(column.lower(), "")
        real = "INT" not in declared and any(word in declared for word in ("REAL", "FLOA", "DOUB"))
        return np.dtype(np.float64) if real else None

    def _read_columns(self, request: Request) -> ColumnData | None:
        if request.selection.value_kinds != {ValueKind.NUMBER} or not self._lists(request):
            return None
        return self._read_folded(request) if foldable(request) else self._read_grouped(request)

    def _lists(self, request: Request) -> bool:
        """Whether the ids can be bound as JSON, as `wanted` does."""
        if request.ids.dtype.kind == "u" or self._kind(request) is IdKind.BYTES or self._hides_json_each:
            return False
        return request.ids.dtype.kind != "T" or not any("\0" in name for name in request.ids.tolist())

    def _most_plain_ids(self, request: Request) -> int:
        """As many as the library takes parameters: 32,766 by default since SQLite 3.32, 999 before."""
        limit = getattr(self._driver, "getlimit", None)
        return super()._most_plain_ids(request) if limit is None else int(limit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))

    def _bound(self, ids: Ids, kind: IdKind) -> list[Any]:
        return objects_of(within_int64(ids), kind)

    @memoized_property
    def _hides_json_each(self) -> bool:
        """Whether a table of that name hides the function."""
        query = "SELECT count(*) FROM sqlite_master WHERE lower(name) = 'json_each'"
        return bool(self._connection.exec_driver_sql(query).scalar())

    def _declared_in(self, source: Source) -> dict[str, str]:
        """The declared types of a table's columns, by their names in lower case; none of a selectable's."""
        place = self._place(source)
        if place is None:
            return {}
        schema, table = place
        query = "SELECT name, type FROM pragma_table_xinfo(?1, ?2)"
        rows = self._connection.exec_driver_sql(query, (table, schema or "main"))
        return {name.lower(): kind.upper() for name, kind in rows}

    def _declared(self, selection: Selection) -> list[str]:
        """The declared type of each value column; empty if it has none, or is a column of a selectable."""
        if selection not in self._types:
            declared = self._declared_in(selection.source)
            self._types[selection] = [declared.get(value.name.lower(), "") for value in selection.values]
        return self._types[selection]

    def _signed_zeros(self, selection: Selection) -> list[bool]:
        """Whether each value column can hold -0.0, which SQLite prints as 0.0: only without a declared type.

        A column of any other type stores it as the integer 0, and text is not a number.
        """
        return [not kind or "BLOB" in kind for kind in self._declared(selection)]

    def _packing(self, selection: Selection) -> Packing | None:
        """The packing of the values; None if a column may hold text that looks like a number, or has an odd fill."""
        if selection not in self._packings:
            limits = [whole_limit(value.dtype) for value in selection.values]
            numeric = all(map(holds_numbers, self._declared(selection))) and all(map(packs_nulls, selection.values))
            self._packings[selection] = Packing(selection, limits) if numeric else None
        return self._packings[selection]

    def _read_folded(self, request: Request) -> ColumnData | None:
        """One result row for the whole request, in which a place is (id - first id) · cells + cell."""
        packing = self._packing(request.selection)
        if packing is not None and not packing.tried and request.ids.size > PROBED_SAMPLES:
            few = replace(request, ids=request.ids[:PROBED_SAMPLES])
            packing.tried = True
            self._learn(packing, self._read_apart(few))
        found = self._read_packed(request, packing) if packing is not None and packing.ready else None
        if found is None:
            found = self._read_apart(request)
            if found is None:
                return None
            self._learn(packing, found)
        places, numbers = found
        return converted(request, *request.unfolded(places, int(request.ids[0])), numbers)

    @staticmethod
    def _learn(packing: Packing | None, found: PlacesAndNumbers | None) -> None:
        if packing is not None and found is not None and packing.hopeful:
            packing.learn(found[1])

    def _read_packed(self, request: Request, packing: Packing) -> PlacesAndNumbers | None:
        """Several columns as one integer; None if a row is not like those of earlier requests."""
        inside, place = _place(request.selection)
        places = (int(request.ids[-1]) - int(request.ids[0]) + 1) * request.selection.cells
        packs = map(sa.func.group_concat, packing.expressions(inside, place, places))
        rows, *texts = self._one_row(request, sa.select(sa.func.count(), *packs))
        packed = [part for part in (parse(text, np.int64) for text in texts) if part is not None and part.size == rows]
        return packing.unpacked(packed, places) if len(packed) == len(texts) else None

    def _read_apart(self, request: Request) -> PlacesAndNumbers | None:
        """Each column by itself; None if a row must be read as a plain row."""
        signed = self._signed_zeros(request.selection)
        query = aggregate(request.selection, signed, *_place(request.selection))
        rows, text, *texts = self._one_row(request, query)
        places, numbers = parse(text, np.int64), numbers_of(request.selection, rows, texts)
        if places is None or places.size != rows or numbers is None or not zeros_unsigned(numbers, signed):
            return None
        return places, numbers

    def _one_row(self, request: Request, query: sa.Select[Any]) -> tuple[Any, ...]:
        query, bound = wanted(query, request)
        return tuple(self._execute(query, bound | {FIRST: int(request.ids[0])}).one())

    def _read_grouped(self, request: Request) -> ColumnData | None:
        """One result row per sample, for ids that cannot be folded: text, and integers that are far apart."""
        selection = request.selection
        names = selection.subquery.c.sample
        signed = self._signed_zeros(selection)
        query, bound = wanted(aggregate(selection, signed, *cell_of(selection), names), request)
        found = self._execute(query.group_by(self._bytewise(names)), bound)
        position = {name: index for index, name in enumerate(request.ids.tolist())}
        groups: list[Any] = [group for group in found if group[0] in position]  # a loose collation lets others through
        if any(None in group[2:] for group in groups):
            return None
        counts = [group[1] for group in groups]
        cells, *texts = (",".join(group[i] for group in groups) or None for i in range(2, 3 + len(selection.values)))
        sample = np.repeat(np.array([position[group[0]] for group in groups], np.int64), counts)
        cell, numbers = parse(cells, np.int64), numbers_of(selection, sample.size, texts)
        if cell is None or cell.size != sample.size or numbers is None or not zeros_unsigned(numbers, signed):
            return None
        return converted(request, sample, cell, numbers)

    def _place(self, source: Source) -> tuple[str | None, str] | None:
        """With the table's name as the catalogue has it: SQLite ignores its case, SQLAlchemy's reflection does not."""
        place = super()._place(source)
        if place is None:
            return None
        if place not in self._spelt:
            schema, table = place
            within = self._connection.dialect.identifier_preparer.quote_identifier(schema or "main")
            query = f"SELECT name FROM {within}.sqlite_master WHERE lower(name) = lower(?)"  # noqa: S608
            with suppress(sqlite3.DatabaseError):  # no such schema, or no database: reflection says so
                found = [name for (name,) in self._driver.execute(query, (table,))]
                self._spelt[place] = (schema, found[0] if len(found) == 1 else table)
        return self._spelt.get(place, place)

    def _leading_columns(self, inspector: sa.Inspector, schema: str | None, table: str) -> set[str]:
        """From SQLite's own catalogue: it has unnamed UNIQUE columns and the rowid, and marks partial indexes."""
        found = set(inspector.get_pk_constraint(table, schema=schema)["constrained_columns"][:1])
        query = (
            "SELECT c.name FROM pragma_index_list(?1, ?2) AS i JOIN pragma_index_info(i.name, ?2) AS c "
            "WHERE c.seqno = 0 AND NOT i.partial AND c.name IS NOT NULL"
        )
        return found | {row[0] for row in self._connection.exec_driver_sql(query, (table, schema or "main"))}


FIRST = "rowfeed_first"
"""The parameter with the first id of a request."""


def _place(selection: Selection) -> tuple[sa.ColumnElement[bool] | None, sa.ColumnElement[Any]]:
    """Whether a row has a place, and the place."""
    inside, cell = cell_of(selection)
    return inside, (selection.subquery.c.sample - sa.bindparam(FIRST)) * number(selection.cells) + cell

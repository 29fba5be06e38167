"""PostgreSQL: one aggregate returns a request as binary columns that numpy reads in place.

Each column of a request is one value, `string_agg(float4send(value), '')`: the server joins the bytes that it would
send for each row, and neither the driver nor Python handles a row. The aggregates of one query take the rows in one
order and leave NULLs out, so their lengths tell whether anything is missing. This needs psycopg, whose cursors can ask
for binary results. With other drivers, plain rows are read.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from sqlalchemy.util import memoized_property

from rowfeed.access.address import Address
from rowfeed.access.failures import Advice, Failure
from rowfeed.dialects import session as generic
from rowfeed.dialects.postgresql import clear_text, failures
from rowfeed.dialects.postgresql.query import (
    COLLATED,
    IDS,
    INTEGERS,
    NUMERIC,
    RUN_OF,
    TEXTS,
    UUID,
    Bound,
    Query,
    array_literal,
    exact_rows,
    folding,
    integer_ids,
    joined,
    possible,
    samples_in,
    tried_ids,
)
from rowfeed.dialects.postgresql.settings import names, settings_of
from rowfeed.dialects.postgresql.transactions import cursor_class, pipelines, read_in_transactions
from rowfeed.dialects.postgresql.writing import Writing
from rowfeed.dialects.skip_scan import skip_scan
from rowfeed.errors import DatabaseError
from rowfeed.request.plain_rows import to_columns
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source
from rowfeed.values.ids import IdKind, Ids, sort_ids

CONNECT_S = 15
"""Seconds that connecting may take, if `timeout_s` is not less."""

CANCEL_S = 1.0
"""Seconds for which `interrupt` tries to tell the server; the reader is freed in any case."""

TOO_LARGE = "54000"
"""The code of an error for a value that would be above 1 GB."""

SKIP_FROM = 64
"""From this many rows a sample on, going from id to id, 6 us each, beats reading all rows."""

TRY_FROM = 24
"""From this many rows a sample on, trying every number between the first and the last id, 2.7 us each, beats reading
all rows, if nearly every number is an id. Measured with 200,000 ids of 50 rows: 0.54 s; going from id to id takes
1.24 s, and reading all rows 1.95 s."""


LEADING = """
SELECT a.attname FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass(:name) AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
"""
"""The columns that an index of a table starts with, which finds any of their values and ranges."""


class Session(Writing, generic.Session):
    """A session on a PostgreSQL server."""

    remote = True
    how_to_install = 'Install psycopg, pip install "rowfeed[postgresql]".'
    streams = False  # streaming would need a server cursor, and so DECLARE, FETCH and CLOSE beside SELECT

    def __init__(self, connection: sa.Connection, address: Address) -> None:
        super().__init__(connection, address)
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._closing = Lock()
        self._types: dict[Selection, dict[str, int]] = {}
        self._queries: dict[tuple[Selection, str, bool], Query] = {}
        self._sent_settings: str | None = None
        self._binary = connection.dialect.driver == "psycopg"
        if self._binary:
            driver.prepare_threshold = None  # a prepared plan does not know the number of ids; and poolers lose it

    @classmethod
    def _engine(cls, address: Address, *, read_only: bool) -> sa.Engine:
        url = address.url
        if url.drivername == "postgresql" and (find_spec("psycopg") or not find_spec("psycopg2")):
            url = url.set(drivername="postgresql+psycopg")
        options: dict[str, Any] = {}
        own: dict[str, Any] = {}
        if read_only:  # even what SQLAlchemy asks at first is no transaction
            own["isolation_level"] = "AUTOCOMMIT"
        if url.get_driver_name() in ("psycopg", "psycopg2"):
            own["use_native_hstore"] = False
        if url.get_driver_name() in ("psycopg", "psycopg2") and "connect_timeout" not in url.query:
            options["connect_timeout"] = min(CONNECT_S, math.ceil(address.timeout_s))
        if url.get_driver_name() in ("psycopg", "psycopg2"):
            options |= clear_text.refusal(url)
        if url.get_driver_name() == "psycopg" and "client_encoding" not in url.query:
            options["client_encoding"] = "utf8"  # else text of a database in SQL_ASCII comes as bytes
        if url.get_driver_name() == "pg8000" and "timeout" not in url.query:
            options["timeout"] = math.ceil(address.timeout_s)  # of connecting, and of each read afterwards
        return sa.create_engine(url, connect_args=options, poolclass=NullPool, hide_parameters=True, **own)

    @classmethod
    def _driver_connect(cls, dialect: sa.Dialect, arguments: Any, options: dict[str, Any]) -> Any:
        if dialect.driver == "pg8000":
            return clear_text.pg8000_connection(dialect, arguments, options)
        return super()._driver_connect(dialect, arguments, options)

    @classmethod
    def failure(cls, error: BaseException) -> Failure:
        return failures.failure(error)

    @classmethod
    def advice(cls, error: BaseException, label: str, database: str) -> Advice | None:
        return failures.advice(error, label)

    def _protect(self) -> None:
        """Make each statement a transaction of its own, read-only and limited. Nothing is set for the session."""
        self._connection.dialect.set_isolation_level(self._driver, "AUTOCOMMIT")
        found: dict[str, str] = {row[0]: row[1] for row in self._connection.execute(names())}
        settings = settings_of(found, self._query_limit_s)
        if settings.own_limit_s is not None:
            self._translation = replace(self._translation, own_limit_s=settings.own_limit_s)
        if self._binary and pipelines():
            self._sent_settings = settings.statement
            self._driver.cursor_factory = cursor_class(self._sent_settings, binary=False)
        else:
            read_in_transactions(self._connection, settings.statement)

    def close(self) -> None:
        with self._closing:
            super().close()

    def interrupt(self) -> None:
        """End the running query. The connection is unusable afterwards: a stalled network must not hold its reader."""
        if self._binary and self._closing.acquire(timeout=CANCEL_S):
            try:
                with suppress(Exception):  # the connection may be broken or closed
                    self._driver.cancel_safe(timeout=CANCEL_S)
            finally:
                self._closing.release()
        super().interrupt()

    # What is there

    def sample_ids(self, source: Source, column: str) -> Ids:
        try:
            return self._listed_ids(source, column, grouped=False)
        except DatabaseError as error:
            if not _too_large(error):
                raise
            return self._listed_ids(source, column, grouped=True)

    def _listed_ids(self, source: Source, column: str, *, grouped: bool) -> Ids:
        """The ids: integers in one value of at most 1 GB, 134 million; or in groups, which takes 3 times as long."""
        rows = source.select({"sample": column}).subquery("r")
        if self._plain_rows or not self._binary or self._types_of(rows)["sample"] not in INTEGERS:
            return super().sample_ids(source, column)
        ids: sa.Select[Any] = sa.select(rows.c.sample).distinct()
        per_sample = self._rows_per_sample(source, column)
        if per_sample >= TRY_FROM and not self._has_null(source, column):
            numbers = self._span(source, column) / max(1.0, self._estimated_rows(source) / per_sample)
            if 0 < TRY_FROM * numbers < per_sample:
                ids = tried_ids(source, column)
            elif per_sample >= SKIP_FROM:
                ids = skip_scan(source, column)
        with self._binary_cursors():
            parts: Any = self._execute(integer_ids(ids, grouped=grouped)).all()
        if any(8 * part[0] != len(part[1] or b"") for part in parts):
            return super().sample_ids(source, column)  # names the fault
        return sort_ids(np.frombuffer(b"".join(part[1] or b"" for part in parts), ">i8").astype(np.int64))

    def _span(self, source: Source, column: str) -> float:
        """The number of integers from the first id to the last; infinite without rows."""
        low, high = tuple(self._execute(sa.select(*source.ends(column))).one())
        return math.inf if low is None else float(high - low + 1)

    def _estimated_rows(self, source: Source) -> float:
        """The approximate number of rows of a table, by its statistics; 0 if it was never analysed."""
        place = self._place(source)
        if place is None:
            return 0.0
        name = self._written(*place)
        query = sa.text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)").bindparams(name=name)
        return max(0.0, float(self._execute(query).scalar() or 0.0))

    def sample_kind(self, source: Source, column: str) -> IdKind | None:
        kind = super().sample_kind(source, column)
        if kind is IdKind.TEXT and not self._binary:  # psycopg2 gives UUIDs as text
            types = self._types_of(source.select({"sample": column}).subquery("r"))
            return IdKind.UUIDS if types["sample"] == UUID else kind
        return kind

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return (column if self._type_of(column) in COLLATED else sa.cast(column, sa.Text)).collate("C")

    def _wanted(self, ids: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """As in the generic session; but citext as such, and enums and the like, which equal no text, as text."""
        kind = self._type_of(ids)
        if kind in {*TEXTS, *INTEGERS, NUMERIC}:
            return super()._wanted(ids)
        name: sa.TextClause = sa.text("SELECT format_type(oid, NULL), typcategory FROM pg_type WHERE oid = :kind")
        found = self._execute(name, {"kind": kind}).one()
        if found.typcategory == "S":
            return ids.in_(sa.bindparam("rowfeed_ids", expanding=True, type_=Bound(found.format_type)))
        return super()._wanted(ids if found.typcategory in "ND" else sa.cast(ids, sa.Text))

    def _bound(self, ids: Ids, kind: IdKind) -> list[Any]:
        """As in the generic session, without text that PostgreSQL cannot hold."""
        return [name for name in super()._bound(ids, kind) if not (isinstance(name, str) and "\0" in name)]

    def _type_of(self, column: sa.ColumnElement[Any]) -> int:
        """The type number of a column of a subquery."""
        found: Any = column
        return self._types_of(found.table)[found.name]

    def _leading_columns(self, inspector: sa.Inspector, schema: str | None, table: str) -> set[str]:
        """Of indexes that are complete and in order: no partial or invalid one, no hash, GIN or BRIN."""
        name = self._written(schema, table)
        query = sa.text(LEADING).bindparams(name=name)
        return set(self._execute(query).scalars())

    def _written(self, schema: str | None, table: str) -> str:
        """A table's name as SQL has it, for a parameter: SQLAlchemy doubles each % in the text of a statement."""
        name = self._connection.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
        return name.replace("%%", "%")

    def _types_of(self, rows: sa.Subquery) -> dict[str, int]:
        """PostgreSQL's type number of each column; for a domain, that of its base type."""
        with self._translated():
            result = self._connection.execute(sa.select(rows).limit(0))
            description: Any = result.cursor.description
            return {column[0]: column[1] for column in description}

    def _selection_types(self, selection: Selection) -> dict[str, int]:
        if selection not in self._types:
            self._types[selection] = self._types_of(selection.subquery)
        return self._types[selection]

    # Reading

    @contextmanager
    def _binary_cursors(self) -> Iterator[None]:
        """A context with results in the server's binary format."""
        before = self._driver.cursor_factory
        self._driver.cursor_factory = self._binary_cursor
        try:
            yield
        finally:
            self._driver.cursor_factory = before

    @memoized_property
    def _binary_cursor(self) -> type[Any]:
        return cursor_class(self._sent_settings, binary=True)

    def _read_columns(self, request: Request) -> ColumnData | None:
        if not self._binary:
            return None
        query = self._query(request)
        if query is None:
            return None
        try:
            with self._binary_cursors():
                row = self._execute(query.statement, query.parameters(request, self._kind(request))).one()
        except DatabaseError as error:
            if request.ids.size == 1 or not _too_large(error):
                raise
            half = request.ids.size // 2
            parts = [self.read(Request(request.selection, ids)) for ids in (request.ids[:half], request.ids[half:])]
            return joined(request, *parts)
        return query.columns(request, tuple(row))

    def _query(self, request: Request) -> Query | None:
        """The statement for requests like this one; None if a column has a type that cannot be sent."""
        types = self._selection_types(request.selection)
        if not possible(request, types):
            return None
        key = (request.selection, folding(request), request.ranges(RUN_OF) is not None)
        if key not in self._queries:
            self._queries[key] = Query(request.selection, types, *key[1:])
        return self._queries[key]

    def _most_plain_ids(self, request: Request) -> int:
        return sys.maxsize if self._as_array(request) else super()._most_plain_ids(request)

    def _as_array(self, request: Request) -> bool:
        """Whether the ids have a type that can be compared with one array of them."""
        kinds = TEXTS if request.ids.dtype.kind == "T" else INTEGERS
        return self._selection_types(request.selection)["sample"] in kinds

    def _row_columns(self, selection: Selection) -> list[sa.ColumnElement[Any]]:
        return exact_rows(selection.subquery, self._selection_types(selection))

    def _read_rows(self, request: Request) -> ColumnData:
        types = self._selection_types(request.selection)
        if not self._as_array(request):
            return super()._read_rows(request)
        rows = request.selection.subquery
        query = sa.select(*self._row_columns(request.selection)).where(samples_in(rows.c.sample, types["sample"]))
        kind = self._kind(request)
        return to_columns(request, self._execute(query, {IDS: array_literal(request.ids, kind)}).all(), kind)


def _too_large(error: DatabaseError) -> bool:
    """Whether a value would have been above 1 GB, by the driver's own exception in the chain of causes."""
    return getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) == TOO_LARGE

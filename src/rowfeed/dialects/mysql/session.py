"""MariaDB and MySQL: rows in the binary protocol, which already arrive as arrays.

With PyMySQL a request costs no Python object per row (`rowfeed.dialects.mysql.wire`). With other drivers, text ids or
columns without a fixed width, plain rows are read.

FLOAT columns are widened to DOUBLE if the server prints them, since it prints a FLOAT with 6 digits. Text ids are
compared bytewise here, since 'ab', 'AB' and 'ab ' are equal in most collations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.access.address import Address
from rowfeed.access.failures import Advice, Failure
from rowfeed.dialects import session as generic
from rowfeed.dialects.mysql import decoding, drivers, failures, tls, wire
from rowfeed.dialects.mysql.information_schema import InformationSchema
from rowfeed.dialects.mysql.query import NO_IDS, TIMESTAMP, UTC, instant, numbers, printable
from rowfeed.dialects.mysql.server import server_of
from rowfeed.dialects.mysql.statements import Template, template, type_of_ranges, wanted
from rowfeed.dialects.mysql.writing import Writing
from rowfeed.errors import DependencyError, SchemaError
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source
from rowfeed.values.ids import FORMS, IdKind, Ids, merged, narrowed, objects_of, sort_ids
from rowfeed.values.kinds import ValueKind

SKIP_FROM = 8
"""From this many rows a sample on, going from id to id, as the server does for DISTINCT, beats reading all rows.
Measured: 200,000 ids of 50 rows take 0.22 of the time; 1,000,000 ids of 5 rows take 1.25 times as long."""


MOST_PLAIN_IDS = 16_384
"""Ids in a statement for plain rows: then even a query that makes a whole view anew is asked few times."""


class Session(Writing, InformationSchema, generic.Session):
    """A session on a MariaDB or MySQL server."""

    remote = True
    columns_ignore_case = True
    how_to_install = 'Install PyMySQL, pip install "rowfeed[mysql]", and begin the URL with mysql+pymysql://.'

    def __init__(self, connection: sa.Connection, address: Address) -> None:
        super().__init__(connection, address)
        self._driver = connection.connection.dbapi_connection
        self._server = server_of(connection.dialect)
        self._wire = None if _rewritten(address) else wire.find(self._driver)
        self._types: dict[Selection, list[int]] = {}
        self._templates: dict[tuple[Selection, str], Template | None] = {}
        self._interrupted = False

    @classmethod
    def _engine(cls, address: Address, *, read_only: bool) -> sa.Engine:
        url, options = drivers.options(address.url, address.timeout_s, read_only)
        return sa.create_engine(url, connect_args=options, poolclass=sa.NullPool, hide_parameters=True)

    @classmethod
    def _driver_connect(cls, dialect: sa.Dialect, arguments: Any, options: dict[str, Any]) -> Any:
        if dialect.driver != "pymysql":
            return super()._driver_connect(dialect, arguments, options)
        pymysql: Any = dialect.loaded_dbapi
        try:
            return tls.sharing_class(pymysql)(*arguments, **options)
        except RuntimeError as error:
            if "cryptography" not in str(error):
                raise
            raise DependencyError(
                "expected the package cryptography, by which PyMySQL encrypts the password of this account where there "
                'is no TLS; got none. Install it: pip install "rowfeed[mysql]".'
            ) from error

    @classmethod
    def failure(cls, error: BaseException) -> Failure:
        return failures.failure(error)

    @classmethod
    def advice(cls, error: BaseException, label: str, database: str) -> Advice | None:
        return failures.advice(error, label)

    def _protect(self) -> None:
        drivers.speak(self._connection, self._driver)
        self._connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reading = self._server.reading(self._query_limit_s, self._connection.dialect)
        self._connection.exec_driver_sql(f"SET SESSION {reading}")
        limit_s = self._server.limit_s(self._connection.exec_driver_sql(f"SELECT @@{self._server.limit}").scalar_one())
        if limit_s < 0.99 * self._query_limit_s:
            self._translation = replace(self._translation, own_limit_s=limit_s)

    def _ranges(self, request: Request) -> str:
        """The type of the ends of a request's ranges; empty if it asks for ids."""
        least = self._server.range_from
        kind = "" if least is None else type_of_ranges(request, least)
        return kind if kind and self.in_order(request.selection.source, request.selection.sample) else ""

    def close(self) -> None:
        if self._connection.closed:
            return
        try:
            if self._interrupted or not getattr(self._driver, "open", True):
                self._connection.invalidate()  # nothing to roll back: it would fail, and be logged
            self._connection.close()
        except sa.exc.SQLAlchemyError:
            if not self._connection.closed:
                self._connection.invalidate()
            super().interrupt()
        finally:
            self._socket.close()

    def interrupt(self) -> None:
        """Shut the socket down: a read that waits for the server ends at once, and the session is unusable then."""
        self._interrupted = True
        super().interrupt()

    # Ids

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any] | None:
        collation = self._server.exact_collation
        if collation is None:
            return None
        return sa.func.convert(column.op("USING")(sa.literal_column("utf8mb4"))).collate(collation)

    def sample_ids(self, source: Source, column: str) -> Ids:
        if self._wire is None or self._plain_rows or self.sample_kind(source, column) is not IdKind.INTEGERS:
            return super().sample_ids(source, column)
        ids = source.select({"sample": column}).subquery("r").c.sample
        found = {np.dtype(np.int64): bytearray(), np.dtype(np.uint64): bytearray()}

        def take(rows: wire.Rows) -> bool:
            data = rows["c0"]
            if data.dtype.kind not in "iu":
                return False
            wide = np.dtype(np.uint64 if data.dtype == np.uint64 else np.int64)
            found[wide].extend(data.astype(wide).tobytes())
            return True

        query = sa.select(ids).distinct()
        if self._rows_per_sample(source, column) < SKIP_FROM:  # a count keeps the server from going from id to id
            query = sa.select(ids).group_by(ids).having(sa.func.count() > 0)
        statement = self._literal(query)
        if statement is None or not self._read(statement, take):
            return super().sample_ids(source, column)
        return merged((narrowed(sort_ids(np.frombuffer(ids, kind))) for kind, ids in found.items()), column)

    def sample_kind(self, source: Source, column: str) -> IdKind | None:
        """UUIDs come as text, but they equal themselves without hyphens, which a text does not.

        Raises:
            SchemaError: Ids of such a type would not be found.
        """
        (number,) = self._numbers_of(source.select({"sample": column}))
        if number in NO_IDS:
            raise SchemaError(
                f"expected sample ids that are integers, text, UUIDs or bytes; got the type {NO_IDS[number]} at "
                f"{source.label}.{column}. CAST it in a selectable, for example CAST(… AS UNSIGNED) or AS CHAR."
            )
        kind = super().sample_kind(source, column)
        first = self._first_id(source, column)
        if kind is not IdKind.TEXT or not (self._server.has_uuids and FORMS[IdKind.UUIDS].fullmatch(first)):
            return kind
        name = source.select({"sample": column}).subquery("r").c.sample
        same = name == sa.func.replace(name, sa.literal_column("'-'"), sa.literal_column("''"))
        return IdKind.UUIDS if self._execute(sa.select(same).where(name.is_not(None)).limit(1)).scalar() else kind

    def _ordered(self, source: Source, column: str, value: Any) -> Value:
        """As in the generic session, but uint64 for unsigned columns."""
        found = super()._ordered(source, column, value)
        if found.dtype != np.int64 or self._wire is None:
            return found
        (unsigned,) = self._unsigned(source.select({"order": column}))
        return replace(found, dtype=np.dtype(np.uint64)) if unsigned else found

    # Reading

    def _most_column_ids(self, request: Request) -> int:
        """As many as the statement holds; numbers between the first and the last are not longer than these two."""
        found = self._templates.get((request.selection, ""))
        longest = max(len(str(number)) for number in request.ids[[0, -1]].tolist())
        return super()._most_column_ids(request) if found is None else found.most(longest, self._packet)

    def _most_plain_ids(self, request: Request) -> int:
        """As many as a statement holds with them as quoted text, but not so many that it would take long to write."""
        longest = max(len(str(one).encode()) for one in request.ids.tolist())
        return max(1, min(MOST_PLAIN_IDS, self._packet // (2 * (2 * longest + 4))))

    def _read_columns(self, request: Request) -> ColumnData | None:
        selection = request.selection
        if self._wire is None or selection.value_kinds != {ValueKind.NUMBER} or request.ids.dtype.kind == "T":
            return None
        ranges = self._ranges(request)
        key = (selection, ranges)
        if key not in self._templates:
            self._templates[key] = template(
                selection, numbers(selection, self._types_of(selection), self._unsigned), self._literal, ranges
            )
        found = self._templates[key]
        if found is None:
            return None
        parts: list[list[npt.NDArray[Any]]] = []
        take = partial(decoding.take, request, self._types_of(selection), parts)
        if not all(self._read(one, take) for one in found.statements(wanted(request, bool(ranges)), self._packet)):
            return None
        sample, cell, *values = (
            np.concatenate(column) for column in zip(decoding.none(selection), *parts, strict=True)
        )
        return ColumnData(request, sample, cell, tuple(values))

    def _read(self, statement: str, take: Callable[[wire.Rows], bool]) -> bool:
        assert self._wire is not None
        with self._translated():
            return self._wire.read(statement, take)

    def _literal(self, query: sa.Select[Any]) -> str | None:
        """The text of a statement with its parameters in it; None if one has no literal form."""
        try:
            compiled = self._compiled(query, compile_kwargs={"literal_binds": True})
        except sa.exc.CompileError:
            return None
        return self._as_sent(compiled)

    def _types_of(self, selection: Selection) -> list[int]:
        """The types of a selection's columns."""
        if selection not in self._types:
            self._types[selection] = self._numbers_of(sa.select(selection.subquery))
        return self._types[selection]

    def _numbers_of(self, query: sa.Select[Any]) -> list[int]:
        """The types of a query's columns, as drivers number them."""
        cursor = self._execute(query.limit(0)).cursor
        assert cursor is not None
        return [int(column[1]) for column in cursor.description]  # type: ignore[call-overload]

    def _unsigned(self, query: sa.Select[Any]) -> list[bool]:
        """Which columns of a query are unsigned."""
        assert self._wire is not None
        with self._translated():
            return self._wire.unsigned(self._literal(query) or "")

    def _row_columns(self, selection: Selection) -> list[sa.ColumnElement[Any]]:
        """Without `where`, MySQL answers in UTC. With it, or on MariaDB, each TIMESTAMP is converted."""
        types = self._types_of(selection)
        columns = [printable(column, kind) for column, kind in zip(selection.subquery.c, types, strict=True)]
        if self._server.hints_zone and TIMESTAMP in types and selection.source.where is None:
            columns[0] = UTC.op("")(columns[0])
        else:
            exact = self._server.product == "mariadb"
            pairs = zip(columns, types, strict=True)
            columns = [instant(column, exact) if kind == TIMESTAMP else column for column, kind in pairs]
        names = selection.subquery.c.keys()
        return [column.label(name) for name, column in zip(names, columns, strict=True)]

    def _bound(self, ids: Ids, kind: IdKind) -> list[Any]:
        return objects_of(ids, IdKind.TEXT if kind is IdKind.UUIDS else kind)

    @property
    def product(self) -> str:
        return super().product.replace(self.engine_name, self._server.product)


def _rewritten(address: Address) -> bool:
    """Whether statements must go through SQLAlchemy, since the user's Engine has listeners for them. It warns."""
    if address.engine is None or not address.engine.rewrites:
        return False
    warnings.warn(
        "expected an Engine without listeners for its statements; got some, which the binary protocol would pass by. "
        "Plain rows are read instead: slower, the same batches. Pass an Engine without them, or a URL.",
        RuntimeWarning,
        stacklevel=2,
    )
    return True

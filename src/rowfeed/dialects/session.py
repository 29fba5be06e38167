"""The base of every engine's session. By itself it reads any engine that SQLAlchemy knows: standard SQL, plain rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from rowfeed.access import forks
from rowfeed.access.address import Address
from rowfeed.access.failures import Advice, Failure, Translation
from rowfeed.access.passwords import hide
from rowfeed.access.sockets import HeldSocket, opening
from rowfeed.dialects.closing import close_quietly
from rowfeed.dialects.reflection import Reflection
from rowfeed.dialects.writing import Writing
from rowfeed.errors import DataError, Error, SchemaError
from rowfeed.messages import brief
from rowfeed.request.plain_rows import to_columns
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source
from rowfeed.values.ids import TEXT, IdKind, Ids, check_kind, ids_from_objects, merged, namer, objects_of, sort_ids
from rowfeed.values.kinds import dtype_of

IDS_PER_QUERY = 500
"""Parameters that any engine accepts in one statement (Oracle and old SQLite: 1,000)."""

IDS_PER_FETCH = 8_192
"""The most ids that are Python objects at one time, before they become an array."""

SERVERS_SHARE = 0.9
"""The share of `timeout_s` after which a server ends a query, so that its own error comes first."""

PROBED_ROWS = 10_000
"""Rows of an index that are read to learn the rows of a sample."""


class Session(Writing, Reflection):
    """One open connection. It belongs to the thread that opened it; only `interrupt` may be called from another.

    Use it as a context manager: its exit closes the connection.

    This class reads any engine that SQLAlchemy knows. The session of an engine overrides its hooks, and nothing else:

    - *Connecting*: `refuse`, `failure` and `advice` judge a URL and an error, `how_to_install` names a driver;
      `_engine`, `_driver_connect` and `_protect` open a session that only reads; `interrupt` and `close` end it;
      `remote` and `streams` describe the connection.
    - *Catalogue*: `columns_ignore_case`, `_place`, `_column_names`, `_leading_columns`, `primary_key`; `indexed`,
      `missing_index`.
    - *Values*: `numbers`, those of a column.
    - *Ids*: `sample_kind`, `sample_ids`, `id_ends`; `_bytewise` and `_wanted`, for text; `_ordered`, for columns that
      order rows.
    - *Reading*: `_read_columns` is the engine's fast way. It returns None if plain rows must be read: by `_read_rows`,
      with `_row_columns` and `_bound`. `_most_column_ids` and `_most_plain_ids` say how many ids a statement of each
      way takes.
    - *Writing*: `write`, `_transaction`, `_insert`, `table_options`; `key_type`, `key_objects`, `has_uuids`;
      `has_dates`, `value_objects`, `clock_objects`, `unstorable`, `storable_dates`.
    - *For people*: `product`.
    """

    remote = False
    """Whether the connection uses a network, which may stall."""

    how_to_install = ""
    """The remedy if the driver is missing; empty: install it by its name."""

    streams = True
    """Whether a long result stays on the server until it is fetched; else the driver holds all of it."""

    def __init__(self, connection: sa.Connection, address: Address) -> None:
        self._connection = connection
        self._plain_rows = address.plain_rows
        self._label = address.label
        self._socket = opening.get() or HeldSocket()
        if not self._socket.found:  # connected in a way of the user's
            self._socket.hold(connection.connection.dbapi_connection)
        self.remote = self.remote or address.url.host is not None
        self._query_limit_s = address.timeout_s * SERVERS_SHARE
        self._first_ids: dict[tuple[Source, str], Any] = {}
        self._translation = self._translation_of(address)

    @classmethod
    def open(cls, address: Address, *, read_only: bool = True) -> Self:
        """Connect, with the user's own Engine by its way."""
        with cls._translation_of(address)():
            connection = cls._new_connection(address, read_only)
            try:
                session = cls(connection, address)
                if read_only:
                    session._protect()
            except BaseException:
                with suppress(sa.exc.SQLAlchemyError):  # what happened before is to be told
                    connection.close()
                raise
            return session

    @classmethod
    def _new_connection(cls, address: Address, read_only: bool) -> sa.Connection:
        """Connect in a separate frame, which is cleared if it fails: the text of an engine shows options of the URL."""
        if address.engine is not None:
            return address.engine.connect()
        with cls._translation_of(address)(Exception):  # a driver may refuse an option in any way: TypeError, OSError
            engine = cls._kept_engine(address, read_only)
        return engine.connect()

    @classmethod
    def refuse(cls, url: sa.URL) -> str | None:
        """Why a feed cannot read from such a URL; None if it can."""
        return None

    @classmethod
    def failure(cls, error: BaseException) -> Failure:
        """The right reaction to an error of the driver."""
        return Failure.PERMANENT

    @classmethod
    def advice(cls, error: BaseException, label: str, database: str) -> Advice | None:
        """The advice on an error of the driver; None: its own words.

        Args:
            error: The driver's error.
            label: The name of the database in messages.
            database: Its name in the URL, or its path.
        """
        return None

    @classmethod
    def _translation_of(cls, address: Address) -> Translation:
        return Translation(address.url, address.timeout_s, cls.failure, cls.advice, cls.how_to_install)

    @classmethod
    def _kept_engine(cls, address: Address, read_only: bool) -> sa.Engine:
        """The SQLAlchemy Engine of the last session, which knows the server already; or a new one."""
        key = read_only, forks.generation
        if key not in address.engines:
            engine = address.engines[key] = cls._engine(address, read_only=read_only)

            close_quietly(engine.dialect)

            @sa.event.listens_for(engine, "do_connect")
            def connect(dialect: sa.Dialect, _record: Any, _arguments: Any, options: dict[str, Any]) -> Any:
                """With a password that is asked for here, and kept nowhere."""
                url = engine.url.set(password=address.password())
                try:
                    arguments, own = dialect.create_connect_args(url)
                    driver = cls._driver_connect(dialect, arguments, {**own, **options})
                    held = opening.get()
                    if held is not None:
                        held.hold(driver)
                    return driver
                except Error:
                    raise
                except Exception as error:
                    hide(error, url)
                    raise sa.exc.DBAPIError("", None, error) from error

        return address.engines[key]

    @classmethod
    def _engine(cls, address: Address, *, read_only: bool) -> sa.Engine:
        return sa.create_engine(address.url, poolclass=NullPool, hide_parameters=True)

    @classmethod
    def _driver_connect(cls, dialect: sa.Dialect, arguments: Any, options: dict[str, Any]) -> Any:
        return dialect.connect(*arguments, **options)

    def _protect(self) -> None:
        """Make the session read-only, as far as the engine allows it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Harmless if it is broken or closed."""
        try:
            self._connection.close()
        except sa.exc.SQLAlchemyError:
            self._connection.invalidate()
        finally:
            self._socket.close()

    def interrupt(self) -> None:
        """End the running query from another thread: by the socket, if the driver does not hide it.

        The connection may be unusable afterwards.
        """
        self._socket.shut_down()

    def sample_kind(self, source: Source, column: str) -> IdKind | None:
        """The kind of the ids in a column, judged by the first row; None without rows."""
        first = self._first_id(source, column)
        return None if first is None else ids_from_objects((first,), source.label, column)[0]

    def _first_id(self, source: Source, column: str) -> Any:
        """The id of the first row; None without rows. A view may have to make all its rows for it: asked once."""
        if (source, column) not in self._first_ids:
            ids = source.select({"sample": column}).subquery("r")
            found = self._execute(sa.select(ids.c.sample).where(ids.c.sample.is_not(None)).limit(1)).first()
            if found is None:
                return None
            self._first_ids[source, column] = found[0]
        return self._first_ids[source, column]

    def ordering(self, source: Source, columns: Iterable[str]) -> tuple[Value, ...]:
        """See `Catalogue`. Judged by the first row."""
        names = tuple(columns)
        if not names:
            return ()
        rows = source.select({f"order{i}": name for i, name in enumerate(names)}).subquery("r")
        first = self._execute(sa.select(rows).limit(1)).first() or (0,) * len(names)
        return tuple(self._ordered(source, name, value) for name, value in zip(names, first, strict=True))

    def _ordered(self, source: Source, column: str, value: Any) -> Value:
        """A column that orders rows, as a value. `value` is an example of its contents."""
        dtype = dtype_of(value)
        if dtype is None:
            raise SchemaError(
                f"expected integers, reals, text, bytes or dates to put rows in order; got {brief(value)} at "
                f"{source.label}.{column}. CAST the column in a selectable."
            )
        return Value(column, dtype)

    def numbers(self, source: Source, column: str) -> np.dtype[Any] | None:
        """See `Catalogue`. Judged by the first row: columns of other engines than SQLite have one type."""
        value = source.select({"value": column}).subquery("r").c.value
        found = self._execute(sa.select(value).where(value.is_not(None)).limit(1)).first()
        if found is None or type(found[0]) not in (int, float):
            return None
        return self._ordered(source, column, found[0]).dtype

    def sample_ids(self, source: Source, column: str) -> Ids:
        """The distinct ids of a column, ascending.

        Raises:
            DataError: One is NULL.
            SchemaError: They are not of one kind, or their kind cannot be an id.
        """
        ids = source.select({"sample": column}).subquery("r").c.sample
        kind = self.sample_kind(source, column)
        distinct = self._bytewise(ids) if kind is IdKind.TEXT else ids
        query = sa.select(ids) if distinct is None else sa.select(distinct).distinct()
        integers: dict[str, bytearray] = {"i": bytearray(), "u": bytearray()}
        texts: list[Ids] = [np.empty(0, TEXT)]
        with self._translated():
            result = self._execute(query.execution_options(stream_results=self.streams))
            for rows in result.partitions(IDS_PER_FETCH):
                found, part = ids_from_objects([row[0] for row in rows], source.label, column)
                kind = kind or found
                if found is not kind and (found, kind) != (IdKind.TEXT, IdKind.UUIDS):  # some drivers' UUIDs are text
                    raise SchemaError(
                        f"expected sample ids of one kind; got {' and '.join(sorted({found.value, kind.value}))} in "
                        f"{source.label}.{column}. CAST them in a selectable, or restrict the rows with where=."
                    )
                if found is IdKind.INTEGERS:
                    integers[part.dtype.kind] += sort_ids(part).tobytes()
                else:
                    texts.append(sort_ids(part))
        parts = [np.frombuffer(integers["i"], np.int64), np.frombuffer(integers["u"], np.uint64)]
        return merged([*parts, *texts], f"{source.label}.{column}")

    def id_ends(self, source: Source, column: str) -> tuple[int, int] | None:
        """The first and the last id of all rows of a table; None unless ids are integers in an index, without NULL."""
        integers = self.indexed(source, column) and self.sample_kind(source, column) is IdKind.INTEGERS
        if not integers or self._has_null(source, column):
            return None
        low, high = tuple(self._execute(sa.select(*Source(source.table).ends(column))).one())
        return (low, high) if type(low) is type(high) is int else None

    def _rows_per_sample(self, source: Source, column: str) -> float:
        """The approximate rows of a sample, from the first rows of an index; 1 if no index tells."""
        if source.where is not None or not self.indexed(source, column):
            return 1.0
        ids = source.select({"sample": column}).subquery("r").c.sample
        first = sa.select(ids).order_by(ids).limit(PROBED_ROWS).subquery("f").c.sample
        rows, distinct = tuple(self._execute(sa.select(sa.func.count(), sa.func.count(first.distinct()))).one())
        return float(rows / max(1, distinct))

    def _skips(self, source: Source, column: str, least: int) -> bool:
        """Whether to go from id to id: a sample has at least `least` rows, and no id is NULL: NULLs would be missed."""
        return self._rows_per_sample(source, column) >= least and not self._has_null(source, column)

    def _has_null(self, source: Source, column: str) -> bool:
        ids = source.select({"sample": column}).subquery("r").c.sample
        return self._execute(sa.select(sa.literal(1)).where(ids.is_(None)).limit(1)).first() is not None

    def _bytewise(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any] | None:
        """A text column under a collation in which all different strings differ; None if standard SQL has none."""
        return None

    # Reading

    def read(self, request: Request) -> ColumnData:
        """The columns of the samples of one request.

        Raises:
            DataError: A row breaks a promise of the selection.
            DatabaseError: The database refused or failed.
        """
        with self._translated():
            data = None if self._plain_rows else self._read_columns(request)
            return self._read_rows(request) if data is None else data

    def present(self, request: Request) -> npt.NDArray[np.bool_]:
        """Which samples of a request have rows, also such as its selection drops: (samples,)."""
        found = self.equal_ids(request)
        return np.fromiter((one in found for one in request.ids.tolist()), bool, request.ids.size)

    def equal_ids(self, request: Request) -> set[Any]:
        """The ids of the rows that the database finds for a request's: under a loose collation, others as well."""
        kind = self._kind(request)
        name, step = namer(kind), self._most_plain_ids(request)
        source, column = request.selection.source, request.selection.sample
        ids = source.select({"sample": column}).subquery("r").c.sample
        distinct = self._bytewise(ids) if kind is IdKind.TEXT else ids
        query = (sa.select(ids) if distinct is None else sa.select(distinct).distinct()).where(self._wanted(ids))
        found = set()
        for start in range(0, request.ids.size, step):
            bound = self._bound(request.ids[start : start + step], kind)
            found |= {name(row[0]) for row in self._execute(query, {"rowfeed_ids": bound})}
        return found

    def _wanted(self, ids: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The rows of the ids that are bound as `rowfeed_ids`."""
        return ids.in_(sa.bindparam("rowfeed_ids", expanding=True))

    def is_empty(self, source: Source) -> bool:
        """Whether a table has no row at all, `where` aside."""
        return self._execute(source.any_row()).first() is None

    def most_ids(self, request: Request) -> int:
        """The number of a request's ids that one statement can ask for. Reads a sample, to learn which way is used."""
        middle = request.ids.size // 2
        with suppress(DataError), self._translated():  # wrong data will be said when it is read
            one = Request(request.selection, request.ids[middle : middle + 1])
            if self._plain_rows:
                self._read_rows(one)
            elif self._read_columns(one) is None:
                return self._most_plain_ids(request)
        return self._most_plain_ids(request) if self._plain_rows else self._most_column_ids(request)

    def _most_column_ids(self, request: Request) -> int:
        """The number of a request's ids that a statement of the fast way takes."""
        return sys.maxsize

    def _most_plain_ids(self, request: Request) -> int:
        """The number of a request's ids that a statement for plain rows takes."""
        return IDS_PER_QUERY

    def _read_columns(self, request: Request) -> ColumnData | None:
        """The engine's own fast way; None if it has none, or if its checks find that plain rows must be read."""
        return None

    def _kind(self, request: Request) -> IdKind:
        """The kind of a request's ids in the database."""
        selection, integers = request.selection, request.ids.dtype.kind != "T"
        kind = selection.id_kind
        if kind is None:  # the table was empty when the feed was made
            kind = self.sample_kind(selection.source, selection.sample)
            given = IdKind.INTEGERS if integers else IdKind.TEXT
            if kind is not None:
                check_kind(request.ids, given, kind, selection.source.label, selection.sample)
            kind = kind or given
        return kind

    def _read_rows(self, request: Request) -> ColumnData:
        """Read plain rows. Each portion keeps only rows of its own ids: a loose collation finds other rows too."""
        rows = request.selection.subquery
        kind = self._kind(request)
        query = sa.select(*self._row_columns(request.selection)).where(self._wanted(rows.c.sample))
        name, found = namer(kind), list[Any]()
        step = self._most_plain_ids(request)
        for start in range(0, request.ids.size, step):
            portion = request.ids[start : start + step]
            wanted, bound = set(portion.tolist()), self._bound(portion, kind)
            found += [row for row in self._execute(query, {"rowfeed_ids": bound}) if name(row[0]) in wanted]
        return to_columns(request, found, kind)

    def _row_columns(self, selection: Selection) -> list[sa.ColumnElement[Any]]:
        """The columns of plain rows, in a form that no driver changes."""
        return list(selection.subquery.c)

    def _bound(self, ids: Ids, kind: IdKind) -> list[Any]:
        """Ids as the driver accepts them for a column of such a kind."""
        return objects_of(ids, kind)

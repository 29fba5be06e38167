"""A SQLAlchemy dialect for DuckDB over `duckdb.connect`, with only the parts that rowfeed needs.

It has a name of its own, so that it neither needs nor disturbs an installed dialect `duckdb`.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import Any
from uuid import uuid4

import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import default
from sqlalchemy.sql.compiler import IdentifierPreparer


class Connection:
    """A DuckDB connection in SQLAlchemy's form: its cursors share the connection, and so its transaction."""

    def __init__(self, module: Any, duckdb: Any, *, guarded: bool = False) -> None:
        self.module, self.duckdb, self._guarded = module, duckdb, guarded
        self._begun = False
        self._reader: _Cursor | None = None

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def guard(self, reader: _Cursor) -> None:
        """Before a statement in an instance that may write: a transaction that only reads, for it alone."""
        if self._guarded:
            self.rollback()
            self.duckdb.execute("BEGIN TRANSACTION READ ONLY")
            self._begun, self._reader = True, reader

    def release(self, reader: _Cursor) -> None:
        """After the result of a statement: end its transaction, unless it is that of a later one."""
        if self._reader is reader:
            self._reader = None
            self.rollback()

    def begin(self) -> None:
        self.duckdb.execute("BEGIN TRANSACTION")
        self._begun = True

    def commit(self) -> None:
        if self._begun:
            self._begun = False
            self.duckdb.execute("COMMIT")

    def rollback(self) -> None:
        if self._begun:
            self._begun = False
            with suppress(self.module.Error):  # after some errors DuckDB has rolled back by itself
                self.duckdb.execute("ROLLBACK")

    def close(self) -> None:
        self.duckdb.close()

    def insert(self, preparer: IdentifierPreparer, table: sa.Table, arrays: list[npt.NDArray[Any]]) -> None:
        """Insert columns in one statement. DuckDB reads NaN in an array as NULL; there is no other NULL in them."""
        values = [
            f"coalesce(c{i}, CAST('nan' AS DOUBLE))" if array.dtype.kind == "f" else f"c{i}"
            for i, array in enumerate(arrays)
        ]
        source = f"rowfeed_{uuid4().hex}"  # a name that no table has
        self.duckdb.register(source, {f"c{i}": array for i, array in enumerate(arrays)})
        names = ", ".join(preparer.format_column(column) for column in table.columns)
        into = f"{preparer.format_table(table)} ({names})"
        try:
            self.duckdb.execute(f"INSERT INTO {into} SELECT {', '.join(values)} FROM {source}")  # noqa: S608
        except self.module.Error as error:
            raise sa.exc.DBAPIError("", None, error) from error
        finally:
            with suppress(self.module.Error):  # after an error there is no transaction for it
                self.duckdb.unregister(source)


class _Cursor:
    """The connection's one result."""

    arraysize = 1
    rowcount = -1

    def __init__(self, connection: Connection) -> None:
        self._connection, self._duckdb = connection, connection.duckdb

    @property
    def description(self) -> Any:
        return self._duckdb.description

    def execute(self, statement: str, parameters: Any = ()) -> None:
        self._connection.guard(self)
        self._duckdb.execute(statement, list(parameters))

    def executemany(self, statement: str, parameters: Any) -> None:
        self._duckdb.executemany(statement, [list(row) for row in parameters])

    def fetchone(self) -> Any:
        return self._duckdb.fetchone()

    def fetchmany(self, size: int = 1) -> Any:
        return self._duckdb.fetchmany(size)

    def fetchall(self) -> Any:
        return self._duckdb.fetchall()

    def fetchnumpy(self) -> Any:
        return self._duckdb.fetchnumpy()

    def close(self) -> None:
        """The result stays with the connection until the next, except in an instance that may write."""
        self._connection.release(self)


class _Preparer(IdentifierPreparer):
    """Quotes every name: DuckDB reserves words that standard SQL does not."""

    def _requires_quotes(self, value: str) -> bool:
        return True


class Dialect(default.DefaultDialect):
    """The parts of a SQLAlchemy dialect that rowfeed needs for DuckDB: quoting, binding and the list of tables."""

    scheme = "rowfeed_duckdb"
    name = "duckdb"
    driver = "duckdb"
    default_paramstyle = "numeric_dollar"
    preparer = _Preparer
    supports_statement_cache = True
    supports_native_boolean = True
    supports_sane_rowcount = False
    max_identifier_length = 1_000

    @classmethod
    def import_dbapi(cls) -> Any:
        import duckdb

        return duckdb

    def _get_server_version_info(self, connection: sa.Connection) -> tuple[str, ...]:
        module: Any = self.loaded_dbapi
        return tuple(module.__version__.split("."))

    def create_connect_args(self, url: sa.URL) -> tuple[list[Any], dict[str, Any]]:
        return [url.database], {}

    def connect(self, *arguments: Any, config: dict[str, Any], read_only: bool) -> Any:
        """Connect to an instance of one's own; or to the process's, if it has the file open with other options."""
        module: Any = self.loaded_dbapi
        alone = {"enable_external_access": "false", **config}
        try:
            return Connection(module, module.connect(*arguments, config=alone, read_only=read_only))
        except module.ConnectionException:
            plain = {name: value for name, value in config.items() if name != "enable_external_access"}
            for options, reads in product((plain, alone, config), (False, True) if read_only else (False,)):
                with suppress(module.Error):
                    shared = module.connect(*arguments, config=options, read_only=reads)
                    return Connection(module, shared, guarded=read_only and not reads)
            raise

    def do_ping(self, dbapi_connection: Any) -> bool:
        return True

    def has_table(self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any) -> bool:
        return bool(self._columns(connection, table_name, schema))

    def get_columns(self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any) -> Any:
        found = self._columns(connection, table_name, schema)
        if not found:
            raise sa.exc.NoSuchTableError(table_name)
        return [{"name": row[0], "type": sa.types.NullType(), "nullable": row[1], "default": None} for row in found]

    def get_pk_constraint(self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any) -> Any:
        found = self._ask(
            connection,
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' AND "
            "lower(table_name) = lower($1)",
            table_name,
            schema=schema,
        )
        return {"constrained_columns": list(found[0][0]) if found else [], "name": None}

    def get_table_names(self, connection: sa.Connection, schema: str | None = None, **_: Any) -> list[str]:
        return [row[0] for row in self._ask(connection, "SELECT table_name FROM duckdb_tables() WHERE", schema=schema)]

    def get_view_names(self, connection: sa.Connection, schema: str | None = None, **_: Any) -> list[str]:
        query = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND"
        return [row[0] for row in self._ask(connection, query, schema=schema)]

    def _columns(self, connection: sa.Connection, table: str, schema: str | None) -> list[Any]:
        query = "SELECT column_name, is_nullable FROM duckdb_columns() WHERE lower(table_name) = lower($1)"
        return self._ask(connection, query, table, schema=schema, suffix=" ORDER BY column_index")

    def _ask(
        self, connection: sa.Connection, query: str, *parameters: str, schema: str | None, suffix: str = ""
    ) -> list[Any]:
        """Rows of a catalogue function, for the current database and for a schema or the current one."""
        and_ = "" if query.endswith(("WHERE", "AND")) else " AND"
        schema_name = f"coalesce(${len(parameters) + 1}, current_schema())"
        where = f" database_name = current_database() AND lower(schema_name) = lower({schema_name})"
        found = connection.exec_driver_sql(query + and_ + where + suffix, (*parameters, schema))
        return list(found.all())

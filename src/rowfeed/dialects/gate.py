"""An open connection, whose errors become rowfeed's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from rowfeed.access.failures import Translation
from rowfeed.request.source import Source


class Gate:
    """An open connection, whose errors are rowfeed's own."""

    _connection: sa.Connection
    _translation: Translation
    _label: str
    """The name of the database in messages."""

    @property
    def engine_name(self) -> str:
        """SQLAlchemy's name of the engine."""
        return self._connection.dialect.name

    @property
    def product(self) -> str:
        """The engine, with its version if SQLAlchemy knows it."""
        version = getattr(self._connection.dialect, "server_version_info", None) or ()
        return f"{self.engine_name} {'.'.join(map(str, version))}".strip()

    @property
    def driver(self) -> str:
        """The driver, with its version if it has one."""
        module = self._connection.dialect.loaded_dbapi
        return f"{module.__name__} {getattr(module, '__version__', '')}".strip()

    def _execute(self, query: sa.Executable, parameters: dict[str, Any] | None = None) -> sa.CursorResult[Any]:
        with self._translated():
            return self._connection.execute(query, parameters or {})

    @property
    def _schemas(self) -> dict[str | None, str | None]:
        """Other names of schemas, by those in the arguments: `schema_translate_map` of the user's Engine."""
        return dict(self._connection.get_execution_options().get("schema_translate_map") or {})

    def _schema(self, name: str | None) -> str | None:
        """A schema, as this connection names it."""
        return self._schemas.get(name, name)

    def _place(self, source: Source) -> tuple[str | None, str] | None:
        """Schema and table of a plain table, as this connection names them; None for a selectable."""
        return None if source.name is None else (self._schema(source.name[0]), source.name[1])

    def _formatted(self, table: sa.Table) -> str:
        """The full name of a table, quoted, for a statement that is not compiled."""
        named = sa.table(table.name, schema=self._schema(table.schema))
        return self._connection.dialect.identifier_preparer.format_table(named)

    def _compiled(self, query: sa.ClauseElement, **options: Any) -> sa.Compiled:
        """A statement, compiled as this connection would do it, for those that do not go through SQLAlchemy."""
        schemas = self._schemas
        if schemas:
            options |= {"schema_translate_map": schemas, "render_schema_translate": True}
        return query.compile(dialect=self._connection.dialect, **options)

    def _as_sent(self, compiled: sa.Compiled) -> str:
        """A statement without parameters as the database sees it: without the escapes for drivers' placeholders."""
        formats = self._connection.dialect.paramstyle in ("format", "pyformat")
        return str(compiled).replace("%%", "%") if formats else str(compiled)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self._translation(self._connection.dialect.loaded_dbapi.Error):
            yield

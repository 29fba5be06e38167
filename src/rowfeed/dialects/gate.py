"""An open connection, whose errors become rowfeed's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from rowfeed.access.failures import Translation


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

    def _as_sent(self, compiled: sa.Compiled) -> str:
        """A statement without parameters as the database sees it: without the escapes for drivers' placeholders."""
        formats = self._connection.dialect.paramstyle in ("format", "pyformat")
        return str(compiled).replace("%%", "%") if formats else str(compiled)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with self._translation(self._connection.dialect.loaded_dbapi.Error):
            yield

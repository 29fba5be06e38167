"""Each statement of a feed is a transaction of its own, with settings that end with it.

psycopg sends the settings and the statement together: a pipeline up to one Sync is one transaction, without BEGIN and
COMMIT, and so one round trip. A pooler can hand the connection on after it, whatever its mode. Other drivers send
BEGIN, the settings, the statement and COMMIT one after the other.

Source: postgresql.org/docs/current/libpq-pipeline-mode.html and protocol-flow.html, "Pipelining".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rowfeed.access.failures import Failure
from rowfeed.dialects.postgresql.failures import failure
from rowfeed.errors import DatabaseError


def pipelines() -> bool:
    """Whether psycopg's libpq is new enough, 14, to send several statements together."""
    from psycopg import Pipeline

    return Pipeline.is_supported()


def cursor_class(settings: str | None, *, binary: bool) -> type[Any]:
    """The class of psycopg's cursors on a connection.

    Args:
        settings: The SELECT that is sent with each statement, for settings that end with its transaction; None: none.
        binary: Whether results come in the server's binary format.
    """
    from psycopg import Cursor
    from psycopg.pq import Format

    class OwnCursor(Cursor[Any]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            if binary:
                self.format = Format.BINARY

        def execute(self, *arguments: Any, **options: Any) -> Any:
            if settings is None:
                return super().execute(*arguments, **options)
            with self.connection.pipeline():
                Cursor(self.connection).execute(settings)
                super().execute(*arguments, **options)
            return self

    return OwnCursor


def read_in_transactions(connection: sa.Connection, settings: str) -> None:
    """Put each statement of a connection that commits by itself between BEGIN and COMMIT. Results are read before.

    Raises:
        DatabaseError: There are no transactions; a pooler may be without.
    """
    driver: Any = connection.connection.dbapi_connection
    has_failed = False

    def run(*statements: str) -> None:
        cursor = driver.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    def before(*_: Any) -> None:
        nonlocal has_failed
        if has_failed:  # SQLAlchemy tells the end of a statement only if it succeeds
            run("ROLLBACK")
        has_failed = True
        run("BEGIN READ ONLY", settings)

    def after(*_: Any) -> None:
        nonlocal has_failed
        run("COMMIT")
        has_failed = False

    try:
        run("BEGIN READ ONLY", settings, "COMMIT")
    except Exception as error:  # the driver's own
        refused = DatabaseError(
            f"expected a transaction; got {type(error).__name__}: {' '.join(str(error).split()).removesuffix('.')}. If "
            "there is a pooler that has none, PgBouncer with pool_mode=statement: set it to transaction or session, or "
            "connect with psycopg, which needs none."
        )
        refused.transient = failure(error) is Failure.TRANSIENT
        raise refused from error
    sa.event.listen(connection, "before_cursor_execute", before)
    sa.event.listen(connection, "after_cursor_execute", after)

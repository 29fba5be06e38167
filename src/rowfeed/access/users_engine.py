"""The user's own Engine, and connections by its way that nobody else uses."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from sqlalchemy.pool.base import _ConnectionRecord

from rowfeed.access.passwords import hide
from rowfeed.errors import ArgumentError

SQLALCHEMYS_OWN = "sqlalchemy.engine.create"
"""The module of the creator of an Engine that was made without `creator=`."""

STATEMENTS = ("before_execute", "before_cursor_execute")
"""The events by which a listener may change a statement."""


class UsersEngine:
    """An Engine of the user's. Its connections are made by its dialect, connect_args, creator, listeners and options.

    A connection of its pool may be in use elsewhere at the same time (StaticPool, SingletonThreadPool), or come back
    into use with settings that rowfeed made. So none is taken from it: a pool that keeps none opens them, with the
    creator and the listeners of the Engine's own.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        given = engine.pool
        self._pool = NullPool(
            given._creator,
            echo=given.echo,
            reset_on_return=given._reset_on_return,
            pre_ping=given._pre_ping,
            _dispatch=given.dispatch,
            dialect=engine.dialect,
        )
        self._lock, self._proven = threading.Lock(), self._connects_itself

    def connect(self) -> sa.Connection:
        """A new connection, which belongs to the caller alone, and to no pool.

        Raises:
            ArgumentError: The Engine's `creator` gives one connection to everybody.
        """
        with self._lock:
            if not self._proven:
                self._refuse_shared()
                self._proven = True
        try:
            driver = self._pool.connect()
        except Exception as error:
            if not isinstance(error, getattr(self._engine.dialect.loaded_dbapi, "Error", ())):
                raise
            hide(error, self._engine.url)
            raise sa.exc.DBAPIError("", None, error) from error
        connection = sa.Connection(self._engine, driver)
        connection.detach()
        # Options for the user's own queries, and not for how a session reads its answers.
        return connection.execution_options(stream_results=False, yield_per=None)

    @property
    def says_where(self) -> bool:
        """Whether its URL says what it connects to."""
        return self._connects_itself

    @property
    def rewrites(self) -> bool:
        """Whether a listener of its may change statements; it sees those that go through SQLAlchemy."""
        return any(getattr(self._engine.dispatch, event, None) for event in STATEMENTS)

    @property
    def _connects_itself(self) -> bool:
        creator = self._pool._creator
        listened: Any = self._engine.dialect.dispatch
        return getattr(creator, "__module__", None) == SQLALCHEMYS_OWN and not listened.do_connect

    def _refuse_shared(self) -> None:
        """Ask the creator twice, before anything is done with what it gives."""
        pool, dialect = self._pool, self._engine.dialect

        def made() -> Any:
            return pool._invoke_creator(_ConnectionRecord(pool, connect=False))

        first = second = made()
        with suppress(dialect.loaded_dbapi.Error):  # an account with one connection is not a shared connection
            second = None
            second = made()
        if second is first:
            raise ArgumentError(
                "expected an Engine that opens connections; got one whose creator gives the same connection each time. "
                "rowfeed closes its connections and makes them read-only, so it needs its own. Pass a creator that "
                "opens one at each call, or the URL."
            )
        for connection in filter(None, (first, second)):
            dialect.do_close(connection)

    def __reduce__(self) -> NoReturn:
        raise ArgumentError(
            "expected a Database that was made from a URL, to pickle it; got one that was made from an Engine, whose "
            "connect_args, creator, listeners and options no pickle can hold. Pass the URL to rowfeed.connect, with "
            "options in its query; or call connect in the other process, with an Engine that is made there."
        )

    def __repr__(self) -> str:
        return "<Engine of the user's>"

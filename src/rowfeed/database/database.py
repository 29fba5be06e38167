"""`connect` and `Database`: the place of the data. Opens sessions, holds none."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from rowfeed.access.address import DEFAULT_MAX_SCANNED_ROWS, DEFAULT_RETRY_S, DEFAULT_TIMEOUT_S, Address
from rowfeed.access.passwords import DEFAULT_VARIABLE, PasswordFrom, in_its_place
from rowfeed.access.slips import slip, slip_of_driver
from rowfeed.access.throttle import Throttle
from rowfeed.access.users_engine import UsersEngine
from rowfeed.database.write import write
from rowfeed.dialects import open_session, session_class
from rowfeed.dialects.session import Session
from rowfeed.errors import ArgumentError
from rowfeed.layouts.base import Layout
from rowfeed.messages import brief, discreet
from rowfeed.values.given_ids import GivenIds

VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
"""A portable name of an environment variable. A password in its place, which pickles would carry, rarely matches."""

LEAST_S, MOST_S = 0.001, 24 * 24 * 3_600
"""Seconds: the resolution of servers' limits, for which 0 is none; and what all of them and timers hold."""


@discreet
def connect(
    url_or_engine: str | sa.URL | sa.Engine,
    *,
    password_from: PasswordFrom = DEFAULT_VARIABLE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    retry_s: float = DEFAULT_RETRY_S,
    plain_rows: bool = False,
    throttle: float | None = None,
    max_scanned_rows: int | None = DEFAULT_MAX_SCANNED_ROWS,
) -> Database:
    """Name a database, and set how to treat its server. Opens no connection yet.

    Args:
        url_or_engine: A SQLAlchemy URL, `sqlite:///games.db`, `mysql+pymysql://user@host/game`; or an Engine, whose way
            of connecting is used in every respect: its creator, listeners and options, `schema_translate_map` too. No
            connection of its pool is touched.
        password_from: The source of the password if the URL names a user without one: the name of an environment
            variable, or a function that returns it (one that pickle can name, if you pickle the database). Asked at
            each connection.
        timeout_s: Seconds that a query may take, and as many at most to connect. After that the server ends it; if the
            server is silent, the connection is shut down.
        retry_s: Seconds for which a request that failed for a passing reason (a server that restarts, a connection that
            was cut) is repeated, on new connections. 0: never.
        plain_rows: Read plain rows with standard SQL instead of the engine's own fast way: slower, the same
            batches. For comparison, or to avoid a fault.
        throttle: The limit of load on the server. Up to 1: the share of time for which a connection may have a request
            running; with 0.25, a connection pauses for 0.3 s after a request of 0.1 s. Above 1: table rows per second,
            all connections together; a request then has about a second's rows at most. All feeds of this database in
            this process keep within it together. None: no limit. Batches are the same with any limit;
            `feed.stats().throttled_s` counts the pauses. Queries that a feed makes once, when it is made, are not
            paced.
        max_scanned_rows: Rows that an epoch may scan in tables without an index that starts with the sample column.
            Each request reads the whole of such a table. So requests are as few as memory allows (one for a whole
            window if its rows fit) and go over one connection. None: any number.

    Returns:
        A frozen, picklable locator. A pickle carries no password: `password_from` is asked where the pickle is opened.
        Made from an Engine, it cannot be pickled, since no pickle can hold an Engine.

    Raises:
        ArgumentError: The URL cannot be parsed, a feed cannot read from this kind of database, or an option is wrong.

    Example:
        ```python
        db = rowfeed.connect("sqlite:///games.db")
        ```
    """
    url = _parsed(url_or_engine)
    users = UsersEngine(url_or_engine) if isinstance(url_or_engine, sa.Engine) else None
    del url_or_engine  # a traceback that shows locals must not show a password
    if isinstance(url, str):
        raise ArgumentError(url)
    limit, most = _checked_throttle(throttle), _checked_rows(max_scanned_rows)
    address = Address(in_its_place(url), password_from, timeout_s, retry_s, plain_rows, Throttle(limit), most, users)
    del url
    _check_flag("plain_rows", plain_rows)
    _check_seconds("timeout_s", timeout_s)
    if retry_s != 0:
        _check_seconds("retry_s", retry_s)
    if not callable(password_from) and not (isinstance(password_from, str) and VARIABLE.fullmatch(password_from)):
        kind = type(password_from).__name__
        del password_from  # it may be a password
        raise ArgumentError(
            f"expected the name of an environment variable, or a function; got password_from of type {kind}. For "
            f"example password_from={DEFAULT_VARIABLE!r}."
        )
    says_where = users is None or users.says_where
    refusal = session_class(address.url.get_backend_name()).refuse(address.url) if says_where else None
    if refusal:
        raise ArgumentError(refusal)
    return Database(address)


def _parsed(url_or_engine: Any) -> sa.URL | str:
    """The URL, or the text of an error: an error raised here would show the URL to anyone who looks at locals."""
    if isinstance(url_or_engine, sa.Engine):
        return slip_of_driver(url_or_engine.url) or url_or_engine.url
    return slip(url_or_engine) or sa.make_url(url_or_engine)


def _check_seconds(name: str, value: Any) -> None:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (real and LEAST_S <= value <= MOST_S):
        raise ArgumentError(f"expected {LEAST_S} to {MOST_S:,} seconds; got {name}={brief(value)}. The default is 60.")


def _checked_throttle(value: Any) -> float | None:
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if value is not None and not (real and 0 < value < math.inf):
        raise ArgumentError(
            f"expected a share of time up to 1, or table rows per second above 1; got throttle={brief(value)}. For "
            "example 0.25 or 10_000; None: no limit."
        )
    return None if value is None else float(value)


def _checked_rows(value: Any) -> int | None:
    if value is not None and (not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1):
        raise ArgumentError(f"expected a positive integer; got max_scanned_rows={brief(value)}. Pass 1 or more.")
    return None if value is None else int(value)


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ArgumentError(f"expected True or False; got {name}={brief(value)}.")


@dataclass(frozen=True, repr=False)
class Database:
    """The place of the data: a frozen, picklable locator that opens sessions. Made by `rowfeed.connect`."""

    _address: Address

    @property
    def label(self) -> str:
        """Its name in messages, without its password."""
        return self._address.label

    @property
    def public_url(self) -> str:
        """The URL without anything secret, for pasting elsewhere."""
        return self._address.public_url

    def open(self) -> Session:
        """A read-only session for the calling thread. Close it, or use it as a context manager."""
        return open_session(self._address)

    @discreet
    def write(
        self,
        layout: Layout,
        arrays: Any,
        ids: GivenIds | None = None,
        if_exists: str = "fail",
    ) -> int:
        """The inverse of a feed: create the layout's table and fill it, in one transaction.

        A feed of the layout then returns the same arrays, bit for bit. Cells that hold the layout's `fill` are not
        stored. So a sample that is all `fill` leaves no row, and a feed knows it only from `samples=`.

        Args:
            layout: The layout of the arrays; its `table` must be a name.
            arrays: (samples, *layout.shape). For a grid with one value also scipy.sparse: one matrix
                (samples, cells), or a list of one matrix a sample.
            ids: The sample ids, distinct integers, text, `uuid.UUID`, `bytes` or `datetime.date` objects. Default:
                0…samples-1.
            if_exists: The action if a table of that name exists: `fail`, `append` to it, or `replace` it.

        Returns:
            The number of rows that were written.

        Raises:
            ArgumentError: The arrays do not fit the layout, or the table exists.
            DataError: A value cannot be stored unchanged; nothing is written.

        Example:
            ```python
            boards = rowfeed.Grid("BOARDS", sample="id", axes=("y", "x"), value="piece", shape=(8, 8))
            db.write(boards, numpy.eye(8, dtype="float32")[None], ids=[7])
            ```
        """
        return write(self._address, layout, arrays, ids, if_exists)

    def __repr__(self) -> str:
        return f"<Database {self.label}>"

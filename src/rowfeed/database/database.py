"""`connect` and `Database`: where the data is. Opens sessions; holds none."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from rowfeed.access.passwords import DEFAULT_VARIABLE, PasswordFrom, complete, in_its_place, misplaced, public, shown
from rowfeed.dialects import session_class
from rowfeed.dialects.session import Session
from rowfeed.errors import ArgumentError

if TYPE_CHECKING:
    from rowfeed.layouts.base import Layout
    from rowfeed.values.given_ids import GivenIds

DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRY_S = 60.0

VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
"""A portable name of an environment variable; a password in its place, which pickles would carry, mostly is none."""


def connect(
    url_or_engine: str | sa.URL | sa.Engine,
    *,
    password_from: PasswordFrom = DEFAULT_VARIABLE,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    retry_s: float = DEFAULT_RETRY_S,
    plain_rows: bool = False,
) -> Database:
    """Say where the data is. Opens no connection yet.

    Args:
        url_or_engine: A SQLAlchemy URL, `sqlite:///games.db`, `mysql+pymysql://user@host/game`; or an Engine, whose
            way of connecting is then used.
        password_from: Where the password comes from when the URL names a user and has none: the name of an environment
            variable, or a function that returns it (one that pickle can name, if the database is to be pickled). Asked
            at each connection.
        timeout_s: Seconds that a query may take, connecting included. Then the server ends it, or, where nothing is
            heard of the server, the connection is shut down.
        retry_s: Seconds for which a request that failed for a reason that may pass (a server that restarts, a
            connection that was cut) is made again, on new connections. 0: never.
        plain_rows: Read plain rows with standard SQL instead of the engine's own fast way: slower, the same
            batches. To compare, or to get round a fault.

    Returns:
        A frozen, picklable locator. A pickle carries no password: where it is opened, `password_from` is asked.

    Raises:
        ArgumentError: The URL cannot be parsed, a feed cannot read from such a database, or an option is wrong.

    Example:
        ```python
        db = rowfeed.connect("sqlite:///games.db")
        ```
    """
    url = _parsed(url_or_engine)
    engine = url_or_engine if isinstance(url_or_engine, sa.Engine) else None
    del url_or_engine  # a traceback that shows locals must not show a password
    if isinstance(url, str):
        raise ArgumentError(url)
    database = Database(in_its_place(url), password_from, timeout_s, retry_s, plain_rows, engine)
    del url
    _seconds("timeout_s", timeout_s)
    if retry_s != 0:
        _seconds("retry_s", retry_s)
    if not callable(password_from) and not (isinstance(password_from, str) and VARIABLE.fullmatch(password_from)):
        kind = type(password_from).__name__
        del password_from  # it may be a password
        raise ArgumentError(
            f"expected the name of an environment variable, or a function; got password_from of type {kind}. For "
            f"example password_from={DEFAULT_VARIABLE!r}."
        )
    refusal = database.session_class.refuse(database.url)
    if refusal:
        raise ArgumentError(refusal)
    return database


def _parsed(url_or_engine: Any) -> sa.URL | str:
    """The URL, or what is wrong with it: an error raised here would show it to whoever looks at locals."""
    if isinstance(url_or_engine, sa.Engine):
        return url_or_engine.url
    if not isinstance(url_or_engine, (str, sa.URL)):
        return (
            f"expected a SQLAlchemy URL or Engine; got {type(url_or_engine).__name__}. "
            'For example rowfeed.connect("sqlite:///games.db").'
        )
    with suppress(sa.exc.ArgumentError, ValueError):
        url = sa.make_url(url_or_engine)
        if not misplaced(url):
            return url
    return (
        "expected a SQLAlchemy URL such as sqlite:///games.db or mysql+pymysql://user@host/game; "
        "got one that cannot be parsed. Quote special characters in a password: urllib.parse.quote(password, safe='')."
    )


def _seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ArgumentError(f"expected a number of seconds above 0; got {name}={value!r}. The default is 60.")


@dataclass(frozen=True, repr=False)
class Database:
    """Where the data is: a frozen locator that opens sessions. Made by `rowfeed.connect`."""

    url: sa.URL
    password_from: PasswordFrom = DEFAULT_VARIABLE
    timeout_s: float = DEFAULT_TIMEOUT_S
    retry_s: float = DEFAULT_RETRY_S
    plain_rows: bool = False
    engine: sa.Engine | None = field(default=None, compare=False)
    engines: dict[tuple[int, bool], sa.Engine] = field(default_factory=dict, compare=False)
    """SQLAlchemy's, by a hash of the full URL and whether it only reads: it holds no connection here, but what it
    learned of the server and what it compiled."""

    @property
    def label(self) -> str:
        """How messages call it, without its password."""
        return shown(self.url)

    @property
    def public_url(self) -> str:
        """The URL without anything secret, to be pasted elsewhere."""
        return public(self.url).render_as_string()

    def __repr__(self) -> str:
        return f"<Database {self.label}>"

    @property
    def session_class(self) -> type[Session]:
        return session_class(self.url.get_backend_name())

    def full_url(self) -> sa.URL:
        """The URL to open, with its password."""
        return complete(self.url, self.password_from)

    def open(self) -> Session:
        """A read-only session for the calling thread. Close it, or use it as a context manager."""
        return self.session_class.open(self)

    def write(
        self,
        layout: Layout,
        arrays: Any,
        ids: GivenIds | None = None,
        if_exists: str = "fail",
    ) -> int:
        """The inverse of a feed: create the layout's table and fill it, in one transaction.

        A feed of the layout then returns the same arrays, bit for bit. Cells that hold the layout's `fill` are not
        stored; so a sample that is all `fill` leaves no row, and a feed knows it by `samples=` only.

        Args:
            layout: What to write; its `table` must be a name.
            arrays: (samples, *layout.shape). For a grid with one value also scipy.sparse: one matrix
                (samples, cells), or a list of one matrix a sample.
            ids: The sample ids, distinct integers, text, `uuid.UUID` or `bytes` objects. Default: 0…samples-1.
            if_exists: What to do with a table of that name: `fail`, `append` or `replace` it.

        Returns:
            How many rows were written.

        Raises:
            ArgumentError: The arrays do not fit the layout, or the table exists.
            DataError: A value cannot be stored unchanged; nothing is written.

        Example:
            ```python
            db.write(grid, numpy.eye(4, dtype="float32")[None], ids=[7])
            ```
        """
        from rowfeed.database.write import write

        return write(self, layout, arrays, ids, if_exists)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "url": public(self.url), "engine": None, "engines": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

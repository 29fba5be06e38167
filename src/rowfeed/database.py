"""`connect` and `Database`: where the data is. Opens sessions; holds none."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from rowfeed.dialects import session_class
from rowfeed.dialects.generic import Session
from rowfeed.errors import ArgumentError

if TYPE_CHECKING:
    from rowfeed.layouts import Layout
    from rowfeed.samples import GivenIds

PASSWORD_VARIABLE = "ROWFEED_PASSWORD"


def connect(url_or_engine: str | sa.URL | sa.Engine, *, plain_rows: bool = False) -> Database:
    """Say where the data is. Opens no connection yet.

    Args:
        url_or_engine: A SQLAlchemy URL, `sqlite:///games.db`, `mysql+pymysql://user@host/game`; or an Engine, whose
            way of connecting is then used.
        plain_rows: Read plain rows with standard SQL instead of the engine's own fast way: slower, the same
            batches. To compare, or to get round a fault.

    Returns:
        A frozen, picklable locator. A pickle carries no password: it is taken from the environment variable
        ROWFEED_PASSWORD where the pickle is opened.

    Raises:
        ArgumentError: The URL cannot be parsed, or a feed cannot read from such a database.

    Example:
        ```python
        db = rowfeed.connect("sqlite:///games.db")
        ```
    """
    engine = url_or_engine if isinstance(url_or_engine, sa.Engine) else None
    if isinstance(url_or_engine, sa.Engine):
        url = url_or_engine.url
    elif isinstance(url_or_engine, (str, sa.URL)):
        try:
            url = sa.make_url(url_or_engine)
        except (sa.exc.ArgumentError, ValueError):
            # Not chained and not quoted: a malformed URL may hold a password.
            raise ArgumentError(
                "expected a SQLAlchemy URL such as sqlite:///games.db or mysql+pymysql://user@host/game; "
                "got one that cannot be parsed. Quote special characters in it with urllib.parse.quote_plus."
            ) from None
    else:
        raise ArgumentError(
            f"expected a SQLAlchemy URL or Engine; got {type(url_or_engine).__name__}. "
            'For example rowfeed.connect("sqlite:///games.db").'
        )
    database = Database(url, plain_rows, engine)
    refusal = database.session_class.refuse(url)
    if refusal:
        raise ArgumentError(refusal)
    return database


@dataclass(frozen=True)
class Database:
    """Where the data is: a frozen locator that opens sessions. Made by `rowfeed.connect`."""

    url: sa.URL
    plain_rows: bool = False
    engine: sa.Engine | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """How messages call it, without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def session_class(self) -> type[Session]:
        return session_class(self.url.get_backend_name())

    def full_url(self) -> sa.URL:
        """The URL to open, with the password from the environment where the URL has none."""
        password = os.environ.get(PASSWORD_VARIABLE)
        if self.url.password is None and self.url.username and password:
            return self.url.set(password=password)
        return self.url

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
        from rowfeed.write import write

        return write(self, layout, arrays, ids, if_exists)

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url._replace(password=None), "plain_rows": self.plain_rows, "engine": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

"""The address of a server with its time-outs and limits. Sessions are opened from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import sqlalchemy as sa

from rowfeed.access.passwords import DEFAULT_VARIABLE, PasswordFrom, asked, public, shown
from rowfeed.access.throttle import Throttle
from rowfeed.access.users_engine import UsersEngine

DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRY_S = 60.0
DEFAULT_MAX_SCANNED_ROWS = 1_000_000_000


@dataclass(frozen=True, repr=False)
class Address:
    """All settings for a server, shared by every session and every feed. See `rowfeed.connect`.

    A pickle of it has no password and no connection, and its throttle is a separate one. There is none with an Engine.
    A copy is the address itself.

    Args:
        url: The URL as it was given; its text hides a password in it.
        password_from: The source of the password if the URL has none.
        timeout_s: Seconds that a query may take, and as many at most to connect.
        retry_s: Seconds for which a failed request is repeated.
        plain_rows: Whether to read plain rows, without the engine's own fast way.
        throttle: The limit that all feeds of this server keep within together.
        max_scanned_rows: Rows that an epoch may scan in tables without an index; None: any number.
        engine: The user's own Engine, if one was given; its way of connecting is used.
        engines: The Engines of SQLAlchemy, by whether they only read, and the generation of this process: a lock in an
            Engine may have been taken when a child was forked. They hold no connection here, only facts about
            the server and compiled statements.
    """

    url: sa.URL
    password_from: PasswordFrom = DEFAULT_VARIABLE
    timeout_s: float = DEFAULT_TIMEOUT_S
    retry_s: float = DEFAULT_RETRY_S
    plain_rows: bool = False
    throttle: Throttle = field(default_factory=Throttle)
    max_scanned_rows: int | None = DEFAULT_MAX_SCANNED_ROWS
    engine: UsersEngine | None = field(default=None, compare=False)
    engines: dict[tuple[bool, int], sa.Engine] = field(default_factory=dict, compare=False)

    @property
    def label(self) -> str:
        """Its name in messages, without anything secret."""
        return shown(self.url)

    @property
    def public_url(self) -> str:
        """The URL without anything secret, for pasting elsewhere."""
        return public(self.url).render_as_string()

    def password(self) -> str | None:
        """The password for connecting, asked for anew at each call; None if there is none."""
        return asked(self.url, self.password_from)

    def __repr__(self) -> str:
        return f"<Address {self.label}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "url": public(self.url), "engines": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

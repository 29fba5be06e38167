"""Where a server is, how long it is waited for, and what it is spared: what sessions are opened from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rowfeed.access.passwords import DEFAULT_VARIABLE, PasswordFrom, asked, public, shown
from rowfeed.access.throttle import Throttle

DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRY_S = 60.0
DEFAULT_MAX_SCANNED_ROWS = 1_000_000_000


@dataclass(frozen=True, repr=False)
class Address:
    """All that is said about a server, once for every session and every feed. See `rowfeed.connect`.

    A pickle of it has no password, no connection, and a throttle of its own.

    Args:
        url: As it was given; its text hides the password that may be in it.
        password_from: Where the password comes from if it is not in the URL.
        timeout_s: Seconds that a query may take, connecting included.
        retry_s: Seconds for which a request that failed is made again.
        plain_rows: Whether the engine's own fast way is left out.
        throttle: What all feeds of this server keep within together.
        max_scanned_rows: Rows that an epoch may scan in tables without an index; None: any number.
        engine: The user's own way of connecting, if there is one.
        engines: SQLAlchemy's, by whether they only read: they hold no connection here, but what they learned of the
            server and what they compiled.
    """

    url: sa.URL
    password_from: PasswordFrom = DEFAULT_VARIABLE
    timeout_s: float = DEFAULT_TIMEOUT_S
    retry_s: float = DEFAULT_RETRY_S
    plain_rows: bool = False
    throttle: Throttle = field(default_factory=Throttle)
    max_scanned_rows: int | None = DEFAULT_MAX_SCANNED_ROWS
    engine: sa.Engine | None = field(default=None, compare=False)
    engines: dict[bool, sa.Engine] = field(default_factory=dict, compare=False)

    @property
    def label(self) -> str:
        """How messages call it, without anything secret."""
        return shown(self.url)

    @property
    def public_url(self) -> str:
        """The URL without anything secret, to be pasted elsewhere."""
        return public(self.url).render_as_string()

    def password(self) -> str | None:
        """The password to connect with, asked anew; None if there is none."""
        return asked(self.url, self.password_from)

    def __repr__(self) -> str:
        return f"<Address {self.label}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "url": public(self.url), "engine": None, "engines": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

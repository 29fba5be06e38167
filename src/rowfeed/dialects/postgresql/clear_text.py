"""No password in clear text to a server that was not verified, whoever it is that asks for it.

PostgreSQL's method `password` has the client send it as it is: to the server, or to anyone who answers in its place.
libpq 16 can refuse it (`require_auth`); an older one cannot. pg8000 refuses it here.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import sqlalchemy as sa

REFUSED = "!password"
"""libpq's words for any method but this one."""

ASKED = "server requested a cleartext password"
"""libpq's words for the refusal, and ours."""

FIRST_LIBPQ = 160_000

CLEAR_TEXT = 3
"""The number of the method in the protocol."""


def refusal(url: sa.URL) -> dict[str, str]:
    """The options with which libpq refuses; none if the server will be verified, is local, or the user has chosen."""
    chosen = "require_auth" in url.query or os.environ.get("PGREQUIREAUTH")
    verified = url.query.get("sslmode", os.environ.get("PGSSLMODE")) == "verify-full"
    if chosen or verified or _is_local(url) or _libpq(url.get_driver_name()) < FIRST_LIBPQ:
        return {}
    return {"require_auth": REFUSED}


def _is_local(url: sa.URL) -> bool:
    """Whether a socket of this machine's is used, in a directory of its own."""
    host = str(url.host or url.query.get("host") or os.environ.get("PGHOST") or "/")
    return host.startswith("/")


def _libpq(driver: str) -> int:
    """The version of a driver's libpq; 0: it has none."""
    if driver == "psycopg":
        import psycopg

        return psycopg.pq.version()
    if driver == "psycopg2":
        return int(import_module("psycopg2.extensions").libpq_version())
    return 0


def pg8000_connection(dialect: sa.Dialect, arguments: Any, options: dict[str, Any]) -> Any:
    """A connection of pg8000 that refuses, unless its TLS verifies the server."""
    pg8000: Any = dialect.loaded_dbapi
    context = options.get("ssl_context")
    verified = bool(getattr(context, "check_hostname", False)) or "unix_sock" in options

    class Connection(pg8000.Connection):  # type: ignore[misc]
        def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802
            if int.from_bytes(data[:4], "big") == CLEAR_TEXT and not verified:
                raise pg8000.InterfaceError(ASKED)
            super().handle_AUTHENTICATION_REQUEST(data, context)

    return Connection(*arguments, **options)

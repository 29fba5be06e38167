"""The errors of PostgreSQL by their codes: what is to be done about each."""

from __future__ import annotations

from rowfeed.access.failures import Advice, Failure

TRANSIENT = {"57P01", "57P02", "57P03", "57P05", "53300", "40001", "40P01", "25P03"}
"""Codes that a new connection may not meet: shutdown, start, idle, too many connections, serialization, deadlock; with
them class 08, the connection itself. Source: postgresql.org/docs/current/errcodes-appendix.html."""

TIMEOUT = "57014"
"""The code of a query that took longer than it may, or was cancelled."""

PASSWORD = "a user and a password that {} takes", "Check both in the URL, and where password_from has it from."
DATABASE = "a database of that name on {}", "Check the name behind the last / of the URL."
ENTRY = "{} to let this user in from this machine", "Ask its administrator for a line in pg_hba.conf."
HOST = "a server at {}", "Check the host and the port, and that it runs and lets this machine in."
RIGHT = "the right to do this on {}", "Ask its administrator: to read, GRANT SELECT on the tables is enough."
TLS = "a TLS connection to {} that can be trusted", "Check its certificate, yours, and the host: docs/databases.md."
SQL = "SQL that {} understands", "Check where=, and other SQL of your own."

ADVICE = {
    "28000": PASSWORD,
    "28P01": PASSWORD,
    "3D000": DATABASE,
    "42501": RIGHT,
    "42601": SQL,
    "42703": SQL,
    "42883": SQL,
    "53300": ("a free connection of {}", "Close some, pass fewer connections=, or raise its max_connections."),
}
"""What was expected of the server, and what to do."""

WORDS = {
    "password": PASSWORD,
    "pg_hba.conf": ENTRY,
    "database": DATABASE,
    "role": PASSWORD,
}
"""The same by words of a server that speaks English: the drivers keep no code of what fails while they connect."""


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE, by psycopg's name of it and psycopg2's; None where the server sent none, or while connecting."""
    code: str | None = getattr(error, "sqlstate", getattr(error, "pgcode", None))
    return code


def lost(error: BaseException) -> bool:
    """Whether it is of the connection, not of a statement."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return code_of(error) is None and bool(kinds & {"OperationalError", "InterfaceError"})


def failure(error: BaseException) -> Failure:
    """See `Session.failure`."""
    code = code_of(error)
    if code == TIMEOUT:
        return Failure.TIMEOUT
    return Failure.TRANSIENT if lost(error) or code in TRANSIENT or str(code).startswith("08") else Failure.PERMANENT


def advice(error: BaseException, label: str) -> Advice | None:
    """See `Session.advice`."""
    found = ADVICE.get(code_of(error) or "")
    if found is None and lost(error):
        fatal = str(error).partition("FATAL:")[2]  # what the server says itself; names in it are quoted
        said = "".join(fatal.split('"')[::2])
        found = next((known for word, known in WORDS.items() if word in said), None)
        if not fatal:
            found = TLS if "SSL" in str(error) or "certificate" in str(error) else HOST
    return Advice.of(found, label)

"""The errors of PostgreSQL by their codes, and the reaction to each."""

from __future__ import annotations

from rowfeed.access.failures import Advice, Failure

TRANSIENT = {"57P01", "57P02", "57P03", "57P05", "53300", "40001", "40P01", "25P03"}
"""Codes that a new connection may not give: shutdown, start, idle, too many connections, serialization, deadlock; and
class 08, the connection itself. Source: postgresql.org/docs/current/errcodes-appendix.html."""

TIMEOUT = "57014"
"""The code of a query that took too long, or was cancelled."""

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
"""The expectation of the server, and the remedy."""

WORDS = {
    "password": PASSWORD,
    "pg_hba.conf": ENTRY,
    "database": DATABASE,
    "role": PASSWORD,
}
"""The same by the words of a server that speaks English: drivers keep no code for errors while they connect."""


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE, from psycopg's or psycopg2's attribute; None if the server sent none, or while connecting."""
    code: str | None = getattr(error, "sqlstate", getattr(error, "pgcode", None))
    return code


def lost(error: BaseException) -> bool:
    """Whether the error is one of the connection, not of a statement."""
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
        fatal = str(error).partition("FATAL:")[2]  # the server's own words; names in them are quoted
        said = "".join(fatal.split('"')[::2])
        found = next((known for word, known in WORDS.items() if word in said), None)
        if not fatal:
            found = TLS if "SSL" in str(error) or "certificate" in str(error) else HOST
    return Advice.of(found, label)

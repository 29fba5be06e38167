"""The errors of PostgreSQL by their codes, and the reaction to each."""

from __future__ import annotations

from rowfeed.access.failures import Advice, Failure
from rowfeed.dialects.postgresql.clear_text import ASKED

TRANSIENT = {"57P01", "57P02", "57P03", "57P05", "40001", "40P01", "25P03"}
"""Codes that a new connection may not give: shutdown, start, idle, serialization, deadlock; and class 08, the
connection itself. Source: postgresql.org/docs/current/errcodes-appendix.html."""

ENDED = "57014"
"""The code of a query that took too long, or was cancelled."""

CANCELLED = "user request"
"""The words, after `canceling statement due to`, for a query that somebody cancelled. In other languages, where no code
tells, it counts as one that took too long."""

NO_CONNECTION_LEFT = (
    "too many connections",
    "too many clients",
    "connection slots are reserved",
    "no more connections allowed",  # PgBouncer's
)
"""The words of a server, a database, a role or a pooler with no connection left, while a driver connects."""

PASSWORD = "a user and a password that {} takes", "Check both in the URL, and where password_from has it from."
DATABASE = "a database of that name on {}", "Check the name behind the last / of the URL."
ENTRY = "{} to let this user in from this machine", "Ask its administrator for a line in pg_hba.conf."
HOST = "a server at {}", "Check the host and the port, and that it runs and lets this machine in."
RIGHT = "the right to do this on {}", "Ask its administrator: to read, GRANT SELECT on the tables is enough."
TLS = "a TLS connection to {} that can be trusted", "Check its certificate, yours, and the host: docs/databases.md."
CONNECTIONS = (
    "a free connection of {}",
    "Close some, pass fewer connections=, or raise the limit of the server, the database or the role.",
)
CLEAR = (
    "a server at {} that does not ask for the password in clear text",
    "Verify the server: sslmode=verify-full. If you trust the way to it, add require_auth=password to the URL.",
)
UTF8 = (
    "text in UTF-8 from {}",
    "Rewrite it, or read a selectable with "
    "convert_from(convert(convert_to(c, 'SQL_ASCII'), 'LATIN1', 'UTF8'), 'SQL_ASCII').",
)
SQL = "SQL that {} understands", "Check where=, and other SQL of your own."

ADVICE = {
    "22021": UTF8,
    "28000": PASSWORD,
    "28P01": PASSWORD,
    "3D000": DATABASE,
    "42501": RIGHT,
    "42601": SQL,
    "42703": SQL,
    "42883": SQL,
    "53300": CONNECTIONS,
}
"""The expectation of the server, and the remedy."""

WORDS = {
    **dict.fromkeys(NO_CONNECTION_LEFT, CONNECTIONS),
    "password": PASSWORD,
    "pg_hba.conf": ENTRY,
    "database": DATABASE,
    "role": PASSWORD,
}
"""The same by the words of a server that speaks English: drivers keep no code for errors while they connect."""


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE, as psycopg, psycopg2 or pg8000 has it; None if the server sent none, or while connecting."""
    said = error.args[0] if error.args else None
    if isinstance(said, dict):  # pg8000: the fields of the server's message
        return said.get("C")
    code: str | None = getattr(error, "sqlstate", getattr(error, "pgcode", None))
    return code


def lost(error: BaseException) -> bool:
    """Whether the error is one of the connection, not of a statement."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return code_of(error) is None and bool(kinds & {"OperationalError", "InterfaceError"})


def failure(error: BaseException) -> Failure:
    """See `Session.failure`."""
    code = code_of(error)
    if code == ENDED:
        return Failure.CANCELLED if CANCELLED in str(error) else Failure.TIMEOUT
    if code == "53300" or (lost(error) and any(words in _refusal(error) for words in NO_CONNECTION_LEFT)):
        return Failure.NO_CONNECTION_LEFT
    if ASKED in str(error):
        return Failure.PERMANENT
    return Failure.TRANSIENT if lost(error) or code in TRANSIENT or str(code).startswith("08") else Failure.PERMANENT


def advice(error: BaseException, label: str) -> Advice | None:
    """See `Session.advice`."""
    found = ADVICE.get(code_of(error) or "")
    if found is None and lost(error) and ASKED in str(error):
        found = CLEAR
    if found is None and lost(error):
        said = _refusal(error)
        found = next((known for word, known in WORDS.items() if word in said), None)
        if not said:
            found = TLS if "SSL" in str(error) or "certificate" in str(error) else HOST
    return Advice.of(found, label)


def _refusal(error: BaseException) -> str:
    """The server's own words while a driver connects, without the quoted names in them; empty if it said nothing."""
    return "".join(str(error).partition("FATAL:")[2].split('"')[::2])

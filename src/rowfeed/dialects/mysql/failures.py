"""The errors of MariaDB and MySQL by their codes, and the reaction to each."""

from __future__ import annotations

import re

from rowfeed.access.failures import Advice, Failure

TRANSIENT = {1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031}
"""Codes that a new connection may not give: shutdown, lock wait, deadlock, killed, lost."""

NO_CONNECTION_LEFT = {1040, 1203}
"""The codes for all connections of a server in use, and for all that an account may have."""

LIMITED, CONNECTIONS = 1226, re.compile("max_(user_)?connections")
"""The code for an account that has reached one of its limits, and which of them is that of connections."""

CANCELLED = 1317
"""The code for a query that ended by KILL QUERY."""

TIMEOUT = {1969, 3024}
"""The codes of MariaDB and of MySQL for a statement that took too long."""

PASSWORD = "a user and a password that {} takes", "Check both in the URL, and where password_from has it from."
RIGHT = (
    "the right to do this on {}",
    "Ask its administrator: to read, GRANT SELECT on the tables is enough; "
    "to write, INSERT, CREATE, ALTER and DROP too.",
)
TLS = "a TLS connection to {} that can be trusted", "Check its certificate, yours, and the host: docs/databases.md."
HOST = "a server at {}", "Check the host and the port, and that it runs and lets this machine in."
SQL = "SQL that {} understands", "Check where=, and other SQL of your own."

FREE = "a free connection of {}", "Close some, pass fewer connections=, or raise its max_connections."
ACCOUNT = "a free connection of {}", "Close some, pass fewer connections=, or ask for more MAX_USER_CONNECTIONS."
PROOF = "Verify it, with ssl_ca= and ssl_verify_identity=true in the URL; or give the account another authentication."

ADVICE = {
    1040: FREE,
    1044: RIGHT,
    1045: PASSWORD,
    1049: ("a database of that name on {}", "Check the name behind the last / of the URL."),
    1054: SQL,
    1064: SQL,
    1130: ("{} to let this machine in", "Ask its administrator for a user of this host: CREATE USER name@host."),
    1142: RIGHT,
    1143: RIGHT,
    1203: ACCOUNT,
    1226: ("{} to allow this account more", "Ask its administrator, or wait until its hour is over."),
    1227: RIGHT,
    1698: PASSWORD,
    2002: HOST,
    2003: HOST,
    2005: HOST,
    5010: ("{} to ask for a password in a safe way", "Give the account another authentication."),
    2049: ("{} to ask for a password in a safe way", "Give the account another authentication."),
    2061: ("{} to prove who it is before it gets a password in clear", PROOF),
}
"""The expectation of the server, and the remedy."""


def failure(error: BaseException) -> Failure:
    """See `Session.failure`."""
    code = error.args[0] if error.args else None
    if code in TIMEOUT:
        return Failure.TIMEOUT
    if code == CANCELLED:
        return Failure.CANCELLED
    if code in NO_CONNECTION_LEFT or (code == LIMITED and CONNECTIONS.search(str(error))):
        return Failure.NO_CONNECTION_LEFT
    # Without a code: PyMySQL's error for a connection that it has closed, or whose packets came out of order.
    lost = type(error).__name__ in ("InterfaceError", "InternalError") and not (isinstance(code, int) and code)
    return Failure.TRANSIENT if code in TRANSIENT or lost else Failure.PERMANENT


def advice(error: BaseException, label: str) -> Advice | None:
    """See `Session.advice`."""
    code = error.args[0] if error.args else None
    known = ADVICE.get(code) if isinstance(code, int) else None
    if code == LIMITED and CONNECTIONS.search(str(error)):
        known = ACCOUNT
    return Advice.of(TLS if known is HOST and "SSL" in str(error) else known, label)

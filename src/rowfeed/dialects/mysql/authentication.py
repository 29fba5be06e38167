"""Authentication with PyMySQL: what a server gets that did not prove who it is.

A server chooses how a client shows its password. A hostile one, or one that somebody else put in the way, asks for the
password itself, and PyMySQL sends it, without TLS too. The handlers here refuse that. (Answers to a challenge, and the
password encrypted by TLS or RSA, are sent to any server: those protect against listeners. Against a false server only
verification does, `ssl_ca=` and `ssl_verify_identity=true`.)
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

NOT_SENT, OUTDATED = 2061, 2049
"""The codes of MySQL's own client for a password that it does not send, and for an outdated authentication."""


class InClear:
    """Sends the password as it is only to a server that has proved who it is, or by a socket of this machine."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, _packet: Any) -> Any:
        """Answer the server's question; the result is its next packet."""
        self._check()
        self._connection.write_packet(self._connection.password + b"\0")
        return self._connection._read_packet()

    def _check(self) -> None:
        wire = self._connection._sock
        verified = isinstance(wire, ssl.SSLSocket) and wire.context.verify_mode is ssl.CERT_REQUIRED
        if not verified and wire.family != socket.AF_UNIX:
            raise _error(NOT_SENT, "the server asks for the password in clear")


class Dialog(InClear):
    """The same for a server that asks questions. The answers are those of PyMySQL."""

    def authenticate(self, _packet: Any) -> Any:
        self._check()
        raise AttributeError  # PyMySQL goes on by itself then


class Outdated:
    """Does not send the hash of before MySQL 4.1, from which a password is soon found."""

    def __init__(self, _connection: Any) -> None: ...

    def authenticate(self, _packet: Any) -> Any:
        """Called instead of sending the hash."""
        raise _error(OUTDATED, "the server asks for the outdated mysql_old_password")


HANDLERS = {"mysql_clear_password": InClear, "dialog": Dialog, "mysql_old_password": Outdated}
"""By the names of the server's plugins, as PyMySQL's `auth_plugin_map`."""


def _error(code: int, text: str) -> Exception:
    from pymysql import err

    error: Exception = err.OperationalError(code, text)
    return error

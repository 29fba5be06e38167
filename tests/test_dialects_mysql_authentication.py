"""Passwords, and servers that are not what they say. Each server here is a real socket that speaks the protocol."""

from __future__ import annotations

import socket
import struct
import threading
from importlib.util import find_spec

import pytest

import rowfeed

SECRET = "c4nary"


class Spoofed:
    """A server that greets and asks for another authentication. `received` is all that a client sends.

    Args:
        plugin: The authentication that it asks for.
    """

    def __init__(self, plugin):
        self.received = bytearray()
        self._plugin = plugin
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self._thread.join(10)

    def _serve(self):
        client, _ = self._listener.accept()
        with client:
            greeting = b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"saltsalt\0" + b"\xff\xf7\xff\x02\0\xff\xdf"
            greeting += bytes([21]) + bytes(10) + b"saltsaltsalt\0" + b"mysql_native_password\0"
            self._send(client, 0, greeting)
            self.received.extend(client.recv(4096))
            question = b"\x04Password: " if self._plugin == b"dialog" else b"saltsaltsaltsaltsalt\0"
            if self.received:
                self._send(client, 2, b"\xfe" + self._plugin + b"\0" + question)
            while data := client.recv(4096):
                self.received.extend(data)

    @staticmethod
    def _send(client, number, payload):
        client.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)


OTHERS = {"mysqldb": "MySQLdb", "mysqlconnector": "mysql", "mariadbconnector": "mariadb"}
"""The modules of other drivers."""

IN_CLEAR = r"to prove who it is before it gets a password in clear; got .*Verify it, with ssl_ca="
REFUSED = {
    b"mysql_clear_password": IN_CLEAR,
    b"dialog": IN_CLEAR,
    b"mysql_old_password": r"to ask for a password in a safe way; got .*outdated mysql_old_password",
}


@pytest.mark.parametrize("plugin", REFUSED)
def test_no_password_in_clear(plugin):
    """A server that did not prove who it is asks for the password as it is, or nearly, and gets nothing."""
    with Spoofed(plugin) as server:
        url = f"mysql+pymysql://me:{SECRET}@127.0.0.1:{server.port}/d?ssl_disabled=true"
        with pytest.raises(rowfeed.DatabaseError, match=REFUSED[plugin]):
            rowfeed.connect(url, retry_s=0).open()
    assert SECRET.encode() not in server.received
    first = 4 + int.from_bytes(server.received[:3], "little")
    assert len(server.received) == first


@pytest.mark.parametrize("driver", [name for name in OTHERS if find_spec(OTHERS[name])])
@pytest.mark.parametrize("plugin", REFUSED)
def test_no_password_in_clear_by_other_drivers(driver, plugin):
    """The same for drivers that have no such handlers."""
    with Spoofed(plugin) as server:
        url = f"mysql+{driver}://me:{SECRET}@127.0.0.1:{server.port}/d"
        with pytest.raises(rowfeed.DatabaseError):
            rowfeed.connect(url, retry_s=0, timeout_s=5).open()
    assert server.received
    assert SECRET.encode() not in server.received


@pytest.mark.parametrize("option", ["ssl_verify_cert=true", "ssl_verify_identity=true"])
def test_tls_that_a_server_says_it_lacks(option):
    """TLS that was asked for is not left out because a server says so: nothing of the password is sent."""
    with Spoofed(b"mysql_clear_password") as server:
        url = f"mysql+pymysql://me:{SECRET}@127.0.0.1:{server.port}/d?{option}"
        with pytest.raises(rowfeed.DatabaseError, match="SSL is required"):
            rowfeed.connect(url, retry_s=0).open()
    assert not server.received

"""A server that asks for the password in clear text: whoever it is, it does not get it unless it was verified."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from importlib.util import find_spec

import pytest

import rowfeed

DRIVERS = [name for name in ("psycopg", "psycopg2", "pg8000") if find_spec(name)]
COLUMNS = rowfeed.Columns("t", sample="id", columns="v")
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104


@contextmanager
def impostor():
    """A server without TLS that asks for a clear text password, and what it was sent afterwards."""
    heard = []

    def serve(listener):
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                with client, suppress(OSError, struct.error):
                    client.settimeout(5)
                    while struct.unpack(">ii", (head := client.recv(8)))[1] in (SSL_REQUEST, GSS_REQUEST):
                        client.sendall(b"N")
                    client.recv(struct.unpack(">ii", head)[0] - 8)
                    client.sendall(b"R" + struct.pack(">ii", 8, 3))
                    heard.append(client.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_password_stays_here(driver):
    """It is refused at once, with the ways out, and the impostor hears nothing."""
    with impostor() as (port, heard):
        db = rowfeed.connect(f"postgresql+{driver}://u:canary@127.0.0.1:{port}/d", timeout_s=10)
        with pytest.raises(
            rowfeed.DatabaseError,
            match=r"^expected a server at .* that does not ask for the password in clear text; got .*=verify-full",
        ):
            rowfeed.Feed(db, COLUMNS)
    assert b"canary" not in b"".join(heard)


def test_the_user_may_allow_it():
    """With `require_auth=password` in the URL the password is sent."""
    with impostor() as (port, heard):
        db = rowfeed.connect(f"postgresql+psycopg://u:canary@127.0.0.1:{port}/d?require_auth=password", timeout_s=10)
        with pytest.raises(rowfeed.DatabaseError):
            rowfeed.Feed(db, COLUMNS)
    assert b"canary" in b"".join(heard)

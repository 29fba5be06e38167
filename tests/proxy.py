"""A network that fails on demand: forwards connections to a server, and cuts or stalls them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading


class Proxy:
    """Forwards connections until it is told otherwise. Use as a context manager.

    `faults` counts the connections that a fault has met, so that a test can assert that it happened.

    Args:
        host: Of the server.
        port: Of the server.
        most: How many bytes of the server come through on each connection, which is silent afterwards; None: all.
    """

    def __init__(self, host, port, most=None):
        self.faults = 0
        self.most = most
        self._stalled, self._ended = threading.Event(), threading.Event()
        self._bytes_per_s = None
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs = []
        self._threads = []
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stall(self):
        """From now on nothing comes through, while all that is sent is still acknowledged."""
        with self._lock:
            self.faults += len(self._pairs)
        self._stalled.set()

    def trickle(self, bytes_per_s):
        """From now on so many bytes come through in a second, in each direction."""
        with self._lock:
            self.faults += len(self._pairs)
        self._bytes_per_s = bytes_per_s

    def resume(self):
        """New connections come through again; those that were stalled have lost bytes and are closed."""
        self.cut()
        self._stalled.clear()

    def cut(self, reset=False):
        """End all connections, with FIN or with RST."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self.faults += len(pairs)
        for client, server, pumps in pairs:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)  # reading ends; RD sends nothing
            if reset:
                for pump in pumps:
                    pump.join(10)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # a socket that lingers for 0 s is reset
            server.close()

    def close(self):
        """End everything."""
        self._ended.set()
        self._bytes_per_s = None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, name="test-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # the server is down: so is the way to it
                    client.close()
                    continue
                for wire in (client, server):
                    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pairs = ((client, server, None), (server, client, self.most))
                pumps = [self._start(self._pump, *pair) for pair in pairs]
                with self._lock:
                    self._pairs.append((client, server, pumps))
                    self.faults += self._stalled.is_set()

    def _pump(self, source, target, left):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if left is not None and len(data) > left:
                    with self._lock:
                        self.faults += left >= 0
                    data, left = data[: max(0, left)], -1
                left = left and max(-1, left - len(data))
                while data and not self._stalled.is_set():
                    now = len(data) if self._bytes_per_s is None else max(1, self._bytes_per_s // 20)
                    target.sendall(data[:now])
                    data = data[now:]
                    if self._bytes_per_s is not None:
                        self._ended.wait(0.05)
            if not self._stalled.is_set():
                target.shutdown(socket.SHUT_WR)

"""A private PgBouncer for tests, before a PostgreSQL server: a directory and a port of its own, stopped by its id."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from postgresql_server import START_S, _identity

MODES = ("session", "transaction", "statement")


def why_missing() -> str | None:
    """What keeps tests from having a pooler; None where nothing does."""
    return None if shutil.which("pgbouncer") else "no PgBouncer: install pgbouncer"


@contextmanager
def pooler(server: sa.URL, mode: str, connections: int = 1, **settings: str) -> Iterator[sa.URL]:
    """The URL of a pooler that lives as long as the context.

    Args:
        server: An administrator of the server, who needs no password.
        mode: When a connection of the server is given to another client: one of `MODES`.
        connections: Of the server, which clients share.
        settings: Further settings.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rowfeed-pgbouncer-") as name,
        socket.create_server(("127.0.0.1", 0)) as probe,
    ):
        directory, port = Path(name), int(probe.getsockname()[1])
        probe.close()
        directory.chmod(0o755)
        (directory / "users.txt").write_text(f'"{server.username}" ""\n')
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": directory / "users.txt",
            "pool_mode": mode,
            "default_pool_size": connections,
            "query_wait_timeout": 10,
            **settings,
        }
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        (directory / "ini").write_text(f"[databases]\n* = host={server.host} port={server.port}\n[pgbouncer]\n{text}")
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                ["pgbouncer", directory / "ini"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_identity()
            )
        try:
            _wait(process, port, directory / "log")
            yield server.set(host="127.0.0.1", port=port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PgBouncer did not start:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.02)

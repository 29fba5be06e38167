"""A private MariaDB server for tests: started in a new directory, stopped by its own process id."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

VARIABLE = "ROWFEED_TEST_MYSQL_URL"
"""A URL of an administrator on a server to use instead: `mysql+pymysql://root:…@host/`."""

MEMORY = [
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--performance-schema=OFF",
]


def why_missing() -> str | None:
    """What keeps tests from having a server; None where nothing does."""
    if os.environ.get(VARIABLE) or all(map(shutil.which, ("mariadbd", "mariadb-install-db"))):
        return None
    return f"no MariaDB server: install mariadb-server, or set {VARIABLE} to the URL of an administrator"


@contextmanager
def mariadb_server(*options: str, keep: Path | None = None) -> Iterator[str]:
    """The URL of an administrator on a server that ends with the context.

    Args:
        options: Further options of `mariadbd`.
        keep: A directory that stays, with its data, for a later server. None: a temporary one.
    """
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="rowfeed-mariadb-") as name:
        directory = Path(name)
        user = f"--user={getpass.getuser()}"
        if not (directory / "data" / "mysql").exists():
            subprocess.run(
                [
                    "mariadb-install-db",
                    "--no-defaults",
                    user,
                    f"--datadir={directory / 'data'}",
                    "--skip-test-db",
                    "--auth-root-authentication-method=normal",
                    "--skip-name-resolve",
                    *MEMORY,
                ],
                check=True,
                capture_output=True,
                timeout=120,
            )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF", "--skip-log-bin", "--sync-frm=OFF"]
        place = [
            f"--datadir={directory / 'data'}",
            f"--socket={directory / 'socket'}",
            f"--pid-file={directory / 'pid'}",
        ]
        network = ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"]
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                ["mariadbd", "--no-defaults", user, *place, *network, *MEMORY, *fast, *options], stdout=log, stderr=log
            )
        try:
            _wait(server, port, directory / "log")
            yield f"mysql+pymysql://root@127.0.0.1:{port}/"
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server greets."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            if client.recv(1):
                return
        time.sleep(0.05)
    raise RuntimeError(f"mariadbd did not start:\n{log.read_text(errors='replace')[-2000:]}")

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
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

VARIABLE = "ROWFEED_TEST_MARIADB_URL"
"""A URL of an administrator on a server to use instead: `mysql+pymysql://root:…@host/`."""

QUICK = "ROWFEED_QUICK"
"""Set, it leaves out every test that asks for a server."""

MEMORY = [
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--performance-schema=OFF",
]


def why_missing() -> str | None:
    """What keeps tests from having a server; None where nothing does."""
    if os.environ.get(QUICK):
        return f"left out: {QUICK}"
    if os.environ.get(VARIABLE) or all(map(shutil.which, ("mariadbd", "mariadb-install-db"))):
        return None
    return f"no MariaDB server: install mariadb-server, or set {VARIABLE} to the URL of an administrator"


@contextmanager
def server(*options: str, keep: Path | None = None) -> Iterator[str]:
    """The URL of an administrator on a server that ends with the context: the given one, or a private one.

    Args:
        options: Further options of `mariadbd`.
        keep: A directory that stays, with its data, for a later server. None: a temporary one.
    """
    with given_or(VARIABLE, private_server(*options, keep=keep)) as url:
        yield url


@contextmanager
def given_or(variable: str, private: AbstractContextManager[Server]) -> Iterator[str]:
    """The URL in a variable of the environment, or that of a private server, which then lives as long."""
    if given := os.environ.get(variable):
        yield given
        return
    with private as found:
        yield found.url


@contextmanager
def private_server(*options: str, keep: Path | None = None) -> Iterator[Server]:
    """A server of its own, which can be killed and started again.

    Args:
        options: Further options of `mariadbd`.
        keep: A directory that stays, with its data, for a later server. None: a temporary one.
    """
    with running(Server, options, keep) as found:
        yield found


@contextmanager
def running(kind: type[Server], options: tuple[str, ...], keep: Path | None) -> Iterator[Server]:
    """A private server of one kind, with its options, in a directory that stays or in a temporary one."""
    temporary = tempfile.TemporaryDirectory(prefix=f"rowfeed-{kind.program}-", ignore_cleanup_errors=True)
    with nullcontext(keep) if keep else temporary as name:
        found = kind(Path(name), options)
        if not (found.directory / "data" / "mysql").exists():
            found.install()
        found.start()
        try:
            yield found
        finally:
            found.stop()


class Server:
    """MariaDB in a directory and on a port of its own."""

    program = "mariadbd"

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        self.directory, self.options = directory, options
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"mysql+pymysql://root@127.0.0.1:{self.port}/"

    def install(self) -> None:
        """Make the data directory."""
        command = ["mariadb-install-db", "--no-defaults", *self._place, "--skip-test-db", *MEMORY]
        command += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    @property
    def _place(self) -> list[str]:
        return [f"--user={getpass.getuser()}", f"--datadir={self.directory / 'data'}"]

    def start(self) -> None:
        """Start, and wait until it greets."""
        temporary = self.directory / "tmp"  # a server that starts deletes all temporary tables of the directory
        temporary.mkdir(exist_ok=True)
        network = ["--bind-address=127.0.0.1", f"--port={self.port}"]
        files = [f"--socket={self.directory / 'socket'}", f"--pid-file={self.directory / 'pid'}"]
        files.append(f"--tmpdir={temporary}")
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([*self._command, *files, *network, *self.options], stdout=log, stderr=log)
        _wait(self.process, self.port, self.directory / "log")

    @property
    def _command(self) -> list[str]:
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF", "--skip-log-bin", "--sync-frm=OFF"]
        return ["mariadbd", "--no-defaults", *self._place, "--skip-name-resolve", *MEMORY, *fast]

    def kill(self) -> None:
        """End it as a loss of power does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server greets."""
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
            if client.recv(1):
                return
        time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}")

"""A private MySQL server for tests, from the programs that `make servers` fetches: see `mariadb_server`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mariadb_server

VARIABLE = "ROWFEED_TEST_MYSQL_URL"
"""A URL of an administrator on a server to use instead: `mysql+pymysql://root:…@host/`."""

PROGRAM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rowfeed" / "mysql" / "mysqld"
"""Where `make servers` puts the server."""

MEMORY = ["--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=32M", "--key-buffer-size=1M"]


def why_missing() -> str | None:
    """What keeps tests from having a server; None where nothing does."""
    if os.environ.get(mariadb_server.QUICK):
        return f"left out: {mariadb_server.QUICK}"
    if os.environ.get(VARIABLE) or PROGRAM.exists():
        return None
    return f"no MySQL server: run make servers, or set {VARIABLE} to the URL of an administrator"


@contextmanager
def server(*options: str, keep: Path | None = None) -> Iterator[str]:
    """The URL of an administrator, as `mariadb_server.server`."""
    with mariadb_server.given_or(VARIABLE, private_server(*options, keep=keep)) as url:
        yield url


@contextmanager
def private_server(*options: str, keep: Path | None = None) -> Iterator[mariadb_server.Server]:
    """A server of its own, which can be killed and started again, as `mariadb_server.private_server`."""
    with mariadb_server.running(Server, options, keep) as found:
        yield found


class Server(mariadb_server.Server):
    """MySQL in a directory and on a port of its own. Its administrator has no password."""

    program = "mysqld"

    def install(self) -> None:
        """Make the data directory, with an administrator who may come from any host."""
        first = self.directory / "first.sql"
        first.write_text("CREATE USER root@'%';\nGRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;\n")
        command = [*self._command, *self.options, "--initialize-insecure", f"--init-file={first}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    @property
    def _command(self) -> list[str]:
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF", "--skip-log-bin"]
        local = ["--skip-name-resolve", "--mysqlx=OFF", "--performance-schema=OFF", "--secure-file-priv="]
        return [str(PROGRAM), "--no-defaults", *self._place, *MEMORY, *fast, *local]

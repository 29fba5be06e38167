"""A private PostgreSQL server for tests: started from the binaries of this machine, stopped by its own process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

VARIABLE = "ROWFEED_TEST_POSTGRESQL_URL"
"""The URL of an administrator of a server to use instead of a private one."""

QUICK = "ROWFEED_QUICK"
"""Set, it leaves out every test that asks for a server."""

START_S = 60


def why_missing() -> str | None:
    """What keeps tests from having a server; None where nothing does."""
    if os.environ.get(QUICK):
        return f"left out: {QUICK}"
    if os.environ.get(VARIABLE) or binaries():
        return None
    return f"no PostgreSQL server: install postgresql, or set {VARIABLE}"


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; the newest of those that Debian installs, or those of the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    places = installed + ([Path(on_path).resolve().parent] if on_path else [])
    return next((p for p in reversed(places) if (p / "initdb").exists() and (p / "postgres").exists()), None)


@contextmanager
def server(keep: Path | None = None, **settings: str) -> Iterator[str]:
    """The URL of an administrator, postgresql+psycopg://…, on a server that lives as long as the context.

    Args:
        keep: See `private_server`.
        settings: Likewise.
    """
    if os.environ.get(VARIABLE):
        yield os.environ[VARIABLE]
        return
    with private_server(keep, **settings) as found:
        yield found.url


@contextmanager
def private_server(keep: Path | None = None, **settings: str) -> Iterator[Server]:
    """A server of its own, which can be killed and started again.

    Args:
        keep: A directory that stays, with its data, for a later server. None: a temporary one.
        settings: Further settings of `postgres`. Of a certificate and its key the server gets copies.
    """
    temporary = tempfile.TemporaryDirectory(prefix="rowfeed-postgresql-", ignore_cleanup_errors=True)
    with nullcontext(str(keep)) if keep else temporary as directory:
        found = Server(Path(directory), settings)
        if not (found.data / "PG_VERSION").exists():
            found.install()
        found.start()
        try:
            yield found
        finally:
            found.stop()


class Server:
    """PostgreSQL in a directory and on a port of its own."""

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self.directory, self.data = directory, directory / "data"
        self.settings = settings or {}
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"postgresql+psycopg://admin@127.0.0.1:{self.port}/postgres"
        found = binaries()
        if found is None:
            raise RuntimeError(f"expected PostgreSQL's initdb and postgres; got none. Install it, or set {VARIABLE}.")
        self.binaries = found
        self._quiet = {"cwd": directory, "stdin": subprocess.DEVNULL, **_identity()}

    def install(self) -> None:
        """Make the data directory."""
        self.directory.chmod(0o755)
        self.data.mkdir(mode=0o700)
        if identity := _identity():
            for place in (self.data, self.directory):
                os.chown(place, identity["user"], identity["group"])
        options = ["-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        command = [self.binaries / "initdb", "-D", self.data, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._quiet)
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhost all admin all trust\nhost all all all scram-sha-256\n"
        )
        for name in self.settings.keys() & {"ssl_cert_file", "ssl_key_file"}:
            file = self.data / name
            shutil.copy(self.settings[name], file)
            file.chmod(0o600)
            if identity:
                os.chown(file, identity["user"], identity["group"])
            self.settings[name] = str(file)

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "256MB",
            "max_connections": "50",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            command = [self.binaries / "postgres", "-D", self.data, *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._quiet)
        _wait(self.process, self.port, self.directory / "log")

    def kill(self) -> None:
        """End it, and all that it started, as a loss of power does."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it and its sessions in order."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def _identity() -> dict[str, int]:
    """Whom to run as, since PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("expected a user postgres or nobody to run PostgreSQL as; got neither.")


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    end = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="admin", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)

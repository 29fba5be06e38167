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
from contextlib import contextmanager, nullcontext
from pathlib import Path

VARIABLE = "ROWFEED_TEST_POSTGRESQL_URL"
"""The URL of an administrator of a server to use instead of a private one."""

START_S = 60


def available() -> bool:
    """Whether `server` can give one."""
    return bool(os.environ.get(VARIABLE)) or binaries() is not None


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; the newest of those that Debian installs, or those of the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    places = installed + ([Path(on_path).resolve().parent] if on_path else [])
    return next((p for p in reversed(places) if (p / "initdb").exists() and (p / "postgres").exists()), None)


@contextmanager
def server(keep: Path | None = None, **further: str) -> Iterator[str]:
    """The URL of an administrator, postgresql+psycopg://…, of a server that lives as long as the context.

    Args:
        keep: A directory that stays, with its data, for a later server. None: a temporary one.
        further: Settings of the server, such as `shared_buffers="2GB"`.
    """
    if os.environ.get(VARIABLE):
        yield os.environ[VARIABLE]
        return
    found = binaries()
    if found is None:
        raise RuntimeError(f"expected PostgreSQL's initdb and postgres; got none. Install it, or set {VARIABLE}.")
    temporary = tempfile.TemporaryDirectory(prefix="rowfeed-postgresql-", ignore_cleanup_errors=True)
    with nullcontext(str(keep)) if keep else temporary as directory:
        home = Path(directory)
        home.chmod(0o755)
        data, port = home / "data", _free_port()
        data.mkdir(mode=0o700, exist_ok=True)
        identity = _identity()
        if identity:
            os.chown(data, identity["user"], identity["group"])
            os.chown(home, identity["user"], identity["group"])
        quiet = {"cwd": directory, "stdin": subprocess.DEVNULL, **identity}
        command = [found / "initdb", "-D", data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        if not (data / "PG_VERSION").exists():
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **quiet)
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhost all admin all trust\nhost all all all scram-sha-256\n"
        )
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": directory,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "256MB",
            "max_connections": "50",
            **further,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen([found / "postgres", "-D", data, *options], stdout=log, stderr=log, **quiet)
        try:
            _wait(process, port, home / "log")
            yield f"postgresql+psycopg://admin@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # "fast": sessions are ended
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(30)


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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

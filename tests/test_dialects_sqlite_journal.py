"""Files of SQLite that a reader cannot read because of what lies beside them: said, with the way out."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import rowfeed

NOBODY = 65_534
READ = """
import os, sys
import rowfeed
grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=2)
def read(url):
    return rowfeed.Feed(rowfeed.connect(url, retry_s=0), grid).arrays().tolist()
url, other, user = sys.argv[1:]
read(other)  # loads what a user without rights to this installation could not load
if user != "0":
    os.setgid(int(user))
    os.setuid(int(user))
try:
    print(read(url))
except rowfeed.Error as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def path():
    """A file with one sample, in a directory that everybody may read."""
    with tempfile.TemporaryDirectory(prefix="rowfeed-journal-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with closing(sqlite3.connect(directory / "a.db")) as connection, connection:
            connection.execute("CREATE TABLE t (id INTEGER, x INT, v REAL)")
            connection.execute("CREATE INDEX t_id ON t (id)")
            connection.execute("INSERT INTO t VALUES (1, 0, 5)")
        (directory / "other").mkdir()
        shutil.copy(directory / "a.db", directory / "other" / "a.db")
        yield directory / "a.db"
        directory.chmod(0o755)


def read_as_nobody(url, other):
    """What a process says that may read the file and write nothing."""
    if os.name != "posix":
        pytest.skip("rights are those of POSIX")
    user = NOBODY if os.getuid() == 0 else 0
    words = [sys.executable, "-c", READ, url, f"sqlite:///{other}", str(user)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_wal_in_a_directory_that_cannot_be_written(path):
    """The error says which right is missing; the URL in it reads the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    path.parent.chmod(0o555)
    said = read_as_nobody(f"sqlite:///{path}", path.parent / "other/a.db")
    assert said.startswith(f"DatabaseError expected the right to write in {path.parent}, since a.db is in WAL mode")
    assert "PRAGMA journal_mode = DELETE" in said
    url = f"sqlite:///file:{path}?immutable=1&uri=true"
    assert f"read it as it is: {url}." in said
    assert read_as_nobody(url, path.parent / "other/a.db") == "[[5.0, 0.0]]"


def test_a_hot_journal(path):
    """A writer that was killed in a transaction leaves a journal, which a reader cannot undo: said, with its name."""
    kill = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size = 1'); "
        "c.executemany('INSERT INTO t VALUES (?, 1, 1)', [(i,) for i in range(20_000)]); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", kill, str(path)], check=True)
    assert path.with_name("a.db-journal").stat().st_size
    path.parent.chmod(0o555)
    said = read_as_nobody(f"sqlite:///{path}", path.parent / "other/a.db")
    assert said.startswith(f"DatabaseError expected a file {path} whose last transaction has ended; got a.db-journal")
    assert "sqlite3 a.db .tables" in said
    path.parent.chmod(0o755)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM t").fetchall()
    layout = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=2)
    assert rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}"), layout).arrays().tolist() == [[5, 0]]

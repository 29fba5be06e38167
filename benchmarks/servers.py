"""The engines: started in a directory of their own, filled, warmed, measured by process id, stopped."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import digest
import drivers
import numpy as np
from cases import Array, Case
from processes import children

import rowfeed

sys.path.append(str(Path(__file__).parent.parent / "tests"))

import mariadb_server
import mysql_server
import postgresql_server

ENGINES = ("mariadb", "mysql", "postgresql", "sqlite", "duckdb")

MYSQLS = {
    "mariadb": (mariadb_server, ["--innodb-log-file-size=512M"]),
    "mysql": (mysql_server, ["--innodb-redo-log-capacity=1G"]),
}
"""The servers with the protocol of MySQL, and their options for large loads."""

MEMORY = "2G"
"""The cache of a server: all tables of the full size but the largest indexes."""


@dataclass
class Engine:
    """A running engine.

    Args:
        name: As in `ENGINES`.
        url: Of its database.
        version: As it tells itself.
        pid: Of its server; None: it runs in the client.
        directory: Of its data.
        loaded: Of each table: rows, seconds it took to load them, digest of its samples.
    """

    name: str
    url: str
    version: str
    pid: int | None
    directory: Path
    loaded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def load(self, case: Case) -> None:
        """Fill the case's table, unless that was done in an earlier run."""
        notes = self.directory / "loaded.json"
        if notes.exists():
            self.loaded = json.loads(notes.read_text())
        if case.table in self.loaded:
            return
        started, rows, digests = time.perf_counter(), 0, []
        database = rowfeed.connect(self.url)
        self.execute(f"DROP TABLE IF EXISTS {case.table}")
        for first, array in case.chunks():
            rows += self._write(database, case, first, array)
            digests.append(digest.samples(case.parts(array)))
        self._settle(case.table)
        seconds = time.perf_counter() - started
        self.loaded[case.table] = {"rows": rows, "load_seconds": seconds, "digest": digest.total(digests)}
        notes.write_text(json.dumps(self.loaded, indent=1))

    def aggregate(self, case: Case) -> float:
        """Seconds of a plain aggregate over all rows on one connection: the engine alone; it warms, too."""
        if case.cells:
            query = f"SELECT sample, COUNT(*), SUM(value) FROM {case.table} GROUP BY sample"
        else:
            sums = ", ".join(f"SUM({column})" for column in case.value_columns)
            query = f"SELECT label, COUNT(*), {sums} FROM {case.table} GROUP BY label"
        started = time.perf_counter()
        self.execute(f"SELECT COUNT(*) FROM ({query}) t", read_only=True)
        return time.perf_counter() - started

    def execute(self, *statements: str, read_only: bool = False) -> Any:
        """Run statements on a connection of their own; the first value of the last one's result."""
        with closing(drivers.open_url(self.name, self.url, read_only=read_only)) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            row = cursor.fetchone() if statements[-1].startswith("SELECT") else None
            if not read_only and self.name != "duckdb":
                connection.commit()
        return row and row[0]

    def pin(self, cores: set[int]) -> None:
        """Let the server run on these cores only."""
        for pid in [] if self.pid is None else [self.pid, *children(self.pid)]:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cores)

    def _write(self, database: rowfeed.Database, case: Case, first: int, array: Array) -> int:
        ids = np.arange(first, first + len(array))
        if self.name not in MYSQLS:
            return database.write(case.layout(), array, ids=ids, if_exists="append")
        if first > 0:
            return self._load_file(case, first, array)
        created = database.write(case.layout(), array[:1], ids=ids[:1], if_exists="append")
        return created + self._load_file(case, 1, array[1:])

    def _load_file(self, case: Case, first: int, array: Array) -> int:
        """Into MariaDB or MySQL, whose INSERT takes ten times as long."""
        parts = list(case.layout().unload(array))
        sample, *columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        texts = (map(str, column.tolist()) for column in (sample + first, *columns))
        path = self.directory / "load.csv"
        path.write_text("\n".join(map(",".join, zip(*texts, strict=True))) + "\n")
        self.execute(
            "SET SESSION unique_checks = 0",
            f"LOAD DATA INFILE '{path}' INTO TABLE {case.table} FIELDS TERMINATED BY ','",
        )
        path.unlink()
        return len(sample)

    def _settle(self, table: str) -> None:
        """Maintenance after a load, as by an administrator, so that it does not happen during a measurement."""
        statement = {"postgresql": f"VACUUM ANALYZE {table}", "sqlite": "ANALYZE"}
        statement |= dict.fromkeys(MYSQLS, f"ANALYZE TABLE {table}")
        if self.name in statement:
            self.execute(statement[self.name])


@contextmanager
def start(name: str, cache: Path) -> Iterator[Engine]:
    """An engine whose data stays in a directory of the cache.

    Args:
        name: As in `ENGINES`.
        cache: The parent of data directories; users of other names must be able to enter it.
    """
    directory = cache / name
    directory.mkdir(parents=True, exist_ok=True)
    for variable in (mariadb_server.VARIABLE, mysql_server.VARIABLE, postgresql_server.VARIABLE):
        os.environ.pop(variable, None)
    if name in MYSQLS:
        module, options = MYSQLS[name]
        with module.server(f"--innodb-buffer-pool-size={MEMORY}", "--local-infile=ON", *options, keep=directory) as url:
            server = Engine(name, url, "", int((directory / "pid").read_text()), directory)
            server.execute("CREATE DATABASE IF NOT EXISTS bench")
            yield _described(replace(server, url=f"{url}bench"))
    elif name == "postgresql":
        further = {"shared_buffers": f"{MEMORY}B", "max_wal_size": "8GB", "max_parallel_workers_per_gather": "0"}
        with postgresql_server.server(keep=directory, **further) as url:
            pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
            yield _described(Engine(name, url, "", pid, directory))
    else:
        path = directory / ("bench.db" if name == "sqlite" else "bench.duckdb")
        engine = Engine(name, f"{name}:///{path}", "", None, directory)
        engine.execute("SELECT 1")
        yield _described(engine)


def _described(engine: Engine) -> Engine:
    question = "SELECT sqlite_version()" if engine.name == "sqlite" else "SELECT version()"
    return replace(engine, version=str(engine.execute(question)))

"""ADBC: a window's queries one after the other, as Arrow, then numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import numpy as np
from cases import Case
from job import Batches, Job
from windows import Columns, Ids, in_list, list_ids
from windows import batches as window_batches

from rivals import WINDOWS, versions

NAME = "ADBC + numpy"
ORDER = WINDOWS
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions(f"adbc-driver-{engine}", "adbc-driver-manager", "pyarrow", "numpy")


def supports(engine: str, case: Case) -> str | None:
    """Engines with a packaged ADBC driver."""
    reasons = {
        "mariadb": "there is no packaged driver for MariaDB",
        "mysql": "there is no packaged driver for MySQL",
        "duckdb": "DuckDB is its own ADBC driver: see DuckDB + numpy",
    }
    return reasons.get(engine)


def batches(job: Job) -> Batches:
    """One epoch."""
    with connect(job) as connection, connection.cursor() as cursor:
        ids = next(iter(_read(cursor, list_ids(job))))[0].astype(np.int64)

        def read(portions: list[Ids]) -> Iterable[Columns]:
            for portion in portions:
                yield from _read(cursor, in_list(job, portion))

        yield from window_batches(job, ids, read)


def connect(job: Job) -> Any:
    """A connection."""
    place = job.place
    if job.engine == "sqlite":
        return adbc_driver_sqlite.dbapi.connect(f"file:{place.database}?mode=ro")
    uri = f"postgresql://{place.username}@{place.host}:{place.port}/{place.database}"
    return adbc_driver_postgresql.dbapi.connect(uri)


def _read(cursor: Any, query: str) -> Iterator[Columns]:
    cursor.execute(query)
    yield [column.to_numpy() for column in cursor.fetch_arrow_table().columns]

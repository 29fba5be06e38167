"""DuckDB's own Python API: a window is a semi join with its ids, fetched as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import duckdb
import numpy as np
import pyarrow as pa
from cases import Case
from job import Batches, Job
from windows import Columns, Ids, list_ids, select
from windows import batches as window_batches

from rivals import WINDOWS, versions

NAME = "DuckDB + numpy"
ORDER = WINDOWS
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("duckdb", "pyarrow", "numpy")


def supports(engine: str, case: Case) -> str | None:
    """Its own files."""
    return None if engine == "duckdb" else "it is for DuckDB files"


def batches(job: Job) -> Batches:
    """One epoch."""
    with closing(duckdb.connect(job.place.database, read_only=True)) as connection:
        ids = connection.execute(list_ids(job)).fetchnumpy()["sample"]
        yield from window_batches(job, ids, Reader(job, connection))


class Reader:
    """Reads samples by their ids, all of a window in one scan."""

    def __init__(self, job: Job, connection: duckdb.DuckDBPyConnection) -> None:
        self._query = f"{select(job)} WHERE sample IN (SELECT id FROM wanted)"
        self._connection = connection

    def __call__(self, portions: list[Ids]) -> Iterable[Columns]:
        """Rows of some portions of ids."""
        self._connection.register("wanted", pa.table({"id": np.concatenate(portions)}))
        table = self._connection.execute(self._query).to_arrow_table()
        yield [column.to_numpy() for column in table.columns]

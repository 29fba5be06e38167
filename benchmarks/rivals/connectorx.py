"""connectorx: both connections' queries of a window in parallel, as Arrow, then numpy."""

from __future__ import annotations

from collections.abc import Iterable

import connectorx
import numpy as np
from cases import Case
from job import Batches, Job
from windows import Columns, Ids, in_list, list_ids
from windows import batches as window_batches

from rivals import WINDOWS, versions

NAME = "connectorx + numpy"
ORDER = WINDOWS
PROCESSES = False

CONNECTIONS = 2


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("connectorx", "pyarrow", "numpy")


def supports(engine: str, case: Case) -> str | None:
    """Engines with a connectorx driver."""
    return "it has no driver for DuckDB files" if engine == "duckdb" else None


def batches(job: Job) -> Batches:
    """One epoch."""
    ids = connectorx.read_sql(url(job), list_ids(job), return_type="arrow").column("sample").to_numpy()
    return window_batches(job, ids.astype(np.int64), Reader(job))


class Reader:
    """Reads samples by their ids."""

    def __init__(self, job: Job) -> None:
        self._job, self._url = job, url(job)

    def __call__(self, portions: list[Ids]) -> Iterable[Columns]:
        """Rows of some portions of ids, as many queries at a time as there are connections."""
        for first in range(0, len(portions), CONNECTIONS):
            queries = [in_list(self._job, ids) for ids in portions[first : first + CONNECTIONS]]
            table = connectorx.read_sql(self._url, queries, return_type="arrow")
            yield [column.to_numpy() for column in table.columns]


def url(job: Job) -> str:
    """The URL as connectorx has it."""
    place = job.place
    if job.engine == "sqlite":
        return f"sqlite://{place.database}"
    return str(place.set(drivername=place.get_backend_name()))

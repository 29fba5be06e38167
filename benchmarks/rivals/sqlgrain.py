"""sql-grain: a query for each sample, shuffled and batched by Grain, with a worker process for each core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import grain
import numpy as np
from cases import Array, Case
from job import Batches, Job
from sqlgrain import Sqlite3DataSource
from windows import list_ids

from rivals import versions

NAME = "sql-grain"
ORDER = "full: a query for each sample"
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("sql-grain", "grain")


def supports(engine: str, case: Case) -> str | None:
    """The engines in its documentation."""
    return None if engine == "sqlite" else "it reads SQLite files only"


def batches(job: Job) -> Batches:
    """One epoch."""
    case = job.case
    columns = ", ".join(case.columns[1:])
    with Sqlite3DataSource(
        job.place.database,
        key_query=list_ids(job),
        record_query=f"SELECT {columns} FROM {case.table} WHERE sample = :sample",
    ) as source:
        samples = grain.MapDataset.source(source).shuffle(seed=job.seed).map(partial(_dense, case))
        for batch in samples.batch(case.batch_size):
            yield case.parts(batch)


def _dense(case: Case, rows: Mapping[str, Sequence[Any]]) -> Array:
    if not case.cells:
        return np.array([rows[name][0] for name in case.value_columns], np.float32)
    sample = np.zeros(case.shape, np.float32)
    sample[np.array(rows["y"]), np.array(rows["x"])] = rows["value"]
    return sample

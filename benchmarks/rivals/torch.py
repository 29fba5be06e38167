"""A torch `Dataset` with one query for each sample, in a `DataLoader` with a worker process for each core."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import drivers
import numpy as np
import torch
from cases import Array, Case
from job import Batches, Job
from torch.utils.data import DataLoader, Dataset
from windows import list_ids

from rivals import versions

NAME = "torch Dataset, a query a sample"
ORDER = "full: a query for each sample"
PROCESSES = True

WORKERS = 2


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("torch", *drivers.distributions(engine))


def supports(engine: str, case: Case) -> str | None:
    """Every DB-API."""
    return None


def batches(job: Job) -> Batches:
    """One epoch."""
    order = torch.Generator().manual_seed(job.seed)
    start = "spawn" if job.engine == "duckdb" else None  # DuckDB does not survive a fork
    loader = DataLoader(
        Samples(job),
        batch_size=job.case.batch_size,
        shuffle=True,
        num_workers=WORKERS,
        generator=order,
        multiprocessing_context=start,
    )
    for batch in loader:
        yield job.case.parts(batch.numpy())


class Samples(Dataset[Any]):
    """Samples by number; each worker opens a connection of its own."""

    def __init__(self, job: Job) -> None:
        self._case = job.case
        self._job = job
        self._cursor: Any = None
        mark = "?" if job.engine in ("sqlite", "duckdb") else "%s"
        keys = "y, x, " if self._case.cells else ""
        self._query = f"SELECT {keys}{drivers.values(job)} FROM {self._case.table} WHERE sample = {mark}"
        with closing(drivers.connect(job)) as connection:
            cursor = connection.cursor()
            cursor.execute(list_ids(job))
            self._ids = np.array(cursor.fetchall(), np.int64)[:, 0]

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._ids)

    def __getitem__(self, index: int) -> Array:
        """A sample."""
        if self._cursor is None:
            self._connection = drivers.connect(self._job)
            self._cursor = self._connection.cursor()
        self._cursor.execute(self._query, (int(self._ids[index]),))
        rows = np.array(self._cursor.fetchall(), np.float32)
        if not self._case.cells:
            return rows[0]
        sample = np.zeros(self._case.shape, np.float32)
        sample[rows[:, 0].astype(np.intp), rows[:, 1].astype(np.intp)] = rows[:, 2]
        return sample

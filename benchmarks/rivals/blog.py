"""The generator of a blog post: a query for each batch, and a Python loop over its rows."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import drivers
import numpy as np
from cases import Case
from job import Batch, Batches, Job
from windows import list_ids

from rivals import versions

NAME = "a query a batch, a loop over rows"
ORDER = "full: a query for each batch"
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions(*drivers.distributions(engine))


def supports(engine: str, case: Case) -> str | None:
    """Matrices of cells, as in the post."""
    return None if case.cells else "it makes matrices of cells"


def batches(job: Job) -> Batches:
    """One epoch, its samples shuffled once, so that every batch is another random set."""
    with closing(drivers.connect(job)) as connection:
        cursor = connection.cursor()
        cursor.execute(list_ids(job))
        ids = np.array(cursor.fetchall(), np.int64)[:, 0]
        generator = DataGenerator(job.case, np.random.default_rng(job.seed).permutation(ids), cursor)
        for index in range(len(generator)):
            yield generator[index]


class DataGenerator:
    """As the post has it, shaped like a `keras.utils.Sequence`."""

    def __init__(self, case: Case, ids: Any, cursor: Any) -> None:
        self._case, self._ids, self._cursor = case, ids, cursor

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._ids) // self._case.batch_size)

    def __getitem__(self, index: int) -> Batch:
        """A batch: one query, then a loop."""
        first = index * self._case.batch_size
        wanted = ", ".join(str(i) for i in self._ids[first : first + self._case.batch_size])
        self._cursor.execute(f"SELECT sample, y, x, value FROM {self._case.table} WHERE sample IN ({wanted})")
        matrices: dict[int, Any] = {}
        for sample, y, x, value in self._cursor.fetchall():
            if sample not in matrices:
                matrices[sample] = np.zeros(self._case.shape, np.float32)
            matrices[sample][y][x] = value
        return (np.array(list(matrices.values())),)

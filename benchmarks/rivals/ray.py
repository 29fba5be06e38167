"""Ray Data: `read_sql`, one row for each sample, made dense by `map_batches`, shuffled in a buffer.

The start of its processes is not counted: a cluster would be running.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"

import drivers
import ray
from cases import Case
from job import Batches, Job

from rivals import versions

NAME = "Ray Data"
ORDER = "a buffer of at most 131,072 mixed"
PROCESSES = True

BLOCKS = 1
"""Of the reading task: the default splits its rows into some hundred, each a task of its own."""

BUFFER_BYTES = 64 * 2**20


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("ray", *drivers.distributions(engine))


def supports(engine: str, case: Case) -> str | None:
    """Every DB-API."""
    return None


def batches(job: Job) -> Batches:
    """One epoch."""
    case = job.case
    rows = ray.data.read_sql(drivers.one_row_each(job), partial(drivers.connect, job), override_num_blocks=BLOCKS)
    samples = rows.map_batches(partial(_dense, case), batch_format="numpy")
    buffer = min(131_072, BUFFER_BYTES // case.sample_bytes)
    for batch in samples.iter_batches(
        batch_size=case.batch_size, batch_format="numpy", local_shuffle_buffer_size=buffer, local_shuffle_seed=job.seed
    ):
        yield case.parts(batch["dense"])


def start() -> None:
    """Start Ray's processes."""
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False)


def close() -> None:
    """End Ray's processes."""
    ray.shutdown()


def _dense(case: Case, rows: dict[str, Any]) -> dict[str, Any]:
    return {"dense": drivers.dense(case, rows)}

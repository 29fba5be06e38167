"""Hugging Face datasets: `Dataset.from_sql`, one row for each sample, shuffled, made dense by a transform."""

from __future__ import annotations

import tempfile
from typing import Any

import datasets
import drivers
from cases import Case
from job import Batches, Job

from rivals import versions

NAME = "Hugging Face datasets"
ORDER = "full: the table is copied to disk first"
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("datasets", "pandas", *drivers.distributions(engine, sqlalchemy=True))


def supports(engine: str, case: Case) -> str | None:
    """Everything: SQLAlchemy has a dialect for each."""
    return None


def batches(job: Job) -> Batches:
    """One epoch."""
    case = job.case
    datasets.disable_progress_bars()

    def to_dense(rows: dict[str, Any]) -> dict[str, Any]:
        return {"dense": drivers.dense(case, rows)}

    with tempfile.TemporaryDirectory() as cache:
        table = datasets.Dataset.from_sql(drivers.one_row_each(job), drivers.sqlalchemy_url(job), cache_dir=cache)
        table = table.shuffle(seed=job.seed)
        table = table.with_transform(to_dense) if case.cells else table.with_format("numpy")
        for batch in table.iter(case.batch_size):
            yield case.parts(batch["dense"] if case.cells else drivers.dense(case, batch))

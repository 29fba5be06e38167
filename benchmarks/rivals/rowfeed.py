"""rowfeed, with every option at its default."""

from __future__ import annotations

from cases import Case
from job import Batches, Job

import rowfeed
from rivals import WINDOWS, versions

NAME = "rowfeed"
ORDER = WINDOWS
PROCESSES = False

DRIVERS = {"mariadb": "PyMySQL", "mysql": "PyMySQL", "postgresql": "psycopg", "duckdb": "duckdb"}


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    drivers = [DRIVERS[engine]] if engine in DRIVERS else []
    return {"rowfeed": rowfeed.__version__, **versions("numpy", "SQLAlchemy", *drivers)}


def supports(engine: str, case: Case) -> str | None:
    """Everything."""
    return None


def batches(job: Job) -> Batches:
    """One epoch."""
    x, y = job.case.layouts()
    feed = rowfeed.Feed(rowfeed.connect(job.url), x=x, y=y, batch_size=job.case.batch_size, seed=job.seed)
    for batch in feed:
        yield batch if isinstance(batch, tuple) else (batch,)

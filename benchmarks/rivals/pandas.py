"""pandas: `read_sql` in chunks of the table's order, then numpy."""

from __future__ import annotations

from collections.abc import Iterator

import drivers
import numpy as np
import pandas as pd
import sqlalchemy as sa
from cases import Array, Case
from job import Batches, Job
from windows import cut, scatter

from rivals import versions

NAME = "pandas.read_sql"
ORDER = "none: as the table has it"
PROCESSES = False

CHUNK_ROWS = 100_000


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("pandas", *drivers.distributions(engine, sqlalchemy=True))


def supports(engine: str, case: Case) -> str | None:
    """Everything: SQLAlchemy has a dialect for each."""
    return None


def batches(job: Job) -> Batches:
    """One epoch."""
    query = f"{drivers.select(job)} ORDER BY sample"
    engine = sa.create_engine(drivers.sqlalchemy_url(job))
    with engine.connect().execution_options(stream_results=True) as connection:
        chunks = pd.read_sql(sa.text(query), connection, chunksize=CHUNK_ROWS)
        try:
            yield from cut(job.case, _whole_samples(job.case, chunks))
        finally:
            connection.invalidate()  # if the epoch ends early, rows are left, which mysqlclient would trip over


def _whole_samples(case: Case, chunks: Iterator[pd.DataFrame]) -> Iterator[Array]:
    """Dense samples; rows of the last sample of a chunk wait for the next."""
    waiting = None
    for chunk in chunks:
        rows = chunk if waiting is None else pd.concat([waiting, chunk])
        last = rows["sample"].to_numpy() == rows["sample"].iloc[-1]
        waiting = rows[last]
        if not last.all():
            yield _dense(case, rows[~last])
    if waiting is not None:
        yield _dense(case, waiting)


def _dense(case: Case, rows: pd.DataFrame) -> Array:
    columns = [rows[name].to_numpy() for name in case.columns]
    ids, columns[0] = np.unique(columns[0], return_inverse=True)
    return scatter(case, np.arange(ids.size), [columns])

"""scDataset: shuffled blocks, 16 batches and more at a time, fetched by a callback that queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cases import Array, Case
from job import Batches, Job
from scdataset import BlockShuffling, scDataset
from torch.utils.data import DataLoader
from windows import Ids, list_ids, plan, portions, scatter

from rivals import load, versions

NAME = "scDataset"
ORDER = "blocks, a window of at most 131,072 mixed"
PROCESSES = False


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("scDataset", "torch", "duckdb" if engine == "duckdb" else "connectorx")


def supports(engine: str, case: Case) -> str | None:
    """Everything: the callback is the user's."""
    return None


def batches(job: Job) -> Batches:
    """One epoch; window and blocks are as long as rowfeed's."""
    case = job.case
    if job.engine == "duckdb":
        import duckdb

        connection = duckdb.connect(job.place.database, read_only=True)
        read = load("duckdb").Reader(job, connection)
        ids = connection.execute(list_ids(job)).fetchnumpy()["sample"]
    else:
        import connectorx

        source = load("connectorx")
        read = source.Reader(job)
        ids = connectorx.read_sql(source.url(job), list_ids(job), return_type="arrow").column("sample").to_numpy()

    def fetch(ids: Ids, indices: Sequence[int]) -> Array:
        wanted = ids[np.asarray(indices)]
        return scatter(case, wanted, read(portions(case, np.sort(wanted))))

    order = plan(case, len(ids), job.seed)
    loader: Any = DataLoader(
        scDataset(
            ids.astype(np.int64),
            BlockShuffling(block_size=order.block),
            batch_size=case.batch_size,
            fetch_factor=min(order.window, len(ids)) // case.batch_size,
            fetch_callback=fetch,
            batch_transform=case.parts,
            seed=job.seed,
        ),
        batch_size=None,
    )
    for parts in loader:
        yield tuple(part.numpy() for part in parts)

"""The job of a rival: one epoch of one table on one engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from cases import CASES, Case

Batch = tuple[npt.NDArray[np.float32], ...]
"""`(x,)`, or `(x, label)`."""

Batches = Iterator[Batch]


@dataclass(frozen=True)
class Job:
    """One epoch.

    Args:
        engine: mariadb, mysql, postgresql, sqlite or duckdb.
        url: Of the database, for SQLAlchemy.
        name: Of the case.
        samples: How many the table has.
        seed: Of the order.
    """

    engine: str
    url: str
    name: str
    samples: int
    seed: int = 0

    @property
    def case(self) -> Case:
        """The case with the table's size."""
        return CASES[self.name].of(self.samples)

    @property
    def place(self) -> sa.URL:
        """The URL in parts."""
        return sa.make_url(self.url)

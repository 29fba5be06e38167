"""`rowfeed populate`: random user matrices, written a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.database.database import Database
from rowfeed.dialects import open_session
from rowfeed.dialects.session import Session
from rowfeed.errors import ArgumentError, SchemaError
from rowfeed.layouts.columns import Columns
from rowfeed.layouts.grid import Grid
from rowfeed.request.source import Source

VALUES = np.array([value for value in range(-7, 18) if value != 0], np.int16)
"""The values of a cell with a row, all equally likely."""

CHUNK_CELLS = 250_000
"""The most cells that are made and written at one time: some 100 MB in transit."""


@dataclass(frozen=True)
class Population:
    """Users who each have a matrix of random integers, most of whose cells are 0 and have no row.

    Args:
        table: The table of the cells: (user_id, one column an axis, value), a row for each cell that is not 0.
        users_table: The table of all users: (user_id, cells), where `cells` is the number of the user's rows in
            `table`.
        samples: The number of users, 1 or more.
        shape: Cells along each axis, called x, y, z and w.
        density: The fraction of the cells that have a row, 0 to 1.
        empty: The fraction of the users who have no row at all, 0 to 1.
        seed: The seed of the values; they depend only on it and on the ids.
    """

    table: str = "USER_MATRIX"
    users_table: str = "USER_MATRIX_USERS"
    samples: int = 1_000
    shape: tuple[int, ...] = (4, 4)
    density: float = 0.3
    empty: float = 0.02
    seed: int = 0

    @property
    def grid(self) -> Grid:
        """The layout for reading the matrices: float32 (batch, *shape)."""
        return self._grid("float32")

    def write(self, db: Database, if_exists: str, progress: Callable[[int], None] = lambda written: None) -> int:
        """Write all users, in bounded memory.

        Args:
            db: The database.
            if_exists: The action if tables of these names exist: `fail`, `append` users after the last one, or
                `replace`.
            progress: Called after each chunk with the number of written users.

        Returns:
            The number of rows that were written into `table`.

        Raises:
            ArgumentError: A table exists, with `if_exists="fail"`.
        """
        first = self._first_id(db, if_exists)
        users = Columns(self.users_table, sample="user_id", columns="cells", dtype="int32")
        step = max(1, CHUNK_CELLS // prod(self.shape))
        rows = 0
        for start in range(0, self.samples, step):
            ids = np.arange(start, min(start + step, self.samples)) + first
            matrices = self.matrices(ids)
            how = if_exists if start == 0 else "append"
            db.write(users, np.count_nonzero(matrices.reshape(len(ids), -1), axis=1), ids=ids, if_exists=how)
            rows += db.write(self._grid("int16"), matrices, ids=ids, if_exists=how)
            progress(start + len(ids))
        return rows

    def matrices(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
        """The matrices of a chunk of users: (users, *shape)."""
        rng = np.random.default_rng([self.seed, int(ids[0])])
        shape = (len(ids), *self.shape)
        has_row = (rng.random(shape) < self.density) & (rng.random((len(ids), *(1,) * len(self.shape))) >= self.empty)
        return np.where(has_row, rng.choice(VALUES, shape), np.int16(0))

    def _grid(self, dtype: str) -> Grid:
        options: dict[str, Any] = {"sample": "user_id", "axes": ("x", "y", "z", "w")[: len(self.shape)]}
        return Grid(self.table, value="value", shape=self.shape, dtype=dtype, **options)

    def _first_id(self, db: Database, if_exists: str) -> int:
        """1, or the id after the last one. Checks both tables first, so that a refusal leaves none half done."""
        if if_exists == "replace":
            return 1
        with open_session(db._address, read_only=False) as session:
            there = [name for name in (self.users_table, self.table) if _exists(session, name)]
            if there and if_exists == "fail":
                raise ArgumentError(
                    f"expected no table {there[0]!r} yet; got one in {db.label}. "
                    "Pass --if-exists append or replace, or another --table."
                )
            return int(session.sample_ids(Source(self.users_table), "user_id").max(initial=0)) + 1 if there else 1


def _exists(session: Session, table: str) -> bool:
    try:
        session.check(Source(table), ())
    except SchemaError:
        return False
    return True

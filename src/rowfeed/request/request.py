"""The values that pass between a layout and a dialect: a selection, a request, and the columns that it returns.

A `Selection` has the rows and columns that a layout needs, for all of its requests. A `Request` is a selection for a
set of sample ids: one query. `ColumnData` is the answer: one numpy array per column, never a Python object per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy.util import memoized_property

from rowfeed.messages import LONGEST_ID, brief
from rowfeed.request.selection import Indexes, Selection, index_dtype
from rowfeed.values.ids import Ids

SPAN = 1 << 22
"""Ids within this span get their numbers from a table, which is faster than a search."""

ROWS_IN_CACHE = 8_192
"""Rows that are finished before the next rows are touched: all arrays made from them stay in a core's cache."""


@dataclass(frozen=True, eq=False)
class Request:
    """A selection for some samples, read by one query."""

    selection: Selection
    ids: Ids

    @memoized_property
    def runs(self) -> tuple[Ids, Ids] | None:
        """The first and the last id of each run of neighbours, which are consecutive ids; None if the ids are text."""
        if self.ids.dtype.kind == "T":
            return None
        begins = np.flatnonzero(np.diff(self.ids) != 1) + 1
        return self.ids[np.append(0, begins)], self.ids[np.append(begins, self.ids.size) - 1]

    def long_runs(self, least: int) -> tuple[Ids, Ids] | None:
        """The runs if they have at least `least` ids on average; else None."""
        return self.runs if self.runs is not None and least * self.runs[0].size <= self.ids.size else None

    def ranges(self, least: int) -> tuple[Ids, Ids] | None:
        """The long runs if an index finds them; else None."""
        return self.long_runs(least) if self.selection.indexed else None

    def at(self, column: str, sample: int) -> str:
        """The place of a fault, for a message: `USER_MATRIX.x, user_id=12`; `sample` is an index into `ids`."""
        name = self.ids[sample : sample + 1].tolist()[0]
        return f"{self.selection.source.label}.{column}, {self.selection.sample}={brief(name, LONGEST_ID)}"

    def positions(self, found: npt.NDArray[np.integer], first: int = 0) -> Indexes:
        """The indexes into `ids` of rows' integer ids, all of which were requested.

        Args:
            found: The ids minus `first`: (rows,).
            first: The number that was subtracted.
        """
        if self._table is None:
            return np.searchsorted(self.ids, found.astype(np.int64) + first).astype(index_dtype(self.ids.size))
        low = int(self.ids[0])
        if first == low:
            return np.asarray(self._table[found])
        if abs(first - low) >= 2**63:  # in 64 bits that wrap: both differences are within the table
            return np.asarray(self._table[found.astype(np.int64) - np.array(low - first).astype(np.int64)])
        return np.asarray(self._table[found + (first - low)])

    @memoized_property
    def _table(self) -> Indexes | None:
        """The number of each id, by its distance from the first; None if the ids lie too far apart."""
        low = int(self.ids[0])
        span = int(self.ids[-1]) - low + 1
        if span > SPAN:
            return None
        table = np.empty(span, index_dtype(self.ids.size))
        table[self.ids - low] = np.arange(self.ids.size)
        return table

    def unfolded(self, places: npt.NDArray[np.integer], first: int | None) -> tuple[Indexes, Indexes]:
        """Sample and cell of rows, in the form of `ColumnData`, from places: (id - first) · cells + cell.

        Args:
            places: Integers of any byte order: (rows,).
            first: The number that was subtracted; None: places have the numbers of samples instead of ids.
        """
        cells, native = self.selection.cells, places.dtype.newbyteorder("=")
        sample = np.empty(places.size, index_dtype(self.ids.size))
        cell = np.empty(places.size, index_dtype(cells))
        for start in range(0, places.size, ROWS_IN_CACHE):
            part = slice(start, start + ROWS_IN_CACHE)
            place = places[part].astype(native)
            number = place // native.type(cells)
            sample[part] = number if first is None else self.positions(number, first)
            cell[part] = place - number * native.type(cells)
        return sample, cell

    def locate(self, column: str, sample: Indexes) -> Callable[[int], str]:
        """`at` for rows: row i belongs to sample number `sample[i]`."""
        return lambda row: self.at(column, int(sample[row]))


@dataclass(frozen=True, eq=False)
class ColumnData:
    """The columns that a request returns: one entry per row, in no particular order.

    Args:
        request: The request.
        sample: The sample, as an index into `request.ids`: integers (rows,).
        cell: The number of the cell, row-major in the axes: integers (rows,). All 0 without axes.
        values: Each value column in its dtype: (rows,).
    """

    request: Request
    sample: Indexes
    cell: Indexes
    values: tuple[npt.NDArray[Any], ...]

    @memoized_property
    def by_sample(self) -> bool:
        """Whether the rows come in the order of their samples."""
        return bool((self.sample[1:] >= self.sample[:-1]).all())

    def without_rows(self) -> npt.NDArray[np.int64]:
        """The samples without a row, as ascending indexes into the request's ids."""
        samples, sample = self.request.ids.size, self.sample
        # By far the fastest way to learn that there are none: a fifth of the time of counting each sample's rows.
        if sample.size and self.by_sample and np.count_nonzero(sample[1:] != sample[:-1]) == samples - 1:
            return np.empty(0, np.int64)
        return np.flatnonzero(np.bincount(sample, minlength=samples) == 0)

    def portions(self) -> Iterator[tuple[slice, ColumnData]]:
        """Portions of neighbouring samples with about `ROWS_IN_CACHE` rows; one portion if rows are not by sample.

        Yields:
            A slice of the request's samples, and the columns of a request for these only, `sample` and `cell` as int64.
        """
        samples, sample = self.request.ids.size, self.sample
        each = min(samples, max(1, samples * ROWS_IN_CACHE // max(1, sample.size)))
        if each < samples and not self.by_sample:
            each = samples
        firsts = np.arange(0, samples, each)
        cuts = np.append(np.searchsorted(sample, firsts), sample.size).tolist()
        for first, start, stop in zip(firsts.tolist(), cuts[:-1], cuts[1:], strict=True):
            which, rows = slice(first, first + each), slice(start, stop)
            request = Request(self.request.selection, self.request.ids[which])
            number = sample[rows].astype(np.int64)
            number -= first
            values = tuple(value[rows] for value in self.values)
            yield which, ColumnData(request, number, self.cell[rows].astype(np.int64), values)

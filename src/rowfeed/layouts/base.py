"""The base of every layout."""

from __future__ import annotations

import abc
import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy.util import memoized_property

from rowfeed.request.catalogue import Catalogue
from rowfeed.request.request import ColumnData
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source

Array: TypeAlias = npt.NDArray[Any]

FROM_SYSTEM_BYTES = 2**20
"""From this size on, an array gets its memory from the system, and returns it when it is freed."""

PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
"""Makes such memory private: by default Python's `mmap` shares it with processes that are forked later."""

ROWS_AT_A_TIME = 4_096
"""Rows that `put` joins at one time: some hundred kilobytes."""


class Layout(abc.ABC):
    """How database rows become one array per sample.

    A layout is a dataclass in a file of its own, `@dataclass(frozen=True, eq=False)`: its arguments are its fields, and
    two layouts are compared by them. It gives the attributes below, and says

    - the columns and rows that it needs: `selection`, which asks a catalogue;
    - how rows become arrays: `empty` and `scatter`;
    - how arrays become rows, for `db.write`: `unload`.

    Value columns come as arrays of numbers, dates, text or bytes (`rowfeed.values.kinds`). A layout that depends on the
    order of a sample's rows asks for the columns that give this order as further values (`Catalogue.ordering`).
    """

    source: Source
    """The rows."""
    sample: str
    """The column with the sample id."""
    axes: Sequence[str] = ()
    """The columns with the coordinates."""
    dtype: Any
    """The dtype of the arrays."""
    values: tuple[str, ...]
    """The columns with the values."""
    sample_shape: tuple[int, ...]
    """The shape of one sample."""

    def __eq__(self, other: object) -> bool:
        """By value: two equal layouts are read once."""
        return self is other or (
            isinstance(other, Layout) and self._words == other._words and self.source == other.source
        )

    def __hash__(self) -> int:
        return hash((self._words, self.source))

    @memoized_property
    def _words(self) -> tuple[str, ...]:
        """Its class and its arguments, as text: 0.0 differs from -0.0, and NaN equals NaN."""
        given = (field.name for field in fields(self) if field.init and field.name not in ("table", "where"))  # type: ignore[arg-type]
        return (type(self).__qualname__, *(repr(getattr(self, name)) for name in given))

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return prod(self.sample_shape) * int(np.dtype(self.dtype).itemsize)

    @property
    def rows_per_sample(self) -> float:
        """The most rows of a sample; infinite if a cell may have several."""
        return math.inf

    @abc.abstractmethod
    def selection(self, catalogue: Catalogue) -> Selection:
        """The rows and columns to ask the database for. Takes a catalogue: they may depend on the table's keys."""

    def missing_index(self, catalogue: Catalogue) -> str | None:
        """The CREATE INDEX without which each request scans the table; None if there is one."""
        return catalogue.missing_index(self.source, self.sample)

    @abc.abstractmethod
    def empty(self, samples: int) -> Array:
        """Samples without rows: (samples, *sample_shape)."""

    @abc.abstractmethod
    def scatter(self, data: ColumnData, slots: npt.NDArray[np.int64], out: Array) -> None:
        """Put each sample of a request into its slot of `out`, which is as `empty` made it.

        Args:
            data: The columns of the request.
            slots: The slot of each of the request's samples: (samples of the request,).
            out: (slots, *sample_shape).

        Raises:
            DataError: Rows break a promise of the layout.
        """

    @abc.abstractmethod
    def unload(self, arrays: Any) -> Iterator[tuple[Array, ...]]:
        """The inverse of `scatter`, in chunks: sample number, coordinates, values of the rows, each (rows,).

        Raises:
            ArgumentError: The arrays do not fit.
        """


def filled(shape: tuple[int, ...], fill: Any, dtype: np.dtype[Any]) -> Array:
    """An array of one value. The memory of a large one comes straight from the system.

    Windows are made and freed all the time. With malloc, their memory would stay with the process in pieces, and each
    free would teach glibc to keep smaller blocks too (its threshold for mmap is dynamic, see mallopt(3)). Measured with
    benchmarks/memory.py: a peak of 98 to 105 MiB instead of 142 to 157.
    """
    size = prod(shape) * dtype.itemsize
    if size < FROM_SYSTEM_BYTES:
        return np.full(shape, fill, dtype)
    memory = mmap.mmap(-1, size, **PRIVATE)
    array = np.frombuffer(memory, dtype).reshape(shape)
    if np.array(fill).astype(dtype).tobytes().strip(b"\0"):
        array[...] = fill
    return array


def put(out: Array, places: npt.NDArray[np.int64], columns: Sequence[Array]) -> None:
    """Write rows into an array, each to its place.

    Rows are joined in parts that are small enough for a CPU's cache, and each row is put as one item. Measured: with 20
    columns less than half of the time of column by column, with 2 columns as well.

    Args:
        out: C-contiguous; its last axis is that of the columns; no such axis if there is one column.
        places: The place of each row, counted in rows of `out`: (rows,).
        columns: The columns, each (rows,).
    """
    if len(columns) == 1:
        out.reshape(-1)[places] = columns[0]
        return
    rows = whole(out.reshape(-1, len(columns)))
    for start in range(0, places.size, ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        joined = np.stack([column[part] for column in columns], axis=1)
        rows[places[part]] = whole(joined.astype(out.dtype, copy=False))


def whole(array: Array) -> Array:
    """Each entry along the first axis of a C-contiguous array as one item, a view: numpy copies these much faster.

    Measured: entries of 8 bytes in a quarter of the time, of 64 in a seventh, of 3 KB in 0.7 of it. Entries of pointers
    to their contents stay unchanged.
    """
    if array.dtype.hasobject:
        return array
    width = prod(array.shape[1:]) * array.itemsize
    return array.reshape(len(array), -1).view(np.dtype((np.void, width))).reshape(-1)

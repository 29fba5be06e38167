"""The tables that are read, made from nothing but their names: the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import rowfeed

if TYPE_CHECKING:  # private: other trees of rowfeed have it elsewhere
    from rowfeed.layouts.base import Layout

Array = npt.NDArray[np.float32]

SIZES = {"full": 1, "tenth": 10, "quick": 50, "tiny": 1000}
"""Names of sizes, and by how much each divides the number of samples."""


@dataclass(frozen=True)
class Case:
    """A table, and the samples and batches that training takes from it.

    Args:
        name: Of the case, and of its table but for the number of samples.
        samples: How many there are; their ids are 0…samples-1.
        shape: Of a sample. Of a grid the sides; of columns their number.
        cells: Cells with a row in a grid's sample: at least and at most. None: columns, one row a sample, and a label.
        low: The least value of a cell.
        high: The greatest; 0, for which there is no row, is left out.
        scale: The divisor of values.
        batch_size: Samples in a batch.
        chunk: Samples that are made at a time. Another chunk makes other samples.
    """

    name: str
    samples: int
    shape: tuple[int, ...]
    cells: tuple[int, int] | None
    low: int
    high: int
    scale: int
    batch_size: int
    chunk: int

    @property
    def table(self) -> str:
        """The name of the table, which tells its size."""
        return f"{self.name}_{self.samples}"

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The columns that make the sample, without its id and coordinates; the label comes last."""
        return ("value",) if self.cells else (*(f"c{i}" for i in range(self.shape[0])), "label")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, the key first."""
        return ("sample", *(("y", "x") if self.cells else ()), *self.value_columns)

    @property
    def rows_per_sample(self) -> float:
        """Rows of a sample, on average."""
        return sum(self.cells) / 2 if self.cells else 1

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample in memory, with its label."""
        return 4 * (prod(self.shape) + (not self.cells))

    def sized(self, size: str) -> Case:
        """The same case with fewer samples."""
        return self.of(max(self.batch_size, self.samples // SIZES[size]))

    def of(self, samples: int) -> Case:
        """The same case with so many samples, which are the first ones of a larger case."""
        return Case(**{**self.__dict__, "samples": samples})

    def layouts(self) -> tuple[Layout, Layout | None]:
        """`x` and `y` of a feed."""
        if self.cells:
            return self.layout(), None
        *x, y = self.value_columns
        return (
            rowfeed.Columns(self.table, sample="sample", columns=x),
            rowfeed.Columns(self.table, sample="sample", columns=y),
        )

    def layout(self) -> Layout:
        """The whole table as one layout, to write it."""
        if self.cells:
            return rowfeed.Grid(self.table, sample="sample", axes=("y", "x"), value="value", shape=self.shape)
        return rowfeed.Columns(self.table, sample="sample", columns=self.value_columns)

    def parts(self, array: Array) -> tuple[Array, ...]:
        """Whole samples as a batch has them: `(x,)`, or `(x, label)`."""
        return (array,) if self.cells else (np.ascontiguousarray(array[:, :-1]), np.ascontiguousarray(array[:, -1]))

    def chunks(self) -> Iterator[tuple[int, Array]]:
        """All samples in parts: the first id of each, and float32 (samples, *shape), labels in a last column."""
        for first in range(0, self.samples, self.chunk):
            made = self._cells(first) if self.cells else self._columns(first)
            yield first, made[: self.samples - first]

    def _cells(self, first: int) -> Array:
        assert self.cells
        stream, cells = self._stream(first), prod(self.shape)
        words = stream.random_raw(self.chunk * cells).reshape(self.chunk, cells)
        least, most = self.cells
        if least == most:
            last = np.partition(words, least - 1, axis=1)[:, least - 1]
        else:
            count = least + (stream.random_raw(self.chunk) % np.uint64(most - least + 1)).astype(np.int64)
            last = np.sort(words, axis=1)[np.arange(self.chunk), count - 1]
        chosen = words <= last[:, None]
        kinds = self.high - self.low + (self.low > 0)
        values = self.low + (stream.random_raw(int(chosen.sum())) % np.uint64(kinds)).astype(np.int64)
        if self.low <= 0:
            values += values >= 0
        array = np.zeros((self.chunk, cells), np.float32)
        array[chosen] = values / self.scale
        return array.reshape(-1, *self.shape)

    def _columns(self, first: int) -> Array:
        stream, width = self._stream(first), self.shape[0]
        array = np.empty((self.chunk, width + 1), np.float32)
        words = stream.random_raw(self.chunk * width).reshape(self.chunk, width)
        array[:, :-1] = (words >> np.uint64(40)).astype(np.float32) / 2**23 - 1
        array[:, -1] = stream.random_raw(self.chunk) % np.uint64(10)
        return array

    def _stream(self, first: int) -> np.random.Philox:
        """Raw words, which numpy promises to keep as they are."""
        key = hashlib.blake2b(f"{self.name} {first}".encode(), digest_size=16).digest()
        return np.random.Philox(key=int.from_bytes(key, "little"))


CASES = {
    case.name: case
    for case in (
        Case("users4", 1_000_000, (4, 4), (1, 9), -7, 17, 1, 20, 50_000),
        Case("cells28", 200_000, (28, 28), (50, 50), 1, 255, 1, 64, 5_000),
        Case("wide128", 20_000, (128, 128), (1_000, 1_000), -999, 999, 8, 32, 500),
        Case("columns20", 1_000_000, (20,), None, 0, 0, 1, 256, 50_000),
    )
}

"""`Grid`: a sparse array per sample, one row per cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.arguments import (
    checked_choice,
    checked_dtype,
    checked_fill,
    checked_names,
    checked_sample,
    unchanged_array,
)
from rowfeed.layouts.base import Array, Layout, filled, put
from rowfeed.layouts.combining import combined, result_of
from rowfeed.messages import brief, discreetly_made
from rowfeed.request.catalogue import Catalogue
from rowfeed.request.request import ColumnData
from rowfeed.request.selection import Axis, Selection, Value
from rowfeed.request.source import Source, TableLike, Where

UNLOAD_CELLS = 4_000_000
"""Cells in one chunk of `unload`."""


@discreetly_made
@dataclass(frozen=True, eq=False)
class Grid(Layout):
    """A dense array per sample, read from one row per cell that is not `fill`.

    The array is zero-based and row-major in the order of `axes`: `axes=("x", "y")` puts the row with x=1, y=2 at
    `array[1, 2]`. For pictures, whose y runs down the rows, use `axes=("y", "x")`.

    Args:
        table: A table or view name, `"schema.table"`, or a SQLAlchemy selectable.
        sample: The column with the sample id: integers, text, UUIDs, bytes or dates.
        axes: The columns with the coordinates, 1 to 8 of them, outermost first.
        value: One value column gives arrays of `shape`; a list of n columns adds a last axis of n, also for n = 1.
        shape: Cells along each axis.
        fill: The value of cells without a row.
        dtype: The dtype of the arrays: boolean, integer or float. Integers must fit exactly, reals are rounded.
        duplicates: How to treat several rows for one cell: `error`; `first` or `last` in the order of the table's
            primary key, text by code point; `sum`, `mean`, `max` or `min` of them: integers exactly, or an
            error if dtype does not hold the result; reals in float64, then rounded to dtype.
        out_of_range: How to treat a coordinate outside `shape`: `error`, or `drop` the row.
        null: How to treat a NULL: `error`; `drop` the row; or `fill`, the value is then `fill` (a coordinate must not
            be NULL then).
        where: The rows that count: SQL text, or a SQLAlchemy expression. Default: all.

    Raises:
        ArgumentError: An argument cannot be right.

    Example:
        ```python
        grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
        ```
    """

    table: TableLike
    sample: str = field(kw_only=True)
    axes: Sequence[str] = field(kw_only=True)
    value: str | Sequence[str] = field(kw_only=True)
    shape: Sequence[int] = field(kw_only=True)
    fill: float = field(default=0, kw_only=True)
    dtype: Any = field(default="float32", kw_only=True)
    duplicates: str = field(default="error", kw_only=True)
    out_of_range: str = field(default="error", kw_only=True)
    null: str = field(default="error", kw_only=True)
    where: Where = field(default=None, kw_only=True)
    source: Source = field(init=False, repr=False)
    values: tuple[str, ...] = field(init=False, repr=False)
    sample_shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        fix("source", Source(self.table, self.where))
        checked_sample(self.sample)
        fix("axes", checked_names("axes", self.axes))
        fix("values", checked_names("value", self.value))
        fix("value", self.value if isinstance(self.value, str) else self.values)
        shape = (self.shape,) if isinstance(self.shape, (int, np.integer)) else tuple(self.shape)
        if not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape):
            raise ArgumentError(
                f"expected a positive whole number of cells along each axis; got shape={brief(self.shape)}. Fix shape."
            )
        if len(shape) != len(self.axes) or not 1 <= len(shape) <= 8:
            raise ArgumentError(
                f"expected as many axes as shape has sides, 1 to 8; got axes={brief(tuple(self.axes))} and "
                f"shape={brief(shape)}. Name one coordinate column per side."
            )
        fix("shape", tuple(int(n) for n in shape))
        fix("dtype", checked_dtype(self.dtype))
        if prod(shape) * len(self.values) * self.dtype.itemsize >= 2**62:
            raise ArgumentError(
                f"expected a shape whose cells can be counted in 62 bits; got shape={brief(shape)}, {prod(shape):,} "
                "cells. Restrict the axes with where=, or bin them in a selectable."
            )
        fix("sample_shape", self.shape if isinstance(self.value, str) else (*self.shape, len(self.values)))
        fix("fill", checked_fill(self.fill, self.dtype))
        checked_choice("duplicates", self.duplicates, ("error", "first", "last", "sum", "mean", "max", "min"))
        checked_choice("out_of_range", self.out_of_range, ("error", "drop"))
        checked_choice("null", self.null, ("error", "drop", "fill"))

    @property
    def rows_per_sample(self) -> float:
        return prod(self.shape) if self.duplicates == "error" else inf

    def selection(self, catalogue: Catalogue) -> Selection:
        catalogue.check(self.source, (self.sample, *self.axes, *self.values))
        return Selection(
            source=self.source,
            sample=self.sample,
            axes=tuple(Axis(name, size) for name, size in zip(self.axes, self.shape, strict=True)),
            values=(*(self._value(catalogue, name) for name in self.values), *self._ordering(catalogue)),
            drop_nulls=self.null == "drop",
            out_of_range=self.out_of_range,
            id_kind=catalogue.sample_kind(self.source, self.sample),
            indexed=catalogue.indexed(self.source, self.sample),
        )

    def empty(self, samples: int) -> Array:
        return filled((samples, *self.sample_shape), self.fill, self.dtype)

    def scatter(self, data: ColumnData, slots: npt.NDArray[np.int64], out: Array) -> None:
        cells = prod(self.shape)
        sample, cell, values = self._one_per_cell(data)
        put(out, slots[sample] * cells + cell, values)

    def unload(self, arrays: Any) -> Iterator[tuple[Array, ...]]:
        fill = _bits(self.fill, self.dtype)
        cells, channels = prod(self.shape), len(self.values)
        for first, part in _chunks(arrays, self.sample_shape, np.dtype(self.dtype)):
            flat = part.reshape(-1, channels)
            place = np.flatnonzero((flat.view(f"u{flat.itemsize}") != fill).any(axis=1))
            sample, cell = np.divmod(place, cells)
            yield (
                sample + first,
                *np.unravel_index(cell, self.shape),
                *(flat[place, c] for c in range(channels)),
            )

    @property
    def _combines(self) -> bool:
        return self.duplicates in ("sum", "mean", "max", "min")

    def _value(self, catalogue: Catalogue, name: str) -> Value:
        """A value column. Those that combine come as integers if they are all integers, else as float64."""
        fill = self.fill if self.null == "fill" else None
        if not self._combines:
            return Value(name, np.dtype(self.dtype), fill=fill)
        dtype = catalogue.numbers(self.source, name)
        if dtype is None or (fill is not None and fill != np.floor(fill)):
            return Value(name, np.dtype(np.float64), fill=fill)
        return Value(name, dtype, reals=dtype.kind == "f", fill=fill)

    def _ordering(self, catalogue: Catalogue) -> tuple[Value, ...]:
        """The columns that order several rows for a cell."""
        if self.duplicates not in ("first", "last"):
            return ()
        key = catalogue.primary_key(self.source)
        if not key:
            raise ArgumentError(
                f"duplicates={self.duplicates!r} needs rows that have an order; got {self.source.label}, which has no "
                'primary key, and a table without one keeps no order. Add one, or pass duplicates="max", "mean"…'
            )
        known = {self.sample, *self.axes}
        return catalogue.ordering(self.source, (name for name in key if name not in known))

    def _one_per_cell(self, data: ColumnData) -> tuple[Array, Array, tuple[Array, ...]]:
        """The rows of a reply, at most one for a cell: sample, cell, values."""
        key = data.sample * prod(self.shape) + data.cell
        if bool((key[1:] > key[:-1]).all()):
            unique = True
        else:
            ordered = np.sort(key)
            unique = bool((ordered[1:] != ordered[:-1]).all())
        own, ordering = data.values[: len(self.values)], data.values[len(self.values) :]
        if unique:
            return data.sample, data.cell, self._converted(data, own, data.sample)
        order = np.arange(key.size)
        for column in (*reversed(ordering), key):
            order = order[np.argsort(column[order], kind="stable")]
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        if self.duplicates == "error":
            raise self._duplicate(data, order, starts)
        if self._combines:
            samples, reals = data.sample[order[starts]], [value.reals for value in data.request.selection.values]
            values = tuple(
                combined(self.duplicates, key, value, starts, self.dtype, real, data.request.locate(name, samples))
                for name, value, real in zip(self.values, own, reals, strict=True)
            )
        else:
            self._refuse_ties(data, [column[order] for column in (key, *ordering)], order)
            chosen = starts if self.duplicates == "first" else np.append(starts[1:], order.size) - 1
            values = tuple(value[order[chosen]] for value in own)
        sample, cell = data.sample[order[starts]], data.cell[order[starts]]
        return sample, cell, values

    def _refuse_ties(self, data: ColumnData, ordered: Sequence[Array], order: Array) -> None:
        """Refuse rows of a cell whose ordering columns are all equal: rounding can make a key ambiguous."""
        if len(ordered) == 1:
            return
        tied = np.logical_and.reduce([column[1:] == column[:-1] for column in ordered])
        if tied.any():
            row = order[int(np.argmax(tied))]
            raise DataError(
                f"expected rows whose order can be told within float64; got two alike at "
                f"{data.request.at(self.axes[0], data.sample[row])}. CAST the key to integers or text in a selectable."
            )

    def _converted(self, data: ColumnData, values: tuple[Array, ...], sample: Array) -> tuple[Array, ...]:
        """Values of cells in the dtype of the arrays: those that combine come in a wider one, others have it."""
        if not self._combines:
            return values
        reals = [value.reals for value in data.request.selection.values]
        return tuple(
            result_of(value, self.dtype, real, data.request.locate(name, sample))
            for name, value, real in zip(self.values, values, reals, strict=True)
        )

    def _duplicate(self, data: ColumnData, order: Array, starts: Array) -> DataError:
        counts = np.diff(np.append(starts, order.size))
        group = int(np.argmax(counts > 1))
        row = order[starts[group]]
        cell = np.unravel_index(int(data.cell[row]), self.shape)
        where = ", ".join(f"{name}={int(c)}" for name, c in zip(self.axes, cell, strict=True))
        return DataError(
            f"expected one row for a cell; got {counts[group]} at {data.request.at(self.axes[0], data.sample[row])}, "
            f'{where}. Delete all but one, or pass duplicates="sum", "mean", "max", "min", "first" or "last".'
        )


def _bits(fill: float, dtype: Any) -> int:
    """A fill's bit pattern: -0.0 and 0.0 are two values, NaN and NaN are one."""
    return int(np.array(fill).astype(dtype).view(f"u{np.dtype(dtype).itemsize}"))


def _chunks(arrays: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[tuple[int, Array]]:
    """Dense parts of the argument of `write`, each with the number of its first sample."""
    sparse = _sparse_rows(arrays, shape)
    total = len(arrays) if sparse is None else sparse.shape[0]
    step = max(1, UNLOAD_CELLS // prod(shape))
    for first in range(0, total, step):
        if sparse is None:
            part = np.asarray(arrays[first : first + step])
        else:
            part = sparse[first : first + step].toarray().reshape(-1, *shape)
        if part.shape[1:] != shape:
            raise ArgumentError(
                f"expected arrays of shape (samples, {str(shape)[1:]}; got {part.shape}. "
                "Reshape them, or fix the layout."
            )
        yield first, unchanged_array(part, dtype, first)


def _sparse_rows(arrays: Any, shape: tuple[int, ...]) -> Any:
    """scipy.sparse input as one CSR matrix (samples, cells); None for anything else."""
    first = arrays[0] if isinstance(arrays, (list, tuple)) and arrays else arrays
    if not hasattr(first, "tocsr"):
        return None
    import scipy.sparse

    if first is not arrays:
        if any(matrix.shape != shape for matrix in arrays):
            raise ArgumentError(f"expected sparse matrices of shape {shape}; got {[m.shape for m in arrays][:3]}….")
        return scipy.sparse.vstack([matrix.reshape(1, prod(shape)) for matrix in arrays]).tocsr()
    if arrays.ndim != 2 or arrays.shape[1] != prod(shape):
        raise ArgumentError(
            f"expected a sparse matrix (samples, {prod(shape)}), one row per sample; got {arrays.shape}. Reshape it."
        )
    return arrays.tocsr()

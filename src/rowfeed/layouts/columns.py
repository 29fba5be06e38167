"""`Columns`: one row per sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.arguments import (
    checked_choice,
    checked_date_fill,
    checked_dtype,
    checked_fill,
    checked_names,
    checked_sample,
    unchanged_array,
)
from rowfeed.layouts.base import Array, Layout, filled, put
from rowfeed.messages import discreetly_made
from rowfeed.request.catalogue import Catalogue
from rowfeed.request.request import ColumnData
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source, TableLike, Where
from rowfeed.values.dates import is_date


@discreetly_made
@dataclass(frozen=True, eq=False)
class Columns(Layout):
    """A number or a vector per sample, read from one row per sample: labels, features, weights.

    A sample without a row is read as a row of NULLs, as after a LEFT JOIN.

    Args:
        table: A table or view name, `"schema.table"`, or a SQLAlchemy selectable.
        sample: The column with the sample id: integers, text, UUIDs, bytes or dates.
        columns: One column gives arrays `(batch,)`; a list of n columns gives `(batch, n)`, also for n = 1.
        dtype: The dtype of the arrays. Boolean, integer or float: integers must fit exactly, reals are rounded.
            `datetime64[D]` to `[us]` for dates and timestamps, `timedelta64[D]` to `[us]` for times of day, which must
            fit exactly; a timestamp with a time zone, like MySQL's TIMESTAMP, is read in UTC.
        null: How to treat a NULL or a missing row: `error`; or `fill`, the value is then `fill`.
        fill: The value that stands for NULL with `null="fill"`. For dates it must be given: a date, `numpy.datetime64`,
            or "NaT".
        where: The rows that count: SQL text, or a SQLAlchemy expression. Default: all.

    Raises:
        ArgumentError: An argument cannot be right.

    Example:
        ```python
        cells = rowfeed.Columns("USER_MATRIX_USERS", sample="user_id", columns="cells", dtype="int32")
        ```
    """

    table: TableLike
    sample: str = field(kw_only=True)
    columns: str | Sequence[str] = field(kw_only=True)
    dtype: Any = field(default="float32", kw_only=True)
    null: str = field(default="error", kw_only=True)
    fill: Any = field(default=0, kw_only=True)
    where: Where = field(default=None, kw_only=True)
    source: Source = field(init=False, repr=False)
    values: tuple[str, ...] = field(init=False, repr=False)
    sample_shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        fix("source", Source(self.table, self.where))
        checked_sample(self.sample)
        fix("values", checked_names("columns", self.columns))
        fix("columns", self.columns if isinstance(self.columns, str) else self.values)
        fix("dtype", checked_dtype(self.dtype, dates=True))
        fix("sample_shape", () if isinstance(self.columns, str) else (len(self.values),))
        checked_choice("null", self.null, ("error", "fill"))
        if is_date(self.dtype):
            fix("fill", checked_date_fill(self.fill, self.dtype, self.null == "fill"))
        else:
            fix("fill", checked_fill(self.fill, self.dtype))

    @property
    def rows_per_sample(self) -> float:
        return 1

    def selection(self, catalogue: Catalogue) -> Selection:
        catalogue.check(self.source, (self.sample, *self.values))
        kind = catalogue.sample_kind(self.source, self.sample)
        fill = self.fill if self.null == "fill" else None
        values = tuple(Value(name, np.dtype(self.dtype), fill=fill) for name in self.values)
        return Selection(
            self.source,
            self.sample,
            (),
            values,
            id_kind=kind,
            indexed=catalogue.indexed(self.source, self.sample),
        )

    def empty(self, samples: int) -> Array:
        return filled((samples, *self.sample_shape), self.fill, self.dtype)

    def scatter(self, data: ColumnData, slots: npt.NDArray[np.int64], out: Array) -> None:
        rows = np.bincount(data.sample, minlength=slots.size)
        if rows.max(initial=0) > 1:
            sample = int(np.argmax(rows > 1))
            raise DataError(
                f"expected one row per sample; got {rows[sample]} at {data.request.at(self.values[0], sample)}. "
                "Delete all but one, or aggregate them in a selectable."
            )
        if self.null == "error" and data.sample.size < slots.size:
            sample = int(np.argmin(rows))
            raise DataError(
                f"expected one row per sample; got none at {data.request.at(self.values[0], sample)}. "
                'Add the row, leave the sample out with samples=, or pass null="fill".'
            )
        put(out, slots[data.sample], data.values)

    def unload(self, arrays: Any) -> Iterator[tuple[Array, ...]]:
        array = np.asarray(arrays)
        if array.shape[1:] != self.sample_shape or array.ndim == 0:
            expected = ", ".join(str(n) for n in ("samples", *self.sample_shape))
            raise ArgumentError(
                f"expected an array of shape ({expected}); got {array.shape}. Reshape it, or fix the layout."
            )
        flat = unchanged_array(array, np.dtype(self.dtype), 0).reshape(array.shape[0], -1)
        yield np.arange(array.shape[0]), *(flat[:, column] for column in range(len(self.values)))

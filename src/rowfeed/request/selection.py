"""The rows and columns that a layout needs, for all of its requests."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.util import memoized_property

from rowfeed.request.source import Source
from rowfeed.values.ids import IdKind
from rowfeed.values.kinds import ValueKind, kind_of

Indexes: TypeAlias = "npt.NDArray[np.integer[Any]]"


def index_dtype(count: int) -> np.dtype[Any]:
    """The dtype for numbers below a count: half of the memory of int64 if that suffices."""
    return np.dtype(np.int32 if count < 2**31 else np.int64)


@dataclass(frozen=True)
class Axis:
    """A coordinate column and its number of cells."""

    name: str
    size: int


@dataclass(frozen=True)
class Value:
    """A value column and its requested dtype.

    Args:
        name: The column.
        dtype: The dtype.
        reals: Whether the column is known to hold reals only, so that also its whole numbers may be rounded.
        fill: The value that stands for NULL; None: a NULL is an error, or its row does not count.
    """

    name: str
    dtype: np.dtype[Any]
    reals: bool = False
    fill: Any = None

    @property
    def kind(self) -> ValueKind:
        """The kind of its values."""
        return kind_of(self.dtype)

    @property
    def fills(self) -> bool:
        """Whether a value stands for NULL."""
        return self.fill is not None


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows and columns that a layout needs.

    Args:
        source: The rows.
        sample: The column with the sample id.
        axes: The coordinate columns, outermost first; none if a sample is one row.
        values: The value columns; the last ones are those by which a layout orders the rows of a sample.
        drop_nulls: Whether a row with a NULL does not count.
        out_of_range: How to treat a coordinate outside its axis: `error`; `drop`, the row does not count.
        id_kind: The kind of the ids in the sample column; None if the table was empty.
        indexed: Whether an index starts with the sample column, so that a query for a range of ids reads only its rows.
    """

    source: Source
    sample: str
    axes: tuple[Axis, ...]
    values: tuple[Value, ...]
    drop_nulls: bool = False
    out_of_range: str = "error"
    id_kind: IdKind | None = None
    indexed: bool = False

    @property
    def cells(self) -> int:
        """Cells of one sample."""
        return prod(axis.size for axis in self.axes)

    @property
    def value_kinds(self) -> set[ValueKind]:
        """The kinds of the values."""
        return {value.kind for value in self.values}

    @property
    def filled(self) -> list[int]:
        """The numbers of the values that have a fill."""
        return [number for number, value in enumerate(self.values) if value.fills]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns that a request reads."""
        names = (self.sample, *(a.name for a in self.axes), *(v.name for v in self.values))
        return tuple(dict.fromkeys(names))

    @memoized_property
    def subquery(self) -> sa.Subquery:
        """The rows that count, with columns `sample`, `axis0`…, `value0`….

        Rows that `drop_nulls` leaves out are not among them. The dialect applies the other policies.
        """
        labels = {"sample": self.sample}
        labels |= {f"axis{i}": axis.name for i, axis in enumerate(self.axes)}
        labels |= {f"value{i}": value.name for i, value in enumerate(self.values)}
        query = self.source.select(labels)
        if self.drop_nulls:
            needed = [label for label in labels if label.startswith(("axis", "value"))]
            query = query.where(*(query.selected_columns[label].element.is_not(None) for label in needed))
        return query.subquery("r")

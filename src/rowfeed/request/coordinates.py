"""From coordinates to cells: whole numbers within their axes, and nothing else.

`cells_of` looks at arrays, quickly, and leaves rows that are odd to the plain rows, where `coordinates` names the first
that is wrong. SQLite and PostgreSQL have the same rule in their SQL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.errors import DataError
from rowfeed.messages import brief
from rowfeed.request.request import Request
from rowfeed.request.selection import Axis, Indexes, Selection, index_dtype


def cells_of(
    selection: Selection, coordinates: Sequence[npt.NDArray[Any]], rows: int
) -> tuple[Indexes, npt.NDArray[np.bool_] | None] | None:
    """The cells of rows from their coordinates; None if one of them is for the plain rows to look at.

    Args:
        selection: Whose axes they are of.
        coordinates: An array of integers or reals for each axis: (rows,).
        rows: How many there are.

    Returns:
        Cells, as `ColumnData` has them, and which rows are within all axes; None if all are.
    """
    numbers = index_dtype(selection.cells)
    cell, inside = np.zeros(rows, numbers), None
    for index, (axis, place) in enumerate(zip(selection.axes, coordinates, strict=True)):
        if place.dtype.kind == "f" and not bool((place == np.floor(place)).all()):
            return None
        if place.size and not 0 <= place.min() <= place.max() < axis.size:
            if selection.out_of_range != "drop":
                return None
            within = (place >= 0) & (place < axis.size)
            inside = within if inside is None else inside & within
            place = np.where(within, place, 0)
        place = place.astype(numbers, copy=False)
        cell = cell * numbers.type(axis.size) + place if index else place
    return cell, inside


def within_axes(rows: list[Any], selection: Selection) -> list[Any]:
    """Rows without those that `out_of_range="drop"` leaves out: whole numbers outside of their axis, nothing else."""
    if selection.out_of_range != "drop":
        return rows
    sizes = [axis.size for axis in selection.axes]

    def outside(value: Any, size: int) -> bool:
        return _is_whole(value) and not 0 <= value < size

    return [row for row in rows if not any(map(outside, row[1:], sizes))]


def coordinates(
    objects: Sequence[Any], axis: Axis, request: Request, sample: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The coordinates of plain rows along an axis: int64 (rows,).

    Raises:
        DataError: One is NULL, no whole number or outside of the axis: names the first.
    """
    shape = tuple(a.size for a in request.selection.axes)
    result = np.empty(len(objects), np.int64)
    for index, value in enumerate(objects):
        at = request.at(axis.name, sample[index])
        if value is None:
            fix = ' (null="fill" fills values, a coordinate has no fill)' if request.selection.filled else ""
            raise DataError(f'{axis.name} must be an integer; got NULL at {at}{fix}. Fix the row, or pass null="drop".')
        if not _is_whole(value):
            raise DataError(
                f"{axis.name} must be an integer; got {brief(value)} at {at}. Fix the row, or CAST it in a selectable."
            )
        if not 0 <= value < axis.size:
            raise DataError(
                f"{axis.name} must be in 0..{axis.size - 1} (axis of shape {shape}); got {int(value)} at {at}. "
                'Fix the row, enlarge shape, or pass out_of_range="drop".'
            )
        result[index] = int(value)
    return result


def _is_whole(value: Any) -> bool:
    """Whether a driver's object is a finite whole number. (`value // 1` fails for a Decimal of more than 28 digits.)"""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return math.isfinite(value) and value == int(value)

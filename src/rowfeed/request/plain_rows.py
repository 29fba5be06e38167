"""Plain rows, as any driver gives them, become columns, and a faulty row is named.

A dialect with a faster way uses this one for a request that fails its quick checks. If the rows are unusual but
correct, they are read here. If they are wrong, the error of this module names the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rowfeed.errors import DataError
from rowfeed.request.coordinates import coordinates, within_axes
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection, Value
from rowfeed.values.ids import IdKind, namer
from rowfeed.values.kinds import from_objects


def to_columns(request: Request, rows: Sequence[Sequence[Any]], kind: IdKind) -> ColumnData:
    """Check and convert rows of `request.selection.subquery`, with ids of a kind.

    Rows of samples that were not requested are left out: a loose collation lets them through.

    Raises:
        DataError: A coordinate or value is NULL, not a number, out of range, or does not fit its dtype.
    """
    selection = request.selection
    position = {sample: index for index, sample in enumerate(request.ids.tolist())}
    name = namer(kind)
    wanted = within_axes([row for row in rows if name(row[0]) in position], selection)
    sample = np.array([position[name(row[0])] for row in wanted], np.int64)
    columns = list(zip(*wanted, strict=True)) or [()] * (1 + len(selection.axes) + len(selection.values))
    cell = np.zeros(len(wanted), np.int64)
    for axis, objects in zip(selection.axes, columns[1:], strict=False):
        cell = cell * axis.size + coordinates(objects, axis, request, sample)
    values = []
    for value, objects in zip(selection.values, columns[1 + len(selection.axes) :], strict=False):
        locate = request.locate(value.name, sample)
        values.append(from_objects(_filled(objects, selection, value, locate), value.dtype, locate))
    return ColumnData(request, sample, cell, tuple(values))


def _filled(objects: Sequence[Any], selection: Selection, value: Value, locate: Callable[[int], str]) -> Sequence[Any]:
    """Values with their fill for NULL, or an error that names the place of a NULL."""
    if all(one is not None for one in objects):
        return objects
    if value.fills:
        return [value.fill if one is None else one for one in objects]
    ways = 'null="drop" or null="fill"' if selection.axes else 'null="fill"'
    at = locate(next(index for index, one in enumerate(objects) if one is None))
    raise DataError(f"expected {value.kind.value}; got NULL at {at}. Fix the row, or pass {ways}.")

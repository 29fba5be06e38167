"""Rows in the binary protocol of MariaDB and MySQL become columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.dialects.mysql.query import DECIMALS
from rowfeed.dialects.mysql.wire import Rows
from rowfeed.errors import DataError
from rowfeed.request.coordinates import cells_of
from rowfeed.request.request import Request
from rowfeed.request.selection import Indexes, Selection, index_dtype
from rowfeed.values.ids import INT64_MAX, Ids
from rowfeed.values.numbers import decimals_fit, to_dtype


def none(selection: Selection) -> list[npt.NDArray[Any]]:
    """The columns of a reply without rows."""
    sample, cell = np.empty(0, np.int32), np.empty(0, index_dtype(selection.cells))
    return [sample, cell, *(np.empty(0, value.dtype) for value in selection.values)]


def take(request: Request, types: list[int], parts: list[list[npt.NDArray[Any]]], rows: Rows) -> bool:
    """Check and convert some rows; False if one of them must be read as a plain row."""
    selection = request.selection
    first = 1 + len(selection.axes)
    # Copies, since the stream goes on in the same memory; numpy takes a column of one row for contiguous.
    found = cells_of(selection, [rows[f"c{index}"].copy() for index in range(1, first)], rows.size)
    if found is None:
        return False
    cell, inside = found
    if inside is not None:
        rows, cell = rows[inside], cell[inside]
    sample = _positions(request.ids, rows["c0"])
    if sample is None:
        return False
    columns = [sample, cell]
    for index, value in enumerate(selection.values):
        data = rows[f"c{first + index}"].copy()
        if types[first + index] in DECIMALS and not decimals_fit(data, value.dtype):
            return False
        try:
            data = to_dtype(data, value.dtype, request.locate(value.name, sample))
        except DataError:
            return False
        if value.fills:
            mark = first + len(selection.values) + selection.filled.index(index)
            data[rows[f"c{mark}"] != 0] = value.fill
        columns.append(data)
    parts.append(columns)
    return True


def _positions(ids: Ids, found: npt.NDArray[Any]) -> Indexes | None:
    """The indexes of rows' ids among the requested ids; None if one is not among them, or is not an integer.

    Rows mostly come in runs of one id, so one search per run suffices.
    """
    if found.dtype.kind not in "iu":
        return None
    if found.dtype.kind != ids.dtype.kind and bool(((found < 0) | (found > np.uint64(INT64_MAX))).any()):
        return None
    found = found.astype(ids.dtype)
    starts = np.flatnonzero(found[1:] != found[:-1]) + 1 if found.size else np.empty(0, np.int64)
    starts = np.concatenate((np.zeros(min(1, found.size), np.int64), starts))
    names = found[starts]
    place = np.searchsorted(ids, names)
    if names.size and not (int(place.max()) < ids.size and bool((ids[place] == names).all())):
        return None
    return np.repeat(place.astype(index_dtype(ids.size)), np.diff(np.append(starts, found.size)))

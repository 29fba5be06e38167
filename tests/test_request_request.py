"""Numbers of samples and cells from what a query returns, and its rows in portions."""

from __future__ import annotations

import numpy as np
import pytest

from rowfeed.request.request import ROWS_IN_CACHE, ColumnData, Request
from rowfeed.request.selection import Axis, Selection, Value
from rowfeed.request.source import Source

SELECTION = Selection(Source("t"), "id", (Axis("y", 3), Axis("x", 5)), (Value("v", np.dtype("f8")),))


def made(rows_of, shuffled=False):
    """Rows of samples with so many each; a value tells its sample and its number among all rows."""
    sample = np.repeat(np.arange(rows_of.size), rows_of)
    row = np.arange(sample.size)
    if shuffled:
        sample, row = np.roll(sample, 1), np.roll(row, 1)
    request = Request(SELECTION, 7 + 3 * np.arange(rows_of.size))
    return ColumnData(request, sample.astype(np.int32), (row % 15).astype(np.int32), (sample * 1e6 + row,))


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    "rows_of",
    [
        np.tile([2, 0, 5, 1], 20_000),
        np.full(20, ROWS_IN_CACHE + 3),
        np.append(np.zeros(50_000, int), [60_000]),
        np.zeros(9, int),
        np.array([4]),
    ],
    ids=["many", "large", "one at the end", "none", "one"],
)
def test_portions_are_requests_of_their_own(rows_of, shuffled):
    """Each sample is in one portion, with all of its rows; those that come by sample are never in large portions."""
    data = made(rows_of, shuffled)
    samples, rows = [], []
    for which, portion in data.portions():
        ids = data.request.ids[which]
        assert portion.request.ids.tolist() == ids.tolist()
        assert portion.sample.dtype == portion.cell.dtype == np.int64
        assert ((portion.sample >= 0) & (portion.sample < ids.size)).all()
        assert (ids[portion.sample] == 7 + 3 * (portion.values[0] // 1e6)).all()
        assert (portion.cell == portion.values[0] % 1e6 % 15).all()
        samples.append(ids)
        rows.append(portion.values[0])
        assert shuffled or portion.sample.size <= ROWS_IN_CACHE + rows_of.max()
    assert np.concatenate(samples).tolist() == data.request.ids.tolist()
    assert np.concatenate(rows).tolist() == data.values[0].tolist()


@pytest.mark.parametrize("dtype", [">i4", "<i4", ">i8", "<i8"])
@pytest.mark.parametrize("apart", [1, 3, 2**25])
def test_places_are_taken_apart(dtype, apart):
    """(id - first) · cells + cell gives back both, in any byte order, from a table of numbers or by a search."""
    ids = 10 + apart * np.arange(4)
    sample, cell = np.divmod(np.tile(np.arange(60), 500), 15)
    places = apart * sample * 15 + cell
    found = Request(SELECTION, ids).unfolded(places.astype(dtype), 10)
    assert [part.tolist() for part in found] == [sample.tolist(), cell.tolist()]
    numbered = Request(SELECTION, ids).unfolded((sample * 15 + cell).astype(dtype), None)
    assert [part.tolist() for part in numbered] == [sample.tolist(), cell.tolist()]
    assert {part.dtype for part in (*found, *numbered)} == {np.dtype(np.int32)}


def test_large_samples_have_large_numbers():
    """Cells beyond 2^31 are counted in int64."""
    selection = Selection(Source("t"), "id", (Axis("y", 2**20), Axis("x", 2**20)), ())
    cell = np.array([0, 2**31, 2**40 - 1])
    assert Request(selection, np.array([5])).unfolded(cell, 5)[1].tolist() == cell.tolist()

"""How many samples a request may have: what its rows take in memory."""

from __future__ import annotations

import numpy as np
import pytest

from rowfeed.reading.sizes import FIRST_WIDTH, SORTED, SPARE, RequestSize, row_bytes
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source
from rowfeed.values.ids import TEXT

MEMORY = 2**20


def size(*dtypes):
    """The size of requests for values of such dtypes, one row a sample."""
    values = tuple(Value(f"v{index}", np.dtype(dtype)) for index, dtype in enumerate(dtypes))
    selection = Selection(Source("t"), "id", (), values)
    return RequestSize(MEMORY, selection), selection


def test_numbers_take_what_their_number_says():
    """Whatever came, a row of numbers takes the same."""
    found, selection = size("float32", "int8")
    before = found.samples
    assert before == MEMORY // row_bytes(selection)
    found.observe(100, 100, 10**9, 0.15)
    assert found.samples == pytest.approx(before / SPARE, abs=1)


@pytest.mark.parametrize(("length", "dtype"), [(20, TEXT), (100_000, TEXT), (3_000, object)])
def test_text_and_bytes_take_what_they_are_long(length, dtype):
    """Before anything came a text is taken for FIRST_WIDTH; then for the longest average so far, and some more."""
    found, selection = size("float32", dtype)
    assert found.samples == int(MEMORY // row_bytes(selection, FIRST_WIDTH))
    found.observe(10, 10, 10 * length, 0.15)
    assert found.fitting_rows == max(1, int(MEMORY // row_bytes(selection, SPARE * length)))
    found.observe(10, 10, 10, 0.15)
    assert found.fitting_rows == max(1, int(MEMORY // row_bytes(selection, SPARE * length)))


def test_one_sample_is_always_asked_for():
    """A text that does not fit is read all the same, by itself."""
    found, _ = size(TEXT)
    found.observe(1, 1, 100 * MEMORY, 0.15)
    assert found.samples == 1


def test_cells_of_several_rows():
    """Nobody knows how many: requests grow from one sample on, a few times each, and there is memory to sort rows."""
    _, selection = size("float64")
    found = RequestSize(MEMORY, selection, several=True)
    sizes = []
    for _ in range(4):
        sizes.append(found.samples)
        found.observe(found.samples, 2 * found.samples, 16 * found.samples, 0.001)
    assert sizes == [1, 4, 16, 64]
    assert found.fitting_rows == RequestSize(MEMORY, selection).fitting_rows // SORTED
    found.observe(64, 64 * MEMORY, 64 * 8 * MEMORY, 0.001)
    assert found.samples == 1

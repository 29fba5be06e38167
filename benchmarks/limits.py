"""The rate that nobody can exceed: numpy alone, on columns that are in memory already."""

from __future__ import annotations

import time

import numpy as np
from cases import Case
from windows import Columns, cut, plan, scatter

SAMPLES = 40_000_000
"""Values in memory at a time: as many samples as fit are scattered."""


def scatter_seconds(case: Case, repeats: int = 3) -> list[float]:
    """Seconds per epoch to decode packed rows, scatter them into windows and cut these into batches."""
    count = min(case.samples, 4 * SAMPLES // case.sample_bytes // case.batch_size * case.batch_size)
    rows = _packed(case.of(max(case.batch_size, count)))
    return [_once(case, rows) * case.samples / count for _ in range(repeats)]


def _once(case: Case, packed: list[tuple[int, bytes, np.dtype]]) -> float:
    started = time.perf_counter()
    dense = (scatter(case, np.arange(count), [_columns(data, dtype)]) for count, data, dtype in packed)
    for _ in cut(case, dense):
        pass
    return time.perf_counter() - started


def _columns(data: bytes, dtype: np.dtype) -> Columns:
    rows = np.frombuffer(data, dtype)
    return [rows[name] for name in dtype.names or ()]


def _packed(case: Case) -> list[tuple[int, bytes, np.dtype]]:
    """A window's rows each, packed as a wire has them: int64 ids, int32 coordinates, float32 values."""
    window = plan(case, case.samples, 0).window
    kinds = ["<i8", *("<i4" for name in case.columns if name in ("y", "x")), *("<f4" for _ in case.value_columns)]
    dtype = np.dtype(list(zip(case.columns, kinds, strict=True)))
    samples = np.concatenate([array for _, array in case.chunks()])
    packed = []
    for first in range(0, len(samples), window):
        part = samples[first : first + window]
        columns = [np.concatenate(c) for c in zip(*case.layout().unload(part), strict=True)]
        rows = np.empty(len(columns[0]), dtype)
        for name, column in zip(case.columns, columns, strict=True):
            rows[name] = column
        packed.append((len(part), rows.tobytes(), dtype))
    return packed

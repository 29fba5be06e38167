"""Peak memory of one epoch, for a table and one ten times as large. Run: python benchmarks/memory.py [DIR]

Each epoch runs in a process of its own. The tables (2,000,000 and 20,000,000 rows of 28×28 samples with 50 cells each)
are made in DIR, by default a temporary directory; about 800 MB.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median

import numpy as np
import processes

import rowfeed

CELLS = 50
SIZES = (40_000, 400_000)
MEMORY_BYTES = 64 * 2**20


def layout() -> rowfeed.Grid:
    """28×28 samples."""
    return rowfeed.Grid("cells", sample="sample", axes=("y", "x"), value="value", shape=(28, 28))


def populate(path: Path, samples: int) -> None:
    """Fill a table with `samples` samples of CELLS cells each."""
    rng = np.random.default_rng(0)
    db = rowfeed.connect(f"sqlite:///{path}")
    for first in range(0, samples, 20_000):
        chosen = rng.random((20_000, 784), np.float32).argpartition(CELLS, axis=1)[:, :CELLS]
        arrays = np.zeros((20_000, 784), np.float32)
        np.put_along_axis(arrays, chosen, rng.integers(1, 256, chosen.shape).astype(np.float32), axis=1)
        ids = range(first, first + 20_000)
        db.write(layout(), arrays.reshape(-1, 28, 28), ids=ids, if_exists="append")


def once(path: str) -> dict[str, float]:
    """Samples, seconds and peak of one shuffled epoch."""
    feed = rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}"), x=layout(), batch_size=64, memory_bytes=MEMORY_BYTES)
    started = time.perf_counter()
    samples = sum(len(x) for x in feed)
    seconds = time.perf_counter() - started
    return {"samples": samples, "seconds": seconds, "peak_bytes": processes.peak_bytes()}


def main() -> None:
    """Print the peak for both tables, and the difference beside that of the ids."""
    given = sys.argv[1:]
    with nullcontext(given[0]) if given else tempfile.TemporaryDirectory() as directory:
        peaks = [_peak(Path(directory), samples) for samples in SIZES]
    ids = 16 * (SIZES[1] - SIZES[0])
    print(f"difference {(peaks[1] - peaks[0]) / 2**20:.1f} MiB; 16 bytes a sample: {ids / 2**20:.1f} MiB")


def _peak(directory: Path, samples: int) -> float:
    path = directory / f"cells{samples}.db"
    if not path.exists():
        populate(path, samples)
    runs = [processes.ask(__file__, str(path)) for _ in range(3)]
    peaks, rate = [run["peak_bytes"] for run in runs], samples / median(run["seconds"] for run in runs)
    print(
        f"{samples * CELLS:>12,} rows: peak {median(peaks) / 2**20:.1f} MiB (median of 3: "
        f"{', '.join(str(peak >> 20) for peak in peaks)}), {rate:,.0f} samples/s",
        flush=True,
    )
    return median(peaks)


if __name__ == "__main__":
    processes.run(main, once)
